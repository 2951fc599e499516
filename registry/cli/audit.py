"""`bonafides audit`: recompute a registry from its public log alone, and compare."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from did_methods.errors import BonafidesError
from registry.cli.exits import ExitCode
from registry.cli.output import Json, Output, make_table, no_table
from registry.errors import DependencyError, ParseError

if TYPE_CHECKING:
    from registry.audit.finding import Finding
    from registry.audit.ranking import Ranked
    from registry.audit.report import AuditReport
    from registry.credentials.model import UnverifiedCredential
    from registry.services.audit import AuditPlan, Progress

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_JOBS = 64
SHOWN = 20


class AuditOptionError(ParseError):
    """An option, or what a file given by one holds, is not valid, or does not fit the others."""

    code = "audit_option_invalid"
    title = "An option of the audit is not valid"


class AuditPartsError(DependencyError):
    """Scores cannot be recomputed without numpy and scipy."""

    code = "audit_parts_missing"
    title = "An audit needs the extra `server` (pip install 'bonafides[server]')"


class AcceptancesUnreadableError(DependencyError):
    """The file of acceptances cannot be read."""

    code = "acceptances_unreadable"
    title = "The file of acceptances cannot be read"


@dataclass(frozen=True, slots=True)
class _Ranking:
    """What to rank: see the options of the command."""

    at_ms: int | None
    top: int
    bottom: int
    by: Literal["score", "record"]
    context: str | None

    @property
    def is_wanted(self) -> bool:
        return bool(self.top or self.bottom or self.at_ms is not None)


Url = Annotated[str, typer.Argument(envvar="BONAFIDES_URL", help="The registry, or any mirror of its log.")]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="VKEY", help="The log's verifier key. Without it the registry's own word is taken (trust on first use)."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(help="Remember the checkpoint in this file; the next audit checks that the log still extends it."),
]
Acceptances = Annotated[
    Path | None,
    typer.Option(help="JSON lines: acceptances that the registry gave; their events must be in the log."),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Fold only what was logged up to then, and show the standings of that instant: 2026-11-20T09:00:00Z, or a day.",
    ),
]
Top = Annotated[int, typer.Option(min=0, help="Show the N best agents.")]
Bottom = Annotated[int, typer.Option(min=0, help="Show the N worst agents.")]
By = Annotated[str, typer.Option(help="score or record.")]
Context = Annotated[str | None, typer.Option(help="Rank by the standing in this context.")]
LogOnly = Annotated[bool, typer.Option("--log-only", help="Do not ask for agents, standings and DID files.")]
DidLogs = Annotated[
    int,
    typer.Option(
        min=0, help="Compare the served files of at most N hosted DIDs, drawn at random beyond that; 0 for none."
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        min=0, max=MAX_JOBS, help="Processes that verify signatures beside the fold; 0 verifies them in the fold."
    ),
]


def audit(
    url: Url = DEFAULT_URL,
    *,
    key: Key = None,
    state: State = None,
    acceptances: Acceptances = None,
    at: At = None,
    top: Top = 0,
    bottom: Bottom = 0,
    by: By = "score",
    context: Context = None,
    log_only: LogOnly = False,
    did_logs: DidLogs = 10_000,
    jobs: Jobs = 0,
    as_json: Json = False,
) -> None:
    """Recompute the registry from its public log: root, chains, signatures, states, scores, DID files; compare.

    Names the first entry at fault. Ends with 0 if nothing contradicts the log, with 4 if something does, with 3 if the
    registry could not be reached.

    Example: bonafides audit http://127.0.0.1:8000 --state audit.json
    """
    if find_spec("numpy") is None or find_spec("scipy") is None:
        raise AuditPartsError
    if by not in ("score", "record"):
        raise AuditOptionError("--by is score or record")
    output = Output(as_json=as_json)
    ranking = _Ranking(_instant(at), top, bottom, "record" if by == "record" else "score", context)
    plan = _plan(key, state, acceptances, ranking.at_ms, compare=not log_only, did_logs=did_logs)
    began = time.monotonic()
    report = _run(output, url, plan, jobs)
    seconds = time.monotonic() - began
    rows = _rank(report, ranking)
    if state is not None and plan.until_ms is None:
        from registry.cli.audit_memory import save_remembered

        save_remembered(state, report)
    wire = report.to_wire() | {"url": url, "seconds": round(seconds, 3), "ranking": [row.to_wire() for row in rows]}
    output.result(wire, lambda: _tell(output, report, seconds, rows))
    if not report.is_clean:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def _plan(
    key: str | None,
    state: Path | None,
    acceptances: Path | None,
    until_ms: int | None,
    *,
    compare: bool,
    did_logs: int,
) -> AuditPlan:
    from registry.cli.audit_memory import load_remembered
    from registry.services.audit import AuditPlan

    remembered = None if state is None else load_remembered(state)
    if key is not None and remembered is not None and key != remembered.log_key:
        raise AuditOptionError("--key is another key than the one in the state file")
    return AuditPlan(key, until_ms, remembered, _load_acceptances(acceptances), compare, did_logs)


def _load_acceptances(path: Path | None) -> Sequence[UnverifiedCredential]:
    from registry.audit.acceptance import parse_acceptance

    if path is None:
        return ()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AcceptancesUnreadableError(f"{path.name}: {error.strerror}") from error
    parsed = []
    for number, line in enumerate(lines, 1):
        try:
            parsed.extend([parse_acceptance(line)] if line.strip() else [])
        except BonafidesError as error:
            raise AuditOptionError(f"{path.name}, line {number}: {error}") from error
    return tuple(parsed)


def _instant(text: str | None) -> int | None:
    from did_methods.timestamp import TimestampError, parse_timestamp

    if text is None:
        return None
    try:
        return parse_timestamp(text if "T" in text else f"{text}T00:00:00Z")
    except TimestampError as error:
        raise AuditOptionError("--at is an instant such as 2026-11-20T09:00:00Z, or a day") from error


def _run(output: Output, url: str, plan: AuditPlan, jobs: int) -> AuditReport:
    from registry.adapters.signature_pool import SignaturePool
    from registry.adapters.system_clock import SystemClock
    from registry.client.log_reader import LogReader
    from registry.client.transport import Transport
    from registry.services.audit import RegistryAudit

    transport = Transport(url)
    with ExitStack() as stack:
        stack.callback(transport.close)
        stack.enter_context(_without_collector())
        progress = stack.enter_context(_progress_bar(output))
        verifier = stack.enter_context(SignaturePool(jobs)) if jobs else None
        reader = LogReader(transport)
        return RegistryAudit(reader, plan, now_ms=SystemClock().now_ms, verifier=verifier, progress=progress).run()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cycle collector off: a fold makes no cycles, and each collection would walk the whole state again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _progress_bar(output: Output) -> Iterator[Progress]:
    """Show how far it is on the error stream; nothing where that is no terminal."""
    if output.as_json or not os.isatty(2):
        yield lambda _stage, _done, _total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[rate]:>12}"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=output.error_console, transient=True) as bar:
        tasks: dict[str, tuple[Any, float]] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, rate=""), time.monotonic()
            task, began = tasks[stage]
            rate = done / max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=done, total=total, rate=f"{rate:,.0f}/s")

        yield show


def _rank(report: AuditReport, ranking: _Ranking) -> list[Ranked]:
    from registry.audit.ranking import ends_of, rank_agents

    if not ranking.is_wanted or not report.is_clean:
        return []
    last = report.state.head.last_time_ms
    now_ms = last if ranking.at_ms is None else max(last, ranking.at_ms)
    ranked = rank_agents(report.state, now_ms=now_ms, by=ranking.by, context=ranking.context)
    if not ranking.top and not ranking.bottom:
        return ends_of(ranked, top=SHOWN, bottom=0)
    return ends_of(ranked, top=ranking.top, bottom=ranking.bottom)


# ---------------------------------------------------------------- telling


def _tell(output: Output, report: AuditReport, seconds: float, rows: Sequence[Ranked]) -> None:
    from did_methods.timestamp import format_timestamp

    facts = no_table()
    facts.add_row("log", report.origin)
    facts.add_row("key", f"{report.log_key} ({_TRUST[report.trust]})")
    if report.checkpoint is not None:
        facts.add_row("checkpoint", f"{report.checkpoint.checkpoint.size:,} entries, signature verified")
    rate = report.entries / max(seconds, 1e-3)
    facts.add_row("entries", f"{report.folded:,} verified and folded, {report.entries:,} hashed ({rate:,.0f}/s)")
    facts.add_row("newest", format_timestamp(report.state.head.last_time_ms))
    facts.add_row("agents", f"{len(report.state.tables.agents):,}, {report.standings:,} standings recomputed")
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
    verdict = "[bold green]clean[/]: nothing contradicts the log" if report.is_clean else "[bold red]NOT clean[/]"
    output.print(f"{verdict} ({seconds:.1f} s)")


_TRUST = {
    "given": "as given",
    "remembered": "from the state file",
    "first_use": "the registry's own word: trust on first use; pin it with --key or --state",
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
