"""The state of a did:webvh log after one of its entries: what it holds, and its form in a snapshot.

Decides nothing: whoever has a state either verified the log (``webvh_entry.py``) or trusts where the snapshot lay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from did_methods.document import DidDocument, parse_did_document
from did_methods.https_location import HttpsLocation, parse_https_location
from did_methods.webvh_errors import DidMalformedError, StateSnapshotError
from did_methods.webvh_parameters import WebvhParameters
from did_methods.webvh_witness import WitnessRule, parse_witness_rule

_T = TypeVar("_T")
_SNAPSHOT_FORMAT: Final = "bonafides/webvh-state/2"
_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
_WEBVH_DID: Final = re.compile(rf"did:webvh:(?P<scid>{_BASE58}{{46}}):(?P<location>.+)", re.DOTALL)


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
        witness_required: who must have witnessed the entry; None for nobody.
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
    witness_required: WitnessRule | None = None

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
    def witness(self) -> WitnessRule | None:
        """Return who must witness the entries to come; None for nobody."""
        return self.parameters.witness

    @property
    def watchers(self) -> tuple[str, ...]:
        """Return the URIs of whoever agreed to watch the log."""
        return self.parameters.watchers

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
            "witness": _rule_wire(self.witness),
            "witnessRequired": _rule_wire(self.witness_required),
            "watchers": list(self.watchers),
            "document": self.raw_document,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> WebvhState:
        """Return the state that ``to_wire`` wrote.

        A snapshot is trusted like the database it lies in: types are checked, no signature is.

        Raises:
            WebvhError: webvh_state_snapshot_malformed, webvh_witness_rule_malformed.
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
            witness=parse_witness_rule(_member(wire, "witness", dict)),
            watchers=_texts(wire, "watchers"),
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
            witness_required=parse_witness_rule(_member(wire, "witnessRequired", dict)),
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


def _rule_wire(rule: WitnessRule | None) -> dict[str, Any]:
    return {} if rule is None else rule.to_wire()


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
