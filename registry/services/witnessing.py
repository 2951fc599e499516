"""Wiring of publication and of both witness roles: the log that is cosigned, and the logs that are cosigned here.

Reads the policy file and opens the tile folder; refuses what cannot work before the log is written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from registry.adapters.system_clock import Clock
from registry.adapters.witness_http import HttpWitnessGet, HttpWitnessPost, WitnessPost, parse_witness_url
from registry.errors import DependencyError, ParseError
from registry.history.state import Genesis
from registry.limits import WITNESS_INTERVAL_MS, WITNESS_REQUESTS_PER_DAY
from registry.log.cosignature import Cosigner
from registry.log.heartbeat import sign_heartbeat_key
from registry.log.note import NoteKey, NoteSigner, parse_note_key
from registry.log.witness_policy import MAX_POLICY_BYTES, NONE, PolicyFileTooLargeError, WitnessPolicy, parse_policy
from registry.services.cosigning import Timing, WitnessClient
from registry.services.heartbeat import Heartbeat
from registry.services.log import LogService
from registry.services.log_clock import LogClock
from registry.services.lookouts import FolderLookout, WitnessLookout, seen_head
from registry.services.publisher import Publisher
from registry.services.witness import OwnLog, WitnessService
from registry.storage.engine import Database
from registry.storage.log import LogStore
from registry.storage.publication import PublicationStore
from registry.storage.tile_store import FolderTileStore
from registry.storage.witness import WitnessLogStore


class WitnessPolicyUnreadableError(DependencyError):
    """The file of the witness policy cannot be read."""

    code = "witness_policy_unreadable"
    title = "The witness policy cannot be read"


class WitnessPolicyUnusableError(ParseError):
    """The policy names logs, but not this one; or it asks for witnesses that have no address, so no quorum can come."""

    code = "witness_policy_unusable"
    title = "This witness policy cannot work here"


class TilesFolderError(DependencyError):
    """The tile folder cannot be made or read."""

    code = "tiles_folder_unusable"
    title = "The tile folder cannot be used"


@dataclass(slots=True)
class Witnessing:
    """What of a registry has to do with publication and witnesses.

    Attributes:
        publisher: publishes this log.
        role: cosigns other logs.
        policy_text: the policy file as it was read; None without one.
        newest_time_ms: the newest time that a witness has ever put under a checkpoint; 0 for none.
        heartbeat: what ``/log.json`` says of it; nothing without one.
    """

    publisher: Publisher
    role: WitnessService
    policy_text: bytes | None
    newest_time_ms: int = 0
    heartbeat: dict[str, Any] = field(default_factory=dict)

    def tell_time(self, clock: LogClock) -> None:
        """Let the log's clock hear what the witnesses say."""
        client = self.publisher.client
        if client is not None:
            clock.expect(len(client.sizes), not_before_ms=self.newest_time_ms)
            client.heard = clock.hear

    def describe(self) -> dict[str, Any]:
        """Return what ``/log.json`` says of witnesses and of the heartbeat."""
        role = {"verifier_key": self.role.cosigner.key.to_text(), "logs": sorted(self.role.logs)}
        return describe_policy(self.publisher.policy) | self.heartbeat | {"witness": role}


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """What the operator chose.

    Attributes:
        policy_file: None asks nobody.
        tiles_dir: None writes no folder.
        budget: requests to one witness in a day; None is the limit of this product.
        interval_ms: between two checkpoints that witnesses are asked about.
        timing: how patient the client is; None takes the limits, and the budget.
    """

    policy_file: Path | None = None
    tiles_dir: Path | None = None
    budget: int | None = None
    interval_ms: int = WITNESS_INTERVAL_MS
    timing: Timing | None = None


def open_witnessing(
    chosen: WitnessSettings,
    *,
    genesis: Genesis,
    log: LogService,
    entries: LogStore,
    database: Database,
    cosigning_key: SigningKey,
    clock: Clock,
    post: WitnessPost | None = None,
    heartbeat_key: SigningKey | None = None,
) -> Witnessing:
    """Wire publication and witnessing of one registry.

    Args:
        chosen: the operator's settings.
        genesis: of the log.
        log: the log.
        entries: its rows.
        database: where the rest is kept.
        cosigning_key: this registry's as a witness; serves nothing else.
        clock: the registry's.
        post: how witnesses are asked; None over HTTP.
        heartbeat_key: puts a time under this log's checkpoints; serves nothing else. None puts none.

    Raises:
        WitnessPolicyUnreadableError: ``witness_policy_unreadable``.
        WitnessPolicyUnusableError: ``witness_policy_unusable``.
        TilesFolderError: ``tiles_folder_unusable``.
        ParseError: ``witness_policy_malformed`` and the codes of verifier keys and addresses.
    """
    key = parse_note_key(genesis.log_key)
    text = None if chosen.policy_file is None else _read(chosen.policy_file)
    policy = None if text is None else _checked(parse_policy(text), key)
    publications = PublicationStore(database)
    folder = open_folder(chosen.tiles_dir)
    begin_guard(log, folder, policy)
    beat = None if heartbeat_key is None else Heartbeat(Cosigner(genesis.origin, heartbeat_key), clock)
    described = {} if beat is None else describe_heartbeat(beat, log.signer.note_signer)
    publisher = Publisher(
        log=log,
        entries=entries,
        publications=publications,
        policy=policy,
        client=open_client(chosen, policy, publications, log, clock, post),
        folder=folder,
        description=orjson.dumps(describe_log(genesis) | describe_policy(policy) | described),
        heartbeat=beat,
        interval_ms=chosen.interval_ms,
        alone=lambda: database.exclusive(f"publish {genesis.origin}"),
    )
    cosigner = Cosigner(f"{urlsplit(genesis.public_url).netloc}/witness", cosigning_key)
    role = WitnessService(cosigner=cosigner, store=WitnessLogStore(database), clock=clock)
    role.watch_own(own_log(log, publications))
    return Witnessing(publisher, role, text, publications.newest_time_s() * 1_000, described)


