"""`bonafides import ratings`: replay a network of ratings, signed member by member, into a replay registry.

Everything that decides what is signed is in `registry.client`; this module reads files, shows progress and tells what
came of it.

Spec: specs/replay.md
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.keys import SEED_BYTES, Signer
from registry.adapters.key_file import load_key_ring
from registry.cli.options import KeyFile, Url, as_operator
from registry.cli.output import Json, Output, no_table
from registry.client.member_keys import Members, load_member_keys, save_member_keys
from registry.client.ratings import (
    DAY_MS,
    EpochStep,
    Ratings,
    RatingsFileError,
    RegistrationStep,
    choose_roots,
    members_of,
    parse_labels,
    parse_ratings,
    plan_steps,
    rank_auc,
)
from registry.client.replay import MOST_LINES, Replay, ReplayClient
from registry.errors import DependencyError

app = typer.Typer(no_args_is_help=True, help="Import a history into a replay registry.")


class ImportFileError(DependencyError):
    """A file that the import needs cannot be read."""

    code = "import_file_unreadable"
    title = "A file cannot be read"


File = Annotated[Path, typer.Argument(help="CSV: source,target,rating (-10 to 10),time (POSIX seconds).")]
Roots = Annotated[
    str, typer.Option("--roots", help="Members whose voices count first: 6,1,35 or @FILE or earliest:10.")
]
OperatorKeys = Annotated[
    Path | None,
    typer.Option("--operator-keys", help="Key file of the operator root, or its folder.  \\[default: DATA/keys]"),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="The registry's data folder, where its operator's two keys lie.  \\[default: .bonafides]"
    ),
]
Keys = Annotated[
    Path | None, typer.Option("--keys", help="Where the members' keys are kept.  \\[default: FILE.keys.jsonl]")
]


@app.callback()
def _group() -> None:
    """Keep `ratings` a sub-command of its own."""


@app.command("ratings")
def import_ratings(
    file: File,
    roots: Roots,
    url: Url = None,
    key_file: KeyFile = None,
    keys: Keys = None,
    operator_keys: OperatorKeys = None,
    data: Data = None,
    epoch_days: Annotated[int, typer.Option("--epoch-days", min=1, max=366, help="From epoch to epoch.")] = 7,
    batch: Annotated[int, typer.Option("--batch", min=1, max=MOST_LINES, help="Most statements a request.")] = 1_000,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first ratings in time.")] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="CSV: member,1 or -1; hold the records against it at the end.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn ratings into signed vouches and reports of one generated identity per member, and log them in time order.

    An import that was cut short goes on where it was when the same command is given again.

    Example: bonafides import ratings otc.csv --roots earliest:10 --keys otc.keys.jsonl
    """
    output = Output(as_json=as_json)
    began = time.perf_counter()
    ratings = parse_ratings(StringIO(_read(file)))
    rows = ratings.rows[:limit]
    if not rows:
        raise RatingsFileError("there is no rating that counts")
    chosen = choose_roots(_read(Path(roots[1:])) if roots.startswith("@") else roots, rows)
    parsed_labels = {} if labels is None else parse_labels(StringIO(_read(labels)))
    steps = list(plan_steps(rows, epoch_ms=epoch_days * DAY_MS))
    client = ReplayClient(as_operator(url, _own_key_file(key_file, data)))
    facts = client.read_facts()  # before keys are made: a registry that takes no import leaves nothing behind
    members = _open_members(keys or file.with_suffix(".keys.jsonl"), members_of(rows))
    replay = Replay(client, members, facts, batch=batch)
    left = replay.left_over(steps)
    if left:
        replay.set_roots(chosen, signer=lambda: _operator_root(operator_keys, data), time_ms=left[0].time_ms)
    signed = sum(not isinstance(step, EpochStep) for step in steps)
    with _progress(output, total=signed, done=replay.counts.skipped) as advance:
        replay.run(left, on_progress=advance)
    seconds = time.perf_counter() - began
    judged = judge_labels(client, members, set(members_of(rows)), parsed_labels) if parsed_labels else None
    registrations = sum(isinstance(step, RegistrationStep) for step in steps)
    report = _report(ratings, replay, registrations=registrations, rows=len(rows), seconds=seconds)
    report["labels"] = None if judged is None else judged.to_wire()
    output.result(report, lambda: _tell(output, report, judged))


