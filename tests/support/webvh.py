"""A writer of did:webvh logs that signs anything, also what ``webvh_create`` would refuse to write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base58_encode
from did_methods.data_integrity import proof_hash_data
from did_methods.keys import SigningKey
from did_methods.timestamp import format_timestamp
from did_methods.webvh import did_template, document_template
from did_methods.webvh_entry import derive_entry_hash, replace_text
from did_methods.webvh_parameters import hash_text, next_key_hash

START_MS = 1_760_000_000_000
DAY_MS = 86_400_000
NOW_MS = START_MS + 3_000 * DAY_MS
HOST = "registry.example.com"
PLACEHOLDER = "{SCID}"


def key(number: int) -> SigningKey:
    """Return the test key of this number, always the same."""
    return SigningKey(hashlib.sha256(f"bonafides test key {number}".encode()).digest())


def multikey(number: int) -> str:
    """Return the public Multikey of a test key."""
    return key(number).public_key.multikey


def commitment(number: int) -> str:
    """Return the pre-rotation commitment to a test key."""
    return next_key_hash(multikey(number))


def document(did: str, *numbers: int) -> dict[str, Any]:
    """Return the default document with test keys."""
    return document_template(did, [key(number).public_key for number in numbers or (0,)])


def template(*numbers: int) -> dict[str, Any]:
    """Return the default first document, with the SCID still open."""
    return document(did_template(HOST, port=8000, path=("agents", "alice")), *numbers)


def make_proof(
    unsigned: Mapping[str, Any], signer: int, *, created_ms: int = START_MS, **changes: Any
) -> dict[str, Any]:
    """Return a proof whose signature is valid for exactly the members it has, sensible or not."""
    did_key = f"did:key:{multikey(signer)}"
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": format_timestamp(created_ms),
        "verificationMethod": f"{did_key}#{multikey(signer)}",
        "proofPurpose": "assertionMethod",
    } | changes
    signature = key(signer).sign(proof_hash_data(dict(unsigned), options))
    return options | {"proofValue": "z" + base58_encode(signature)}


@dataclass
class LogWriter:
    """Writes one log entry after another, hashing and signing correctly whatever it is told to write."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def did(self) -> str:
        """The DID of the first entry."""
        did: str = self.entries[0]["state"]["id"]
        return did

    @property
    def scid(self) -> str:
        """The SCID of the log."""
        scid: str = self.entries[0]["parameters"]["scid"]
        return scid

    @property
    def log(self) -> bytes:
        """The bytes of the log."""
        return b"".join(canonicalize(entry) + b"\n" for entry in self.entries)

    def first(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        drop: Sequence[str] = (),
        body: Mapping[str, Any] | None = None,
        scid: str | None = None,
        **seal: Any,
    ) -> LogWriter:
        """Write entry 1: default parameters changed by ``parameters`` and ``drop``, members changed by ``body``."""
        stated = {
            "method": "did:webvh:1.0",
            "scid": PLACEHOLDER,
            "updateKeys": [multikey(0)],
            "nextKeyHashes": [],
            "portable": True,
        } | dict(parameters or {})
        preliminary = {
            "versionId": PLACEHOLDER,
            "versionTime": format_timestamp(START_MS),
            "parameters": {name: value for name, value in stated.items() if name not in drop},
            "state": template(),
        } | dict(body or {})
        scid = scid or hash_text(canonicalize(preliminary))
        self._seal(replace_text(preliminary, old=PLACEHOLDER, new=scid), predecessor=scid, **seal)
        return self

    def then(
        self, parameters: Mapping[str, Any] | None = None, *, body: Mapping[str, Any] | None = None, **seal: Any
    ) -> LogWriter:
        """Write the next entry, a day after the one before, with the same document unless ``body`` says otherwise."""
        last = self.entries[-1]
        unsigned = {
            "versionTime": format_timestamp(START_MS + len(self.entries) * DAY_MS),
            "parameters": dict(parameters or {}),
            "state": last["state"],
        } | dict(body or {})
        self._seal(unsigned, predecessor=last["versionId"], **seal)
        return self

    def _seal(
        self,
        body: Mapping[str, Any],
        *,
        predecessor: str,
        signers: Sequence[int] = (0,),
        number: str | None = None,
        entry_hash: str | None = None,
        proofs: Sequence[Mapping[str, Any]] | None = None,
        proof: Mapping[str, Any] | None = None,
    ) -> None:
        """Hash and sign: ``proof`` changes signed members of each proof, ``proofs`` replaces the list as it is."""
        number = number or str(len(self.entries) + 1)
        entry_hash = entry_hash or derive_entry_hash(body, predecessor=predecessor)
        unsigned = {**body, "versionId": f"{number}-{entry_hash}"}
        made = [make_proof(unsigned, signer, **(proof or {})) for signer in signers]
        self.entries.append({**unsigned, "proof": made if proofs is None else list(proofs)})

    def tamper(self, **members: Any) -> LogWriter:
        """Replace members of the last entry as they are, without hashing or signing again."""
        self.entries[-1] = self.entries[-1] | members
        return self
