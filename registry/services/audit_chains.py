"""The part of an audit that asks for the newest entries of every agent, and for more of some, and holds them against their chains.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import SystemRandom
from typing import Final

from registry.audit.chain import compare_chain
from registry.audit.finding import Finding, make_finding
from registry.audit.reader import LogReader
from registry.history.state import LogState

CHAINS: Final = 10_000
"""Chains compared in one audit; where there are more agents, as many are drawn that the registry cannot foresee."""
FOLLOWED: Final = 16
"""Chains that are followed back further than their newest entries, drawn in the same way."""
PAGES: Final = 11
"""So far: 20 entries, then ten pages of a hundred."""
_AT_ONCE: Final = 8


def compare_chains(reader: LogReader, state: LogState, progress: Callable[[int, int], None]) -> list[Finding]:
    """Ask for what the registry shows of agents' own entries, and return what the log contradicts.

    Args:
        reader: of the registry.
        state: the fold; not changed meanwhile.
        progress: told (done, total).
    """
    findings: list[Finding] = []
    agents = list(state.tables.agents)
    if len(agents) > CHAINS:
        findings.append(make_finding("chains_sampled", expected=len(agents), found=CHAINS))
        agents = SystemRandom().sample(agents, CHAINS)
    followed = set(SystemRandom().sample(agents, min(len(agents), FOLLOWED)))

    def compare(did: str) -> Finding | None:
        return compare_chain(state, did, partial(reader.events, did), pages=PAGES if did in followed else 1)

    with ThreadPoolExecutor(_AT_ONCE, "audit-chains") as pool:
        for done, found in enumerate(pool.map(compare, agents), 1):
            progress(done, len(agents))
            findings.extend([] if found is None else [found])
    return findings
