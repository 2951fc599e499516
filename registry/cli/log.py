"""`bonafides log …`: the log's newest checkpoint here; its entries and their proofs in ``log_read.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from did_methods.codec import base64url_encode
from registry.cli.event_command import EventCommand
from registry.cli.log_fsck import fsck
from registry.cli.log_operator import freeze, recover, verify
from registry.cli.log_read import prove, show, tail
from registry.cli.options import Url, look_at
from registry.cli.output import Json, Output, no_table
from registry.durable_file import write_durably

app = typer.Typer(
    no_args_is_help=True, help="Check the log, show its entries, prove that they are in it, follow new ones."
)


@app.command()
def checkpoint(
    pin: Annotated[
        Path | None,
        typer.Option("--pin", help="Keep the checkpoint here; next time, prove that the log still contains that one."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="A c2sp.org/tlog-policy file with this log: prove that its quorum has cosigned."),
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Fetch the newest checkpoint and verify its signature; with --pin, that nothing before it was changed.

    Example: bonafides log checkpoint --pin ~/registry.checkpoint --policy witnesses.policy
    """
    from registry.client.view import RegistryView

    view: RegistryView = look_at(url)
    newest = view.checkpoint()
    cosigned = {} if policy is None else _cosigned(newest.note, policy)
    since = None if pin is None or not pin.exists() else view.verify_extends(pin.read_bytes(), newest)
    if pin is not None:
        write_durably(pin, newest.note, mode=0o644)
    head, output = newest.checkpoint, Output(as_json=as_json)
    facts = {"origin": head.origin, "size": head.size, "rootHash": base64url_encode(head.root_hash), "extends": since}
    if policy is not None:
        facts["cosigned"] = cosigned

    def tell() -> None:
        table = no_table()
        table.add_row("origin", head.origin)
        table.add_row("size", str(head.size))
        table.add_row("root hash", str(facts["rootHash"]))
        table.add_row("signed by", newest.key.to_text())
        if since is not None:
            table.add_row("extends", f"the checkpoint of size {since} kept in {pin}")
        for name, time in cosigned.items():
            table.add_row("cosigned by", f"{name}, {time}")
        output.print(table)

    output.result(facts, tell)


def _cosigned(note: bytes, file: Path) -> dict[str, str]:
    """Verify a checkpoint under a policy; return when each witness, by its name there, has cosigned it."""
    from did_methods.timestamp import format_timestamp
    from registry.cli.files import read_policy
    from registry.log.witness_policy import verify_witnessed

    policy = read_policy(file)
    times = {one.key: one.time_s for one in verify_witnessed(note, policy).cosignatures}
    return {one.name: format_timestamp(times[one.key] * 1_000) for one in policy.witnesses if one.key in times}


for function in (show, prove, tail):
    app.command(cls=EventCommand)(function)


for command in (fsck, recover, freeze, verify):
    app.command()(command)


def register(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="log")
