"""Issuing and verifying credentials for whoever asks, as the VC-API has it.

Decides which issuer signs, which statuses it gives, and where keys and statuses come from. Nothing that happens here is
logged, and nothing that verifies here is remembered: score and policy know only what is in the log.

Spec: VCALM 3.2, 3.3; specs/vc-api.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from registry.adapters.system_clock import Clock
from registry.credentials.issuing import (
    DEFAULT_SUITE,
    SuiteIssuer,
    check_issuable,
    check_unsigned,
    sign_any_credential,
    with_securing_context,
    with_statuses,
)
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.legacy_verify import LegacySignatures
from registry.credentials.tools import Bundle, StatusReader, Tools
from registry.credentials.vc_api import IssueOptions, VerifyOptions
from registry.credentials.verification import VerificationOutcome, verify_any_credential
from registry.errors import NotFoundError
from registry.services.resolution import ResolutionService
from registry.services.verification_budget import RequestBudget, RequestKeys, RequestStatuses


class IssuerNotFoundError(NotFoundError):
    """There is no issuer of that suite here."""

    code = "issuer_not_found"
    title = "No issuer of that suite"


class Statuses(StatusReader, Protocol):
    """Whoever keeps the statuses of what is issued here, and reads everybody's."""

    def allocate(
        self, *, purposes: Sequence[str], issuer: str, credential_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Return a new status entry for each purpose."""


@dataclass(frozen=True, slots=True)
class CredentialParts:
    """What verifying and issuing have in common, for credentials and presentations.

    Attributes:
        resolution: resolves DIDs.
        json_ld: expands and canonicalises, elsewhere and within limits.
        signatures: verifies the signatures of older suites, elsewhere and within limits.
        statuses: keeps and reads statuses.
        bundle: documents known here.
        clock: the wall clock.
    """

    resolution: ResolutionService
    json_ld: JsonLdProcessor
    signatures: LegacySignatures
    statuses: Statuses
    bundle: Bundle
    clock: Clock

    def tools(self, now_ms: int) -> Tools:
        """Return what verifying one request needs; the keys are looked up within this request's bounds.

        Args:
            now_ms: the instant of the request, milliseconds since the epoch.
        """
        budget = RequestBudget(self.clock)
        keys = RequestKeys(self.resolution, budget, now_ms)
        return Tools(keys, self.json_ld, self.signatures, RequestStatuses(self.statuses, budget), self.bundle)


class CredentialService:
    """Issues and verifies. Safe from any thread; both may wait for other hosts or processes, so call them in one.

    Args:
        parts: keys, statuses and processors.
        issuers: suite to who issues in it.
    """

    def __init__(self, *, parts: CredentialParts, issuers: Mapping[str, SuiteIssuer]) -> None:
        self._parts = parts
        self._issuers = dict(issuers)

    def issuers(self) -> dict[str, str]:
        """Return the DID of each suite's issuer."""
        return {name: issuer.did for name, issuer in sorted(self._issuers.items())}

    def issue(self, document: dict[str, Any], *, suite: str = DEFAULT_SUITE, options: IssueOptions) -> dict[str, Any]:
        """Return a credential as issued by one of this registry's issuers.

        1. The suite has an issuer here.
        2. The document names it as issuer, and has no proof yet.
        3. A 1.1 credential gets the context that defines the proof.
        4. The document is sound: data model, JSON-LD, digests, schemas.
        5. The issuer's statuses are given out, on the disk before anything is signed.
        6. The proof is made.

        Args:
            document: JSON object.
            suite: name of an issuer.
            options: what the caller asks for.

        Raises:
            IssuerNotFoundError: issuer_not_found.
            ParseError, VerificationError, DidError: the codes of the steps.
            DependencyError: something this process needs is busy or not there.

        Spec: VCALM 3.2.1; specs/vc-api.md "Issuing"
        """
        issuer = self._issuers.get(suite)
        if issuer is None:
            raise IssuerNotFoundError
        check_unsigned(document, issuer=issuer.did)
        prepared = with_securing_context(document)
        check_issuable(prepared, json_ld=self._parts.json_ld, bundle=self._parts.bundle)
        if issuer.purposes:
            named = document.get("id", options.credential_id)
            entries = self._parts.statuses.allocate(purposes=issuer.purposes, issuer=issuer.did, credential_id=named)
            prepared = with_statuses(prepared, entries)
        now_ms = self._parts.clock.now_ms()
        return sign_any_credential(prepared, issuer=issuer, json_ld=self._parts.json_ld, now_ms=now_ms)

    def verify(self, value: Any, *, options: VerifyOptions, now_ms: int) -> VerificationOutcome:
        """Verify a credential of anybody's making; the steps are those of `verify_any_credential`.

        Args:
            value: JSON value, an object or a compact JWS.
            options: what the caller asks for.
            now_ms: milliseconds since the epoch.

        Raises:
            DependencyError: something this process needs is busy or not there; everything else is in the outcome.

        Spec: VCALM 3.3.1; specs/vc-api.md "Steps"
        """
        return verify_any_credential(value, tools=self._parts.tools(now_ms), options=options, now_ms=now_ms)
