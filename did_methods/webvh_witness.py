"""Witnesses of a did:webvh log: who must approve an entry, and whether enough of them have.

Decides what a valid ``witness`` parameter is, what one witness proof proves, and which entries a ``did-witness.json``
covers. It verifies no log entries: a proof counts only for entries that were verified before. A witness has one voice,
however often it is listed or signs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, parse_json
from did_methods.data_integrity import parse_proofs, sign_document, verify_proof
from did_methods.errors import DidError
from did_methods.key import key_signer
from did_methods.keys import PrivateKey, parse_public_key
from did_methods.webvh_errors import (
    WebvhError,
    WitnessFileMalformedError,
    WitnessFileTooLargeError,
    WitnessMissingError,
    WitnessProofMethodError,
    WitnessProofPurposeError,
    WitnessRuleError,
)

MAX_WITNESSES: Final = 64
MAX_FILE_BYTES: Final = 5_242_880
MAX_FILE_ENTRIES: Final = 4_096
_MAX_FILE_NODES: Final = 131_072  # more JSON values than proofs that are long enough to be one fill 5 MiB with
MAX_PROOFS: Final = 128
"""Proofs of one version: a controller that does not prune has at most one per witness of two lists."""

_DID_KEY: Final = "did:key:"
_METHOD: Final = re.compile(r"did:key:(?P<key>[^#]+)#(?P=key)")


@dataclass(frozen=True, slots=True)
class WitnessRule:
    """Who must approve entries, and how many of them.

    Args:
        threshold: how many distinct witnesses, from 1 to their number.
        witnesses: their did:key DIDs, distinct, in the order of the parameter.
    """

    threshold: int
    witnesses: tuple[str, ...]

    def to_wire(self) -> dict[str, Any]:
        """Return the ``witness`` parameter."""
        return {"threshold": self.threshold, "witnesses": [{"id": did} for did in self.witnesses]}

    def to_metadata(self) -> dict[str, Any]:
        """Return the rule as document metadata, where numbers are strings.

        Spec: did:webvh 1.0 Read (Resolve)
        """
        return {**self.to_wire(), "threshold": str(self.threshold)}


def parse_witness_rule(value: JsonValue) -> WitnessRule | None:
    """Return the rule of a ``witness`` parameter; None for ``{}`` and the deprecated ``null``: no witnesses.

    Args:
        value: the parameter's JSON value.

    Raises:
        WitnessRuleError: webvh_witness_rule_malformed. A malformed rule is never read as none.

    Spec: did:webvh 1.0 The witness Parameter
    """
    if value is None or value == {}:
        return None
    # Other members are refused too: what is not understood must not look as if it were in force.
    if not isinstance(value, dict) or value.keys() != {"threshold", "witnesses"}:
        raise WitnessRuleError("witness is {} or an object of threshold and witnesses")
    threshold, listed = value["threshold"], value["witnesses"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_WITNESSES:
        raise WitnessRuleError(f"witnesses is a list of 1 to {MAX_WITNESSES}", limit=MAX_WITNESSES)
    witnesses = tuple(_parse_witness(item) for item in listed)
    if len(set(witnesses)) != len(witnesses):
        raise WitnessRuleError("a witness is listed twice")
    if isinstance(threshold, bool) or not isinstance(threshold, int) or not 1 <= threshold <= len(witnesses):
        raise WitnessRuleError("threshold is an integer from 1 to the number of witnesses")
    return WitnessRule(threshold, witnesses)


def _parse_witness(item: JsonValue) -> str:
    did = item.get("id") if isinstance(item, dict) and item.keys() == {"id"} else None
    if not isinstance(did, str) or not did.startswith(_DID_KEY):
        raise WitnessRuleError("a witness is an object with the id of a did:key")
    try:
        kind = parse_public_key(did.removeprefix(_DID_KEY)).kind
    except DidError:
        raise WitnessRuleError("a witness is not a valid did:key") from None
    if kind != "ed25519":
        raise WitnessRuleError("a witness is not an Ed25519 did:key")
    return did


# ---------------------------------------------------------------- proofs


def sign_witness_proof(version_id: str, key: PrivateKey, *, created_ms: int) -> dict[str, Any]:
    """Return a witness's approval of a version, and with it of all before: one proof over its ``versionId``.

    Args:
        version_id: of an entry that the witness has verified as the next of the log.
        key: the witness's.
        created_ms: milliseconds since the epoch.

    Spec: did:webvh 1.0 Witnessing a DID Version Update
    """
    signed = sign_document({"versionId": version_id}, signer=key_signer(key), created=created_ms)
    proof = signed["proof"]
    assert isinstance(proof, dict)
    return proof


def verify_witness_proof(version_id: str, proof: Any) -> str:
    """Return the did:key of the witness whose valid approval of a version this is.

    Args:
        version_id: the version.
        proof: one JSON value of a ``proof`` list.

    Raises:
        DidError: webvh_witness_proof_method, webvh_witness_proof_purpose, or a code of ``parse_proofs``,
            ``parse_public_key`` or ``verify_proof``.

    Spec: did:webvh 1.0 The Witness Proofs File, Verifying Witness Proofs During Resolution
    """
    document = {"versionId": version_id, "proof": proof}
    if not isinstance(proof, dict):
        raise WitnessProofMethodError("a proof is not an object")
    (parsed,) = parse_proofs(document)
    match = _METHOD.fullmatch(parsed.verification_method)
    if match is None:
        raise WitnessProofMethodError
    if parsed.proof_purpose != "assertionMethod":
        raise WitnessProofPurposeError
    verify_proof(document, parsed, parse_public_key(match["key"]))
    return _DID_KEY + match["key"]


def check_witnessed(rule: WitnessRule, version_id: str, witnesses: Collection[str]) -> None:
    """Check that enough of the listed witnesses are among those who approved.

    Args:
        rule: who must approve.
        version_id: of what; named in the error.
        witnesses: did:key DIDs whose proofs were verified; each counts once, strangers not at all.

    Raises:
        WitnessMissingError: webvh_witness_missing.

    Spec: did:webvh 1.0 Witness Threshold Algorithm
    """
    found = len(set(rule.witnesses) & set(witnesses))
    if found < rule.threshold:
        raise WitnessMissingError(version=version_id, found=found, threshold=rule.threshold)


# ---------------------------------------------------------------- did-witness.json


@dataclass(frozen=True, slots=True)
class WitnessFile:
    """A ``did-witness.json``, parsed and not verified.

    Args:
        proofs: versionId to the proofs that it lists, in order.
    """

    proofs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the file: a version a member of the list, versions without proofs left out.

        Spec: did:webvh 1.0 The Witness Proofs File
        """
        listed: list[JsonValue] = [
            {"versionId": version_id, "proof": list(proofs)} for version_id, proofs in self.proofs.items() if proofs
        ]
        return canonicalize(listed) + b"\n"


