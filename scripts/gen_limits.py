"""Builds specs/limits.md from the annotated constants of registry/limits.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "specs" / "limits.md"
HEAD = """\
# Limits

Generated from `registry/limits.py` by `scripts/gen_all`; do not edit.

Whoever goes past a limit gets a problem with a code of its own ([problems](problems.md)) and changes nothing.

| limit | value | unit | why |
|---|---:|---|---|
"""


def page() -> str:
    """Return the whole page."""
    sys.path.insert(0, str(ROOT))
    from registry import limits

    rows = []
    for name, hint in get_type_hints(limits, include_extras=True).items():
        notes = [note for note in get_args(hint)[1:] if isinstance(note, limits.Limit)]
        if len(notes) != 1:
            message = f"registry/limits.py: {name} needs one Limit(unit, reason)"
            raise SystemExit(message)
        value = f"{getattr(limits, name):,}".replace(",", " ")
        rows.append(f"| `{name}` | {value} | {notes[0].unit} | {notes[0].reason} |\n")
    return HEAD + "".join(rows)
