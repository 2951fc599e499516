"""Everything that may become a leaf, parsed and verified: credentials, registrations, did:webvh entries, their witnesses.

Parsing needs no state. Verifying needs the keys that are active in the log's state just before the leaf; a
`VerifiedStatement` remembers which keys it relied on, so that the sequencer can check cheaply that they still stand.
A did:webvh entry is verified against the version before it, which only the sequencer knows; it is a statement of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from did_methods.canonical import canonicalize
from did_methods.data_integrity import event_id
from did_methods.timestamp import parse_timestamp
from did_methods.webvh_witness import claimed_witness, verify_witness_proof
from registry.credentials.model import UnverifiedCredential, parse_credential
from registry.credentials.presentation import UnverifiedPresentation, parse_presentation, verify_presentation
from registry.credentials.verify import BoundKey, KeyLookup, check_credential_instant, verify_credential
from registry.history.errors import KindNotLoggedError, StatementKindError

Role = Literal["signer", "subject"]

_DID_WITNESS_KEYS = frozenset({"versionId", "proof"})
MAX_WITNESS_PROOFS = 8
"""What fits a leaf with room to spare; a log hosted here can ask for no more."""
_DID_ENTRY_KEYS = frozenset({"versionId", "versionTime", "parameters", "state", "proof"})


@dataclass(frozen=True, slots=True)
class CredentialStatement:
    """A logged credential, not yet verified."""

    credential: UnverifiedCredential
    event_bytes: bytes

    @property
    def kind(self) -> str:
        """The leaf kind, for example ``vouch``."""
        return self.credential.kind.name

    @property
    def event_id(self) -> bytes:
        """SHA-256 of the JCS of the document without its proof."""
        return self.credential.event_id


@dataclass(frozen=True, slots=True)
class RegistrationStatement:
    """An agent's presentation by which it registers, not yet verified."""

    presentation: UnverifiedPresentation
    event_id: bytes
    event_bytes: bytes
    kind: str = "registration"


@dataclass(frozen=True, slots=True)
class DidOperationStatement:
    """A did:webvh log entry, not yet verified."""

    did: str
    entry: dict[str, Any]
    event_id: bytes
    event_bytes: bytes
    kind: str = "did_operation"


@dataclass(frozen=True, slots=True)
class DidWitnessStatement:
    """Witnesses' approvals of the did:webvh entry that follows, not yet verified.

    Attributes:
        version_id: of that entry.
        witnesses: the did:key DIDs that the proofs name, in their order, distinct.
    """

    version_id: str
    proofs: tuple[Any, ...]
    witnesses: tuple[str, ...]
    event_id: bytes
    event_bytes: bytes
    kind: str = "did_witness"


