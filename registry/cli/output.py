"""What commands print: tables for people, JSON for programs, warnings on the error stream."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize

WIDTH = 200

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class Output:
    """Where a command's result goes.

    Args:
        as_json: print results as one line of canonical JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @cached_property
    def console(self) -> Any:
        """The terminal; rich is imported at the first word."""
        from rich.console import Console

        # Into a file or a pipe, nothing says how wide a line may be; DIDs hold `:key:`, which is no picture.
        width = None if sys.stdout.isatty() else WIDTH
        return Console(highlight=False, soft_wrap=True, emoji=False, width=width)

    @cached_property
    def error_console(self) -> Any:
        """The error stream."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    def result(self, value: dict[str, Any], tell: Callable[[], None]) -> None:
        """Print a result: as JSON, or by telling it."""
        if self.as_json:
            sys.stdout.write(canonicalize(value).decode() + "\n")
            sys.stdout.flush()
        else:
            tell()

    def print(self, *parts: Any) -> None:
        """Print text or a table for people; nothing in JSON."""
        if not self.as_json:
            self.console.print(*parts)

    def note(self, text: str) -> None:
        """Print what is good to know; nothing in JSON."""
        if not self.as_json:
            self.console.print(text, style="dim", markup=False)

    def hint(self, text: str) -> None:
        """Print what is good to know on the error stream, where the result itself may be piped; nothing in JSON."""
        if not self.as_json:
            self.error_console.print(text, style="dim", markup=False)

    def warn(self, text: str) -> None:
        """Print a warning on the error stream."""
        self.error_console.print(text, style="bold yellow", markup=False)


def no_table() -> Any:
    """Return a table of names and values without lines."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def make_table(*columns: str, right: Sequence[str] = ()) -> Any:
    """Return a table with headings; columns named in right hold figures."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def short_did(did: str) -> str:
    """Return a DID short enough for a table: the method, the beginning of the hash or key, the name."""
    method, _, rest = did.removeprefix("did:").partition(":")
    if method == "webvh":
        scid, _, place = rest.partition(":")
        name = place.rpartition(":")[2] if ":" in place else place
        return f"did:webvh:{scid[:6]}…:{name}"
    return f"did:{method}:{rest[:6]}…{rest[-4:]}" if len(rest) > 12 else did  # noqa: PLR2004 - what the short form has
