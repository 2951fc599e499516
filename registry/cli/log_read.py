"""`bonafides log show | prove | tail`: entries of the log, each proven to be under a signed checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from registry.cli.files import DocumentUnreadableError
from registry.cli.options import DEFAULT_URL
from registry.cli.output import Json, Output, no_table, short_did

if TYPE_CHECKING:
    from registry.client.verified_log import LoggedEntry, VerifiedLog

Source = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="BONAFIDES_URL",
        help="The registry, any mirror of its log, or a folder of tiles.",
        show_envvar=True,
    ),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="VKEY", help="The log's verifier key. Without it the log's own word is taken."),
]
Entry = Annotated[str, typer.Argument(metavar="EVENT|INDEX", help="An event id, or a log index.")]


def _open(url: str, key: str | None) -> VerifiedLog:
    from registry.client.tile_folder import open_source
    from registry.client.verified_log import VerifiedLog

    return VerifiedLog(open_source(url), key)


def show(entry: Entry, url: Source = DEFAULT_URL, key: Key = None, as_json: Json = False) -> None:
    """Show an entry: what was signed, whose chains it stands in, and under which checkpoint it is proven.

    Example: bonafides log show 17
    """
    found = _open(url, key).entry(entry)
    output = Output(as_json=as_json)
    output.result(found.to_wire(), lambda: _tell(output, found))


def prove(
    entry: Entry,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a .tlog-proof file that anybody can verify with the log's key.")
    ] = None,
    url: Source = DEFAULT_URL,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Prove that an entry is in the log: recompute its hash, verify the path to the signed root.

    Example: bonafides log prove 17 --out 17.tlog-proof
    """
    from registry.log.proof import ProofFile, encode_proof_file

    found = _open(url, key).entry(entry)
    if out is not None:
        try:
            out.write_bytes(encode_proof_file(ProofFile(found.index, found.proof, found.head.note)))
        except OSError as error:
            raise DocumentUnreadableError(f"{out}: {error.strerror}") from error
    wire, head, output = found.to_wire(), found.head.checkpoint, Output(as_json=as_json)
    proven = {name: wire[name] for name in ("index", "event", "leafHash", "treeSize")} | {
        "origin": head.origin,
        "rootHash": base64url_encode(head.root_hash),
        "proof": [base64url_encode(one) for one in found.proof],
        "checkpoint": found.head.note.decode("utf-8"),
    }
    output.result(
        proven,
        lambda: output.print(
            f"entry {found.index} is in the log {head.origin}\n"
            f"leaf hash {proven['leafHash']}, under the signed checkpoint of size {head.size}"
        ),
    )


def tail(
    since: Annotated[
        int | None, typer.Option("--since", min=0, help="The first index.  \\[default: what is logged from now on]")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many entries.")] = None,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks at the log.")] = 1.0,
    url: Source = DEFAULT_URL,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON an entry.")] = False,
) -> None:
    """Follow the log: each entry as a signed checkpoint comes to cover it. Ctrl-C ends it.

    A checkpoint that does not contain the one before ends it with 4; an outage is waited out.

    Example: bonafides log tail --since 0 --json
    """
    log, output = _open(url, key), Output(as_json=as_json)
    entries = log.follow(since, pause=lambda: time.sleep(every), away=lambda error: output.warn(f"{error}; waiting"))
    try:
        for number, found in enumerate(entries, 1):
            output.result(found.to_wire(), lambda found=found: output.print(_line(found)))  # type: ignore[misc]
            if number == count:
                return
    except KeyboardInterrupt:
        return


def _line(entry: LoggedEntry) -> str:
    from did_methods.timestamp import format_timestamp

    signers = ", ".join(short_did(one.did) for one in entry.leaf.parties if "signer" in one.roles)
    subjects = ", ".join(short_did(one.did) for one in entry.leaf.parties if one.roles == ("subject",))
    about = f" about {subjects}" if subjects else ""
    return f"{entry.index}  {format_timestamp(entry.leaf.time_ms)}  {entry.leaf.kind}  {signers}{about}"


def _tell(output: Output, entry: LoggedEntry) -> None:
    from rich.markup import escape

    from did_methods.timestamp import format_timestamp

    wire, table = entry.to_wire(), no_table()
    table.add_row("index", str(entry.index))
    table.add_row("logged", format_timestamp(entry.leaf.time_ms))
    table.add_row("kind", entry.leaf.kind)
    table.add_row("event", entry.event)
    table.add_row("leaf hash", str(wire["leafHash"]))
    for party in entry.leaf.parties:
        before = "its first entry" if party.prev_index is None else f"after entry {party.prev_index}"
        table.add_row(" and ".join(party.roles), f"{party.did}\nentry {party.count} of its chain, {before}")
    table.add_row("proven", f"under the signed checkpoint of size {entry.head.checkpoint.size}")
    output.print(table)
    output.print(escape(canonicalize(entry.leaf.event).decode()))
