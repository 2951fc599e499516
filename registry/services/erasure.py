"""Erasing openings: ordered by the operator or by the agent itself, logged first, then carried out, whatever happens between.

The log entry is the durable intent. What it orders is done at once, again at the next start where this process died on the
way, and after every restore and at every replica, because each of them reads the log. Done means: the keys are overwritten,
the rows deleted, and the write-ahead log emptied. Leaves are never touched: they hold no openings.

Spec: specs/erasure.md
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from did_methods.codec import base64url_decode, base64url_encode
from registry.adapters.erasure_keys import ErasureKeys, ErasureKeysUnusableError, FolderErasureKeys
from registry.adapters.system_clock import Clock
from registry.credentials.model import parse_credential
from registry.credentials.verify import verify_credential
from registry.errors import ParseError
from registry.history.errors import AgentUnknownError, ErasureRepeatedError, NothingToEraseError
from registry.log.entry import Party, parse_leaf
from registry.services.authority import Authority
from registry.services.openings import Openings
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted
from registry.storage.engine import Database
from registry.storage.log import LogStore
from registry.storage.opening import OpeningStore

_LOG = logging.getLogger(__name__)
_RETRY_S: Final = 5.0


class ErasureFormError(ParseError):
    """The body names neither an agent nor an event, or is no signed request of an agent."""

    code = "erasure_malformed"
    title = "Not an order to erase"


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasure that is logged and carried out.

    Attributes:
        did: canonical DID of the agent whose openings they were.
        event_id: 32 bytes; None where it was everything of the agent's.
        openings: how many there were.
        accepted: the entry of the log that says so.
    """

    did: str
    event_id: bytes | None
    openings: int
    accepted: Accepted

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON."""
        event = {} if self.event_id is None else {"event": base64url_encode(self.event_id)}
        return {"did": self.did, **event, "openings": self.openings, "index": self.accepted.index}


class ErasureService:
    """Erases. Any thread may call it; one at a time carries out."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        authority: Authority,
        clock: Clock,
        entries: LogStore,
        keys: ErasureKeys,
        store: OpeningStore,
    ) -> None:
        self._sequencer = sequencer
        self._state = sequencer.state
        self._authority = authority
        self._clock = clock
        self._entries = entries
        self._keys = keys
        self._store = store
        self._mutex = threading.Lock()
        self._seen = 0
        self._try_again_s: float | None = None

    def erase_agent(self, did: str) -> Erased:
        """Erase all openings that an agent is a party to; done when this returns. Repeating it does no harm.

        Raises:
            AgentUnknownError: ``agent_unknown``.
        """
        agent = self._state.find_agent(did)
        if agent is None:
            raise AgentUnknownError
        return self._erase(agent.did, None)

    def erase_event(self, event_id: bytes, *, party: str | None = None) -> Erased:
        """Erase the openings of one event; done when this returns. Repeating it does no harm.

        Args:
            event_id: 32 bytes.
            party: canonical DID of the agent that asks, which must be one that the event is about or from; None for
                the operator.

        Raises:
            NothingToEraseError: ``nothing_to_erase``.
        """
        index = self._state.tables.events.get(event_id)
        entry = None if index is None else self._entries.entry(index)
        if entry is None:
            raise NothingToEraseError
        leaf = parse_leaf(entry.data)
        said = leaf.event.get("credentialSubject")
        if not isinstance(said, dict) or not said.get("commitments"):
            raise NothingToEraseError("it commits to nothing")  # so that nobody fills the log with orders about nothing
        agents = [one for one in leaf.parties if one.did in self._state.tables.agents]
        named = sorted(agents, key=_subjects_first) if party is None else [one for one in agents if one.did == party]
        if not named:
            raise NothingToEraseError
        erased = [one for one in agents if one.did in self._state.tables.erased_agents]  # it went with one of them
        return self._erase((erased or named)[0].did, event_id)

    def erase_as_asked(self, request: dict[str, Any]) -> Erased:
        """Erase what an agent orders with its signature.

        Args:
            request: an AgentErasureCredential, as it was received.

        Raises:
            ErasureFormError: ``erasure_malformed`` for a credential of another kind.
            AgentUnknownError: ``agent_unknown``.
            NothingToEraseError: ``nothing_to_erase``.
            BonafidesError: the codes of parsing and of verification.
        """
        credential = parse_credential(request)
        if credential.kind.name != "erasure_request":
            raise ErasureFormError("send an AgentErasureCredential")
        genesis = self._state.head.genesis
        verify_credential(
            credential, keys=self._state, now_ms=self._clock.now_ms(), origin=genesis.origin if genesis else ""
        )
        agent = self._state.find_agent(credential.issuer)
        if agent is None:
            raise AgentUnknownError
        event = credential.subject.get("event")
        if event is None:
            return self.erase_agent(agent.did)
        return self.erase_event(base64url_decode(event), party=agent.did)

    def carry_out(self, *, from_the_start: bool = False, anew: int | None = None) -> None:
        """Carry out what the log orders and this database has not noted as done.

        Args:
            from_the_start: also destroy again every key that was ever erased: the folder of keys may be an older copy.
            anew: index of an order that is carried out whatever was noted: whoever gave it is told that it is done.

        Raises:
            ErasureKeysUnusableError: ``erasure_keys_unusable``.
        """
        with self._mutex:
            agents, events, names = self._ordered()
            done = self._store.carried_out() - {anew}
            due = {index for index in (*agents.values(), *events.values()) if index not in done}
            dids = [did for did, index in agents.items() if index in due or from_the_start]
            for did in dids:
                for name in (did, *names.get(did, ())):
                    self._keys.destroy_agent(name)
            for event_id, index in events.items():
                if index in due or from_the_start:
                    self._keys.destroy_event(event_id)
            self._try_again_s = None
            if due:
                own = [name for did, index in agents.items() if index in due for name in (did, *names.get(did, ()))]
                self._store.delete(dids=own, events=[event for event, index in events.items() if index in due])
                if self._store.forget_deleted():
                    self._store.note_carried_out(sorted(due), now_ms=self._clock.now_ms())
                else:
                    _LOG.warning("a reader keeps the write-ahead log; it is emptied when the reader has ended")
                    self._try_again_s = time.monotonic() + _RETRY_S
            self._seen = len(agents) + len(events)

    def carry_out_if_due(self) -> None:
        """Carry out what another replica logged and did not finish, and what could not be finished before."""
        tables = self._state.tables
        grown = len(tables.erased_agents) + len(tables.erased_events) > self._seen
        waits = self._try_again_s is not None and time.monotonic() < self._try_again_s
        if (not grown and self._try_again_s is None) or waits:
            return
        try:
            self.carry_out()
        except ErasureKeysUnusableError as error:  # this runs on the writer's thread, and the log goes on without
            _LOG.error("an erasure cannot be carried out now: %s", error)
            self._try_again_s = time.monotonic() + _RETRY_S

    def _ordered(self) -> tuple[dict[str, int], dict[bytes, int], dict[str, list[str]]]:
        """Return what is to be erased, with the index of each order, and the later names of those agents."""
        with self._sequencer.lock:
            tables = self._state.tables
            agents, events = dict(tables.erased_agents), dict(tables.erased_events)
            names: dict[str, list[str]] = {}
            for name, did in tables.aliases.items() if agents else ():
                if did in agents:
                    names.setdefault(did, []).append(name)
        return agents, events, names

    def _erase(self, did: str, event_id: bytes | None) -> Erased:
        before = self._logged(did, event_id)
        if before is None:
            openings = self._store.count(did=None if event_id else did, event_id=event_id)
            submission = self._authority.erasure(did, event_id, openings=openings, now_ms=self._clock.now_ms())
            try:
                self._sequencer.submit(submission).result()
            except ErasureRepeatedError:
                _LOG.info("somebody else ordered the same erasure at the same time")
            before = self._logged(did, event_id)
            assert before is not None, "what was accepted is in the state"
        self.carry_out(anew=before.accepted.index)
        return before

    def _logged(self, did: str, event_id: bytes | None) -> Erased | None:
        """Return the entry by which these openings were erased, or None."""
        tables = self._state.tables
        index = tables.erased_agents.get(did)
        if index is None and event_id is not None:
            index = tables.erased_events.get(event_id)
        entry = None if index is None else self._entries.entry(index)
        accepted = None if entry is None else self._sequencer.find(entry.event_id)
        if entry is None or accepted is None:
            return None
        openings = int(parse_leaf(entry.data).event["credentialSubject"]["openings"])
        return Erased(did, event_id, openings, accepted)


def _subjects_first(party: Party) -> tuple[bool, str]:
    return "subject" not in party.roles, party.did


@dataclass(frozen=True, slots=True)
class ErasureRoom:
    """Openings and their erasure in one registry."""

    openings: Openings
    erasure: ErasureService


def open_erasure(
    keys_folder: Path,
    sequencer: Sequencer,
    authority: Authority,
    clock: Clock,
    entries: LogStore,
    database: Database,
) -> ErasureRoom:
    """Open the room: first everything that the log orders is carried out, then what is still in the open is sealed.

    Args:
        keys_folder: outside the database and its backups; replicas share it.
        sequencer: orders the erasures among everything else.
        authority: signs them.
        clock: of the registry.
        entries: the log.
        database: where sealed openings lie.

    Raises:
        ErasureKeysUnusableError: ``erasure_keys_unusable``.
    """
    keys, store = FolderErasureKeys(keys_folder), OpeningStore(database)
    openings = Openings(keys=keys, store=store, entries=entries, state=sequencer.state)
    erasure = ErasureService(
        sequencer=sequencer, authority=authority, clock=clock, entries=entries, keys=keys, store=store
    )
    erasure.carry_out(from_the_start=True)
    openings.seal_plain()
    return ErasureRoom(openings, erasure)
