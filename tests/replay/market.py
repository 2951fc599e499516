"""A small made-up market: honest members, a few swindlers, a year of ratings; the same in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

BEGIN_S = 1_300_000_000
YEAR_S = 31_536_000
MEMBERS, SWINDLERS = 40, 6


def market_lines(count: int = 320, seed: int = 7) -> list[str]:
    """Return CSV lines in time order: source, target, rating, POSIX seconds with a fraction."""
    draw = random.Random(seed)
    times = sorted(BEGIN_S + draw.random() * YEAR_S for _ in range(count))
    lines = []
    for place, seconds in enumerate(times):
        known = min(MEMBERS, 4 + place // 4)
        source, target = draw.sample(range(known), 2)
        rating = draw.randint(1, 10)
        if target >= MEMBERS - SWINDLERS and source < MEMBERS - SWINDLERS and draw.random() < 0.8:
            rating = -draw.randint(1, 10)
        lines.append(f"m{source},m{target},{rating},{seconds:.5f}")
    return lines


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    """Write a CSV file."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def label_lines() -> list[str]:
    """Return the label of every member."""
    return [f"m{number},{-1 if number >= MEMBERS - SWINDLERS else 1}" for number in range(MEMBERS)]
