"""Wiring of the state map: its keeper, its log with a key of its own, and how both are published.

The policy's witnesses are asked about the state log too where the policy names it in a ``log`` line; then it needs the same
quorum. Else it is published as soon as it is signed, and ``/log.json`` says so.

Spec: specs/state-map.md
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from did_methods.errors import BonafidesError
from registry.adapters.signer_record import FileSignerRecord, record_path
from registry.adapters.system_clock import Clock
from registry.bootstrap_log import LogRoom
from registry.config import Settings
from registry.credentials.issue_state import issue_state_log
from registry.errors import DependencyError, VerificationError
from registry.limits import STATE_MAP_INTERVAL_MS
from registry.log.checkpoint import verify_checkpoint
from registry.log.cosignature import Cosigner
from registry.log.note import NoteSigner
from registry.log.witness_policy import WitnessPolicy
from registry.services.age_proof import AgeProofs
from registry.services.heartbeat import Heartbeat
from registry.services.log import LogService, NotSignedYetError
from registry.services.publisher import PublicationStoppedError, Publisher
from registry.services.signing import CheckpointSigner, SignedHead
from registry.services.state_map import StateMapKeeper
from registry.services.state_proof import StateProofs
from registry.services.witnessing import (
    WitnessSettings,
    begin_guard,
    describe_heartbeat,
    describe_policy,
    open_client,
    open_folder,
    own_log,
)
from registry.storage.engine import DATABASE_FAILURES, Database
from registry.storage.log import HeadMovedError, LogStore
from registry.storage.publication import STATE_LOG, PublicationStore
from registry.storage.state_log import StateLogStore

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.1
STATE_LOG_SUFFIX = "/state"


class StateKeyError(DependencyError):
    """The state log was signed with another key than the one in ``state-note.json``."""

    code = "state_key_mismatch"
    title = "The key of the state log is another one"


class StateMapRoom:
    """The state map of a running registry: started, asked and stopped together.

    Owner of the state: whoever holds `_mutex`, which is the thread that `start` starts.

    Attributes:
        keeper: of the map.
        log: the state log as readers see it.
        publisher: publishes it.
        proofs: answers.
        described: what ``/log.json`` says of it, with the registry's signed word whose key the state log's is.
        ages: proofs of registrations.
    """

    def __init__(
        self,
        keeper: StateMapKeeper,
        log: LogService,
        publisher: Publisher,
        proofs: StateProofs,
        described: dict[str, Any],
        ages: AgeProofs,
        database: Database,
        *,
        interval_ms: int = STATE_MAP_INTERVAL_MS,
    ) -> None:
        self.keeper, self.log, self.publisher, self.proofs, self.described = keeper, log, publisher, proofs, described
        self.ages, self._database = ages, database
        self._interval_s = interval_ms / 1_000
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.failed: BonafidesError | None = keeper.damage
        """What stopped the state log for good."""

    def start(self) -> None:
        """Start the thread."""
        self.publisher.start()
        self._thread = threading.Thread(target=self._run, name="state-map", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Append and publish the last entry, if it can be done now, and stop."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self.advance()
        self.publisher.stop()

    def advance(self) -> bool:
        """Append, sign and let publish what there is to; say whether an entry was appended.

        While an entry waits for its cosignatures no other is appended: the next one covers what is newest then.
        """
        with self._mutex:
            if self.failed is not None:
                return False
            try:
                return self._advance()
            except (*DATABASE_FAILURES, OSError, HeadMovedError):
                _LOG.exception("the state map could not be written; trying again")
            except BonafidesError as error:
                self.failed = error
                _LOG.critical("the state log has stopped: %s", error)
            return False

    def _advance(self) -> bool:
        self.keeper.follow(kept_from=self._published_size() - 1)
        if self.keeper.is_current and self._published_size() == self.keeper.tree.size:
            return False
        # Of several processes one at a time; a unique index keeps out whoever lost the lock meanwhile.
        with self._database.exclusive("state log"):
            self.log.sign_if_grown()  # what a process that was killed left unsigned
            self.log.guard.check_may_write()
            published = self._published_size()
            waits = published < self.keeper.tree.size
            appended = not waits and self.keeper.advance(kept_from=published - 1)
            self.log.sign_if_grown()
        return appended

    def _run(self) -> None:
        rest_s = _LOOK_S
        try:
            while not self._stopping.wait(rest_s):
                rest_s = self._interval_s if self.advance() else _LOOK_S
                self._beat()
        except BaseException:  # the thread must not end silently: readiness says so
            self.failed = PublicationStoppedError("that of the state log")
            raise

    def _beat(self) -> None:
        try:
            self.publisher.on_idle()
        except DATABASE_FAILURES:
            _LOG.exception("the state log's checkpoint has no fresh time; trying again")

    def _published_size(self) -> int:
        try:
            return self.log.published_head.size
        except NotSignedYetError:
            return 0


def open_state_map(settings: Settings, room: LogRoom, database: Database, clock: Clock) -> StateMapRoom:
    """Wire the state map of one registry.

    Args:
        settings: the operator's, for witnesses and the tile folder.
        room: the main log. Of its key rings ``state-note`` signs the state log's checkpoints, ``registry-did`` says whose
            key that is.
        database: where everything is kept.
        clock: the registry's.

    Raises:
        StateKeyError: ``state_key_mismatch``.
        TilesFolderError: ``tiles_folder_unusable``.
    """
    genesis, sequencer = room.genesis, room.sequencer
    chosen = WitnessSettings(settings.witness_policy, settings.tiles_dir, settings.witness_budget)
    store = StateLogStore(database)
    keeper = StateMapKeeper(
        store=store,
        state=sequencer.state,
        lock=sequencer.lock,
        published=lambda: _published(room.log),
        rules=int(genesis.rules),
    )
    log = _open_log(settings, store, keeper, room, database)
    policy = _policy(room.witnessing.publisher.policy, log.signer.note_signer)
    folder = open_folder(_below(chosen.tiles_dir))
    begin_guard(log, folder, policy)
    publications = PublicationStore(database, STATE_LOG)
    room.witnessing.role.watch_own(own_log(log, publications))
    beat = Heartbeat(Cosigner(log.origin, room.rings["state-heartbeat"].keys["signing"]), clock)
    described = _describe(log, policy) | describe_heartbeat(beat, log.signer.note_signer)
    publisher = Publisher(
        log=log,
        entries=store,
        publications=publications,
        policy=policy,
        client=open_client(chosen, policy, publications, log, clock),
        folder=folder,
        description=orjson.dumps(described),
        heartbeat=beat,
        interval_ms=chosen.interval_ms,
        alone=lambda: database.exclusive(f"publish {log.origin}"),
    )
    note_at = room.witnessing.publisher.note_at
    proofs = StateProofs(keeper=keeper, store=store, state_log=log, note_at=note_at)
    ages = AgeProofs(
        state=sequencer.state,
        log=room.log,
        entries=LogStore(database),
        publications=PublicationStore(database),
        note_at=note_at,
    )
    described |= {"credential": _binding(room, log, clock)}
    return StateMapRoom(keeper, log, publisher, proofs, described, ages, database)


def _open_log(
    settings: Settings, store: StateLogStore, keeper: StateMapKeeper, room: LogRoom, database: Database
) -> LogService:
    """Open the state log with its signer, whose key and record are its own."""
    note_signer = NoteSigner(room.genesis.origin + STATE_LOG_SUFFIX, room.rings["state-note"].keys["signing"])
    _check_key(store, note_signer)
    record = FileSignerRecord(_record_path(settings, note_signer.name), origin=note_signer.name)
    signer = CheckpointSigner(
        note_signer=note_signer,
        store=store,
        record=record,
        alone=lambda: database.exclusive(f"sign {note_signer.name}"),
    )
    return LogService(store=store, sequencer=keeper, signer=signer)


def _binding(room: LogRoom, log: LogService, clock: Clock) -> dict[str, Any]:
    """Return the registry's signed word whose key the state log's is."""
    return issue_state_log(
        signer=room.rings["registry-did"].signer,
        origin=room.genesis.origin,
        state_log=log.origin,
        state_log_key=log.verifier_key,
        uuid=str(uuid4()),
        now_ms=clock.now_ms(),
    )


def _check_key(store: StateLogStore, signer: NoteSigner) -> None:
    """Refuse a key that is not the state log's: readers hold on to the one that they know."""
    newest = store.newest_signed()
    if newest is None:
        return
    try:
        verify_checkpoint(newest[2], origin=signer.name, key=signer.key)
    except VerificationError as error:
        raise StateKeyError from error


def _policy(policy: WitnessPolicy, signer: NoteSigner) -> WitnessPolicy | None:
    """Return the policy if it names the state log; witnesses that were never told of it could only refuse it."""
    if signer.key in [log.key for log in policy.logs]:
        return policy
    if policy.witnesses:
        _LOG.warning("the witness policy does not name the state log, which is published without cosignatures")
    return None


def _describe(log: LogService, policy: WitnessPolicy | None) -> dict[str, Any]:
    described = describe_policy(policy if policy is not None and policy.witnesses else None)
    return {"origin": log.origin, "verifier_keys": [log.verifier_key], **described}


def _published(log: LogService) -> SignedHead | None:
    try:
        return log.published_head
    except NotSignedYetError:
        return None


def _record_path(settings: Settings, origin: str) -> Path:
    chosen = settings.signer_record
    return record_path(settings.data_dir, origin) if chosen is None else chosen.with_name(chosen.name + ".state")


def _below(folder: Path | None) -> Path | None:
    return None if folder is None else folder / "state"
