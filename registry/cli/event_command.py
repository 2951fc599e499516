"""Commands that take event ids: one in 64 ids begins with a hyphen, and is an id all the same."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_LIKE_AN_OPTION = re.compile(r"-[A-Za-z0-9_-]{42}")
_SHIELD = " "


class EventCommand(TyperCommand):
    """Takes an event id where an argument stands, also one that looks like an option; no option is 43 characters long."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; whatever looks like an event id is shielded from the option parser and unshielded in what was parsed."""
        rest: list[str] = super().parse_args(ctx, [_SHIELD + one if _is_shielded(one) else one for one in args])
        ctx.params = {name: _unshielded(value) for name, value in ctx.params.items()}
        return rest


def _is_shielded(argument: str) -> bool:
    return _LIKE_AN_OPTION.fullmatch(argument) is not None


def _unshielded(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_SHIELD) and _is_shielded(value[len(_SHIELD) :]):
        return value[len(_SHIELD) :]
    return value
