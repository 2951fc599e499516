"""A dishonest operator: holds every key of the registry and its database, and rewrites both.

What an auditor must notice is done here with the real keys and real rows, so that only what the operator cannot do (sign
for an agent, invert a hash, be in two minds about a checkpoint) is left to give it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from did_methods.codec import base64url_decode
from did_methods.keys import KeySigner
from registry.adapters.key_file import load_key_ring
from registry.credentials.issue_registry import issue_epoch
from registry.history.rules import preview_epoch
from registry.history.sequence import SequencedLeaf, sequence
from registry.history.state import LogState
from registry.history.statement import VerifiedStatement, claimed_time_ms, parse_statement
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.entry import Leaf, encode_leaf, parse_leaf
from registry.log.merkle import derive_root, leaf_hash
from registry.services.log import SignedHead
from tests.support.registry import World, nothing_signed

Event = tuple[int, dict[str, Any]]
TABLES = ("entry", "party", "tile", "head", "signed")


class Operator:
    """Tampers with a running registry."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.registry = world.registry

    @property
    def registry_signer(self) -> KeySigner:
        """The key of the registry's DID."""
        return load_key_ring(self.registry.settings.keys_dir / "registry-did.json").signer

    # ------------------------------------------------------------ database

    def sql(self, statement: str, *parameters: object) -> None:
        """Run SQL on the registry's own connection; no trigger stands in the way."""
        with self.registry.database.write() as connection:
            connection.exec_driver_sql(statement, parameters)

    @contextmanager
    def tampering(self) -> Iterator[Operator]:
        """Put everything back at the end."""
        with self.registry.database.read() as connection:
            rows = {table: connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall() for table in TABLES}
        signed = self.registry.log._signed
        with nothing_signed(self.registry):
            try:
                yield self
            finally:
                self._put_back(rows)
                self.registry.log._signed = self.registry.log._published = signed

    def _put_back(self, rows: dict[str, Sequence[Any]]) -> None:
        with self.registry.database.write() as connection:
            for table, saved in rows.items():
                connection.exec_driver_sql(f"DELETE FROM {table}")
                for row in saved:
                    marks = ",".join("?" * len(row))
                    connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", tuple(row))

    @property
    def leaves(self) -> list[bytes]:
        """The entries as stored."""
        return [entry.data for entry in self.registry.store.entries(0, 1 << 40)]

    def edit(self, index: int, old: bytes, new: bytes, *, with_hash: bool) -> None:
        """Change bytes of one entry, and the hash beside it or not."""
        data = self.leaves[index].replace(old, new)
        self.sql("UPDATE entry SET data = ? WHERE seq = ?", data, index)
        if with_hash:
            self.sql("UPDATE entry SET leaf_hash = ? WHERE seq = ?", leaf_hash(data), index)

    def replace_log(self, leaves: Sequence[bytes], *, signed: bool = True) -> None:
        """Store another log (of less than 256 entries, so that no upper tile exists) and sign its head, or not."""
        self.sql("DELETE FROM entry")
        for index, data in enumerate(leaves):
            row = (index, leaf_hash(data), "any", 0, leaf_hash(data), data)
            self.sql("INSERT INTO entry (seq, event_id, kind, time_ms, leaf_hash, data) VALUES (?,?,?,?,?,?)", *row)
        if signed:
            self.sign_head(leaves)

    def sign_head(self, leaves: Sequence[bytes]) -> None:
        """Sign a checkpoint of these entries with the log's key, whatever was signed before."""
        signer = self.registry.log.signer.note_signer
        root = derive_root(leaf_hash(leaf) for leaf in leaves)
        note = sign_checkpoint(Checkpoint(signer.name, len(leaves), root), signer.signing_key)
        self.registry.log._signed = self.registry.log._published = SignedHead(len(leaves), root, note)

    # ------------------------------------------------------------ history

    @property
    def events(self) -> list[Event]:
        """(log time, event) of each entry."""
        return [(leaf.time_ms, leaf.event) for leaf in map(parse_leaf, self.leaves)]

    def relog(self, events: Sequence[Event], *, commitment: Callable[[bytes], bytes] = lambda true: true) -> None:
        """Begin the log anew with these events: chains linked, epochs computed and signed anew, checkpoint signed.

        Every rule is kept; only signatures of agents are not, where there are none.
        """
        state = LogState()
        leaves: list[SequencedLeaf] = []
        for time_ms, event in events:
            draft = state.draft()
            if "RegistryEpochCredential" in event.get("type", ()):
                event = self._epoch(state, event, time_ms)  # noqa: PLW2901
            statement = parse_statement(event)
            leaves.append(
                sequence(draft, VerifiedStatement(statement, (), claimed_time_ms(statement)), time_ms=time_ms)
            )
            draft.commit()
        data = [leaf.data for leaf in leaves]
        newest = max(i for i, leaf in enumerate(leaves) if leaf.kind == "epoch")
        if commitment(b"") != b"":
            event = parse_leaf(data[newest]).event
            changed = self._epoch_of(event, commitment(base64url_decode(event["credentialSubject"]["commitment"])))
            data[newest] = _with_event(leaves[newest], changed)
        self.replace_log(data)

    def _epoch(self, state: LogState, event: dict[str, Any], time_ms: int) -> dict[str, Any]:
        subject = preview_epoch(state.draft(), tree_size=state.head.size)
        return issue_epoch(
            signer=self.registry_signer,
            number=subject["number"],
            tree_size=subject["treeSize"],
            rules=subject["rules"],
            root_list=base64url_decode(subject["rootList"]),
            commitment=base64url_decode(subject["commitment"]),
            uuid=str(uuid4()),
            now_ms=time_ms,
            domain=self.world.origin,
        )

    def _epoch_of(self, event: dict[str, Any], commitment: bytes) -> dict[str, Any]:
        subject = event["credentialSubject"]
        return issue_epoch(
            signer=self.registry_signer,
            number=subject["number"],
            tree_size=subject["treeSize"],
            rules=subject["rules"],
            root_list=base64url_decode(subject["rootList"]),
            commitment=commitment,
            uuid=str(uuid4()),
            now_ms=self.world.clock.now_ms(),
            domain=self.world.origin,
        )


def _with_event(leaf: SequencedLeaf, event: dict[str, Any]) -> bytes:
    return encode_leaf(Leaf(leaf.time_ms, leaf.kind, leaf.parties, event))
