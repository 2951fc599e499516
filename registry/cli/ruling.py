"""`bonafides ruling`: the operator has the registry rule on an open dispute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.event_command import EventCommand
from registry.cli.options import KeyFile, Url, as_operator
from registry.cli.output import Json, Output


def ruling(
    event: Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's event id.")],
    word: Annotated[
        str, typer.Argument(metavar="upheld|dismissed", help="Whether the dispute, or the report, is right.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="A slug.")],
    key_file: KeyFile = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="BONAFIDES_DATA_DIR", help="The data folder.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Rule on a disputed report. It is final, and shown with the report; no score counts it yet.

    Example: bonafides ruling YDFrPoEqkhHahgYnzO9ES4kH9fUNUtbvHpGp2QOZ3Yw upheld --reason no-evidence
    """
    if word not in ("upheld", "dismissed"):
        raise typer.BadParameter("upheld or dismissed", param_hint="ruling")
    answer = as_operator(url, key_file, data=data).rule(event, ruling=word, reason=reason)
    output = Output(as_json=as_json)
    (accepted,) = answer["acceptance"]["credentialSubject"]["accepted"]
    output.result(answer, lambda: output.print(f"{word}: log entry {accepted['index']}\nevent {accepted['event']}"))


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command(cls=EventCommand)(ruling)
