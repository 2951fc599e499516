"""What somebody hostile sends as a credential: borrowed keys, remapped members, replays, false dates.

The sender may own genuine keys: most attacks below carry good signatures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base58_encode, parse_json_object
from did_methods.data_integrity import sign_document
from did_methods.document import parse_did_document
from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner
from did_methods.timestamp import format_timestamp
from registry.credentials.commitments import make_disclosure, verify_openings
from registry.credentials.key_lookup import BoundKey
from registry.credentials.model import parse_credential
from registry.credentials.verify import DocumentKeyLookup, VerifiedCredential, verify_credential
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    DIGESTS,
    HOUR_MS,
    KEYS,
    MALLORY,
    MALLORY_DID,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    OWNER,
    PEER,
    PEER_DID,
    REGISTRY,
    REGISTRY_DID,
    REGISTRY_LOGIN,
    VALID,
    capability,
    changed,
    digest_text,
    owned_passport,
    passport,
    report,
    resigned,
    seeded,
    vouch,
)


def _admit(document: dict[str, Any], **changes: Any) -> VerifiedCredential:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "origin": ORIGIN}
    return verify_credential(parse_credential(document), **{**arguments, **changes})


def _refusal(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _admit(document, **changes)
    return caught.value.code


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


# ---------------------------------------------------------------- whose key


def test_a_key_for_login_cannot_speak() -> None:
    """The registry's authentication key signs a quarantine; its DID document does not list it for assertions."""
    assert _refusal(resigned(VALID["quarantine"][1](), REGISTRY_LOGIN)) == "verification_method_purpose"


def test_proofs_for_other_purposes_do_not_count() -> None:
    """A genuine proof made for delegation or authentication is no assertion, whoever's key made it."""
    for purpose in ("authentication", "capabilityDelegation", "keyAgreement", "assertionmethod", ""):
        document = sign_document(_bare(vouch()), signer=AGENT, created=NOW_MS, domain=ORIGIN, proof_purpose=purpose)
        assert _refusal(document) == "proof_purpose_invalid"


def test_the_method_of_another_did_is_refused() -> None:
    """A method below the victim's DID is needed: the attacker's own, genuine one is not looked up."""
    assert _refusal(resigned(vouch(), MALLORY)) == "issuer_key_mismatch"


def test_a_document_that_lists_a_foreign_key_is_refused() -> None:
    """An attacker's DID document that claims the victim as controller of a key of its own gives it no voice."""
    method = {
        "id": f"{REGISTRY_DID}#assertion",
        "type": "Multikey",
        "controller": PEER_DID,
        "publicKeyMultibase": MALLORY.signing_key.public_key.multikey,
    }
    hostile = parse_did_document(
        {"id": REGISTRY_DID, "verificationMethod": [method], "assertionMethod": [method["id"]]}
    )
    keys = DocumentKeyLookup({REGISTRY_DID: hostile})
    document = resigned(VALID["quarantine"][1](), KeySigner(seeded(5), method["id"]))
    assert _refusal(document, keys=keys) == "verification_method_controller"


def test_a_lookup_that_answers_with_another_key_is_not_believed() -> None:
    """Even if a lookup returns a key of another controller or of another name, the credential is refused."""

    class Careless:
        def __init__(self, controller: str, method_id: str) -> None:
            self.key = BoundKey(controller, MALLORY.signing_key.public_key, method_id)

        def find_key(self, verification_method: str, purpose: str) -> BoundKey:
            return self.key

    forged = resigned(vouch(), KeySigner(seeded(5), AGENT.verification_method))
    assert _refusal(forged) == "proof_invalid"
    assert _refusal(forged, keys=Careless(MALLORY_DID, AGENT.verification_method)) == "issuer_key_mismatch"
    assert _refusal(forged, keys=Careless(AGENT_DID, MALLORY.verification_method)) == "issuer_key_mismatch"


@pytest.mark.parametrize(
    "method",
    [
        AGENT.verification_method + "\n",
        AGENT.verification_method + " ",
        AGENT_DID,
        AGENT_DID + "#",
        AGENT_DID + "?versionId=1#" + AGENT_DID.removeprefix("did:key:"),
        AGENT_DID + "/path#" + AGENT_DID.removeprefix("did:key:"),
        AGENT_DID + "#" + PEER_DID.removeprefix("did:key:"),
        AGENT_DID.upper() + "#x",
        "#" + AGENT_DID.removeprefix("did:key:"),
    ],
)
def test_there_is_one_spelling_of_a_method(method: str) -> None:
    """No second spelling of the signer's method is taken, although the signature under it is genuine."""
    document = resigned(vouch(), KeySigner(seeded(1), method))
    assert _refusal(document) in {"proof_member_invalid", "did_key_fragment"}


