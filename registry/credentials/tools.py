"""What verifying anybody's documents needs from outside, as small protocols: statuses, bundled documents.

Decides nothing; whoever wires the parts does.

Spec: specs/vc-api.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import KeyLookup
from registry.credentials.legacy_verify import LegacySignatures
from registry.credentials.status_entry import StatusEntry
from registry.credentials.status_list import StatusReading


class StatusReader(Protocol):
    """Whoever knows the statuses of credentials."""

    def check(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> Sequence[StatusReading]:
        """Return the status of each entry of a credential of that issuer; raise where one cannot be read."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Documents known without asking anybody.

    Attributes:
        resources: URL to bytes, for the digests of `relatedResource`; some have two editions.
    """

    resources: Mapping[str, Sequence[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tools:
    """What verifying needs from outside.

    Attributes:
        keys: where keys are looked up.
        json_ld: None where there is no processor: then documents of the RDF suites do not verify, and others are not
            checked as JSON-LD, which is said.
        signatures: verifies the signatures of the older suites that need a library of their own; None where it is missing.
        status: reads statuses; None where nobody can, which is said.
        bundle: documents known without asking anybody.
    """

    keys: KeyLookup
    json_ld: JsonLdProcessor | None = None
    signatures: LegacySignatures | None = None
    status: StatusReader | None = None
    bundle: Bundle = Bundle()
