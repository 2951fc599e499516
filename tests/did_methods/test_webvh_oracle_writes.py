"""Logs that another implementation writes resolve here, and what others let through that is refused here is listed.

openvc-core writes no logs, so it judges ours only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.method import ResolutionError
from did_methods.timestamp import format_timestamp
from did_methods.webvh import resolve_log, verify_states
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, commitment, multikey
from tests.support.webvh_cases import INVALID, witness_rule
from tests.support.webvh_vectors import log_bytes
from tests.support.webvh_witness_cases import MISSING, WITNESSED

pytestmark = pytest.mark.oracle

PLACE = "did:webvh:{SCID}:registry.example.com:agents:bob"

# What did-webvh 1.0.1 accepts of the logs that are refused here. When it mends one, the entry goes.
DID_WEBVH_ACCEPTS = {
    "deactivated-a-number": "it reads any true value",
    "entry-after-deactivation": "it does not look at what follows a deactivation",
    "entry-duplicate-member": "its JSON parser keeps the last of two members",
    "move-without-also-known-as": "it does not ask for the link",
    "next-key-hashes-repeated": "it does not ask that items are distinct",
    "next-key-hashes-too-many": "legal in the specification; the limit is ours",
    "portable-stated-again": "it refuses only a change to true",
    "pre-rotation-next-key-hashes-omitted": "it inherits the list",
    "proof-purpose-authentication": "it does not look at the purpose",
    "proof-value-multibase-u": "it reads any multibase",
    "reactivation": "it does not look at what follows a deactivation",
    "second-move-names-only-the-first-did": "it does not ask for the link",
    "ttl-over-2-31": "it has no upper bound",
    "ttl-true": "true is an int to Python",
    "update-key-identity-point": "it does not look at keys that sign nothing",
    "update-key-p256": "it does not look at keys that sign nothing",
    "update-key-white-space": "it does not look at keys that sign nothing",
    "update-keys-repeated": "it does not ask that items are distinct",
    "version-time-2099": "its check of the future is off unless asked for",
    "version-time-other-zone": "it takes any zone",
    "version-time-six-minutes-ahead": "its check of the future is off unless asked for",
    "watcher-relative": "it does not look at watchers",
    "watcher-repeated": "it does not look at watchers",
    "watcher-with-white-space": "it does not look at watchers",
    "witness-listed-twice-later": "it does not look at a rule that binds no entry yet",
    "witness-threshold-zero": "it takes a threshold of 0 for no witnesses",
}
# … and what makes it raise something that is no result.
DID_WEBVH_CRASHES = {
    "proof-did-key-body-of-other-key",
    "proof-did-key-fragment-of-other-key",
    "proof-method-of-the-did-itself",
    "scid-missing",
    "version-id-other-hash",
    "version-id-sha-512",
    "version-id-two-dashes",
}
DID_WEBVH_NEEDS_NO = {
    "first-list-in-a-later-entry": "it lets the first rule bind only after its entry",
    "purpose-authentication": "it does not look at the purpose of a witness proof",
}
# What openvc-core 1.37.0 accepts of the same logs.
OPENVC_ACCEPTS = {
    "entry-duplicate-member": "its JSON parser keeps the last of two members",
    "entry-extra-member": "it ignores members it does not know",
    "method-lowered-later": "it reads the method in the first entry only",
    "move-after-portability-was-given-up": "it does not look at portability",
    "move-of-non-portable": "it does not look at portability",
    "move-without-also-known-as": "it does not ask for the link",
    "next-key-hashes-repeated": "it does not ask that items are distinct",
    "next-key-hashes-too-many": "legal in the specification; the limit is ours",
    "parameter-unknown": "it ignores parameters it does not know",
    "portable-a-string": "it does not look at portability",
    "portable-back-on": "it does not look at portability",
    "portable-stated-again": "it does not look at portability",
    "portable-switched-on-later": "it does not look at portability",
    "pre-rotation-next-key-hashes-omitted": "it inherits the list",
    "proof-by-stranger-beside-good": "one good proof is enough for it",
    "proof-did-key-fragment-of-other-key": "it reads the body and ignores the fragment",
    "proof-forged-beside-good": "one good proof is enough for it",
    "reactivation": "it looks at the last entry only",
    "scid-repeated-later": "it reads the SCID in the first entry only",
    "second-move-names-only-the-first-did": "it does not ask for the link",
    "state-id-with-fragment": "it compares the id with what was asked for, and no more",
    "state-scid-other-first": "it does not compare the SCID of the document",
    "state-scid-other-later": "it does not compare the SCID of the document",
    "ttl-a-string": "it does not look at ttl",
    "ttl-fraction": "it does not look at ttl",
    "ttl-negative": "it does not look at ttl",
    "ttl-over-2-31": "it does not look at ttl",
    "ttl-true": "it does not look at ttl",
    "update-key-identity-point": "it does not look at keys that sign nothing",
    "update-key-p256": "it does not look at keys that sign nothing",
    "update-key-white-space": "it does not look at keys that sign nothing",
    "update-keys-repeated": "it does not ask that items are distinct",
    "version-time-2099": "it has no clock",
    "version-time-equal": "it asks that time does not go back, not that it goes on",
    "version-time-other-zone": "it takes any zone",
    "version-time-six-minutes-ahead": "it has no clock",
    "version-time-without-zone": "it reads a time without a zone",
    "watcher-a-number": "it does not look at watchers",
    "watcher-relative": "it does not look at watchers",
    "watcher-repeated": "it does not look at watchers",
    "watcher-with-white-space": "it does not look at watchers",
    "witness-not-an-object": "an empty list is false to Python",
    "witness-threshold-zero": "it takes a threshold of 0 for no witnesses",
}


def _theirs(log: bytes, did: str, folder: Path, witness: bytes | None = None) -> dict[str, Any]:
    from did_webvh.resolver import resolve_did

    (folder / "did.jsonl").write_bytes(log)
    if witness is not None:
        (folder / "did-witness.json").write_bytes(witness)
    result: dict[str, Any] = asyncio.run(resolve_did(did, local_history=folder)).serialize()
    return result.get("didResolutionMetadata") or {}


def _names(log: bytes) -> Iterator[str]:
    for line in log.split(b"\n"):
        entry = json.loads(line or b"null")
        state = entry.get("state") if isinstance(entry, dict) else None
        if isinstance(state, dict) and isinstance(state.get("id"), str):
            yield state["id"]


def test_the_list_of_what_did_webvh_lets_through_is_true(tmp_path: Path) -> None:
    """Asked for any name in the log, did-webvh accepts the listed logs, crashes on the listed ones, refuses the rest."""
    accepted, crashed = set(), set()
    for reason, (_code, case) in INVALID.items():
        log = log_bytes(case())
        if reason in {"entry-blank-line", "entry-not-an-object"}:
            continue
        for did in set(_names(log)):
            try:
                if not _theirs(log, did, tmp_path).get("error"):
                    accepted.add(reason)
            except (ValueError, KeyError, AttributeError):
                crashed.add(reason)
    assert accepted == DID_WEBVH_ACCEPTS.keys()
    assert crashed == DID_WEBVH_CRASHES


def test_the_list_of_what_openvc_lets_through_is_true() -> None:
    """The same for openvc-core, which knows no witnesses and refuses every log that has them."""
    from openvc.did.did_webvh import DidWebvhError, DidWebvhResolver

    accepted = set()
    for reason, (_code, case) in INVALID.items():
        log = log_bytes(case())
        if reason in {"entry-blank-line", "entry-not-an-object"}:
            continue
        for did in set(_names(log)):
            try:
                DidWebvhResolver(lambda _url, log=log: log.decode()).resolve(did)
            except DidWebvhError:
                continue
            accepted.add(reason)
    assert accepted == OPENVC_ACCEPTS.keys()


def test_witnesses_are_counted_alike_but_for_the_listed(tmp_path: Path) -> None:
    """did-webvh accepts every witnessed log, and of the others only those listed."""
    for reason, case in WITNESSED.items():
        writer, file = case()
        assert not _theirs(writer.log, writer.did, tmp_path, file).get("error"), reason
    accepted = set()
    for reason, case in MISSING.items():
        writer, file = case()
        if not _theirs(writer.log, writer.did, tmp_path, file).get("error"):
            accepted.add(reason)
    assert accepted == DID_WEBVH_NEEDS_NO.keys()


class _TheirWriter:
    """Writes logs with did-webvh: its own hashes, canonical form and signatures."""

    def __init__(self, keys: dict[int, Any], **parameters: Any) -> None:
        from did_webvh.core.state import DocumentState

        self._keys = keys
        document = {"@context": ["https://www.w3.org/ns/did/v1"], "id": PLACE}
        state = DocumentState.initial(
            {"updateKeys": [multikey(0)], **parameters}, document, timestamp=format_timestamp(START_MS)
        )
        self.states = [state]
        self._sign(0)

    def _sign(self, signer: int) -> None:
        state = self.states[-1]
        state.proofs.append(state.create_proof(self._keys[signer]))

    def then(self, signer: int = 0, document: dict[str, Any] | None = None, **parameters: Any) -> _TheirWriter:
        last = self.states[-1]
        time = format_timestamp(START_MS + len(self.states) * DAY_MS)
        self.states.append(last.create_next(document, parameters or None, time))
        self._sign(signer)
        return self

    @property
    def did(self) -> str:
        did: str = self.states[-1].document_id
        return did

    @property
    def log(self) -> bytes:
        return b"".join(state.history_json().encode().rstrip(b"\n") + b"\n" for state in self.states)


@pytest.fixture(scope="module")
def keys() -> dict[int, Any]:
    """Return the test keys in the form that did-webvh signs with."""
    import hashlib

    from did_webvh.askar import AskarSigningKey

    made = {}
    for number in range(8):
        seed = hashlib.sha256(f"bonafides test key {number}".encode()).digest()
        made[number] = AskarSigningKey.from_secret_bytes("ed25519", seed)
        assert made[number].multikey == multikey(number)
    return made


def test_what_did_webvh_writes_resolves_here(keys: dict[int, Any]) -> None:
    """Created, updated, with pre-rotation, rotated, moved and deactivated by the other: the same document and version."""
    writer = _TheirWriter(keys, portable=True, nextKeyHashes=[commitment(1)])
    writer.then(1, updateKeys=[multikey(1)], nextKeyHashes=[commitment(2), commitment(3)], ttl=60)
    moved = writer.states[-1].document_copy()
    old, new = writer.did, writer.did.replace("registry", "elsewhere")
    moved |= {"id": new, "alsoKnownAs": [old, "https://bob.example/ü€𐍈"]}
    writer.then(2, moved, updateKeys=[multikey(2)], nextKeyHashes=[])
    writer.then(2)
    states = verify_states(writer.log, now_ms=NOW_MS)
    assert [state.version_id for state in states] == [state.version_id for state in writer.states]
    assert states[-1].raw_document == writer.states[-1].document
    assert (states[-1].did, states[-1].first_did) == (new, old)
    writer.then(2, deactivated=True, updateKeys=[])
    for did in (old, new):
        result = resolve_log(did, writer.log, now_ms=NOW_MS)
        assert result.deactivated
        assert result.did_document is None


def test_witness_proofs_by_did_webvh_count_here(keys: dict[int, Any]) -> None:
    """Its witnesses' approvals are approvals, and one of them missing is missing."""
    from did_webvh.core.proof import di_jcs_sign

    writer = _TheirWriter(keys, witness=witness_rule(2, [5, 6]))
    writer.then()
    version_id = writer.states[-1].version_id
    proofs = [di_jcs_sign({"versionId": version_id}, keys[number]) for number in (5, 6)]
    for given, error in ((proofs, None), (proofs[:1], ResolutionError.INVALID_DID)):
        file = canonicalize([{"versionId": version_id, "proof": given}])
        assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file).error is error
