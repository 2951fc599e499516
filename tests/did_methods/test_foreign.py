"""Foreign DID methods: only what the DID's own text bears out is believed of a foreign document."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from did_methods import foreign
from did_methods.codec import base58_encode, base64url_encode
from did_methods.did import parse_did
from did_methods.document import parse_did_document
from did_methods.errors import DidError
from did_methods.foreign_ids import FOREIGN_METHODS, NETWORK_METHODS, parse_foreign_id
from did_methods.json_web_key import public_jwk
from did_methods.keys import SigningKey, parse_public_key
from did_methods.method import ResolutionError, ResolutionOptions, ResolutionResult
from did_methods.resolver import Resolver
from tests.did_methods.cases import cases

NOW = 1_795_165_200_000
OPTIONS = ResolutionOptions(NOW)
KEY = SigningKey(bytes(range(32))).public_key
OTHER = SigningKey(bytes(32)).public_key
SOLANA = f"did:pkh:sol:{base58_encode(KEY.raw)}"
SOLANA_ACCOUNT = f"solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:{base58_encode(KEY.raw)}"
ADDRESS = "0xb9c5714089478a327f09197987f16f9e5d936e8a"
PKH = f"did:pkh:eip155:1:{ADDRESS}"
SECP256K1 = parse_public_key("zQ3shwiy5TJU1fJ7XH6eJLRXJYvh6tuU4YKZmfU46JtJtHTAx")
ETHR_KEY = f"did:ethr:0x{SECP256K1.raw.hex()}"
IDENTITY = (1).to_bytes(32, "little")


class _Answer:
    """Answers with a document, or fails, and remembers the DIDs asked for."""

    def __init__(self, answer: dict[str, Any] | DidError | None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def resolve(self, did: str) -> dict[str, Any] | None:
        self.asked.append(did)
        if isinstance(self.answer, DidError):
            raise self.answer
        return copy.deepcopy(self.answer)


class _Forbidden:
    """A library that must never be asked."""

    def resolve(self, did: str) -> dict[str, Any] | None:
        pytest.fail(f"the library was asked for {did}")


def key_method(did: str = SOLANA, **changes: Any) -> dict[str, Any]:
    """Return a method as the library writes it, with changes; None leaves a member out."""
    members = {
        "id": f"{did}#controller",
        "type": "Ed25519VerificationKey2018",
        "controller": did,
        "publicKeyJwk": public_jwk(KEY),
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def document(*methods: Any, did: str = SOLANA, **changes: Any) -> dict[str, Any]:
    """Return a document as the library writes it."""
    return {
        "@context": ["https://www.w3.org/ns/did/v1", {"id": "https://evil.example/id"}],
        "id": did,
        "verificationMethod": list(methods),
        "authentication": [f"{did}#controller"],
        "assertionMethod": [f"{did}#controller"],
        **changes,
    }


def account_method(did: str = PKH, **changes: Any) -> dict[str, Any]:
    """Return a method that names an account."""
    members = {
        "id": f"{did}#controller",
        "type": "EcdsaSecp256k1RecoveryMethod2020",
        "controller": did,
        "blockchainAccountId": f"eip155:1:{ADDRESS}",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def _resolve(answer: dict[str, Any] | DidError | None, did: str = SOLANA) -> ResolutionResult:
    return foreign.ForeignMethod(_Answer(answer)).resolve(did, OPTIONS)


def _document(result: ResolutionResult) -> dict[str, Any]:
    assert result.did_document is not None, result.did_resolution_metadata
    return result.did_document


def _code(result: ResolutionResult) -> tuple[ResolutionError | None, str]:
    assert result.did_document is None
    return result.error, result.did_resolution_metadata["error"]["code"]


@pytest.mark.parametrize("case", cases("did-foreign", "valid"))
def test_documents_of_the_library_are_read_as_their_vectors_say(case: dict[str, Any]) -> None:
    """What the library wrote for each kind of DID becomes the document written beside it, and that one parses."""
    found = _document(_resolve(case["libraryDocument"], case["did"]))
    assert found == case["document"]
    assert parse_did_document(found).id == case["did"]


@pytest.mark.parametrize(
    "stated",
    [
        {"publicKeyJwk": public_jwk(KEY)},
        {"publicKeyJwk": None, "publicKeyBase58": base58_encode(KEY.raw)},
        {"publicKeyJwk": None, "publicKeyMultibase": KEY.multikey},
        {"publicKeyJwk": None, "publicKeyMultibase": KEY.multikey, "type": "Multikey"},
        {"type": "JsonWebKey2020"},
    ],
    ids=["jwk", "base58", "multibase", "multikey", "json-web-key"],
)
def test_the_key_that_the_did_is_becomes_a_multikey(stated: dict[str, Any]) -> None:
    """However the library writes the key, it comes out as one checked Multikey under the method's own name."""
    found = _document(_resolve(document(key_method(**stated))))
    assert found == {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": SOLANA,
        "verificationMethod": [
            {
                "id": f"{SOLANA}#controller",
                "type": "Multikey",
                "controller": SOLANA,
                "publicKeyMultibase": KEY.multikey,
            }
        ],
        "authentication": [f"{SOLANA}#controller"],
        "assertionMethod": [f"{SOLANA}#controller"],
    }
    method = parse_did_document(found).find_method(f"{SOLANA}#controller", "assertionMethod")
    assert method.public_key == KEY


