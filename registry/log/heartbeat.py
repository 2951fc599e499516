"""The heartbeat of a log: its own word that it still knows no larger tree, beside a checkpoint that does not change.

One size has one note for ever, so an idle log and a frozen view of it have the same checkpoint. A timestamped cosignature
(type 04) under the log's own name tells them apart. It is made by a key of its own, since one key serves one type, and
the note key says once which key that is. It proves nothing against the log itself: that is what witnesses are for.

Spec: c2sp.org/tlog-cosignature@v1.1.0; specs/transparency-log.md "Heartbeat"
"""

from __future__ import annotations

from typing import Final

from registry.errors import ParseError
from registry.log.cosignature import CosignatureKey, parse_cosignature_key
from registry.log.note import NoteKey, NoteSigner, parse_note, sign_note, verify_note

_SUFFIX: Final = "/heartbeat"


class HeartbeatStatementError(ParseError):
    """The note does not say which key makes this log's heartbeat."""

    code = "heartbeat_statement_malformed"
    title = "No statement of a log's heartbeat key"


def sign_heartbeat_key(key: CosignatureKey, log: NoteSigner) -> bytes:
    """Let the log's note key say which key makes its heartbeat; return the note.

    Args:
        key: under the log's origin.
        log: the log's note key.
    """
    return sign_note(_text(key), [log])


def verify_heartbeat_key(note: bytes, log: NoteKey) -> CosignatureKey:
    """Return the key that makes a log's heartbeat, as the log's note key says.

    Args:
        note: the statement, as ``/log.json`` has it.
        log: the log's note key, which is trusted.

    Raises:
        HeartbeatStatementError: heartbeat_statement_malformed.
        BonafidesError: the codes of notes and verifier keys.
    """
    lines = verify_note(parse_note(note), [log]).text.split("\n")
    if len(lines) != 3 or lines[0] != log.name + _SUFFIX:  # noqa: PLR2004 - two lines and what follows the last newline
        raise HeartbeatStatementError("it is another note of this log")
    key = parse_cosignature_key(lines[1])
    if key.name != log.name or _text(key) != "\n".join(lines) or key.public_key.raw == log.public_key.raw:
        raise HeartbeatStatementError("the key is not one for this log's heartbeat")
    return key


def _text(key: CosignatureKey) -> str:
    return f"{key.name}{_SUFFIX}\n{key.to_text()}\n"
