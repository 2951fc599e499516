"""What callers of the VC-API may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import BonafidesError
from registry.credentials.vc_api import (
    MAX_TEXT_CHARS,
    IssueOptions,
    VerifyOptions,
    parse_issue_options,
    parse_verify_options,
)


def _verify(options: Any) -> VerifyOptions:
    return parse_verify_options(options, returned="returnCredential")


@pytest.mark.parametrize("options", [None, {}, {"anything": 1}, {"checks": []}, {"credentialStatus": {"type": "x"}}])
def test_unknown_options_at_verifying_change_nothing(options: Any) -> None:
    """What is not understood is passed over, and asks for less of nothing."""
    assert _verify(options) == VerifyOptions()


@pytest.mark.parametrize(
    ("checks", "alone"),
    [
        (["proof"], True),
        (["proof", "credentialStatus"], False),
        (["proof", "proof"], False),
        ("proof", False),
        ({"proof": True}, False),
        ([], False),
        (None, False),
    ],
)
def test_only_the_one_list_asks_for_the_proof_alone(checks: Any, alone: bool) -> None:
    """Everything but exactly ["proof"] gets every check."""
    assert _verify({"checks": checks}).proof_alone is alone


@pytest.mark.parametrize(
    "options",
    [
        [],
        "proof",
        1,
        {"challenge": None},
        {"challenge": 7},
        {"challenge": ""},
        {"challenge": ["a"]},
        {"challenge": "x" * (MAX_TEXT_CHARS + 1)},
        {"domain": ["a.example", "b.example"]},
        {"domain": {"a": 1}},
        {"returnResults": "yes"},
        {"returnCredential": 1},
        {"returnProblemDetails": None},
    ],
)
def test_a_known_option_of_another_type_is_refused(options: Any) -> None:
    """A challenge or domain that cannot be read must not become one that is not asked for."""
    with pytest.raises(BonafidesError) as refused:
        _verify(options)
    assert refused.value.code == "vc_api_option_invalid"


def test_options_at_issuing() -> None:
    """The id is taken, an empty selection too."""
    assert parse_issue_options(None) == parse_issue_options({}) == IssueOptions()
    told = {"credentialId": "urn:uuid:8", "mandatoryPointers": []}
    assert parse_issue_options(told) == IssueOptions("urn:uuid:8")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"type": "Ed25519Signature2020"}, "issue_option_unknown"),
        ({"credentialStatus": {"type": "StatusList2021"}}, "issue_option_unknown"),
        ({"mandatoryPointers": ["/issuer"]}, "vc_api_option_invalid"),
        ({"mandatoryPointers": None}, "vc_api_option_invalid"),
        ({"credentialId": "no url"}, "vc_api_option_invalid"),
        ({"credentialId": 3}, "vc_api_option_invalid"),
        ([], "vc_api_option_invalid"),
    ],
)
def test_options_at_issuing_are_done_or_refused(options: Any, code: str) -> None:
    """Nothing that was asked for is left out of a credential in silence."""
    with pytest.raises(BonafidesError) as refused:
        parse_issue_options(options)
    assert refused.value.code == code
