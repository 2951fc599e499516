"""What the VC-API answers: results of verifying, for those who may know why and for those who may not.

Decides how much a caller learns. Whoever is known (a gateway, the operator) gets the code and detail of each problem and how
each step came out; anybody else gets the problem types of the standards and their titles, so that a forger does not learn
from the answers which check to work on next.

Spec: VCALM 3.3; VC-DATA-MODEL-2.0 7.1 "Problem Details"; RFC 9457; specs/vc-api.md "Answers"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from did_methods.errors import BonafidesError, DidError
from registry.api.problems import TYPE_PREFIX, problem_object
from registry.api.state import ApiState
from registry.api.wire import json_response
from registry.credentials import problem_types
from registry.credentials.presentation_verification import PresentationOutcome
from registry.credentials.vc_api import VerifyOptions
from registry.credentials.verification import Step, VerificationOutcome
from registry.errors import ParseError

_REFUSED: Final = 400
_OTHER_TYPE: Final = TYPE_PREFIX + "verification_failed"
_TITLES: Final = {
    problem_types.PARSING_ERROR: "The document cannot be parsed",
    problem_types.CRYPTOGRAPHIC_SECURITY_ERROR: "The securing mechanism does not verify",
    problem_types.MALFORMED_VALUE_ERROR: "A value is malformed",
    problem_types.RANGE_ERROR: "A value is out of range",
    problem_types.PROOF_VERIFICATION_ERROR: "A proof does not verify",
    problem_types.PROOF_TRANSFORMATION_ERROR: "The document cannot be transformed for its proof",
    problem_types.INVALID_DOMAIN_ERROR: "The domain does not match",
    problem_types.INVALID_CHALLENGE_ERROR: "The challenge does not match",
    problem_types.INVALID_VERIFICATION_METHOD: "The verification method cannot be used",
    problem_types.STATUS_RETRIEVAL_ERROR: "The status could not be retrieved",
    problem_types.STATUS_VERIFICATION_ERROR: "The status does not verify",
    problem_types.STATUS_LIST_LENGTH_ERROR: "The status list is too short",
    _OTHER_TYPE: "The document does not verify",
}


def credential_answer(api: ApiState, outcome: VerificationOutcome, options: VerifyOptions, *, known: bool) -> Response:
    """Answer a request to verify a credential: 200 where it verifies, else 400.

    Args:
        api: counts the refusals.
        outcome: how it came out.
        options: what the caller asked for.
        known: the caller is, so it may know why.

    Spec: VCALM 3.3.1
    """
    answer = _answer(api, outcome, options, known=known)
    if options.return_document and outcome.verified:
        answer["credential"] = outcome.document
    if options.return_results and (known or outcome.verified):
        answer["results"] = _credential_results(outcome)
    return json_response(answer | api.profile, 200 if outcome.verified else _REFUSED)


def presentation_answer(
    api: ApiState, outcome: PresentationOutcome, options: VerifyOptions, *, known: bool
) -> Response:
    """Answer a request to verify a presentation; arguments as `credential_answer`.

    Spec: VCALM 3.3.2
    """
    answer = _answer(api, outcome, options, known=known)
    if outcome.verified:
        answer["holder"] = (outcome.presentation.holder or None) if outcome.presentation else None
    if options.return_document and outcome.verified:
        answer["verifiablePresentation"] = outcome.document
    if options.return_results and (known or outcome.verified):
        answer["results"] = {
            "presentation": {name: _judged(step) for name, step in _by_name(outcome.steps).items()},
            "credentials": [_presented(one) for one in outcome.credentials],
        }
    return json_response(answer | api.profile, 200 if outcome.verified else _REFUSED)


def _answer(
    api: ApiState, outcome: VerificationOutcome | PresentationOutcome, options: VerifyOptions, *, known: bool
) -> dict[str, Any]:
    for problem in outcome.problems:
        api.refusals[problem.code] += 1
    details = [_detail(problem, known=known) for problem in outcome.problems]
    unique = [one for place, one in enumerate(details) if one not in details[:place]]
    answer: dict[str, Any] = {
        "verified": outcome.verified,
        # How far it came would tell which step failed.
        "checks": [step.name for step in outcome.steps] if known or outcome.verified else [],
        "warnings": list(outcome.warnings) if known or outcome.verified else [],
        "errors": [one["code"] if known else one["title"] for one in unique],
    }
    if options.return_problem_details:
        answer["problemDetails"] = unique
    return answer


def _detail(problem: BonafidesError, *, known: bool) -> dict[str, Any]:
    uri = _public_type(problem)
    if not known:
        return {"type": uri, "title": _TITLES.get(uri, _TITLES[_OTHER_TYPE])}
    return problem_object(problem) | {"type": uri, "status": _REFUSED}


def _public_type(problem: BonafidesError) -> str:
    if problem.type_uri is not None:
        return problem.type_uri
    if isinstance(problem, ParseError):
        return problem_types.MALFORMED_VALUE_ERROR
    return problem_types.PROOF_VERIFICATION_ERROR if isinstance(problem, DidError) else _OTHER_TYPE


def _by_name(steps: Sequence[Step]) -> dict[str, Step]:
    return {step.name: step for step in steps}


def _judged(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"verified": step.error is None}
    return told if step.error is None else told | {"problemDetails": [_detail(step.error, known=True)]}


def _credential_results(outcome: VerificationOutcome) -> dict[str, Any]:
    """Return the results by member of the credential, as the VC-API has them."""
    document = outcome.document or {}
    steps = _by_name(outcome.steps)
    results: dict[str, Any] = {}
    if "proof" in steps:
        proof = document.get("proof")
        listed = proof if isinstance(proof, list) else [proof] if proof is not None else []
        results["proof"] = [_judged(steps["proof"]) | {"input": one} for one in listed]
    if "validity" in steps:
        for name in ("validFrom", "validUntil"):
            if name in document:
                results[name] = _judged(steps["validity"]) | {"input": document[name]}
    for name in ("credentialSchema", "credentialStatus"):
        if name in steps:
            value = document.get(name)
            listed = value if isinstance(value, list) else [value]
            results[name] = [_judged(steps[name]) | {"input": one} for one in listed]
    for reading, entry in zip(outcome.readings, results.get("credentialStatus", ()), strict=False):
        entry["value"] = reading.status
    return results


def _presented(outcome: VerificationOutcome) -> dict[str, Any]:
    told: dict[str, Any] = {"verified": outcome.verified, "results": _credential_results(outcome)}
    if not outcome.verified:
        told["problemDetails"] = [_detail(problem, known=True) for problem in outcome.problems]
    return told
