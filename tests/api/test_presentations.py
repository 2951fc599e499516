"""Verifying presentations over HTTP: whose, for whom, in answer to what, and each credential for itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.credentials.jose import envelope, sign_vc_jwt, sign_vp_jwt
from registry.limits import CHALLENGE_LIFETIME_MS, OUTSTANDING_CHALLENGES_PER_SOURCE, PRESENTED_CREDENTIALS
from tests.support.registry import OPERATOR, START_MS, World, open_world
from tests.support.vc_api import V2, Party, credential, issue, new_challenge, verify, verify_presentation

HOLDER, ISSUER = Party.named("holder"), Party.named("school")
DOMAIN = "verifier.example"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open one registry for the tests of this module; none of them depends on another."""
    with open_world(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


def _errors(answer: Any) -> list[str]:
    assert (answer.status == 200) == answer.json["verified"] == (not answer.json["errors"]), answer
    return list(answer.json["errors"])


def test_a_presentation_that_holds(desk: World) -> None:
    """Challenge from here, domain, several credentials of several suites: 200, with the holder."""
    held = [ISSUER.credential(HOLDER.did), issue(desk, "ecdsa-rdfc-2019-p256", subject=HOLDER.did)]
    shown = HOLDER.presentation(*held, challenge=new_challenge(desk), domain=DOMAIN)
    answer = verify_presentation(desk, shown, domain=DOMAIN, returnPresentation=True, returnResults=True)
    assert answer.status == 200, answer
    told = answer.json
    assert told["holder"] == HOLDER.did
    assert told["verifiablePresentation"] == shown
    assert told["warnings"] == []
    assert told["checks"] == ["form", "jsonLd", "challenge", "proof", "holder", "singleUse"]
    assert [one["verified"] for one in told["results"]["credentials"]] == [True, True]


def test_a_challenge_of_ours_is_used_once(desk: World) -> None:
    """The same presentation is refused the second time, whoever names the challenge or does not."""
    shown = HOLDER.presentation(challenge=new_challenge(desk))
    challenge = shown["proof"]["challenge"]
    assert _errors(verify_presentation(desk, shown, challenge=challenge)) == []
    assert _errors(verify_presentation(desk, shown, challenge=challenge)) == ["challenge_unknown"]
    assert _errors(verify_presentation(desk, shown)) == ["challenge_unknown"]


def test_a_presentation_that_does_not_hold_uses_nothing_up(desk: World) -> None:
    """A forger who learns a challenge cannot burn it."""
    challenge = new_challenge(desk)
    forged = copy.deepcopy(HOLDER.presentation(challenge=challenge))
    forged["holder"] = ISSUER.did
    assert _errors(verify_presentation(desk, forged)) == ["proof_invalid"]
    assert _errors(verify_presentation(desk, HOLDER.presentation(challenge=challenge))) == []


def test_a_challenge_of_ours_ends_and_is_known_for_ever(tmp_path: Path) -> None:
    """Expired, or forgotten by a restart, a challenge from here never becomes one of the verifier's own."""
    with open_world(tmp_path, on_disk=True) as world:
        late, lost = (HOLDER.presentation(challenge=new_challenge(world)) for _ in range(2))
        world.clock.advance(CHALLENGE_LIFETIME_MS)
        assert _errors(verify_presentation(world, late, challenge=late["proof"]["challenge"])) == ["challenge_unknown"]
    with open_world(tmp_path, on_disk=True) as world:
        assert _errors(verify_presentation(world, lost, challenge=lost["proof"]["challenge"])) == ["challenge_unknown"]


def test_a_verifier_may_bring_a_challenge_of_its_own(desk: World) -> None:
    """It is compared, and its single use is the verifier's to keep."""
    shown = HOLDER.presentation(challenge="u3b1f", domain=DOMAIN)
    for _ in range(2):
        assert _errors(verify_presentation(desk, shown, challenge="u3b1f", domain=DOMAIN)) == []
    assert _errors(verify_presentation(desk, shown, challenge="u3b1g", domain=DOMAIN)) == ["challenge_mismatch"]
    assert _errors(verify_presentation(desk, shown, domain=DOMAIN)) == ["challenge_not_named"]


def test_a_challenge_of_registration_is_not_one_of_these(desk: World) -> None:
    """Challenges of /v1/challenges open nothing here, and are not used up here."""
    shown = HOLDER.presentation(challenge=desk.challenge())
    assert _errors(verify_presentation(desk, shown)) == ["challenge_not_named"]


@pytest.mark.parametrize(
    ("domain", "asked", "errors"),
    [
        (DOMAIN, DOMAIN, []),
        ("other.example", DOMAIN, ["domain_mismatch"]),
        (None, DOMAIN, ["domain_mismatch"]),
        ([DOMAIN, "other.example"], DOMAIN, ["domain_mismatch"]),
        (DOMAIN.upper(), DOMAIN, ["domain_mismatch"]),
    ],
)
def test_the_domain_is_the_verifiers(desk: World, domain: Any, asked: str, errors: list[str]) -> None:
    """A presentation for somebody else, for several, or for nobody, is not for this verifier."""
    shown = HOLDER.presentation(challenge="u1", domain=domain)
    assert _errors(verify_presentation(desk, shown, challenge="u1", domain=asked)) == errors


def test_a_domain_that_nobody_asks_for_is_said(desk: World) -> None:
    """Without a domain to compare, the answer says that it was not looked at."""
    answer = verify_presentation(desk, HOLDER.presentation(challenge="u2", domain=DOMAIN), challenge="u2")
    assert (answer.status, answer.json["warnings"]) == (200, ["domain_not_checked"])


def test_without_a_proof_nothing_is_shown(desk: World) -> None:
    """Good credentials in a presentation that nobody signed do not make it one."""
    shown = HOLDER.presentation(ISSUER.credential(HOLDER.did), challenge="u3")
    bare = {name: value for name, value in shown.items() if name != "proof"}
    assert _errors(verify_presentation(desk, bare, challenge="u3")) == ["securing_missing"]


def test_no_credentials_show_the_holder(desk: World) -> None:
    """A presentation of nothing but its holder verifies: its holder controls the key."""
    answer = verify_presentation(desk, HOLDER.presentation(challenge="u4"), challenge="u4")
    assert (answer.status, answer.json["holder"]) == (200, HOLDER.did)


def test_the_holder_controls_the_key(desk: World) -> None:
    """A presentation signed by somebody else than its holder is refused."""
    shown = HOLDER.presentation(challenge="u5", holder=ISSUER.did)
    assert _errors(verify_presentation(desk, shown, challenge="u5")) == ["holder_key_mismatch"]
    named = HOLDER.presentation(challenge="u5", holder={"id": HOLDER.did})
    assert _errors(verify_presentation(desk, named, challenge="u5")) == []
    nobody = HOLDER.presentation(challenge="u5", holder=None)
    answer = verify_presentation(desk, nobody, challenge="u5")
    assert (answer.status, answer.json["holder"]) == (200, None)


def test_one_bad_credential_of_several(desk: World) -> None:
    """Each is judged alone; one that does not verify makes the answer no, and the results say which."""
    good = ISSUER.credential(HOLDER.did)
    bad = copy.deepcopy(good)
    bad["credentialSubject"]["alumniOf"] = "Elsewhere"
    shown = HOLDER.presentation(good, bad, good, challenge="u6")
    answer = verify_presentation(desk, shown, challenge="u6", returnResults=True)
    assert _errors(answer) == ["proof_invalid"]
    assert [one["verified"] for one in answer.json["results"]["credentials"]] == [True, False, True]


def test_an_unsigned_credential_does_not_hide_in_a_signed_presentation(desk: World) -> None:
    """The holder's signature is not the issuer's."""
    shown = HOLDER.presentation(credential(ISSUER.did, HOLDER.did), challenge="u7")
    assert _errors(verify_presentation(desk, shown, challenge="u7")) == ["vp_credential_unsecured"]


def test_what_the_holder_says_of_itself(desk: World) -> None:
    """A credential without a proof is the holder's own word where it names the holder as issuer, and is judged like any."""
    own = credential(HOLDER.did, HOLDER.did)
    assert _errors(verify_presentation(desk, HOLDER.presentation(own, challenge="u14"), challenge="u14")) == []
    past = own | {"validUntil": "2024-01-01T00:00:00Z"}
    late = HOLDER.presentation(past, challenge="u14")
    assert _errors(verify_presentation(desk, late, challenge="u14")) == ["credential_expired"]
    unnamed = HOLDER.presentation(own, challenge="u14", holder=None)
    assert _errors(verify_presentation(desk, unnamed, challenge="u14")) == ["vp_holder_missing"]


def test_a_credential_about_somebody_else_is_said(desk: World) -> None:
    """The standard allows to show it, so it verifies, and the answer says that its subject is not the holder."""
    shown = HOLDER.presentation(ISSUER.credential("did:example:abc"), challenge="u8", domain=DOMAIN)
    answer = verify_presentation(desk, shown, challenge="u8", domain=DOMAIN)
    assert (answer.status, answer.json["warnings"]) == (200, ["subject_not_holder"])


@pytest.mark.parametrize(("subject", "warnings"), [("did:example:abc", ["subject_not_holder"]), (HOLDER.did, [])])
def test_naming_no_holder_hides_no_stranger(desk: World, subject: str, warnings: list[str]) -> None:
    """Where nobody is named, whoever signed presents: a credential about somebody else is said as well."""
    shown = HOLDER.presentation(ISSUER.credential(subject), challenge="u15", domain=DOMAIN, holder=None)
    answer = verify_presentation(desk, shown, challenge="u15", domain=DOMAIN)
    assert (answer.status, answer.json["warnings"]) == (200, warnings)


def test_a_credential_that_was_revoked(desk: World) -> None:
    """What was revoked a moment ago does not verify in a presentation either."""
    issued = issue(desk, "status", subject=HOLDER.did, id="urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000011")
    shown = HOLDER.presentation(issued, challenge="u9")
    assert _errors(verify_presentation(desk, shown, challenge="u9")) == []
    entry = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    body = {"credentialId": issued["id"], "credentialStatus": entry, "status": True}
    assert desk.web.post("/credentials/status", body, headers=OPERATOR).status == 200
    assert _errors(verify_presentation(desk, shown, challenge="u9")) == ["credential_revoked"]


def test_too_many_credentials(desk: World) -> None:
    """More credentials than are looked at are refused before any of them is."""
    many = [ISSUER.credential(HOLDER.did)] * (PRESENTED_CREDENTIALS + 1)
    shown = HOLDER.presentation(*many, challenge="u10")
    assert _errors(verify_presentation(desk, shown, challenge="u10")) == ["vc_entry_limit"]
    assert _errors(verify_presentation(desk, HOLDER.presentation(*many[1:], challenge="u10"), challenge="u10")) == []


def test_a_credential_is_no_presentation(desk: World) -> None:
    """Neither stands for the other."""
    assert _errors(verify_presentation(desk, ISSUER.credential(), challenge="u11"))
    answer = desk.web.post("/credentials/verify", {"verifiableCredential": HOLDER.presentation(challenge="u11")})
    assert answer.status == 400


def test_a_stranger_learns_types_only(desk: World) -> None:
    """Which step failed is not told to unknown callers."""
    shown = HOLDER.presentation(ISSUER.credential(HOLDER.did), challenge="u12", domain=DOMAIN)
    answer = verify_presentation(desk, shown, known=False, challenge="u13", domain=DOMAIN, returnResults=True)
    told = answer.json
    assert set(told) == {"verified", "checks", "warnings", "errors", "problemDetails"}
    assert told["checks"] == []
    assert [set(one) for one in told["problemDetails"]] == [{"type", "title"}]


def test_challenges_are_bounded_for_each_source(tmp_path: Path) -> None:
    """One source cannot take all challenges; those of registration are counted apart."""
    with open_world(tmp_path) as world:
        for _ in range(OUTSTANDING_CHALLENGES_PER_SOURCE):
            assert world.web.post("/challenges").status == 200
        refused = world.web.post("/challenges")
        assert (refused.status, refused.code) == (429, "challenges_exhausted")
        assert world.web.post("/challenges", client=("192.0.2.7", 5)).status == 200
        assert world.web.post("/v1/challenges").status in (200, 201)


def test_nothing_of_a_presentation_is_remembered(desk: World) -> None:
    """An agent that presents here gains nothing: neither log nor state changes."""
    before = desk.fingerprint()
    operator = desk.operator
    shown = HOLDER.presentation(ISSUER.credential(operator.did), challenge=new_challenge(desk))
    assert verify_presentation(desk, shown).status == 200
    assert desk.fingerprint() == before


def test_a_presentation_in_an_envelope(desk: World) -> None:
    """A vp+jwt answers a challenge once, for its domain, and its credentials are judged each alone."""
    inner = envelope(sign_vc_jwt(credential(ISSUER.did, HOLDER.did), signer=ISSUER.signer, algorithm="EdDSA"), "vc")
    document = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "holder": HOLDER.did,
        "verifiableCredential": [inner],
    }
    challenge = new_challenge(desk)
    token = sign_vp_jwt(
        document, signer=HOLDER.signer, algorithm="EdDSA", challenge=challenge, domain=DOMAIN, issued_ms=START_MS
    )
    assert _errors(verify_presentation(desk, token, challenge="other", domain=DOMAIN)) == ["challenge_mismatch"]
    assert _errors(verify_presentation(desk, token, domain="other.example")) == ["domain_mismatch"]
    assert _errors(verify_presentation(desk, token, domain=DOMAIN)) == []
    assert _errors(verify_presentation(desk, envelope(token, "vp"), domain=DOMAIN)) == ["challenge_unknown"]
    alone = {"content-type": "application/vp+jwt"}
    assert desk.web.post("/presentations/verify", token.encode(), headers=alone).status == 400
    assert verify(desk, token).status == 400