Statement = CredentialStatement | RegistrationStatement | DidOperationStatement | DidWitnessStatement


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement whose signatures hold under the keys named.

    Attributes:
        statement: what was signed.
        keys: the keys it was verified with, signer first; empty for did:webvh entries, which are verified in order.
        created_ms: the newest proof's `created`.
    """

    statement: Statement
    keys: tuple[BoundKey, ...]
    created_ms: int


def is_credential(document: dict[str, Any]) -> bool:
    """Say whether a document is to be parsed as a credential, which costs little: its members are known.

    Args:
        document: what `parse_json_object` returned.

    Spec: FORMATS "Signed statements".
    """
    if document.keys() >= _DID_ENTRY_KEYS or document.keys() == _DID_WITNESS_KEYS:
        return False
    types = document.get("type")
    return isinstance(types, list) and "VerifiableCredential" in types and "VerifiablePresentation" not in types


def parse_statement(document: dict[str, Any], event_bytes: bytes | None = None) -> Statement:
    """Parse a document into the statement that it is.

    Args:
        document: what `parse_json_object` returned.
        event_bytes: its canonical bytes, where they are at hand.

    Raises:
        StatementKindError: ``kind_unknown``.
        KindNotLoggedError: ``kind_not_logged``.
        BonafidesError: what the credential, presentation or codec rules refuse.

    Spec: FORMATS "Signed statements", "Registration".
    """
    if is_credential(document):
        credential = parse_credential(document)
        if not credential.kind.logged:
            raise KindNotLoggedError(credential.kind.name)
        return CredentialStatement(credential, event_bytes or canonicalize(document))
    if document.keys() >= _DID_ENTRY_KEYS:
        state = document["state"]
        did = state.get("id") if isinstance(state, dict) else None
        if not isinstance(did, str):
            raise StatementKindError("the DID log entry has no state.id")
        return DidOperationStatement(did, document, event_id(document), event_bytes or canonicalize(document))
    if document.keys() == _DID_WITNESS_KEYS:
        return _parse_witness(document, event_bytes or canonicalize(document))
    types = document.get("type")
    if isinstance(types, list) and "VerifiablePresentation" in types:
        presentation = parse_presentation(document)
        return RegistrationStatement(presentation, event_id(document), event_bytes or canonicalize(document))
    raise StatementKindError


def _parse_witness(document: dict[str, Any], event_bytes: bytes) -> DidWitnessStatement:
    version_id, proofs = document["versionId"], document["proof"]
    if not isinstance(version_id, str) or not isinstance(proofs, list) or not 1 <= len(proofs) <= MAX_WITNESS_PROOFS:
        raise StatementKindError(f"witness proofs are a versionId and a list of 1 to {MAX_WITNESS_PROOFS} proofs")
    witnesses = tuple(claimed_witness(proof) for proof in proofs)
    if not all(witness.startswith("did:key:") for witness in witnesses) or len(set(witnesses)) != len(witnesses):
        raise StatementKindError("each proof is that of another witness, a did:key")
    return DidWitnessStatement(version_id, tuple(proofs), witnesses, event_id(document), event_bytes)


def has_loose_witnesses(statements: Sequence[Statement | VerifiedStatement], *, together: bool) -> bool:
    """Say whether witness proofs could enter the log without their entry, which would stop it for everybody.

    Args:
        statements: one submission's.
        together: whether they enter as a whole or not at all.
    """
    plain = [one.statement if isinstance(one, VerifiedStatement) else one for one in statements]
    return any(isinstance(one, DidWitnessStatement) for one in (plain[-1:] if together else plain))


def check_instant(verified: VerifiedStatement, *, time_ms: int, origin: str) -> None:
    """Check a verified statement's windows again at its log time: it may have waited since it was verified.

    Raises:
        VerificationError: the codes of `verify_credential` that concern time.

    Spec: FORMATS "Evidence hygiene".
    """
    if isinstance(verified.statement, CredentialStatement):
        check_credential_instant(verified.statement.credential, now_ms=time_ms, origin=origin)


def claimed_time_ms(statement: Statement) -> int:
    """Return when the statement says it was made: its newest proof's `created`, or the entry's `versionTime`, in ms.

    Raises:
        BonafidesError: ``timestamp_malformed`` and the like.
    """
    match statement:
        case DidOperationStatement(entry=entry):
            return parse_timestamp(str(entry["versionTime"]))
        case DidWitnessStatement(proofs=proofs):
            return max(parse_timestamp(str(proof.get("created"))) for proof in proofs)
        case RegistrationStatement(presentation=presentation):
            return presentation.proof.created_ms or 0
        case CredentialStatement(credential=credential):
            return credential.created_ms


def verify_statement(
    statement: Statement,
    *,
    keys: KeyLookup,
    now_ms: int,
    origin: str,
    challenge: str | None = None,
) -> VerifiedStatement:
    """Verify a statement's signatures, windows and bindings under the keys given.

    Args:
        statement: what `parse_statement` returned.
        keys: the keys active just before the leaf.
        now_ms: log time.
        origin: the log's origin, which log statements must name as their domain.
        challenge: for a registration, the challenge that must have been signed; None where it cannot be known (audit).

    Raises:
        BonafidesError: the codes of the credential and presentation rooms.

    Spec: FORMATS "Evidence hygiene".
    """
    match statement:
        case DidOperationStatement():
            return VerifiedStatement(statement, (), claimed_time_ms(statement))
        case DidWitnessStatement(version_id=version_id, proofs=proofs):
            for proof in proofs:
                verify_witness_proof(version_id, proof)
            return VerifiedStatement(statement, (), claimed_time_ms(statement))
        case RegistrationStatement(presentation=presentation):
            verified = verify_presentation(
                presentation,
                keys=keys,
                now_ms=now_ms,
                domain=origin,
                challenge=challenge,
            )
            return VerifiedStatement(statement, (verified.key,), claimed_time_ms(statement))
        case CredentialStatement(credential=credential):
            checked = verify_credential(credential, keys=keys, now_ms=now_ms, origin=origin)
            return VerifiedStatement(statement, checked.keys, claimed_time_ms(statement))
