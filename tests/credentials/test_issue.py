"""Issuing: what leaves is what parsing takes, and the same values give the same bytes."""

from __future__ import annotations

import pytest

from did_methods.canonical import canonicalize
from did_methods.errors import BonafidesError
from registry.credentials.issue import countersign_passport
from registry.credentials.model import parse_credential
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    DIGESTS,
    MALLORY,
    NOW_MS,
    OWNER_DID,
    VALID,
    acceptance,
    capability,
    digest_text,
    passport,
    report,
    vouch,
)


@pytest.mark.parametrize("name", VALID)
def test_the_same_values_give_the_same_bytes(name: str) -> None:
    """Nothing is drawn or read inside: issuing is a function of its arguments."""
    build = VALID[name][1]
    assert canonicalize(build()) == canonicalize(build())


def test_an_acceptance_has_nothing_random() -> None:
    """The same request gets the same bytes again: no id, dated by the newest log time."""
    document = acceptance()
    assert "id" not in document
    assert document["validFrom"] == document["proof"]["created"]
    assert parse_credential(document).created_ms == NOW_MS - 1_499


def test_commitments_are_sorted_for_the_caller() -> None:
    """Digests may be given in any order and leave in the one that is accepted."""
    document = vouch(commitments=[digest_text(1), digest_text(0)])
    assert document["credentialSubject"]["commitments"] == sorted([digest_text(0), digest_text(1)])
    assert "commitments" not in vouch(commitments=[])["credentialSubject"]


def test_absent_members_are_left_out() -> None:
    """No member is written as null."""
    assert set(vouch(context=None, commitments=())["credentialSubject"]) == {"id", "strength"}
    assert set(report(category=None)["credentialSubject"]) == {"id", "severity"}
    assert "resources" not in capability(resources=())["credentialSubject"]


@pytest.mark.parametrize("strength", [0, 101, True, 1.0, "5"])
def test_misuse_is_told_before_anything_leaves(strength: object) -> None:
    """Values that would be refused at the registry are refused when issuing, with the same code."""
    with pytest.raises(BonafidesError) as caught:
        vouch(strength=strength)
    assert caught.value.code == "subject_member_invalid"


def test_an_agent_cannot_issue_about_itself() -> None:
    """Vouching for oneself fails at the source."""
    with pytest.raises(BonafidesError) as caught:
        vouch(subject=AGENT_DID)
    assert caught.value.code == "self_vouch"


def test_only_the_named_owner_countersigns() -> None:
    """A passport that names an owner is completed by that owner's key and by no other."""
    half = passport(owner=OWNER_DID)
    with pytest.raises(BonafidesError) as caught:
        countersign_passport(half, signer=MALLORY, now_ms=NOW_MS)
    assert caught.value.code == "proof_signers_invalid"
    with pytest.raises(BonafidesError) as caught:
        countersign_passport(half, signer=AGENT, now_ms=NOW_MS)
    assert caught.value.code == "proof_signers_invalid"


def test_a_passport_without_owner_takes_no_second_proof() -> None:
    """A stranger cannot make itself somebody's owner by adding a signature."""
    with pytest.raises(BonafidesError) as caught:
        countersign_passport(passport(), signer=MALLORY, now_ms=NOW_MS)
    assert caught.value.code == "proof_count_invalid"


def test_a_passport_with_everything() -> None:
    """All optional members together still make a passport below the size of a leaf."""
    slugs = [f"capability-{number:02}" for number in range(16)]
    commitments = [f"{number:02d}" + digest_text(0)[2:] for number in range(64)]
    document = passport(
        capabilities=slugs,
        scope=slugs,
        model={"digest": digest_text(2)},
        commitments=commitments,
        code_digest=DIGESTS[3],
    )
    assert parse_credential(document).subject["scope"] == slugs
    assert len(canonicalize(document)) < 8_192
