"""Reading a log's state log for the audit: its checkpoint, its entries, and whose word it is that the key is the registry's.

Spec: specs/state-map.md; specs/audit.md "State map".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from did_methods.errors import BonafidesError
from registry.audit.acceptance import verify_under_any
from registry.audit.finding import Finding, make_finding, refusal_finding
from registry.audit.log_audit import LogAudit
from registry.audit.reader import LogReader
from registry.audit.state_map import StateMapAudit, check_state_log
from registry.credentials.model import parse_credential
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.note import NoteKey, parse_note_key
from registry.log.witness import claimed_checkpoint

_SUFFIX = "/state"
_NOT_THERE = (404, 503)


class StateLogAudit:
    """One audit's look at the state log.

    Args:
        reader: of the main log.
        origin: of the main log.
        maps: compares what is read here with the fold.
        progress: told (stage, done, total).
    """

    def __init__(
        self, reader: LogReader, origin: str, maps: StateMapAudit, progress: Callable[[str, int, int], None]
    ) -> None:
        self._reader, self._origin, self._maps, self._progress = reader, origin, maps, progress
        self._key: NoteKey | None = None
        self._credential: Any = None
        self._covers = 0

    def read(self, audit: LogAudit) -> list[Finding]:
        """Read the state log, and let the maps be compared while the main log is read.

        Args:
            audit: of the main log; it has taken nothing, or goes on from an earlier fold.

        Raises:
            RegistryError: ``registry_unreachable`` and the like.
        """
        self._maps.begin(audit.state, audit.tree.edge)
        state_log = self._reader.state_log()
        described = self._described(state_log)
        keys = described.get("verifier_keys")
        if not isinstance(keys, list) or not keys:
            return []  # an earlier version, or a copy of the main log alone
        try:
            note = state_log.checkpoint()
        except BonafidesError as error:
            if error.params.get("status") in _NOT_THERE:
                return [make_finding("state_log_missing")]
            raise
        self._credential = described.get("credential")
        try:
            self._key = parse_note_key(str(keys[0]))
            head = verify_checkpoint(note, origin=self._origin + _SUFFIX, key=self._key)
        except BonafidesError as error:
            return [refusal_finding(error)]
        return self._take(state_log, head)

    def check_end(self, audit: LogAudit) -> list[Finding]:
        """Check that the registry's DID names this state log with this key, and that it covers no more than is published.

        Args:
            audit: of the main log, finished.

        Raises:
            RegistryError: ``registry_unreachable`` and the like.
        """
        findings = self._check_key(audit)
        if self._covers > audit.size:  # published before the entry was made: so it is published now
            published = claimed_checkpoint(self._reader.checkpoint()).size
            if published < self._covers:
                findings.append(make_finding("state_log_ahead", expected=published, found=self._covers))
        return findings

    def _check_key(self, audit: LogAudit) -> list[Finding]:
        genesis = audit.state.head.genesis
        if self._key is None or genesis is None:
            return []
        if self._credential is None:
            return [make_finding("state_log_unvouched")]
        try:
            credential = parse_credential(self._credential)
        except (BonafidesError, AttributeError, TypeError):
            return [make_finding("state_log_unbound")]
        said = credential.subject
        wanted = ("state_log", genesis.registry_did, genesis.origin, self._key.name, self._key.to_text())
        found = (
            credential.kind.name,
            credential.issuer,
            said.get("origin"),
            said.get("stateLog"),
            said.get("stateLogKey"),
        )
        refusal = verify_under_any(credential, audit.registry_documents)
        if refusal is not None or wanted != found:
            return [make_finding("state_log_unbound", "" if refusal is None else refusal.code)]
        return []

    # ------------------------------------------------------------

    def _described(self, state_log: LogReader) -> dict[str, Any]:
        described = self._reader.description().get("stateLog")
        return described if isinstance(described, dict) else state_log.description()

    def _take(self, state_log: LogReader, head: VerifiedCheckpoint) -> list[Finding]:
        read, findings, memory = check_state_log(self._entries(state_log, head), self._maps.known)
        if (memory.edge.size, memory.edge.root()) != (head.checkpoint.size, head.checkpoint.root_hash):
            found = memory.edge.size
            findings.append(make_finding("state_log_root_mismatch", expected=head.checkpoint.size, found=found))
        if not findings:
            self._maps.known = memory
        self._covers = memory.covers
        self._maps.expect(read)
        return findings

    def _entries(self, state_log: LogReader, head: VerifiedCheckpoint) -> Iterator[bytes]:
        size = head.checkpoint.size
        for portion in state_log.portions(0, size):
            yield from portion.entries
            self._progress("state log", portion.start + len(portion.entries), size)
            if len(portion.entries) < portion.wanted or not portion.is_exact:
                return
