"""Facts about entries that an earlier audit has folded, for acceptances that speak of them.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Collection

from did_methods.errors import BonafidesError
from registry.audit.finding import Finding, refusal_finding
from registry.audit.log_audit import EntryFact, fact_of
from registry.audit.published_tree import PublishedTree
from registry.audit.reader import LogReader
from registry.log.checkpoint import VerifiedCheckpoint


def read_facts(
    reader: LogReader, indices: Collection[int], head: VerifiedCheckpoint
) -> tuple[dict[int, EntryFact], list[Finding]]:
    """Return what stands at some places of the log, each entry proven to be in the tree, and what could not be proven.

    Args:
        reader: of the log.
        indices: those beyond the tree are left out.
        head: the checkpoint of the tree.
    """
    size = head.checkpoint.size
    tree = PublishedTree(reader, size)
    facts: dict[int, EntryFact] = {}
    findings: list[Finding] = []
    for index in sorted(one for one in indices if one < size):
        data = reader.entry(index, size)
        try:
            if data is not None:
                tree.verify_entry(data, index=index, head=head)
                facts[index] = fact_of(data)
        except BonafidesError as error:
            findings.append(refusal_finding(error, index=index))
    return facts, findings
