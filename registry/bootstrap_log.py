"""Wiring of the log itself: folded, compared with the settings or begun, its writer, signer and publisher."""

from __future__ import annotations

from dataclasses import dataclass

from registry.adapters.key_file import KeyRing
from registry.adapters.registry_keys import KeysMissingError, load_registry_keys
from registry.adapters.system_clock import Clock
from registry.bootstrap_first_start import begin_log, check_genesis, make_first_keys, new_origin
from registry.bootstrap_signer import open_signer
from registry.config import Settings
from registry.history.state import Genesis, LogState
from registry.log.merkle import RightEdge
from registry.log.note import NoteSigner
from registry.log.tile import TileContentError
from registry.services.admission import restore_budgets
from registry.services.authority import Authority
from registry.services.challenge import Challenges
from registry.services.log import LogService
from registry.services.log_clock import LogClock
from registry.services.rollback_guard import LogHeadError
from registry.services.sequencer import Sequencer
from registry.services.snapshot import LoadedState, load_state
from registry.services.witnessing import Witnessing, WitnessSettings, open_witnessing
from registry.storage.challenge import open_challenges
from registry.storage.engine import Database
from registry.storage.log import LogStore


@dataclass(slots=True)
class LogRoom:
    """The parts of the log; see `registry.bootstrap.Registry`."""

    store: LogStore
    loaded: LoadedState
    sequencer: Sequencer
    authority: Authority
    challenges: Challenges
    genesis: Genesis
    rings: dict[str, KeyRing]
    log: LogService
    witnessing: Witnessing

    @property
    def state(self) -> LogState:
        """The folded state."""
        return self.loaded.state


def open_log(settings: Settings, clock: Clock, database: Database) -> LogRoom:
    """Open the log; the first start begins it.

    Raises:
        GenesisMismatchError: ``genesis_mismatch``.
        KeysMissingError: ``registry_keys_missing``.
        LogHeadError: ``log_head_contradicts``, the newest entries are missing.
        BonafidesError: a damaged log or key file.
    """
    store = LogStore(database)
    if store.head()[0]:
        return _open_log(settings, clock, database, store)
    with database.exclusive("first_start"):  # of several processes that start at once, one begins the log
        return _open_log(settings, clock, database, store)


def _open_log(settings: Settings, clock: Clock, database: Database, store: LogStore) -> LogRoom:
    size, _ = store.head()
    fresh, edge = size == 0, _edge(store, size)
    rings, first = make_first_keys(settings, clock) if fresh else (load_registry_keys(settings.keys_dir), None)
    loaded = load_state(store, size, noting=True)
    state = loaded.state
    budgets = restore_budgets(store, size=size, now_ms=clock.now_ms())
    log_clock = LogClock(clock, newest_ms=lambda: state.head.last_time_ms)
    sequencer = Sequencer(store=store, state=state, clock=log_clock, admission=budgets, edge=edge)
    authority = Authority(sequencer=sequencer, signer=rings["registry-did"].signer)
    challenges = Challenges(store=open_challenges(database))
    origin = new_origin(settings) if fresh else check_genesis(settings, state)
    note_signer = NoteSigner(origin, rings["log-note"].keys["signing"])
    if first is not None:
        begin_log(sequencer, authority, challenges, first, settings, note_signer, clock)
    genesis = state.head.genesis
    if genesis is None or note_signer.key.to_text() != genesis.log_key:
        raise KeysMissingError("the log key is not the one that entry 0 names")
    log = open_signer(settings, database, store, sequencer, note_signer, clock)
    witnessing = _witnessing(settings, genesis, log, store, database, rings, clock)
    if genesis.profile != "replay":
        witnessing.tell_time(log_clock)
    return LogRoom(store, loaded, sequencer, authority, challenges, genesis, rings, log, witnessing)


def _edge(store: LogStore, size: int) -> RightEdge:
    """Return the committed tree's right edge, before anything rests on the head row's word.

    Raises:
        LogHeadError: ``log_head_contradicts``.
    """
    # Head and entries move in one transaction: whoever sees an entry sees the head above it, also while others append.
    if store.entries(size, size + 1) and store.head()[0] == size:
        raise LogHeadError(f"there are entries beyond size {size}", size=size)
    try:
        return store.right_edge(size)
    except TileContentError as error:
        raise LogHeadError(f"rows of the newest entries or tiles are missing at size {size}", size=size) from error


def _witnessing(
    settings: Settings,
    genesis: Genesis,
    log: LogService,
    store: LogStore,
    database: Database,
    rings: dict[str, KeyRing],
    clock: Clock,
) -> Witnessing:
    chosen = WitnessSettings(settings.witness_policy, settings.tiles_dir, settings.witness_budget)
    return open_witnessing(
        chosen,
        genesis=genesis,
        log=log,
        entries=store,
        database=database,
        cosigning_key=rings["log-witness"].keys["signing"],
        heartbeat_key=rings["log-heartbeat"].keys["signing"],
        clock=clock,
    )
