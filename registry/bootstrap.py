"""Wiring: the only place that knows all the parts.

`open_registry` opens a data folder, begins the log at the first start, folds what is there, and refuses to start when
the settings disagree with entry 0.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from did_methods.codec import base64url_encode
from registry.adapters.didkit_process import DidkitProcess
from registry.adapters.https_fetcher import HttpsFetcher
from registry.adapters.key_file import KeyRing
from registry.adapters.registry_keys import KeysMissingError
from registry.adapters.statement_pipe import StatementPipe
from registry.adapters.statement_pool import StatementPool
from registry.adapters.system_clock import Clock, SystemClock
from registry.bootstrap_credentials import CredentialRoom, open_credentials
from registry.bootstrap_first_start import GenesisMismatchError
from registry.bootstrap_log import open_log
from registry.bootstrap_state_map import StateMapRoom, open_state_map
from registry.config import SettingError, Settings
from registry.decisions.policy import PolicyPack
from registry.errors import DependencyError
from registry.history.state import Genesis, LogState
from registry.limits import DID_LOGS_WITNESSED
from registry.services.admission import RegistrationRates
from registry.services.agent import AgentService
from registry.services.authority import Authority
from registry.services.challenge import Challenges
from registry.services.credential import CredentialService
from registry.services.decision import DecisionService
from registry.services.did_witness import DidWitness
from registry.services.erasure import ErasureRoom, open_erasure
from registry.services.event import EventService
from registry.services.hosted_dids import HostedDids
from registry.services.hosting import HostingService
from registry.services.log import LogService
from registry.services.observation import ObservationService
from registry.services.presentation import PresentationService
from registry.services.recorder import DecisionRecorder
from registry.services.resolution import ResolutionService
from registry.services.scrubber import Scrubber
from registry.services.sequencer import TICK_S, Sequencer
from registry.services.shared_changes import SharedChanges
from registry.services.snapshot import Snapshots
from registry.services.status import StatusService
from registry.services.ticker import Ticker
from registry.services.witnessing import Witnessing
from registry.storage.decision import DecisionStore
from registry.storage.did_version import SqlVersionMemory
from registry.storage.did_witness import WitnessStore
from registry.storage.engine import DATABASE_FAILURES, Database, open_database
from registry.storage.gateway import GatewayStore
from registry.storage.log import LogStore
from registry.storage.status import TOPIC as STATUS_TOPIC

_LOG = logging.getLogger(__name__)


class PolicyFolderError(DependencyError):
    """The folder does not hold the three files of a policy pack."""

    code = "policy_files_missing"
    title = "This folder holds no policy pack"


@dataclass(slots=True)
class Registry:
    """A running registry: its parts, started and stopped together."""

    settings: Settings
    clock: Clock
    database: Database
    store: LogStore
    state: LogState
    sequencer: Sequencer
    log: LogService
    authority: Authority
    agents: AgentService
    events: EventService
    statement_pool: StatementPool
    statement_pipe: StatementPipe
    decisions: DecisionService
    recorder: DecisionRecorder
    decision_store: DecisionStore
    gateways: GatewayStore
    challenges: Challenges
    rates: RegistrationRates
    genesis: Genesis
    snapshots: Snapshots
    scrubber: Scrubber
    resolution: ResolutionService
    hosting: HostingService
    observations: ObservationService
    did_witness: DidWitness
    witnessing: Witnessing
    credential_room: CredentialRoom
    shared_changes: SharedChanges
    erasure_room: ErasureRoom
    state_map: StateMapRoom
    signing: Ticker | None = None

    @property
    def credentials(self) -> CredentialService:
        """Issues and verifies credentials of any kind."""
        return self.credential_room.credentials

    @property
    def presentations(self) -> PresentationService:
        """Verifies presentations of any kind."""
        return self.credential_room.presentations

    @property
    def statuses(self) -> StatusService:
        """Keeps our status lists, and reads others' for decisions."""
        return self.credential_room.statuses

    def start(self) -> None:
        """Start the writer, the recorder and the publisher."""
        self.snapshots.start()
        self.recorder.start()
        self.shared_changes.start()
        self.witnessing.publisher.start()
        self.state_map.start()
        self.scrubber.start()
        sign = _retried(partial(self._unless_failed, self.log.sign_if_due))
        self.signing = Ticker("signer", sign, every_s=TICK_S, on_failure=self.sequencer.fail)
        self.signing.start()
        self.sequencer.start(
            self._epoch_if_due,
            self._sign_if_due,
            _retried(self.snapshots.save_if_due),
            _retried(self.erasure_room.erasure.carry_out_if_due),
        )

    def verify_here(self) -> None:
        """End the processes that verify statements: what they have, and what comes later, is verified by this one."""
        self.statement_pool.close()
        self.statement_pipe.close()

    def stop(self) -> None:
        """Finish what is queued, keep a snapshot, close the database; a step that fails keeps no other from being done."""
        steps = (
            self.verify_here,
            self.shared_changes.stop,
            self.scrubber.stop,
            self.sequencer.stop,
            *(() if self.signing is None else (self.signing.stop,)),
            partial(self._unless_failed, self.log.sign_if_grown),
            self.witnessing.publisher.stop,
            self.state_map.stop,
            self.recorder.stop,
            self.observations.close,
            self.credential_room.close,
            self.resolution.close,
            self.snapshots.save_at_end,
            self.database.close,
        )
        with ExitStack() as stack:
            for step in reversed(steps):
                stack.callback(step)

    def _unless_failed(self, sign: Callable[[], None]) -> None:
        """Sign, unless the writer found something wrong: what the database holds then is looked at by the next start first."""
        if not self.sequencer.has_failed:
            sign()

    def _sign_if_due(self) -> None:
        if self.signing is not None and self.log.is_due:
            self.signing.wake()

    def _epoch_if_due(self) -> None:
        if not self.log.guard.is_current or not self.authority.epoch_due(now_ms=self.clock.now_ms()):
            return
        submission = self.authority.epoch_submission(if_due=True)
        self.sequencer.append([submission])
        refused = submission.future.exception()
        if refused is not None:  # a clock that went back, for example: the next tick tries again
            _LOG.error("the epoch that is due was refused: %s", refused)


