"""A registry's state map as a reader uses it: asks, verifies, follows chains; nothing unverified comes out.

The key of the state log is learnt from the registry's signed word in ``/log.json``, which only the DID that entry 0 pins can
give; whoever knows the key from elsewhere gives it.

Spec: specs/state-map.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.errors import DidError
from registry.audit.published_tree import PublishedTree
from registry.client.age_proof import VerifiedAge, verify_age
from registry.client.errors import RegistryAnswerError
from registry.client.log_reader import LogReader
from registry.client.state_errors import ChainIncompleteError, StateLogUnboundError, StateOldError
from registry.client.state_proof import (
    ChainEntry,
    StateTrust,
    VerifiedState,
    verify_absent,
    verify_agent,
    verify_all_entries,
    verify_not_revoked,
)
from registry.client.transport import did_segment
from registry.client.view import RegistryView
from registry.credentials.model import parse_credential
from registry.credentials.presentation import CLOCK_SKEW_MS
from registry.credentials.verify import verify_credential
from registry.errors import ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.entry import parse_leaf
from registry.log.note import NoteKey, parse_note_key
from registry.log.state_subject import event_subject
from registry.log.witness_policy import WitnessPolicy

STATE_LOG_SUFFIX = "/state"


class StateReader:
    """Asks one registry about states.

    Args:
        view: of the registry, its identity pinned or learnt.
        now_ms: reads the reader's clock, milliseconds since the epoch.
        policy: witnesses that the reader trusts; None asks for no cosignatures.
        state_key: of the state log, as a C2SP verifier key; None learns it from the registry's signed word.
        max_age_ms: how long ago the witnesses may have seen an answer as the newest; None asks for no time.
        seen: checkpoint of the state log that was kept from earlier (`newest`); every answer has to extend it.
    """

    def __init__(
        self,
        view: RegistryView,
        *,
        now_ms: int,
        policy: WitnessPolicy | None = None,
        state_key: str | None = None,
        max_age_ms: int | None = None,
        seen: bytes | None = None,
    ) -> None:
        self._view, self._now_ms, self._policy, self._max_age_ms = view, now_ms, policy, max_age_ms
        self._state_key = None if state_key is None else parse_note_key(state_key)
        self._size = 0
        self._seen = seen
        self._newest: VerifiedCheckpoint | None = None

    @property
    def newest(self) -> bytes | None:
        """The newest checkpoint of the state log that was verified, to be kept; None before the first answer."""
        return self._seen if self._newest is None else self._newest.note

    def trust(self) -> StateTrust:
        """Return what answers are held against.

        Raises:
            StateLogUnboundError: ``state_log_unbound``.
            RegistryError: as `RegistryView.identity`.
        """
        if self._state_key is None:
            self._state_key = self._learn_key()
        key = parse_note_key(self._view.identity().log_key)
        return StateTrust(key, self._state_key, self._now_ms, self._policy, self._size, self._max_age_ms)

    def agent(self, did: str) -> VerifiedState:
        """Return the verified state of a DID.

        Args:
            did: by any name; a later one is followed to the DID that came first.

        Raises:
            StateAbsentError: ``state_absent``.
            RegistryError: as `verify_agent`.
        """
        found = self._kept(verify_agent(self._answer(did), did=did, trust=self.trust()))
        first = str((found.record or {}).get("agent"))
        if first == did:
            return found
        return self._kept(verify_agent(self._answer(first), did=first, trust=self.trust()))

    def absent(self, did: str) -> VerifiedState:
        """Verify that the log holds nothing of a DID.

        Raises:
            StatePresentError: ``state_present``.
            RegistryError: as `verify_absent`.
        """
        return self._kept(verify_absent(self._answer(did), subject=did, trust=self.trust()))

    def standing_statement(self, event_id: bytes) -> VerifiedState:
        """Verify that a statement is neither revoked nor replaced.

        Args:
            event_id: 32 bytes.

        Raises:
            StateAbsentError: ``state_absent``.
            RegistryError: as `verify_not_revoked`.
        """
        return self._kept(verify_not_revoked(self._event(event_id), event_id=event_id, trust=self.trust()))

    def ended_statement(self, event_id: bytes) -> VerifiedState:
        """Verify that a statement does not stand: it was revoked or replaced, or never made.

        Raises:
            StatePresentError: ``state_present``.
            RegistryError: as `verify_absent`.
        """
        subject = event_subject(event_id)
        return self._kept(verify_absent(self._event(event_id), subject=subject, trust=self.trust()))

    def all_entries(self, did: str) -> tuple[ChainEntry, ...]:
        """Return every entry of a DID, newest first, verified to be all of them.

        Raises:
            ChainIncompleteError: ``chain_incomplete``.
            RegistryError: as `agent`.
        """
        state = self.agent(did)
        return verify_all_entries(state, self._walk(state))

    def age(self, did: str) -> VerifiedAge:
        """Return how long an agent has been here, verified.

        Args:
            did: by the name under which it first came.

        Raises:
            RegistryError: as `verify_age`.
        """
        document = self._view.transport.get(f"/v1/agents/{did_segment(did)}/age-proof")
        witnesses = () if self._policy is None else tuple(one.key for one in self._policy.witnesses)
        key = parse_note_key(self._view.identity().log_key)
        return verify_age(document, did=did, key=key, witnesses=witnesses)

    # ------------------------------------------------------------

    def _answer(self, did: str) -> Mapping[str, Any]:
        return self._view.transport.get(f"/v1/agents/{did_segment(did)}/state", format="proof")

    def _event(self, event_id: bytes) -> Mapping[str, Any]:
        return self._view.transport.get(f"/v1/events/{base64url_encode(event_id)}/state")

    def _kept(self, verified: VerifiedState) -> VerifiedState:
        """Hold an answer against what was seen before: neither log may have become smaller, or another one.

        Raises:
            StateOldError: ``state_answer_old``.
            ConsistencyProofError: ``consistency_proof_invalid``, the state log has two histories.
            LogTileMissingError: ``log_tile_missing``.
        """
        head = verified.state_checkpoint
        before = self._newest
        if before is None and self._seen is not None:
            key = self.trust().state_key
            before = verify_checkpoint(self._seen, origin=key.name, key=key)
        if before is not None and before.checkpoint != head.checkpoint:
            if head.checkpoint.size < before.checkpoint.size:
                raise StateOldError("a larger state log was seen before", size=head.checkpoint.size)
            tiles = LogReader(self._view.transport).state_log()
            PublishedTree(tiles, head.checkpoint.size).verify_extends(before.checkpoint, head.checkpoint)
        self._newest, self._size = head, max(self._size, verified.entry.size)
        return verified

    def _walk(self, state: VerifiedState) -> Iterator[bytes]:
        """Yield the entries of a chain from its newest back, as far as each names the one before."""
        chain = (state.record or {}).get("chain")
        index = None if chain is None else chain["index"]
        while index is not None:
            data = self._view.transport.get_answer(f"/v1/entries/{index}").body
            yield data
            party = next((one for one in parse_leaf(data).parties if one.did == state.subject), None)
            if party is not None and party.prev_index is not None and party.prev_index >= index:
                raise ChainIncompleteError("a chain goes back, never on", index=index)
            index = None if party is None else party.prev_index

    def _learn_key(self) -> NoteKey:
        identity = self._view.identity()
        described = self._view.transport.get("/log.json").get("stateLog")
        document = described.get("credential") if isinstance(described, dict) else None
        if not isinstance(document, dict):
            raise RegistryAnswerError("log.json names no state log")
        try:
            credential = parse_credential(document)
            verify_credential(credential, keys=self._view, now_ms=self._now_ms, skew_ms=CLOCK_SKEW_MS)
        except (DidError, ParseError, VerificationError) as error:
            raise StateLogUnboundError(error.code) from error
        said = credential.subject
        if credential.kind.name != "state_log" or credential.issuer != identity.registry_did:
            raise StateLogUnboundError("it is not the registry's")
        if (said["origin"], said["stateLog"]) != (identity.origin, identity.origin + STATE_LOG_SUFFIX):
            raise StateLogUnboundError("it is of another log")
        key = parse_note_key(said["stateLogKey"])
        if key.name != said["stateLog"]:
            raise StateLogUnboundError("the key has another name than the log")
        return key
