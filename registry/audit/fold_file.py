"""The fold of an audit as bytes and back, so that the next audit verifies only what is new.

Format ``bonafides/audit-fold/1``: one line of canonical JSON with the tree's right edge and what observers remember, a line
feed, the folded state. It is the auditor's own and trusted as far as the place where it lies: whoever loads one holds
the tree in it against a signed checkpoint first.

Spec: specs/audit.md.
"""

from __future__ import annotations

from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.document import parse_did_document
from did_methods.errors import BonafidesError
from registry.audit.did_files import HostedLog, HostedLogs
from registry.audit.finding import CODES, Finding
from registry.audit.log_audit import LogAudit
from registry.errors import ParseError
from registry.history.snapshot import dump_state, load_state

FORMAT: Final = "bonafides/audit-fold/1"
_MAX_BYTES: Final = 1 << 30
_MAX_NODES: Final = 1 << 31
_MAX_DEPTH: Final = 64


class FoldFormatError(ParseError):
    """The fold was written by another version, for another log, or is no fold; the log is read from entry 0 instead."""

    code = "audit_fold_malformed"
    title = "Not a fold of this log by this version"


def dump_fold(audit: LogAudit) -> bytes:
    """Return a finished audit's fold as bytes; `load_fold` gives an audit that goes on from there.

    Args:
        audit: without a breach; every signature verified (`LogAudit.finish`).
    """
    header = {
        "format": FORMAT,
        "origin": audit.origin,
        "logKey": audit.log_key,
        "tree": audit.tree.dump(),
        "folded": audit.folded,
        "remarks": [one.to_wire() for one in audit.findings if all(one is not end for end in audit.passing)],
        "registryDocuments": [one.raw for one in audit.registry_documents],
        "hosted": {did: _hosted_wire(one) for did, one in audit.hosted.logs.items()},
        "ahead": None if audit.hosted.ahead is None else audit.hosted.ahead.decode("utf-8"),
        "observers": {one.name: one.dump() for one in audit.observers},
    }
    return canonicalize(header) + b"\n" + dump_state(audit.state)


def load_fold(data: bytes, audit: LogAudit) -> None:
    """Let a new audit go on from a fold.

    Args:
        data: what `dump_fold` gave.
        audit: that has taken no entry yet, with the same observers; to be dropped where this raises.

    Raises:
        FoldFormatError: ``audit_fold_malformed``.
    """
    header, _, rest = data.partition(b"\n")
    try:
        wire = parse_json_object(header, max_bytes=_MAX_BYTES, max_nodes=_MAX_NODES, max_depth=_MAX_DEPTH)
        _load(wire, rest, audit)
    except (BonafidesError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FoldFormatError from error
    if audit.state.head.size != audit.tree.size:
        raise FoldFormatError


def _load(wire: dict[str, Any], rest: bytes, audit: LogAudit) -> None:
    known = {one.name: one for one in audit.observers}
    fits = (wire["format"], wire["origin"], wire["logKey"]) == (FORMAT, audit.origin, audit.log_key)
    if not fits or wire["observers"].keys() != known.keys() or wire["folded"] != wire["tree"]["size"]:
        raise FoldFormatError
    audit.tree.load(wire["tree"])
    audit.registry_documents.extend(parse_did_document(one) for one in wire["registryDocuments"])
    ahead = None if wire["ahead"] is None else wire["ahead"].encode("utf-8")
    audit.hosted = HostedLogs({did: _hosted_from(one) for did, one in wire["hosted"].items()}, ahead)
    for name, kept in wire["observers"].items():
        known[name].load(kept)
    audit.findings.extend(_remark_from(one) for one in wire["remarks"])
    audit.go_on_from(load_state(rest), wire["folded"])


def _hosted_wire(log: HostedLog) -> list[Any]:
    return [
        [[index, base64url_encode(digest)] for index, digest in log.entries],
        [[length, base64url_encode(digest)] for length, digest in log.witnesses],
    ]


def _hosted_from(wire: list[Any]) -> HostedLog:
    entries, witnesses = ([(number, base64url_decode(digest)) for number, digest in rows] for rows in wire)
    return HostedLog(entries, witnesses)


def _remark_from(wire: dict[str, Any]) -> Finding:
    if CODES[wire["code"]][0] != "remark":
        raise FoldFormatError
    return Finding(**wire)
