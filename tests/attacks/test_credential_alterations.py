"""Genuine credentials of every kind, altered in one place after they were signed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from did_methods.codec import base58_decode, base58_encode
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.credentials.model import parse_credential
from registry.credentials.verify import VerifiedCredential, verify_credential
from tests.credentials.builders import (
    AGENT_DID,
    HOUR_MS,
    KEYS,
    MALLORY,
    MALLORY_DID,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    VALID,
    changed,
    owned_passport,
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


REPLACEMENTS: list[Any] = [None, True, 0, 1, 1.0, "", "1", "payments", [], {}, AGENT_DID]


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    keys = list(range(len(value))) if isinstance(value, list) else keys
    for key in keys:
        yield (*path, key)
        yield from _places(value[key], (*path, key))


def _altered_at(original: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    old: Any = original
    for step in path:
        old = old[step]
    yield without(original, *path)
    if isinstance(old, str):
        yield from (changed(original, *path, value=old + suffix) for suffix in ("\n", " ", "0", "é"))
    if isinstance(old, list):
        yield changed(original, *path, value=[*old, copy.deepcopy(old[-1])])
    for value in REPLACEMENTS:
        if value != old or type(value) is not type(old):
            yield changed(original, *path, value=copy.deepcopy(value))


@pytest.mark.parametrize("name", VALID)
def test_no_place_can_be_changed(name: str) -> None:
    """Every member and list item of every kind, removed, replaced or lengthened, makes the document be refused."""
    original = VALID[name][1]()
    for path in _places(original):
        for altered in _altered_at(original, path):
            assert _refusal(altered), path


def test_two_proofs_have_no_order() -> None:
    """Proof sets are unordered: swapped, they verify and are the same event, so the log takes them once."""
    original = owned_passport()
    swapped = changed(original, "proof", value=original["proof"][::-1])
    assert _admit(swapped).event_id == _admit(original).event_id
    assert [key.controller for key in _admit(swapped).keys] == [key.controller for key in _admit(original).keys]
