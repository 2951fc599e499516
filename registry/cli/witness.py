"""`bonafides witness …`: which logs this registry witnesses, and evidence against logs that showed two trees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.exits import ExitCode
from registry.cli.local import Data, local_database
from registry.cli.options import KeyFile, Url, as_operator
from registry.cli.output import Json, Output, make_table, no_table
from registry.errors import DependencyError, ParseError

app = typer.Typer(no_args_is_help=True, help="Witness other logs, and verify evidence of split views.")

Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="The log's origin: the first line of its checkpoints.")]
VerifierKey = Annotated[
    str, typer.Argument(metavar="VKEY", help="The log's verifier key, as its /log.json or its operator tells it.")
]


class OriginMismatchError(ParseError):
    """The verifier key is of another log than the origin beside it."""

    code = "witness_origin_mismatch"
    title = "The verifier key names another origin"


class CheckpointUnreadableError(DependencyError):
    """The file with the checkpoint cannot be read."""

    code = "checkpoint_file_unreadable"
    title = "The file with the checkpoint cannot be read"


class EvidenceUnreadableError(DependencyError):
    """The evidence file cannot be read."""

    code = "evidence_unreadable"
    title = "The evidence file cannot be read"


@app.command()
def add(
    origin: Origin,
    verifier_key: VerifierKey,
    data: Data = None,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Witness a log from now on: cosign its checkpoints as long as each follows from the one before.

    Example: bonafides witness add log.example.com/0a1b2c3d log.example.com/0a1b2c3d+…
    """
    from registry.log.note import parse_note_key

    key = parse_note_key(verifier_key)
    if key.name != origin:
        raise OriginMismatchError(f"it is a key of {key.name}")
    with _local_store(url, data) as store:
        if store is None:
            as_operator(url, key_file, data=data).add_witnessed_log(verifier_key)
        else:
            from registry.adapters.system_clock import SystemClock

            store.add_log(key, now_ms=SystemClock().now_ms())
    output = Output(as_json=as_json)
    output.result({"added": origin}, lambda: output.print(f"{origin} is witnessed here"))


@app.command()
def remove(origin: Origin, data: Data = None, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """Witness a log no more. What was cosigned stays known, so that adding it again forgets nothing.

    Example: bonafides witness remove log.example.com/0a1b2c3d
    """
    with _local_store(url, data) as store:
        if store is None:
            as_operator(url, key_file, data=data).remove_witnessed_log(origin)
        else:
            store.remove_log(origin)
    output = Output(as_json=as_json)
    output.result({"removed": origin}, lambda: output.print(f"{origin} is witnessed here no more"))


@app.command("list")
def list_logs(data: Data = None, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """List the logs that are witnessed.

    Example: bonafides witness list
    """
    with _local_store(url, data) as store:
        if store is None:
            logs = [dict(one) for one in as_operator(url, key_file, data=data).witnessed_logs()]
        else:
            logs = [{"origin": origin, "verifier_key": key.to_text()} for origin, key in store.logs().items()]
    output = Output(as_json=as_json)

    def tell() -> None:
        table = make_table("origin", "verifier key")
        for one in logs:
            table.add_row(one["origin"], one["verifier_key"])
        output.print(table)

    output.result({"logs": logs}, tell)


@app.command()
def gossip(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A checkpoint that you saw, whole, as /checkpoint gave it.")
    ],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show a checkpoint to a witness, which holds it against what it knows of that log; ends with 4 on a contradiction.

    Example: bonafides witness gossip seen.checkpoint --url https://witness.example.com
    """
    from registry.cli.options import connect
    from registry.log.note import MAX_NOTE_BYTES

    try:
        with file.open("rb") as opened:
            note = opened.read(MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise CheckpointUnreadableError(f"{file.name}: {error.strerror}") from error
    found = connect(url).post_note("/v1/gossip", note)
    output = Output(as_json=as_json)

    def tell() -> None:
        output.print(f"{found.get('origin')} at size {found.get('size')}: {found.get('verdict')}")
        if found.get("evidence"):
            output.print(f"evidence: /v1/evidence/{found['evidence']}")

    output.result(found, tell)
    if found.get("verdict") == "contradiction":
        raise typer.Exit(ExitCode.NOT_VERIFIED)


@app.command()
def verify_evidence(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An evidence file, as /v1/evidence serves it.")],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="VKEY", help="The log you ask about. Without it, compare the key that is printed."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify, offline, that a log has signed two trees that cannot both be of one log.

    Example: bonafides witness verify-evidence split.json --key log.example.com/0a1b2c3d+…
    """
    from registry.log.note import parse_note_key
    from registry.log.split_view import MAX_EVIDENCE_BYTES, parse_split_view, verify_split_view

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise EvidenceUnreadableError(f"{file.name}: {error.strerror}") from error
    evidence = parse_split_view(data)
    verified = verify_split_view(evidence, key=None if key is None else parse_note_key(key))
    first, second, output = verified.first.checkpoint, verified.second.checkpoint, Output(as_json=as_json)
    facts = {
        "origin": verified.origin,
        "verifierKey": evidence.key.to_text(),
        "sizes": [first.size, second.size],
        "index": evidence.index,
    }

    def tell() -> None:
        table = no_table()
        table.add_row("log", verified.origin)
        table.add_row("signed by", evidence.key.to_text())
        table.add_row("sizes", f"{first.size} and {second.size}")
        output.print(table)
        output.print("[bold red]This log has signed two trees that contradict each other.[/]")
        if key is None:
            output.hint("Compare the key with the one that you know of this log (or give it with --key).")

    output.result(facts, tell)


@contextmanager
def _local_store(url: str | None, data: Path | None) -> Iterator[Any]:
    """Give the store of the local data folder, or None where a server is to be asked."""
    with local_database(url, data) as database:
        if database is None:
            yield None
            return
        from registry.storage.witness import WitnessLogStore  # only where the server is installed is there a folder

        yield WitnessLogStore(database)


def register(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="witness")