def own_log(log: LogService, publications: PublicationStore) -> OwnLog:
    """Return a log of this registry as gossip may be about it.

    Args:
        log: which closes where somebody holds another tree of it.
        publications: what it has signed.
    """
    key = log.signer.note_signer.key
    return OwnLog(key, log.root_at, publications.signed_note, lambda head: log.guard.meet(seen_head("gossip", head)))


def begin_guard(log: LogService, folder: FolderTileStore | None, policy: WitnessPolicy | None) -> None:
    """Let a log's guard look wherever its heads are held, and look there now.

    Args:
        log: whose guard.
        folder: that it is published in; None for none.
        policy: whose witnesses are asked; None for nobody.
    """
    key = log.signer.note_signer.key
    if folder is not None:
        log.guard.watch(FolderLookout(folder, key))
    if policy is not None:
        get, post = HttpWitnessGet(time.monotonic), HttpWitnessPost(time.monotonic)
        log.guard.watch(WitnessLookout(policy, key, get, post=post, newest=log.signer.newest))
    log.guard.look()


def open_folder(path: Path | None) -> FolderTileStore | None:
    """Open a tile folder.

    Args:
        path: None for none.

    Raises:
        TilesFolderError: ``tiles_folder_unusable``.
    """
    try:
        return None if path is None else FolderTileStore(path)
    except OSError as error:
        raise TilesFolderError(error.strerror or "") from error


def open_client(
    chosen: WitnessSettings,
    policy: WitnessPolicy | None,
    publications: PublicationStore,
    log: LogService,
    clock: Clock,
    post: WitnessPost | None = None,
) -> WitnessClient | None:
    """Make the client that asks a policy's witnesses about a log; None where there is nobody to ask.

    Args:
        chosen: how patient it is.
        policy: whom it asks.
        publications: what they have cosigned.
        log: proves its growth to them.
        clock: near which a cosignature's time must lie.
        post: how they are asked; None over HTTP.
    """
    if policy is None or not policy.witnesses:
        return None
    return WitnessClient(
        policy.witnesses,
        known_sizes=publications.newest_cosigned,
        post=post or HttpWitnessPost(time.monotonic),
        prove=log.prove_growth,
        clock=clock,
        on_doubt=log.guard.look_at,
        timing=chosen.timing or Timing(per_day=chosen.budget or WITNESS_REQUESTS_PER_DAY),
    )


def describe_log(genesis: Genesis) -> dict[str, Any]:
    """Return what ``/log.json`` says of the log itself, which never changes."""
    return {
        "origin": genesis.origin,
        "verifier_keys": [genesis.log_key],
        "public_url": genesis.public_url,
        "registry_did": genesis.registry_did,
        "operator_did": genesis.operator_did,
        "profile": genesis.profile,
        "rules": genesis.rules,
        "shards": [{"origin": genesis.origin, "verifier_keys": [genesis.log_key], "first": 0}],
    }


def describe_heartbeat(beat: Heartbeat, log: NoteSigner) -> dict[str, Any]:
    """Return what is said of a log's heartbeat: its key, by the word of the log's own, and how often it comes."""
    key = beat.cosigner.key
    statement = sign_heartbeat_key(key, log).decode("utf-8")
    seconds = beat.interval_ms // 1_000
    return {"heartbeat": {"verifier_key": key.to_text(), "statement": statement, "interval_s": seconds}}


def describe_end(log: LogService) -> dict[str, Any]:
    """Return what ``/log.json`` says of a log that is frozen; nothing of one that goes on."""
    if not log.guard.frozen:
        return {}
    return {"frozen": {"size": log.signed_head.size, "successor": log.guard.successor or None}}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise WitnessPolicyUnreadableError(f"{path.name}: {error.strerror}") from error
    if len(text) > MAX_POLICY_BYTES:
        raise PolicyFileTooLargeError(limit=MAX_POLICY_BYTES)
    return text


def _checked(policy: WitnessPolicy, key: NoteKey) -> WitnessPolicy:
    """Refuse a policy under which this log could never publish."""
    if policy.logs and key not in [log.key for log in policy.logs]:
        raise WitnessPolicyUnusableError("it names logs, and this one with its key is not among them")
    with_address = [one for one in policy.witnesses if one.url is not None]
    if not policy.has_quorum({one.name for one in with_address}):
        raise WitnessPolicyUnusableError("the witnesses that have an address are no quorum")
    for one in with_address:
        try:
            parse_witness_url(one.url or "")
        except BonafidesError as error:
            raise WitnessPolicyUnusableError(f"the address of {one.name} is not an http or https URL") from error
    return policy


def describe_policy(policy: WitnessPolicy | None) -> dict[str, Any]:
    """Return what is said of a policy: whose cosignatures, and the quorum."""
    if policy is None:
        return {"witnesses": [], "quorum": NONE}
    keys = [{"name": one.name, "verifier_key": one.key.to_text()} for one in policy.witnesses]
    return {"witnesses": keys, "quorum": policy.quorum}
