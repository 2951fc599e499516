"""Reading a signed document from a file, or from standard input as ``-``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from did_methods.codec import parse_json_object
from registry.errors import DependencyError, NotFoundError

if TYPE_CHECKING:
    from registry.log.witness_policy import WitnessPolicy

MAX_BYTES = 1_048_576


class DocumentUnreadableError(NotFoundError):
    """The file is not there, or cannot be read."""

    code = "document_unreadable"
    title = "The file cannot be read"


class PolicyUnreadableError(DependencyError):
    """The file of a witness policy, named by an option, cannot be read."""

    code = "policy_file_unreadable"
    title = "The policy file cannot be read"


def read_policy(path: Path) -> WitnessPolicy:
    """Read a c2sp.org/tlog-policy file.

    Raises:
        PolicyUnreadableError: ``policy_file_unreadable``.
        PolicyFileError, PolicyFileTooLargeError: what is in it is no policy.
    """
    from registry.log.witness_policy import MAX_POLICY_BYTES, parse_policy

    try:
        with path.open("rb") as file:
            return parse_policy(file.read(MAX_POLICY_BYTES + 1))
    except OSError as error:
        raise PolicyUnreadableError(f"{path.name}: {error.strerror}") from error


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
