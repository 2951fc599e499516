"""One did:webvh 1.0 log entry: whether it is the next entry of a log, and what the log says after it.

Decides, from the verified state before and one entry, the verified state after: incremental, so a registry that has
checked n entries checks only the next. It says who must witness an entry, and leaves their proofs, which lie in another
file, to ``webvh_witness.py``. It does not read files, choose versions or fetch; duplicate members, depth and sizes are
the codec's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, parse_json_object
from did_methods.data_integrity import DataIntegrityProof, parse_proofs, verify_proof
from did_methods.errors import DidError
from did_methods.keys import parse_public_key
from did_methods.timestamp import TimestampError, TimestampZoneError, parse_timestamp
from did_methods.webvh_errors import (
    DeactivatedError,
    EntryHashMismatchError,
    EntryMembersError,
    MoveUnlinkedError,
    NotPortableError,
    ProofKeyNotAuthorizedError,
    ProofMethodError,
    ProofPurposeError,
    ScidMismatchError,
    StateMalformedError,
    StateScidMismatchError,
    VersionIdMalformedError,
    VersionNumberError,
    VersionTimeInFutureError,
    VersionTimeMalformedError,
    VersionTimeNotLaterError,
    VersionTimeNotUtcError,
)
from did_methods.webvh_parameters import (
    authorized_keys,
    derive_first_parameters,
    derive_parameters,
    hash_text,
    is_hash_of,
    parse_parameters,
    required_witnesses,
)
from did_methods.webvh_state import WebvhState, parse_webvh_did

SPEC_VERSION: Final = "did:webvh 1.0"
SCID_PLACEHOLDER: Final = "{SCID}"
MAX_AHEAD_MS: Final = 300_000
"""How far a versionTime may lie ahead of the verifier's clock: five minutes."""

_ENTRY_MEMBERS: Final = frozenset({"versionId", "versionTime", "parameters", "state", "proof"})
_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
# Nine digits are more versions than a log that fits any size cap can have.
_VERSION_ID: Final = re.compile(rf"(?P<number>[1-9][0-9]{{0,8}})-Qm{_BASE58}{{44}}")
_DID_KEY_METHOD: Final = re.compile(r"did:key:(?P<key>[^#]+)#(?P=key)")


