"""The rows of the database, and nothing else: no wire types, no domain types, no rules.

Truth is `entry`; `party`, `tile`, `did_entry` and `snapshot` can be rebuilt from it. `opening` can be erased and is in no proof.
Statuses of issued credentials are this registry's own as their issuer: `status_list`, `status_entry` and `status_change`
follow from nothing in the log.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Dialect, Index, Integer, Table
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel


class BigNumber(TypeDecorator[int]):
    """A number of 64 bits: SQLite's INTEGER is one, and only under that name may it be a row's own number."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """Return the engine's type of this width."""
        return Integer() if dialect.name == "sqlite" else BigInteger()


class EntryRow(SQLModel, table=True):
    """One leaf of the log."""

    __tablename__ = "entry"

    seq: int = Field(primary_key=True, sa_type=BigNumber)
    event_id: bytes = Field(unique=True)
    kind: str
    time_ms: int = Field(sa_type=BigInteger)
    leaf_hash: bytes
    data: bytes


class PartyRow(SQLModel, table=True):
    """One DID's place in one leaf: the index of each agent's chain."""

    __tablename__ = "party"

    did: str = Field(primary_key=True)
    count: int = Field(primary_key=True, sa_type=BigNumber)
    seq: int = Field(sa_type=BigNumber)


class TileRow(SQLModel, table=True):
    """A full tile of 256 hashes."""

    __tablename__ = "tile"

    level: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigNumber)
    data: bytes


class HeadRow(SQLModel, table=True):
    """The committed end of the log; one row, changed by compare-and-swap on `size`."""

    __tablename__ = "head"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigNumber)
    root: bytes


class SignedRow(SQLModel, table=True):
    """A checkpoint that was signed: never two for one size."""

    __tablename__ = "signed"

    size: int = Field(primary_key=True, sa_type=BigNumber)
    root: bytes
    note: bytes


class OpeningRow(SQLModel, table=True):
    """A disclosure of a committed private field, sealed under keys that lie elsewhere; erasable."""

    __tablename__ = "opening"

    event_id: bytes = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    sealed: bytes


class OpeningPartyRow(SQLModel, table=True):
    """Whose keys the openings of an event are sealed under."""

    __tablename__ = "opening_party"

    did: str = Field(primary_key=True)
    event_id: bytes = Field(primary_key=True, index=True)


class PlainOpeningRow(SQLModel, table=True):
    """A disclosure as an earlier version kept it, in the open; the first start seals it and empties this table."""

    __tablename__ = "plain_opening"

    event_id: bytes = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    disclosure: str


class ErasureRow(SQLModel, table=True):
    """A logged erasure that was carried out here."""

    __tablename__ = "erasure"

    seq: int = Field(primary_key=True, sa_type=BigInteger)
    done_ms: int = Field(sa_type=BigInteger)


class DecisionRow(SQLModel, table=True):
    """A recorded decision with its whole fact vector."""

    __tablename__ = "decision"

    evaluation_id: str = Field(primary_key=True)
    time_ms: int = Field(index=True, sa_type=BigInteger)
    agent_did: str = Field(index=True)
    decision: bool
    reason: str
    record: bytes


class GatewayRow(SQLModel, table=True):
    """A gateway that may ask; only the digest of its bearer key is kept."""

    __tablename__ = "gateway"

    name: str = Field(primary_key=True)
    role: str
    key_digest: bytes = Field(unique=True)
    created_ms: int = Field(sa_type=BigInteger)


class SnapshotRow(SQLModel, table=True):
    """The folded state at some size, so that a start need not fold the whole log; a cache, never a source."""

    __tablename__ = "snapshot"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigNumber)
    root: bytes
    data: bytes


class DidEntryRow(SQLModel, table=True):
    """Which leaves are the entries of a hosted did:webvh log, by the DID under which it first came."""

    __tablename__ = "did_entry"

    did: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigNumber)


class WitnessedRow(SQLModel, table=True):
    """The newest version of a did:webvh log that this registry has witnessed, with the proof it gave; only goes up."""

    __tablename__ = "witnessed"

    scid: str = Field(primary_key=True)
    number: int = Field(sa_type=BigNumber)
    version_id: str
    proof: bytes


class DidVersionRow(SQLModel, table=True):
    """The newest version ever verified of a did:webvh log that lies elsewhere; only ever goes up."""

    __tablename__ = "did_version"

    scid: str = Field(primary_key=True)
    number: int = Field(sa_type=BigNumber)
    version_id: str


class ChallengeRow(SQLModel, table=True):
    """A challenge that was given out and not yet taken, where several processes share the database."""

    __tablename__ = "challenge"
    __table_args__ = (Index("ix_challenge_book_source", "book", "source"),)

    challenge: str = Field(primary_key=True)
    book: str
    source: str
    expires_ms: int = Field(index=True, sa_type=BigInteger)


class StatusListRow(SQLModel, table=True):
    """One shard of statuses of one issuer and purpose; no more places are given out in it once it is half full."""

    __tablename__ = "status_list"

    number: int = Field(primary_key=True, sa_type=BigNumber)
    name: str = Field(unique=True)
    issuer: str
    purpose: str
    size: int = Field(sa_type=BigNumber)
    messages: str
    bits: bytes
    changed_ms: int = Field(sa_type=BigInteger)
    used: int = Field(sa_type=BigInteger)
    revision: int = Field(sa_type=BigInteger)