def open_registry(settings: Settings, *, clock: Clock | None = None, policy: PolicyPack | None = None) -> Registry:
    """Open the registry of a data folder; the first start begins the log.

    Raises:
        DatabaseBusyError: ``database_in_use``.
        SettingError: ``setting_invalid``, a folder that cannot be used.
        GenesisMismatchError: ``genesis_mismatch``.
        KeysMissingError: ``registry_keys_missing``.
        BonafidesError: a damaged log or key file.
    """
    clock = clock or SystemClock()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = open_database(settings.database_url)
    except OSError as error:
        raise SettingError(f"the data folder {settings.data_dir} cannot be used: {error.strerror}") from error
    try:
        return _open(settings, clock, database, policy or load_policy(settings.policy_dir))
    except BaseException:
        database.close()
        raise


def _open(settings: Settings, clock: Clock, database: Database, pack: PolicyPack) -> Registry:
    room = open_log(settings, clock, database)
    sequencer, store, state, genesis = room.sequencer, room.store, room.state, room.genesis
    authority, challenges, rings = room.authority, room.challenges, room.rings
    hosting = HostingService(sequencer=sequencer, store=store, genesis=genesis)
    fetcher = _fetcher(settings)
    resolution = _resolution(
        HostedDids(sequencer=sequencer, store=store, public_url=genesis.public_url), fetcher, database, clock
    )
    observations = ObservationService(
        sequencer=sequencer, authority=authority, resolution=resolution, clock=clock, genesis=genesis
    )
    credential_room = open_credentials(
        settings, state, fetcher=fetcher, resolution=resolution, database=database, clock=clock
    )
    statement_pool, statement_pipe = _verifiers(settings)
    erasure_room = open_erasure(settings.erasure_keys_dir, sequencer, authority, clock, store, database)
    return Registry(
        settings=settings,
        clock=clock,
        database=database,
        store=store,
        state=state,
        sequencer=sequencer,
        log=room.log,
        authority=authority,
        agents=AgentService(
            sequencer=sequencer, store=store, challenges=challenges, clock=clock, observations=observations
        ),
        events=EventService(
            sequencer=sequencer,
            authority=authority,
            clock=clock,
            hosting=hosting,
            observations=observations,
            openings=erasure_room.openings,
            pool=statement_pool,
            pipe=statement_pipe,
        ),
        statement_pool=statement_pool,
        statement_pipe=statement_pipe,
        decisions=_decisions(sequencer, pack, clock, challenges.at_hand(), observations, credential_room.statuses),
        recorder=DecisionRecorder(DecisionStore(database)),
        decision_store=DecisionStore(database),
        gateways=GatewayStore(database),
        challenges=challenges,
        rates=RegistrationRates(),
        genesis=genesis,
        snapshots=Snapshots(store=store, sequencer=sequencer, loaded=room.loaded),
        scrubber=Scrubber(store),
        resolution=resolution,
        hosting=hosting,
        observations=observations,
        did_witness=_witness(rings["did-witness"], database, resolution, clock),
        credential_room=credential_room,
        shared_changes=_shared_changes(database, credential_room),
        erasure_room=erasure_room,
        witnessing=room.witnessing,
        state_map=open_state_map(settings, room, database, clock),
    )


