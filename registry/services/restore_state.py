"""Catching up with what was published: the readers and errors of it, and the state log, which must not be begun twice.

The entries of the state log follow from the main log, but at which sizes one was made does not. A restored registry that went on from
an older end would sign a second history of it; so what was published is imported as it was, and the map made anew.

Spec: specs/backup.md; specs/state-map.md
"""

from __future__ import annotations

from dataclasses import dataclass

from did_methods.errors import BonafidesError
from registry.audit.reader import LogReader
from registry.credentials.model import parse_credential
from registry.credentials.verify import verify_credential
from registry.errors import DependencyError, ParseError, VerificationError
from registry.history.state import LogState
from registry.log.checkpoint import Checkpoint, verify_checkpoint
from registry.log.merkle import leaf_hash
from registry.log.note import NoteKey, parse_note_key
from registry.log.state_map import StateEntry, parse_state_entry
from registry.storage.log import LogStore
from registry.storage.state_log import StateLogStore

_NOT_FOUND = 404
_SUFFIX = "/state"


class PublishedForkError(VerificationError):
    """The published log is another one than that in the backup."""

    code = "published_log_differs"
    title = "The published log is not the one in the backup"


class CatchUpError(DependencyError):
    """Entries of the published log could not be had, or nobody can say whose they are."""

    code = "catch_up_failed"
    title = "The published log could not be read"


@dataclass(frozen=True, slots=True)
class Published:
    """Where the logs of a registry were published.

    Attributes:
        log: reads the main log.
        state: reads the state log; None where none was published.
    """

    log: LogReader
    state: LogReader | None = None


def catch_up_state_log(
    store: StateLogStore, source: Published, *, main: LogStore, state: LogState, key: NoteKey | None
) -> int | None:
    """Import what was published of the state log after the end of a restored one; return its published size.

    Args:
        store: the restored state log.
        source: of what was published; None is returned where no state log was.
        main: the main log, caught up.
        state: folded from it.
        key: of the state log; None takes the one that the registry's DID has signed for in ``/log.json``.

    Raises:
        PublishedForkError: ``published_log_differs``.
        CatchUpError: ``catch_up_failed``.
        BonafidesError: the checkpoint does not verify, or nobody answers.
    """
    note = None if source.state is None else _checkpoint(source.state)
    genesis = state.head.genesis
    if source.state is None or note is None or genesis is None:
        return None
    origin = genesis.origin + _SUFFIX
    checkpoint = verify_checkpoint(note, origin=origin, key=key or _signed_key(source.log, state)).checkpoint
    size, _ = store.head()
    if checkpoint.size <= size:
        if store.right_edge(checkpoint.size).root() != checkpoint.root_hash:
            raise PublishedForkError(f"another state log of size {checkpoint.size} was signed")
        return checkpoint.size
    entries, hashes = _missing(store, source.state, size, checkpoint)
    newest = entries[-1]
    if newest.size > main.head()[0] or main.right_edge(newest.size).root() != newest.root_hash:
        raise PublishedForkError("the state log is about another log")
    store.append_published(entries, hashes, first=size)
    return checkpoint.size


def _missing(
    store: StateLogStore, reader: LogReader, size: int, checkpoint: Checkpoint
) -> tuple[list[StateEntry], list[bytes]]:
    """Read what is missing; return it if it completes the signed tree."""
    edge, entries, hashes = store.right_edge(size), [], []
    for portion in reader.portions(size, checkpoint.size):
        if len(portion.entries) < portion.wanted or not portion.is_exact:
            raise CatchUpError(f"entry {portion.start + len(portion.entries)} of the state log is not served")
        for data in portion.entries:
            hashes.append(leaf_hash(data))
            edge.append(hashes[-1])
            entries.append(parse_state_entry(data))
    if edge.root() != checkpoint.root_hash:
        raise PublishedForkError("the state log does not grow out of the one in the backup")
    return entries, hashes


def _checkpoint(reader: LogReader) -> bytes | None:
    try:
        return reader.checkpoint()
    except BonafidesError as error:
        if error.params.get("status") == _NOT_FOUND:
            return None
        raise


def _signed_key(reader: LogReader, state: LogState) -> NoteKey:
    """Return the state log's key by the word of the registry's DID, whose keys the main log has."""
    described, genesis = reader.description().get("stateLog"), state.head.genesis
    document = described.get("credential") if isinstance(described, dict) else None
    if not isinstance(document, dict) or genesis is None:
        raise CatchUpError("nobody says whose key the state log's is: restore with the keys of the registry")
    try:
        credential = parse_credential(document)
        # Its time says nothing here: it is signed anew at each start, and this machine's clock may be off.
        verify_credential(credential, keys=state, now_ms=credential.created_ms)
    except (ParseError, VerificationError) as error:
        raise PublishedForkError("the key of the state log is not the registry's") from error
    said = credential.subject
    if credential.kind.name != "state_log" or credential.issuer != genesis.registry_did:
        raise PublishedForkError("the key of the state log is not the registry's")
    if (said["origin"], said["stateLog"]) != (genesis.origin, genesis.origin + _SUFFIX):
        raise PublishedForkError("the state log is another log's")
    return parse_note_key(said["stateLogKey"])
