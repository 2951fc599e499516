"""The witness role: cosign other logs' checkpoints, keep every note whole, find split views, keep the evidence.

A cosignature says that this registry knows no larger tree of that log, and that the tree grew out of all those that it
cosigned before. So the newest one is compared, replaced and committed before the cosignature leaves. A log that has
shown two trees is cosigned no more: nothing repairs it.

Spec: c2sp.org/tlog-witness@v1.0.0; specs/witness.md
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from did_methods.errors import BonafidesError
from registry.adapters.system_clock import Clock
from registry.errors import DependencyError, NotFoundError
from registry.limits import GOSSIP_PER_MINUTE, GOSSIP_PER_SOURCE_HOUR
from registry.log.checkpoint import Checkpoint, VerifiedCheckpoint
from registry.log.cosignature import Cosigner, append_lines, cosign
from registry.log.note import NoteKey, UnverifiedNote, parse_note, parse_signature_lines
from registry.log.split_view import SplitView, verify_split_view
from registry.log.witness import (
    CosignedHead,
    WitnessOriginError,
    WitnessProofError,
    check_growth,
    claimed_checkpoint,
    parse_add_checkpoint,
    verify_log_signature,
)
from registry.services.rates import SourceRates
from registry.storage.witness import KeptEvidence, KeptNote, WitnessLogStore

_LOG = logging.getLogger(__name__)
_NOTHING = CosignedHead(0, b"")


class WitnessNoteNotFoundError(NotFoundError):
    """Nothing of that log was cosigned here."""

    code = "witness_note_not_found"
    title = "No cosigned checkpoint of this log"


class EvidenceNotFoundError(NotFoundError):
    """There is no evidence of that digest."""

    code = "evidence_not_found"
    title = "No such evidence"


class OwnOriginError(WitnessOriginError):
    """A log that witnesses itself would vouch for what it made up."""

    code = "witness_own_origin"
    title = "A log does not witness itself"


class WitnessMemoryError(DependencyError):
    """A note that was kept of a witnessed log is not what its row says: nothing is cosigned, and no evidence is made of it."""

    code = "witness_memory_damaged"
    title = "What this witness has kept of the log is damaged"


@dataclass(frozen=True, slots=True)
class Gossip:
    """What a note that somebody saw comes to.

    Attributes:
        origin: of the log.
        size: of the tree.
        verdict: ``consistent`` with a note kept here; ``unknown``, nothing to hold it against; ``contradiction``.
        evidence: digest of the evidence file; None where there is none, or none that convinces others.
    """

    origin: str
    size: int
    verdict: str
    evidence: bytes | None = None


@dataclass(frozen=True, slots=True)
class OwnLog:
    """A log of this registry's own, which gossip may be about too.

    Attributes:
        key: its note key.
        root_at: root of the committed tree at a size, None where it does not reach.
        signed_note: what was signed at a size, or None.
        contradicted: told a head that its key has signed and that is not of its tree.
    """

    key: NoteKey
    root_at: Callable[[int], bytes | None]
    signed_note: Callable[[int], bytes | None]
    contradicted: Callable[[Checkpoint], None]


class WitnessService:
    """Witnesses the logs that the operator named. Safe from any thread.

    Args:
        cosigner: this witness; its key serves nothing else.
        store: its memory.
        clock: the registry's.
    """

    def __init__(self, *, cosigner: Cosigner, store: WitnessLogStore, clock: Clock) -> None:
        self.cosigner = cosigner
        self._store, self._clock = store, clock
        self._own: dict[str, OwnLog] = {}
        self._logs = store.logs()
        self._rates = SourceRates(per_source_hour=GOSSIP_PER_SOURCE_HOUR, per_minute=GOSSIP_PER_MINUTE)
        self.contradictions = 0
        """Contradictions met since the process began; any is an alarm."""

    # ------------------------------------------------------------ logs

    @property
    def logs(self) -> dict[str, NoteKey]:
        """Keys of the witnessed logs by origin."""
        return dict(self._logs)

    def watch_own(self, own: OwnLog) -> None:
        """Hold what somebody saw of a log of this registry against it; its main log, its state log."""
        self._own[own.key.name] = own

    def add_log(self, key: NoteKey) -> None:
        """Witness a log from now on.

        Raises:
            OwnOriginError: ``witness_own_origin``.
            RegistryError: ``witnessed_log_exists``, ``witnessed_logs_full``.
        """
        if key.name in self._own:
            raise OwnOriginError
        self._store.add_log(key, now_ms=self._clock.now_ms())
        self._logs = self._store.logs()

    def remove_log(self, origin: str) -> None:
        """Witness a log no more.

        Raises:
            WitnessedLogNotFoundError: ``witnessed_log_not_found``.
        """
        self._store.remove_log(origin)
        self._logs = self._store.logs()

    # ------------------------------------------------------------ cosigning

    def add_checkpoint(self, body: bytes, *, source: str | None) -> bytes:
        """Cosign a checkpoint; return the cosignature line. It is remembered, durably, before this returns.

        Args:
            body: of the request.
            source: who asks; None is not counted.

        Raises:
            ParseError: ``witness_request_malformed``, ``note_malformed``, ``checkpoint_malformed``,
                ``witness_old_size_too_large``.
            WitnessOriginError: ``witness_origin_unknown``.
            WitnessSignatureError: ``witness_log_signature_refused``.
            WitnessConflictError: ``witness_size_conflict`` with ``size``.
            WitnessProofError: ``witness_proof_refused``.
            WitnessMemoryError: ``witness_memory_damaged``.
            LimitError: ``request_rate_exceeded``, ``witness_request_too_large``, ``note_too_large``.

        Spec: c2sp.org/tlog-witness, add-checkpoint
        """
        self._rates.take(source, now_ms=self._clock.now_ms())
        request = parse_add_checkpoint(body)
        claimed = claimed_checkpoint(request.note)
        key = self._logs.get(claimed.origin)
        if key is None:
            raise WitnessOriginError
        verified = verify_log_signature(request.note, key=key)

        def decide(newest: KeptNote | None, held: KeptNote | None) -> tuple[bytes, int]:
            cosigned = _NOTHING if newest is None else CosignedHead(newest.size, newest.root_hash)
            check_growth(request, verified.checkpoint, cosigned=cosigned)
            if held is not None and held.root_hash != verified.checkpoint.root_hash:
                raise WitnessProofError("another tree of this size was seen")
            # A cosignature's time is what freshness is read from: a clock that was set back does not take it back.
            time_s = max(self._clock.now_ms() // 1_000, 1, 0 if newest is None else newest.time_s)
            line = cosign(verified.checkpoint, self.cosigner, time_s=time_s)
            return line.to_line().encode("utf-8"), time_s

        # The log has signed this note: whatever becomes of the request, it may be one tree of two.
        other = self._other_tree(verified)
        if other is not None:
            self._keep_evidence(key, other.note, request.note)
        if other is not None or self._store.has_evidence(claimed.origin):
            check_growth(request, verified.checkpoint, cosigned=self._head(claimed.origin))
            raise WitnessProofError("this log has shown two trees")
        return self._store.cosign(verified.checkpoint, request.note, decide)

    def newest(self, origin_hash: str) -> bytes:
        """Return the newest cosigned checkpoint of a log, with the log's signature and the cosignature.

        Args:
            origin_hash: 64 lower-case hex digits, SHA-256 of the origin.

        Raises:
            WitnessNoteNotFoundError: ``witness_note_not_found``.
            WitnessMemoryError: ``witness_memory_damaged``.

        Spec: c2sp.org/tlog-witness, Monitoring
        """
        origins = {sha256(origin.encode("utf-8")).hexdigest(): origin for origin in self._logs}
        origin = origins.get(origin_hash)
        kept = None if origin is None else self._store.newest_cosigned(origin)
        if origin is None or kept is None:
            raise WitnessNoteNotFoundError
        # What stood beside the log's signature was not looked at, so it is kept, and not passed on.
        try:
            lines = parse_signature_lines(kept.cosignature)
            return append_lines(_only(parse_note(kept.note), self._logs[origin]), lines)
        except BonafidesError as error:
            raise WitnessMemoryError from error

    # ------------------------------------------------------------ gossip

    def gossip(self, note: bytes, *, source: str | None) -> Gossip:
        """Hold a note that somebody saw against what is known here; keep it, or the evidence.

        Args:
            note: whole.
            source: who brings it; None is not counted.

        Raises:
            ParseError: ``note_malformed``, ``checkpoint_malformed``.
            WitnessOriginError: ``witness_origin_unknown``.
            WitnessSignatureError: ``witness_log_signature_refused``.
            WitnessProofError: ``witness_proof_refused``.
            WitnessMemoryError: ``witness_memory_damaged``.
            LimitError: ``request_rate_exceeded``, ``note_too_large``.
        """
        now_ms = self._clock.now_ms()
        self._rates.take(source, now_ms=now_ms)
        claimed = claimed_checkpoint(note)
        own = self._own.get(claimed.origin)
        key = self._logs.get(claimed.origin) if own is None else own.key
        if key is None:
            raise WitnessOriginError
        verified = verify_log_signature(note, key=key)
        if own is not None:
            return self._gossip_of_own(own, verified)
        other = self._other_tree(verified)
        if other is not None:
            evidence = self._keep_evidence(key, other.note, note)
            return Gossip(claimed.origin, claimed.size, "contradiction", evidence)
        held = self._store.keep_seen(verified.checkpoint, note, time_s=max(now_ms // 1_000, 1))
        return Gossip(claimed.origin, claimed.size, "unknown" if held is None else "consistent")

    def _gossip_of_own(self, own: OwnLog, verified: VerifiedCheckpoint) -> Gossip:
        """Judge a note that bears our own signature: where our tree is another one, our key signed it elsewhere."""
        head = verified.checkpoint
        if own.root_at(head.size) == head.root_hash:
            return Gossip(head.origin, head.size, "consistent")
        own.contradicted(head)
        ours = own.signed_note(head.size)
        if ours is not None:
            return Gossip(head.origin, head.size, "contradiction", self._keep_evidence(own.key, ours, verified.note))
        self.contradictions += 1
        _LOG.critical("somebody holds a checkpoint of size %d under this log's key that is not of its tree", head.size)
        return Gossip(head.origin, head.size, "contradiction")

    # ------------------------------------------------------------ evidence

    def evidence(self) -> list[KeptEvidence]:
        """Return what evidence is kept, oldest first."""
        return self._store.evidence()

    def evidence_file(self, digest: bytes) -> bytes:
        """Return an evidence file.

        Raises:
            EvidenceNotFoundError: ``evidence_not_found``.
        """
        data = self._store.evidence_file(digest)
        if data is None:
            raise EvidenceNotFoundError
        return data

    def _other_tree(self, verified: VerifiedCheckpoint) -> KeptNote | None:
        """Return the kept note of this size if it has another root."""
        head = verified.checkpoint
        held = self._store.note(head.origin, head.size)
        return None if held is None or held.root_hash == head.root_hash else held

    def _keep_evidence(self, key: NoteKey, first: bytes, second: bytes) -> bytes | None:
        evidence = SplitView(key, first, second)
        try:
            verify_split_view(evidence)
        except BonafidesError as error:  # so the row of the first is not what was kept: no word against the log
            raise WitnessMemoryError from error
        digest = self._store.save_evidence(evidence, now_ms=self._clock.now_ms())
        self.contradictions += 1
        _LOG.critical("the log %s has signed two trees of one size; evidence %s", key.name, digest and digest.hex())
        return digest

    def _head(self, origin: str) -> CosignedHead:
        newest = self._store.newest_cosigned(origin)
        return _NOTHING if newest is None else CosignedHead(newest.size, newest.root_hash)


def _only(note: UnverifiedNote, key: NoteKey) -> bytes:
    """Return a note with the signature lines of one key alone."""
    lines = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    return append_lines(note.text.encode("utf-8") + b"\n", lines)
