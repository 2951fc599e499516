"""What an epoch commits to: one canonical line per standing, and the RFC 6962 root over the sorted lines.

A line is RFC 8785 canonical JSON, written directly because its members are fixed: names in sorted order, integers that
may pass 2^53 - 1 always as decimal strings, all others as numbers. DIDs and context slugs need no escapes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.reputation.evidence import SILENT, Agent, Key, Standing, Voice


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to.

    Attributes:
        number: of the epoch.
        tree_size: leaves it covers.
        time_ms: its instant, the log time of the last of them.
        commitment: 32 bytes.
        votes: voting weight by DID in 2^-31, those above 0 only.
        effective_size: M in 2^-31.
    """

    number: int
    tree_size: int
    time_ms: int
    commitment: bytes
    votes: Mapping[str, int]
    effective_size: int


def _standing_line(key: Key, row: Standing) -> str:
    p, q, r, record_p, record_q, vouches, reports, last, ceiling, cap, _ = row
    return (
        f'{{"cap":"{cap}","ceiling":{ceiling},"context":"{key[1]}","did":"{key[0]}","last":{last},'
        f'"p":"{p}","q":"{q}","r":"{r}","recordP":"{record_p}","recordQ":"{record_q}",'
        f'"reports":{reports},"vouches":{vouches}}}'
    )


def _agent_line(did: str, row: Standing, agent: Agent, voice: Voice) -> str:
    p, q, r, record_p, record_q, vouches, reports, last, ceiling, cap, _ = row
    _, registered, alive, tenure, since, _ = agent
    vote, record_vote, (live_vouches, _, record_vouches, _), (live_reports, _, record_reports, _) = voice
    return (
        f'{{"alive":{alive},"cap":"{cap}","ceiling":{ceiling},"context":null,"did":"{did}","last":{last},'
        f'"liveReports":"{live_reports}","liveVouches":"{live_vouches}","p":"{p}","q":"{q}","r":"{r}",'
        f'"recordP":"{record_p}","recordQ":"{record_q}","recordReports":{record_reports},"recordVote":{record_vote},'
        f'"recordVouches":{record_vouches},"registered":{registered},"reports":{reports},"since":{since},'
        f'"tenure":{tenure},"vote":{vote},"vouches":{vouches}}}'
    )


def commitment_lines(
    agents: Mapping[str, Agent], voices: Mapping[str, Voice], standings: Mapping[Key, Standing]
) -> Iterator[bytes]:
    """Yield the canonical lines of the tables, sorted by DID, then context, the overall line of each agent first."""
    for key in sorted(standings):
        row = standings[key]
        if key[1]:
            yield _standing_line(key, row).encode("ascii")
        else:
            yield _agent_line(key[0], row, agents[key[0]], voices.get(key[0], SILENT)).encode("ascii")


def merkle_root(lines: Iterator[bytes]) -> bytes:
    """Return the Merkle tree hash of the lines, 32 bytes.

    Spec: RFC 6962 section 2.1.
    """
    sha256 = hashlib.sha256
    level = [sha256(b"\0" + line).digest() for line in lines]
    if not level:
        return sha256(b"").digest()
    # Pairing neighbours and carrying an odd last node up is the RFC's split at the largest power of two.
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0]
