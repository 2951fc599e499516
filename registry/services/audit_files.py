"""The part of an audit that fetches the files of hosted DIDs and holds them against the log.

All of them, or, where there are more than the plan allows, a sample that the host cannot foresee.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from typing import Final

from registry.audit.did_files import FileCheck, HostedLogs, ServedFiles
from registry.audit.finding import Finding, make_finding
from registry.audit.reader import LogReader
from registry.history.did_files import DOCUMENT_FILE, LOG_FILE, OPERATION, WITNESS_FILE, file_path, hosted_paths
from registry.history.sequence import SequencedLeaf
from registry.history.state import LogState

_AT_ONCE: Final = 8
_PORTION: Final = 256


class FileAudit:
    """Compares the files of hosted DIDs.

    Args:
        reader: fetches them.
        most: how many DIDs at most; None for all.
        progress: told (done, total).
    """

    def __init__(self, reader: LogReader, most: int | None, progress: Callable[[int, int], None]) -> None:
        self._reader = reader
        self._most = most
        self._progress = progress
        self._open: dict[str, list[FileCheck]] = {}
        self.findings: list[Finding] = []
        self.compared = 0
        self._total = 0

    @property
    def is_open(self) -> bool:
        """Whether a file goes further than the log as read, so that it must be read on."""
        return bool(self._open)

    def compare(self, hosted: HostedLogs, state: LogState) -> None:
        """Fetch the files and compare them with the log as it was read."""
        targets = self._targets(state)
        self._total = len(targets)
        with ThreadPoolExecutor(_AT_ONCE, "audit-files") as pool:
            for begin in range(0, len(targets), _PORTION):  # a portion's files at a time in memory
                for served in pool.map(self._fetch, targets[begin : begin + _PORTION]):
                    self._judge(served, hosted, state)

    def read_on(self, leaf: SequencedLeaf, hosted: HostedLogs, settle: Callable[[], LogState]) -> None:
        """Compare again what is open after a leaf that was logged meanwhile."""
        did = leaf.parties[0].did if leaf.kind == OPERATION else None
        if did is None or did not in self._open:
            return
        state = settle()
        for check in self._open[did]:
            check.read_on(hosted.logs[did], state)

    def finish(self) -> None:
        """Close what is still open: the log has been read as far as it goes."""
        for check in (one for checks in self._open.values() for one in checks):
            found = check.end()
            self.findings.extend([] if found is None else [found])
        self._open = {}

    def _targets(self, state: LogState) -> list[tuple[str, str]]:
        paths = hosted_paths(state.tables.paths)
        if self._most is None or len(paths) <= self._most:
            return paths
        found = make_finding("did_files_sampled", expected=len(paths), found=self._most)
        self.findings.extend([found] if self._most else [])
        return SystemRandom().sample(paths, self._most)

    def _fetch(self, target: tuple[str, str]) -> ServedFiles:
        path, did = target
        # The log first: the files beside it are then at least as new.
        names = (LOG_FILE, WITNESS_FILE, DOCUMENT_FILE)
        log, witness, document = (self._reader.did_file(file_path(path, name)) for name in names)
        return ServedFiles(did, path, log, witness, document)

    def _judge(self, served: ServedFiles, hosted: HostedLogs, state: LogState) -> None:
        self.compared += 1
        self._progress(self.compared, self._total)
        check = FileCheck(served)
        check.begin(hosted.logs[served.did], state)
        if check.is_open:
            self._open.setdefault(served.did, []).append(check)
        elif check.finding is not None:
            self.findings.append(check.finding)
