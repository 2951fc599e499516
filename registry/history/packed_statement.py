"""Verified credentials on their way from one process to another: packed into plain values, and made whole again.

Decides what may be judged away from the log's state: a credential all of whose signers are DIDs that hold their own keys.
Everything else, and everything that is wrong in any way, is left to whoever has the state, so that each refusal is made in
one place.

Spec: specs/history.md "Sequencing"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, TypeAlias

from did_methods.codec import parse_json_object
from did_methods.data_integrity import DataIntegrityProof
from did_methods.errors import BonafidesError
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.kinds import KINDS_BY_TYPE
from registry.credentials.model import UnverifiedCredential
from registry.history.statement import (
    CredentialStatement,
    VerifiedStatement,
    claimed_time_ms,
    is_credential,
    parse_statement,
    verify_statement,
)
from registry.limits import EVENT_BODY_BYTES

PackedStatement: TypeAlias = tuple[bytes, int, str, tuple[Any, ...], tuple[tuple[Any, ...], ...]]
"""The canonical bytes, the newest `created` in ms, the kind's type, the credential's other members, those of its proofs.

Of ``None``, ``bool``, ``int``, ``float``, ``str``, ``bytes``, ``tuple``, ``list`` and ``dict`` alone. Proofs and subject are
the same objects as those in the document, not copies of them.
"""

# To be raised with whatever a request, an answer or "verified" means otherwise than before and is not seen below.
_FORMAT: Final = 1
_KEYS: Final = SelfCertifyingLookup()
_APART: Final = frozenset({"kind", "proofs"})
_MEMBERS: Final = tuple(field.name for field in fields(UnverifiedCredential) if field.name not in _APART)
_members_of: Final = attrgetter(*_MEMBERS)
_PROOF_MEMBERS: Final = tuple(field.name for field in fields(DataIntegrityProof))
_proof_members_of: Final = attrgetter(*_PROOF_MEMBERS)
SPEECH: Final = (_FORMAT, _MEMBERS, _PROOF_MEMBERS, tuple(sorted(KINDS_BY_TYPE)))
"""What `PackedStatement` is to this code, of plain values: who packs and who unpacks must have the same."""


def pack_lines(lines: Sequence[bytes], *, origin: str, now_ms: int | None) -> list[PackedStatement | None]:
    """Parse and verify lines, each for itself.

    Args:
        lines: signed statements as they came.
        origin: the log's origin, which log statements must name.
        now_ms: log time; None in a replay registry, where each statement says its own.

    Returns:
        For each line a verified credential, or None for whatever else it is.
    """
    return [_pack_line(line, origin, now_ms) for line in lines]


def _pack_line(line: bytes, origin: str, now_ms: int | None) -> PackedStatement | None:
    try:
        document = parse_json_object(line, max_bytes=EVENT_BODY_BYTES)
        if not is_credential(document):  # others may take a hundred times as long to be parsed, and more lines wait
            return None
        statement = parse_statement(document)
        assert isinstance(statement, CredentialStatement)
        time_ms = claimed_time_ms(statement) if now_ms is None else now_ms
        verified = verify_statement(statement, keys=_KEYS, now_ms=time_ms, origin=origin)
    except BonafidesError:
        return None
    credential = statement.credential
    return (
        statement.event_bytes,
        verified.created_ms,
        credential.kind.type,
        _members_of(credential),
        tuple([_proof_members_of(proof) for proof in credential.proofs]),
    )


def unpack_statement(packed: PackedStatement) -> VerifiedStatement:
    """Return what `pack_lines` verified; its keys are those that its DIDs hold."""
    event_bytes, created_ms, kind, members, proofs = packed
    credential = UnverifiedCredential(
        kind=KINDS_BY_TYPE[kind],
        proofs=tuple([DataIntegrityProof(*proof) for proof in proofs]),
        **dict(zip(_MEMBERS, members, strict=True)),
    )
    keys = tuple([_KEYS.find_key(proof.verification_method, "assertionMethod") for proof in credential.proofs])
    return VerifiedStatement(CredentialStatement(credential, event_bytes), keys, created_ms)
