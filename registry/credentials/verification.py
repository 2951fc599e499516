"""Anybody's credentials verified: any suite and version read here, as a document or in an envelope, step by step.

Decides which steps a credential has to pass, in which order, and what is said of each. What passes here is verified for
whoever asked, and for nobody else: it never enters the log, the score or a decision, which know their own pinned kinds only
(``verify.py``). Reads no clock and fetches nothing: keys, statuses and the JSON-LD processor are arguments.

Spec: VC-DATA-MODEL-2.0 7.1; VC-DATA-INTEGRITY 4.5; VCALM 3.3; specs/vc-api.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from did_methods.errors import BonafidesError
from registry.credentials.credential_schema import evaluate_schemas
from registry.credentials.data_model import AnyCredential, check_validity, parse_any_credential
from registry.credentials.data_model_presentation import AnyPresentation, parse_presented
from registry.credentials.data_model_resources import check_related_resources
from registry.credentials.errors import IssuerKeyError
from registry.credentials.key_lookup import BoundKey
from registry.credentials.presentation import CLOCK_SKEW_MS
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR
from registry.credentials.secured import Secured, open_secured, verify_secured
from registry.credentials.status_entry import parse_status_entries
from registry.credentials.status_list import StatusReading, check_reading
from registry.credentials.tools import Bundle, StatusReader, Tools
from registry.credentials.vc_api import VerifyOptions
from registry.errors import DependencyError, VerificationError
from registry.limits import STATUS_ENTRIES_PER_CREDENTIAL

_T = TypeVar("_T")

ASSERTION: Final = "assertionMethod"


class SchemaMismatchError(VerificationError):
    """The credential does not fit a schema that it names and that is known here."""

    code = "credential_schema_mismatch"
    title = "The credential does not fit its schema"
    type_uri = MALFORMED_VALUE_ERROR


@dataclass(frozen=True, slots=True)
class Step:
    """One step and how it came out.

    Attributes:
        name: stable, for example ``proof``.
        error: why it failed; None where it passed.
    """

    name: str
    error: BonafidesError | None = None


@dataclass(slots=True)
class Trial:
    """The steps made so far."""

    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def attempt(self, name: str, work: Callable[[], _T]) -> _T | None:
        """Make a step; return what it gives, or None where it failed.

        Raises:
            DependencyError: what this process could not do says nothing of the credential.
        """
        try:
            found = work()
        except DependencyError:
            raise
        except BonafidesError as error:
            self.steps.append(Step(name, error))
            return None
        self.steps.append(Step(name))
        return found

    @property
    def problems(self) -> tuple[BonafidesError, ...]:
        """Why it does not verify, in the order of the steps."""
        return tuple(step.error for step in self.steps if step.error is not None)


@dataclass(frozen=True, slots=True)
class VerificationOutcome:
    """How verifying a credential came out.

    Attributes:
        steps: what was looked at, in order; a step that is missing was not reached, or not asked for.
        warnings: codes of what could not be judged and does not refuse.
        document: the credential, out of its envelope; None where it was not found.
        credential: the same, parsed.
        keys: that made the proofs.
        readings: statuses, in the order of the entries.
    """

    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    document: dict[str, Any] | None = None
    credential: AnyCredential | None = None
    keys: tuple[BoundKey, ...] = ()
    readings: tuple[StatusReading, ...] = ()

    @property
    def problems(self) -> tuple[BonafidesError, ...]:
        """Why it does not verify; empty where it does."""
        return tuple(step.error for step in self.steps if step.error is not None)

    @property
    def verified(self) -> bool:
        """Say whether every step passed."""
        return bool(self.steps) and not self.problems


def verify_any_credential(value: Any, *, tools: Tools, options: VerifyOptions, now_ms: int) -> VerificationOutcome:
    """Verify a credential of any kind, suite and issuer.

    The steps; the first three have to pass before the next is made, the later ones are all made:

    1. ``form``: a document with proof, or an envelope; the data model of its version.
    2. ``jsonLd``: every term means something, under bundled contexts alone.
    3. ``proof``: every proof holds, by a key of its controller for ``assertionMethod``. With ``checks: ["proof"]`` this
       is the last.
    4. ``issuer``: the issuer is among the controllers of the keys.
    5. ``validity``: it is valid now.
    6. ``relatedResource``: the digests of what it names are those of what is bundled.
    7. ``credentialSchema``: it fits the schemas that are bundled.
    8. ``credentialStatus``: no status ends it.

    Args:
        value: JSON value, an object or a compact JWS.
        tools: keys, processors, statuses, documents.
        options: what the caller asked for.
        now_ms: milliseconds since the epoch.

    Raises:
        DependencyError: something this process needs is not there, or is busy; everything else is in the outcome.

    Spec: VC-DATA-MODEL-2.0 7.1; specs/vc-api.md "Steps"
    """
    trial = Trial()
    opened = trial.attempt("form", lambda: _parse(value))
    if opened is None:
        return VerificationOutcome(tuple(trial.steps))
    secured, credential = opened
    check_terms(trial, secured, tools)
    keys: tuple[BoundKey, ...] = ()
    if not trial.problems:
        alone = options.proof_alone

        def prove() -> tuple[BoundKey, ...]:
            return verify_secured(secured, tools=tools, purpose=ASSERTION, now_ms=now_ms, proof_alone=alone)

        keys = trial.attempt("proof", prove) or ()
    return _finish(trial, secured, credential, keys, tools=tools, options=options, now_ms=now_ms)


def verify_self_asserted(
    presentation: AnyPresentation,
    position: int,
    *,
    keys: tuple[BoundKey, ...],
    tools: Tools,
    options: VerifyOptions,
    now_ms: int,
) -> VerificationOutcome:
    """Verify a credential that nothing secures but the presentation that it is in: the holder says it of itself.

    The steps are those of `verify_any_credential`; ``proof`` is the presentation's.

    Args:
        presentation: whose proof was verified, as its holder's.
        position: of the credential, from 0.
        keys: that made the presentation's proofs.
        tools: keys, processors, statuses, documents.
        options: what the caller asked for.
        now_ms: milliseconds since the epoch.

    Raises:
        DependencyError: something this process needs is not there, or is busy; everything else is in the outcome.

    Spec: VC-DATA-MODEL-2.0 4.13.3
    """
    trial = Trial()
    credential = trial.attempt("form", lambda: parse_presented(presentation, position))
    if not isinstance(credential, AnyCredential):
        return VerificationOutcome(tuple(trial.steps))
    secured = Secured(credential.document)
    check_terms(trial, secured, tools)
    return _finish(trial, secured, credential, keys, tools=tools, options=options, now_ms=now_ms)


def _finish(
    trial: Trial,
    secured: Secured,
    credential: AnyCredential,
    keys: tuple[BoundKey, ...],
    *,
    tools: Tools,
    options: VerifyOptions,
    now_ms: int,
) -> VerificationOutcome:
    """Make the steps behind ``proof``, unless one failed or nobody asks for them."""
    readings: tuple[StatusReading, ...] = ()
    if not trial.problems and not options.proof_alone:
        trial.attempt("issuer", lambda: _check_issuer(credential, keys))
        trial.attempt("validity", lambda: check_validity(credential, now_ms=now_ms, skew_ms=CLOCK_SKEW_MS))
        _check_bundled(trial, credential, tools.bundle)
        readings = _check_status(trial, credential, tools.status, now_ms)
    return VerificationOutcome(tuple(trial.steps), tuple(trial.warnings), secured.document, credential, keys, readings)


def _parse(value: Any) -> tuple[Secured, AnyCredential]:
    secured = open_secured(value, kind="credential")
    return secured, parse_any_credential(secured.document)


def check_terms(trial: Trial, secured: Secured, tools: Tools, *, apart: Collection[str] = ("proof",)) -> None:
    """Make the step ``jsonLd``; the RDF suites make it while they canonicalise, and once is enough.

    Args:
        trial: gets the step.
        secured: the document.
        tools: with the processor.
        apart: members that are checked elsewhere: the proof by its suite, the credentials of a presentation each alone.
    """
    if tools.json_ld is None:
        trial.warnings.append("json_ld_not_checked")
        return
    if secured.proofs and all(proof.cryptosuite.partition("-")[2].startswith("rdfc") for proof in secured.proofs):
        return
    plain = {name: value for name, value in secured.document.items() if name not in apart}
    check = tools.json_ld.check
    trial.attempt("jsonLd", lambda: check(plain))


def _check_issuer(credential: AnyCredential, keys: Sequence[BoundKey]) -> None:
    if all(key.controller != credential.issuer for key in keys):
        raise IssuerKeyError


def _check_bundled(trial: Trial, credential: AnyCredential, bundle: Bundle) -> None:
    if credential.related_resources:
        unknown = trial.attempt("relatedResource", lambda: check_related_resources(credential, known=bundle.resources))
        if unknown:
            trial.warnings.append("related_resource_not_evaluated")
    if credential.schemas:
        outcomes = trial.attempt("credentialSchema", lambda: check_schemas(credential))
        if outcomes and "not_evaluated" in outcomes:
            trial.warnings.append("credential_schema_not_evaluated")


def check_schemas(credential: AnyCredential) -> tuple[str, ...]:
    """Check a credential, complete with its proof, against the schemas that it names and that are bundled.

    Args:
        credential: what `parse_any_credential` returned.

    Returns:
        What came of each schema: ``valid`` or ``not_evaluated``.

    Raises:
        SchemaMismatchError: credential_schema_mismatch.

    Spec: VC-DATA-MODEL-2.0 4.11
    """
    outcomes = tuple(result.outcome for result in evaluate_schemas(credential))
    if "invalid" in outcomes:
        raise SchemaMismatchError
    return outcomes


def _check_status(
    trial: Trial, credential: AnyCredential, status: StatusReader | None, now_ms: int
) -> tuple[StatusReading, ...]:
    if not credential.status_entries:
        return ()
    if status is None:
        trial.warnings.append("credential_status_not_checked")
        return ()
    read = status.check

    def check() -> tuple[StatusReading, ...]:
        entries = parse_status_entries(list(credential.status_entries), most=STATUS_ENTRIES_PER_CREDENTIAL)
        readings = tuple(read(entries, issuer=credential.issuer, now_ms=now_ms))
        for reading in readings:
            check_reading(reading)
        return readings

    return trial.attempt("credentialStatus", check) or ()
