"""The witness's memory and what became of our own checkpoints, on every database."""

from __future__ import annotations

import pytest

from did_methods.keys import SigningKey
from registry.log.cosignature import Cosigner, cosign, verify_cosignature
from registry.log.split_view import SplitView, parse_split_view
from registry.storage import witness
from registry.storage.engine import Database
from registry.storage.log import LogStore
from registry.storage.publication import PublicationStore
from registry.storage.witness import (
    KeptNote,
    WitnessedLogNotFoundError,
    WitnessedLogsFullError,
    WitnessLogStore,
)
from tests.support.witnesses import MadeUpLog, forked

LOG = MadeUpLog()


@pytest.fixture
def store(database: Database) -> WitnessLogStore:
    """An empty memory."""
    return WitnessLogStore(database)


def cosign_size(store: WitnessLogStore, size: int) -> bytes:
    """Cosign whatever comes."""
    return store.cosign(LOG.head(size), LOG.note(size), lambda *_: (b"line %d\n" % size, size + 1))


def test_logs_are_added_and_removed(store: WitnessLogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by origin, up to the limit; what is not there cannot be removed."""
    keys = [MadeUpLog(origin=f"log.example/{place}").key for place in (2, 1, 3)]
    monkeypatch.setattr(witness, "LOGS_WITNESSED", 2)
    store.add_log(keys[0], now_ms=1)
    store.add_log(keys[1], now_ms=2)
    with pytest.raises(WitnessedLogsFullError):
        store.add_log(keys[2], now_ms=3)
    assert list(store.logs().values()) == [keys[1], keys[0]]
    store.remove_log(keys[1].name)
    store.add_log(keys[2], now_ms=4)
    with pytest.raises(WitnessedLogNotFoundError):
        store.remove_log(keys[1].name)


def test_the_judge_sees_the_newest_and_the_one_of_the_size(store: WitnessLogStore) -> None:
    """Both come out of the transaction that writes; a judge that refuses leaves no trace."""
    cosign_size(store, 5)
    store.keep_seen(LOG.head(9), LOG.note(9), time_s=7)
    seen: list[tuple[KeptNote | None, KeptNote | None]] = []

    def refuse(newest: KeptNote | None, held: KeptNote | None) -> tuple[bytes, int]:
        seen.append((newest, held))
        raise KeyError

    with pytest.raises(KeyError):
        store.cosign(LOG.head(9), LOG.note(9), refuse)
    ((newest, held),) = seen
    assert newest is not None
    assert held is not None
    assert (newest.size, newest.cosignature, newest.time_s) == (5, b"line 5\n", 6)
    assert (held.size, held.cosignature, held.time_s) == (9, b"", 7)
    assert store.newest_cosigned(LOG.origin) == newest
    assert cosign_size(store, 9) == b"line 9\n"
    found = store.note(LOG.origin, 9)
    assert found == KeptNote(9, LOG.head(9).root_hash, LOG.note(9), b"line 9\n", 10)


def test_old_notes_go_and_the_newest_cosigned_one_stays(
    store: WitnessLogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither growth nor a flood of seen notes pushes out what the witness is bound by."""
    monkeypatch.setattr(witness, "WITNESS_NOTES_KEPT", 4)
    for size in range(1, 11):
        cosign_size(store, size)
    assert [size for size in range(11) if store.note(LOG.origin, size)] == [7, 8, 9, 10]
    for size in range(20, 40):
        store.keep_seen(LOG.head(size), LOG.note(size), time_s=1)
    assert len([size for size in range(40) if store.note(LOG.origin, size)]) == 8
    newest = store.newest_cosigned(LOG.origin)
    assert newest is not None
    assert newest.size == 10
    cosign_size(store, 11)
    newest = store.newest_cosigned(LOG.origin)
    assert newest is not None
    assert newest.size == 11


def test_logs_do_not_mix(store: WitnessLogStore) -> None:
    """What is known of one log says nothing of another."""
    other = MadeUpLog(origin="log.example/2")
    cosign_size(store, 5)
    assert store.newest_cosigned(other.origin) is None
    assert store.keep_seen(other.head(5), other.note(5), time_s=1) is None
    assert store.newest_cosigned(other.origin) is None


def test_evidence_is_kept_once_and_up_to_a_limit(store: WitnessLogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same evidence has one id; beyond the limit new evidence is not kept, and old is still found."""
    monkeypatch.setattr(witness, "EVIDENCE_KEPT", 2)
    made = [SplitView(LOG.key, LOG.note(size), forked(3).note(size)) for size in (9, 10, 11)]
    ids = [store.save_evidence(one, now_ms=place) for place, one in enumerate(made)]
    assert ids[2] is None
    assert store.save_evidence(made[0], now_ms=9) == ids[0]
    assert [one.digest for one in store.evidence()] == ids[:2]
    assert [one.found_ms for one in store.evidence()] == [0, 1]
    assert ids[0] is not None
    assert parse_split_view(store.evidence_file(ids[0]) or b"") == made[0]
    assert store.evidence_file(bytes(32)) is None
    assert (store.has_evidence(LOG.origin), store.has_evidence("log.example/2")) == (True, False)


def test_publication_remembers(database: Database) -> None:
    """The newest cosignature of each key stands, largest sizes are found, and the published size only grows."""
    publications, head = PublicationStore(database), LOG.head(7)
    cosigner = Cosigner("w.example", SigningKey(bytes(32)))
    key = cosigner.key.to_text()
    for time_s in (5, 9):
        line = cosign(head, cosigner, time_s=time_s)
        publications.save_cosignature(7, verify_cosignature(line, head, cosigner.key))
    assert publications.cosignatures(head) == {key: line}
    assert (
        publications.cosignatures(LOG.head(8)),
        publications.newest_cosigned(key),
        publications.newest_cosigned("x"),
    ) == (
        {},
        7,
        0,
    )
    assert publications.published_size() == 0
    for size, expected in ((5, 5), (9, 9), (7, 9)):
        publications.save_published(size)
        assert publications.published_size() == expected
    assert publications.signed_note(7) is None
    LogStore(database).save_signed(7, head.root_hash, LOG.note(7))
    assert publications.signed_note(7) == LOG.note(7)
