"""What files hold, looked at from outside."""

from __future__ import annotations

from pathlib import Path


def traces(folder: Path, *needles: bytes) -> list[Path]:
    """Return the files below a folder, relative to it, in whose bytes one of the needles is found."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if any(needle in data for needle in needles):
                found.append(path.relative_to(folder))
    return found
