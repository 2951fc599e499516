"""What `bonafides audit --state FILE` remembers between runs: one JSON object with the newest checkpoint that was clean.

Format ``bonafides/audit-state/1``: {"format", "origin", "logKey", "treeSize", "rootHash", "checkpoint"}.

Spec: specs/audit.md.
"""

from __future__ import annotations

import os
from pathlib import Path

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.errors import DidError
from registry.audit.report import AuditReport
from registry.errors import DependencyError, ParseError
from registry.services.audit import RememberedLog

FORMAT = "bonafides/audit-state/1"
MAX_BYTES = 131_072


class AuditMemoryFormatError(ParseError):
    """The file is not one that an audit wrote."""

    code = "audit_state_malformed"
    title = "Not a state file of an audit"


class AuditMemoryUnreadableError(DependencyError):
    """The file cannot be read or written."""

    code = "audit_state_unreadable"
    title = "The audit's state file cannot be read or written"


def load_remembered(path: Path) -> RememberedLog | None:
    """Load what was remembered; None where there is no file yet.

    Raises:
        AuditMemoryFormatError: ``audit_state_malformed``.
        AuditMemoryUnreadableError: ``audit_state_unreadable``.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditMemoryUnreadableError(f"{path.name}: {error.strerror}") from error
    try:
        document = parse_json_object(data, max_bytes=MAX_BYTES)
    except DidError as error:
        raise AuditMemoryFormatError from error
    key, size, root = document.get("logKey"), document.get("treeSize"), document.get("rootHash")
    if document.get("format") != FORMAT or not isinstance(key, str) or not isinstance(root, str):
        raise AuditMemoryFormatError
    if type(size) is not int or size < 1:
        raise AuditMemoryFormatError
    try:
        return RememberedLog(key, size, base64url_decode(root))
    except DidError as error:
        raise AuditMemoryFormatError from error


def save_remembered(path: Path, report: AuditReport) -> None:
    """Remember the checkpoint of a clean audit, in one step.

    Raises:
        AuditMemoryUnreadableError: ``audit_state_unreadable``.
    """
    if report.checkpoint is None or not report.is_clean:
        return
    head = report.checkpoint.checkpoint
    document = {
        "format": FORMAT,
        "origin": report.origin,
        "logKey": report.log_key,
        "treeSize": head.size,
        "rootHash": base64url_encode(head.root_hash),
        "checkpoint": report.checkpoint.note.decode("utf-8"),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(canonicalize(document) + b"\n")
        temporary.replace(path)
    except OSError as error:
        raise AuditMemoryUnreadableError(f"{path.name}: {error.strerror}") from error
