"""`bonafides epoch`: the operator logs an epoch now."""

from __future__ import annotations

from typing import Annotated

import typer

from did_methods.timestamp import parse_timestamp
from registry.cli.options import KeyFile, Url, as_operator
from registry.cli.output import Json, Output


def epoch(
    at: Annotated[str | None, typer.Option("--time", help="In a replay registry: the epoch's log time.")] = None,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Log an epoch: voices are computed anew from the roots and the vouches so far (operator).

    Epochs come by themselves once a day, and a minute after roots or vouches changed.

    Example: bonafides epoch
    """
    answer = as_operator(url, key_file).epoch(time_ms=None if at is None else parse_timestamp(at))
    index = answer["acceptance"]["credentialSubject"]["accepted"][0]["index"]
    output = Output(as_json=as_json)
    output.result({"index": index}, lambda: output.print(f"the epoch is log entry {index}"))


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command()(epoch)
