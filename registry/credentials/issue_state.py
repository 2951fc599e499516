"""Issuing what is said of the state map: which log it has, by the registry; what a replay came to, by an auditor.

Spec: specs/state-map.md "Whose word it is"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.keys import Signer
from registry.credentials.issue import issue_credential, signer_did


@dataclass(frozen=True, slots=True)
class ReplayedMap:
    """What a replay of a log came to.

    Attributes:
        tree_size: leaves that were replayed.
        root_hash: of their tree, 32 bytes.
        rules: version by which they were folded.
        map_depth: of the state map, levels.
        map_root: its root, 32 bytes.
    """

    tree_size: int
    root_hash: bytes
    rules: str
    map_depth: int
    map_root: bytes


def issue_state_log(
    *, signer: Signer, origin: str, state_log: str, state_log_key: str, uuid: str, now_ms: int
) -> dict[str, Any]:
    """Issue the registry's word which log its state map is committed to.

    Args:
        signer: the registry DID.
        origin: of the main log.
        state_log: origin of the state log.
        state_log_key: its C2SP verifier key.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/registry.md
    """
    members = {"id": signer_did(signer), "origin": origin, "stateLog": state_log, "stateLogKey": state_log_key}
    return issue_credential("state_log", signer=signer, subject=members, uuid=uuid, now_ms=now_ms)


def issue_log_replay(
    *,
    signer: Signer,
    registry_did: str,
    origin: str,
    replayed: ReplayedMap,
    uuid: str,
    now_ms: int,
) -> dict[str, Any]:
    """Issue an auditor's word that a log, replayed to a size, gives this map.

    Args:
        signer: the auditor.
        registry_did: whose log it is.
        origin: of the main log.
        replayed: what the replay came to.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/registry.md
    """
    members = {
        "id": registry_did,
        "origin": origin,
        "treeSize": replayed.tree_size,
        "rootHash": base64url_encode(replayed.root_hash),
        "rules": replayed.rules,
        "mapDepth": replayed.map_depth,
        "mapRoot": base64url_encode(replayed.map_root),
    }
    return issue_credential("log_replay", signer=signer, subject=members, uuid=uuid, now_ms=now_ms)
