"""Publishing: tiles first, then cosignatures to the quorum, then the checkpoint; and never back.

Signing and accepting do not wait for any of it. Where the policy asks for no quorum and no folder is written, a signed
checkpoint is published at once, and witnesses are asked afterwards; else a thread of its own does the work, and a
quorum that is not reached holds publication up until it is.

Owner of the state: `run_once` is called by one thread at a time, holding `_mutex`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

from did_methods.errors import BonafidesError
from registry.errors import DependencyError
from registry.limits import WITNESS_INTERVAL_MS
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import Cosignature, append_lines, line_time_s
from registry.log.note import NoteSignature, parse_note
from registry.log.witness import claimed_checkpoint
from registry.log.witness_policy import WitnessPolicy
from registry.services.cosigning import WitnessClient
from registry.services.heartbeat import Heartbeat
from registry.services.log import LogService, NotSignedYetError
from registry.services.signing import SignedHead
from registry.storage.engine import DATABASE_FAILURES
from registry.storage.publication import PublicationStore
from registry.storage.tile_store import (
    FolderTileStore,
    TileDiffersError,
    TilesAheadError,
    TilesUnreadableError,
    drop_partials,
    publish_checkpoint,
    published_head,
    write_tiles,
)
from registry.storage.tree import TreeRows

_LOG = logging.getLogger(__name__)
_IDLE_S = 0.5
_OPEN = WitnessPolicy((), (), (), "none")
_FATAL = (TileDiffersError, TilesUnreadableError, TilesAheadError)


class PublicationStoppedError(DependencyError):
    """A defect, or a damaged row, ended publication; the registry's log says which. The next start begins it again."""

    code = "publication_stopped"
    title = "Publication has stopped"


