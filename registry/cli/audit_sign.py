"""Signing what an audit came to: ``bonafides audit --sign-replay KEYFILE``.

Spec: specs/state-map.md "Whose word it is"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from did_methods.canonical import canonicalize
from registry.cli.output import Output
from registry.errors import ConflictError

if TYPE_CHECKING:
    from registry.audit.report import AuditReport


class ReplayUnsignedError(ConflictError):
    """The audit found a breach, or did not replay the whole log: there is nothing to sign."""

    code = "replay_not_signed"
    title = "Only a clean audit of the whole content is signed"


def sign_replay(output: Output, report: AuditReport, key_file: Path | None) -> dict[str, Any]:
    """Return ``{"replay": credential}``, the auditor's word what the replay came to; nothing without a key file.

    For people it is printed as one line of canonical JSON, to be kept or published.

    Args:
        output: where it is printed.
        report: of the audit.
        key_file: of the auditor's identity; None for none.

    Raises:
        ReplayUnsignedError: ``replay_not_signed``, the audit was clean and incomplete.
        BonafidesError: the key file cannot be used.
    """
    from registry.adapters.key_file import load_key_ring
    from registry.adapters.system_clock import SystemClock
    from registry.client.passphrase import find_passphrase
    from registry.credentials.issue_state import ReplayedMap, issue_log_replay

    if key_file is None or not report.is_clean:
        return {}
    entry, genesis = report.replayed, report.state.head.genesis
    if entry is None or genesis is None:
        raise ReplayUnsignedError
    ring = load_key_ring(key_file, passphrase=find_passphrase())
    replayed = ReplayedMap(entry.size, entry.root_hash, genesis.rules, entry.depth, entry.map_root)
    document = issue_log_replay(
        signer=ring.signer,
        registry_did=genesis.registry_did,
        origin=genesis.origin,
        replayed=replayed,
        uuid=str(uuid4()),
        now_ms=SystemClock().now_ms(),
    )
    output.print(canonicalize(document).decode())
    return {"replay": document}
