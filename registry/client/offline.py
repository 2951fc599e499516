"""Verifying files of a log with nobody to ask: checkpoints, proof files, evidence, and folders of tiles.

Everything is held against keys that the caller brings, by hand or in a policy file. What a file cannot show by itself is
said, not guessed.

Spec: c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof, c2sp.org/tlog-tiles; specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from did_methods.codec import base64url_encode
from did_methods.timestamp import format_timestamp
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.errors import NotFoundError, ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.cosignature import Cosignature, CosignatureKey, verify_cosignatures
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import NoteKey, parse_note
from registry.log.proof import parse_proof_file, verify_proof_file
from registry.log.split_view import MAX_EVIDENCE_BYTES, parse_split_view, verify_split_view
from registry.log.tile import TILE_HEIGHT, TILE_WIDTH, append_leaves
from registry.log.witness import claimed_checkpoint
from registry.log.witness_policy import QuorumMissingError, WitnessPolicy, verify_witnessed

_PROOF: Final = b"c2sp.org/tlog-proof@"
Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


class FileUnreadableError(NotFoundError):
    """The file is not there, or cannot be read."""

    code = "log_file_unreadable"
    title = "The file cannot be read"


class KeyNeededError(ParseError):
    """Nothing says which log's key to believe."""

    code = "log_key_needed"
    title = "The log's verifier key is needed"


class EntryNeededError(ParseError):
    """A proof file proves that an entry is in the log; it does not hold the entry."""

    code = "log_entry_needed"
    title = "The entry is needed that the proof is about"


class FolderDamagedError(VerificationError):
    """The files of the folder are not those of the tree that its checkpoint names."""

    code = "log_folder_damaged"
    title = "The folder does not hold the signed tree"


class CheckpointStaleError(VerificationError):
    """Neither a witness nor the log itself has put a time under the checkpoint lately enough: the view may be frozen."""

    code = "checkpoint_stale"
    title = "The checkpoint is older than allowed"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller believes.

    Attributes:
        key: the log's; None where the policy names it.
        policy: its quorum must have cosigned; None asks for no witness.
        heartbeat: the key that puts the log's own time under its checkpoints; None believes witnesses alone.
        entry: the bytes that a proof file is about.
        max_age_ms: how old the newest cosignature may be; None asks for none.
        now_ms: the time.
    """

    key: NoteKey | None = None
    policy: WitnessPolicy | None = None
    heartbeat: CosignatureKey | None = None
    entry: bytes | None = None
    max_age_ms: int | None = None
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a file was found to be; it holds.

    Attributes:
        kind: ``checkpoint``, ``proof``, ``evidence`` or ``folder``.
        origin: of the log.
        size: of the tree.
        facts: more, for people and programs.
    """

    kind: str
    origin: str
    size: int
    facts: dict[str, Any] = field(default_factory=dict)


def verify_file(path: Path, trust: Trust, *, progress: Progress = lambda *_: None) -> Finding:
    """Verify a file, or a folder of tiles, by what it is.

    Raises:
        FileUnreadableError: ``log_file_unreadable``.
        KeyNeededError: ``log_key_needed``.
        EntryNeededError: ``log_entry_needed``.
        FolderDamagedError: ``log_folder_damaged``.
        CheckpointStaleError: ``checkpoint_stale``.
        BonafidesError: the codes of notes, checkpoints, cosignatures, proofs and evidence.
    """
    if path.is_dir():
        return _verify_folder(path, trust, progress)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise FileUnreadableError(f"{path}: {error.strerror}") from error
    if data.startswith(b"{"):
        return _verify_evidence(data, trust)
    if data.startswith(_PROOF):
        return _verify_proof(data, trust)
    verified, facts = _verify_note(data, trust)
    head = verified.checkpoint
    return Finding("checkpoint", head.origin, head.size, {"rootHash": base64url_encode(head.root_hash)} | facts)


