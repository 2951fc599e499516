"""What auditors sign: a log, replayed to a size, gives this state map. And whether a state log agrees with them.

Spec: specs/state-map.md "Whose word it is"
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_decode
from registry.client.state_errors import MapDisputedError, ReplayStatementError
from registry.credentials.key_lookup import KeyLookup
from registry.credentials.model import parse_credential
from registry.credentials.presentation import CLOCK_SKEW_MS
from registry.credentials.verify import verify_credential
from registry.log.state_map import StateEntry


@dataclass(frozen=True, slots=True)
class VerifiedReplay:
    """What an auditor signed that a replay of a log came to.

    Attributes:
        auditor: DID of the issuer.
        entry: in the form of the state log's entry for that size.
        created_ms: when it was signed, by the auditor's clock.
    """

    auditor: str
    entry: StateEntry
    created_ms: int


def verify_replay(
    document: Mapping[str, Any], *, auditors: Collection[str], origin: str, keys: KeyLookup, now_ms: int
) -> VerifiedReplay:
    """Verify an auditor's word that a log, replayed to a size, gives a map.

    Args:
        document: as it came.
        auditors: DIDs whose word counts.
        origin: of the log.
        keys: of the auditors.
        now_ms: milliseconds since the epoch.

    Raises:
        ReplayStatementError: ``log_replay_invalid``, it is no such statement, of another log or by somebody else.
        VerificationError: the codes of `verify_credential`.

    Spec: specs/state-map.md "Whose word it is"
    """
    credential = parse_credential(dict(document))
    said = credential.subject
    if credential.kind.name != "log_replay" or credential.issuer not in auditors or said["origin"] != origin:
        raise ReplayStatementError("not a replay of this log by an auditor who is trusted")
    verify_credential(credential, keys=keys, now_ms=now_ms, skew_ms=CLOCK_SKEW_MS)
    roots = base64url_decode(said["rootHash"]), base64url_decode(said["mapRoot"])
    entry = StateEntry(said["treeSize"], roots[0], said["mapDepth"], int(said["rules"]), roots[1])
    return VerifiedReplay(credential.issuer, entry, credential.created_ms)


def check_replayed(entry: StateEntry, replays: Iterable[VerifiedReplay]) -> tuple[str, ...]:
    """Check an entry of a state log against what auditors replayed; return who confirms it.

    Args:
        entry: verified.
        replays: verified; those of other sizes or depths say nothing of it.

    Raises:
        MapDisputedError: ``state_map_disputed``, an auditor came to another map or tree of that size.
    """
    confirmed = []
    for one in replays:
        if one.entry.size != entry.size or one.entry.depth != entry.depth:
            continue
        if one.entry != entry:
            raise MapDisputedError(one.auditor, size=entry.size)
        confirmed.append(one.auditor)
    return tuple(dict.fromkeys(confirmed))
