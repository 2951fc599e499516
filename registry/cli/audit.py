"""`bonafides audit`: recompute a registry from its public log alone, and compare."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from did_methods.errors import BonafidesError
from registry.cli.audit_sign import sign_replay as sign
from registry.cli.audit_text import tell_report
from registry.cli.exits import ExitCode
from registry.cli.output import Json, Output
from registry.cli.progress import progress_bar
from registry.errors import DependencyError, ParseError

if TYPE_CHECKING:
    from registry.audit.ranking import Ranked
    from registry.audit.report import AuditReport
    from registry.credentials.model import UnverifiedCredential
    from registry.log.witness_policy import WitnessPolicy

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_JOBS = 64
FOLDED_HERE = 4_096
LOOKED_AT_HERE = 65_536
SHOWN = 20


class AuditOptionError(ParseError):
    """An option, or what a file given by one holds, is not valid, or does not fit the others."""

    code = "audit_option_invalid"
    title = "An option of the audit is not valid"


class AuditPartsError(DependencyError):
    """Scores cannot be recomputed without numpy."""

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


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked for: see the options of the command."""

    url: str
    key: str | None
    state: Path | None
    until_ms: int | None
    acceptances: Sequence[UnverifiedCredential]
    no_state: bool
    whole: bool
    log_only: bool
    did_logs: int
    policy: WitnessPolicy | None
    max_age_ms: int | None
    structure: bool
    jobs: int | None


Url = Annotated[
    str,
    typer.Argument(
        metavar="[URL|FOLDER]",
        envvar="BONAFIDES_URL",
        help="The registry, any mirror of its log, or a folder with a copy of its tiles.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="VKEY", help="The log's verifier key. Without it the registry's own word is taken (trust on first use)."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where to remember the log; the next audit checks that it was extended, and verifies only what is new."
        "  \\[default: one folder a log below $XDG_STATE_HOME/bonafides/audit]",
    ),
]
NoState = Annotated[bool, typer.Option("--no-state", help="Remember nothing, and know nothing from before.")]
Whole = Annotated[
    bool, typer.Option("--whole", help="Verify every entry again, also what an earlier audit has verified.")
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
Policy = Annotated[
    Path | None,
    typer.Option(
        help="A c2sp.org/tlog-policy file: whose cosignatures place entries in time, and of whom a quorum must have "
        "cosigned.  \\[default: the witnesses that the log names, without a quorum]"
    ),
]
MaxAge = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="SECONDS", help="A witness must have cosigned the checkpoint not longer ago than that."
    ),
]
Structure = Annotated[
    bool,
    typer.Option(
        "--structure",
        help="Check hashes, tiles, leaf form, chain links and root alone: no signature, no score. Several times as fast.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_JOBS,
        help="Processes that parse entries and verify signatures beside the fold; 0 does all in one.  \\[default: one for each core beside the fold's]",
    ),
]
SignReplay = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYFILE", help="Sign what the whole content came to, for others: log size N gives state map R."
    ),
]


