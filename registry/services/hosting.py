"""Hosting did:webvh logs: appending an entry as a compare-and-swap, and the files as they are served.

An entry is verified by the code that verifies any foreign log, and enters the transparency log as it is; the files are
made of what stands there, so one commit makes an entry and the witness proofs that it needs visible together. The keys
are the agent's: nothing here can make an entry.

Spec: specs/did-hosting.md; did:webvh 1.0 "Update (Rotate)", "The DID to HTTPS Transformation".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.webvh_state import WebvhState
from registry.errors import ConflictError, LimitError, NotFoundError, ParseError
from registry.history.did_files import OPERATION, WITNESS, document_file, log_line, witness_file
from registry.history.errors import DidNotPublishedError
from registry.history.paths import is_hosted
from registry.history.state import Draft, Genesis, LogState
from registry.history.statement import (
    DidOperationStatement,
    DidWitnessStatement,
    Statement,
    VerifiedStatement,
    parse_statement,
    verify_statement,
)
from registry.limits import RESOLUTION_TTL_MOST_MS, WEBVH_LOG_ENTRIES
from registry.log.entry import parse_leaf
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted, Submission
from registry.storage.log import LogStore, StoredEntryError

_NUMBER = re.compile(r"([1-9][0-9]{0,8})-")

Held = Callable[[str], bool]
"""Says whether the caller holds the file of a validator."""


def _nothing(_etag: str) -> bool:
    return False


class DidLogFormError(ParseError):
    """The body is neither a did:webvh entry of this DID nor one with its witness proofs."""

    code = "did_log_malformed"
    title = "Not an entry of this DID's log"


class DidVersionConflictError(ConflictError):
    """The entry was made after another version than the newest; ``current`` names that one. Somebody was faster."""

    code = "did_version_conflict"
    title = "The DID has another newest version"


class DidLogFullError(LimitError):
    """The log is as long as it may become here; its last entry moves the DID elsewhere, or ends it."""

    code = "did_log_full"
    title = "The DID's log is full"


class DidDocumentGoneError(NotFoundError):
    """There was a did:web at this place; its DID is deactivated, or has moved."""

    code = "did_document_gone"
    title = "The DID at this address is deactivated or has moved"


class WitnessFileNotFoundError(NotFoundError):
    """No entry of this DID has been witnessed."""

    code = "did_witness_file_not_found"
    title = "This DID has no witness proofs"


@dataclass(frozen=True, slots=True)
class HostedFile:
    """A file as it is served.

    Attributes:
        data: its bytes; empty where the caller holds them already.
        etag: strong validator, without quotes.
        ttl_s: for how long others may keep it: as its controller says, and at most a day.
    """

    data: bytes
    etag: str
    ttl_s: int


class HostingService:
    """Hosted did:webvh logs. Safe from any thread."""

    def __init__(self, *, sequencer: Sequencer, store: LogStore, genesis: Genesis) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._store = store
        self._genesis = genesis

    # ------------------------------------------------------------ appending

    def append(
        self, did: str, body: dict[str, Any], *, versions: Collection[str] | None, now_ms: int
    ) -> list[Accepted]:
        """Append an entry to a hosted log, with the witness proofs that it needs; durable when this returns.

        Args:
            did: any name of the agent.
            body: an entry, or ``{"entry": entry, "witness": {"versionId", "proof"}}``.
            versions: one of these must be the newest version; None lets the entry alone say what it follows.
            now_ms: the wall clock.

        Returns:
            What was accepted: the entry last. The same entry again is answered as before, whatever `versions` says.

        Raises:
            DidLogFormError: ``did_log_malformed``.
            DidNotPublishedError: ``did_not_published``.
            DidVersionConflictError: ``did_version_conflict`` with ``current``.
            DidLogFullError: ``did_log_full``.
            BonafidesError: the codes of did:webvh, of witnesses and of the log's rules.
        """
        entry, witness = self._parse(body)
        first = self._state.canonical_did(did)
        if first not in self._state.tables.webvh:
            raise DidNotPublishedError
        if self._state.log_did(entry.did) != first:
            raise DidLogFormError("the entry is of another DID than the path")
        known = self._known(entry, witness)
        if known:
            return known
        self.check_room(entry)
        return self._submit(first, entry, self._verified(witness, now_ms), versions)

    def newest_version(self, did: str) -> str:
        """Return the newest versionId of a hosted log.

        Args:
            did: any name of the agent.

        Raises:
            DidNotPublishedError: ``did_not_published``.
        """
        state = self._state.tables.webvh.get(self._state.canonical_did(did))
        if state is None:
            raise DidNotPublishedError
        return state.version_id

    def check_room(self, entry: DidOperationStatement) -> None:
        """Refuse an entry with which a log here would grow beyond what resolvers take.

        The last entry that fits must end the DID or take it elsewhere, so no agent is locked in.

        Raises:
            DidLogFullError: ``did_log_full``.
        """
        number = _number_of(entry)
        parameters = entry.entry["parameters"]
        ends = isinstance(parameters, dict) and parameters.get("deactivated") is True
        leaves = ends or not is_hosted(entry.did, self._genesis)
        if number > WEBVH_LOG_ENTRIES or (number == WEBVH_LOG_ENTRIES and not leaves):
            raise DidLogFullError(f"{WEBVH_LOG_ENTRIES} entries; the last one deactivates or moves the DID")

    def _parse(self, body: dict[str, Any]) -> tuple[DidOperationStatement, DidWitnessStatement | None]:
        if "entry" not in body:
            return parse_entry(body), None
        if body.keys() - {"entry", "witness"}:
            raise DidLogFormError("send an entry, or entry and witness")
        entry = parse_entry(body["entry"])
        return entry, None if "witness" not in body else parse_witness(body["witness"], entry)

    def _verified(self, witness: DidWitnessStatement | None, now_ms: int) -> list[VerifiedStatement]:
        """Verify witness proofs here, on the caller's thread; the entry is verified in its turn."""
        origin = self._genesis.origin
        return [] if witness is None else [verify_statement(witness, keys=self._state, now_ms=now_ms, origin=origin)]

    def _known(self, entry: DidOperationStatement, witness: DidWitnessStatement | None) -> list[Accepted]:
        """Return where an entry that is in the log stands, its witness proofs before it; nothing for a new one."""
        found = self._sequencer.find(entry.event_id)
        before = None if witness is None else self._sequencer.find(witness.event_id)
        return [] if found is None else [*([] if before is None else [before]), found]

    def _submit(
        self,
        first: str,
        entry: DidOperationStatement,
        witness: Sequence[VerifiedStatement],
        versions: Collection[str] | None,
    ) -> list[Accepted]:
        def prepare(draft: Draft, _now_ms: int) -> Sequence[Statement | VerifiedStatement]:
            """Compare at the log's end, where nobody can come between; a repetition is no conflict."""
            if entry.event_id in draft.events:
                return [*(one for one in witness if one.statement.event_id in draft.events), entry]
            newest = draft.webvh.get(first)
            if newest is None:
                raise DidNotPublishedError
            _check_follows(newest, entry, versions)
            return [*witness, entry]

        outcomes = self._sequencer.submit(Submission((), prepare=prepare)).result()
        return [one for one in outcomes if isinstance(one, Accepted)]

    # ------------------------------------------------------------ serving

    def log_file(self, path: str, is_held: Held = _nothing) -> HostedFile:
        """Return ``did.jsonl`` of a path below the public URL; its validator is the newest versionId.

        Args:
            path: below the public URL; empty for the registry itself.
            is_held: whether the caller holds the file of that validator; then nothing is read.

        Raises:
            DidNotPublishedError: ``did_not_published``.
            StoredEntryError: ``stored_entry_corrupt``, an entry is missing among the stored ones.
        """
        first, state = self._at(path)
        if is_held(state.version_id):
            return HostedFile(b"", state.version_id, _lifetime_s(state))
        entries = [one for one in self._store.did_entries(first) if one.kind == OPERATION]
        version = str(parse_leaf(entries[-1].data).event["versionId"]) if entries else ""
        # Versions count from 1; what is stored may be one entry ahead of what is folded.
        if version.partition("-")[0] != str(len(entries)) or len(entries) < state.version_number:
            raise StoredEntryError("the stored entries of a hosted DID are not all there")
        return HostedFile(b"".join(log_line(one.data) for one in entries), version, _lifetime_s(state))

    def witness_file(self, path: str, _is_held: Held = _nothing) -> HostedFile:
        """Return ``did-witness.json``; it is never older than a ``did.jsonl`` that was served before.

        Raises:
            DidNotPublishedError: ``did_not_published``.
            WitnessFileNotFoundError: ``did_witness_file_not_found``.
        """
        first, _ = self._at(path)
        data = witness_file(one.data for one in self._store.did_entries(first) if one.kind == WITNESS)
        if data is None:
            raise WitnessFileNotFoundError
        # Kept by nobody without asking: an older copy would not cover the newest entry of a fresh did.jsonl.
        return HostedFile(data, _digest(data), 0)

    def document_file(self, path: str, _is_held: Held = _nothing) -> HostedFile:
        """Return ``did.json``, the parallel did:web.

        Raises:
            DidNotPublishedError: ``did_not_published``.
            DidDocumentGoneError: ``did_document_gone``.
        """
        _, state = self._at(path)
        data = document_file(state, path, self._genesis)
        if data is None:
            raise DidDocumentGoneError
        return HostedFile(data, _digest(data), _lifetime_s(state))

    def _at(self, path: str) -> tuple[str, WebvhState]:
        with self._sequencer.lock:
            first = self._state.tables.paths.get(path)
            state = None if first is None else self._state.tables.webvh.get(first)
        if first is None or state is None:
            raise DidNotPublishedError
        return first, state


