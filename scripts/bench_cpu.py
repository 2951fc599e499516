"""What processes have spent of the processor, read from /proc: which wall time cannot say where several share two cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processes(word: str) -> list[int]:
    """Return the processes that were started with this word on their command line."""
    return [pid for pid, words in _commands() if word in words]


def cpu_s(pid: int) -> float:
    """Return the seconds that a process, its children and those of them that have ended have spent so far."""
    spent = 0.0
    for one, (parent, ticks) in _ticks():
        if pid in (one, parent):
            # Ended children are counted by their parent; those that run have none of their own here.
            spent += sum(ticks if one == pid else ticks[:2]) / _TICKS
    return spent


def _ticks() -> Iterator[tuple[int, tuple[int, list[int]]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        yield int(folder.name), (int(words[1]), [int(word) for word in words[11:15]])


def _commands() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