def test_the_identity_point_is_no_key() -> None:
    """Under the neutral element one signature fits every message, so a did:key of it signs nothing."""
    identity = "z" + base58_encode(b"\xed\x01" + b"\x01" + bytes(31))
    did = f"did:key:{identity}"
    forged = resigned(changed(vouch(), "issuer", value=did), KeySigner(seeded(5), f"{did}#{identity}"))
    neutral = "z" + base58_encode(b"\x01" + bytes(63))
    assert _refusal(changed(forged, "proof", "proofValue", value=neutral)) == "key_small_order"


def test_keys_of_other_curves_do_not_sign() -> None:
    """A P-256 did:key is a DID, but no signer in this suite."""
    p256 = "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
    did = f"did:key:{p256}"
    document = resigned(changed(vouch(), "issuer", value=did), KeySigner(seeded(5), f"{did}#{p256}"))
    assert _refusal(document) == "proof_key_kind"


def test_registry_kinds_need_the_right_form_of_issuer() -> None:
    """Anybody can sign a genesis or a revocation of agents, but only as a did:key; whose it must be, the log says."""
    for name in ("genesis", "root_list", "agent_revocation"):
        document = resigned(changed(VALID[name][1](), "issuer", value=REGISTRY_DID), REGISTRY)
        assert _refusal(document) == "issuer_invalid"


def test_an_owner_cannot_be_invented() -> None:
    """An agent that names an owner who did not sign, or who signs twice itself, has no passport."""
    half = passport(owner=PEER_DID)
    forged = sign_document(half, signer=MALLORY, created=NOW_MS, append=True)
    assert _refusal(forged) == "proof_signers_invalid"
    twice = sign_document(half, signer=AGENT, created=NOW_MS, append=True)
    assert _refusal(twice) == "proof_signers_invalid"
    borrowed = sign_document(half, signer=KeySigner(seeded(5), PEER.verification_method), created=NOW_MS, append=True)
    assert _refusal(borrowed) == "proof_invalid"


def test_an_owners_proof_is_for_one_passport() -> None:
    """The owner's genuine proof from one passport does not fit another."""
    other = owned_passport(purpose="trading")
    mixed = changed(other, "proof", 1, value=owned_passport()["proof"][1])
    assert _refusal(mixed) == "proof_invalid"


# ---------------------------------------------------------------- context, members, numbers


@pytest.mark.parametrize(
    "context",
    [
        [],
        None,
        "https://www.w3.org/ns/credentials/v2",
        ["https://w3id.org/bonafides/v1", "https://www.w3.org/ns/credentials/v2"],
        ["https://www.w3.org/ns/credentials/v2"],
        ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1/"],
        ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1", "https://evil.example/v1"],
        ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1", {"@vocab": "https://evil.example/"}],
        ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/bonafides/v1"],
        [["https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1"]],
        {"@vocab": "https://evil.example/"},
    ],
)
def test_only_the_pinned_context_is_taken(context: object) -> None:
    """Signed with any other context, the members could mean something else; it is refused and never fetched."""
    assert _refusal(resigned(changed(vouch(), "@context", value=context), AGENT)) == "context_not_pinned"


@pytest.mark.parametrize("path", [("credentialSubject",), ("proof",)])
def test_nested_contexts_are_refused(path: tuple[str, ...]) -> None:
    """A context further in could remap a single member."""
    document = changed(vouch(), *path, "@context", value={"strength": "https://evil.example/#weakness"})
    code = _refusal(resigned(document, AGENT) if path == ("credentialSubject",) else document)
    assert code in {"subject_member_unknown", "context_not_pinned"}


@pytest.mark.parametrize("strength", [0, 101, -1, True, False, 1.0, 1.5, "5", None, [5], {"@value": 5}, 2**53 - 1])
@pytest.mark.parametrize(("build", "member"), [(vouch, "strength"), (report, "severity")])
def test_the_scale_cannot_be_left(build: Callable[[], dict[str, Any]], member: str, strength: object) -> None:
    """Strength and severity are integers from 1 to 100 and nothing that merely looks like one."""
    document = resigned(changed(build(), "credentialSubject", member, value=strength), AGENT)
    assert _refusal(document) == "subject_member_invalid"


