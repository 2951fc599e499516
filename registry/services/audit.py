"""The audit of a running registry: its public log from the first entry on, then what it says of its agents.

Order: the key; the checkpoint; every entry, and the state maps; the root; the upper tiles; every agent and standing, at the
very log prefix and instant of the answer, for which the log is read on; the files of hosted DIDs; acceptances.

Spec: specs/audit.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from did_methods.errors import BonafidesError
from registry.audit.acceptance import check_acceptance, promised_indices
from registry.audit.finding import Finding, make_finding, refusal_finding, sort_findings
from registry.audit.log_audit import LogAudit
from registry.audit.observer import LeafObserver
from registry.audit.reader import LogReader, Portion
from registry.audit.report import AuditReport, Trust
from registry.audit.state_map import StateMapAudit
from registry.audit.structure import StructureAudit
from registry.audit.tree_audit import Remembered, UpperTile
from registry.audit.witness_times import WitnessTimes
from registry.audit.workers import AuditWorkers
from registry.credentials.model import UnverifiedCredential
from registry.history.sequence import SequencedLeaf
from registry.history.state import LogState
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.note import NoteKey, parse_note_key
from registry.log.witness_policy import WitnessPolicy
from registry.services.audit_chains import compare_chains
from registry.services.audit_facts import read_facts
from registry.services.audit_files import FileAudit
from registry.services.audit_memory import AuditKeeper
from registry.services.audit_standings import StandingAudit
from registry.services.audit_states import StateLogAudit
from registry.services.audit_witnesses import check_age, known_witnesses

PAUSE_S: Final = 0.25
PATIENCE_S: Final = 5.0
DID_LOGS: Final = 10_000

Progress: TypeAlias = Callable[[str, int, int], None]
"""(stage, done, total)."""


@dataclass(frozen=True, slots=True)
class RememberedLog:
    """What an earlier audit of this log accepted."""

    log_key: str
    size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What to audit.

    Attributes:
        log_key: C2SP verifier key; None takes the remembered one, or else the one the registry names.
        until_ms: fold only entries up to this log time and compare no answers; None folds all.
        remembered_key: the key of an earlier audit, where none is given.
        remembered: a checkpoint of an earlier audit; the log must extend it.
        acceptances: promises to hold against the log.
        policy: the auditor's own witnesses, of whom a quorum must have cosigned; None takes those that the log names.
        max_age_ms: the newest cosignature of the checkpoint may be so old at most; None asks for none.
        whole: verify every entry again, also what an earlier audit has verified.
        structure: hashes, leaf form, links and root alone; no signature, no rule, and nothing is kept.
        compare: ask the registry for agents and standings; False reads the log alone.
        did_logs: compare the served files of at most so many hosted DIDs; None for all, 0 for none.
        patience_s: how long to wait for a checkpoint that covers what the registry has said, in seconds.
    """

    log_key: str | None = None
    until_ms: int | None = None
    remembered_key: str | None = None
    remembered: RememberedLog | None = None
    acceptances: Sequence[UnverifiedCredential] = ()
    policy: WitnessPolicy | None = None
    max_age_ms: int | None = None
    whole: bool = False
    structure: bool = False
    compare: bool = True
    did_logs: int | None = DID_LOGS
    patience_s: float = PATIENCE_S