def parse_witness_file(data: bytes, *, max_bytes: int = MAX_FILE_BYTES) -> WitnessFile:
    """Parse a ``did-witness.json``; what its proofs are worth is seen when they are verified.

    Args:
        data: the file.
        max_bytes: largest file.

    Raises:
        DidError: webvh_witness_file_malformed, webvh_witness_file_too_large, or a code of ``parse_json``.

    Spec: did:webvh 1.0 The Witness Proofs File
    """
    return parse_witness_list(parse_json(data, max_bytes=max_bytes, max_nodes=_MAX_FILE_NODES))


def witness_file_bytes(proofs: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a ``did-witness.json``, to be published before the log that needs it.

    Args:
        proofs: versionId to its witness proofs, in the order of the log; verified ones, the file is not checked.

    Spec: did:webvh 1.0 The Witness Proofs File
    """
    return WitnessFile({version_id: tuple(listed) for version_id, listed in proofs.items()}).to_bytes()


def prune_proofs(version_ids: Sequence[str], proofs: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the proofs worth publishing: of each witness its newest on a published entry, and those not yet published.

    Args:
        version_ids: of the published entries, in order.
        proofs: versionId to its witness proofs, verified.

    Spec: did:webvh 1.0 The Witness Proofs File ("SHOULD remove all older proofs")
    """
    kept = {version_id: list(listed) for version_id, listed in proofs.items() if version_id not in version_ids}
    covered: set[str] = set()
    published: dict[str, list[Any]] = {}
    for version_id in reversed(version_ids):
        newest = {claimed_witness(proof): proof for proof in proofs.get(version_id, ())}
        published[version_id] = [proof for did, proof in newest.items() if did not in covered]
        covered |= newest.keys()
    ordered = {version_id: published[version_id] for version_id in version_ids if published[version_id]}
    return ordered | {version_id: listed for version_id, listed in kept.items() if listed}


def parse_witness_list(listed: JsonValue) -> WitnessFile:
    """Return the witness file in its parsed JSON; several members of one version are read as one.

    Args:
        listed: the value of the file.

    Raises:
        WebvhError: webvh_witness_file_malformed, webvh_witness_file_too_large.

    Spec: did:webvh 1.0 The Witness Proofs File
    """
    if not isinstance(listed, list):
        raise WitnessFileMalformedError("the file is not a list")
    if len(listed) > MAX_FILE_ENTRIES:
        raise WitnessFileTooLargeError(limit=MAX_FILE_ENTRIES)
    proofs: dict[str, tuple[Any, ...]] = {}
    for item in listed:
        version_id = item.get("versionId") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(version_id, str):
            raise WitnessFileMalformedError("a member is not an object with a versionId")
        listed_proofs = item.get("proof", [])
        if isinstance(listed_proofs, dict):
            listed_proofs = [listed_proofs]
        if not isinstance(listed_proofs, list):
            raise WitnessFileMalformedError("proof is not a list")
        proofs[version_id] = (*proofs.get(version_id, ()), *listed_proofs)
        if len(proofs[version_id]) > MAX_PROOFS:
            raise WitnessFileTooLargeError(limit=MAX_PROOFS)
    return WitnessFile(proofs)


@dataclass(frozen=True, slots=True)
class Witnessing:
    """What one verified entry asks of witnesses.

    Args:
        version_id: of the entry.
        required: who must have approved it, itself or by approving a later published one; None for nobody.
    """

    version_id: str
    required: WitnessRule | None


def count_witnessed(entries: Sequence[Witnessing], file: WitnessFile) -> int:
    """Return how many entries, from the first on, are witnessed: all, or as many as stand before the first that is not.

    A proof counts for its own entry and all before it; proofs of versions that are not among the entries, that do not
    verify or that are by strangers count for nothing.

    Args:
        entries: the verified entries of one log, in order.
        file: the proofs published beside it.

    Spec: did:webvh 1.0 Verifying Witness Proofs During Resolution
    """
    wanted = {did for entry in entries if entry.required for did in entry.required.witnesses}
    newest: dict[str, int] = {}
    for index in range(len(entries) - 1, -1, -1):
        for proof in file.proofs.get(entries[index].version_id, ()):
            did = claimed_witness(proof)
            # Only the newest proof of each listed witness is worth a signature check: it covers all before it.
            if did in wanted and did not in newest and _is_by(did, entries[index].version_id, proof):
                newest[did] = index
    for index, entry in enumerate(entries):
        if entry.required is not None:
            approved = sum(newest.get(did, -1) >= index for did in entry.required.witnesses)
            if approved < entry.required.threshold:
                return index
    return len(entries)


def claimed_witness(proof: Any) -> str:
    """Return the DID before the fragment of a proof's verification method; empty where there is none.

    Args:
        proof: one JSON value of a ``proof`` list, not verified.
    """
    method = proof.get("verificationMethod") if isinstance(proof, dict) else None
    return method.partition("#")[0] if isinstance(method, str) else ""


def _is_by(did: str, version_id: str, proof: Any) -> bool:
    """Say whether a proof is a valid approval by that witness; one that is not is no approval, and no error either.

    Spec: did:webvh 1.0 Verifying Witness Proofs During Resolution ("MUST be discarded from threshold counting")
    """
    try:
        return verify_witness_proof(version_id, proof) == did
    except DidError:
        return False


__all__ = [
    "WebvhError",
    "WitnessFile",
    "WitnessRule",
    "Witnessing",
    "check_witnessed",
    "claimed_witness",
    "count_witnessed",
    "parse_witness_file",
    "parse_witness_list",
    "parse_witness_rule",
    "prune_proofs",
    "sign_witness_proof",
    "verify_witness_proof",
    "witness_file_bytes",
]