def test_a_did_ethr_that_is_a_key_has_that_key() -> None:
    """A did:ethr of a public key gets its key; its account is a hash that nobody here checked, so it is left out."""
    raw = document(
        account_method(ETHR_KEY, id=f"{ETHR_KEY}#account"),
        key_method(ETHR_KEY, type="EcdsaSecp256k1VerificationKey2019", publicKeyJwk=public_jwk(SECP256K1)),
        did=ETHR_KEY,
    )
    result = _resolve(raw, ETHR_KEY)
    (method,) = parse_did_document(_document(result)).methods
    assert (method.id, method.public_key) == (f"{ETHR_KEY}#controller", SECP256K1)
    assert result.did_resolution_metadata["ledgerConsulted"] is False


def test_account_methods_stay_and_are_no_keys() -> None:
    """A method that names the DID's account stays in the document and verifies nothing."""
    found = _document(_resolve(document(account_method(), did=PKH), PKH))
    assert found["verificationMethod"] == [account_method()]
    assert found["assertionMethod"] == [f"{PKH}#controller"]
    assert set(found["@context"][-1]) == {"EcdsaSecp256k1RecoveryMethod2020", "blockchainAccountId"}
    (method,) = parse_did_document(found).methods
    assert method.public_key is None


def test_an_account_method_never_brings_in_a_key() -> None:
    """Key material beside an account, in a method that is about the account, is dropped."""
    raw = document(
        account_method(
            SOLANA,
            type="SolanaMethod2021",
            blockchainAccountId=SOLANA_ACCOUNT,
            publicKeyJwk=public_jwk(OTHER),
            publicKeyMultibase=OTHER.multikey,
        )
    )
    found = _document(_resolve(raw))
    assert OTHER.multikey not in str(found)
    assert public_jwk(OTHER)["x"] not in str(found)
    assert [method.public_key for method in parse_did_document(found).methods] == [None]


@pytest.mark.parametrize(
    "method",
    [
        account_method(blockchainAccountId="eip155:1:0x0000000000000000000000000000000000000001"),
        account_method(blockchainAccountId=f"eip155:10:{ADDRESS}"),
        account_method(blockchainAccountId=f"eip155:1:{ADDRESS.upper()}"),
        account_method(blockchainAccountId=None),
        account_method(blockchainAccountId=[f"eip155:1:{ADDRESS}"]),
        account_method(type="FutureMethod2030"),
        account_method(type="JsonWebSignature2020"),
    ],
)
def test_what_cannot_be_checked_is_dropped(method: dict[str, Any]) -> None:
    """Methods of other accounts and of unknown types are left out, and so are the references to them."""
    found = _document(_resolve(document(method, did=PKH), PKH))
    assert found["verificationMethod"] == []
    assert "assertionMethod" not in found