def test_numbers_on_the_wire_have_one_spelling() -> None:
    """`80.0`, `8e1` and `080` are not 80, although the canonical form takes the first two for it."""
    for spelling in ("80.0", "8e1", "800e-1"):
        text = _text(vouch()).replace('"strength":80', f'"strength":{spelling}')
        assert _refusal(parse_json_object(text.encode())) == "subject_member_invalid"
    with pytest.raises(BonafidesError, match="syntax"):
        parse_json_object(_text(vouch()).replace('"strength":80', '"strength":080').encode())


def test_duplicate_members_are_refused_before_anything_is_read() -> None:
    """Two strengths, two subjects or two proofs have two readings, so there is none."""
    text = _text(vouch())
    for member in ('"strength":80', '"issuer":"' + AGENT_DID + '"', '"proofPurpose":"assertionMethod"'):
        with pytest.raises(BonafidesError) as caught:
            parse_json_object(text.replace(member, f"{member},{member}").encode())
        assert caught.value.code == "json_duplicate_key"


def _text(document: dict[str, Any]) -> str:
    return canonicalize(document).decode()


@pytest.mark.parametrize(
    "context",
    ["", "A", "a b", "a_b", "x" * 41, "pay\u006dents\u0301", "payments\n", "наем", None, ["payments"]],
)
def test_contexts_are_slugs(context: object) -> None:
    """No capital, space, look-alike letter or overlong name makes a second context of one."""
    document = resigned(changed(vouch(), "credentialSubject", "context", value=context), AGENT)
    assert _refusal(document) == "subject_member_invalid"


def test_nobody_vouches_for_or_reports_itself() -> None:
    """Self-praise is refused, and so is a report on oneself that would shield from a worse one."""
    for build, code in ((vouch, "self_vouch"), (report, "self_report")):
        document = resigned(changed(build(), "credentialSubject", "id", value=AGENT_DID), AGENT)
        assert _refusal(document) == code


def test_a_second_subject_is_refused() -> None:
    """One statement about two agents would count twice."""
    subject = vouch()["credentialSubject"]
    assert (
        _refusal(resigned(changed(vouch(), "credentialSubject", value=[subject, subject]), AGENT)) == "subject_invalid"
    )


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:",
        "DID:key:z6Mk",
        "did:key:z6Mk\n",
        "did:key:z6Mk#x",
        "did:key:z6Mk/x",
        "did:x:%zz",
        "did:x:" + "a" * 600,
    ],
)
def test_subjects_are_dids(did: str) -> None:
    """The subject is one DID by syntax: no fragment, path, line break or broken escape."""
    document = resigned(changed(vouch(), "credentialSubject", "id", value=did), AGENT)
    assert _refusal(document) == "subject_member_invalid"


def test_endless_dids_are_refused_at_once() -> None:
    """A DID made to be slow for a careless pattern is refused by its length first."""
    for did in ("did:x:" + ":" * 500 + "!", "did:x:" + "%41" * 160 + "!", "did:x:" + "a:" * 200_000):
        assert (
            _refusal(resigned(changed(vouch(), "credentialSubject", "id", value=did), AGENT))
            == "subject_member_invalid"
        )


def test_commitments_have_one_order() -> None:
    """Unsorted, repeated, too many or malformed digests are refused: they could carry a hidden message."""
    many = [f"{number:02d}" + digest_text(0)[2:] for number in range(65)]
    for digests, code in (
        (sorted([digest_text(0), digest_text(1)], reverse=True), "commitments_unsorted"),
        ([digest_text(0), digest_text(0)], "subject_member_invalid"),
        ([], "subject_member_invalid"),
        (many, "subject_member_invalid"),
        ([digest_text(0) + "="], "subject_member_invalid"),
        (["hello, this is free text of 43 characters!!"], "subject_member_invalid"),
    ):
        document = resigned(changed(vouch(), "credentialSubject", "commitments", value=digests), AGENT)
        assert _refusal(document) == code


