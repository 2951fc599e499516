"""Openings at rest: sealed before they reach the database, opened for the operator, unreadable once a key is destroyed.

An opening is sealed under a key that is made anew each time out of several: one of each agent that the event is about or
from, and one of the event. So each of those agents, and the operator for a single event, can erase it for all, and no copy
of the database opens it again.

Spec: specs/erasure.md
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.errors import DidError
from did_methods.sealed import NONCE_BYTES, seal_under, unseal_under
from registry.adapters.erasure_keys import ErasureKeys, OpeningsErasedError
from registry.credentials.commitments import Disclosure, verify_openings
from registry.credentials.model import UnverifiedCredential
from registry.errors import ParseError, VerificationError
from registry.history.errors import AgentUnknownError
from registry.history.state import LogState
from registry.log.entry import parse_leaf
from registry.storage.log import LogStore
from registry.storage.opening import OpeningStore, PlainOpening, SealedOpening

_LOG = logging.getLogger(__name__)
_PURPOSE: Final = b"bonafides/open/1"
_PLAIN_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Told:
    """A verified statement with the openings that came beside it."""

    credential: UnverifiedCredential
    openings: Sequence[Disclosure]


class Openings:
    """Seals and opens. Any thread may call it."""

    def __init__(self, *, keys: ErasureKeys, store: OpeningStore, entries: LogStore, state: LogState) -> None:
        self._keys = keys
        self._store = store
        self._entries = entries
        self._state = state

    def check_wanted(self, credential: UnverifiedCredential) -> None:
        """Refuse the openings of a statement whose own, or one of whose parties', were erased.

        Raises:
            OpeningsErasedError: ``openings_erased``.
        """
        tables = self._state.tables
        parties = self._parties(credential)
        if credential.event_id in tables.erased_events or any(did in tables.erased_agents for did in parties):
            raise OpeningsErasedError

    def seal(self, told: Sequence[Told]) -> list[SealedOpening]:
        """Seal the openings of statements; their keys are on the disk when this returns.

        Args:
            told: what `check_owned` has let pass, each statement with its openings.

        Raises:
            OpeningsErasedError: ``openings_erased``, in the moment between.
            ErasureKeysUnusableError: ``erasure_keys_unusable``.
        """
        pairs = [
            (one.credential.event_id, self._owners(one.credential), [(each.digest, each.text) for each in one.openings])
            for one in told
        ]
        return self._seal(pairs)

    def check_owned(self, credential: UnverifiedCredential) -> None:
        """Refuse openings that are nobody's here, and those that `check_wanted` refuses.

        Raises:
            AgentUnknownError: ``agent_unknown`` where nobody that it is about or from is registered: there is no one
                whose openings they are, and strangers do not fill the folder of keys.
            OpeningsErasedError: ``openings_erased``.
        """
        self.check_wanted(credential)
        if not self._owners(credential):
            raise AgentUnknownError("nobody that these openings belong to is registered")

    def _owners(self, credential: UnverifiedCredential) -> tuple[str, ...]:
        genesis, parties = self._state.head.genesis, self._parties(credential)
        if genesis is not None and genesis.profile == "replay":  # a replay's batch may register them on the way
            return parties
        return tuple(did for did in parties if did in self._state.tables.agents)

    def of_event(self, event_id: bytes) -> list[str]:
        """Return the disclosures kept for an event, as far as their keys exist."""
        found = self._store.of_event(event_id)
        keys = self._keys.find(found[0].parties, event_id) if found else None
        if keys is None:
            return []
        opened = []
        for one in found:
            try:
                text = unseal_opening(keys, event_id, one.digest, one.sealed)
            except DidError:
                _LOG.error("an opening of a logged event was altered in the database")
                continue
            opened.append(text.decode())
        return opened

    def seal_plain(self) -> int:
        """Seal what an earlier version kept in the open, and write the database anew; return how many there were."""
        count = 0
        while plain := self._store.plain(limit=_PLAIN_AT_ONCE):
            self._store.replace_plain(plain, [sealed for one in plain for sealed in self._sealed_plain(one)])
            count += len(plain)
        if count:
            _LOG.info("sealed %d openings that an earlier version kept in the open", count)
            if not self._store.forget_plain():
                _LOG.warning("a reader keeps the write-ahead log; it is emptied at the next start")
        return count

    def _sealed_plain(self, one: PlainOpening) -> list[SealedOpening]:
        index = self._state.tables.events.get(one.event_id)
        entry = None if index is None else self._entries.entry(index)
        if entry is None:
            return []  # of an event that is not in the log: nobody's
        agents, leaf = self._state.tables.agents, parse_leaf(entry.data)
        parties = tuple(party.did for party in leaf.parties if party.did in agents)
        said: Any = leaf.event.get("credentialSubject", {})
        try:
            if [each.digest for each in verify_openings(said, [one.disclosure])] != [one.digest]:
                return []
            return self._seal([(one.event_id, parties, [(one.digest, one.disclosure)])])
        except (OpeningsErasedError, ParseError, VerificationError):  # erased, or not what the event commits to
            return []

    def _seal(self, told: Sequence[tuple[bytes, tuple[str, ...], Sequence[tuple[str, str]]]]) -> list[SealedOpening]:
        agents = {did: self._keys.agent_key(did) for did in {did for _, parties, _ in told for did in parties}}
        events = self._keys.event_keys([event_id for event_id, _, _ in told])
        sealed = []
        for event_id, parties, pairs in told:
            key = opening_key((*(agents[did] for did in parties), events[event_id]), event_id)
            for digest, text in pairs:
                nonce = secrets.token_bytes(NONCE_BYTES)
                data = seal_under(key, text.encode(), nonce=nonce, belongs_to=_belongs_to(event_id, digest))
                sealed.append(SealedOpening(event_id, digest, parties, nonce + data))
        return sealed

    def _parties(self, credential: UnverifiedCredential) -> tuple[str, ...]:
        names = (*credential.signers, *credential.subjects)
        return tuple(sorted(set(map(self._state.canonical_did, names))))


def unseal_opening(keys: Sequence[bytes], event_id: bytes, digest: str, sealed: bytes) -> bytes:
    """Return the disclosure's text.

    Args:
        keys: of the parties in the order of their DIDs, then of the event, 32 bytes each.
        event_id: 32 bytes.
        digest: the commitment, base64url.
        sealed: nonce and ciphertext.

    Raises:
        DidError: the row was altered, or belongs elsewhere.
    """
    nonce, data = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    return unseal_under(opening_key(keys, event_id), data, nonce=nonce, belongs_to=_belongs_to(event_id, digest))


def opening_key(keys: Sequence[bytes], event_id: bytes) -> bytes:
    """Return the one key that an event's openings are sealed under, which takes all of the others; 32 bytes.

    Args:
        keys: of the parties in the order of their DIDs, then of the event, 32 bytes each.
        event_id: 32 bytes.
    """
    return hashlib.blake2b(b"".join(keys) + event_id, digest_size=32, person=_PURPOSE).digest()


def _belongs_to(event_id: bytes, digest: str) -> bytes:
    return event_id + digest.encode()
