"""The forms of a did:key's key that older clients ask for."""

from __future__ import annotations

import copy

import pytest

from did_methods.did import parse_did
from did_methods.did_request import OptionUnsupportedError
from did_methods.document import parse_did_document
from did_methods.key import resolve_did_key
from did_methods.key_format import (
    KeyFormatNotAllowedError,
    KeyFormatUnknownError,
    check_key_format,
    format_key_document,
)

ED25519 = "did:key:z6MktKwz7Ge1Yxzr4JHavN33wiwa8y81QdcMRLXQsrH9T53b"
X25519 = "did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"
P256 = "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"


@pytest.mark.parametrize(
    ("did", "key_format", "member"),
    [
        (ED25519, "Multikey", "publicKeyMultibase"),
        (ED25519, "Ed25519VerificationKey2020", "publicKeyMultibase"),
        (ED25519, "JsonWebKey2020", "publicKeyJwk"),
        (ED25519, "JsonWebKey", "publicKeyJwk"),
        (X25519, "X25519KeyAgreementKey2020", "publicKeyMultibase"),
        (P256, "JsonWebKey2020", "publicKeyJwk"),
        (P256, "Multikey", "publicKeyMultibase"),
    ],
)
def test_the_key_is_the_same_in_every_form(did: str, key_format: str, member: str) -> None:
    """A form is another spelling: id, controller, relationships and the key behind it stay."""
    document = resolve_did_key(did)
    before = copy.deepcopy(document.raw)
    check_key_format(parse_did(did), key_format, experimental=False)
    formatted = format_key_document(document.raw, key_format)
    assert document.raw == before
    (method,) = formatted["verificationMethod"]
    assert method.keys() == {"id", "type", "controller", member}
    assert method["type"] == key_format
    parsed = parse_did_document(formatted)
    assert parsed.relationships == document.relationships
    assert [(one.id, one.controller) for one in parsed.methods] == [
        (one.id, one.controller) for one in document.methods
    ]
    if parsed.methods[0].public_key is not None:
        assert parsed.methods[0].public_key == document.methods[0].public_key
    assert len(formatted["@context"]) == 2


@pytest.mark.parametrize(
    ("did", "key_format", "experimental", "error"),
    [
        (ED25519, "unknown", False, KeyFormatUnknownError),
        (ED25519, "", True, KeyFormatUnknownError),
        ("did:web:example.com", "unknown", False, KeyFormatUnknownError),
        (ED25519, "Ed25519VerificationKey2018", False, KeyFormatNotAllowedError),
        (ED25519, "Ed25519VerificationKey2018", True, OptionUnsupportedError),
        ("did:web:example.com", "Multikey", False, OptionUnsupportedError),
    ],
)
def test_forms_that_are_not_written(did: str, key_format: str, experimental: bool, error: type[Exception]) -> None:
    """Unknown forms, experimental ones without leave, and other methods are refused, each in its own words."""
    with pytest.raises(error):
        check_key_format(parse_did(did), key_format, experimental=experimental)


@pytest.mark.parametrize(
    ("did", "key_format"),
    [
        (P256, "Ed25519VerificationKey2020"),
        (ED25519, "X25519KeyAgreementKey2020"),
        (X25519, "Ed25519VerificationKey2020"),
    ],
)
def test_a_form_is_for_its_kind_of_key(did: str, key_format: str) -> None:
    """A P-256 key is not written as an Ed25519 one."""
    with pytest.raises(KeyFormatNotAllowedError):
        format_key_document(resolve_did_key(did).raw, key_format)
