"""One did:webvh 1.0 log entry: whether it is the next entry of a log, and what the log says after it.

Decides, from the verified state before and one entry, the verified state after: incremental, so a registry that has
checked n entries checks only the next. It supports one log without witnesses and refuses moves by name. It does not
read files, choose versions or fetch; duplicate members, depth and sizes are the codec's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, parse_json_object
from did_methods.data_integrity import DataIntegrityProof, parse_proofs, verify_proof
from did_methods.document import DidDocument, parse_did_document
from did_methods.errors import DidError
from did_methods.https_location import HttpsLocation, parse_https_location
from did_methods.keys import parse_public_key
from did_methods.timestamp import TimestampError, TimestampZoneError, parse_timestamp
from did_methods.webvh_errors import (
    DeactivatedError,
    DidMalformedError,
    EntryHashMismatchError,
    EntryMembersError,
    MoveUnlinkedError,
    MoveUnsupportedError,
    NotPortableError,
    ProofKeyNotAuthorizedError,
    ProofMethodError,
    ProofPurposeError,
    ScidMismatchError,
    StateMalformedError,
    StateScidMismatchError,
    StateSnapshotError,
    VersionIdMalformedError,
    VersionNumberError,
    VersionTimeInFutureError,
    VersionTimeMalformedError,
    VersionTimeNotLaterError,
    VersionTimeNotUtcError,
)
from did_methods.webvh_parameters import (
    WebvhParameters,
    authorized_keys,
    derive_first_parameters,
    derive_parameters,
    hash_text,
    parse_parameters,
)

SPEC_VERSION: Final = "did:webvh 1.0"
SCID_PLACEHOLDER: Final = "{SCID}"
MAX_AHEAD_MS: Final = 300_000
"""How far a versionTime may lie ahead of the verifier's clock: five minutes."""

_T = TypeVar("_T")
_SNAPSHOT_FORMAT: Final = "bonafides/webvh-state/1"
_ENTRY_MEMBERS: Final = frozenset({"versionId", "versionTime", "parameters", "state", "proof"})
_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
# Nine digits are more versions than a log that fits any size cap can have.
_VERSION_ID: Final = re.compile(rf"(?P<number>[1-9][0-9]{{0,8}})-Qm{_BASE58}{{44}}")
_WEBVH_DID: Final = re.compile(rf"did:webvh:(?P<scid>{_BASE58}{{46}}):(?P<location>.+)", re.DOTALL)
_DID_KEY_METHOD: Final = re.compile(r"did:key:(?P<key>[^#]+)#(?P=key)")


@dataclass(frozen=True, slots=True)
class WebvhDid:
    """A did:webvh DID taken apart: its SCID and the place of its log."""

    text: str
    scid: str
    location: HttpsLocation


