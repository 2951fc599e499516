"""Evidence comes in: one signed statement or a batch of them, each answered with its place in the log.

Signatures are verified here, on the caller's thread, under the keys active now; the sequencer checks again that those
keys still stand when the statement gets its place. Of a large batch, and of what comes over HTTP while others wait, other
processes verify what they can, which is most of it; the rest, and all that is wrong, is looked at here as if they had not
been asked. A statement whose signer is not known yet (it may be registered earlier in the same batch) is verified by the
sequencer in its turn.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from did_methods.codec import parse_json_object
from did_methods.errors import BonafidesError
from registry.adapters.statement_pipe import StatementPipe
from registry.adapters.statement_pool import StatementPool
from registry.adapters.system_clock import Clock
from registry.credentials.commitments import Disclosure, verify_openings
from registry.credentials.errors import KeyNotFoundError
from registry.errors import ParseError
from registry.history.errors import DidNotPublishedError, StatementKindError, WitnessOrderError
from registry.history.packed_statement import PackedStatement, unpack_statement
from registry.history.state import LogState
from registry.history.statement import (
    CredentialStatement,
    DidOperationStatement,
    DidWitnessStatement,
    RegistrationStatement,
    Statement,
    VerifiedStatement,
    claimed_time_ms,
    is_credential,
    parse_statement,
    verify_statement,
)
from registry.limits import EVENT_BODY_BYTES
from registry.services.authority import Authority
from registry.services.hosting import HostingService
from registry.services.observation import KEY_ERRORS, ObservationService
from registry.services.openings import Openings, Told
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted, Outcome, Submission


class EventFormError(ParseError):
    """The body is neither a signed statement nor one with its openings."""

    code = "event_malformed"
    title = "Not a signed statement"


class EventService:
    """Takes signed statements."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        authority: Authority,
        clock: Clock,
        hosting: HostingService,
        observations: ObservationService,
        openings: Openings,
        pool: StatementPool,
        pipe: StatementPipe,
    ) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._authority = authority
        self._clock = clock
        self._hosting = hosting
        self._observations = observations
        self._openings = openings
        self._pool = pool
        self._pipe = pipe
        # Threads that verify batches at once only take the interpreter from one another and from the writer.
        self._batch_mutex = threading.Lock()

    def submit(self, body: dict[str, Any]) -> Accepted:
        """Log one statement, durably.

        Args:
            body: a signed statement, or ``{"event": statement, "openings": [disclosure, …]}``.

        Raises:
            BonafidesError: what parsing, verification or the log's rules refuse.
        """
        statement, disclosures = self._prepare(body)
        known = self._sequencer.find(statement.event_id)
        if known is not None:
            return known
        if isinstance(statement, RegistrationStatement):
            raise StatementKindError("agents register at POST /v1/agents")
        verified = self._verified_after_a_look(statement)
        submission = Submission([verified], openings=self._openings.seal(self._told(verified, disclosures)))
        (outcome,) = self._sequencer.submit(submission).result()
        assert isinstance(outcome, Accepted)
        return outcome

    async def verify_apart(self, line: bytes) -> VerifiedStatement | None:
        """Have one statement verified by another process; None where that has to be done here.

        Args:
            line: a signed statement as it came.
        """
        origin, now_ms = self._judged_by()
        packed = await self._pipe.verify(line, origin=origin, now_ms=now_ms)
        return None if packed is None else unpack_statement(packed)

    def hand_in_verified(self, verified: VerifiedStatement) -> Future[list[Outcome]] | None:
        """Queue what `verify_apart` gave, as `hand_in` does; None for a statement that is known."""
        if verified.statement.event_id in self._state.tables.events:
            return None
        return self._sequencer.submit(Submission([verified]))

    def hand_in(self, body: dict[str, Any]) -> Future[list[Outcome]] | None:
        """Queue one statement for which nothing has to be waited for, as `submit` does; else take nothing.

        That is a new credential without openings whose signers' keys are known here. Verifying it takes less than handing
        it to another thread, so an event loop may do this itself.

        Returns:
            Gives the one outcome, or None for whatever `submit` has to look up, ask or write before.

        Raises:
            BonafidesError: as `submit`.
        """
        # Whatever else a stranger sends may take a hundred times as long to be parsed, and an event loop does nothing beside.
        if not is_credential(body) or ("event" in body and "proof" not in body):
            return None
        statement = parse_statement(body)
        if not isinstance(statement, CredentialStatement) or statement.event_id in self._state.tables.events:
            return None
        try:
            verified = self._verified(statement)
        except KEY_ERRORS:
            return None
        return self._sequencer.submit(Submission([verified])) if isinstance(verified, VerifiedStatement) else None

    def submit_lines(self, lines: Sequence[bytes]) -> list[Outcome]:
        """Log many statements, each for itself, in the order given; all are durable when this returns.

        Args:
            lines: signed statements, or such with their openings, as they came; registrations are taken in a replay
                registry only. Large batches are parsed and verified in other processes where these are there.

        Raises:
            OverloadedError: ``overloaded``; nothing was taken.
            BonafidesError: what forbids writing now.
        """
        origin, now_ms = self._judged_by()
        verified = self._pool.verify(lines, origin=origin, now_ms=now_ms)
        told: list[Told] = []
        with self._batch_mutex:
            prepared = [
                self._prepare_line(line, told) if packed is None else self._unpack(packed)
                for line, packed in zip(lines, verified, strict=True)
            ]
        return self._place_batch(prepared, told)

    def acceptance(self, accepted: Sequence[Accepted]) -> dict[str, object]:
        """Return the registry's signed acceptance."""
        return self._authority.acceptance(accepted)

    def _place_batch(
        self, prepared: Sequence[Statement | VerifiedStatement | BonafidesError], told: Sequence[Told]
    ) -> list[Outcome]:
        openings = self._openings.seal(told)
        waiting = [one for one in prepared if not isinstance(one, BonafidesError)]
        if not waiting:
            return [one for one in prepared if isinstance(one, BonafidesError)]
        placed = iter(self._sequencer.submit(Submission(waiting, openings=openings, together=False)).result())
        return [one if isinstance(one, BonafidesError) else next(placed) for one in prepared]

    def _judged_by(self) -> tuple[str, int | None]:
        """Return the log's origin, and log time; None in a replay registry, where each statement says its own."""
        genesis = self._state.head.genesis
        return genesis.origin if genesis else "", None if self._is_replay else self._clock.now_ms()

    def _unpack(self, packed: PackedStatement) -> Statement | VerifiedStatement:
        verified = unpack_statement(packed)
        return verified.statement if verified.statement.event_id in self._state.tables.events else verified

    def _prepare_line(self, line: bytes, told: list[Told]) -> Statement | VerifiedStatement | BonafidesError:
        try:
            statement, disclosures = self._prepare(parse_json_object(line, max_bytes=EVENT_BODY_BYTES))
            if isinstance(statement, RegistrationStatement) and not self._is_replay:
                return StatementKindError("agents register at POST /v1/agents")
            if statement.event_id in self._state.tables.events:
                return statement
            verified = self._verified(statement)
            told.extend(self._told(verified, disclosures))
        except BonafidesError as error:
            return error
        return verified

    def _told(self, one: Statement | VerifiedStatement, disclosures: Sequence[Disclosure]) -> list[Told]:
        """Return what is to be sealed of a statement; keys are drawn for verified ones only, or anybody could fill a disk."""
        statement = one.statement if isinstance(one, VerifiedStatement) else one
        if not disclosures or not isinstance(statement, CredentialStatement):
            return []
        if statement is one and not self._is_replay:
            raise KeyNotFoundError("openings are taken once the signer's key is known: send the statement again")
        self._openings.check_owned(statement.credential)
        return [Told(statement.credential, disclosures)]

    def _prepare(self, body: dict[str, Any]) -> tuple[Statement, Sequence[Disclosure]]:
        if "event" not in body or "proof" in body:
            statement = parse_statement(body)
            self._check_published(statement)
            return statement, ()
        event, disclosures = body["event"], body.get("openings", [])
        if body.keys() - {"event", "openings"} or not isinstance(event, dict) or not isinstance(disclosures, list):
            raise EventFormError("send a signed statement, or event and openings")
        statement = parse_statement(event)
        self._check_published(statement)
        if not disclosures:
            return statement, ()
        if not isinstance(statement, CredentialStatement):
            raise EventFormError("only credentials have openings")
        opened = verify_openings(statement.credential.subject, disclosures)
        # Before the known id is answered: whoever sends again what was erased is told so.
        self._openings.check_wanted(statement.credential)
        return statement, opened

    def _check_published(self, statement: Statement) -> None:
        """Refuse what does not enter alone, or not here: witness proofs, a DID's first entry, one too many.

        A first entry is published by registering.
        """
        if isinstance(statement, DidWitnessStatement):
            raise WitnessOrderError("witness proofs come with their entry at POST /v1/agents/{did}/did-log")
        if isinstance(statement, DidOperationStatement):
            if self._state.log_did(statement.did) not in self._state.tables.webvh:
                raise DidNotPublishedError("publish the first entry at POST /v1/agents")
            self._hosting.check_room(statement)

    def _verified(self, statement: Statement) -> Statement | VerifiedStatement:
        """Verify now if the keys are known now; else leave it to the sequencer."""
        genesis = self._state.head.genesis
        now_ms = claimed_time_ms(statement) if self._is_replay else self._clock.now_ms()
        try:
            return verify_statement(
                statement, keys=self._state, now_ms=now_ms, origin=genesis.origin if genesis else ""
            )
        except KeyNotFoundError:
            return statement

    def _verified_after_a_look(self, statement: Statement) -> Statement | VerifiedStatement:
        """Verify; what does not verify under the keys last seen of a foreign DID may do so after another look there.

        A batch never looks: one slow host would hold up all of it.
        """
        try:
            return self._verified(statement)
        except KEY_ERRORS:
            if isinstance(statement, CredentialStatement) and any(
                self._observations.refresh(did) for did in statement.credential.signers
            ):
                return self._verified(statement)
            raise

    @property
    def _is_replay(self) -> bool:
        genesis = self._state.head.genesis
        return genesis is not None and genesis.profile == "replay"