def audit(
    url: Url = DEFAULT_URL,
    *,
    key: Key = None,
    state: State = None,
    no_state: NoState = False,
    whole: Whole = False,
    acceptances: Acceptances = None,
    at: At = None,
    top: Top = 0,
    bottom: Bottom = 0,
    by: By = "score",
    context: Context = None,
    log_only: LogOnly = False,
    did_logs: DidLogs = 10_000,
    policy: Policy = None,
    max_age: MaxAge = None,
    structure: Structure = False,
    jobs: Jobs = None,
    sign_replay: SignReplay = None,
    as_json: Json = False,
) -> None:
    """Recompute the registry from its public log: root, chains, signatures, states, scores, DID files; compare.

    Names the first entry at fault. Ends with 0 if nothing contradicts the log, with 4 if something does, with 3 if the
    registry could not be reached.

    Example: bonafides audit http://127.0.0.1:8000 --key log.example.com/0a1b2c3d+…
    """
    if find_spec("numpy") is None:
        raise AuditPartsError
    if by not in ("score", "record"):
        raise AuditOptionError("--by is score or record")
    output = Output(as_json=as_json)
    ranking = _Ranking(_instant(at), top, bottom, "record" if by == "record" else "score", context)
    if state is not None and no_state:
        raise AuditOptionError("--state and --no-state contradict each other")
    if structure and (acceptances is not None or ranking.is_wanted):
        raise AuditOptionError("--structure folds nothing: no acceptances, no instant, no ranking")
    plan = Chosen(
        url=url,
        key=key,
        state=state,
        until_ms=ranking.at_ms,
        acceptances=_load_acceptances(acceptances),
        no_state=no_state,
        whole=whole,
        log_only=log_only,
        did_logs=did_logs,
        policy=_load_policy(policy),
        max_age_ms=None if max_age is None else max_age * 1_000,
        structure=structure,
        jobs=jobs,
    )
    _audit(output, plan, ranking, sign_replay)


def _audit(output: Output, plan: Chosen, ranking: _Ranking, sign_replay: Path | None) -> None:
    began = time.monotonic()
    report = _run(output, plan)
    seconds = time.monotonic() - began
    rows = _rank(report, ranking)
    ranked = [row.to_wire() for row in rows]
    wire = report.to_wire() | {"url": plan.url, "seconds": round(seconds, 3), "ranking": ranked}
    output.result(wire | sign(output, report, sign_replay), lambda: tell_report(output, report, seconds, rows))
    if not report.is_clean:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


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


def _load_policy(path: Path | None) -> WitnessPolicy | None:
    from registry.cli.files import read_policy

    return None if path is None else read_policy(path)


def _instant(text: str | None) -> int | None:
    from did_methods.timestamp import TimestampError, parse_timestamp

    if text is None:
        return None
    try:
        return parse_timestamp(text if "T" in text else f"{text}T00:00:00Z")
    except TimestampError as error:
        raise AuditOptionError("--at is an instant such as 2026-11-20T09:00:00Z, or a day") from error


def _run(output: Output, chosen: Chosen) -> AuditReport:
    from registry.adapters.audit_pool import AuditPool
    from registry.adapters.interpreter import without_collector
    from registry.adapters.system_clock import SystemClock
    from registry.cli.audit_memory import open_memory
    from registry.client.log_reader import LogReader
    from registry.client.tile_folder import FolderTransport, open_source
    from registry.services.audit import AuditPlan, RegistryAudit

    transport = open_source(chosen.url)
    with ExitStack() as stack:
        stack.callback(transport.close)
        stack.enter_context(without_collector())
        reader = LogReader(transport)
        memory = stack.enter_context(open_memory(chosen, transport.url, reader))
        progress = stack.enter_context(progress_bar(output))
        jobs = min((os.cpu_count() or 1) - 1, MAX_JOBS) if chosen.jobs is None else chosen.jobs
        here = 0 if chosen.jobs is not None else LOOKED_AT_HERE if chosen.structure else FOLDED_HERE
        workers = stack.enter_context(AuditPool(jobs, here=here)) if jobs else None
        plan = AuditPlan(
            log_key=chosen.key,
            until_ms=chosen.until_ms,
            remembered_key=memory.key,
            acceptances=chosen.acceptances,
            policy=chosen.policy,
            max_age_ms=chosen.max_age_ms,
            whole=chosen.whole,
            structure=chosen.structure,
            compare=not chosen.log_only and not isinstance(transport, FolderTransport),
            did_logs=chosen.did_logs,
        )
        return RegistryAudit(
            reader,
            plan,
            now_ms=SystemClock().now_ms,
            workers=workers,
            progress=progress,
            keep=memory.keep,
            is_stopped=stack.enter_context(_interrupts()),
            found=memory.findings,
        ).run()


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C wait for the end of a bundle, so that what was done is kept; the second ends it at once."""
    asked = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


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