def test_an_opening_cannot_be_swapped() -> None:
    """Another value, salt or name under a commitment is refused, and so is the digest itself as an opening."""
    made = make_disclosure("invoice", "A-17", salt=DIGESTS[0])
    subject = {"commitments": [made.digest]}
    for other in (
        make_disclosure("invoice", "A-18", salt=DIGESTS[0]),
        make_disclosure("invoice", "A-17", salt=DIGESTS[1]),
        make_disclosure("Invoice", "A-17", salt=DIGESTS[0]),
    ):
        with pytest.raises(BonafidesError) as caught:
            verify_openings(subject, [other.text])
        assert caught.value.code == "commitment_not_found"
    with pytest.raises(BonafidesError):
        verify_openings(subject, [made.digest])


# ---------------------------------------------------------------- replay and time


def test_statements_are_not_replayed_between_registries() -> None:
    """A vouch made for one registry is worth nothing in another, and none can be made for both at once."""
    assert _refusal(vouch(domain=OTHER_ORIGIN)) == "domain_mismatch"
    assert _refusal(resigned(vouch(), AGENT, domain=[ORIGIN, OTHER_ORIGIN])) == "domain_not_single"
    assert _refusal(resigned(vouch(), AGENT, domain=None)) == "domain_missing"
    for almost in (ORIGIN.upper(), ORIGIN + "/", "https://" + ORIGIN):
        assert _refusal(vouch(domain=almost)) == "domain_mismatch"


def test_operator_statements_are_not_replayed_between_registries() -> None:
    """One operator key may run two registries: its revocation of an agent in one does not reach the other."""
    operator, build = VALID["agent_revocation"]
    assert _refusal(resigned(build(), operator, domain=OTHER_ORIGIN)) == "domain_mismatch"


def test_old_statements_cannot_be_stored_up() -> None:
    """A statement signed with a key that was stolen later, or hoarded, is too old after ten minutes."""
    assert _refusal(vouch(now_ms=NOW_MS - HOUR_MS)) == "created_too_old"
    assert _refusal(vouch(now_ms=NOW_MS + HOUR_MS)) == "created_in_future"


def test_statements_cannot_be_dated_ahead_of_their_proof() -> None:
    """`validFrom` after `created` would make a statement whose time is not that of its signature."""
    ahead = changed(vouch(), "validFrom", value=format_timestamp(NOW_MS + 1))
    assert _refusal(resigned(ahead, AGENT)) == "valid_from_after_created"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:00:00",
        "2026-11-20T09:00:00z",
        "2026-11-20t09:00:00Z",
        "2026-11-20 09:00:00Z",
        "2026-11-20T09:00Z",
        "2026-11-20",
        "20261120T090000Z",
        "2026-11-20T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-11-31T09:00:00Z",
        "2026-11-20T09:00:00+15:00",
        "2026-11-20T09:00:00Z\n",
        "+2026-11-20T09:00:00Z",
        "٢٠٢٦-11-20T09:00:00Z",
        "1795165200",
        1795165200,
        None,
    ],
)
def test_times_have_one_form_and_a_zone(text: object) -> None:
    """A time without zone, in another form, or that never was, is refused wherever it stands."""
    assert _refusal(resigned(changed(vouch(), "validFrom", value=text), AGENT)) == "valid_from_invalid"
    assert _refusal(changed(vouch(), "proof", "created", value=text)) in {"proof_created_invalid", "proof_malformed"}
    assert _refusal(resigned(changed(capability(), "validUntil", value=text), OWNER)) == "valid_until_invalid"


def test_portable_credentials_from_the_future_are_refused() -> None:
    """A passport cannot be dated ahead, to the millisecond."""
    assert _refusal(passport(now_ms=NOW_MS + 1)) == "created_in_future"
    later = changed(passport(), "validFrom", value=format_timestamp(NOW_MS + 1))
    assert _refusal(resigned(later, AGENT)) == "credential_not_yet_valid"


def test_ended_credentials_are_refused() -> None:
    """`validUntil` and `expires` are honoured to the millisecond, and a vouch can have neither."""
    assert _refusal(capability(valid_until_ms=NOW_MS + 1), now_ms=NOW_MS + 1) == "credential_expired"
    assert _refusal(resigned(capability(), OWNER, expires=NOW_MS)) == "proof_expired"
    for build in (vouch, report):
        assert _refusal(resigned(build(), AGENT, expires=NOW_MS + HOUR_MS)) == "proof_expires_forbidden"