@dataclass(frozen=True, slots=True)
class WebvhState:
    """What a verified log says after one of its entries.

    Args:
        did: ``state.id`` of the entry.
        first_did: ``state.id`` of entry 1.
        version_id: full ``versionId``, number and hash.
        version_number: 1 for the first entry.
        version_time_ms: ``versionTime`` of the entry, milliseconds since the epoch.
        created_ms: ``versionTime`` of entry 1.
        parameters: the parameters in force after the entry.
        raw_document: ``state`` of the entry, the very object that was verified; not to be changed.
    """

    did: str
    first_did: str
    version_id: str
    version_number: int
    version_time_ms: int
    created_ms: int
    parameters: WebvhParameters
    raw_document: dict[str, Any]

    @property
    def scid(self) -> str:
        """Return the self-certifying identifier of the log."""
        return self.parameters.scid

    @property
    def update_keys(self) -> tuple[str, ...]:
        """Return the Multikeys in force; empty when the DID can change no more."""
        return self.parameters.update_keys

    @property
    def next_key_hashes(self) -> tuple[str, ...]:
        """Return the commitments to the next update keys; empty when pre-rotation is off."""
        return self.parameters.next_key_hashes

    @property
    def portable(self) -> bool:
        """Return whether the DID may still move to another host."""
        return self.parameters.portable

    @property
    def deactivated(self) -> bool:
        """Return whether the DID is deactivated, which is final."""
        return self.parameters.deactivated

    @property
    def ttl_s(self) -> int:
        """Return how many seconds the controller lets resolvers keep the document."""
        return self.parameters.ttl_s

    @property
    def document(self) -> DidDocument:
        """Return the document, parsed strictly.

        The log rules ask nothing of a document but its id, so a foreign log may verify with one that does not parse.

        Raises:
            DidError: any code of ``parse_did_document``.
        """
        return parse_did_document(self.raw_document)

    def to_wire(self) -> dict[str, Any]:
        """Return the state as a plain JSON object, for a snapshot that ``from_wire`` reads."""
        return {
            "format": _SNAPSHOT_FORMAT,
            "did": self.did,
            "firstDid": self.first_did,
            "versionId": self.version_id,
            "versionNumber": self.version_number,
            "versionTime": self.version_time_ms,
            "created": self.created_ms,
            "scid": self.scid,
            "updateKeys": list(self.update_keys),
            "nextKeyHashes": list(self.next_key_hashes),
            "portable": self.portable,
            "deactivated": self.deactivated,
            "ttl": self.ttl_s,
            "document": self.raw_document,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> WebvhState:
        """Return the state that ``to_wire`` wrote.

        A snapshot is trusted like the database it lies in: types are checked, no signature is.

        Raises:
            WebvhError: webvh_state_snapshot_malformed.
        """
        if wire.get("format") != _SNAPSHOT_FORMAT:
            raise StateSnapshotError("the format member is not known")
        parameters = WebvhParameters(
            scid=_member(wire, "scid", str),
            update_keys=_texts(wire, "updateKeys"),
            next_key_hashes=_texts(wire, "nextKeyHashes"),
            portable=_member(wire, "portable", bool),
            deactivated=_member(wire, "deactivated", bool),
            ttl_s=_member(wire, "ttl", int),
        )
        return cls(
            did=_member(wire, "did", str),
            first_did=_member(wire, "firstDid", str),
            version_id=_member(wire, "versionId", str),
            version_number=_member(wire, "versionNumber", int),
            version_time_ms=_member(wire, "versionTime", int),
            created_ms=_member(wire, "created", int),
            parameters=parameters,
            raw_document=_member(wire, "document", dict),
        )


def parse_webvh_did(text: str) -> WebvhDid:
    """Return the parts of a bare did:webvh DID.

    Raises:
        DidError: webvh_did_malformed, or any code of ``parse_https_location``.

    Spec: did:webvh 1.0 Method-Specific Identifier
    """
    match = _WEBVH_DID.fullmatch(text)
    if match is None:
        raise DidMalformedError("a did:webvh DID is did:webvh:, an SCID of 46 characters, a host and an optional path")
    return WebvhDid(text, match["scid"], parse_https_location(match["location"]))


def verify_entry(previous: WebvhState | None, entry: JsonValue, *, now_ms: int) -> WebvhState:
    """Return the state after entry, or raise what is wrong with it.

    Cheap rules come before hashes, hashes before signatures.

    Args:
        previous: the verified state after the entry before; None for the first entry.
        entry: one parsed log line.
        now_ms: the verifier's clock, milliseconds since the epoch.

    Returns:
        The state in which every rule of the specification for a log without witnesses holds for the whole log.

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
    raise MoveUnsupportedError


def _verify_scid(body: dict[str, Any], scid: str) -> None:
    preliminary = replace_text({**body, "versionId": SCID_PLACEHOLDER}, old=scid, new=SCID_PLACEHOLDER)
    if hash_text(canonicalize(preliminary)) != scid:
        raise ScidMismatchError


def _verify_entry_hash(body: dict[str, Any], *, predecessor: str) -> None:
    _number, _dash, stated = body["versionId"].partition("-")
    if derive_entry_hash(body, predecessor=predecessor) != stated:
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


def _member(wire: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = wire.get(name)
    if type(value) is not kind:  # exact, because True is an int to isinstance
        raise StateSnapshotError(f"{name} is missing or of another type")
    return value


def _texts(wire: Mapping[str, Any], name: str) -> tuple[str, ...]:
    items = _member(wire, name, list)
    if not all(isinstance(item, str) for item in items):
        raise StateSnapshotError(f"{name} has an item that is not a string")
    return tuple(items)