class RegistryAudit:
    """One audit.

    Args:
        reader: of the log.
        plan: what to audit.
        now_ms: this machine's clock.
        workers: look at entries ahead of the fold, and verify signatures beside it; None does all of it here.
        progress: told how far it is.
        keep: given key and reader, returns what earlier audits left; None remembers nothing.
        found: what is known to be wrong before the first request.
        is_stopped: asked after each bundle; an audit that is to stop keeps how far it came, by KeyboardInterrupt.
    """

    def __init__(
        self,
        reader: LogReader,
        plan: AuditPlan,
        *,
        now_ms: Callable[[], int],
        workers: AuditWorkers | None = None,
        progress: Progress | None = None,
        keep: Callable[[NoteKey, LogReader], AuditKeeper] | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        found: Sequence[Finding] = (),
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._now_ms = now_ms
        self._progress = progress or (lambda _stage, _done, _total: None)
        self._trust, self._key = self._choose_key()
        self._workers = workers
        self._is_stopped = is_stopped
        self._keeper = None if keep is None else keep(self._key, reader)
        self._times = WitnessTimes()
        self._observers: tuple[LeafObserver, ...] = (self._times,)
        self._audit = self._begin()
        self._findings: list[Finding] = list(found)
        self._standings = StandingAudit(reader, now_ms, partial(self._progress, "standings"))
        self._files = FileAudit(reader, plan.did_logs, partial(self._progress, "did files"))

    def run(self) -> AuditReport:
        """Audit.

        Raises:
            RegistryError: ``registry_unreachable`` and the like: the registry did not answer, so nothing is known.
        """
        try:
            checkpoint = self._first_checkpoint()
        except BonafidesError as error:
            if "status" in error.params or error.code == "registry_unreachable":
                raise
            return self._report(None, refusal_finding(error))
        self._resume(checkpoint)
        self._read_witnesses(checkpoint)
        states = StateLogAudit(self._reader, self._key.name, self.maps, self._progress)
        if self._is_kept:
            self._findings.extend(states.read(self._audit))
        whole = self._read_up_to(checkpoint)
        if whole:
            self._check_tiles(self._audit.tree.partial_tiles())
        self._audit.check_end(self._now_ms())
        checkpoint = self._compare(checkpoint, whole=whole)
        checkpoint = self._compare_files(checkpoint, whole=whole)
        self._check_acceptances(checkpoint, whole=whole)
        self._findings.extend(states.check_end(self._audit))
        report = self._report(checkpoint)
        if self._keeper is not None and report.is_clean and self._is_kept:
            self._keeper.save(self._audit, checkpoint)
        return report

    def _read_witnesses(self, checkpoint: VerifiedCheckpoint) -> None:
        """Learn when witnesses saw which tree, from this checkpoint and those that earlier audits accepted."""
        witnesses = known_witnesses(self._plan.policy, self._reader)
        earlier = [] if self._keeper is None else self._keeper.witnessed
        marks, findings = witnesses.read([*earlier, checkpoint])
        self._times.add(marks)
        self._findings.extend([*findings, *witnesses.check_quorum(checkpoint)])
        if self._plan.max_age_ms is not None:
            oldest_ms = self._now_ms() - self._plan.max_age_ms
            self._findings.extend(check_age(marks, checkpoint.checkpoint.size, oldest_ms))

    @property
    def _compares(self) -> bool:
        """Whether what is said of agents is held against the fold."""
        return self._plan.compare and self._is_kept

    @property
    def _is_kept(self) -> bool:
        """Whether the next audit may rest on this one: all is verified, up to the end."""
        return self._plan.until_ms is None and not self._plan.structure

    def _begin(self, *, remembered: Remembered | None = None) -> LogAudit:
        kind = StructureAudit if self._plan.structure else LogAudit
        self.maps = StateMapAudit()
        return kind(
            self._key.name,
            self._key.to_text(),
            until_ms=self._plan.until_ms,
            remembered=remembered,
            wanted=promised_indices(self._plan.acceptances),
            verifier=self._workers,
            observers=(*self._observers, self.maps),
        )

    def _resume(self, checkpoint: VerifiedCheckpoint) -> None:
        """Hold the checkpoint against the one that an earlier audit accepted, and go on from its fold."""
        seen, size = self._plan.remembered, checkpoint.checkpoint.size
        if seen is not None:
            self._audit = self._begin(remembered=Remembered(seen.size, seen.root_hash))
            if size < seen.size:
                self._findings.append(make_finding("checkpoint_rolled_back", expected=seen.size, found=size))
        if self._keeper is None:
            return
        breaches = self._keeper.compare(checkpoint)
        self._findings.extend(breaches)
        if not breaches and self._is_kept and not self._plan.whole:
            resumed = self._keeper.resume(self._begin, checkpoint)
            self._audit = resumed.audit
            self._findings.extend(resumed.findings)

    def _report(self, checkpoint: VerifiedCheckpoint | None, *more: Finding) -> AuditReport:
        return AuditReport(
            mode="structure" if self._plan.structure else "content",
            origin=self._audit.origin,
            log_key=self._audit.log_key,
            trust=self._trust,
            checkpoint=checkpoint,
            entries=self._audit.size,
            folded=self._audit.folded,
            standings=self._standings.compared,
            did_logs=self._files.compared,
            acceptances=len(self._plan.acceptances),
            witnesses=self._times.witnesses,
            witnessed=self._times.ranges(self._audit.size),
            findings=sort_findings(
                [*self._audit.findings, *self._findings, *self._standings.findings, *self._files.findings, *more]
            ),
            state=self._audit.state,
            state_maps=self.maps.compared,
            replayed=self.maps.replayed(self._audit.state) if self._is_kept and self._audit.folded else None,
        )

    # ------------------------------------------------------------ key and checkpoint

    def _choose_key(self) -> tuple[Trust, NoteKey]:
        if self._plan.log_key is not None:
            return "given", parse_note_key(self._plan.log_key)
        seen = self._plan.remembered
        remembered = self._plan.remembered_key if seen is None else seen.log_key
        if remembered is not None:
            return "remembered", parse_note_key(remembered)
        return "first_use", parse_note_key(self._reader.first_key())

    def _checkpoint(self) -> VerifiedCheckpoint:
        return verify_checkpoint(self._reader.checkpoint(), origin=self._key.name, key=self._key)

    def _first_checkpoint(self) -> VerifiedCheckpoint:
        """Return the newest checkpoint; wait a moment for one that covers what was accepted just now."""
        return self._checkpoint_of(max(promised_indices(self._plan.acceptances), default=-1) + 1)

    def _checkpoint_of(self, size: int) -> VerifiedCheckpoint:
        """Return the newest checkpoint, waiting a moment for one of at least that size."""
        checkpoint = self._checkpoint()
        ends = time.monotonic() + self._plan.patience_s
        while checkpoint.checkpoint.size < size and time.monotonic() < ends:
            time.sleep(PAUSE_S)
            checkpoint = self._checkpoint()
        return checkpoint

    # ------------------------------------------------------------ entries

    def _read_up_to(
        self, checkpoint: VerifiedCheckpoint, on_leaf: Callable[[SequencedLeaf], None] | None = None
    ) -> bool:
        """Take the entries up to a checkpoint and compare its root; False where some could not be had."""
        size = checkpoint.checkpoint.size
        for portion, looked in self._looked(self._reader.portions(self._audit.size, size)):
            self._audit.take_all(portion.entries, portion.hashes, looked=looked, on_leaf=on_leaf)
            self._progress("entries", self._audit.size, size)
            if not self._check_portion(portion):
                self._audit.finish()
                return False
            self._check_tiles(self._audit.tree.pop_full_tiles())
            self._keep_progress(checkpoint)
        self._audit.finish()
        self._audit.check_root(checkpoint.checkpoint)
        return True

    def _looked(self, portions: Iterator[Portion]) -> Iterator[tuple[Portion, Any]]:
        """Yield portions, each with what was made of it ahead, in other processes; without them nothing is ahead."""
        if self._workers is None:
            return ((portion, None) for portion in portions)
        return self._workers.ahead(self._audit.look, portions)

    def _check_portion(self, portion: Portion) -> bool:
        if not portion.hashes:
            self._findings.append(make_finding("tile_missing", index=portion.start, expected=portion.wanted))
        got = len(portion.entries)
        if got < portion.wanted or not portion.is_exact:
            missing = portion.start + got
            self._findings.append(make_finding("entries_missing", index=missing, expected=portion.wanted, found=got))
            return False
        return True

    def _keep_progress(self, checkpoint: VerifiedCheckpoint) -> None:
        stopped = self._is_stopped()
        if self._keeper is not None and self._is_kept and (stopped or self._keeper.is_due):
            self._keeper.save_progress(self._audit, checkpoint)
        if stopped:
            raise KeyboardInterrupt

    def _check_tiles(self, tiles: Sequence[UpperTile]) -> None:
        for tile in tiles:
            served = self._reader.hashes(tile.level, tile.number, len(tile.hashes))
            if served != tile.hashes:
                code = "tile_mismatch" if served else "tile_missing"
                self._findings.append(make_finding(code, f"level {tile.level}, number {tile.number}"))

    # ------------------------------------------------------------ what the registry says

    def _compare(self, checkpoint: VerifiedCheckpoint, *, whole: bool) -> VerifiedCheckpoint:
        """Compare agents and standings; returns the checkpoint up to which the log was read for it."""
        if not self._compares:
            return checkpoint
        if not whole or not self._audit.is_sound:
            self._findings.append(make_finding("not_compared", "the log does not fold to its end"))
            return checkpoint
        standings = self._standings
        standings.compare(self._audit.state)
        told = partial(self._progress, "histories")
        self._findings.extend(compare_chains(self._reader, self._audit.state, told))
        if not standings.is_open:
            return checkpoint
        if standings.lists_more:
            # What the list showed is under a checkpoint after the next tick.
            time.sleep(min(PAUSE_S * 2, self._plan.patience_s))
        newer = self._checkpoint_of(standings.target)
        if newer.checkpoint.size > self._audit.size:
            self._read_up_to(newer, lambda leaf: standings.read_on(leaf, self._settled))
        standings.finish(newer.checkpoint.size)
        return newer

    def _settled(self) -> LogState:
        self._audit.settle()
        return self._audit.state

    def _compare_files(self, checkpoint: VerifiedCheckpoint, *, whole: bool) -> VerifiedCheckpoint:
        """Compare the files of hosted DIDs; returns the checkpoint up to which the log was read for it."""
        if not self._compares or not whole or not self._audit.is_sound:
            return checkpoint
        audit, files = self._audit, self._files
        files.compare(audit.hosted, audit.state)
        if files.is_open:
            # What a file showed is under a checkpoint after the next tick.
            time.sleep(min(PAUSE_S * 2, self._plan.patience_s))
            checkpoint = self._checkpoint()
            if checkpoint.checkpoint.size > audit.size:
                self._read_up_to(checkpoint, lambda leaf: files.read_on(leaf, audit.hosted, self._settled))
        files.finish()
        return checkpoint

    def _check_acceptances(self, checkpoint: VerifiedCheckpoint, *, whole: bool) -> None:
        genesis = self._audit.state.head.genesis
        if not self._plan.acceptances:
            return
        if genesis is None or not whole or not self._audit.is_sound or self._plan.until_ms is not None:
            self._findings.append(make_finding("not_compared", "acceptances: the log was not folded to its end"))
            return
        wanted = promised_indices(self._plan.acceptances) - self._audit.facts.keys()
        earlier, findings = read_facts(self._reader, wanted, checkpoint)
        self._findings.extend(findings)
        facts = self._audit.facts | earlier
        for acceptance in self._plan.acceptances:
            documents = self._audit.registry_documents
            self._findings.extend(check_acceptance(acceptance, genesis=genesis, documents=documents, facts=facts))