def _verify_note(note: bytes, trust: Trust) -> tuple[VerifiedCheckpoint, dict[str, Any]]:
    """Verify a checkpoint under what the caller believes; return who has cosigned it when."""
    if trust.policy is not None and trust.policy.logs:
        witnessed = verify_witnessed(note, trust.policy)
        verified, cosignatures = witnessed.checkpoint, witnessed.cosignatures
        if trust.key is not None and verified.key != trust.key:
            verified = verify_checkpoint(note, origin=trust.key.name, key=trust.key)
    elif trust.key is None:
        raise KeyNeededError("--key, or a policy that names the log")
    else:
        verified = verify_checkpoint(note, origin=trust.key.name, key=trust.key)
        cosignatures = _cosigned(verified, trust.policy)
    beats: tuple[Cosignature, ...] = ()
    if trust.heartbeat is not None:
        beats = verify_cosignatures(parse_note(note).signatures, verified.checkpoint, [trust.heartbeat])
    newest_ms = max((one.time_s * 1_000 for one in (*cosignatures, *beats)), default=None)
    if trust.max_age_ms is not None and (newest_ms is None or trust.now_ms - newest_ms > trust.max_age_ms):
        told = (
            "nobody known has put a time under it" if newest_ms is None else f"newest at {format_timestamp(newest_ms)}"
        )
        raise CheckpointStaleError(told)
    facts: dict[str, Any] = {"heartbeat": format_timestamp(beats[0].time_s * 1_000)} if beats else {}
    if trust.policy is not None:
        facts["cosigned"] = _names(cosignatures, trust.policy)
    return verified, facts


def _cosigned(verified: VerifiedCheckpoint, policy: WitnessPolicy | None) -> tuple[Cosignature, ...]:
    if policy is None:
        return ()
    keys = [one.key for one in policy.witnesses]
    found = verify_cosignatures(parse_note(verified.note).signatures, verified.checkpoint, keys)
    if not policy.has_quorum(policy.signed_by(found)):
        raise QuorumMissingError(signed=len(found))
    return found


def _names(cosignatures: Sequence[Cosignature], policy: WitnessPolicy) -> dict[str, str]:
    times = {one.key: one.time_s for one in cosignatures}
    return {one.name: format_timestamp(times[one.key] * 1_000) for one in policy.witnesses if one.key in times}


def _verify_proof(data: bytes, trust: Trust) -> Finding:
    proof = parse_proof_file(data)
    if trust.entry is None:
        raise EntryNeededError("--entry with the leaf's bytes, as /v1/entries/INDEX gives them")
    checkpoint, facts = _verify_note(proof.checkpoint, trust)
    hashed = leaf_hash(trust.entry)
    verify_proof_file(proof, leaf_hash=hashed, origin=checkpoint.checkpoint.origin, key=checkpoint.key)
    facts |= {"index": proof.index, "leafHash": base64url_encode(hashed)}
    return Finding("proof", checkpoint.checkpoint.origin, checkpoint.checkpoint.size, facts)


def _verify_evidence(data: bytes, trust: Trust) -> Finding:
    evidence = parse_split_view(data)
    verified = verify_split_view(evidence, key=trust.key)
    sizes = [verified.first.checkpoint.size, verified.second.checkpoint.size]
    facts = {"verifierKey": evidence.key.to_text(), "sizes": sizes, "index": evidence.index}
    return Finding("evidence", verified.origin, max(sizes), facts)


def _verify_folder(folder: Path, trust: Trust, progress: Progress) -> Finding:
    """Hash every entry of a folder of tiles, and compare every tile and the signed root."""
    reader = LogReader(FolderTransport(folder))
    note = reader.checkpoint()
    claimed_checkpoint(note)
    verified, facts = _verify_note(note, trust)
    head = verified.checkpoint
    edge, upper = RightEdge(), dict[Any, bytearray]()
    for portion in reader.portions(0, head.size):
        hashes = [leaf_hash(data) for data in portion.entries]
        if len(hashes) != portion.wanted or not portion.is_exact:
            raise FolderDamagedError(
                f"entry {portion.start + len(hashes)} is missing", index=portion.start + len(hashes)
            )
        differing = next((at for at, one in enumerate(hashes) if tuple(portion.hashes[at : at + 1]) != (one,)), None)
        if differing is not None:
            index = portion.start + differing
            raise FolderDamagedError(f"entry {index} has not the hash that its tile says", index=index)
        for tile, added in append_leaves(edge, hashes).items():
            upper.setdefault(tile, bytearray()).extend(added if tile.level else b"")
        progress("entries", edge.size, head.size)
    if edge.root() != head.root_hash:
        raise FolderDamagedError("the entries have another root than the checkpoint")
    for tile, expected in upper.items():
        width = min(head.size >> (TILE_HEIGHT * tile.level), (tile.index + 1) * TILE_WIDTH) - tile.index * TILE_WIDTH
        if tile.level and b"".join(reader.hashes(tile.level, tile.index, width)) != bytes(expected):
            raise FolderDamagedError(f"tile {tile.level}/{tile.index} has other hashes")
    return Finding("folder", head.origin, head.size, {"rootHash": base64url_encode(head.root_hash)} | facts)
