"""Capability credentials that come with a request: which of them speaks for this action.

Each credential is judged alone. The best one is used: a matching and valid one before an expired one before one for
another action; a credential that does not verify counts as absent. One whose issuer has revoked or suspended it, or whose
status cannot be read from memory now, counts as expired: a decision waits for nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.credentials.model import UnverifiedCredential, parse_credential
from registry.credentials.status_entry import StatusEntry, parse_status_entries
from registry.credentials.verify import BoundKey, check_credential_instant, verify_credential
from registry.decisions.request import EvaluationRequest
from registry.history.state import LogState
from registry.limits import PRESENTED_CREDENTIALS, REMEMBERED_PROOFS, STATUS_ENTRIES_PER_CREDENTIAL

_NEVER_MS = 1 << 53


class StatusMemory(Protocol):
    """Whoever knows statuses without asking anybody."""

    def is_ended(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> bool:
        """Say whether a credential of that issuer must not be counted: a status ends it, or is not known now."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A capability credential whose proof verified under a key, with its status entries; None where they make no sense."""

    credential: UnverifiedCredential
    key: BoundKey
    entries: tuple[StatusEntry, ...] | None


@dataclass(frozen=True, slots=True)
class CheckedCapability:
    """A capability credential whose proof verified, seen against one request."""

    digest: str
    issuer: str
    matches: bool
    expired: bool
    superseded: bool
    issuer_state: str
    issuer_score_micros: int
    issuer_is_root: bool

    def facts(self) -> dict[str, Any]:
        """Return the members of the fact vector."""
        return {
            "capability_present": True,
            "capability_matches": self.matches,
            "capability_expired": self.expired,
            "capability_superseded": self.superseded,
            "capability_issuer": self.issuer,
            "capability_issuer_state": self.issuer_state,
            "capability_issuer_score_micros": self.issuer_score_micros,
            "capability_issuer_is_root": self.issuer_is_root,
        }


def _usefulness(one: CheckedCapability) -> tuple[bool, ...]:
    return one.matches, not one.expired, not one.superseded, one.issuer_is_root


class Capabilities:
    """Verifies capability credentials and remembers those that verified, though never their status.

    Args:
        state: the folded log.
        statuses: asked at each use.
    """

    def __init__(self, state: LogState, *, statuses: StatusMemory) -> None:
        self._state = state
        self._statuses = statuses
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def find(
        self, request: EvaluationRequest, documents: Sequence[dict[str, Any]], *, now_ms: int
    ) -> CheckedCapability | None:
        """Return the credential that serves the request best, or None when none verifies for this agent."""
        checked = [
            found
            for document in documents[:PRESENTED_CREDENTIALS]
            if (found := self._check(request, document, now_ms)) is not None
        ]
        return max(checked, key=_usefulness, default=None)

    def _check(self, request: EvaluationRequest, document: dict[str, Any], now_ms: int) -> CheckedCapability | None:
        try:
            digest = sha256_jcs(document)
            known = self._verified(digest, document, now_ms)
        except BonafidesError:
            return None  # counts as absent: the policy answers capability_required
        canonical = self._state.canonical_did
        if known is None or canonical(known.credential.subject_id) != canonical(request.agent_did):
            return None
        credential = known.credential
        if credential.created_ms > now_ms:
            return None
        agent = self._state.find_agent(request.agent_did)
        own = canonical(credential.issuer) == canonical(request.agent_did)
        return CheckedCapability(
            digest=base64url_encode(digest),
            # A moved agent has several names; authorising itself under another one is still authorising itself.
            issuer=request.agent_did if own else credential.issuer,
            matches=capability_covers(credential.subject, request),
            superseded=agent is not None and credential.created_ms <= agent.control.transferred_ms,
            expired=not credential.valid_from_ms <= now_ms <= _last_instant(credential)
            or self._is_ended(known, now_ms),
            **self._issuer(credential.issuer, now_ms),
        )

    def _is_ended(self, known: _Known, now_ms: int) -> bool:
        if known.entries is None:
            return True
        issuer = known.credential.issuer
        return bool(known.entries) and self._statuses.is_ended(known.entries, issuer=issuer, now_ms=now_ms)

    def _verified(self, digest: bytes, document: dict[str, Any], now_ms: int) -> _Known | None:
        known = self._known.get(digest)
        if known is not None:
            key = known.key
            check_credential_instant(known.credential, now_ms=_within_validity(known.credential, now_ms))
            if self._state.find_key(key.method_id, "assertionMethod").public_key == key.public_key:
                return known
        credential = parse_credential(document)
        if credential.kind.name != "capability":
            return None
        verified = verify_credential(credential, keys=self._state, now_ms=_within_validity(credential, now_ms))
        known = self._known[digest] = _Known(credential, verified.keys[0], _status_entries(document))
        if len(self._known) > REMEMBERED_PROOFS:
            self._known.popitem(last=False)
        return known

    def _issuer(self, issuer: str, now_ms: int) -> dict[str, Any]:
        agent = self._state.find_agent(issuer)
        score = 0 if agent is None else self._state.reputation.reading(agent.did, now_ms=now_ms).score_micros
        roots = map(self._state.canonical_did, self._state.roots_in_force)
        return {
            "issuer_state": "unknown" if agent is None else agent.state,
            "issuer_score_micros": score,
            "issuer_is_root": self._state.canonical_did(issuer) in roots,
        }


def _status_entries(document: Mapping[str, Any]) -> tuple[StatusEntry, ...] | None:
    if "credentialStatus" not in document:
        return ()
    try:
        return parse_status_entries(document["credentialStatus"], most=STATUS_ENTRIES_PER_CREDENTIAL)
    except BonafidesError:
        return None


def _last_instant(credential: UnverifiedCredential) -> int:
    """Return the last ms in which neither the credential nor its proof has expired."""
    ends = [credential.valid_until_ms, *(proof.expires_ms for proof in credential.proofs)]
    return min((end for end in ends if end is not None), default=_NEVER_MS) - 1


def _within_validity(credential: UnverifiedCredential, now_ms: int) -> int:
    """Return the instant to verify at: the end of validity is a fact of its own, so an ended one is seen as of its end."""
    return now_ms if credential.valid_until_ms is None else min(now_ms, credential.valid_until_ms - 1)


def capability_covers(subject: Mapping[str, Any], request: EvaluationRequest) -> bool:
    """Say whether a capability's actions and resources cover a request.

    Patterns end in an optional ``*``; no resources listed means every resource.

    Spec: specs/kinds/capability.md.
    """
    if not any(_matches(str(pattern), request.action_name) for pattern in subject["actions"]):
        return False
    resources = subject.get("resources")
    if resources is None:
        return True
    return any(
        one["type"] == request.resource_type and _matches(str(one["id"]), request.resource_id) for one in resources
    )


def _matches(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
