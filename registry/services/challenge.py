"""Challenges: random, short-lived, single use, and bounded in number.

They live in memory: a restart voids those outstanding, which fails closed and costs a client one more call.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict

from did_methods.codec import base64url_encode
from registry.errors import LimitError, VerificationError
from registry.limits import CHALLENGE_LIFETIME_MS, OUTSTANDING_CHALLENGES


class ChallengeUnknownError(VerificationError):
    """The challenge was not issued here, was used already, or is too old."""

    code = "challenge_unknown"
    title = "The challenge is unknown, used or expired"


class ChallengesExhaustedError(LimitError):
    """Too many challenges are outstanding."""

    code = "challenges_exhausted"
    title = "Too many challenges are outstanding; try again"


class Challenges:
    """Issues challenges and takes each back once. Safe from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._expiry: OrderedDict[str, int] = OrderedDict()

    def issue(self, *, now_ms: int) -> tuple[str, int]:
        """Return a new challenge (256 random bits, base64url) and when it ends, in ms.

        Raises:
            ChallengesExhaustedError: ``challenges_exhausted``.
        """
        challenge = base64url_encode(secrets.token_bytes(32))
        with self._mutex:
            self._drop_expired(now_ms)
            if len(self._expiry) >= OUTSTANDING_CHALLENGES:
                raise ChallengesExhaustedError
            self._expiry[challenge] = now_ms + CHALLENGE_LIFETIME_MS
        return challenge, now_ms + CHALLENGE_LIFETIME_MS

    def is_outstanding(self, challenge: str, *, now_ms: int) -> bool:
        """Say whether the challenge could still be taken."""
        with self._mutex:
            return self._expiry.get(challenge, -1) > now_ms

    def take(self, challenge: str, *, now_ms: int) -> None:
        """Use a challenge up.

        Raises:
            ChallengeUnknownError: ``challenge_unknown``.
        """
        with self._mutex:
            if self._expiry.pop(challenge, -1) <= now_ms:
                raise ChallengeUnknownError

    def _drop_expired(self, now_ms: int) -> None:
        while self._expiry:
            first = next(iter(self._expiry))
            if self._expiry[first] > now_ms:
                return
            del self._expiry[first]
