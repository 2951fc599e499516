"""A defect that one statement meets is contained in that statement's submission."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from registry.history.state import Draft
from registry.history.statement import CredentialStatement, VerifiedStatement
from registry.log.entry import Party
from tests.support.registry import open_world


class _Defective:
    """An admission with a defect: it breaks on statements about one DID."""

    def __init__(self, inner: Any, subject: str) -> None:
        self._inner = inner
        self._subject = subject

    def check(self, draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> None:
        """Break on that DID, else ask the real admission."""
        statement = verified.statement
        if isinstance(statement, CredentialStatement) and statement.credential.subject_id == self._subject:
            raise ValueError(self._subject)
        self._inner.check(draft, verified, time_ms=time_ms)

    def count(self, parties: Sequence[Party], kind: str, *, time_ms: int) -> None:
        """Count as the real one does."""
        self._inner.count(parties, kind, time_ms=time_ms)


def test_a_defect_refuses_one_submission_and_the_log_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The caller that met the defect gets 500 with a code; nothing of it is kept; others are served before and after."""
    with open_world(tmp_path) as world:
        alice, bob, carol = world.agent("alice"), world.agent("bob"), world.agent("carol")
        sequencer = world.registry.sequencer
        placer = sequencer._placer
        placer._admission = _Defective(placer._admission, bob.did)
        before = world.fingerprint()
        answer = world.submit(alice.vouch(bob.did))
        assert (answer.status, answer.json["code"]) == (500, "internal_error")
        assert world.fingerprint() == before
        assert world.submit(alice.vouch(carol.did)).status == 201
        assert sequencer.is_writable
        assert "defect" in caplog.text
