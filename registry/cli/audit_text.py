"""The report of an audit as text and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from registry.cli.output import Output, make_table, no_table

if TYPE_CHECKING:
    from registry.audit.finding import Finding
    from registry.audit.ranking import Ranked
    from registry.audit.report import AuditReport


def tell_report(output: Output, report: AuditReport, seconds: float, rows: Sequence[Ranked]) -> None:
    """Print what an audit found, for people."""
    from did_methods.timestamp import format_timestamp

    facts = no_table()
    facts.add_row("log", report.origin)
    facts.add_row("key", f"{report.log_key} ({_TRUST[report.trust]})")
    if report.checkpoint is not None:
        facts.add_row("checkpoint", f"{report.checkpoint.checkpoint.size:,} entries, signature verified")
    rate = report.entries / max(seconds, 1e-3)
    if report.mode == "structure":
        told = f"{report.folded:,} of good form and linked, {report.entries:,} hashed ({rate:,.0f}/s); no signature verified"
        facts.add_row("entries", told)
    else:
        facts.add_row("entries", f"{report.folded:,} verified and folded, {report.entries:,} hashed ({rate:,.0f}/s)")
        facts.add_row("newest", format_timestamp(report.state.head.last_time_ms))
        facts.add_row("agents", f"{len(report.state.tables.agents):,}, {report.standings:,} standings recomputed")
    if report.witnesses:
        names = ", ".join(report.witnesses)
        facts.add_row(
            "in time",
            f"{report.entries - report.unwitnessed:,} entries placed by {names}, {report.unwitnessed:,} unwitnessed",
        )
    else:
        facts.add_row("in time", "unwitnessed: log times are the registry's own word")
    if report.did_logs:
        facts.add_row("DID files", f"of {report.did_logs:,} hosted DIDs compared byte by byte")
    if report.acceptances:
        facts.add_row("acceptances", f"{report.acceptances:,}")
    output.print(facts)
    if rows:
        output.print(_ranking_table(rows))
    if report.findings:
        output.print(_findings_table(report.findings))
    first = report.first_at_fault
    if first is not None:
        output.print(f"[bold red]First entry at fault: {first.index}[/] ({first.kind or 'unreadable'}): {first.code}")
    clean = "the structure is whole" if report.mode == "structure" else "nothing contradicts the log"
    verdict = f"[bold green]clean[/]: {clean}" if report.is_clean else "[bold red]NOT clean[/]"
    output.print(f"{verdict} ({seconds:.1f} s)")


_TRUST = {
    "given": "as given",
    "remembered": "as at the last audit",
    "first_use": "the registry's own word: trust on first use; pin it with --key",
}


def _ranking_table(rows: Sequence[Ranked]) -> Any:
    table = make_table("place", "score", "record", "vouches", "reports", "state", "agent",
                       right=("place", "score", "record", "vouches", "reports"))  # fmt: skip
    previous = 0
    for row in rows:
        if row.place != previous + 1 and previous:
            table.add_section()
        previous = row.place
        table.add_row(
            str(row.place),
            f"{row.score_micros // 10_000 / 100:.2f}",
            f"{row.record_micros // 10_000 / 100:.2f}",
            str(row.vouches),
            str(row.reports),
            row.state,
            row.did,
        )
    return table


def _findings_table(findings: Sequence[Finding]) -> Any:
    from rich.markup import escape

    table = make_table("", "entry", "kind", "code", "what", right=("entry",))
    for one in findings:
        told = [one.title if not one.detail else f"{one.title}: {one.detail}"]
        if one.did:
            told.append(one.did)
        if one.expected is not None or one.found is not None:
            told.append(f"expected {one.expected}, found {one.found}")
        colour = "red" if one.severity == "breach" else "yellow"
        entry = "" if one.index is None else str(one.index)
        table.add_row(f"[{colour}]{one.severity}[/]", entry, one.kind or "", one.code, escape("\n".join(told)))
    return table
