"""Logs that break exactly one rule each, hashed and signed correctly, so that only that rule can refuse them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base58_decode, base58_encode, base64url_encode
from did_methods.timestamp import format_timestamp
from tests.support.webvh import (
    DAY_MS,
    HOST,
    NOW_MS,
    START_MS,
    LogWriter,
    commitment,
    document,
    make_proof,
    multikey,
    template,
)

OTHER_SCID = "Qm" + "a" * 44
P256_KEY = "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
IDENTITY_KEY = "z" + base58_encode(b"\xed\x01\x01" + bytes(31))
PRE_ROTATION = {"nextKeyHashes": [commitment(1)]}
ROTATED = {"updateKeys": [multikey(1)], "nextKeyHashes": [commitment(2)]}


def _first(parameters: dict[str, Any] | None = None, **options: Any) -> LogWriter:
    return LogWriter().first(parameters, **options)


def _second(parameters: dict[str, Any] | None = None, **options: Any) -> LogWriter:
    return _first().then(parameters, **options)


def _rotated(parameters: dict[str, Any], **options: Any) -> LogWriter:
    return _first(PRE_ROTATION).then(parameters, **({"signers": (1,)} | options))


def _second_with_proofs(make: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> LogWriter:
    writer = _second()
    unsigned = {name: value for name, value in writer.entries[-1].items() if name != "proof"}
    return writer.tamper(proof=make(unsigned))


def _state_of(did: str) -> dict[str, Any]:
    return {"state": document(did)}


def _single_proof() -> LogWriter:
    writer = _second()
    return writer.tamper(proof=writer.entries[-1]["proof"][0])


def _moved(parameters: dict[str, Any] | None = None, *, linked: bool, scid: str | None = None) -> LogWriter:
    writer = _first(parameters)
    did = f"did:webvh:{scid or writer.scid}:new.example.com"
    state = document(did) | ({"alsoKnownAs": [writer.did]} if linked else {})
    return writer.then(body={"state": state})


def _move(writer: LogWriter, host: str = "new.example.com") -> LogWriter:
    last = writer.entries[-1]["state"]["id"]
    return writer.then(body={"state": document(f"did:webvh:{writer.scid}:{host}") | {"alsoKnownAs": [last]}})


def _moved_twice_naming_the_first() -> LogWriter:
    writer = _move(_first())
    state = document(f"did:webvh:{writer.scid}:newer.example.com") | {"alsoKnownAs": [writer.did]}
    return writer.then(body={"state": state})


def witness_rule(threshold: Any, numbers: list[int]) -> dict[str, Any]:
    """Return a witness parameter with test keys, sensible or not."""
    return {"threshold": threshold, "witnesses": [{"id": f"did:key:{multikey(number)}"} for number in numbers]}


def _witnessed(threshold: Any, numbers: list[int]) -> LogWriter:
    return _first({"witness": witness_rule(threshold, numbers)})


def _at(time: str) -> LogWriter:
    return _second(body={"versionTime": time})


def _wrong_scid() -> LogWriter:
    """Change the first document after the SCID was derived, then hash and sign again."""
    right = _first()
    state = right.entries[0]["state"] | {"alsoKnownAs": ["did:web:attacker.example.com"]}
    return _first(body={"state": state}, scid=right.scid)


def _multibase_u(unsigned: dict[str, Any]) -> list[dict[str, Any]]:
    proof = make_proof(unsigned, 0)
    return [proof | {"proofValue": "u" + base64url_encode(base58_decode(proof["proofValue"][1:]))}]


def _body_fragment_mismatch(unsigned: dict[str, Any]) -> list[dict[str, Any]]:
    return [make_proof(unsigned, 9, verificationMethod=f"did:key:{multikey(9)}#{multikey(0)}")]


def _fragment_body_mismatch(unsigned: dict[str, Any]) -> list[dict[str, Any]]:
    return [make_proof(unsigned, 0, verificationMethod=f"did:key:{multikey(0)}#{multikey(9)}")]


def _forged_beside_good(unsigned: dict[str, Any]) -> list[dict[str, Any]]:
    return [make_proof(unsigned, 0), make_proof({**unsigned, "versionTime": format_timestamp(START_MS)}, 0)]


def _log_bytes(*, old: bytes, new: bytes) -> bytes:
    log = _second().log
    if log.count(old) != 1:
        raise AssertionError("the text to replace must stand in the log once")
    return log.replace(old, new)


def _with_duplicate_member(*, first: bool) -> bytes:
    """Put an attacker's state before or after the signed one: some readers keep the last value, some the first."""
    evil = b'"state":' + canonicalize(document(f"did:webvh:{OTHER_SCID}:{HOST}"))
    if first:
        return _log_bytes(old=b'{"parameters":{},', new=b'{"parameters":{},' + evil + b",")
    time = b'"versionTime":"' + format_timestamp(START_MS + DAY_MS).encode()
    return _log_bytes(old=time, new=evil + b"," + time)


