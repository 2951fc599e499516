"""Which folder an audit remembers a log in, and what it remembers there.

Spec: specs/audit.md "State folder".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.adapters.audit_folder import AuditFolder, AuditState, folder_of_log, origins_at, states_folder
from registry.audit.finding import Finding, make_finding
from registry.errors import ParseError
from registry.log.note import NoteKey, parse_note_key
from registry.services.audit_memory import AuditKeeper

if TYPE_CHECKING:
    from registry.audit.reader import LogReader
    from registry.cli.audit import Chosen


class AuditKeyChangedError(ParseError):
    """The key that was given is another one than the log had at the last audit."""

    code = "audit_key_changed"
    title = "--key is another key than the one remembered for this log"


@dataclass(frozen=True, slots=True)
class AuditMemory:
    """What an audit begins with.

    Attributes:
        key: the log's key as remembered; None where nothing is.
        keep: makes the keeper of the state; None remembers nothing.
        findings: what the memory itself says of the log.
    """

    key: str | None = None
    keep: Callable[[NoteKey, LogReader], AuditKeeper] | None = None
    findings: tuple[Finding, ...] = ()


@contextmanager
def open_memory(chosen: Chosen, url: str, reader: LogReader) -> Iterator[AuditMemory]:
    """Open the folder of the log that is to be audited, and close it at the end.

    Args:
        chosen: options of the command.
        url: of the log, as it is remembered.
        reader: asked for the log's name where no key is given.

    Raises:
        AuditKeyChangedError: ``audit_key_changed``.
        RegistryError: the codes of `AuditFolder.open` and `LogReader.first_key`.
    """
    if chosen.no_state:
        yield AuditMemory()
        return
    states, named = states_folder(), chosen.key
    if chosen.state is None:
        origin = parse_note_key(reader.first_key() if named is None else named).name
        folder = AuditFolder(folder_of_log(states, origin))
    else:
        folder = AuditFolder(chosen.state)
    state = folder.open()
    try:
        if state is not None and named not in (None, state.log_key):
            raise AuditKeyChangedError
        others = origins_at(states, url) if state is None and named is None and chosen.state is None else set()
        replaced = tuple(make_finding("log_replaced", expected=one) for one in sorted(others))

        def keep(key: NoteKey, reader: LogReader) -> AuditKeeper:
            first = AuditState(key.name, key.to_text(), url, None)
            return AuditKeeper(folder, state or first, key=key, reader=reader)

        yield AuditMemory(None if state is None else state.log_key, keep, replaced)
    finally:
        folder.close()