def test_nothing_else_of_a_document_is_taken_over() -> None:
    """Services, other names, controllers, unknown relationships and the library's context are left out."""
    raw = document(
        key_method(note="x"),
        controller="did:web:evil.example",
        alsoKnownAs=["did:web:victim.example"],
        service=[{"id": "#s", "type": "T", "serviceEndpoint": "http://evil.example"}],
        deactivated=False,
        futureRelationship=[f"{SOLANA}#controller"],
        capabilityInvocation=[f"{SOLANA}#none", "did:web:evil.example#k", {"id": f"{SOLANA}#embedded"}, 1],
        authentication=[f"{SOLANA}#controller", f"{SOLANA}#controller"],
    )
    found = _document(_resolve(raw))
    assert set(found) == {"@context", "id", "verificationMethod", "authentication", "assertionMethod"}
    assert found["authentication"] == [f"{SOLANA}#controller"]
    assert "evil" not in str(found)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (document(key_method(), did=PKH), "did_document_id_mismatch"),
        (document(key_method()) | {"id": SOLANA + "#"}, "did_document_id_mismatch"),
        (document(key_method()) | {"id": None}, "did_document_id_mismatch"),
        ({}, "did_document_id_mismatch"),
        (document(key_method(controller="did:web:evil.example")), "invalid_did_document"),
        (document(key_method(controller=None)), "invalid_did_document"),
        (document(key_method(controller=[SOLANA])), "invalid_did_document"),
        (document(key_method(id="#controller")), "invalid_did_document"),
        (document(key_method(id="did:web:evil.example#k")), "invalid_did_document"),
        (document(key_method(id=SOLANA)), "invalid_did_document"),
        (document(key_method(id=f"{SOLANA}#")), "invalid_did_document"),
        (document(key_method(id=f"{SOLANA}# k")), "invalid_did_document"),
        (document(key_method(id=None)), "invalid_did_document"),
        (document(key_method(type=None)), "invalid_did_document"),
        (document(key_method(), key_method()), "invalid_did_document"),
        (document(key_method(), key_method(type="FutureMethod2030")), "invalid_did_document"),
        (document("k"), "invalid_did_document"),
        (document(*(key_method(id=f"{SOLANA}#{n}") for n in range(17))), "invalid_did_document"),
        (document(key_method(), verificationMethod={}), "invalid_did_document"),
        (document(key_method(), assertionMethod=f"{SOLANA}#controller"), "invalid_did_document"),
        (document(key_method(publicKeyMultibase=KEY.multikey)), "invalid_did_document"),
        (document(key_method(publicKeyJwk=None)), "invalid_did_document"),
        (document(key_method(publicKeyJwk="{}")), "invalid_did_document"),
        (document(key_method(publicKeyJwk=None, publicKeyBase58=1)), "invalid_did_document"),
        (
            document(key_method(type="Multikey", publicKeyJwk=None, publicKeyBase58=base58_encode(KEY.raw))),
            "invalid_did_document",
        ),
        (document(key_method(type="EcdsaSecp256k1VerificationKey2019")), "invalid_did_document"),
        (document(key_method(publicKeyJwk=public_jwk(OTHER))), "did_foreign_key_unbound"),
        (document(key_method(publicKeyJwk=None, publicKeyMultibase=OTHER.multikey)), "did_foreign_key_unbound"),
        (
            document(key_method(publicKeyJwk=public_jwk(KEY) | {"x": base64url_encode(IDENTITY)})),
            "key_small_order",
        ),
        (document(key_method(publicKeyJwk=None, publicKeyBase58=base58_encode(IDENTITY))), "key_small_order"),
        (document(key_method(publicKeyJwk=None, publicKeyBase58=base58_encode(KEY.raw[1:]))), "key_length"),
        (document(key_method(publicKeyJwk=public_jwk(KEY) | {"x": "AAAA"})), "jwk_coordinate"),
        (document(key_method(publicKeyJwk=public_jwk(KEY) | {"d": "AAAA"})), "secret_in_did_document"),
        (document(key_method(publicKeyJwk={"kty": "oct", "k": "AAAA"})), "secret_in_did_document"),
        (document(key_method(privateKeyBase58="3u2")), "secret_in_did_document"),
        (document(account_method(SOLANA, privateKeyJwk={})), "secret_in_did_document"),
        (document(key_method(publicKeyJwk=public_jwk(KEY) | {"crv": "Ed448"})), "jwk_kind_unsupported"),
    ],
)
def test_a_library_that_errs_or_lies_is_refused(raw: dict[str, Any], code: str) -> None:
    """Another id, controller, key or secret, a bad point or a second reading makes the whole document invalid."""
    assert _code(_resolve(raw)) == (ResolutionError.INVALID_DID_DOCUMENT, code)


