"""Acceptances held against the log: is every event that the registry acknowledged where it said?

Spec: FORMATS "Acceptance"; specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.document import DidDocument
from did_methods.errors import BonafidesError
from registry.audit.finding import Finding, make_finding, refusal_finding
from registry.audit.log_audit import EntryFact
from registry.credentials.key_lookup import DocumentKeyLookup
from registry.credentials.model import UnverifiedCredential, parse_credential
from registry.credentials.verify import verify_credential
from registry.errors import ParseError
from registry.history.state import Genesis
from registry.limits import BATCH_BODY_BYTES

_NODES = 200_000


class AcceptanceLineError(ParseError):
    """A line of the file is not a registry's acceptance, nor an answer that holds one."""

    code = "acceptance_line_malformed"
    title = "Not an acceptance"


def parse_acceptance(line: bytes) -> UnverifiedCredential:
    """Parse one line: an acceptance, or a registry's answer with its `acceptance`.

    Raises:
        AcceptanceLineError: ``acceptance_line_malformed``.
        BonafidesError: the codes of the codec and of `parse_credential`.
    """
    document: dict[str, Any] = parse_json_object(line, max_bytes=BATCH_BODY_BYTES, max_nodes=_NODES)
    inner = document.get("acceptance")
    credential = parse_credential(inner if isinstance(inner, dict) else document)
    if credential.kind.name != "acceptance":
        raise AcceptanceLineError(credential.kind.name)
    return credential


def promised_indices(acceptances: Sequence[UnverifiedCredential]) -> frozenset[int]:
    """Return the log indices that the acceptances speak of."""
    return frozenset(one["index"] for each in acceptances for one in each.subject["accepted"])


def check_acceptance(
    acceptance: UnverifiedCredential,
    *,
    genesis: Genesis,
    documents: Sequence[DidDocument],
    facts: Mapping[int, EntryFact],
) -> list[Finding]:
    """Check one acceptance against the log.

    Args:
        acceptance: what the registry gave.
        genesis: of the log.
        documents: every version of the registry's DID document, oldest first; any of their keys may have signed.
        facts: the log's entries at `promised_indices`, as far as it has them.

    Returns:
        Findings: it is not this registry's, or an event is not where it was promised.
    """
    if acceptance.issuer != genesis.registry_did or acceptance.subject["origin"] != genesis.origin:
        return [make_finding("acceptance_not_ours", expected=genesis.origin, found=acceptance.subject["origin"])]
    refusal = verify_under_any(acceptance, documents)
    if refusal is not None:
        return [refusal_finding(refusal)]
    return [found for one in acceptance.subject["accepted"] if (found := _missing(one, facts)) is not None]


def verify_under_any(acceptance: UnverifiedCredential, documents: Sequence[DidDocument]) -> BonafidesError | None:
    """Verify a credential of the registry's under any key that its DID ever had; return what refused it, or None.

    Args:
        acceptance: or another statement that is not logged.
        documents: every version of the registry's DID document, oldest first.
    """
    refusal: BonafidesError = AcceptanceLineError("the registry has no keys")
    for document in reversed(documents):
        try:
            keys = DocumentKeyLookup({document.id: document})
            verify_credential(acceptance, keys=keys, now_ms=acceptance.created_ms)
        except BonafidesError as error:
            refusal = error
        else:
            return None
    return refusal


def _missing(promised: Mapping[str, Any], facts: Mapping[int, EntryFact]) -> Finding | None:
    fact = facts.get(promised["index"])
    expected = EntryFact(base64url_decode(promised["event"]), base64url_decode(promised["leafHash"]), promised["time"])
    if fact == expected:
        return None
    found = "no such entry" if fact is None else base64url_encode(fact.leaf_hash)
    return make_finding(
        "accepted_event_missing",
        f"event {promised['event']}",
        index=promised["index"],
        expected=promised["leafHash"],
        found=found,
    )
