"""Genuine credentials of every kind, altered in one place after they were signed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from did_methods.codec import base58_decode, base58_encode
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.credentials.model import parse_credential
from registry.credentials.verify import VerifiedCredential, verify_credential
from tests.credentials.builders import (
    HOUR_MS,
    KEYS,
    MALLORY,
    MALLORY_DID,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    VALID,
    changed,
    without,
)

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
Alteration = Callable[[dict[str, Any]], dict[str, Any]]


def _admit(document: dict[str, Any], **changes: Any) -> VerifiedCredential:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "origin": ORIGIN}
    return verify_credential(parse_credential(document), **{**arguments, **changes})


def _refusal(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _admit(document, **changes)
    return caught.value.code


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def _first_proof(document: dict[str, Any]) -> dict[str, Any]:
    proof = document["proof"]
    first: dict[str, Any] = proof[0] if isinstance(proof, list) else proof
    return first


def _with_proof(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    altered = copy.deepcopy(document)
    _first_proof(altered).update(members)
    return altered


def _flip_signature(document: dict[str, Any]) -> dict[str, Any]:
    raw = bytearray(base58_decode(_first_proof(document)["proofValue"][1:]))
    raw[40] ^= 1
    return _with_proof(document, proofValue="z" + base58_encode(bytes(raw)))


def _malleate(document: dict[str, Any]) -> dict[str, Any]:
    raw = base58_decode(_first_proof(document)["proofValue"][1:])
    s = int.from_bytes(raw[32:], "little") + ED25519_ORDER
    return _with_proof(document, proofValue="z" + base58_encode(raw[:32] + s.to_bytes(32, "little")))


def _other_kind(document: dict[str, Any]) -> dict[str, Any]:
    other = "AgentReportCredential" if document["type"][1] == "AgentVouchCredential" else "AgentVouchCredential"
    return changed(document, "type", 1, value=other)


def _drop_subject_member(document: dict[str, Any]) -> dict[str, Any]:
    return without(document, "credentialSubject", list(document["credentialSubject"])[-1])


def _strip_proof_context(document: dict[str, Any]) -> dict[str, Any]:
    altered = copy.deepcopy(document)
    del _first_proof(altered)["@context"]
    return altered


ALTERATIONS: dict[str, Alteration] = {
    "signature bit": _flip_signature,
    "signature plus the group order": _malleate,
    "signature with a space": lambda d: _with_proof(d, proofValue=_first_proof(d)["proofValue"] + " "),
    "signature with a line break": lambda d: _with_proof(d, proofValue=_first_proof(d)["proofValue"] + "\n"),
    "signature without multibase": lambda d: _with_proof(d, proofValue=_first_proof(d)["proofValue"][1:]),
    "back-dated": lambda d: _with_proof(d, created=format_timestamp(NOW_MS - 2_000)),
    "post-dated": lambda d: _with_proof(d, created=format_timestamp(NOW_MS - 1_000)),
    "another method": lambda d: _with_proof(d, verificationMethod=MALLORY.verification_method),
    "another purpose": lambda d: _with_proof(d, proofPurpose="capabilityInvocation"),
    "another domain": lambda d: _with_proof(d, domain=OTHER_ORIGIN),
    "array domain": lambda d: _with_proof(d, domain=[ORIGIN]),
    "nonce added": lambda d: _with_proof(d, nonce="x"),
    "proof's context removed": _strip_proof_context,
    "another issuer": lambda d: changed(d, "issuer", value=MALLORY_DID),
    "another kind": _other_kind,
    "earlier validFrom": lambda d: changed(d, "validFrom", value=format_timestamp(NOW_MS - HOUR_MS)),
    "context appended": lambda d: changed(d, "@context", value=[*d["@context"], "https://evil.example/v1"]),
    "context reordered": lambda d: changed(d, "@context", value=d["@context"][::-1]),
    "context inline": lambda d: changed(d, "@context", value=[*d["@context"], {"strength": "https://evil.example/#s"}]),
    "context nested": lambda d: changed(d, "credentialSubject", "@context", value={"strength": None}),
    "extra member": lambda d: {**d, "name": "x"},
    "extra subject member": lambda d: changed(d, "credentialSubject", "extra", value=1),
    "subject member dropped": _drop_subject_member,
    "proof appended": lambda d: {
        **d,
        "proof": [_first_proof(d), sign_document(_bare(d), signer=MALLORY, created=NOW_MS)["proof"]],
    },
    "proof removed": _bare,
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("name", VALID)
def test_every_alteration_of_every_kind_is_refused(name: str, alteration: str) -> None:
    """A genuine document of each kind, changed in one place after signing, is never admitted."""
    original = VALID[name][1]()
    altered = ALTERATIONS[alteration](original)
    assert altered != original
    assert _admit(original)
    assert _refusal(altered)
