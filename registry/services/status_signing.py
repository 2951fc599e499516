"""Our status lists as credentials: what they say, and signed anew whenever a status changes or a period ends.

The same bits in the same period give the same credential, after a restart too: its times are those of the period and of
the newest change, not of whoever asks.

Spec: VC-BITSTRING-STATUS-LIST 2.2, 3.1; specs/status-list.md "Our lists"
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.keys import Signer
from did_methods.timestamp import format_timestamp
from registry import limits
from registry.credentials.status_list import CREDENTIAL_TYPE, LIST_TYPE, encode_status_list
from registry.services.status_errors import StatusKeyMissingError
from registry.storage.status import Shard

CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"


class ListSigner(Protocol):
    """Whoever signs the lists of one issuer, in whatever suite that issuer's credentials are signed in."""

    def sign_list(self, document: dict[str, Any], *, created_ms: int) -> dict[str, Any]:
        """Return the list with a proof; the same list and time give the same bytes where the suite allows it.

        Args:
            document: the credential without a proof.
            created_ms: of the proof, milliseconds since the epoch.
        """


@dataclass(frozen=True, slots=True)
class JcsListSigner:
    """Signs lists in the suite ``eddsa-jcs-2022``.

    Args:
        signer: of the lists' issuer.
    """

    signer: Signer

    def sign_list(self, document: dict[str, Any], *, created_ms: int) -> dict[str, Any]:
        """Return the list with a proof; see `ListSigner.sign_list`."""
        return sign_document(document, signer=self.signer, created=created_ms)


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A signed list as it is served.

    Attributes:
        document: the credential; not to be changed.
        data: its bytes.
        etag: opaque part of its entity tag.
        ttl_s: how long a copy should be used, seconds.
    """

    document: dict[str, Any]
    data: bytes
    etag: str
    ttl_s: int


class ListPublisher:
    """Signs shards, and keeps what it signed. Safe from any thread: two that sign at once make the same.

    Args:
        signers: DID of an issuer of lists to what signs them.
    """

    def __init__(self, signers: Mapping[str, ListSigner]) -> None:
        self._signers = signers
        self._kept: dict[str, tuple[Shard, int, PublishedList]] = {}

    def publish(self, shard: Shard, *, url: str, now_ms: int) -> PublishedList:
        """Return the signed list of a shard.

        Args:
            shard: as it stands.
            url: of the list.
            now_ms: milliseconds since the epoch.

        Raises:
            StatusKeyMissingError: status_key_missing.
        """
        begin_ms = now_ms // limits.STATUS_LIST_PERIOD_MS * limits.STATUS_LIST_PERIOD_MS
        kept = self._kept.get(shard.name)
        if kept is not None and kept[0] is shard and kept[1] == begin_ms:
            return kept[2]
        signer = self._signers.get(shard.kind.issuer)
        if signer is None:
            raise StatusKeyMissingError
        # A clock that is late by less than this does not see the list of a new period as one of the future.
        valid_from_ms = begin_ms - limits.CLOCK_WINDOW_MS
        created_ms = max(valid_from_ms, min(shard.changed_ms, now_ms))
        until_ms = begin_ms + 2 * limits.STATUS_LIST_PERIOD_MS
        unsigned = _unsigned(shard, url, valid_from_ms=valid_from_ms, valid_until_ms=until_ms)
        document = signer.sign_list(unsigned, created_ms=created_ms)
        data = canonicalize(document)
        etag = base64url_encode(hashlib.sha256(data).digest())
        made = PublishedList(document, data, etag, limits.STATUS_LIST_TTL_MS // 1_000)
        self._kept[shard.name] = (shard, begin_ms, made)
        return made


def _unsigned(shard: Shard, url: str, *, valid_from_ms: int, valid_until_ms: int) -> dict[str, Any]:
    return {
        "@context": [CONTEXT],
        "id": url,
        "type": ["VerifiableCredential", CREDENTIAL_TYPE],
        "issuer": shard.kind.issuer,
        "validFrom": format_timestamp(valid_from_ms),
        "validUntil": format_timestamp(valid_until_ms),
        # Size and messages stand in the entries: the W3C's context has no such terms for a list.
        "credentialSubject": {
            "id": f"{url}#list",
            "type": LIST_TYPE,
            "statusPurpose": shard.kind.purpose,
            "encodedList": encode_status_list(shard.bits),
            "ttl": limits.STATUS_LIST_TTL_MS,
        },
    }
