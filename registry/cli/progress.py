"""How far a long command is, on the error stream: an audit, a backup, a restore."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from registry.cli.output import Output

Progress: TypeAlias = Callable[[str, int, int], None]
"""(stage, done, total)."""


@contextmanager
def progress_bar(output: Output) -> Iterator[Progress]:
    """Show how far it is on the error stream; nothing where that is no terminal."""
    if output.as_json or not os.isatty(2):
        yield lambda _stage, _done, _total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[rate]:>12}"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=output.error_console, transient=True) as bar:
        tasks: dict[str, tuple[Any, float]] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, rate=""), time.monotonic()
            task, began = tasks[stage]
            rate = done / max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=done, total=total, rate=f"{rate:,.0f}/s")

        yield show
