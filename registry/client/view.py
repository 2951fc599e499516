"""A registry as an agent sees it: who it is, its keys, its signed acceptances, its log.

The identity is learnt at the first contact and pinned from then on: another log origin or registry DID at the same URL
is refused. The registry's DID certifies itself (its log hashes to its SCID), so a pinned DID cannot be impersonated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.data_integrity import event_id
from did_methods.document import DidDocument, parse_did_document
from did_methods.errors import DidError
from did_methods.method import ResolutionResult
from did_methods.webvh import parse_webvh_did, resolve_log
from registry.adapters.system_clock import Clock, SystemClock
from registry.client.errors import (
    AcceptanceError,
    LogProofError,
    RegistryAnswerError,
    RegistryChangedError,
    RegistryRefusedError,
    StandingError,
)
from registry.client.transport import Transport, did_segment
from registry.credentials.errors import KeyNotFoundError
from registry.credentials.key_lookup import BoundKey, DocumentKeyLookup, SelfCertifyingLookup
from registry.credentials.model import parse_credential
from registry.credentials.presentation import CLOCK_SKEW_MS
from registry.credentials.verify import verify_credential
from registry.errors import ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.entry import LEAF_DEPTH
from registry.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from registry.log.note import parse_note_key

_NOT_FOUND = 404
CHECKPOINT_WAITS = 10
CHECKPOINT_PAUSE_S = 0.1

_MEMBERS = {
    "origin": "origin",
    "registry_did": "registry_did",
    "operator_did": "operator_did",
    "public_url": "public_url",
    "profile": "profile",
}


@dataclass(frozen=True, slots=True)
class RegistryIdentity:
    """Which registry this is.

    Attributes:
        url: where it was reached.
        origin: the log's name, which statements name as their domain.
        registry_did: signs acceptances.
        operator_did: the operator root.
        public_url: the address in DIDs.
        profile: ``live`` or ``replay``.
        log_key: C2SP verifier key of the checkpoints.
    """

    url: str
    origin: str
    registry_did: str
    operator_did: str
    public_url: str
    profile: str
    log_key: str

    def to_wire(self) -> dict[str, Any]:
        """Return the identity in the form of ``/log.json``, with the URL beside."""
        members = {name: getattr(self, name) for name in _MEMBERS}
        return {"url": self.url, "verifier_keys": [self.log_key], **members}


def parse_identity(url: str, document: dict[str, Any]) -> RegistryIdentity:
    """Read ``/log.json``, or what `RegistryIdentity.to_wire` made.

    Raises:
        RegistryAnswerError: ``registry_answer_invalid``.
    """
    keys = document.get("verifier_keys")
    members = {name: document.get(name) for name in _MEMBERS}
    if not isinstance(keys, list) or not keys or not all(isinstance(one, str) for one in (keys[0], *members.values())):
        raise RegistryAnswerError("log.json lacks members")
    return RegistryIdentity(url=url, log_key=keys[0], **{name: str(value) for name, value in members.items()})


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """Where the log put an event.

    Attributes:
        event: event id, base64url.
        index: leaf index.
        leaf_hash: base64url.
        time_ms: log time, milliseconds since the epoch.
    """

    event: str
    index: int
    leaf_hash: str
    time_ms: int


class RegistryView:
    """One registry, seen through a transport.

    Args:
        transport: to the registry.
        pinned: the identity known from earlier; None to learn it now.
        clock: the reader's.
    """

    def __init__(
        self, transport: Transport, *, pinned: RegistryIdentity | None = None, clock: Clock | None = None
    ) -> None:
        self.transport = transport
        self._clock = clock or SystemClock()
        self._pinned = pinned
        self._checked = False
        self._document: DidDocument | None = None

    def identity(self) -> RegistryIdentity:
        """Return who the registry is; the first call compares it with what is pinned.

        Raises:
            RegistryChangedError: ``registry_changed``.
            RegistryError: as `Transport.get`.
        """
        if self._pinned is None or not self._checked:
            seen = parse_identity(self.transport.url, self.transport.get("/log.json"))
            known = self._pinned
            if known is not None and (known.origin, known.registry_did, known.log_key) != (
                seen.origin,
                seen.registry_did,
                seen.log_key,
            ):
                raise RegistryChangedError(f"known: {known.origin}, now at {self.transport.url}: {seen.origin}")
            self._pinned, self._checked = seen, True
        return self._pinned

    # ------------------------------------------------------------ keys

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key of a did:key, of the registry, or of an agent that the registry hosts.

        Raises:
            KeyNotFoundError: ``key_not_found``.
            BonafidesError: the DID's log does not verify, and the codes of DID documents.
        """
        did = verification_method.partition("#")[0]
        if did.startswith("did:key:"):
            return SelfCertifyingLookup().find_key(verification_method, purpose)
        document = self._registry_document() if did == self.identity().registry_did else self.resolve(did)
        return DocumentKeyLookup({did: document}).find_key(verification_method, purpose)

    def resolve(self, did: str) -> DidDocument:
        """Return the newest document of a did:webvh that the registry hosts, its whole log verified.

        Raises:
            KeyNotFoundError: ``key_not_found`` for a DID that lives elsewhere.
            DidError: the log does not verify.
        """
        result = self._resolve(did)
        if result.did_document is None:
            raise KeyNotFoundError("the DID is deactivated")
        return parse_did_document(result.did_document)

    def version_id(self, did: str) -> str:
        """Return the newest versionId of a did:webvh that the registry hosts; errors as in `resolve`."""
        return str(self._resolve(did).did_document_metadata["versionId"])

    def _resolve(self, did: str) -> ResolutionResult:
        if not did.startswith("did:webvh:"):
            raise KeyNotFoundError("only did:key and DIDs of this registry are known here")
        log, witness = self.did_files(did)
        result = resolve_log(did, log, now_ms=self._clock.now_ms(), witness=witness)
        if result.cause is not None:
            raise result.cause
        return result

    def did_files(self, did: str) -> tuple[bytes, bytes | None]:
        """Return ``did.jsonl`` and, if there is one, ``did-witness.json`` of a DID that the registry hosts, unverified.

        Args:
            did: the name under which the DID first came here.

        Raises:
            KeyNotFoundError: ``key_not_found`` for a DID that lives elsewhere.
            RegistryError: ``registry_refused``, ``registry_unreachable``.
        """
        log = self.transport.get_answer(self._file_path(did, "did.jsonl")).body
        try:
            return log, self.transport.get_answer(self._file_path(did, "did-witness.json")).body
        except RegistryRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            return log, None

    def _file_path(self, did: str, name: str) -> str:
        location = parse_webvh_did(did).location.file_url(name)
        public = self.identity().public_url + "/"
        if not location.startswith(public):
            raise KeyNotFoundError("the DID lives at another host")
        return "/" + location.removeprefix(public)

    def _registry_document(self) -> DidDocument:
        if self._document is None:
            self._document = self.resolve(self.identity().registry_did)
        return self._document

    # ------------------------------------------------------------ acceptances

    def verify_acceptance(self, document: object, *, events: Sequence[bytes]) -> tuple[AcceptedEvent, ...]:
        """Verify that the registry promises to have logged these events.

        Args:
            document: the acceptance as it came.
            events: ids of what was sent, 32 bytes each; all must be named.

        Raises:
            AcceptanceError: ``acceptance_invalid``.
        """
        if not isinstance(document, dict):
            raise AcceptanceError("there is none")
        identity = self.identity()
        try:
            credential = parse_credential(document)
            verify_credential(credential, keys=self, now_ms=credential.created_ms)
        except (DidError, ParseError, VerificationError) as error:
            raise AcceptanceError(error.code) from error
        if credential.kind.name != "acceptance" or credential.issuer != identity.registry_did:
            raise AcceptanceError("it is not the registry's")
        if credential.subject["origin"] != identity.origin:
            raise AcceptanceError("it is of another log")
        listed = tuple(
            AcceptedEvent(one["event"], one["index"], one["leafHash"], one["time"])
            for one in credential.subject["accepted"]
        )
        if not {base64url_encode(one) for one in events} <= {one.event for one in listed}:
            raise AcceptanceError("it does not name what was sent")
        return listed

    def standing_credential(self, did: str, *, context: str | None = None) -> dict[str, Any]:
        """Return the standing of now that the registry signed, verified, to be shown elsewhere.

        Args:
            did: the agent, by any of its names.
            context: capability domain; None overall.

        Raises:
            StandingError: ``standing_invalid``.

        Spec: specs/kinds/standing.md
        """
        path, identity = f"/v1/agents/{did_segment(did)}/standing", self.identity()
        document = self.transport.get(path, format="credential", context=context)
        try:
            credential = parse_credential(document)
            verify_credential(credential, keys=self, now_ms=self._clock.now_ms(), skew_ms=CLOCK_SKEW_MS)
        except (DidError, ParseError, VerificationError) as error:
            raise StandingError(error.code) from error
        said = credential.subject
        if credential.kind.name != "standing" or credential.issuer != identity.registry_did:
            raise StandingError("it is not the registry's")
        if (said["id"], said["origin"], said.get("context")) != (did, identity.origin, context):
            raise StandingError("it is another one than was asked for")
        return document

    # ------------------------------------------------------------ the log

    def checkpoint(self) -> VerifiedCheckpoint:
        """Return the newest checkpoint, its signature verified under the log's key.

        Raises:
            VerificationError: the codes of `verify_checkpoint`.
        """
        identity = self.identity()
        note = self.transport.get_answer("/checkpoint").body
        return verify_checkpoint(note, origin=identity.origin, key=parse_note_key(identity.log_key))

    def verify_extends(self, note: bytes, newest: VerifiedCheckpoint) -> int:
        """Verify that the newest checkpoint contains an older one; return the older one's size.

        Args:
            note: the older checkpoint as it was kept.
            newest: what `checkpoint` returned.

        Raises:
            LogProofError: ``log_proof_invalid`` where the log has become shorter.
            VerificationError: the codes of `verify_checkpoint` and `verify_consistency`.
        """
        identity = self.identity()
        older = verify_checkpoint(note, origin=identity.origin, key=parse_note_key(identity.log_key)).checkpoint
        head = newest.checkpoint
        if older.size > head.size:
            raise LogProofError(f"the log had {older.size} entries and shows {head.size} now")
        if older.size == head.size:
            if older.root_hash != head.root_hash:
                raise LogProofError(f"two roots for size {head.size}: the log has forked")
            return older.size
        query: dict[str, int] = {"from": older.size, "to": head.size}
        proof = _hashes(self.transport.get("/v1/log/proof/consistency", **query))
        verify_consistency(older.root_hash, head.root_hash, first=older.size, second=head.size, proof=proof)
        return older.size

    def entry_place(self, index: int) -> AcceptedEvent:
        """Return where an entry stands, from its own bytes."""
        leaf = self.transport.get_answer(f"/v1/entries/{index}").body
        document = parse_json_object(leaf, max_depth=LEAF_DEPTH)
        event, time_ms = document.get("event"), document.get("time")
        if not isinstance(event, dict) or not isinstance(time_ms, int):
            raise RegistryAnswerError("not a log entry")
        return AcceptedEvent(base64url_encode(event_id(event)), index, base64url_encode(leaf_hash(leaf)), time_ms)

    def _checkpoint_over(self, index: int) -> VerifiedCheckpoint:
        """Return a checkpoint that reaches an index, waiting a moment for it: signing follows the commit."""
        for _ in range(CHECKPOINT_WAITS):
            verified = self.checkpoint()
            if verified.checkpoint.size > index:
                return verified
            time.sleep(CHECKPOINT_PAUSE_S)
        return self.checkpoint()

    def verify_included(self, accepted: AcceptedEvent) -> VerifiedCheckpoint:
        """Verify that an accepted event is in the log where the registry promised it.

        Raises:
            LogProofError: ``log_proof_invalid``.
            VerificationError: the codes of `verify_inclusion`.
        """
        leaf = self.transport.get_answer(f"/v1/entries/{accepted.index}").body
        if base64url_encode(leaf_hash(leaf)) != accepted.leaf_hash:
            raise LogProofError("the entry is another one than was accepted", index=accepted.index)
        verified = self._checkpoint_over(accepted.index)
        checkpoint = verified.checkpoint
        if checkpoint.size <= accepted.index:
            raise LogProofError("the newest checkpoint does not reach the entry", index=accepted.index)
        proof = self.transport.get("/v1/log/proof/inclusion", index=accepted.index, size=checkpoint.size)
        verify_inclusion(
            leaf_hash(leaf),
            _hashes(proof),
            index=accepted.index,
            size=checkpoint.size,
            root_hash=checkpoint.root_hash,
        )
        return verified


def _hashes(proof: dict[str, Any]) -> list[bytes]:
    hashes = proof.get("proof")
    if not isinstance(hashes, list):
        raise LogProofError("there is no proof in the answer")
    return [base64url_decode(str(one)) for one in hashes]


def parse_event(answer: dict[str, Any]) -> tuple[AcceptedEvent, dict[str, Any]]:
    """Read ``GET /v1/events/{id}``: where the event stands, and the signed document.

    Raises:
        RegistryAnswerError: ``registry_answer_invalid``.
    """
    leaf = answer.get("leaf")
    document = leaf.get("event") if isinstance(leaf, dict) else None
    try:
        place = AcceptedEvent(str(answer["event"]), int(answer["index"]), str(answer["leafHash"]), int(answer["time"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryAnswerError("not an event") from error
    if not isinstance(document, dict):
        raise RegistryAnswerError("not an event")
    return place, document
