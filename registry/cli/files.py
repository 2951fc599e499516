"""Reading a signed document from a file, or from standard input as ``-``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from did_methods.codec import parse_json_object
from registry.errors import NotFoundError

MAX_BYTES = 1_048_576


class DocumentUnreadableError(NotFoundError):
    """The file is not there, or cannot be read."""

    code = "document_unreadable"
    title = "The file cannot be read"


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DocumentUnreadableError: ``document_unreadable``.
        DidError: the codec's codes.
    """
    return parse_json_object(_read(path), max_bytes=MAX_BYTES)


def read_secured(path: Path) -> dict[str, Any] | str:
    """Read a secured document: a JSON object, or an envelope as the one line of the file.

    Raises:
        DocumentUnreadableError: ``document_unreadable``.
        DidError: the codec's codes.
    """
    data = _read(path)
    text = data.strip()
    if text.startswith(b"ey") and text.isascii() and b"." in text and len(data) <= MAX_BYTES:
        return text.decode("ascii")
    return parse_json_object(data, max_bytes=MAX_BYTES)


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1) if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise DocumentUnreadableError(f"{path}: {error.strerror}") from error