def test_a_key_for_a_did_that_is_only_an_account_is_refused() -> None:
    """No document adds a key to a DID that names a hash of one."""
    raw = document(key_method(PKH), did=PKH)
    assert _code(_resolve(raw, PKH)) == (ResolutionError.INVALID_DID_DOCUMENT, "did_foreign_key_unbound")


@pytest.mark.parametrize(
    ("failure", "error", "code"),
    [
        (foreign.ForeignNotInstalledError(), ResolutionError.METHOD_NOT_SUPPORTED, "did_foreign_not_installed"),
        (foreign.ForeignMethodUnsupportedError(), ResolutionError.METHOD_NOT_SUPPORTED, "did_foreign_unsupported"),
        (foreign.ForeignUnavailableError(), ResolutionError.INTERNAL_ERROR, "did_foreign_unavailable"),
        (foreign.ForeignRefusedError(), ResolutionError.FEATURE_NOT_SUPPORTED, "did_foreign_refused"),
        (None, ResolutionError.NOT_FOUND, "did_foreign_not_found"),
    ],
)
def test_each_failure_of_the_library_has_its_answer(
    failure: DidError | None, error: ResolutionError, code: str
) -> None:
    """Not installed, not known, not reachable, refused and not there are five answers."""
    assert _code(_resolve(failure)) == (error, code)


@pytest.mark.parametrize("method", ["key", "jwk", "web", "webvh", "tz", "onion", "ion", "webkey", "example"])
def test_the_library_is_asked_for_its_own_methods_only(method: str) -> None:
    """Methods that this product resolves itself, or that would need the network, never reach the library."""
    result = foreign.ForeignMethod(_Forbidden()).resolve(f"did:{method}:{ADDRESS}", OPTIONS)
    assert _code(result) == (ResolutionError.METHOD_NOT_SUPPORTED, "did_foreign_unsupported")


