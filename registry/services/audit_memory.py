"""What one audit takes over from the last one and leaves to the next: the accepted note, the fold, evidence.

Spec: specs/audit.md "State folder".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Final

from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.adapters.audit_folder import AuditFolder, AuditState, AuditStateFormatError
from registry.audit.finding import Finding, make_finding
from registry.audit.fold_file import FoldFormatError, dump_fold, load_fold
from registry.audit.log_audit import LogAudit
from registry.audit.published_tree import LogTileMissingError, PublishedTree
from registry.audit.reader import LogReader
from registry.audit.split_search import find_split_view
from registry.limits import AUDIT_SAVE_EVERY_S, AUDIT_SPOT_BUNDLES, AUDIT_WITNESSED_NOTES
from registry.log.checkpoint import Checkpoint, VerifiedCheckpoint, verify_checkpoint
from registry.log.merkle import HASH_BYTES, ConsistencyProofError, leaf_hash
from registry.log.note import NoteKey
from registry.log.split_view import encode_split_view
from registry.log.tile import TILE_WIDTH

_WORK_PER_SAVE: Final = 9
"""Saving takes time in proportion to the log: at most a tenth of an audit goes there."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An audit that goes on, or begins.

    Attributes:
        audit: with the fold of the last audit where that fits.
        findings: why it does not, or what of it is not served any more.
    """

    audit: LogAudit
    findings: tuple[Finding, ...] = ()


class AuditKeeper:
    """Keeps one log's state.

    Args:
        folder: opened by the caller, who also closes it.
        state: what `AuditFolder.open` gave, or a state without a checkpoint at the first audit.
        key: of the log.
        reader: of the log.

    Raises:
        AuditStateFormatError: ``audit_state_malformed``, the kept note is not one of this log.
    """

    def __init__(self, folder: AuditFolder, state: AuditState, *, key: NoteKey, reader: LogReader) -> None:
        self._folder = folder
        self._state = state
        self._key = key
        self._reader = reader
        self._goes_on = False
        self._kept_size = 0
        self._saved_at = time.monotonic()
        self._cost_s = 0.0
        self.accepted = self._verified(state.checkpoint)
        self.witnessed = [one for one in map(self._verified, state.witnessed) if one is not None]

    def _verified(self, note: bytes | None) -> VerifiedCheckpoint | None:
        if note is None:
            return None
        try:
            return verify_checkpoint(note, origin=self._key.name, key=self._key)
        except BonafidesError as error:
            raise AuditStateFormatError("a note in it is not one of this log") from error

    def compare(self, head: VerifiedCheckpoint) -> list[Finding]:
        """Hold a checkpoint against the one that was accepted last; keep evidence where they contradict each other."""
        if self.accepted is None:
            return []
        old, new = self.accepted.checkpoint, head.checkpoint
        if new.size < old.size:
            code, shown = "checkpoint_rolled_back", (old.size, new.size)
        else:
            try:
                PublishedTree(self._reader, new.size).verify_extends(old, new)
            except LogTileMissingError:
                return [make_finding("tile_missing", "for the proof that the log extends the one seen before")]
            except ConsistencyProofError:
                code, shown = "checkpoint_inconsistent", (old.size, new.size)
            else:
                return []
        return [make_finding(code, self._keep_evidence(head), expected=shown[0], found=shown[1])]

    def _keep_evidence(self, head: VerifiedCheckpoint) -> str:
        assert self.accepted is not None
        evidence = find_split_view(self._reader, self.accepted, self._folder.leaf_hashes(), head)
        if evidence is None:
            return "without a proof for others: nothing that is served contradicts the older checkpoint"
        return f"the proof for others is in {self._folder.save_evidence(encode_split_view(evidence))}"

    def resume(self, begin: Callable[[], LogAudit], head: VerifiedCheckpoint) -> Resumed:
        """Let an audit go on where the last one stopped, if the signed tree contains that one's.

        Args:
            begin: gives an audit that has taken nothing.
            head: the checkpoint to be audited.
        """
        audit, fold = begin(), self._folder.fold()
        if fold is None:
            return Resumed(audit, (make_finding("fold_discarded"),) if self._folder.has_fold else ())
        try:
            load_fold(fold, audit)
            kept = Checkpoint(audit.origin, audit.size, audit.tree.edge.root())
            PublishedTree(self._reader, head.checkpoint.size).verify_extends(kept, head.checkpoint)
        except (FoldFormatError, LogTileMissingError, ConsistencyProofError) as error:
            return Resumed(begin(), (make_finding("fold_discarded", error.code),))
        self._goes_on, self._kept_size = True, audit.size
        return Resumed(audit, tuple(self._spot_check(audit.size)))

    def _spot_check(self, size: int) -> list[Finding]:
        """Hash some bundles again that earlier audits verified: is what was verified still what is served?

        Args:
            size: of the tree that was kept.
        """
        full, kept, findings = size // TILE_WIDTH, self._folder.leaf_hashes(), []
        for number in SystemRandom().sample(range(full), min(full, AUDIT_SPOT_BUNDLES)):
            start = number * TILE_WIDTH
            (portion,) = self._reader.portions(start, start + TILE_WIDTH)
            if not portion.is_exact:
                missing = start + len(portion.entries)
                findings.append(
                    make_finding("entries_missing", index=missing, expected=TILE_WIDTH, found=len(portion.entries))
                )
            for index, data in enumerate(portion.entries, start):
                known, found = kept[index * HASH_BYTES : (index + 1) * HASH_BYTES], leaf_hash(data)
                if known and known != found:
                    shown = base64url_encode(known), base64url_encode(found)
                    findings.append(make_finding("leaf_hash_mismatch", index=index, expected=shown[0], found=shown[1]))
                    break
        return findings

    # ------------------------------------------------------------ leaving to the next

    @property
    def is_due(self) -> bool:
        """Whether so much was done since the last save that doing it again would be felt."""
        return time.monotonic() - self._saved_at >= max(AUDIT_SAVE_EVERY_S, _WORK_PER_SAVE * self._cost_s)

    def save_progress(self, audit: LogAudit, head: VerifiedCheckpoint) -> None:
        """Keep how far an audit came, if all of it is sound and part of the signed tree; accepts no checkpoint yet.

        Args:
            audit: between two entries.
            head: what is being audited.
        """
        audit.finish()
        if not audit.is_sound or any(one.severity == "breach" for one in audit.findings) or not audit.size:
            return
        try:
            so_far = Checkpoint(audit.origin, audit.size, audit.tree.edge.root())
            PublishedTree(self._reader, head.checkpoint.size).verify_extends(so_far, head.checkpoint)
        except (LogTileMissingError, ConsistencyProofError):
            return
        self._save(audit, self._state)

    def save(self, audit: LogAudit, head: VerifiedCheckpoint) -> None:
        """Keep the fold of an audit without breaches, and accept its checkpoint."""
        notes = [one for one in self._state.witnessed if one != head.note]
        if head.note.count(b"\n\xe2\x80\x94 ") > 1:
            notes.append(head.note)
        kept = tuple(notes[-AUDIT_WITNESSED_NOTES:])
        self._save(audit, replace(self._state, checkpoint=head.note, witnessed=kept))

    def _save(self, audit: LogAudit, state: AuditState) -> None:
        began = time.monotonic()
        is_new = not self._goes_on or audit.size > self._kept_size
        fold = dump_fold(audit) if is_new else None
        self._folder.save(state, fold=fold, leaf_hashes=audit.tree.pop_hashes(), goes_on=self._goes_on)
        self._state, self._goes_on, self._kept_size = state, True, audit.size
        self._saved_at = time.monotonic()
        self._cost_s = self._saved_at - began