MANY = [f"hash {number}" for number in range(65)]

Case = Callable[[], "LogWriter | bytes"]

INVALID: dict[str, tuple[str, Case]] = {
    # entry
    "entry-extra-member": ("webvh_entry_members", lambda: _second(body={"comment": "x"})),
    "entry-member-missing": ("webvh_entry_members", lambda: _log_bytes(old=b'"parameters":{},', new=b"")),
    "entry-not-an-object": ("json_not_object", lambda: _first().log + b"[]\n"),
    "entry-blank-line": ("json_syntax", lambda: _first().log + b"\n" + _first().log),
    "entry-duplicate-member": ("json_duplicate_key", lambda: _with_duplicate_member(first=True)),
    "entry-duplicate-member-last": ("json_duplicate_key", lambda: _with_duplicate_member(first=False)),
    "entry-duplicate-parameter": (
        "json_duplicate_key",
        lambda: _log_bytes(old=b'{"parameters":{},', new=b'{"parameters":{"ttl":1,"ttl":1},'),
    ),
    # versionId
    "version-id-not-a-string": ("webvh_version_id_malformed", lambda: _second().tamper(versionId=2)),
    "version-id-two-dashes": ("webvh_version_id_malformed", lambda: _second(number="2-")),
    "version-id-leading-zero": ("webvh_version_id_malformed", lambda: _second(number="02")),
    "version-id-other-hash": ("webvh_version_id_malformed", lambda: _second(entry_hash="zQm" + "a" * 44)),
    "version-id-sha-512": ("webvh_version_id_malformed", lambda: _second(entry_hash="8V" + "a" * 88)),
    "version-number-gap": ("webvh_version_number", lambda: _second(number="3")),
    "version-number-repeated": ("webvh_version_number", lambda: _second(number="1")),
    "version-number-first-is-2": ("webvh_version_number", lambda: _first(number="2")),
    "entry-hash-mismatch": ("webvh_entry_hash_mismatch", lambda: _second(entry_hash="Qm" + "a" * 44)),
    # versionTime
    "version-time-not-a-string": ("webvh_version_time_malformed", lambda: _second(body={"versionTime": 1})),
    "version-time-without-zone": ("webvh_version_time_malformed", lambda: _at("2026-01-01T00:00:00")),
    "version-time-other-zone": ("webvh_version_time_not_utc", lambda: _at("2026-01-01T00:00:00+02:00")),
    "version-time-equal": ("webvh_version_time_not_later", lambda: _at(format_timestamp(START_MS))),
    "version-time-earlier": ("webvh_version_time_not_later", lambda: _at(format_timestamp(START_MS - 1000))),
    "version-time-2099": ("webvh_version_time_in_future", lambda: _at("2099-01-01T00:00:00Z")),
    "version-time-six-minutes-ahead": (
        "webvh_version_time_in_future",
        lambda: _at(format_timestamp(NOW_MS + 360_000)),
    ),
    # parameters
    "parameters-not-an-object": ("webvh_parameters_malformed", lambda: _second(body={"parameters": []})),
    "parameter-unknown": ("webvh_parameter_unknown", lambda: _second({"prerotation": True})),
    "method-missing": ("webvh_parameter_missing", lambda: _first(drop=["method"])),
    "method-other-version": ("webvh_method_unsupported", lambda: _first({"method": "did:webvh:99.0"})),
    "method-release-candidate": ("webvh_method_unsupported", lambda: _first({"method": "did:webvh:1.0-rc1"})),
    "method-lowered-later": ("webvh_method_unsupported", lambda: _second({"method": "did:webvh:0.5"})),
    "method-null": ("webvh_parameter_type", lambda: _first({"method": None})),
    "scid-missing": ("webvh_parameter_missing", lambda: _first(drop=["scid"])),
    "scid-repeated-later": ("webvh_scid_repeated", lambda: _second({"scid": _first().scid})),
    "scid-not-the-hash": ("webvh_scid_mismatch", _wrong_scid),
    "update-keys-missing": ("webvh_parameter_missing", lambda: _first(drop=["updateKeys"])),
    "update-keys-empty-first": ("webvh_update_keys_empty", lambda: _first({"updateKeys": []})),
    "update-keys-empty-under-pre-rotation": (
        "webvh_proof_key_not_authorized",
        lambda: _rotated({"updateKeys": [], "nextKeyHashes": []}),
    ),
    "frozen-did-goes-on": ("webvh_proof_key_not_authorized", lambda: _second({"updateKeys": []}).then()),
    "update-keys-a-string": ("webvh_parameter_type", lambda: _second({"updateKeys": multikey(1)})),
    "update-keys-with-number": ("webvh_parameter_type", lambda: _second({"updateKeys": [1]})),
    "update-keys-repeated": ("webvh_list_item_repeated", lambda: _second({"updateKeys": [multikey(1)] * 2})),
    "update-key-p256": ("webvh_update_key_unsupported", lambda: _second({"updateKeys": [P256_KEY]})),
    "update-key-identity-point": ("webvh_update_key_unsupported", lambda: _second({"updateKeys": [IDENTITY_KEY]})),
    "update-key-white-space": ("webvh_update_key_unsupported", lambda: _second({"updateKeys": [multikey(1) + " "]})),
    "next-key-hashes-repeated": ("webvh_list_item_repeated", lambda: _second({"nextKeyHashes": ["a", "a"]})),
    "next-key-hashes-too-many": ("webvh_parameter_limit", lambda: _second({"nextKeyHashes": MANY})),
    "portable-switched-on-later": ("webvh_portable_late", lambda: _first(drop=["portable"]).then({"portable": True})),
    "portable-stated-again": ("webvh_portable_late", lambda: _second({"portable": True})),
    "portable-back-on": (
        "webvh_portable_late",
        lambda: _second({"portable": False}).then({"portable": True}),
    ),
    "portable-a-string": ("webvh_parameter_type", lambda: _first({"portable": "true"})),
    "deactivated-a-number": ("webvh_parameter_type", lambda: _second({"deactivated": 1})),
    "ttl-a-string": ("webvh_parameter_type", lambda: _second({"ttl": "3600"})),
    "ttl-true": ("webvh_parameter_type", lambda: _second({"ttl": True})),
    "ttl-fraction": ("webvh_parameter_type", lambda: _second({"ttl": 1.5})),
    "ttl-negative": ("webvh_parameter_type", lambda: _second({"ttl": -1})),
    "ttl-over-2-31": ("webvh_parameter_type", lambda: _second({"ttl": 2**31 + 1})),
    "witness-threshold-zero": ("webvh_witness_rule_malformed", lambda: _witnessed(0, [])),
    "witness-threshold-zero-with-a-witness": ("webvh_witness_rule_malformed", lambda: _witnessed(0, [5])),
    "witness-threshold-true": ("webvh_witness_rule_malformed", lambda: _witnessed(True, [5])),  # noqa: FBT003
    "witness-threshold-fraction": ("webvh_witness_rule_malformed", lambda: _witnessed(1.5, [5, 6])),
    "witness-threshold-a-string": ("webvh_witness_rule_malformed", lambda: _witnessed("1", [5])),
    "witness-threshold-over-the-number": ("webvh_witness_rule_malformed", lambda: _witnessed(2, [5])),
    "witness-listed-twice": ("webvh_witness_rule_malformed", lambda: _witnessed(2, [5, 5])),
    "witness-listed-twice-later": (
        "webvh_witness_rule_malformed",
        lambda: _second({"witness": witness_rule(2, [5, 5])}),
    ),
    "witness-threshold-missing": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"witnesses": [{"id": f"did:key:{multikey(5)}"}]}}),
    ),
    "witness-list-missing": ("webvh_witness_rule_malformed", lambda: _first({"witness": {"threshold": 1}})),
    "witness-not-an-object": ("webvh_witness_rule_malformed", lambda: _first({"witness": []})),
    "witness-did-web": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"threshold": 1, "witnesses": [{"id": f"did:web:{HOST}"}]}}),
    ),
    "witness-a-bare-key": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"threshold": 1, "witnesses": [{"id": multikey(5)}]}}),
    ),
    "witness-with-fragment": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"threshold": 1, "witnesses": [{"id": f"did:key:{multikey(5)}#{multikey(5)}"}]}}),
    ),
    "witness-p256": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"threshold": 1, "witnesses": [{"id": f"did:key:{P256_KEY}"}]}}),
    ),
    "witness-identity-point": (
        "webvh_witness_rule_malformed",
        lambda: _first({"witness": {"threshold": 1, "witnesses": [{"id": f"did:key:{IDENTITY_KEY}"}]}}),
    ),
    "watcher-relative": ("webvh_watcher_malformed", lambda: _first({"watchers": ["watcher.example.com"]})),
    "watcher-with-white-space": ("webvh_watcher_malformed", lambda: _first({"watchers": ["https://a.example b"]})),
    "watcher-a-number": ("webvh_parameter_type", lambda: _first({"watchers": [1]})),
    "watcher-repeated": ("webvh_list_item_repeated", lambda: _first({"watchers": ["https://a.example"] * 2})),
    # pre-rotation
    "pre-rotation-update-keys-omitted": (
        "webvh_pre_rotation_incomplete",
        lambda: _rotated({"nextKeyHashes": [commitment(2)]}),
    ),
    "pre-rotation-next-key-hashes-omitted": (
        "webvh_pre_rotation_incomplete",
        lambda: _rotated({"updateKeys": [multikey(1)]}),
    ),
    "pre-rotation-empty-entry": ("webvh_pre_rotation_incomplete", lambda: _rotated({}, signers=(0,))),
    "pre-rotation-uncommitted-key": (
        "webvh_update_key_not_committed",
        lambda: _rotated({"updateKeys": [multikey(9)], "nextKeyHashes": [commitment(2)]}, signers=(9,)),
    ),
    "pre-rotation-key-of-the-first-entry": (
        "webvh_update_key_not_committed",
        lambda: _rotated(ROTATED).then({"updateKeys": [multikey(0)], "nextKeyHashes": []}, signers=(0,)),
    ),
    "pre-rotation-one-key-uncommitted": (
        "webvh_update_key_not_committed",
        lambda: _rotated({"updateKeys": [multikey(1), multikey(0)], "nextKeyHashes": [commitment(2)]}),
    ),
    "pre-rotation-switched-off-with-uncommitted-key": (
        "webvh_update_key_not_committed",
        lambda: _rotated({"updateKeys": [multikey(9)], "nextKeyHashes": []}, signers=(9,)),
    ),
    "pre-rotation-signed-by-previous-key": (
        "webvh_proof_key_not_authorized",
        lambda: _rotated(ROTATED, signers=(0,)),
    ),
    # state
    "state-not-an-object": ("webvh_state_malformed", lambda: _second(body={"state": []})),
    "state-without-id": ("webvh_state_malformed", lambda: _second(body={"state": {}})),
    "state-id-with-fragment": (
        "webvh_state_malformed",
        lambda: _first(body={"state": template() | {"id": template()["id"] + "#key-1"}}),
    ),
    "state-id-ip-address": (
        "webvh_state_malformed",
        lambda: _first(body=_state_of("did:webvh:{SCID}:127.0.0.1")),
    ),
    "state-id-did-web": ("webvh_state_malformed", lambda: _first(body=_state_of(f"did:web:{HOST}"))),
    "state-scid-other-first": (
        "webvh_state_scid_mismatch",
        lambda: _first(body=_state_of(f"did:webvh:{OTHER_SCID}:{HOST}")),
    ),
    "state-scid-other-later": ("webvh_state_scid_mismatch", lambda: _moved(linked=True, scid=OTHER_SCID)),
    "move-of-non-portable": ("webvh_not_portable", lambda: _moved({"portable": False}, linked=True)),
    "move-without-also-known-as": ("webvh_move_unlinked", lambda: _moved(linked=False)),
    "move-after-portability-was-given-up": (
        "webvh_not_portable",
        lambda: _move(_first().then({"portable": False})),
    ),
    "second-move-names-only-the-first-did": ("webvh_move_unlinked", _moved_twice_naming_the_first),
    # proof
    "proof-empty-list": ("proof_missing", lambda: _second(proofs=[])),
    "proof-purpose-authentication": (
        "webvh_proof_purpose",
        lambda: _second(proof={"proofPurpose": "authentication"}),
    ),
    "proof-other-cryptosuite": (
        "proof_suite_unsupported",
        lambda: _second(proof={"cryptosuite": "ecdsa-jcs-2019"}),
    ),
    "proof-other-type": ("proof_suite_unsupported", lambda: _second(proof={"type": "Ed25519Signature2020"})),
    "proof-value-multibase-u": ("proof_value_malformed", lambda: _second_with_proofs(_multibase_u)),
    "proof-did-key-body-of-other-key": ("webvh_proof_method", lambda: _second_with_proofs(_body_fragment_mismatch)),
    "proof-did-key-fragment-of-other-key": (
        "webvh_proof_method",
        lambda: _second_with_proofs(_fragment_body_mismatch),
    ),
    "proof-method-of-the-did-itself": (
        "webvh_proof_method",
        lambda: _second(proof={"verificationMethod": f"{_first().did}#key-1"}),
    ),
    "proof-by-stranger": ("webvh_proof_key_not_authorized", lambda: _second(signers=(9,))),
    "proof-by-new-key-without-pre-rotation": (
        "webvh_proof_key_not_authorized",
        lambda: _second({"updateKeys": [multikey(1)]}, signers=(1,)),
    ),
    "proof-by-replaced-key": (
        "webvh_proof_key_not_authorized",
        lambda: _second({"updateKeys": [multikey(1)]}).then(),
    ),
    "proof-by-stranger-beside-good": ("webvh_proof_key_not_authorized", lambda: _second(signers=(0, 9))),
    "proof-forged-beside-good": ("proof_invalid", lambda: _second_with_proofs(_forged_beside_good)),
    "proof-of-another-entry": (
        "proof_invalid",
        lambda: _second_with_proofs(lambda unsigned: [make_proof({**unsigned, "parameters": {"ttl": 0}}, 0)]),
    ),
    "proof-by-first-key-not-listed": ("webvh_proof_key_not_authorized", lambda: _first(signers=(9,))),
    # deactivation
    "entry-after-deactivation": (
        "webvh_deactivated",
        lambda: _second({"deactivated": True}).then(),
    ),
    "reactivation": ("webvh_deactivated", lambda: _second({"deactivated": True}).then({"deactivated": False})),
}
"""Reason to (code, log): the last entry of the log is refused with the code."""

