"""Asking witnesses for cosignatures of this log's checkpoints: all side by side, each within its time.

Whatever a witness answers, only a line of its own known key that verifies over exactly our checkpoint, with a time near
ours, becomes a cosignature. A witness that misbehaves costs its own cosignature and nothing else.

Spec: c2sp.org/tlog-witness@v1.0.0; specs/witness.md "Asking"
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass

from did_methods.errors import BonafidesError
from registry.adapters.system_clock import Clock
from registry.adapters.witness_http import (
    WitnessAnswer,
    WitnessAnswerError,
    WitnessPost,
    WitnessTimeoutError,
    WitnessUnreachableError,
)
from registry.limits import (
    WITNESS_ANSWER_BYTES,
    WITNESS_CLOCK_MS,
    WITNESS_PAUSE_MOST_MS,
    WITNESS_REQUESTS_PER_DAY,
    WITNESS_RETRIES,
    WITNESS_TIMEOUT_MS,
)
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import Cosignature, CosignatureInvalidError, verify_cosignature
from registry.log.note import parse_signature_lines
from registry.log.witness import AddCheckpoint, encode_add_checkpoint, parse_size_body
from registry.log.witness_policy import PolicyWitness

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400
_FIRST_PAUSE_MS = 500
_GRACE_S = 0.5
_SIZE_TYPE = "text/x.tlog.size"
_OK, _CONFLICT = 200, 409
_DOUBTS = frozenset({"ahead", "conflict", "http_422"})

Prove = Callable[[int, int], Sequence[bytes]]
"""Gives the consistency proof between two sizes of this log; empty from 0 and to the same size."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the client is; defaults are the limits of this product.

    Attributes:
        timeout_ms: for all that one witness gets for one checkpoint.
        pause_most_ms: longest pause after failures in a row.
        per_day: requests to one witness in a day, spent evenly: an hour's share at most is saved up.
    """

    timeout_ms: int = WITNESS_TIMEOUT_MS
    pause_most_ms: int = WITNESS_PAUSE_MOST_MS
    per_day: int = WITNESS_REQUESTS_PER_DAY


class _AnswerRefused(Exception):  # noqa: N818 - a word about an answer, which never leaves this module
    """A witness's answer is worth nothing; the argument is the word that is counted."""


class _Asked:
    """One witness as it was lately: what it cosigned last, when it may be asked again, what is left of its budget."""

    def __init__(self, witness: PolicyWitness, *, known_size: int, per_day: int, now: float) -> None:
        self.witness = witness
        self.known_size = known_size
        self.is_busy = False
        self._failures = 0
        self._not_before = 0.0
        self._rate = per_day / _DAY_S
        self._most = max(1.0, per_day / 24)
        self._left, self._filled = self._most, now

    def may_be_asked(self, now: float) -> bool:
        return not self.is_busy and now >= self._not_before

    def take(self, now: float) -> bool:
        """Spend one request of the budget; say whether there was one."""
        self._left = min(self._most, self._left + (now - self._filled) * self._rate)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def rest(self, now: float, *, pause_most_ms: int, failed: bool) -> None:
        """Pause after a failure, longer each time."""
        self._failures = self._failures + 1 if failed else 0
        if failed:
            pause_ms = min(_FIRST_PAUSE_MS << min(self._failures - 1, 10), pause_most_ms)
            self._not_before = now + pause_ms / 1_000