def verify_entry(previous: WebvhState | None, entry: JsonValue, *, now_ms: int) -> WebvhState:
    """Return the state after entry, or raise what is wrong with it.

    Cheap rules come before hashes, hashes before signatures.

    Args:
        previous: the verified state after the entry before; None for the first entry.
        entry: one parsed log line.
        now_ms: the verifier's clock, milliseconds since the epoch.

    Returns:
        The state in which every rule of the specification but the proofs of ``witness_required`` holds for the log.

    Raises:
        DidError: a ``webvh_…`` code per rule, or a code of ``parse_proofs`` or ``verify_proof``.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    members = _check_members(entry)
    if previous is not None and previous.deactivated:
        raise DeactivatedError
    number = _check_version_id(members["versionId"], previous)
    version_time_ms = _check_version_time(members["versionTime"], previous, now_ms=now_ms)
    changes = parse_parameters(members["parameters"])
    before = None if previous is None else previous.parameters
    after = derive_first_parameters(changes) if before is None else derive_parameters(before, changes)
    did = _check_state(members["state"], previous, scid=after.scid)
    body = {name: value for name, value in members.items() if name != "proof"}
    if previous is None:
        _verify_scid(body, after.scid)
    _verify_entry_hash(body, predecessor=after.scid if previous is None else previous.version_id)
    _verify_proofs(members, authorized_keys(before, after))
    return WebvhState(
        did=did,
        first_did=did if previous is None else previous.first_did,
        version_id=members["versionId"],
        version_number=number,
        version_time_ms=version_time_ms,
        created_ms=version_time_ms if previous is None else previous.created_ms,
        parameters=after,
        raw_document=members["state"],
        witness_required=required_witnesses(before, after),
    )


def derive_entry_hash(body: Mapping[str, Any], *, predecessor: str) -> str:
    """Return the entry hash of an entry without its proof.

    Args:
        body: the entry without ``proof``; its ``versionId`` is not looked at.
        predecessor: the versionId of the entry before, or the SCID for the first.

    Spec: did:webvh 1.0 Generate Entry Hash
    """
    return hash_text(canonicalize({**body, "versionId": predecessor}))


def replace_text(body: Mapping[str, Any], *, old: str, new: str) -> dict[str, Any]:
    """Return body with every occurrence of old in its JSON text, names included, replaced by new.

    Args:
        body: a JSON object.
        old: text without quotes or backslashes.
        new: likewise.

    Raises:
        DidError: a code of ``parse_json`` or ``canonicalize``, for example when two names become one.

    Spec: did:webvh 1.0 Verify SCID
    """
    data = canonicalize(body).replace(old.encode("utf-8"), new.encode("utf-8"))
    return parse_json_object(data, max_bytes=len(data))


def _check_members(entry: JsonValue) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.keys() != _ENTRY_MEMBERS:
        raise EntryMembersError
    return entry


def _check_version_id(version_id: JsonValue, previous: WebvhState | None) -> int:
    match = _VERSION_ID.fullmatch(version_id) if isinstance(version_id, str) else None
    if match is None:
        raise VersionIdMalformedError
    number = int(match["number"])
    expected = 1 if previous is None else previous.version_number + 1
    if number != expected:
        raise VersionNumberError(expected=expected)
    return number


def _check_version_time(text: JsonValue, previous: WebvhState | None, *, now_ms: int) -> int:
    if not isinstance(text, str):
        raise VersionTimeMalformedError
    try:
        version_time_ms = parse_timestamp(text, require_utc=True)
    except TimestampZoneError:
        raise VersionTimeNotUtcError from None
    except TimestampError:
        raise VersionTimeMalformedError from None
    if previous is not None and version_time_ms <= previous.version_time_ms:
        raise VersionTimeNotLaterError
    if version_time_ms > now_ms + MAX_AHEAD_MS:
        raise VersionTimeInFutureError(max_ahead_ms=MAX_AHEAD_MS)
    return version_time_ms


def _check_state(state: JsonValue, previous: WebvhState | None, *, scid: str) -> str:
    did = state.get("id") if isinstance(state, dict) else None
    if not isinstance(state, dict) or not isinstance(did, str):
        raise StateMalformedError
    if previous is not None and did == previous.did:
        return did
    try:
        parsed = parse_webvh_did(did)
    except DidError:
        raise StateMalformedError from None
    if parsed.scid != scid:
        raise StateScidMismatchError
    if previous is not None:
        _check_move(state, previous)
    return did


def _check_move(state: dict[str, JsonValue], previous: WebvhState) -> None:
    if not previous.portable:
        raise NotPortableError
    aliases = state.get("alsoKnownAs")
    if not isinstance(aliases, list) or previous.did not in aliases:
        raise MoveUnlinkedError


def _verify_scid(body: dict[str, Any], scid: str) -> None:
    preliminary = replace_text({**body, "versionId": SCID_PLACEHOLDER}, old=scid, new=SCID_PLACEHOLDER)
    if hash_text(canonicalize(preliminary)) != scid:
        raise ScidMismatchError


def _verify_entry_hash(body: dict[str, Any], *, predecessor: str) -> None:
    _number, _dash, stated = body["versionId"].partition("-")
    if not is_hash_of(stated, canonicalize({**body, "versionId": predecessor})):
        raise EntryHashMismatchError


def _verify_proofs(entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Demand every proof in the list, not one of them: a stranger's proof has no business in an entry.

    ``expires`` is not looked at: an entry was authorized when it was made, and history must not lapse with time.
    """
    for proof in parse_proofs(entry):
        verify_proof(entry, proof, parse_public_key(_check_proof(proof, keys)))


def _check_proof(proof: DataIntegrityProof, keys: tuple[str, ...]) -> str:
    if proof.proof_purpose != "assertionMethod":
        raise ProofPurposeError
    match = _DID_KEY_METHOD.fullmatch(proof.verification_method)
    if match is None:
        raise ProofMethodError
    if match["key"] not in keys:
        raise ProofKeyNotAuthorizedError
    return match["key"]
