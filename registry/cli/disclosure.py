"""`bonafides disclosure`: what was said privately, held against what the public log says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.timestamp import format_timestamp
from registry.cli.files import read_document
from registry.cli.options import Url, look_at
from registry.cli.output import Json, Output, no_table
from registry.credentials.disclosure_file import FORMAT, parse_disclosure_file, verify_disclosure_file
from registry.log.entry import parse_leaf

app = typer.Typer(no_args_is_help=True, help="Check what was said privately against the public log.")


@app.callback()
def _group() -> None:
    """Keep `verify` a sub-command: there will be others."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The disclosure file; - reads standard input.")],
    leaf: Annotated[
        Path | None, typer.Option("--leaf", help="The log entry, as /v1/entries/N serves it: offline.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Verify that a public log entry commits to every name and value in a disclosure file. Exits with 4 where not.

    The entry is fetched and its place in the log proven; with --leaf it is read from a file and its place is not checked.

    Example: bonafides disclosure verify invoice.disclosures.json --url http://127.0.0.1:8000
    """
    opened = parse_disclosure_file(canonicalize(read_document(file)))
    event = base64url_encode(opened.event_id)
    place: dict[str, Any] = {}
    if leaf is not None:
        found = parse_leaf(leaf.read_bytes().rstrip(b"\n"))
        document, kind, time_ms = found.event, found.kind, found.time_ms
    else:
        from registry.client.transport import did_segment
        from registry.client.view import parse_event

        view = look_at(url)
        answer = view.transport.get(f"/v1/events/{did_segment(event)}")
        accepted, document = parse_event(answer)
        view.verify_included(accepted)
        kind, time_ms, place = str(answer.get("kind")), accepted.time_ms, {"index": accepted.index}
    disclosed = {one.name: one.value for one in verify_disclosure_file(opened, document)}
    unchecked = ["the statement's signature (bonafides audit)", *([] if place else ["whether the entry is in a log"])]
    output = Output(as_json=as_json)

    def tell() -> None:
        output.print(f"[bold green]verified[/]: said in a {kind} of {format_timestamp(time_ms)}, event {event}")
        table = no_table()
        for name, value in disclosed.items():
            table.add_row(name, value if isinstance(value, str) else canonicalize(value).decode())
        output.print(table)
        for one in unchecked:
            output.note(f"not checked: {one}")

    facts = {"verified": True, "format": FORMAT, "event": event, "kind": kind, "time": time_ms, **place}
    output.result({**facts, "disclosed": disclosed, "notChecked": unchecked}, tell)
