"""The acceptance: the registry's promise that it logged events. Every write waits for one, on the server's event loop.

Decides the bytes that are signed, as ``issue_registry.py`` does for all else that the registry says. What is the same in all
acceptances of one key and one log is put into canonical form once; each then adds its events and its time. A law holds this
equal, byte for byte, to building and signing an acceptance like any other credential.

Spec: FORMATS "Acceptance"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.data_integrity import CRYPTOSUITE, combine_hashes, context_of, make_proof, proof_options
from did_methods.keys import Signer
from did_methods.timestamp import format_timestamp
from registry.credentials.issue import build_credential, signer_did
from registry.credentials.kinds import CONTEXTS, KINDS_BY_NAME


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event that the log took.

    Attributes:
        event: event id, 32 bytes.
        index: leaf index, from 0.
        leaf_hash: RFC 6962 leaf hash, 32 bytes.
        time_ms: log time, milliseconds since the epoch.
    """

    event: bytes
    index: int
    leaf_hash: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class _Form:
    """What all acceptances of one key and one log have in common.

    Attributes:
        document: members of the document, without events and at time 0.
        options: members of the proof but ``proofValue``, at time 0.
        document_pieces: the canonical document before its events, from there to its time, and after that.
        options_pieces: the canonical options before their time, and after it.
    """

    document: dict[str, Any]
    options: dict[str, Any]
    document_pieces: tuple[bytes, bytes, bytes]
    options_pieces: tuple[bytes, bytes]


def issue_acceptance(*, signer: Signer, origin: str, accepted: Sequence[AcceptedEvent]) -> dict[str, Any]:
    """Issue the registry's promise that it logged these events; the same events give the same bytes.

    Args:
        signer: the registry DID.
        origin: of the log.
        accepted: 1 to 1000 events in the order of the request.

    Raises:
        ProofKeyError: proof_key_kind, for a signer that says it has a key of another kind.

    Spec: FORMATS "Acceptance"; VC-DI-EDDSA 3.3.1
    """
    form = _form(signer_did(signer), signer.verification_method, origin)
    listed = [
        {
            "event": base64url_encode(each.event),
            "index": each.index,
            "leafHash": base64url_encode(each.leaf_hash),
            "time": each.time_ms,
        }
        for each in accepted
    ]
    newest = format_timestamp(max((each.time_ms for each in accepted), default=0))
    time, (head, middle, tail) = newest.encode("ascii"), form.document_pieces
    canonical_document = b"".join((head, canonicalize(listed), middle, time, tail))
    hash_data = combine_hashes(time.join(form.options_pieces), canonical_document, hash_name="sha256")
    # Lists are copied, so that whoever changes one acceptance does not change the others. None is parsed again, like what
    # the registry says elsewhere: no member comes from outside.
    options = {**form.options, "@context": [*CONTEXTS], "created": newest}
    return {
        **form.document,
        "@context": [*CONTEXTS],
        "type": [*form.document["type"]],
        "validFrom": newest,
        "credentialSubject": {"origin": origin, "accepted": listed},
        "proof": make_proof(options, hash_data, signer=signer),
    }


@lru_cache(maxsize=16)
def _form(issuer: str, verification_method: str, origin: str) -> _Form:
    document = build_credential(
        KINDS_BY_NAME["acceptance"],
        issuer=issuer,
        subject={"origin": origin, "accepted": []},
        uuid=None,
        valid_from_ms=0,
    )
    options = proof_options(
        CRYPTOSUITE,
        verification_method=verification_method,
        created=0,
        proof_purpose="assertionMethod",
        domain=origin,
    )
    options |= context_of(document)
    # Cut where no text from outside can be mistaken for the place: only the contexts stand before the events and before
    # the time of the proof, and the time of the document is its last member.
    no_time = format_timestamp(0).encode("ascii")
    head, _, rest = canonicalize(document).partition(b"[]")
    middle, _, tail = rest.rpartition(no_time)
    before, _, after = canonicalize(options).partition(no_time)
    return _Form(document, options, (head, middle, tail), (before, after))