class WitnessClient:
    """Asks the witnesses of a policy that have an address. `collect` is for one thread at a time.

    Args:
        witnesses: of the policy; those without an address are only known, not asked.
        known_sizes: largest size that each has cosigned, by verifier key.
        post: how they are asked.
        prove: consistency proofs of this log.
        clock: the registry's; cosignature times are compared with it.
        timing: how patient.
        monotonic: seconds that never go backwards.
        on_doubt: told the name of a witness that claims to have cosigned a larger or another tree; no proof yet.
    """

    def __init__(
        self,
        witnesses: Sequence[PolicyWitness],
        *,
        known_sizes: Callable[[str], int],
        post: WitnessPost,
        prove: Prove,
        clock: Clock,
        timing: Timing | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_doubt: Callable[[str], None] | None = None,
    ) -> None:
        self._on_doubt = on_doubt
        self._timing = timing or Timing()
        self._post, self._prove = post, prove
        self._clock, self._monotonic = clock, monotonic
        now = monotonic()
        per_day = self._timing.per_day
        self._asked = [
            _Asked(one, known_size=known_sizes(one.key.to_text()), per_day=per_day, now=now)
            for one in witnesses
            if one.url is not None
        ]
        self._pool = ThreadPoolExecutor(max(1, len(self._asked)), "witness")
        self._mutex = threading.Lock()
        self.results: Counter[tuple[str, str]] = Counter()
        """How often each witness (by its name in the policy) gave which result."""
        self.heard: Callable[[str, int], None] = lambda _name, _time_ms: None
        """Told the name and the time of each cosignature that verified, whether the time is near ours or not."""

    @property
    def sizes(self) -> dict[str, int]:
        """The largest size that each witness is known to have cosigned, by its name in the policy."""
        return {one.witness.name: one.known_size for one in self._asked}

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def collect(self, checkpoint: Checkpoint, note: bytes, *, held: frozenset[str]) -> Iterator[Cosignature]:
        """Yield cosignatures as they come, verified; ends when every witness has answered or used up its time.

        Args:
            checkpoint: what the note says.
            note: the signed note, without cosignatures.
            held: verifier keys whose cosignature of it is there already.
        """
        now = self._monotonic()
        waiting = [one for one in self._asked if one.witness.key.to_text() not in held and one.may_be_asked(now)]
        for one in waiting:
            one.is_busy = True
        running = [self._pool.submit(self._ask, one, checkpoint, note) for one in waiting]
        # A name server that hangs knows no deadline of ours: whoever waits for one is left behind, not waited for.
        with suppress(TimeoutError):
            for done in as_completed(running, timeout=self._timing.timeout_ms / 1_000 + _GRACE_S):
                cosignature = done.result()
                if cosignature is not None:
                    yield cosignature

    def _ask(self, asked: _Asked, checkpoint: Checkpoint, note: bytes) -> Cosignature | None:
        try:
            return self._ask_one(asked, checkpoint, note)
        finally:
            asked.is_busy = False

    def _ask_one(self, asked: _Asked, checkpoint: Checkpoint, note: bytes) -> Cosignature | None:
        name = asked.witness.name
        cosignature: Cosignature | None = None
        try:
            cosignature = self._converse(asked, checkpoint, note)
            asked.known_size = checkpoint.size
            word = "cosigned"
        except _AnswerRefused as refused:
            word = str(refused)
            if word in _DOUBTS and self._on_doubt is not None:
                self._on_doubt(name)
        except WitnessTimeoutError:
            word = "timeout"
        except WitnessUnreachableError:
            word = "unreachable"
        except WitnessAnswerError:
            word = "answer_refused"
        with self._mutex:
            self.results[name, word] += 1
        asked.rest(self._monotonic(), pause_most_ms=self._timing.pause_most_ms, failed=cosignature is None)
        if cosignature is None:
            _LOG.warning("witness %s gave no cosignature of size %d: %s", name, checkpoint.size, word)
        return cosignature

    def _converse(self, asked: _Asked, checkpoint: Checkpoint, note: bytes) -> Cosignature:
        """Ask until the witness cosigns, at most as often as it may be asked again after a conflict."""
        until = self._monotonic() + self._timing.timeout_ms / 1_000
        old_size = min(asked.known_size, checkpoint.size)
        for _ in range(1 + WITNESS_RETRIES):
            if not asked.take(self._monotonic()):
                raise _AnswerRefused("budget")
            seconds = until - self._monotonic()
            if seconds <= 0:
                raise WitnessTimeoutError
            body = encode_add_checkpoint(AddCheckpoint(old_size, tuple(self._prove(old_size, checkpoint.size)), note))
            url = f"{(asked.witness.url or '').rstrip('/')}/add-checkpoint"
            answer = self._post(url, body, seconds=seconds, max_bytes=WITNESS_ANSWER_BYTES)
            if answer.status != _CONFLICT:
                return self._read_cosignature(asked.witness, answer, checkpoint)
            old_size = _next_size(answer, checkpoint, old_size)
        raise _AnswerRefused("conflict")

    def _read_cosignature(self, witness: PolicyWitness, answer: WitnessAnswer, checkpoint: Checkpoint) -> Cosignature:
        if answer.status != _OK:
            raise _AnswerRefused(f"http_{answer.status}")
        try:
            lines = parse_signature_lines(answer.body)
        except BonafidesError:
            raise _AnswerRefused("malformed") from None
        word = "no_signature"
        now_ms = self._clock.now_ms()
        # A line that is not this witness's, forged or not, is no reason to drop the one that is.
        for line in lines:
            if (line.name, line.key_id) != (witness.key.name, witness.key.key_id):
                continue
            try:
                cosignature = verify_cosignature(line, checkpoint, witness.key)
            except CosignatureInvalidError:
                word = "false_signature"
                continue
            self.heard(witness.name, cosignature.time_s * 1_000)
            if abs(cosignature.time_s * 1_000 - now_ms) <= WITNESS_CLOCK_MS:
                return cosignature
            word = "time"
        raise _AnswerRefused(word)


def _next_size(answer: WitnessAnswer, checkpoint: Checkpoint, asked_from: int) -> int:
    """Return the size that the witness says it cosigned last."""
    try:
        size = parse_size_body(answer.body)
    except BonafidesError:
        raise _AnswerRefused("malformed") from None
    if answer.media_type != _SIZE_TYPE:
        raise _AnswerRefused("malformed")
    if size > checkpoint.size:
        # Somebody showed the witness a larger tree under our key: this log was rolled back, or its key is abroad.
        _LOG.critical("a witness has cosigned size %d of this log, which has size %d", size, checkpoint.size)
        raise _AnswerRefused("ahead")
    if size == asked_from:
        raise _AnswerRefused("conflict")
    return size
