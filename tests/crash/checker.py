"""Looks at what a killed registry left on the disk, and verifies all of it as an auditor would."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from did_methods.codec import base64url_encode
from registry.credentials.model import parse_credential
from registry.credentials.verify import verify_credential
from registry.history.replay import verify_leaf
from registry.history.state import LogState
from registry.log.checkpoint import verify_checkpoint
from registry.log.merkle import RightEdge, node_hash
from registry.log.note import parse_note_key
from registry.services.snapshot import load_state
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore
from registry.storage.tables import ENTRY, PARTY, SIGNED
from tests.crash.load import Load
from tests.crash.process import settings_of


class Checker:
    """Folds the log with every signature verified, going on after each crash where it stood before.

    That is as good as starting from entry 0 each time: the tree's root after the part that was folded earlier is
    compared again, and every stored leaf hash with it, so nothing below can have changed unseen.
    """

    def __init__(self) -> None:
        self.state = LogState()
        self.edge = RightEdge()
        self.hashes: list[bytes] = []
        self.events: list[bytes] = []
        self.times: list[int] = []
        self.roots: dict[int, bytes] = {}
        self.snapshots: set[int] = set()
        self._promised = 0
        self._notes: set[bytes] = set()

    def check(self, data: Path, load: Load, *, url: str | None = None) -> None:
        """Open the database as a start would, and compare everything.

        Args:
            data: the registry's folder.
            load: what was promised.
            url: of the database where it lies elsewhere.
        """
        database = open_database(settings_of(data, url).database_url)
        try:
            store = LogStore(database)
            self._check_rows(database, store)
            self._check_checkpoints(database, load)
            self._check_promises(load)
            self._check_snapshot(store)
            self._check_tiles(store)
        finally:
            database.close()

    def _check_rows(self, database: Database, store: LogStore) -> None:
        size, root = store.head()
        assert size >= len(self.hashes), "the log became shorter"
        with database.read() as connection:
            stored = connection.execute(select(ENTRY.c.seq, ENTRY.c.leaf_hash).order_by(ENTRY.c.seq)).all()
            parties = connection.scalar(select(func.count()).select_from(PARTY))
        assert [row[0] for row in stored] == list(range(size)), "the rows are not those of the head"
        assert [row[1] for row in stored[: len(self.hashes)]] == self.hashes, "an old entry changed"
        draft = self.state.draft()
        for entry in store.walk(len(self.hashes), size):
            leaf = verify_leaf(draft, entry.data)
            assert (leaf.index, leaf.event_id, leaf.time_ms) == (entry.index, entry.event_id, entry.time_ms)
            assert leaf.leaf_hash == stored[leaf.index][1]
            self.edge.append(leaf.leaf_hash)
            self.hashes.append(leaf.leaf_hash)
            self.events.append(leaf.event_id)
            self.times.append(leaf.time_ms)
            self.roots[leaf.index + 1] = self.edge.root()
        draft.commit()
        assert self.edge.root() == root, "the head's root is not the tree's"
        assert len(set(self.events)) == size, "an event is in the log twice"
        assert parties == sum(chain.count for chain in self.state.tables.chains.values())

    def _check_checkpoints(self, database: Database, load: Load) -> None:
        """Every checkpoint that was ever signed or seen is of a tree that today's tree extends."""
        genesis = self.state.head.genesis
        assert genesis is not None
        key = parse_note_key(genesis.log_key)
        with database.read() as connection:
            signed = {bytes(row[0]) for row in connection.execute(select(SIGNED.c.note))}
        shown = {_without_cosignatures(note) for note in load.checkpoints}
        assert shown <= signed, "a checkpoint was shown that was not kept"
        assert signed >= self._notes, "a signed checkpoint was forgotten"
        for note in signed - self._notes:
            checkpoint = verify_checkpoint(note, origin=genesis.origin, key=key).checkpoint
            assert self.roots.get(checkpoint.size) == checkpoint.root_hash, "a checkpoint of another tree"
        self._notes = signed
        load.checkpoints.clear()

    def _check_promises(self, load: Load) -> None:
        """Every acknowledged event is where the acceptance says, and the acceptance is the registry's."""
        for told in load.acknowledged.values():
            assert told.index < len(self.hashes), "an acknowledged event is gone"
            assert told.event == base64url_encode(self.events[told.index])
            assert told.leaf_hash == base64url_encode(self.hashes[told.index])
            assert told.time_ms == self.times[told.index]
        for document in load.acceptances[self._promised :]:
            credential = parse_credential(document)
            verify_credential(credential, keys=self.state, now_ms=credential.created_ms)
            assert self.state.head.genesis is not None
            assert credential.issuer == self.state.head.genesis.registry_did
        self._promised = len(load.acceptances)

    def _check_snapshot(self, store: LogStore) -> None:
        """A start from the snapshot knows what a start from entry 0 knows."""
        snapshot = store.load_snapshot()
        if snapshot is not None:
            assert self.roots[snapshot[0]] == snapshot[1], "a snapshot of another tree"
            self.snapshots.add(snapshot[0])
        loaded = load_state(store, len(self.hashes))
        assert loaded.snapshot_size == (0 if snapshot is None else snapshot[0])
        for name in ("head", "tables", "reputation", "silenced", "journal", "times", "times_from"):
            assert getattr(loaded.state, name) == getattr(self.state, name), f"{name} differs after a snapshot"

    def _check_tiles(self, store: LogStore) -> None:
        """Tiles above level 0 are kept beside the entries; they hold what the entries give."""
        full = len(self.hashes) // 256
        for number in range(-(-full // 256)):
            nodes = [_subtree(self.hashes[at * 256 : at * 256 + 256]) for at in range(number * 256, full)][:256]
            assert store.tile(1, number, len(nodes)) == b"".join(nodes)


def _without_cosignatures(note: bytes) -> bytes:
    """Return a note with the log's own line alone, which stands first."""
    text, empty, lines = note.rpartition(b"\n\n")
    return text + empty + lines.partition(b"\n")[0] + b"\n"


def _subtree(hashes: list[bytes]) -> bytes:
    level = hashes
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]
