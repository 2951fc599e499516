"""Verifying presentations for whoever asks, as the VC-API has it, with challenges that are given out here and used once.

Decides which challenges are ours. A verifier may name a challenge of its own instead; keeping its single use is then the
verifier's. Nothing that verifies here is remembered or counted: registration and decisions have doors of their own.

Spec: VCALM 3.3.2, 3.3.3; specs/vc-api.md "Presentations"
"""

from __future__ import annotations

from typing import Any, Final

from registry.credentials.presentation_verification import PresentationOutcome, verify_any_presentation
from registry.credentials.vc_api import VerifyOptions
from registry.services.challenge import Challenges
from registry.services.credential import CredentialParts
from registry.storage.challenge import ChallengeStore

CHALLENGE_MARK: Final = "bonafides-vp-"


class PresentationService:
    """Gives out challenges and verifies presentations. Safe from any thread; verifying may wait, so call it in one.

    Args:
        parts: keys, statuses and processors.
        challenges: keeps those outstanding; None is the memory of this process.
    """

    def __init__(self, *, parts: CredentialParts, challenges: ChallengeStore | None = None) -> None:
        self._parts = parts
        self._challenges = Challenges(mark=CHALLENGE_MARK, store=challenges)

    def challenge(self, *, source: str | None) -> str:
        """Return a new challenge, to be used once and soon.

        Args:
            source: the caller's address; None is not counted by source.

        Raises:
            ChallengesExhaustedError: challenges_exhausted.

        Spec: VCALM 3.3.3
        """
        return self._challenges.issue(now_ms=self._parts.clock.now_ms(), source=source)[0]

    def verify(self, value: Any, *, options: VerifyOptions, now_ms: int) -> PresentationOutcome:
        """Verify a presentation of anybody; the steps are those of `verify_any_presentation`.

        Args:
            value: JSON value, an object or a compact JWS.
            options: what the caller asks for.
            now_ms: milliseconds since the epoch.

        Raises:
            DependencyError: something this process needs is busy or not there; everything else is in the outcome.

        Spec: VCALM 3.3.2; specs/vc-api.md "Presentations"
        """
        return verify_any_presentation(
            value,
            tools=self._parts.tools(now_ms),
            challenges=self._challenges,
            options=options,
            now_ms=now_ms,
        )
