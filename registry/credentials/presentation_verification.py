"""Anybody's presentations verified: who shows, for whom, in answer to what, and each credential for itself.

Decides whether a presentation is its holder's and meant for whoever verifies it. A presentation without a proof shows
nothing, so it is refused; one without credentials shows that its holder controls the key, so it is not. Which challenges
were given out here, and that each is used once, is asked of the caller's `ChallengeBook`.

Spec: VC-DATA-MODEL-2.0 4.13, 7.1; VC-DATA-INTEGRITY 4.5; VCALM 3.3.2; specs/vc-api.md
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from did_methods.errors import BonafidesError
from registry.credentials.data_model_presentation import AnyPresentation, is_envelope, parse_any_presentation
from registry.credentials.errors import HolderKeyError
from registry.credentials.key_lookup import BoundKey
from registry.credentials.problem_types import INVALID_CHALLENGE_ERROR
from registry.credentials.secured import Secured, open_secured, verify_secured
from registry.credentials.tools import Tools
from registry.credentials.vc_api import VerifyOptions
from registry.credentials.verification import (
    Step,
    Trial,
    VerificationOutcome,
    check_terms,
    verify_any_credential,
    verify_self_asserted,
)
from registry.errors import VerificationError

AUTHENTICATION: Final = "authentication"


class ChallengeNotNamedError(VerificationError):
    """The verifier names no challenge, and the presentation answers none that was given out here: it may be a replay."""

    code = "challenge_not_named"
    title = "Nobody says which challenge is to be answered"
    type_uri = INVALID_CHALLENGE_ERROR


class ChallengeBook(Protocol):
    """Whoever gave out challenges."""

    def is_ours(self, challenge: str) -> bool:
        """Say whether a challenge can only have come from here, be it used, expired or neither."""

    def take(self, challenge: str, *, now_ms: int) -> None:
        """Use a challenge of ours up; raise where that was done before, or its time is over."""


@dataclass(frozen=True, slots=True)
class PresentationOutcome:
    """How verifying a presentation came out.

    Attributes:
        steps: what was looked at of the presentation itself, in order.
        warnings: codes of what could not be judged and does not refuse.
        document: the presentation, out of its envelope; None where it was not found.
        presentation: the same, parsed.
        keys: that made the proofs.
        credentials: how each came out, in their order; none where the presentation itself does not verify.
    """

    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    document: dict[str, Any] | None = None
    presentation: AnyPresentation | None = None
    keys: tuple[BoundKey, ...] = ()
    credentials: tuple[VerificationOutcome, ...] = ()

    @property
    def problems(self) -> tuple[BonafidesError, ...]:
        """Why it does not verify, the credentials' reasons behind its own; empty where it does."""
        own = tuple(step.error for step in self.steps if step.error is not None)
        return own + tuple(problem for one in self.credentials for problem in one.problems)

    @property
    def verified(self) -> bool:
        """Say whether the presentation and every credential in it passed."""
        return bool(self.steps) and not self.problems


