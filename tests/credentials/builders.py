"""Parties, keys and one valid document of every kind; tests change them and sign again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.keys import Signer
from registry.credentials.commitments import make_disclosure
from registry.credentials.issue import (
    countersign_passport,
    issue_capability,
    issue_passport,
    issue_report,
    issue_revocation,
    issue_vouch,
)
from registry.credentials.issue_acceptance import AcceptedEvent, issue_acceptance
from registry.credentials.issue_registry import (
    issue_agent_revocation,
    issue_epoch,
    issue_genesis,
    issue_key_observation,
    issue_quarantine,
    issue_release,
    issue_root_list,
)
from registry.credentials.issue_state import ReplayedMap, issue_log_replay, issue_state_log
from registry.credentials.presentation import build_presentation, sign_presentation
from tests.credentials.builders_evidence import EVIDENCE
from tests.credentials.parties import (
    AGENT,
    AGENT_DID,
    CHALLENGE,
    DIGESTS,
    HOUR_MS,
    KEYS,
    LOG_KEY,
    MALLORY,
    MALLORY_DID,
    NOW_MS,
    OPERATOR,
    OPERATOR_DID,
    ORIGIN,
    OTHER_ORIGIN,
    OWNER,
    OWNER_DID,
    PEER,
    PEER_DID,
    REGISTRY,
    REGISTRY_DID,
    REGISTRY_DOCUMENT,
    REGISTRY_LOGIN,
    VERSION_ID,
    digest_text,
    seeded,
    uuid,
)

__all__ = [
    "AGENT",
    "AGENT_DID",
    "CHALLENGE",
    "DIGESTS",
    "HOUR_MS",
    "KEYS",
    "LOG_KEY",
    "MALLORY",
    "MALLORY_DID",
    "NOW_MS",
    "OPERATOR",
    "OPERATOR_DID",
    "ORIGIN",
    "OTHER_ORIGIN",
    "OWNER",
    "OWNER_DID",
    "PEER",
    "PEER_DID",
    "REGISTRY",
    "REGISTRY_DID",
    "REGISTRY_DOCUMENT",
    "REGISTRY_LOGIN",
    "VALID",
    "VERSION_ID",
    "acceptance",
    "capability",
    "changed",
    "digest_text",
    "owned_passport",
    "passport",
    "presentation",
    "report",
    "resigned",
    "seeded",
    "uuid",
    "vouch",
    "without",
]


def vouch(**changes: Any) -> dict[str, Any]:
    """Return the agent's vouch for its peer, with arguments of `issue_vouch` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "subject": PEER_DID,
        "strength": 80,
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
        "context": "payments",
        "commitments": [make_disclosure("case", number, salt=DIGESTS[number]).digest for number in (0, 1)],
    }
    return issue_vouch(**{**arguments, **changes})


def report(**changes: Any) -> dict[str, Any]:
    """Return the agent's report on its peer, with arguments of `issue_report` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "subject": PEER_DID,
        "severity": 60,
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
        "category": "overcharged",
    }
    return issue_report(**{**arguments, **changes})


def passport(**changes: Any) -> dict[str, Any]:
    """Return the agent's passport without an owner, with arguments of `issue_passport` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "purpose": "invoicing",
        "capabilities": ["payments", "mail"],
        "code_digest": DIGESTS[0],
        "model": {"provider": "example", "name": "model-7b/2026.11"},
        "runtime": "python-3-11",
        "uuid": uuid(),
        "now_ms": NOW_MS,
    }
    return issue_passport(**{**arguments, **changes})


def owned_passport(**changes: Any) -> dict[str, Any]:
    """Return the agent's passport counter-signed by its owner."""
    half = passport(owner=OWNER_DID, valid_until_ms=NOW_MS + HOUR_MS, **changes)
    return countersign_passport(half, signer=OWNER, now_ms=NOW_MS)


def capability(**changes: Any) -> dict[str, Any]:
    """Return the owner's grant to the agent, with arguments of `issue_capability` replaced."""
    arguments: dict[str, Any] = {
        "signer": OWNER,
        "subject": AGENT_DID,
        "actions": ["payments.read", "mail:*"],
        "resources": [{"type": "invoice", "id": "2026/*"}],
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "valid_until_ms": NOW_MS + HOUR_MS,
    }
    return issue_capability(**{**arguments, **changes})


def presentation(**changes: Any) -> dict[str, Any]:
    """Return the agent's challenge-bound presentation, with arguments of `sign_presentation` replaced."""
    arguments: dict[str, Any] = {"signer": AGENT, "now_ms": NOW_MS, "domain": ORIGIN, "challenge": CHALLENGE}
    credentials = changes.pop("credentials", ())
    holder = changes.pop("holder", AGENT_DID)
    unsigned = build_presentation(holder=holder, uuid=uuid(), credentials=credentials)
    return sign_presentation(unsigned, **{**arguments, **changes})


