"""What every route needs: the registry, the guard, the counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from registry.api.guard import Guard
from registry.bootstrap import Registry


@dataclass(slots=True)
class ApiState:
    """Held by the app.

    Attributes:
        registry: the wired parts.
        guard: who may call.
        refusals: refused requests by code.
        decisions: decisions by (allowed, reason).
        profile: members added to every answer of a replay registry.
    """

    registry: Registry
    guard: Guard
    refusals: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[bool, str]] = field(default_factory=Counter)
    profile: dict[str, Any] = field(default_factory=dict)


def state_of(request: Request) -> ApiState:
    """Return the app's state."""
    api: ApiState = request.app.state.api
    return api