VALID: dict[str, Case] = {
    "created": _first,
    "created-without-optional-parameters": lambda: _first(drop=["nextKeyHashes", "portable"]),
    "host-beginning-with-digit": lambda: _first(body=_state_of("did:webvh:{SCID}:3m.com")),
    "updated": lambda: _second({"ttl": 0}),
    "ttl-2-31": lambda: _second({"ttl": 2**31}),
    "empty-witness-and-watchers": lambda: _first({"witness": {}, "watchers": [], "deactivated": False}).then(),
    "null-parameters": lambda: _first({"witness": None, "watchers": None, "ttl": None}).then(
        {"nextKeyHashes": None, "portable": None, "deactivated": None}
    ),
    "version-time-utc-offset": lambda: _at("2026-01-01T00:00:00+00:00"),
    "version-time-five-minutes-ahead": lambda: _at(format_timestamp(NOW_MS + 300_000)),
    "version-time-one-millisecond-later": lambda: _at(format_timestamp(START_MS + 1)),
    "keys-replaced": lambda: _second({"updateKeys": [multikey(1)]}).then(signers=(1,)),
    "two-update-keys-two-proofs": lambda: _first({"updateKeys": [multikey(0), multikey(1)]}).then(signers=(1, 0)),
    "proof-an-object": _single_proof,
    "pre-rotation": lambda: _rotated(ROTATED).then(
        {"updateKeys": [multikey(2)], "nextKeyHashes": [commitment(3), "not a hash"]}, signers=(2,)
    ),
    "pre-rotation-switched-on-later": lambda: _second({"nextKeyHashes": [commitment(1)]}).then(ROTATED, signers=(1,)),
    "pre-rotation-switched-off": lambda: _rotated({"updateKeys": [multikey(1)], "nextKeyHashes": []}).then(
        {"updateKeys": [multikey(9)]}, signers=(1,)
    ),
    "portable-given-up": lambda: _second({"portable": False}).then({"portable": False}),
    "deactivated": lambda: _second({"deactivated": True, "updateKeys": []}),
    "deactivated-under-pre-rotation": lambda: _rotated(
        {"deactivated": True, "updateKeys": [multikey(1)], "nextKeyHashes": []}
    ),
    "update-keys-empty-later": lambda: _second({"updateKeys": []}),
    "update-keys-null-later": lambda: _second({"updateKeys": None}),
    "watchers": lambda: _first({"watchers": ["https://watcher.example.com", "did:web:watcher.example.com"]}).then(
        {"watchers": []}
    ),
    "moved": lambda: _move(_first()).then(),
    "moved-twice": lambda: _move(_move(_first()), "newer.example.com"),
    "moved-back": lambda: _move(_move(_first()), f"{HOST}%3A8000:agents:alice"),
    "recovered-with-the-reserve-key": lambda: _first({"nextKeyHashes": [commitment(1), commitment(7)]}).then(
        {"updateKeys": [multikey(7)], "nextKeyHashes": [commitment(8), commitment(9)]}, signers=(7,)
    ),
    "days-between": lambda: _at(format_timestamp(START_MS + 400 * DAY_MS)),
}
