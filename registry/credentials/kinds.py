"""The one table of credential kinds: who signs each, how it is bound to a log, and which members it has.

Decides what a document of a kind looks like, member by member; anything not listed is refused. Public members hold no
free text: only DIDs, digests, slugs, numbers and closed lists, so that nothing personal can be logged for ever. What a
kind does to state and score is decided where the log is folded, and read in ``specs/kinds/``.

Spec: VC-DATA-MODEL-2.0 4; FORMATS "Signed statements"
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from typing import Final

from registry.credentials.kind import (
    BONAFIDES_CONTEXT,
    COMMITMENTS,
    CONTEXT,
    CONTEXTS,
    CREDENTIAL_TYPE,
    CREDENTIALS_CONTEXT,
    CRYPTOSUITE,
    Kind,
    proof_members,
)
from registry.credentials.kinds_agent import AGENT_KINDS
from registry.credentials.kinds_registry import REGISTRY_KINDS
from registry.credentials.members import DID, ORIGIN, TIMESTAMP, URN_UUID, AnyObject, Const, ListOf, Object, Text

__all__ = [
    "BONAFIDES_CONTEXT",
    "COMMITMENTS",
    "CONTEXTS",
    "CREDENTIALS_CONTEXT",
    "CREDENTIAL_TYPE",
    "CRYPTOSUITE",
    "KINDS",
    "KINDS_BY_NAME",
    "KINDS_BY_TYPE",
    "PRESENTATION",
    "PRESENTATION_TYPE",
    "Kind",
    "proof_members",
]

PRESENTATION_TYPE: Final = "VerifiablePresentation"
KINDS: Final[tuple[Kind, ...]] = (*AGENT_KINDS, *REGISTRY_KINDS)
KINDS_BY_TYPE: Final[Mapping[str, Kind]] = {kind.type: kind for kind in KINDS}
KINDS_BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


def _kind_of_type(name: str) -> Kind:
    return KINDS_BY_TYPE[name]


# From process to process a kind goes by its name: its checkers cannot.
copyreg.pickle(Kind, lambda kind: (_kind_of_type, (kind.type,)))

_PRESENTATION_PROOF: Final = proof_members(
    purpose="authentication",
    required={"domain": ORIGIN},
    optional={"challenge": Text(r"[!-~]{1,128}", 128, "challenge"), "expires": TIMESTAMP},
)
PRESENTATION: Final = Object(
    {"@context": CONTEXT, "type": Const((PRESENTATION_TYPE,)), "holder": DID, "proof": _PRESENTATION_PROOF},
    {
        "id": URN_UUID,
        "verifiableCredential": ListOf(AnyObject(), 8, distinct=False),
    },
)
