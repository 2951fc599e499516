"""`bonafides erase`: openings are destroyed for good, by order of the operator or of the agent itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.event_command import EventCommand
from registry.cli.options import KeyFile, Url, as_operator, load_agent, named_did
from registry.cli.output import Json, Output


def erase(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[DID|EVENT]", help="An agent, for all its openings; or one event's id."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_name: Annotated[
        str | None, typer.Option("--as", help="As the agent itself, with its signature; without EVENT, all of its own.")
    ] = None,
    key_file: KeyFile = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="BONAFIDES_DATA_DIR", help="The data folder.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Erase openings: what was said privately beside statements about or from an agent. It cannot be undone.

    Erased are the openings that the registry keeps, and the keys without which every copy and backup of them is noise.
    Not erased: the public log (DIDs, times, kinds, commitments), disclosure files that people keep, decision records.

    Example: bonafides erase did:webvh:Qm… --yes, or bonafides erase --as alice
    """
    event, did = _named(target, own=as_name is not None)
    _ask(yes, "all its openings" if event is None else f"the openings of {event}")
    if as_name is not None:
        answer = load_agent(as_name, url).erase(event)
    else:
        answer = as_operator(url, key_file, data=data).erase(did=did, event=event)
    output = Output(as_json=as_json)
    output.result(answer, lambda: output.print(_told(answer["erasure"])))


def _named(target: str | None, *, own: bool) -> tuple[str | None, str | None]:
    """Return the event id or the DID that is meant; neither for all of one's own."""
    if own:
        if target is not None and target.startswith("did:"):
            raise typer.BadParameter("with --as, name an event or nothing", param_hint="target")
        return target, None
    if target is None:
        raise typer.BadParameter("name an agent or an event, or say --as", param_hint="target")
    is_event = len(target) == 43 and not target.startswith("did:")  # noqa: PLR2004 - 32 bytes in base64url
    return (target, None) if is_event else (None, named_did(target))


def _ask(yes: bool, what: str) -> None:
    if yes:
        return
    if not os.isatty(0):
        raise typer.BadParameter("nobody is here to ask; say --yes", param_hint="--yes")
    typer.confirm(f"Erase {what} for good?", abort=True)


def _told(erasure: dict[str, Any]) -> str:
    whose = erasure.get("event", erasure["did"])
    return f"{erasure['openings']} openings erased, {whose}\nlog entry {erasure['index']}"


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command(cls=EventCommand)(erase)
