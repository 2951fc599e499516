"""What callers of the VC-API may ask for: options at issuing and at verifying.

Decides which options are understood. At verifying an unknown option is passed over, as the specification's own clients send
some; what is understood has to be of its type, since a mistyped challenge must not become none. At issuing an unknown option
is refused: what it asked for would be missing from the credential, and nobody would notice.

Spec: VCALM 3.2.1, 3.3.1; specs/vc-api.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from registry.credentials.problem_types import MALFORMED_VALUE_ERROR
from registry.errors import ParseError

MAX_TEXT_CHARS: Final = 2_048
_ISSUE_OPTIONS: Final = frozenset({"credentialId", "mandatoryPointers"})
_PROOF_ALONE: Final = ["proof"]


class VcApiRequestError(ParseError):
    """The request does not have the member that it is about, or has it in another form; ``member`` names it."""

    code = "vc_api_request_invalid"
    title = "Not a request of this endpoint"
    type_uri = MALFORMED_VALUE_ERROR


class VcApiOptionError(ParseError):
    """An option is of another type than it has; ``option`` names it."""

    code = "vc_api_option_invalid"
    title = "An option is not of its type"
    type_uri = MALFORMED_VALUE_ERROR


class IssueOptionUnknownError(ParseError):
    """An option at issuing is not understood here, so what it asks for would silently not happen."""

    code = "issue_option_unknown"
    title = "Unknown option at issuing"
    type_uri = MALFORMED_VALUE_ERROR


@dataclass(frozen=True, slots=True)
class IssueOptions:
    """What the caller asks for at issuing.

    Attributes:
        credential_id: names the credential in later requests where it has no `id`; None for none.
    """

    credential_id: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What the caller asks for at verifying.

    Attributes:
        proof_alone: judge the proof, not who made it, when it is valid, or what became of it.
        challenge: that a presentation must answer; None where the caller names none.
        domain: that a presentation must be for; None where the caller names none.
        return_results: say of each check how it came out.
        return_document: repeat what was verified.
        return_problem_details: say why something does not verify.
    """

    proof_alone: bool = False
    challenge: str | None = None
    domain: str | None = None
    return_results: bool = False
    return_document: bool = False
    return_problem_details: bool = True


def parse_issue_options(options: Any) -> IssueOptions:
    """Parse the member `options` of an issue request.

    Args:
        options: JSON value; None where the request has none.

    Raises:
        VcApiOptionError: vc_api_option_invalid.
        IssueOptionUnknownError: issue_option_unknown.

    Spec: VCALM 3.2.1
    """
    members = _object(options)
    if members.keys() - _ISSUE_OPTIONS:
        raise IssueOptionUnknownError
    if members.get("mandatoryPointers", []) != []:
        raise VcApiOptionError("no suite here discloses selectively", option="mandatoryPointers")
    name = _text(members, "credentialId")
    if name is not None and not urlsplit(name).scheme:
        raise VcApiOptionError("credentialId is not a URL", option="credentialId")
    return IssueOptions(name)


def parse_verify_options(options: Any, *, returned: str) -> VerifyOptions:
    """Parse the member `options` of a verify request.

    Args:
        options: JSON value; None where the request has none.
        returned: name of the option that asks for what was verified.

    Raises:
        VcApiOptionError: vc_api_option_invalid.

    Spec: VCALM 3.3.1
    """
    members = _object(options)
    return VerifyOptions(
        # Any other list of checks asks for more, and more is what is done.
        proof_alone=members.get("checks") == _PROOF_ALONE,
        challenge=_text(members, "challenge"),
        domain=_text(members, "domain"),
        return_results=_flag(members, "returnResults", default=False),
        return_document=_flag(members, returned, default=False),
        return_problem_details=_flag(members, "returnProblemDetails", default=True),
    )


def _object(options: Any) -> dict[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise VcApiOptionError("options is not an object", option="options")
    return options


def _text(members: dict[str, Any], name: str) -> str | None:
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT_CHARS:
        raise VcApiOptionError(f"{name} is not a string of 1 to {MAX_TEXT_CHARS} characters", option=name)
    return value


def _flag(members: dict[str, Any], name: str, *, default: bool) -> bool:
    value = members.get(name, default)
    if not isinstance(value, bool):
        raise VcApiOptionError(f"{name} is not true or false", option=name)
    return value
