"""Keys of DIDs whose documents lie elsewhere, as the registry saw and logged them.

Decides what a logged observation makes of a DID: a document with exactly the keys and purposes observed, each key
checked like any other. What else the document said is kept as a digest only. Pure; who looked, and where, is not known
here: the audit calls all of this registry-observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.document import DID_CONTEXT, MULTIKEY_CONTEXT, DidDocument, InvalidDidDocumentError, parse_did_document


@dataclass(frozen=True, slots=True)
class ObservedKey:
    """One verification method that was seen.

    Attributes:
        id: absolute DID URL.
        multikey: the public key.
        purposes: verification relationships that list it, sorted.
    """

    id: str
    multikey: str
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """The newest observation of a DID.

    Attributes:
        index: its leaf.
        time_ms: log time.
        observed_ms: when the registry looked.
        source: where it looked, a slug.
        document_digest: base64url SHA-256 of the JCS of the whole document.
        version_id: of a did:webvh log, the version; else None.
        keys: what was seen, in the document's order; empty when the DID is deactivated or has no usable key.
    """

    index: int
    time_ms: int
    observed_ms: int
    source: str
    document_digest: str
    version_id: str | None
    keys: tuple[ObservedKey, ...]

    def says_the_same(self, other: Observation) -> bool:
        """Say whether another look found the same keys and version; the rest of a document may change unlogged."""
        return self.keys == other.keys and self.version_id == other.version_id

    def precedes(self, other: Observation) -> bool:
        """Say whether another look may follow this one: not an older one, nor an older or another branch of a log."""
        if other.observed_ms < self.observed_ms:
            return False
        if self.version_id is None or other.version_id is None or self.version_id == other.version_id:
            return True
        return _version_number(self.version_id) < _version_number(other.version_id)


def _version_number(version_id: str) -> int:
    return int(version_id.partition("-")[0])


def parse_observed_keys(items: Sequence[Mapping[str, Any]]) -> tuple[ObservedKey, ...]:
    """Return the keys in the subject of a key observation.

    Args:
        items: ``credentialSubject.keys``, its form checked.
    """
    return tuple(ObservedKey(one["id"], one["publicKeyMultibase"], tuple(one["purposes"])) for one in items)


def observed_document(did: str, keys: Sequence[ObservedKey]) -> DidDocument:
    """Return the document that an observation stands for.

    Args:
        did: whose.
        keys: observed; their ids must be of this DID.

    Raises:
        DidError: did_document_invalid, a code of ``parse_public_key``, or what else ``parse_did_document`` refuses.
    """
    if any(key.id.partition("#")[0] != did for key in keys):
        raise InvalidDidDocumentError("an observed key has the id of another DID")
    if any(list(key.purposes) != sorted(key.purposes) for key in keys):
        raise InvalidDidDocumentError("the purposes of an observed key are sorted")
    raw: dict[str, Any] = {
        "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
        "id": did,
        "verificationMethod": [
            {"id": key.id, "type": "Multikey", "controller": did, "publicKeyMultibase": key.multikey} for key in keys
        ],
    }
    for key in keys:
        for purpose in key.purposes:
            raw.setdefault(purpose, []).append(key.id)
    return parse_did_document(raw)


def observation_subject(
    did: str,
    keys: Sequence[ObservedKey],
    *,
    document_digest: str,
    source: str,
    observed: str,
    version_id: str | None = None,
) -> dict[str, Any]:
    """Return the subject of a key observation.

    Args:
        did: whose keys.
        keys: as seen.
        document_digest: base64url SHA-256 of the JCS of the document.
        source: slug.
        observed: when, a timestamp.
        version_id: of a did:webvh log.
    """
    return {
        "id": did,
        "keys": [{"id": one.id, "publicKeyMultibase": one.multikey, "purposes": list(one.purposes)} for one in keys],
        "documentDigest": document_digest,
        "source": source,
        "observed": observed,
        **({} if version_id is None else {"versionId": version_id}),
    }
