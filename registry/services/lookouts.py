"""Where the rollback guard looks: the folder that the log is published in, and the witnesses of its policy.

A head is believed only where this log's own key has signed it; anything else that lies there is another log's business.
Every witness is asked at its monitoring address, all side by side, each within its time, and never more than a cap is read.

Spec: c2sp.org/tlog-witness@v1.0.0, Monitoring; specs/transparency-log.md "Rollback guard"
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from did_methods.errors import BonafidesError
from registry.adapters.witness_http import (
    WitnessAnswer,
    WitnessAnswerError,
    WitnessGet,
    WitnessPost,
    WitnessTimeoutError,
    WitnessUnreachableError,
)
from registry.limits import WITNESS_ANSWER_BYTES, WITNESS_TIMEOUT_MS
from registry.log.checkpoint import Checkpoint
from registry.log.note import NoteKey
from registry.log.witness import AddCheckpoint, encode_add_checkpoint, parse_size_body, verify_log_signature
from registry.log.witness_policy import PolicyWitness, WitnessPolicy
from registry.services.rollback_guard import Answers, Sighting
from registry.services.signing import SignedHead
from registry.storage.tile_store import FolderTileStore

_LOG = logging.getLogger(__name__)
_OK, _NOT_FOUND, _CONFLICT = 200, 404, 409
_SLACK_S = 0.5


class FolderLookout:
    """The published checkpoint of a folder.

    Args:
        folder: the tile folder.
        key: the log's.
    """

    def __init__(self, folder: FolderTileStore, key: NoteKey) -> None:
        self._folder, self._key = folder, key

    def ask(self, names: Collection[str] | None = None) -> Answers:
        """Read it; see `Lookout.ask`."""
        note = self._folder.checkpoint() if names is None else None
        return Answers(_verified("folder", note, self._key))

    def is_enough(self, _answered: Collection[str]) -> bool:
        """See `Lookout.is_enough`."""
        return True


class WitnessLookout:
    """The monitoring addresses of a policy's witnesses.

    Args:
        policy: whose witnesses have an address.
        key: the log's; its name is the origin.
        get: how they are asked what they hold.
        post: how they are asked anew for what they cosigned last; a policy names one address, and that of monitoring
            may be another. None does not ask.
        newest: the newest head that was signed, or None.
        timeout_ms: for each.
    """

    def __init__(
        self,
        policy: WitnessPolicy,
        key: NoteKey,
        get: WitnessGet,
        *,
        post: WitnessPost | None = None,
        newest: Callable[[], SignedHead | None] = lambda: None,
        timeout_ms: int = WITNESS_TIMEOUT_MS,
    ) -> None:
        self._policy, self._key, self._get = policy, key, get
        self._post, self._newest = post, newest
        self._timeout_s = timeout_ms / 1_000
        self._path = f"{sha256(key.name.encode('utf-8')).hexdigest()}/checkpoint"

    def ask(self, names: Collection[str] | None = None) -> Answers:
        """Ask side by side; see `Lookout.ask`."""
        asked = [one for one in self._policy.witnesses if one.url is not None and (names is None or one.name in names)]
        if not asked:
            return Answers()
        pool = ThreadPoolExecutor(len(asked), "lookout")
        until = time.monotonic() + self._timeout_s + _SLACK_S
        try:
            running = {one.name: pool.submit(self._ask_one, one) for one in asked}
            # A name server that hangs knows no deadline of ours: whoever waits for one is left behind, not waited for.
            found = {name: _within(future.result, until) for name, future in running.items()}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        answered = {name: sightings for name, sightings in found.items() if sightings is not None}
        sightings = tuple(one for each in answered.values() for one in each)
        return Answers(sightings, frozenset(answered), frozenset(found.keys() - answered.keys()))

    def is_enough(self, answered: Collection[str]) -> bool:
        """Say whether those who answered are a quorum; see `Lookout.is_enough`."""
        return self._policy.has_quorum(answered)

    def _ask_one(self, witness: PolicyWitness) -> tuple[Sighting, ...] | None:
        """Return what a witness holds: nothing, or one head; None where it gave no answer that is one."""
        prefix = (witness.url or "").rstrip("/")
        until = time.monotonic() + self._timeout_s
        try:
            answer = self._get(f"{prefix}/{self._path}", seconds=self._timeout_s, max_bytes=WITNESS_ANSWER_BYTES)
            if answer.status == _NOT_FOUND:
                return () if self._knows_no_more(witness, prefix, until) else None
        except (WitnessTimeoutError, WitnessUnreachableError, WitnessAnswerError) as error:
            _LOG.warning("witness %s does not say what it has seen of this log: %s", witness.name, error.code)
            return None
        if answer.status != _OK:
            _LOG.warning("witness %s does not say what it has seen of this log: HTTP %d", witness.name, answer.status)
            return None
        return _verified(f"witness {witness.name}", answer.body, self._key) or None

    def _knows_no_more(self, witness: PolicyWitness, prefix: str, until: float) -> bool:
        """Say whether a witness, asked for our newest head again, shows that it has cosigned nothing beyond it.

        Spec: c2sp.org/tlog-witness, add-checkpoint
        """
        newest = self._newest()
        if self._post is None or newest is None:
            return True
        body = encode_add_checkpoint(AddCheckpoint(newest.size, (), newest.note))
        seconds = max(0.01, until - time.monotonic())
        answer = self._post(f"{prefix}/add-checkpoint", body, seconds=seconds, max_bytes=WITNESS_ANSWER_BYTES)
        known = _claimed_size(answer) if answer.status == _CONFLICT else None
        if answer.status in (_OK, _NOT_FOUND) or (known is not None and known <= newest.size):
            return True
        # Its word alone closes nothing; but it is no word that it knows nothing, either.
        _LOG.critical("witness %s does not stand by our size %d: HTTP %d", witness.name, newest.size, answer.status)
        return False


def _claimed_size(answer: WitnessAnswer) -> int | None:
    try:
        return parse_size_body(answer.body)
    except BonafidesError:
        return None


def seen_head(source: str, head: Checkpoint) -> Sighting:
    """Return a head as a sighting.

    Args:
        source: who holds it.
        head: signed by the log's key; the caller has verified it.
    """
    return Sighting(source, head.size, head.root_hash)


def _within(result: Callable[[float], tuple[Sighting, ...] | None], until: float) -> tuple[Sighting, ...] | None:
    try:
        return result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return None


def _verified(source: str, note: bytes | None, key: NoteKey) -> tuple[Sighting, ...]:
    """Return the head that a note of this log's key names; nothing where there is none."""
    if note is None:
        return ()
    try:
        head = verify_log_signature(note, key=key).checkpoint
    except BonafidesError as error:
        _LOG.warning("%s holds what this log's key did not sign: %s", source, error.code)
        return ()
    return (seen_head(source, head),)