def _genesis() -> dict[str, Any]:
    return issue_genesis(
        signer=OPERATOR,
        origin=ORIGIN,
        public_url="https://registry.localhost:8000",
        profile="live",
        log_key=LOG_KEY,
        registry_did=REGISTRY_DID,
        uuid=uuid(),
        now_ms=NOW_MS,
    )


def _root_list() -> dict[str, Any]:
    return issue_root_list(
        signer=OPERATOR,
        registry_did=REGISTRY_DID,
        number=1,
        roots=[AGENT_DID, PEER_DID],
        uuid=uuid(),
        now_ms=NOW_MS,
        domain=ORIGIN,
    )


def _epoch() -> dict[str, Any]:
    return issue_epoch(
        signer=REGISTRY,
        number=1,
        tree_size=3,
        rules="1",
        root_list=DIGESTS[1],
        commitment=DIGESTS[2],
        uuid=uuid(),
        now_ms=NOW_MS,
        domain=ORIGIN,
    )


def acceptance() -> dict[str, Any]:
    """Return the registry's acceptance of two events."""
    accepted = [AcceptedEvent(DIGESTS[each], each, DIGESTS[each + 2], NOW_MS - 1_500 + each) for each in (0, 1)]
    return issue_acceptance(signer=REGISTRY, origin=ORIGIN, accepted=accepted)


def state_log() -> dict[str, Any]:
    """Return the registry's word which log its state map is committed to."""
    key = f"{ORIGIN}/state+d2a17a39+AeK7Zy8s0zC1n0gFZr1s4y1vLq0vJXHqJdQ2xw8m8kJA"
    return issue_state_log(
        signer=REGISTRY, origin=ORIGIN, state_log=f"{ORIGIN}/state", state_log_key=key, uuid=uuid(), now_ms=NOW_MS
    )


def log_replay() -> dict[str, Any]:
    """Return an auditor's word what a replay came to."""
    replayed = ReplayedMap(42, DIGESTS[0], "1", 16, DIGESTS[1])
    return issue_log_replay(
        signer=OWNER, registry_did=REGISTRY_DID, origin=ORIGIN, replayed=replayed, uuid=uuid(), now_ms=NOW_MS
    )


_OBSERVED: dict[str, Any] = {
    "id": "did:web:agents.example.com:bob",
    "keys": [
        {
            "id": "did:web:agents.example.com:bob#key-1",
            "publicKeyMultibase": seeded(9).public_key.multikey,
            "purposes": ["assertionMethod", "authentication"],
        }
    ],
    "documentDigest": base64url_encode(DIGESTS[0]),
    "source": "https",
    "observed": "2026-11-20T09:00:00Z",
}
_OBSERVING: dict[str, Any] = {"uuid": uuid(), "now_ms": NOW_MS, "domain": ORIGIN}
_STATE: dict[str, Any] = {"subject": AGENT_DID, "uuid": uuid(), "now_ms": NOW_MS, "domain": ORIGIN}

VALID: dict[str, tuple[Signer, Callable[[], dict[str, Any]]]] = {
    "passport": (AGENT, passport),
    "owned_passport": (AGENT, owned_passport),
    "capability": (OWNER, capability),
    "vouch": (AGENT, vouch),
    "report": (AGENT, report),
    "revocation": (
        AGENT,
        lambda: issue_revocation(
            signer=AGENT, subject=PEER_DID, event=DIGESTS[0], uuid=uuid(), now_ms=NOW_MS, domain=ORIGIN
        ),
    ),
    "genesis": (OPERATOR, _genesis),
    "root_list": (OPERATOR, _root_list),
    "epoch": (REGISTRY, _epoch),
    "key_observation": (REGISTRY, lambda: issue_key_observation(signer=REGISTRY, subject=_OBSERVED, **_OBSERVING)),
    "quarantine": (REGISTRY, lambda: issue_quarantine(signer=REGISTRY, reason="leaked-key", **_STATE)),
    "release": (REGISTRY, lambda: issue_release(signer=REGISTRY, reason="cleared", **_STATE)),
    "agent_revocation": (OPERATOR, lambda: issue_agent_revocation(signer=OPERATOR, reason="fraud", **_STATE)),
    "acceptance": (REGISTRY, acceptance),
    "state_log": (REGISTRY, state_log),
    "log_replay": (OWNER, log_replay),
    **EVIDENCE,
}


def resigned(document: dict[str, Any], signer: Signer, **options: Any) -> dict[str, Any]:
    """Return the document signed anew by its author: what a hostile but genuine signer could send.

    Proof options are those of the old proof unless given.
    """
    old = document["proof"][0] if isinstance(document["proof"], list) else document["proof"]
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    arguments: dict[str, Any] = {
        "created": NOW_MS,
        "domain": old.get("domain"),
        "challenge": old.get("challenge"),
        "proof_purpose": old["proofPurpose"],
    }
    return sign_document(unsigned, signer=signer, **{**arguments, **options})


def changed(document: dict[str, Any], *path: str | int, value: Any) -> dict[str, Any]:
    """Return a deep copy with one member set."""
    copied = copy.deepcopy(document)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copied


def without(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """Return a deep copy without one member."""
    copied = copy.deepcopy(document)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return copied
