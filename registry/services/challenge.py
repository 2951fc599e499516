"""Challenges: random, short-lived, single use, and bounded in number, wherever the store keeps them."""

from __future__ import annotations

import secrets

from did_methods.codec import base64url_encode
from registry.errors import VerificationError
from registry.limits import CHALLENGE_LIFETIME_MS
from registry.storage.challenge import ChallengesExhaustedError, ChallengeStore, MemoryChallenges

__all__ = ["ChallengeUnknownError", "Challenges", "ChallengesExhaustedError"]


class ChallengeUnknownError(VerificationError):
    """The challenge was not issued here, was used already, or is too old."""

    code = "challenge_unknown"
    title = "The challenge is unknown, used or expired"


class Challenges:
    """Issues challenges and takes each back once. Safe from any thread; may wait where several processes share a database.

    Args:
        mark: what each begins with, where a challenge of ours has to be told from a stranger's for ever: after its use,
            its end or a restart. Whoever makes one up with this mark has one that nobody can take.
        store: keeps those outstanding; None is the memory of this process.
    """

    def __init__(self, *, mark: str = "", store: ChallengeStore | None = None) -> None:
        self._mark = mark
        self._store = MemoryChallenges() if store is None else store

    def issue(self, *, now_ms: int, source: str | None = None) -> tuple[str, int]:
        """Return a new challenge (the mark, and 256 random bits in base64url) and when it ends, in ms.

        Args:
            now_ms: the wall clock.
            source: the caller's address; None is not counted by source (the registry itself, loopback in --dev).

        Raises:
            ChallengesExhaustedError: ``challenges_exhausted``.
        """
        challenge, expires_ms = self._mark + base64url_encode(secrets.token_bytes(32)), now_ms + CHALLENGE_LIFETIME_MS
        self._store.add(challenge, expires_ms=expires_ms, source=source, now_ms=now_ms)
        return challenge, expires_ms

    def is_ours(self, challenge: str) -> bool:
        """Say whether the challenge bears the mark of those issued here, be it used, expired or neither."""
        return bool(self._mark) and challenge.startswith(self._mark)

    def is_outstanding(self, challenge: str, *, now_ms: int) -> bool:
        """Say whether the challenge could still be taken."""
        return self._store.expires_ms(challenge) > now_ms

    def at_hand(self) -> Challenges:
        """Return a view of the same challenges for whoever may not wait, and fetches what is to be answered before."""
        return Challenges(mark=self._mark, store=self._store.at_hand())

    def fetch(self, challenge: str, *, now_ms: int) -> None:
        """Have a challenge at hand, so that neither `is_outstanding` nor `take` of it waits; from then on only here."""
        self._store.fetch(challenge, now_ms=now_ms)

    def take(self, challenge: str, *, now_ms: int) -> None:
        """Use a challenge up.

        Raises:
            ChallengeUnknownError: ``challenge_unknown``.
        """
        if self._store.take(challenge) <= now_ms:
            raise ChallengeUnknownError
