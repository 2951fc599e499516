"""Laws of foreign documents: whatever the library writes, no key appears that the DID itself is not."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base58_encode
from did_methods.did import parse_did
from did_methods.document import parse_did_document
from did_methods.errors import DidError
from did_methods.foreign import ForeignMethod, normalize_foreign_document
from did_methods.foreign_ids import parse_foreign_id
from did_methods.json_web_key import public_jwk
from did_methods.keys import SigningKey
from did_methods.method import ResolutionOptions

KEYS = [SigningKey(bytes([number]) * 32).public_key for number in range(3)]
DID = f"did:pkh:sol:{base58_encode(KEYS[0].raw)}"
ACCOUNT = f"solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:{base58_encode(KEYS[0].raw)}"
IDENTIFIER = parse_foreign_id(parse_did(DID))
SIGNING = ["authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation", "keyAgreement"]

_TYPES = st.sampled_from(
    ["Multikey", "JsonWebKey2020", "Ed25519VerificationKey2018", "SolanaMethod2021", "EcdsaSecp256k1RecoveryMethod2020"]
)
_KEYS = st.sampled_from(KEYS)
_IDS = st.sampled_from([f"{DID}#a", f"{DID}#b", f"{DID}#c"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _methods(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(_KEYS)
    method: dict[str, Any] = {"id": draw(_IDS), "type": draw(_TYPES), "controller": DID}
    stated = draw(st.sampled_from(["publicKeyJwk", "publicKeyMultibase", "publicKeyBase58", None]))
    if stated is not None:
        values = {"publicKeyJwk": public_jwk(key), "publicKeyMultibase": key.multikey}
        method[stated] = values.get(stated, base58_encode(key.raw))
    if draw(st.booleans()):
        method["blockchainAccountId"] = draw(st.sampled_from([ACCOUNT, ACCOUNT + "1"]))
    return method | draw(st.dictionaries(st.sampled_from(["controller", "type", "publicKeyJwk"]), _JSON, max_size=1))


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {"id": DID, "verificationMethod": draw(st.lists(_methods(), max_size=3))}
    for name in draw(st.sets(st.sampled_from(SIGNING))):
        document[name] = draw(st.lists(_IDS | _JSON | _methods(), max_size=3))
    return document | draw(
        st.dictionaries(st.sampled_from([*SIGNING, "service", "verificationMethod"]), _JSON, max_size=1)
    )


@given(_documents())
def test_no_document_adds_a_key(document: dict[str, Any]) -> None:
    """Of any document at most the DID's own key is left, under a method of the DID, for a purpose that lists it."""
    try:
        normalized = normalize_foreign_document(IDENTIFIER, document)
    except DidError:
        return
    assert normalized.id == DID
    assert {method.public_key for method in normalized.methods} <= {KEYS[0], None}
    assert {method.controller for method in normalized.methods} <= {DID}
    names = {method.id for method in normalized.methods}
    assert all(set(listed) <= names for listed in normalized.relationships.values())
    assert parse_did_document(normalized.raw) == normalized


@given(_JSON.filter(lambda value: isinstance(value, dict)) | _documents(), st.sampled_from(["id", "extra"]), _JSON)
def test_any_answer_of_the_library_is_a_result(document: dict[str, Any], name: str, value: Any) -> None:
    """No answer of the library makes resolving raise."""

    class Library:
        def resolve(self, did: str) -> dict[str, Any] | None:
            return document | {name: value}

    result = ForeignMethod(Library()).resolve(DID, ResolutionOptions(0))
    assert (result.error is None) == (result.did_document is not None)


@given(st.sampled_from(["pkh", "ethr"]), st.text("0123456789abcdefx:zT%.-", max_size=80))
def test_any_identifier_is_read_or_refused(method: str, text: str) -> None:
    """The grammar of identifiers never fails otherwise than with a code, and never changes the DID."""
    try:
        identifier = parse_foreign_id(parse_did(f"did:{method}:{text}"))
    except DidError:
        return
    assert identifier.did == f"did:{method}:{text}"