# ---------------------------------------------------------------- files


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ImportFileError(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RatingsFileError(f"{path.name} is not UTF-8") from error


def _own_key_file(key_file: Path | None, data: Path | None) -> Path | None:
    """Return the file of the operator's bearer key; None looks where every command looks."""
    if key_file is not None or data is None:
        return key_file
    own = data / "keys" / "operator.key"
    return own if own.exists() else None


def _operator_root(operator_keys: Path | None, data: Path | None) -> Signer:
    path = operator_keys or (data or Path(os.environ.get("BONAFIDES_DATA_DIR", ".bonafides"))) / "keys"
    return load_key_ring(path / "operator-root.json" if path.is_dir() else path).signer


def _open_members(path: Path, needed: Sequence[str]) -> Members:
    """Load the members' keys, or make them; the file is on the disk before the first statement leaves."""
    if path.exists():
        members, listed = load_member_keys(path)
    else:
        members, listed = Members(secrets.token_bytes(SEED_BYTES)), {}
    wanted = list(dict.fromkeys([*listed, *needed]))
    if len(wanted) > len(listed) or not path.exists():
        save_member_keys(path, members, wanted)
    return members


# ---------------------------------------------------------------- what is told


@contextmanager
def _progress(output: Output, *, total: int, done: int) -> Iterator[Any]:
    """Show a bar with rate and remaining time on the error stream; nothing where nobody looks."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("[bold]replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>7,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    disabled = output.as_json or not output.error_console.is_terminal
    with Progress(*columns, console=output.error_console, disable=disabled) as bar:
        task = bar.add_task("replay", total=total, completed=done, rate=0.0)
        began, sent = time.perf_counter(), 0

        def advance(count: int) -> None:
            nonlocal sent
            sent += count
            bar.update(task, advance=count, rate=sent / (time.perf_counter() - began))

        yield advance


@dataclass(frozen=True, slots=True)
class LabelJudgement:
    """Records of labelled members at the end of the log.

    Attributes:
        auc: probability that an honest member's record lies above a fraudulent one's.
        fraud_records: of the fraudulent, sorted, in points.
        honest_records: of the honest.
    """

    auc: float
    fraud_records: tuple[float, ...]
    honest_records: tuple[float, ...]

    @property
    def fraud_median(self) -> float:
        """Median record of the fraudulent."""
        return statistics.median(self.fraud_records)

    @property
    def honest_quartiles(self) -> tuple[float, float, float]:
        """Quartiles of the records of the honest, inclusive method."""
        if len(self.honest_records) == 1:
            return (self.honest_records[0],) * 3
        low, middle, high = statistics.quantiles(self.honest_records, method="inclusive")
        return low, middle, high

    @property
    def holds(self) -> bool:
        """Whether the fraudulent members' median lies below the honest ones' lower quartile."""
        return self.fraud_median < self.honest_quartiles[0]

    def to_wire(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        low, middle, high = self.honest_quartiles
        return {
            "recordAuc": round(self.auc, 4),
            "fraudulent": {"members": len(self.fraud_records), "median": round(self.fraud_median, 2)},
            "honest": {
                "members": len(self.honest_records),
                "lowerQuartile": round(low, 2),
                "median": round(middle, 2),
                "upperQuartile": round(high, 2),
            },
            "fraudMedianBelowHonestLowerQuartile": self.holds,
        }


def judge_labels(
    client: ReplayClient, members: Members, imported: set[str], labels: dict[str, bool]
) -> LabelJudgement | None:
    """Read the records of labelled members; None unless both labels occur among the imported ones.

    Args:
        client: of the registry.
        members: for their DIDs.
        imported: members that are in the log.
        labels: member to True (honest) or False (fraudulent).
    """
    records: dict[bool, list[float]] = {True: [], False: []}
    for member, honest in labels.items():
        if member in imported:
            records[honest].append(client.read_standing(members.did(member))["recordMicros"] / 1_000_000)
    if not records[True] or not records[False]:
        return None
    return LabelJudgement(
        rank_auc(records[True], records[False]), tuple(sorted(records[False])), tuple(sorted(records[True]))
    )


def _report(ratings: Ratings, replay: Replay, *, registrations: int, rows: int, seconds: float) -> dict[str, Any]:
    counts = replay.counts
    sent = counts.accepted + counts.repeated
    return {
        "ratings": rows,
        "members": registrations,
        "selfRatingsSkipped": ratings.self_ratings,
        "neutralRatingsSkipped": ratings.neutral,
        "accepted": counts.accepted,
        "repeated": counts.repeated,
        "alreadyThere": counts.skipped,
        "epochs": counts.epochs,
        "seconds": round(seconds, 2),
        "eventsPerSecond": round(sent / seconds, 1),
    }


def _tell(output: Output, report: dict[str, Any], judged: LabelJudgement | None) -> None:
    table = no_table()
    table.add_row("ratings", f"{report['ratings']:,} by and about {report['members']:,} members")
    skipped = report["selfRatingsSkipped"] + report["neutralRatingsSkipped"]
    if skipped:
        text = f"{report['selfRatingsSkipped']:,} of oneself, {report['neutralRatingsSkipped']:,} neutral"
        table.add_row("left out", text)
    table.add_row("logged now", f"{report['accepted']:,} statements, {report['epochs']:,} epochs")
    if report["alreadyThere"] or report["repeated"]:
        table.add_row("there before", f"{report['alreadyThere'] + report['repeated']:,} statements")
    table.add_row("time", f"{report['seconds']:,.1f} s, {report['eventsPerSecond']:,.0f} statements/s")
    if judged is not None:
        low, middle, high = judged.honest_quartiles
        table.add_row("AUC of record", f"{judged.auc:.4f} ({len(judged.fraud_records)} fraudulent, "
                                       f"{len(judged.honest_records)} honest)")  # fmt: skip
        table.add_row("fraudulent", f"median record {judged.fraud_median:.2f}")
        table.add_row("honest", f"quartiles of the record {low:.2f}, {middle:.2f}, {high:.2f}")
    output.print(table)
    if judged is not None:
        verdict = "lies below" if judged.holds else "does NOT lie below"
        output.note(f"The fraudulent members' median {verdict} the honest members' lower quartile.")


def register(main: typer.Typer) -> None:
    """Add this sub-command."""
    main.add_typer(app, name="import")
