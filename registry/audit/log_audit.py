"""The audit of a log, entry by entry: hashes, signatures, chains, rules, epochs.

Each entry is hashed into the tree and folded by the same rules as in the registry, its signatures verified first. The
first entry that does not fold ends the folding: what would come after it rests on a state that nobody vouches for.
Hashes go on to the end, so that the root, the tiles and what was seen before are compared in any case.

Spec: RFC 6962 2.1; specs/audit.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from did_methods.data_integrity import event_id
from did_methods.document import DidDocument
from did_methods.errors import BonafidesError
from did_methods.proof_errors import ProofInvalidError
from registry.audit.counter_watch import CounterWatch
from registry.audit.did_files import HostedLogs
from registry.audit.epoch_watch import EpochWatch
from registry.audit.finding import Finding, make_finding, refusal_finding
from registry.audit.observer import LeafObserver
from registry.audit.tree_audit import Remembered, TreeAudit
from registry.audit.workers import SignatureJob, SignatureVerifier
from registry.history.replay import LoggedStatement, parse_logged, verify_leaf
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, LogState
from registry.limits import CLOCK_WINDOW_MS
from registry.log.checkpoint import Checkpoint
from registry.log.entry import parse_leaf
from registry.log.merkle import leaf_hash

BATCH = 512
_TIME = re.compile(rb',"time":([0-9]{1,16})\}')
_TAIL = 32
LeafTold: TypeAlias = Callable[[SequencedLeaf], None]

_EPOCH, _TAIL_OF_EPOCH = b'"kind":"epoch"', 1_024


@dataclass(frozen=True, slots=True)
class EntryFact:
    """What one entry is, for whoever has a promise about it."""

    event_id: bytes
    leaf_hash: bytes
    time_ms: int


def fact_of(data: bytes) -> EntryFact:
    """Return what an entry is.

    Raises:
        LeafMalformedError, LeafNotCanonicalError, LeafTooLargeError: it is no leaf.
    """
    leaf = parse_leaf(data)
    return EntryFact(leaf.digest or event_id(leaf.event), leaf_hash(data), leaf.time_ms)


def _parsed(data: bytes) -> LoggedStatement | None:
    try:
        return parse_logged(data)
    except BonafidesError:
        return None  # whoever folds it is told why


@dataclass(slots=True)
class LogAudit:
    """A log being audited; feed it every entry in order with `take_all`, then ask `check_root`.

    Attributes:
        origin: the log's name.
        log_key: the key that signs its checkpoints, as a C2SP verifier key.
        until_ms: fold only entries up to this log time; None folds all.
        remembered: what an earlier audit saw.
        wanted: indices whose `facts` are kept.
        verifier: where signatures are verified; None verifies each before its entry is folded.
        observers: are told of every leaf after it folded.
        state: the fold so far, as of the last `settle`.
        findings: so far.
        passing: those of them that `check_end` made: of the log's end, which the next audit sees anew.
        folded: entries folded.
        registry_documents: every version of the registry's own DID document.
        hosted: what the files of hosted DIDs must be.
        tree: the hashes.
    """

    origin: str
    log_key: str
    until_ms: int | None = None
    remembered: Remembered | None = None
    wanted: Collection[int] = frozenset()
    verifier: SignatureVerifier | None = None
    observers: Sequence[LeafObserver] = ()
    state: LogState = field(default_factory=LogState)
    findings: list[Finding] = field(default_factory=list)
    passing: list[Finding] = field(default_factory=list)
    facts: dict[int, EntryFact] = field(default_factory=dict)
    folded: int = 0
    registry_documents: list[DidDocument] = field(default_factory=list)
    hosted: HostedLogs = field(default_factory=HostedLogs)
    tree: TreeAudit = field(init=False)
    _kinds: list[str] = field(default_factory=list)
    _kinds_from: int = 0
    _draft: Draft | None = None
    _jobs: list[SignatureJob] = field(default_factory=list)
    _fold_ended: bool = False
    _broken_at: int | None = None
    _refusal: Finding | None = None

    def __post_init__(self) -> None:
        self.tree = TreeAudit(self.remembered, self.findings)
        self.observers = (EpochWatch(), CounterWatch(), *self.observers)

    @property
    def size(self) -> int:
        """Entries taken so far."""
        return self.tree.size

    @property
    def is_sound(self) -> bool:
        """Whether every entry taken so far folded (up to `until_ms`); final after `finish`."""
        return self._broken_at is None

    @property
    def newest_ms(self) -> int:
        """Log time of the newest entry, as of the last `settle`."""
        return self.state.head.last_time_ms

    @staticmethod
    def look(start: int, entries: Sequence[bytes]) -> Any:
        """Do what can be done to entries without those before them; may run in another process, and be given to `take_all`."""
        del start
        return [_parsed(data) for data in entries]

    def take_all(
        self,
        entries: Sequence[bytes],
        served: Sequence[bytes] = (),
        *,
        looked: Any = None,
        on_leaf: LeafTold | None = None,
    ) -> None:
        """Take entries that follow one another.

        Args:
            entries: as served.
            served: what the log's tile says of their hashes; empty where the log does not serve the tile.
            looked: what `look` made of them; None looks here.
            on_leaf: told of each leaf after it was folded.
        """
        start, hashes = self.tree.size, [leaf_hash(data) for data in entries]
        self.tree.take_all(hashes, served)
        for index, (data, hashed) in enumerate(zip(entries, hashes, strict=True), start):
            leaf = self._fold(index, data, hashed, None if looked is None else looked[index - start])
            if leaf is not None and on_leaf is not None:
                on_leaf(leaf)

    def settle(self) -> None:
        """Bring `state` up to the last entry taken."""
        if self._draft is not None:
            self._draft.commit()

    def finish(self) -> None:
        """Bring `state` up to the last entry, and wait for all signatures."""
        self.settle()
        self._hand_over()
        self._collect_failures(wait=True)

    def check_end(self, now_ms: int) -> None:
        """Look at the log's end once, after `finish`: is an epoch overdue, is its time ahead of the reader's clock?"""
        for observer in self.observers if self.is_sound else ():
            self.passing.extend(observer.end(self.state))
        newest = self.newest_ms
        if newest > now_ms + CLOCK_WINDOW_MS:
            self.passing.append(make_finding("log_time_ahead", expected=now_ms, found=newest))
        self.findings.extend(self.passing)

    def check_root(self, checkpoint: Checkpoint) -> None:
        """Compare the tree of the entries taken with a checkpoint of that size."""
        self.tree.check_root(checkpoint)

    def go_on_from(self, state: LogState, folded: int) -> None:
        """Take over the fold of an earlier audit, whose signatures were verified; `tree` and the others are loaded apart."""
        self.state, self.folded, self._kinds_from = state, folded, folded

    # ------------------------------------------------------------ the fold

    def _fold(self, index: int, data: bytes, hashed: bytes, parsed: LoggedStatement | None) -> SequencedLeaf | None:
        if self._fold_ended or self._is_later(data):
            self._fold_ended = True
            return None
        if self._draft is None:
            self._draft = self.state.draft()
        if _EPOCH in data[-_TAIL_OF_EPOCH:]:
            self.settle()  # an epoch goes over whole tables: over the state at once, not through a draft's rows
        sink = _LeafSink(index)
        try:
            leaf = verify_leaf(self._draft, data, parsed=parsed, signatures=None if self.verifier is None else sink)
        except BonafidesError as error:
            self._break(index, data, error)
            return None
        self._kinds.append(leaf.kind)
        self._jobs.extend(sink.jobs)
        self.folded += 1
        self._look_at(leaf, self._draft, hashed)
        if self.folded % BATCH == 0:
            self.settle()
            self._hand_over()
            self._collect_failures(wait=False)
        return leaf

    def _is_later(self, data: bytes) -> bool:
        """Say whether the entry lies after `until_ms`; one whose time cannot be read is folded, to be refused."""
        if self.until_ms is None:
            return False
        match = _TIME.search(data[-_TAIL:])
        return match is not None and int(match[1]) > self.until_ms

    def _break(self, index: int, data: bytes, error: BonafidesError) -> None:
        self._fold_ended = True
        self._broken_at = index
        self._draft = None
        kind = None
        try:
            leaf = parse_leaf(data)
        except BonafidesError:
            pass
        else:
            kind = leaf.kind
            if leaf.digest is not None:
                self.findings.append(make_finding("registry_observed", index=index, kind=kind))
        self._refusal = refusal_finding(error, index=index, kind=kind)
        self.findings.append(self._refusal)

    def _look_at(self, leaf: SequencedLeaf, draft: Draft, hashed: bytes) -> None:
        """Check what concerns the audit beyond the rules."""
        genesis = draft.head.genesis
        if leaf.index == 0 and genesis is not None:
            for code, pinned, seen in (
                ("log_key_not_pinned", genesis.log_key, self.log_key),
                ("log_origin_not_pinned", genesis.origin, self.origin),
            ):
                if pinned != seen:
                    self.findings.append(make_finding(code, index=0, kind=leaf.kind, expected=seen, found=pinned))
        if leaf.kind == "key_observation":
            self.findings.append(make_finding("registry_observed", index=leaf.index, kind=leaf.kind))
        if leaf.kind == "did_operation" and genesis is not None and leaf.parties[0].did == genesis.registry_did:
            document = draft.documents.get(genesis.registry_did)
            self.registry_documents.extend([] if document is None else [document])
        self.hosted.take(leaf)
        if leaf.index in self.wanted:
            self.facts[leaf.index] = EntryFact(leaf.event_id, hashed, leaf.time_ms)
        for observer in self.observers:
            self.findings.extend(observer.observe(leaf, draft))

    # ------------------------------------------------------------ signatures

    def _hand_over(self) -> None:
        if self.verifier is not None and self._jobs:
            self.verifier.submit(self._jobs)
        self._jobs = []

    def _collect_failures(self, *, wait: bool) -> None:
        """Take over what the verifier found; an earlier failure overrules what was found after it."""
        failed = None if self.verifier is None else self.verifier.first_failure(wait=wait)
        if failed is None or (self._broken_at is not None and self._broken_at <= failed):
            return
        self._fold_ended = True
        self._draft = None
        self.findings[:] = [one for one in self.findings if one is not self._refusal]
        self._broken_at = failed
        self._refusal = refusal_finding(ProofInvalidError(), index=failed, kind=self._kinds[failed - self._kinds_from])
        self.findings.append(self._refusal)


@dataclass(slots=True)
class _LeafSink:
    """Collects the signatures of one leaf."""

    index: int
    jobs: list[SignatureJob] = field(default_factory=list)

    def add(self, public_key: bytes, signature: bytes, message: bytes) -> None:
        self.jobs.append(SignatureJob(self.index, public_key, signature, message))