@pytest.mark.parametrize(
    ("did", "error", "code"),
    [
        (f"did:pkh:eip155:1:{ADDRESS}0", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:pkh:eip155:01:{ADDRESS}", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:pkh:eip155:{ADDRESS}", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:pkh:eip155:1:{ADDRESS}:x", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        ("did:pkh:eip155:1:%30xb9", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        ("did:pkh:sol:CKg5", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:pkh:sol:{'z' * 44}", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:pkh:sol:{'1' * 32}", ResolutionError.INVALID_DID, "key_small_order"),
        (f"did:pkh:sol:{base58_encode(IDENTITY)}", ResolutionError.INVALID_DID, "key_small_order"),
        (
            "did:pkh:cosmos:cosmoshub-3:cosmos1t2uflqwqe0fsj0shcfkrvpukewcw40yjj6hdc0",
            ResolutionError.FEATURE_NOT_SUPPORTED,
            "did_foreign_namespace",
        ),
        (f"did:ethr:{ADDRESS[:-1]}", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:ethr:0X1:{ADDRESS}", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:ethr:{ADDRESS}:{ADDRESS}:1", ResolutionError.INVALID_DID, "did_foreign_malformed"),
        (f"did:ethr:unheard:{ADDRESS}", ResolutionError.FEATURE_NOT_SUPPORTED, "did_foreign_namespace"),
        ("did:ethr:0x04" + "1" * 64, ResolutionError.INVALID_DID, "did_foreign_malformed"),
        ("did:ethr:0x02" + "0" * 63 + "5", ResolutionError.INVALID_DID, "key_invalid_point"),
        (f"did:pkh:eip155:1:{ADDRESS}\n", ResolutionError.INVALID_DID, "invalid_did"),
        (f"did:pkh:eip155:1:{ADDRESS}#k", ResolutionError.INVALID_DID, "invalid_did"),
    ],
)
def test_nothing_malformed_reaches_the_library(did: str, error: ResolutionError, code: str) -> None:
    """Identifiers are checked by a grammar of their own before anybody else's code sees them."""
    assert _code(foreign.ForeignMethod(_Forbidden()).resolve(did, OPTIONS)) == (error, code)


@pytest.mark.parametrize(
    ("did", "account"),
    [
        (PKH, f"eip155:1:{ADDRESS}"),
        (f"did:pkh:eth:{ADDRESS}", f"eip155:1:{ADDRESS}"),
        (f"did:pkh:poly:{ADDRESS}", f"eip155:137:{ADDRESS}"),
        (f"did:pkh:celo:{ADDRESS}", f"eip155:42220:{ADDRESS}"),
        (f"did:ethr:{ADDRESS}", f"eip155:1:{ADDRESS}"),
        (f"did:ethr:0x89:{ADDRESS}", f"eip155:137:{ADDRESS}"),
        (f"did:ethr:goerli:{ADDRESS}", f"eip155:5:{ADDRESS}"),
        (ETHR_KEY, None),
        (SOLANA, SOLANA_ACCOUNT),
    ],
)
def test_the_text_of_a_did_says_its_account(did: str, account: str | None) -> None:
    """The account comes from the DID alone, in the form of CAIP-10."""
    assert parse_foreign_id(parse_did(did)).account == account


def test_foreign_dids_have_no_versions() -> None:
    """Versions are not found; nor is the past of a DID whose ledger might know it, and nobody is asked."""
    method = foreign.ForeignMethod(_Forbidden())
    for did, options in (
        (PKH, ResolutionOptions(NOW, version_id="1")),
        (PKH, ResolutionOptions(NOW, version_number=1)),
        (f"did:ethr:{ADDRESS}", ResolutionOptions(NOW, version_time_ms=NOW - 1)),
    ):
        assert _code(method.resolve(did, options)) == (ResolutionError.NOT_FOUND, "did_version_not_found")
    past = ResolutionOptions(NOW, version_time_ms=0)
    answer = _Answer(document(account_method(), did=PKH))
    assert foreign.ForeignMethod(answer).resolve(PKH, past).error is None
    assert answer.asked == [PKH]


@pytest.mark.parametrize("method", NETWORK_METHODS)
def test_methods_that_need_the_network_say_so(method: str) -> None:
    """A resolver tells a method that is left out on purpose from one that nobody knows."""
    resolver = Resolver({name: foreign.ForeignMethod(_Forbidden()) for name in FOREIGN_METHODS})
    result = resolver.resolve(f"did:{method}:tz1LbXiXVBhaeYqNocHhHD1yo1AQCUwJA9cC", OPTIONS)
    assert _code(result) == (ResolutionError.METHOD_NOT_SUPPORTED, "did_foreign_needs_network")
    unknown = resolver.resolve("did:example:1", OPTIONS)
    assert _code(unknown) == (ResolutionError.METHOD_NOT_SUPPORTED, "did_method_unknown")
