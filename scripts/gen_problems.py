"""Builds specs/problems.md from every error class of both packages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "specs" / "problems.md"
HEAD = """\
# Problems

Generated from the error classes of both packages by `scripts/gen_all`; do not edit.

Errors travel as RFC 9457 `application/problem+json`; programs branch on `code`, which is never reused, and people read
`detail`, which never holds payloads, keys or signatures. A denied decision is no problem: it is an answer with a
reason code.
"""
# Modules that act when imported: the process entries build the app, migrations need a running alembic.
ENTRIES = {"registry.asgi", "registry.__main__"}
MIGRATIONS = "registry.storage.migrations"
# In the order of the page; the statuses come from the API's own table.
FAMILIES = (
    "DidError",
    "ParseError",
    "VerificationError",
    "DeniedError",
    "NotFoundError",
    "ConflictError",
    "LimitError",
    "DependencyError",
)


def import_everything() -> None:
    """Import every module of both packages, so that every error class exists."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    pending = ["did_methods", "registry"]
    while pending:
        module = importlib.import_module(pending.pop())
        names = (found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []), f"{module.__name__}."))
        pending.extend(name for name in names if name not in ENTRIES and not name.startswith(MIGRATIONS))


def error_classes() -> list[type]:
    """Return every error class of the product, by code.

    The bases of the tree are in it: whoever raises one of them directly is heard as well.
    """
    import_everything()
    from did_methods.errors import BonafidesError

    found: set[type] = set()
    pending: list[type] = [BonafidesError]
    while pending:
        error = pending.pop()
        if error not in found and error.__module__.partition(".")[0] in {"did_methods", "registry"}:
            found.add(error)
            pending.extend(error.__subclasses__())
    return sorted(found, key=lambda error: error.code)


def family_of(error: type) -> str:
    """Return the name of the family, the ancestor that decides the HTTP status; "" for the bases themselves."""
    return next((base.__name__ for base in error.__mro__ if base.__name__ in FAMILIES), "")


def status_of(error: type) -> int:
    """Return the HTTP status from the one table there is, the API's."""
    from registry.api import problems

    return problems.status_of(error)


def meaning_of(error: type) -> str:
    """Return the first paragraph of the docstring on one line."""
    paragraph = (inspect.getdoc(error) or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    errors = error_classes()
    parts = [HEAD]
    for family in (*FAMILIES, ""):
        members = [error for error in errors if family_of(error) == family]
        if not members:
            continue
        parts.append(
            f"\n## {family or 'Bases'}\n\n| code | HTTP | title | meaning | defined in |\n|---|---|---|---|---|\n"
        )
        for error in members:
            place = error.__module__.replace(".", "/") + ".py"
            parts.append(f"| `{error.code}` | {status_of(error)} | {error.title} | {meaning_of(error)} | `{place}` |\n")
    return "".join(parts)
