"""The files of a hosted did:webvh as they follow from the log: ``did.jsonl``, ``did-witness.json``, ``did.json``.

The host serves what is made here, and the audit holds what was served against it; so a file in which a single byte was
changed, left out or put in is seen. A line of ``did.jsonl`` is the event of a leaf, byte for byte.

Spec: specs/did-hosting.md; did:webvh 1.0 "The DID Log File", "The Witness Proofs File".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from did_methods.canonical import canonicalize
from did_methods.webvh_document import parallel_did_web
from did_methods.webvh_state import WebvhState, parse_webvh_did
from registry.history.paths import is_hosted
from registry.history.state import Genesis

OPERATION, WITNESS = "did_operation", "did_witness"
"""Leaf kinds."""
LOG_FILE = "did.jsonl"
WITNESS_FILE = "did-witness.json"
DOCUMENT_FILE = "did.json"


def event_bytes(leaf: bytes) -> bytes:
    """Return the canonical bytes of a leaf's event.

    Args:
        leaf: a leaf that parsed: its event stands between its first member name and its second.
    """
    return leaf[len(b'{"event":') : leaf.rindex(b',"format":"')]


def log_line(leaf: bytes) -> bytes:
    """Return the line of ``did.jsonl`` that a ``did_operation`` leaf is."""
    return event_bytes(leaf) + b"\n"


def witness_file(leaves: Iterable[bytes]) -> bytes | None:
    """Return ``did-witness.json`` of the ``did_witness`` leaves of one DID, in their order; None without any.

    The proofs of every version stay: a reader who holds an older ``did.jsonl`` than this file still finds those that
    its last entry needs.
    """
    events = [event_bytes(leaf) for leaf in leaves]
    return b"[" + b",".join(events) + b"]\n" if events else None


def document_file(state: WebvhState, path: str, genesis: Genesis) -> bytes | None:
    """Return ``did.json`` at a path; None where there is none: the DID is deactivated, or has moved elsewhere.

    Args:
        state: of the log that is served at the path.
        path: below the public URL, without slashes around it; empty for the registry itself.
        genesis: names the public URL.
    """
    # A did:web is its place: at a place that the agent has left, nothing has that id any more.
    if not is_hosted(state.did, genesis) or "/".join(parse_webvh_did(state.did).location.segments) != path:
        return None
    document = parallel_did_web(state)
    return None if document is None else canonicalize(document)


def file_path(path: str, name: str) -> str:
    """Return where a file of a hosted DID lies below the public URL.

    Args:
        path: of the DID; empty for the registry itself.
        name: of the file.

    Spec: did:webvh 1.0 "The DID to HTTPS Transformation"
    """
    return f"/{path or '.well-known'}/{name}"


def hosted_paths(paths: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (path, DID first published there) of every hosted DID, sorted by path."""
    return sorted(paths.items())
