"""Status lists as tests make them: naive, by a list of numbers, and signed by whoever a test wants."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.key import key_signer
from did_methods.keys import KeySigner
from did_methods.timestamp import format_timestamp
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.services.status import StatusService
from registry.services.status_elsewhere import KeyListVerifier, ListsElsewhere
from registry.services.status_signing import JcsListSigner
from registry.storage.engine import Database
from registry.storage.status import StatusStore
from tests.support.actor import seeded
from tests.support.registry import PUBLIC_URL, START_MS, ManualClock
from tests.support.resolution import Files

ENTRIES = 131_072
LIST_URL = "https://issuer.example.com/lists/7"
STATUS_LIST = "https://www.w3.org/ns/credentials/status-list#"
MALFORMED = "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"


def pack(values: Mapping[int, int], *, entries: int = ENTRIES, size: int = 1) -> bytes:
    """Pack statuses the slow way: as a string of binary digits, the first index first."""
    digits = "".join(f"{values.get(index, 0):0{size}b}" for index in range(entries))
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


def encode(bits: bytes) -> str:
    """Encode packed statuses with the standard library's GZIP, name and time in its header."""
    return "u" + base64url_encode(gzip.compress(bits, mtime=1))


def entry(**members: Any) -> dict[str, Any]:
    """Return a status entry; a member of None is left out."""
    usual = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": LIST_URL,
    }
    return {name: value for name, value in (usual | members).items() if value is not None}


def messages(size: int) -> list[dict[str, str]]:
    """Return one message for each value of a size."""
    return [{"status": hex(value), "message": f"message {value}"} for value in range(2**size)]


def list_document(
    issuer: str, /, *, bits: bytes | None = None, subject: Mapping[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    """Return an unsigned list credential; a member of None is left out, of its subject too."""
    inner = {
        "id": f"{LIST_URL}#list",
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": encode(bytes(ENTRIES // 8) if bits is None else bits),
    }
    inner = {name: value for name, value in (inner | dict(subject or {})).items() if value is not None}
    usual = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": LIST_URL,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": format_timestamp(START_MS - 60_000),
        "credentialSubject": inner,
    }
    return {name: value for name, value in (usual | members).items() if value is not None}


class Lists:
    """A status service over a database, its own issuer, and one issuer elsewhere whose lists lie on a network of files."""

    def __init__(self, database: Database, clock: ManualClock | None = None, files: Files | None = None) -> None:
        self.clock = clock or ManualClock()
        self.files = files or Files()
        self.signer: KeySigner = key_signer(seeded("status issuer"))
        self.issuer = did_of(self.signer)
        self.other: KeySigner = key_signer(seeded("issuer elsewhere"))
        self.elsewhere = did_of(self.other)
        self.store = StatusStore(database)
        self.lists = ListsElsewhere(
            fetcher=self.files, verifier=KeyListVerifier(SelfCertifyingLookup()), clock=self.clock
        )
        self.service = StatusService(
            store=self.store,
            signers={self.issuer: JcsListSigner(self.signer)},
            public_url=PUBLIC_URL,
            elsewhere=self.lists,
            clock=self.clock,
        )

    def publish(self, document: dict[str, Any] | None = None, *, url: str = LIST_URL, **more: Any) -> dict[str, Any]:
        """Sign a list as the issuer elsewhere, put it up and return it."""
        document = list_document(self.elsewhere, **more) if document is None else document
        signed = sign_document(document, signer=self.other, created=self.clock.now_ms())
        self.files.files[url] = canonicalize(signed)
        return signed


def did_of(signer: KeySigner) -> str:
    """Return the DID of a signer."""
    return signer.verification_method.partition("#")[0]
