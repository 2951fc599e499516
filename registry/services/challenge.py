"""Challenges: random, short-lived, single use, and bounded in number.

They live in memory: a restart voids those outstanding, which fails closed and costs a client one more call.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, OrderedDict
from typing import Final

from did_methods.codec import base64url_encode
from registry.errors import LimitError, VerificationError
from registry.limits import CHALLENGE_LIFETIME_MS, OUTSTANDING_CHALLENGES, OUTSTANDING_CHALLENGES_PER_SOURCE

_NEVER: Final[tuple[int, str | None]] = (-1, None)


class ChallengeUnknownError(VerificationError):
    """The challenge was not issued here, was used already, or is too old."""

    code = "challenge_unknown"
    title = "The challenge is unknown, used or expired"


class ChallengesExhaustedError(LimitError):
    """Too many challenges are outstanding."""

    code = "challenges_exhausted"
    title = "Too many challenges are outstanding; try again"


class Challenges:
    """Issues challenges and takes each back once. Safe from any thread.

    Args:
        mark: what each begins with, where a challenge of ours has to be told from a stranger's for ever: after its use,
            its end or a restart. Whoever makes one up with this mark has one that nobody can take.
    """

    def __init__(self, *, mark: str = "") -> None:
        self._mark = mark
        self._mutex = threading.Lock()
        self._outstanding: OrderedDict[str, tuple[int, str | None]] = OrderedDict()
        self._by_source: Counter[str] = Counter()

    def issue(self, *, now_ms: int, source: str | None = None) -> tuple[str, int]:
        """Return a new challenge (the mark, and 256 random bits in base64url) and when it ends, in ms.

        Args:
            now_ms: the wall clock.
            source: the caller's address; None is not counted by source (the registry itself, loopback in --dev).

        Raises:
            ChallengesExhaustedError: ``challenges_exhausted``.
        """
        challenge = self._mark + base64url_encode(secrets.token_bytes(32))
        with self._mutex:
            self._drop_expired(now_ms)
            if len(self._outstanding) >= OUTSTANDING_CHALLENGES:
                raise ChallengesExhaustedError("all sources together", retry_after_s=CHALLENGE_LIFETIME_MS // 1_000)
            if source is not None:
                if self._by_source[source] >= OUTSTANDING_CHALLENGES_PER_SOURCE:
                    raise ChallengesExhaustedError("this source", retry_after_s=CHALLENGE_LIFETIME_MS // 1_000)
                self._by_source[source] += 1
            self._outstanding[challenge] = (now_ms + CHALLENGE_LIFETIME_MS, source)
        return challenge, now_ms + CHALLENGE_LIFETIME_MS

    def is_ours(self, challenge: str) -> bool:
        """Say whether the challenge bears the mark of those issued here, be it used, expired or neither."""
        return bool(self._mark) and challenge.startswith(self._mark)

    def is_outstanding(self, challenge: str, *, now_ms: int) -> bool:
        """Say whether the challenge could still be taken."""
        with self._mutex:
            return self._outstanding.get(challenge, _NEVER)[0] > now_ms

    def take(self, challenge: str, *, now_ms: int) -> None:
        """Use a challenge up.

        Raises:
            ChallengeUnknownError: ``challenge_unknown``.
        """
        with self._mutex:
            if self._drop(challenge) <= now_ms:
                raise ChallengeUnknownError

    def _drop_expired(self, now_ms: int) -> None:
        while self._outstanding:
            first = next(iter(self._outstanding))
            if self._outstanding[first][0] > now_ms:
                return
            self._drop(first)

    def _drop(self, challenge: str) -> int:
        """Forget a challenge; return when it ended."""
        expires_ms, source = self._outstanding.pop(challenge, _NEVER)
        if source is not None:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]
        return expires_ms
