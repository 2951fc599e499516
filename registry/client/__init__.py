"""What agents and gateways import: `Agent`, `Gateway`, `guard`.

Knows HTTP, the DID methods and the pure rooms, never the server.
"""

from __future__ import annotations

from registry.client.agent import Agent
from registry.client.decision import Decision
from registry.client.errors import ActionDeniedError, RegistryRefusedError, RegistryUnreachableError
from registry.client.gateway import Gateway
from registry.client.guard import CarriedPresentation, acting_as, digest_call, guard
from registry.client.speaker import Receipt

__all__ = [
    "ActionDeniedError",
    "Agent",
    "CarriedPresentation",
    "Decision",
    "Gateway",
    "Receipt",
    "RegistryRefusedError",
    "RegistryUnreachableError",
    "acting_as",
    "digest_call",
    "guard",
]
