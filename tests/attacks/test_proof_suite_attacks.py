"""Attacks on proofs of any of the four suites: whose key, which spelling, which terms, which time."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base58_encode, multibase_decode
from did_methods.document import parse_did_document
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL, DATA_INTEGRITY_V2_URL, EXAMPLES_V2_URL
from registry.credentials.key_lookup import BoundKey, DocumentKeyLookup, KeyLookup, SelfCertifyingLookup
from registry.credentials.proof_set import VerifiedProof, add_proof, parse_proof_set, verify_proof_set
from tests.support.json_ld import LocalJsonLd

Json = dict[str, Any]
LOCAL = LocalJsonLd()
NOW_MS = 1_795_000_000_000
SIGNERS = {
    "ed25519": key_signer(SigningKey(bytes(range(32)))),
    "p256": key_signer(EcSigningKey("p256", bytes(range(1, 33)))),
    "p384": key_signer(EcSigningKey("p384", bytes(range(1, 49)))),
}
PAIRS = [
    ("eddsa-jcs-2022", "ed25519"),
    ("eddsa-rdfc-2022", "ed25519"),
    ("ecdsa-jcs-2019", "p256"),
    ("ecdsa-jcs-2019", "p384"),
    ("ecdsa-rdfc-2019", "p256"),
    ("ecdsa-rdfc-2019", "p384"),
]
each_suite = pytest.mark.parametrize(("suite", "kind"), PAIRS)
RDF = ["eddsa-rdfc-2022", "ecdsa-rdfc-2019"]
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def credential(**members: Any) -> Json:
    """Return something to sign, sound under the context of credentials alone."""
    return {
        "@context": [CREDENTIALS_V2_URL],
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "name": "Alumni credential",
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "name": "A subject"},
        **members,
    }


def signed(suite: str, by: KeySigner, to: Json | None = None, **options: Any) -> Json:
    """Return a credential with one more proof."""
    options = {"created_ms": NOW_MS, "json_ld": LOCAL} | options
    return add_proof(to or credential(), cryptosuite=suite, signer=by, **options)


def verify(document: Json, **options: Any) -> tuple[VerifiedProof, ...]:
    """Verify all proofs of a document."""
    options = {
        "keys": SelfCertifyingLookup(), "purpose": "assertionMethod", "now_ms": NOW_MS, "json_ld": LOCAL,
    } | options  # fmt: skip
    return verify_proof_set(document, parse_proof_set(document), **options)


def code(document: Json, **options: Any) -> str:
    """Return the code with which a document is refused."""
    with pytest.raises(BonafidesError) as refusal:
        verify(document, **options)
    return refusal.value.code


def with_proof(document: Json, **members: Any) -> Json:
    """Return a copy with other members in its proof."""
    return {**document, "proof": {**document["proof"], **members}}


def some_kind(suite: str) -> str:
    """Return a kind of key that makes proofs of a suite."""
    return "ed25519" if suite.startswith("eddsa") else "p256"


# --- whose key --------------------------------------------------------------------------------------------------------


def lookup(key: KeySigner, *, controller: str = "did:web:a.example", purpose: str = "assertionMethod") -> KeyLookup:
    """Return a lookup with one document, which lists a key."""
    method = {
        "id": "did:web:a.example#k",
        "type": "Multikey",
        "controller": controller,
        "publicKeyMultibase": key.public_key.multikey,
    }
    document = {"id": "did:web:a.example", "verificationMethod": [method], purpose: [method["id"]]}
    return DocumentKeyLookup({"did:web:a.example": parse_did_document(document)})


@each_suite
def test_a_key_counts_for_its_purpose_in_its_own_document(suite: str, kind: str) -> None:
    """Purpose of the proof, relationship in the document and controller of the method must all agree."""
    key = SIGNERS[kind]
    here = KeySigner(key.signing_key, "did:web:a.example#k")
    document = signed(suite, here)
    assert verify(document, keys=lookup(key))
    assert code(document, keys=lookup(key), purpose="authentication") == "proof_purpose_mismatch"
    assert code(document, keys=lookup(key, purpose="authentication")) == "verification_method_purpose"
    assert code(document, keys=lookup(key, controller="did:web:b.example")) == "verification_method_controller"
    assert code(with_proof(document, verificationMethod="did:web:a.example#j"), keys=lookup(key)) == (
        "verification_method_not_found"
    )
    assert code(with_proof(document, verificationMethod="did:web:b.example#k"), keys=lookup(key)) == "key_not_found"
    login = signed(suite, here, proof_purpose="authentication")
    assert code(login, keys=lookup(key, purpose="authentication")) == "proof_purpose_mismatch"


@each_suite
def test_a_lookup_that_answers_with_another_key_is_not_believed(suite: str, kind: str) -> None:
    """The key must be of the method and the controller that the proof names, even where its signature fits."""

    class Lying:
        def __init__(self, controller: str, method: str) -> None:
            self.answer = BoundKey(controller, SIGNERS[kind].public_key, method)

        def find_key(self, _verification_method: str, _purpose: str) -> BoundKey:
            return self.answer

    document = signed(suite, SIGNERS[kind])
    method = SIGNERS[kind].verification_method
    did = method.partition("#")[0]
    assert verify(document, keys=Lying(did, method))
    assert code(document, keys=Lying("did:web:evil.example", method)) == "issuer_key_mismatch"
    assert code(document, keys=Lying(did, f"{did}#other")) == "issuer_key_mismatch"


# --- which spelling ---------------------------------------------------------------------------------------------------

BAD_KEYS = {
    "identity": (b"\xed\x01\x01" + bytes(31), "key_small_order"),
    "order two": (b"\xed\x01" + (2**255 - 20).to_bytes(32, "little"), "key_small_order"),
    "identity, second encoding": (b"\xed\x01" + (2**255 - 18).to_bytes(32, "little"), "key_not_canonical"),
    "not on the curve": (b"\xed\x01\x02" + bytes(31), "key_invalid_point"),
    "a byte short": (b"\xed\x01" + bytes(31), "key_length"),
    "padded varint": (b"\xed\x81\x00" + SIGNERS["ed25519"].public_key.raw, "varint_not_minimal"),
    "P-256 not on the curve": (b"\x80\x24\x02" + bytes(31) + b"\x01", "key_invalid_point"),
    "P-256 beyond the field": (b"\x80\x24\x02" + b"\xff" * 32, "key_invalid_point"),
    "P-256 uncompressed": (b"\x80\x24\x04" + bytes(64), "key_length"),
    "P-256 with a third sign": (b"\x80\x24\x04" + SIGNERS["p256"].public_key.raw[1:], "key_invalid_point"),
    "P-256 at infinity": (b"\x80\x24" + bytes(33), "key_invalid_point"),
    "P-384 not on the curve": (b"\x81\x24\x02" + b"\xff" * 48, "key_invalid_point"),
    "P-256 named P-384": (b"\x81\x24" + SIGNERS["p256"].public_key.raw, "key_length"),
    "a key to agree on secrets": (b"\xec\x01" + SIGNERS["ed25519"].public_key.raw, "verification_method_purpose"),
    "secp256k1": (b"\xe7\x01" + EcSigningKey("p256", b"\x01" * 32).public_key.raw, "key_invalid_point"),
}


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", *RDF, "ecdsa-jcs-2019"])
@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_keys_are_refused_whatever_they_would_verify(name: str, suite: str) -> None:
    """With the identity as key one signature fits everything; such keys, and every second spelling of one, are none."""
    encoded, expected = BAD_KEYS[name]
    multikey = "z" + base58_encode(encoded)
    document = signed(suite, SIGNERS[some_kind(suite)])
    value = "z" + base58_encode(b"\x01" + bytes(63))  # with the identity as key: R is the identity, S is zero
    forged = with_proof(document, verificationMethod=f"did:key:{multikey}#{multikey}", proofValue=value)
    assert code(forged) == expected


@each_suite
def test_a_method_has_one_spelling(suite: str, kind: str) -> None:
    """Blanks, another fragment, a path, a query or an escaped letter in the name of a key are refused."""
    document, method = signed(suite, SIGNERS[kind]), SIGNERS[kind].verification_method
    did, _, fragment = method.partition("#")
    other = SIGNERS["p256" if kind != "p256" else "ed25519"].verification_method.partition("#")[2]
    for bad in (method + "\n", " " + method, did, "#" + fragment, f"{did}?a=b#{fragment}", f"{did}/p#{fragment}",
                f"{did}#{other}", f"{did}#{fragment}#", f"{did}#%7A{fragment[1:]}", "did:key:z#z", "https://a.example#k",
                method.replace("did:key", "DID:key"), fragment, ""):  # fmt: skip
        assert code(with_proof(document, verificationMethod=bad)) in {
            "proof_malformed", "did_key_fragment", "base58_invalid", "varint_invalid", "invalid_did",
        }, bad  # fmt: skip


@each_suite
def test_a_proof_value_has_one_spelling(suite: str, kind: str) -> None:
    """Other bases, lengths and blanks are refused by form; what is left over or added is never skipped."""
    document = signed(suite, SIGNERS[kind])
    value: str = document["proof"]["proofValue"]
    raw = multibase_decode(value, max_chars=140)
    spellings = [value[1:], "m" + value[1:], "u" + value[1:], value + "\n", value + " ", " " + value, "z1" + value[1:],
                 value + "1", "z", "", "z" + base58_encode(raw[:-1]), "z" + base58_encode(raw + b"\x00"),
                 value.replace(value[5], "0", 1), "z" * 200_000]  # fmt: skip
    for bad in spellings:
        assert code(with_proof(document, proofValue=bad)) in {"proof_value_malformed", "proof_malformed"}, bad[:90]


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
def test_a_second_s_of_ed25519_is_refused(suite: str) -> None:
    """S plus the order of the group is the same number to a careless verifier, and another signature to anybody else."""
    document = signed(suite, SIGNERS["ed25519"])
    raw = multibase_decode(document["proof"]["proofValue"])
    larger = int.from_bytes(raw[32:], "little") + ED25519_ORDER
    malleated = "z" + base58_encode(raw[:32] + larger.to_bytes(32, "little"))
    assert code(with_proof(document, proofValue=malleated)) == "proof_invalid"


# --- which terms ------------------------------------------------------------------------------------------------------

CONTEXTS: dict[str, tuple[Any, str]] = {
    "never fetched": ([CREDENTIALS_V2_URL, "https://evil.example/v1"], "json_ld_context_unknown"),
    "a local file": ([CREDENTIALS_V2_URL, "file:///etc/passwd"], "json_ld_context_unknown"),
    "unmapped": ([CREDENTIALS_V2_URL, {"name": None}], "json_ld_term_protected"),
    "remapped": ([CREDENTIALS_V2_URL, {"name": "urn:x:other"}], "json_ld_term_protected"),
    "replaced": ([EXAMPLES_V2_URL], "json_ld_member_disguised"),  # they are no members of the data model any more
    "emptied": ([], "json_ld_term_undefined"),
    "nulled": ([CREDENTIALS_V2_URL, None], "json_ld_term_protected"),
    "a number": (7, "json_ld_context_invalid"),
}


@pytest.mark.parametrize("suite", RDF)
@pytest.mark.parametrize("name", CONTEXTS)
def test_the_meaning_of_terms_cannot_be_changed(name: str, suite: str) -> None:
    """A context that gives the signed words another meaning, or that nobody bundles, is refused; nothing is fetched."""
    document = signed(suite, SIGNERS[some_kind(suite)])
    context, expected = CONTEXTS[name]
    assert code({**document, "@context": context}) == expected


@pytest.mark.parametrize("suite", RDF)
def test_a_context_that_changes_no_statement_changes_nothing(suite: str) -> None:
    """Statements are signed, not their terms: where a type brings its own `issuer`, an outer one has no effect."""
    document = signed(suite, SIGNERS[some_kind(suite)])
    for unused in ({"issuer": None}, {"unused": "urn:x:unused"}, EXAMPLES_V2_URL):
        assert verify({**document, "@context": [CREDENTIALS_V2_URL, unused]})
    renamed = {**document, "@context": [CREDENTIALS_V2_URL, {"alias": "https://schema.org/name"}]}
    renamed["credentialSubject"] = {"id": document["credentialSubject"]["id"], "alias": "A subject"}
    assert verify(renamed)
    renamed["credentialSubject"]["alias"] = "Another subject"
    assert code(renamed) == "proof_invalid"


@pytest.mark.parametrize("suite", RDF)
def test_nested_contexts_and_unknown_words_are_refused(suite: str) -> None:
    """A context inside the document does not redefine its words, and a word without meaning is not left unsigned."""
    document = signed(suite, SIGNERS[some_kind(suite)])
    subject = document["credentialSubject"]
    nested = {**subject, "@context": {"name": "urn:x:other"}}
    assert code({**document, "credentialSubject": nested}) == "json_ld_term_protected"
    assert code({**document, "credentialSubject": {**subject, "role": "admin"}}) == "json_ld_term_undefined"
    assert code({**document, "role": "admin"}) == "json_ld_term_undefined"
    assert code(with_proof(document, role="admin")) == "json_ld_term_undefined"
    for context in (document["@context"][0], [*document["@context"], EXAMPLES_V2_URL]):
        assert code(with_proof(document, **{"@context": context})) == "proof_context_mismatch"


@pytest.mark.parametrize("suite", RDF)
def test_what_has_no_context_says_nothing(suite: str) -> None:
    """A document without @context has no statements to sign, so it is neither signed nor verified."""
    bare = {name: value for name, value in credential().items() if name != "@context"}
    with pytest.raises(BonafidesError) as refusal:
        signed(suite, SIGNERS[some_kind(suite)], bare)
    assert refusal.value.code == "json_ld_term_undefined"


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "ecdsa-jcs-2019"])
def test_contexts_are_signed_as_they_stand(suite: str) -> None:
    """Appended, reordered, shortened or respelled contexts are refused, in the document and in the proof alike."""
    two = credential(**{"@context": [CREDENTIALS_V2_URL, DATA_INTEGRITY_V2_URL]})
    document = signed(suite, SIGNERS[some_kind(suite)], two)
    first, second = two["@context"]
    for context in (
        [first],
        [second, first],
        [first, second, EXAMPLES_V2_URL],
        [first, second, {"x": "urn:x"}],
        first,
        None,
    ):
        assert code({**document, "@context": context}) == "proof_context_mismatch"
        assert code(with_proof(document, **{"@context": context})) == "proof_context_mismatch"
        both = with_proof({**document, "@context": context}, **{"@context": context})
        assert code(both) == "proof_invalid"


# --- which time -------------------------------------------------------------------------------------------------------


@each_suite
def test_times_of_a_proof_are_judged(suite: str, kind: str) -> None:
    """Made in the future or at its end, a proof is refused; where no instant is given neither is looked at."""
    hour = 3_600_000
    future = signed(suite, SIGNERS[kind], created_ms=NOW_MS + hour)
    ended = signed(suite, SIGNERS[kind], expires_ms=NOW_MS)
    assert code(future) == "created_in_future"
    assert code(ended) == "proof_expired"
    assert verify(future, now_ms=None)
    assert verify(ended, now_ms=None)
    assert verify(ended, now_ms=NOW_MS - 1)


TIMES = ["2026-11-18T12:00:00", "2026-11-18", "2026-11-18T12:00:60Z", "2026-11-18T24:00:00Z", "2026-11-18t12:00:00z",
         "2026-11-18T12:00:00+0100", "2026-13-18T12:00:00Z", "2026-11-18T12:00:00Z ", "+2026-11-18T12:00:00Z", "", 7, [], {}]  # fmt: skip


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("member", ["created", "expires"])
@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", *RDF, "ecdsa-jcs-2019"])
def test_times_without_a_zone_or_form_are_refused(suite: str, member: str, time: Any) -> None:
    """A time that two readers could read differently is none."""
    document = signed(suite, SIGNERS[some_kind(suite)])
    assert code(with_proof(document, **{member: time})) == "proof_malformed"


# --- anything ---------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def _holders(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ([value] if isinstance(value, dict | list) and value else []) + [
        one for each in inside for one in _holders(each)
    ]


@each_suite
@given(data=st.data())
def test_any_one_changed_member_is_refused(suite: str, kind: str, data: st.DataObject) -> None:
    """Whatever member or item of document and proof is given whatever other value, the document is refused."""
    document = copy.deepcopy(SIGNED[suite, kind])
    holder = data.draw(st.sampled_from(_holders(document)))
    place = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    value = data.draw(JSON.filter(lambda drawn: drawn != holder[place]))
    holder[place] = value
    with pytest.raises(BonafidesError):
        verify(document)


SIGNED = {(suite, kind): signed(suite, SIGNERS[kind]) for suite, kind in PAIRS}