def verify_any_presentation(
    value: Any,
    *,
    tools: Tools,
    challenges: ChallengeBook | None,
    options: VerifyOptions,
    now_ms: int,
) -> PresentationOutcome:
    """Verify a presentation of anybody, and each credential in it.

    The steps; each has to pass before the next is made:

    1. ``form``: a document with proof, or an envelope; the data model, with no more credentials than are looked at.
    2. ``jsonLd``: every term means something, under bundled contexts alone.
    3. ``challenge``: it answers the challenge that the verifier names, or one that was given out here.
    4. ``proof``: every proof holds, by a key of its controller for ``authentication``, with that challenge, and for the
       domain that the verifier names.
    5. ``holder``: the holder, where there is one, is among the controllers of the keys.
    6. ``singleUse``: a challenge that was given out here is used up, now that everything holds.

    Then each credential is judged alone, as by `verify_any_credential`; one that nothing else secures is the holder's own
    word, and has to name it as issuer.

    Args:
        value: JSON value, an object or a compact JWS.
        tools: keys, processors, statuses, documents.
        challenges: of this verifier; None where it gives out none.
        options: what the caller asked for.
        now_ms: milliseconds since the epoch.

    Raises:
        DependencyError: something this process needs is not there, or is busy; everything else is in the outcome.

    Spec: VC-DATA-MODEL-2.0 4.13, 7.1; specs/vc-api.md "Presentations"
    """
    trial = Trial()
    opened = trial.attempt("form", lambda: _parse(value))
    if opened is None:
        return PresentationOutcome(tuple(trial.steps))
    secured, presentation = opened
    check_terms(trial, secured, tools, apart=("proof", "verifiableCredential"))
    keys = _check_holder(trial, secured, presentation, tools, challenges, options, now_ms)
    judged: tuple[VerificationOutcome, ...] = ()
    if not trial.problems:
        places = range(len(presentation.credentials))
        judged = tuple(_judge(presentation, place, keys, tools, options, now_ms) for place in places)
        presenters = {presentation.holder} if presentation.holder else {key.controller for key in keys}
        if any(_is_of_another(outcome, presenters) for outcome in judged):
            trial.warnings.append("subject_not_holder")
    return PresentationOutcome(tuple(trial.steps), tuple(trial.warnings), secured.document, presentation, keys, judged)


def _parse(value: Any) -> tuple[Secured, AnyPresentation]:
    secured = open_secured(value, kind="presentation")
    return secured, parse_any_presentation(secured.document)


def _judge(
    presentation: AnyPresentation,
    place: int,
    keys: tuple[BoundKey, ...],
    tools: Tools,
    options: VerifyOptions,
    now_ms: int,
) -> VerificationOutcome:
    document = presentation.credentials[place]
    if "proof" in document or is_envelope(document):
        return verify_any_credential(document, tools=tools, options=options, now_ms=now_ms)
    return verify_self_asserted(presentation, place, keys=keys, tools=tools, options=options, now_ms=now_ms)


def _check_holder(
    trial: Trial,
    secured: Secured,
    presentation: AnyPresentation,
    tools: Tools,
    challenges: ChallengeBook | None,
    options: VerifyOptions,
    now_ms: int,
) -> tuple[BoundKey, ...]:
    """Make the steps from ``challenge`` to ``singleUse``; return the keys."""
    if trial.problems:
        return ()
    expected = trial.attempt("challenge", lambda: _expected_challenge(secured, challenges, options))
    if expected is None:
        return ()
    if options.domain is None:
        trial.warnings.append("domain_not_checked")

    def prove() -> tuple[BoundKey, ...]:
        return verify_secured(
            secured, tools=tools, purpose=AUTHENTICATION, now_ms=now_ms, domain=options.domain, challenge=expected
        )

    keys = trial.attempt("proof", prove) or ()
    if not trial.problems and presentation.holder:
        trial.attempt("holder", lambda: _check_controller(presentation, keys))
    if not trial.problems and challenges is not None and challenges.is_ours(expected):
        take = challenges.take
        trial.attempt("singleUse", lambda: take(expected, now_ms=now_ms))
    return keys


def _expected_challenge(secured: Secured, challenges: ChallengeBook | None, options: VerifyOptions) -> str:
    if options.challenge is not None:
        return options.challenge
    answered = secured.challenge
    if answered is None or challenges is None or not challenges.is_ours(answered):
        raise ChallengeNotNamedError
    return answered


def _check_controller(presentation: AnyPresentation, keys: tuple[BoundKey, ...]) -> None:
    if all(key.controller != presentation.holder for key in keys):
        raise HolderKeyError


def _is_of_another(outcome: VerificationOutcome, presenters: Collection[str]) -> bool:
    """Say whether a credential that verifies is about nobody who presents it: allowed by the standard, so it is said."""
    if not outcome.verified or outcome.credential is None:
        return False
    return all(subject.get("id") not in presenters for subject in outcome.credential.subjects)
