"""Witnessed logs and their ``did-witness.json``: each refused one lacks exactly one approval that counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.webvh import LogWriter, make_proof, multikey
from tests.support.webvh_cases import witness_rule

ONE = {"witness": witness_rule(1, [5])}
TWO_OF_TWO = {"witness": witness_rule(2, [5, 6])}
TWO_OF_THREE = {"witness": witness_rule(2, [5, 6, 7])}

Proofs = Mapping[int, Sequence[Any]]
Case = tuple[LogWriter, bytes]


def approve(writer: LogWriter, version: int, *numbers: int, **changes: Any) -> list[dict[str, Any]]:
    """Return approvals of a version by test keys; ``changes`` are signed along, sensible or not."""
    unsigned = {"versionId": writer.entries[version - 1]["versionId"]}
    return [make_proof(unsigned, number, **changes) for number in numbers]


def witness_file(writer: LogWriter, proofs: Proofs) -> bytes:
    """Return a file with these proofs by version number."""
    listed = [
        {"versionId": writer.entries[version - 1]["versionId"], "proof": list(given)}
        for version, given in proofs.items()
    ]
    return json.dumps(listed).encode()


def _case(writer: LogWriter, make: Callable[[LogWriter], Proofs]) -> Case:
    return writer, witness_file(writer, make(writer))


def _first(parameters: dict[str, Any]) -> LogWriter:
    return LogWriter().first(parameters)


def _of_another_log() -> Case:
    """The witness approved version 1 of another log; the number fits, the hash does not."""
    other = LogWriter().first(ONE | {"ttl": 60})
    return _first(ONE), witness_file(other, {1: approve(other, 1, 5)})


def _for_an_unpublished_entry() -> Case:
    """The witness approved an entry 2 that is not published: that says nothing of entry 1."""
    longer = _first(ONE).then()
    return _first(ONE), witness_file(longer, {2: approve(longer, 2, 5)})


def _replayed_under_another_version() -> Case:
    writer = _first(ONE).then()
    return writer, witness_file(writer, {2: approve(writer, 1, 5)})


def _altered(**members: Any) -> Case:
    writer = _first(ONE)
    return writer, witness_file(writer, {1: [approve(writer, 1, 5)[0] | members]})


def _method_of_another_key() -> Case:
    writer = _first(ONE)
    method = f"did:key:{multikey(5)}#{multikey(9)}"
    return writer, witness_file(writer, {1: approve(writer, 1, 5, verificationMethod=method)})


def _signed_by_another_key() -> Case:
    writer = _first(ONE)
    method = f"did:key:{multikey(5)}#{multikey(5)}"
    return writer, witness_file(writer, {1: approve(writer, 1, 9, verificationMethod=method)})


MISSING: dict[str, Callable[[], Case]] = {
    "no-proofs": lambda: _case(_first(ONE), lambda _w: {}),
    "empty-proof-list": lambda: _case(_first(ONE), lambda _w: {1: []}),
    "stranger": lambda: _case(_first(ONE), lambda w: {1: approve(w, 1, 9)}),
    "one-proof-twice": lambda: _case(_first(TWO_OF_TWO), lambda w: {1: approve(w, 1, 5) * 2}),
    "two-proofs-by-one-witness": lambda: _case(
        _first(TWO_OF_TWO), lambda w: {1: approve(w, 1, 5) + approve(w, 1, 5, nonce="again")}
    ),
    "one-of-two": lambda: _case(_first(TWO_OF_THREE), lambda w: {1: approve(w, 1, 6)}),
    "one-and-a-stranger": lambda: _case(_first(TWO_OF_TWO), lambda w: {1: approve(w, 1, 5, 9)}),
    "purpose-authentication": lambda: _case(
        _first(ONE), lambda w: {1: approve(w, 1, 5, proofPurpose="authentication")}
    ),
    "other-cryptosuite": lambda: _case(_first(ONE), lambda w: {1: approve(w, 1, 5, cryptosuite="ecdsa-jcs-2019")}),
    "other-type": lambda: _case(_first(ONE), lambda w: {1: approve(w, 1, 5, type="Ed25519Signature2020")}),
    "proof-not-an-object": lambda: _case(_first(ONE), lambda _w: {1: ["proof", 1, None]}),
    "proof-value-cut": lambda: _altered(proofValue="z1"),
    "created-changed": lambda: _altered(created="2026-01-01T00:00:00Z"),
    "fragment-of-another-key": _method_of_another_key,
    "signed-by-another-key": _signed_by_another_key,
    "method-without-fragment": lambda: _case(
        _first(ONE), lambda w: {1: approve(w, 1, 5, verificationMethod=f"did:key:{multikey(5)}")}
    ),
    "method-of-another-did-method": lambda: _case(
        _first(ONE), lambda w: {1: approve(w, 1, 5, verificationMethod=f"did:web:a.example#{multikey(5)}")}
    ),
    "two-of-three-with-one-forged": lambda: _case(
        _first(TWO_OF_THREE), lambda w: {1: [*approve(w, 1, 5), approve(w, 1, 6)[0] | {"nonce": "forged"}]}
    ),
    "of-another-log": _of_another_log,
    "unpublished-entry": _for_an_unpublished_entry,
    "replayed-under-another-version": _replayed_under_another_version,
    "older-proof-does-not-cover-later-entry": lambda: _case(_first(ONE).then(), lambda w: {1: approve(w, 1, 5)}),
    "first-list-in-a-later-entry": lambda: _case(LogWriter().first().then(ONE), lambda _w: {}),
    "replaced-list-approves-itself": lambda: _case(
        _first(ONE).then({"witness": witness_rule(1, [6])}), lambda w: {1: approve(w, 1, 5), 2: approve(w, 2, 6)}
    ),
    "ended-without-approval": lambda: _case(_first(ONE).then({"witness": {}}), lambda w: {1: approve(w, 1, 5)}),
    "deactivated-without-approval": lambda: _case(
        _first(ONE).then({"deactivated": True}), lambda w: {1: approve(w, 1, 5)}
    ),
}
"""Reason to a log whose last entry lacks a witness."""

WITNESSED: dict[str, Callable[[], Case]] = {
    "one": lambda: _case(_first(ONE), lambda w: {1: approve(w, 1, 5)}),
    "two-of-three": lambda: _case(_first(TWO_OF_THREE), lambda w: {1: approve(w, 1, 7, 5)}),
    "later-proof-covers-earlier": lambda: _case(_first(ONE).then().then(), lambda w: {3: approve(w, 3, 5)}),
    "two-witnesses-two-versions": lambda: _case(
        _first(TWO_OF_TWO).then(), lambda w: {1: approve(w, 1, 5), 2: approve(w, 2, 5, 6)}
    ),
    "bad-proofs-beside-good": lambda: _case(
        _first(ONE), lambda w: {1: [*approve(w, 1, 9), {"type": 1}, *approve(w, 1, 5)]}
    ),
    "first-list-in-a-later-entry": lambda: _case(LogWriter().first().then(ONE), lambda w: {2: approve(w, 2, 5)}),
    "old-list-approves-its-replacement": lambda: _case(
        _first(ONE).then({"witness": witness_rule(1, [6])}).then(),
        lambda w: {2: approve(w, 2, 5), 3: approve(w, 3, 6)},
    ),
    "ended": lambda: _case(_first(ONE).then({"witness": {}}).then(), lambda w: {2: approve(w, 2, 5)}),
    "nobody-needed": lambda: _case(LogWriter().first().then(), lambda _w: {}),
}
"""Reason to a log that is witnessed throughout."""