def parse_entry(document: Any) -> DidOperationStatement:
    """Parse a did:webvh entry.

    Raises:
        DidLogFormError: ``did_log_malformed``.
        BonafidesError: the codes of `parse_statement`.
    """
    statement = parse_statement(document) if isinstance(document, dict) else None
    if not isinstance(statement, DidOperationStatement):
        raise DidLogFormError
    return statement


def parse_witness(document: Any, entry: DidOperationStatement) -> DidWitnessStatement:
    """Parse the witness proofs that come with an entry.

    Raises:
        DidLogFormError: ``did_log_malformed``.
        BonafidesError: the codes of `parse_statement`.
    """
    statement = parse_statement(document) if isinstance(document, dict) else None
    if not isinstance(statement, DidWitnessStatement) or statement.version_id != entry.entry["versionId"]:
        raise DidLogFormError("witness is the versionId of the entry and a list of proofs")
    return statement


def _check_follows(state: WebvhState, entry: DidOperationStatement, versions: Collection[str] | None) -> None:
    number = _number_of(entry)
    # What is no version at all is refused by the rules, with a code that says so.
    fits = number == 0 or number > state.version_number if versions is None else state.version_id in versions
    if not fits:
        raise DidVersionConflictError(current=state.version_id)


def _number_of(entry: DidOperationStatement) -> int:
    """Return the number of an entry's version; 0 for one that is no version, which the rules refuse by its own code."""
    version = entry.entry["versionId"]
    match = _NUMBER.match(version) if isinstance(version, str) else None
    return int(match[1]) if match else 0


def _lifetime_s(state: WebvhState) -> int:
    """Return how long a file may be kept: a thief of keys must not state that nobody looks again for years."""
    return min(state.ttl_s, RESOLUTION_TTL_MOST_MS // 1_000)


def _digest(data: bytes) -> str:
    return base64url_encode(hashlib.sha256(data).digest())