class Publisher:
    """Publishes one log.

    Args:
        log: the log.
        entries: its rows.
        publications: what was cosigned and published.
        policy: None where there is none: nobody is asked.
        client: asks the policy's witnesses; None without a policy.
        folder: the tile folder; None serves from the database alone.
        description: the bytes of the folder's ``log.json``.
        heartbeat: puts a time of the log's own under what is published; None puts none.
        interval_ms: between two checkpoints that witnesses are asked about.
        alone: excludes every other process that writes the folder, while it writes.
    """

    def __init__(
        self,
        *,
        log: LogService,
        entries: TreeRows,
        publications: PublicationStore,
        policy: WitnessPolicy | None = None,
        client: WitnessClient | None = None,
        folder: FolderTileStore | None = None,
        description: bytes = b"",
        heartbeat: Heartbeat | None = None,
        interval_ms: int = WITNESS_INTERVAL_MS,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._alone = alone
        self._log, self._entries, self._publications = log, entries, publications
        self.policy = policy or _OPEN
        self.client = client
        self._folder, self._description = folder, description
        self.heartbeat = heartbeat
        self._interval_s = interval_ms / 1_000
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_folder = 0
        self._lately: tuple[int, int] | None = None
        self.failed: DependencyError | None = None
        """What stopped publication for good: published files that contradict the log, or what nobody expected."""
        log.on_signed, log.on_idle = self.on_signed, self.on_idle
        self._begin()

    @property
    def is_immediate(self) -> bool:
        """Whether a checkpoint is published by whoever signs it: nothing has to be waited for."""
        return self.policy.is_open and self._folder is None

    def on_signed(self) -> None:
        """Publish what was just signed, or let the thread know."""
        if self.is_immediate:
            self._show(self._log.signed_head)
        self._wake.set()

    def on_idle(self) -> None:
        """Put a fresh time under a checkpoint that stays as it is; where there is a thread, it does that."""
        if self.is_immediate and self.heartbeat is not None and self._shown_size():
            head = self._log.signed_head
            if self.heartbeat.is_due(head.to_checkpoint(self._log.origin)):
                self._show(head)

    def start(self) -> None:
        """Start the thread, if there is work for one."""
        if self._folder is not None or self.client is not None:
            self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Publish what was signed last, if it can be done now, and stop."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if self.failed is None:
                self._try(self.run_once)
        if self.client is not None:
            self.client.close()

    def run_once(self) -> bool:
        """Do what there is to do for the newest signed checkpoint; return whether it is published.

        Raises:
            TileDiffersError: ``tile_differs``; publication stops for good.
            TilesUnreadableError: ``tiles_unreadable``; likewise.
            TilesAheadError: ``tiles_ahead``; likewise.
        """
        with self._mutex:
            if self.failed is not None:
                raise self.failed
            try:
                return self._publish_newest()
            except _FATAL as error:
                self.failed = error
                _LOG.critical("publication has stopped: %s", error)
                raise

    @property
    def sizes(self) -> tuple[int, int]:
        """The newest signed and the newest published size; 0 for none."""
        try:
            return self._log.signed_head.size, self._shown_size()
        except NotSignedYetError:
            return 0, 0

    def note_at(self, size: int) -> bytes | None:
        """Return the note that was signed at a size with the cosignatures that there are, or None."""
        note = self._publications.signed_note(size)
        if note is None:
            return None
        return append_lines(note, list(self._publications.cosignatures(claimed_checkpoint(note)).values()))

    # ------------------------------------------------------------

    def _begin(self) -> None:
        """Show what was published before this start; where nobody has to agree, whatever is signed."""
        try:
            newest = self._log.signed_head
        except NotSignedYetError:
            return
        if self.is_immediate:
            self._show(newest)
            return
        size = self._publications.published_size()
        note = self._publications.signed_note(size) if size else None
        root = self._log.root_at(size)
        if note is not None and root is not None:
            self._show(SignedHead(size, root, note))

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait(_IDLE_S)
                self._wake.clear()
                self._take_turn()
        except BaseException:  # the thread must not end silently: readiness says so
            self.failed = PublicationStoppedError()
            raise

    def _take_turn(self) -> None:
        began = time.monotonic()
        self._try(self._log.guard.look_again)
        if not self._stopping.is_set() and self.failed is None:
            self._try(self.run_once)
        if self.client is not None:
            # A busy log does not ask its witnesses about every group of entries.
            self._stopping.wait(max(0.0, self._interval_s - (time.monotonic() - began)))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except _FATAL:
            return  # told already; readiness says so
        except (*DATABASE_FAILURES, OSError):
            _LOG.exception("a checkpoint could not be published; trying again")

    def _publish_newest(self) -> bool:
        if self._log.guard.state == "rolled_back":
            return False  # what is out there is newer, or another tree
        try:
            head = self._log.signed_head
        except NotSignedYetError:
            return False
        if self._folder is not None:
            with self._alone():
                self._write_tiles(self._folder, head)
        checkpoint = head.to_checkpoint(self._log.origin)
        is_due = self.heartbeat is not None and self.heartbeat.is_due(checkpoint)
        held = self._publications.cosignatures(checkpoint)
        done = self._shown_size() >= head.size and self._folder is None and not is_due
        if not done and self.policy.has_quorum(self._names(held)):
            done = self._publish(head)
        has_more = False
        for cosignature in self._collect(checkpoint, head.note, held):
            self._publications.save_cosignature(head.size, cosignature)
            held = self._publications.cosignatures(checkpoint)
            has_more = True
            if not done and self.policy.has_quorum(self._names(held)):
                done, has_more = self._publish(head), False
        if done and has_more:
            self._publish(head)  # the same checkpoint, with the cosignatures that came late
        return done

    def _collect(self, head: Checkpoint, note: bytes, held: Mapping[str, NoteSignature]) -> Iterator[Cosignature]:
        """Ask whoever has not cosigned a head, or so long ago that nobody can tell an idle log from a frozen view."""
        if self.client is None:
            return iter(())
        beat = self.heartbeat
        fresh = [key for key, line in held.items() if beat is None or not beat.is_stale(line_time_s(line))]
        return self.client.collect(head, note, held=frozenset(fresh))

    def _names(self, held: Collection[str]) -> frozenset[str]:
        return frozenset(one.name for one in self.policy.witnesses if one.key.to_text() in held)

    def _write_tiles(self, folder: FolderTileStore, head: SignedHead) -> None:
        if not self._in_folder:
            published = published_head(folder)
            if published is not None and self._log.root_at(published.size) != published.root_hash:
                raise TilesAheadError(f"size {published.size}", size=published.size)
            # What an earlier process left is written over its checkpoint's size only; the right edge is read back anyway.
            self._in_folder = 0 if published is None else published.size
            folder.put_description(self._description)
        write_tiles(folder, self._entries, old_size=self._in_folder, size=head.size)

    def _publish(self, head: SignedHead) -> bool:
        """Publish a checkpoint with the cosignatures that are held; in the folder, in the database, then here."""
        note = append_lines(head.note, self._lines(head))
        if self._folder is not None:
            with self._alone():
                if self._is_overtaken(self._folder, head):
                    return False
                if not is_as_fresh(self._folder.checkpoint(), note):
                    publish_checkpoint(self._folder, head.to_checkpoint(self._log.origin), note)
            if self._lately is not None and self._lately[1] < head.size:
                drop_partials(self._folder, old_size=self._lately[0], size=self._lately[1])
            if head.size > self._in_folder:
                self._lately = (self._in_folder, head.size)
                self._in_folder = head.size
        if not self.is_immediate:
            self._publications.save_published(head.size)
        self._show(head)
        return True

    def _is_overtaken(self, folder: FolderTileStore, head: SignedHead) -> bool:
        """Say whether another process of this log has published a larger head of the same tree."""
        there = published_head(folder)
        return there is not None and there.size > head.size and self._log.root_at(there.size) == there.root_hash

    def _show(self, head: SignedHead) -> None:
        if head.size >= self._shown_size():
            self._log.show(SignedHead(head.size, head.root_hash, append_lines(head.note, self._lines(head))))

    def _lines(self, head: SignedHead) -> list[NoteSignature]:
        """Return what stands under a checkpoint beside the log's signature: a time of its own, cosignatures."""
        checkpoint = head.to_checkpoint(self._log.origin)
        lines = list(self._publications.cosignatures(checkpoint).values()) if self.policy.witnesses else []
        if self.heartbeat is None or self._log.guard.state == "rolled_back":
            return lines  # it knows of a larger tree
        return [self.heartbeat.line(checkpoint), *lines]

    def _shown_size(self) -> int:
        try:
            return self._log.published_head.size
        except NotSignedYetError:
            return 0


def is_as_fresh(held: bytes | None, note: bytes) -> bool:
    """Say whether a published note says what another one says, with every line of it or a newer one of the same key.

    Args:
        held: what lies there; None for nothing.
        note: what would replace it.
    """
    if held is None or held == note:
        return held is not None
    try:
        there, ours = parse_note(held), parse_note(note)
    except BonafidesError:
        return False
    times = {(line.name, line.key_id): line_time_s(line) for line in there.signatures}
    lines = [((line.name, line.key_id), line_time_s(line)) for line in ours.signatures]
    # The log's own signature has no time, and is the same bytes for the same text.
    return there.text == ours.text and all(times.get(key, -1) >= time_s for key, time_s in lines)
