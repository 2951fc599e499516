"""The kinds that a registry and its operator issue: how a log begins, who has a voice, states, keys observed, acceptances.

Genesis, root lists and revocations of agents are signed by the operator root, everything else by the registry's own DID;
what a replay of the log came to, by whoever replayed it.

Spec: FORMATS "Genesis", "Epoch", "Acceptance"
"""

from __future__ import annotations

from typing import Final

from registry.credentials.kind import INDEX, LOG_KEY, NUMBER, PUBLIC_URL, RULES, VERSION_ID, Kind, make_kind
from registry.credentials.members import (
    DID,
    DIGEST,
    ORIGIN,
    SLUG,
    TIMESTAMP,
    VERIFICATION_METHOD,
    Integer,
    ListOf,
    Object,
    OneOf,
    Text,
)

_MULTIKEY: Final = Text(r"z[1-9A-HJ-NP-Za-km-z]{40,120}", 121, "Multikey")
_ACCEPTED: Final = Object({"event": DIGEST, "index": INDEX, "leafHash": DIGEST, "time": INDEX})
_PURPOSE: Final = OneOf(
    ("assertionMethod", "authentication", "capabilityDelegation", "capabilityInvocation", "keyAgreement")
)
_OBSERVED_KEY: Final = Object(
    {"id": VERIFICATION_METHOD, "publicKeyMultibase": _MULTIKEY, "purposes": ListOf(_PURPOSE, 5)}
)
_AGENT_AND_REASON: Final = Object({"id": DID, "reason": SLUG})

REGISTRY_KINDS: Final[tuple[Kind, ...]] = (
    make_kind(
        "RegistryGenesisCredential",
        "genesis",
        Object(
            {
                "id": DID,
                "origin": ORIGIN,
                "publicUrl": PUBLIC_URL,
                "profile": OneOf(("live", "replay")),
                "logKey": LOG_KEY,
                "registryDid": DID,
                "rules": RULES,
            }
        ),
        signer="operator",
        # It states the origin itself, and in a replay its log time is 0.
        log_statement=False,
    ),
    make_kind(
        "RegistryRootListCredential",
        "root_list",
        Object({"id": DID, "number": NUMBER, "roots": ListOf(DID, 64)}),
        signer="operator",
    ),
    make_kind(
        "RegistryEpochCredential",
        "epoch",
        Object(
            {
                "id": DID,
                "number": NUMBER,
                "treeSize": NUMBER,
                "rules": RULES,
                "rootList": DIGEST,
                "commitment": DIGEST,
            }
        ),
        signer="registry",
        subject_rule="self",
    ),
    make_kind("RegistryQuarantineCredential", "quarantine", _AGENT_AND_REASON, signer="registry"),
    make_kind("RegistryReleaseCredential", "release", _AGENT_AND_REASON, signer="registry"),
    make_kind("RegistryAgentRevocationCredential", "agent_revocation", _AGENT_AND_REASON, signer="operator"),
    make_kind(
        "RegistryKeyObservationCredential",
        "key_observation",
        Object(
            {
                "id": DID,
                "keys": ListOf(_OBSERVED_KEY, 16, 0, distinct=False),
                "documentDigest": DIGEST,
                "source": SLUG,
                "observed": TIMESTAMP,
            },
            {"versionId": VERSION_ID},
        ),
        signer="registry",
    ),
    make_kind(
        "RegistryErasureCredential",
        "erasure",
        # Whose openings, and how many there were: no names, no digests of what was erased.
        Object({"id": DID, "openings": INDEX}, {"event": DIGEST}),
        signer="registry",
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind(
        "RegistryAcceptanceCredential",
        "acceptance",
        Object({"origin": ORIGIN, "accepted": ListOf(_ACCEPTED, 1_000, distinct=False)}),
        signer="registry",
        logged=False,
        log_statement=False,
        has_id=False,  # nothing random: the same request gets the same bytes again
    ),
    make_kind(
        "RegistryStateLogCredential",
        "state_log",
        Object({"id": DID, "origin": ORIGIN, "stateLog": ORIGIN, "stateLogKey": LOG_KEY}),
        signer="registry",
        subject_rule="self",
        logged=False,
        log_statement=False,
    ),
    make_kind(
        "AgentLogReplayCredential",
        "log_replay",
        Object(
            {
                "id": DID,
                "origin": ORIGIN,
                "treeSize": NUMBER,
                "rootHash": DIGEST,
                "rules": RULES,
                "mapDepth": Integer(1, 32),
                "mapRoot": DIGEST,
            }
        ),
        signer="any",
        subject_rule="any",
        logged=False,
        log_statement=False,
    ),
)