class StatusEntryRow(SQLModel, table=True):
    """A place in a list that was given to a credential, which is known by the digest of its id; never given again."""

    __tablename__ = "status_entry"

    list_number: int = Field(primary_key=True, sa_type=BigNumber)
    position: int = Field(primary_key=True, sa_type=BigNumber)
    credential: bytes = Field(index=True)


class StatusChangeRow(SQLModel, table=True):
    """Who set which status to what, and when."""

    __tablename__ = "status_change"

    number: int = Field(primary_key=True, sa_type=BigNumber)
    list_number: int = Field(index=True, sa_type=BigNumber)
    position: int = Field(sa_type=BigNumber)
    value: int
    time_ms: int = Field(sa_type=BigInteger)
    by: str


class CosignatureRow(SQLModel, table=True):
    """A witness's cosignature of a checkpoint of this log, by the key that made it; the newest of each key."""

    __tablename__ = "cosignature"

    size: int = Field(primary_key=True, sa_type=BigNumber)
    signer: str = Field(primary_key=True)
    time_s: int = Field(sa_type=BigInteger)
    line: bytes


class PublishedRow(SQLModel, table=True):
    """The size of the newest checkpoint that was published; one row, which only goes up."""

    __tablename__ = "published"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigNumber)


class WitnessedLogRow(SQLModel, table=True):
    """A log that this registry witnesses, and the key it trusts for it."""

    __tablename__ = "witnessed_log"

    origin: str = Field(primary_key=True)
    key: str
    added_ms: int = Field(sa_type=BigInteger)


class WitnessNoteRow(SQLModel, table=True):
    """A checkpoint of a witnessed log, whole: evidence. `cosignature` is empty for one that was only seen."""

    __tablename__ = "witness_note"

    origin: str = Field(primary_key=True)
    size: int = Field(primary_key=True, sa_type=BigNumber)
    root: bytes
    note: bytes
    cosignature: bytes
    time_s: int = Field(sa_type=BigInteger)


class SplitViewRow(SQLModel, table=True):
    """Evidence that a log has shown two trees; never erased."""

    __tablename__ = "split_view"

    digest: bytes = Field(primary_key=True)
    origin: str = Field(index=True)
    found_ms: int = Field(sa_type=BigInteger)
    data: bytes


class StateEntryRow(SQLModel, table=True):
    """One entry of the state log; `covers` is the size of the main log that it is about."""

    __tablename__ = "state_entry"

    seq: int = Field(primary_key=True, sa_type=BigInteger)
    covers: int = Field(unique=True, sa_type=BigInteger)
    leaf_hash: bytes
    data: bytes


class StateTileRow(SQLModel, table=True):
    """A tile of the state log above level 0."""

    __tablename__ = "state_tile"

    level: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    data: bytes


class StateSignedRow(SQLModel, table=True):
    """A checkpoint of the state log that was signed: never two for one size."""

    __tablename__ = "state_signed"

    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes
    note: bytes


class StateCosignatureRow(SQLModel, table=True):
    """A witness's cosignature of a checkpoint of the state log."""

    __tablename__ = "state_cosignature"

    size: int = Field(primary_key=True, sa_type=BigInteger)
    signer: str = Field(primary_key=True)
    time_s: int = Field(sa_type=BigInteger)
    line: bytes


class StatePublishedRow(SQLModel, table=True):
    """The size of the state log's newest published checkpoint; one row, which only goes up."""

    __tablename__ = "state_published"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)


class StateRow(SQLModel, table=True):
    """What the state map says of a subject from the entry over `covers` leaves on; without a record: nothing any more.

    Older versions go when no published entry rests on them. Can be rebuilt from the log.
    """

    __tablename__ = "state"

    key: bytes = Field(primary_key=True)
    covers: int = Field(primary_key=True, index=True, sa_type=BigInteger)
    subject: str
    digest: bytes | None
    record: bytes | None


def _table(row: type[SQLModel]) -> Table:
    table: Table = row.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table classes
    return table


ENTRY = _table(EntryRow)
PARTY = _table(PartyRow)
TILE = _table(TileRow)
HEAD = _table(HeadRow)
SIGNED = _table(SignedRow)
OPENING = _table(OpeningRow)
OPENING_PARTY = _table(OpeningPartyRow)
PLAIN_OPENING = _table(PlainOpeningRow)
ERASURE = _table(ErasureRow)
DECISION = _table(DecisionRow)
GATEWAY = _table(GatewayRow)
SNAPSHOT = _table(SnapshotRow)
DID_ENTRY = _table(DidEntryRow)
WITNESSED = _table(WitnessedRow)
DID_VERSION = _table(DidVersionRow)
CHALLENGE = _table(ChallengeRow)
STATUS_LIST = _table(StatusListRow)
STATUS_ENTRY = _table(StatusEntryRow)
STATUS_CHANGE = _table(StatusChangeRow)
COSIGNATURE = _table(CosignatureRow)
PUBLISHED = _table(PublishedRow)
WITNESSED_LOG = _table(WitnessedLogRow)
WITNESS_NOTE = _table(WitnessNoteRow)
SPLIT_VIEW = _table(SplitViewRow)
STATE_ENTRY = _table(StateEntryRow)
STATE_TILE = _table(StateTileRow)
STATE_SIGNED = _table(StateSignedRow)
STATE_COSIGNATURE = _table(StateCosignatureRow)
STATE_PUBLISHED = _table(StatePublishedRow)
STATE = _table(StateRow)