def _verifiers(settings: Settings) -> tuple[StatementPool, StatementPipe]:
    """Make what asks other processes about batches, and about single statements; neither starts one yet."""
    return StatementPool(settings.verify_processes), StatementPipe(is_wanted=settings.verify_processes > 0)


def _shared_changes(database: Database, room: CredentialRoom) -> SharedChanges:
    changes = SharedChanges(database)
    changes.on(STATUS_TOPIC, room.status_store.refresh)
    return changes


def _decisions(
    sequencer: Sequencer,
    pack: PolicyPack,
    clock: Clock,
    challenges: Challenges,
    observations: ObservationService,
    statuses: StatusService,
) -> DecisionService:
    return DecisionService(
        sequencer=sequencer,
        pack=pack,
        clock=clock,
        challenges=challenges,
        new_id=lambda: str(uuid4()),
        look_again=observations.refresh_later,
        statuses=statuses,
    )


def _witness(ring: KeyRing, database: Database, resolution: ResolutionService, clock: Clock) -> DidWitness:
    store = WitnessStore(database, most=DID_LOGS_WITNESSED)
    return DidWitness(ring=ring, store=store, newest_seen=resolution.newest_seen, clock=clock)


def _fetcher(settings: Settings) -> HttpsFetcher:
    """Make the one door to other hosts; tell the operator of every way past the address rules."""
    for one in settings.fetch_overrides:
        _LOG.warning(
            "fetch override, for development only: %s:%d is dialled at %s, port %d, past the address rules",
            one.host, one.port, one.address, one.dial_port,
        )  # fmt: skip
    try:
        return HttpsFetcher(overrides=settings.fetch_overrides)
    except OSError as error:
        raise SettingError("a certificate file of the fetch overrides cannot be used") from error


def _resolution(hosted: HostedDids, fetcher: HttpsFetcher, database: Database, clock: Clock) -> ResolutionService:
    memory = SqlVersionMemory(database)
    return ResolutionService(hosted=hosted, fetcher=fetcher, memory=memory, foreign=DidkitProcess(), clock=clock)


def _retried(action: Callable[[], None]) -> Callable[[], None]:
    """Let a tick survive a database or a disk that refuses (it is full): it is logged, and the next tick tries again.

    What says that the log itself is wrong, such as a second checkpoint of one size, still stops the writer.
    """

    def run() -> None:
        try:
            action()
        except (*DATABASE_FAILURES, OSError):
            _LOG.exception("the disk or the database refused; trying again")

    return run


def load_policy(folder: Path | None) -> PolicyPack:
    """Load the policy pack of a folder, or the built-in baseline.

    Raises:
        PolicyPackError: the pack is not sound.
        PolicyFolderError: ``policy_files_missing``.
    """
    folder = folder or Path(__file__).parent / "decisions" / "policies"
    files = {
        suffix: next(iter(sorted(folder.glob(f"*{suffix}"))), None) for suffix in (".cedar", ".cedarschema", ".json")
    }
    if None in files.values():
        raise PolicyFolderError(f"a .cedar, a .cedarschema and a .json file are needed in {folder.name}")
    policies, schema, manifest = (path.read_bytes() for path in files.values() if path is not None)
    return PolicyPack.load(policies, schema, manifest)


def new_bearer_key() -> tuple[str, bytes]:
    """Return a new bearer key and the digest to keep."""
    key = base64url_encode(secrets.token_bytes(32))
    return key, hashlib.sha256(key.encode()).digest()


__all__ = ["GenesisMismatchError", "KeysMissingError", "Registry", "load_policy", "open_registry"]
