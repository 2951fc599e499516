"""Openings at rest and their erasure: sealed, readable for the operator, gone from every file, and never taken again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from did_methods.codec import base64url_encode
from did_methods.data_integrity import event_id
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.credentials.commitments import Disclosure, make_disclosure
from registry.credentials.disclosure_file import make_disclosure_file, parse_disclosure_file, verify_disclosure_file
from registry.credentials.issue_evidence import issue_erasure_request
from registry.services.audit import AuditPlan, RegistryAudit
from tests.support.actor import Actor
from tests.support.files import traces
from tests.support.registry import GATEWAY, OPERATOR, World, event_text, open_world, serve

SECRET = "Ada Lovelace, 12 St James's Square"


@dataclass(slots=True)
class Told:
    """A statement with an opening, as it was sent."""

    document: dict[str, Any]
    opening: Disclosure

    @property
    def event(self) -> str:
        """Its event id."""
        return event_text(self.document)

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"event": self.document, "openings": [self.opening.text]}


def tell(world: World, issuer: Actor, subject: Actor, value: str = SECRET) -> Told:
    """Log a vouch with a private note; it is answered, and its opening can be read."""
    opening = make_disclosure("note", value, salt=uuid4().bytes * 2)
    told = Told(issuer.vouch(subject.did, commitments=[opening.digest]), opening)
    answer = world.submit(told.body)
    assert answer.status == 201, answer
    assert openings(world, told) == [opening.text]
    return told


def openings(world: World, told: Told) -> list[str]:
    """Return what the operator is given for an event."""
    answer = world.web.get(f"/v1/events/{told.event}/openings", headers=OPERATOR)
    assert answer.status == 200, answer
    found: list[str] = answer.json["openings"]
    return found


def erase(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Erase as the operator; returns the answer."""
    answer = world.web.post("/v1/erasures", body, headers=OPERATOR)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json
    return found


def request(actor: Actor, event: bytes | None = None, **more: Any) -> dict[str, Any]:
    """Return an agent's own order."""
    common = {"signer": actor.signer, "uuid": str(uuid4()), "now_ms": actor.clock.now_ms(), "domain": actor.origin}
    return {"request": issue_erasure_request(**{**common, "event": event, **more})}


def keys_of(world: World, told: Told, *actors: Actor) -> tuple[bytes, ...]:
    """Return the keys that an opening is sealed under."""
    parties = tuple(sorted(one.did for one in actors))
    found = world.registry.erasure_room.erasure._keys.find(parties, event_id(told.document))
    assert found is not None
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A registry on disk."""
    with open_world(tmp_path / "data", on_disk=True) as opened:
        yield opened


@pytest.fixture
def pair(world: World) -> tuple[Actor, Actor]:
    """Two agents."""
    return world.agent("alice"), world.agent("bob", short_lived=True)


# ---------------------------------------------------------------- at rest


def test_no_opening_lies_in_the_open(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """Neither the value nor its disclosure string is in any file; the keys are in their own folder only."""
    told = tell(world, *pair)
    keys = keys_of(world, told, *pair)
    data = tmp_path / "data"
    assert traces(data, SECRET.encode(), told.opening.text.encode()) == []
    for key in keys:
        assert {path.parts[0] for path in traces(data, key)} == {"erasure-keys"}


def test_openings_are_the_operators_to_read(world: World, pair: tuple[Actor, Actor]) -> None:
    """Nobody else is shown one, nor told whether there is any."""
    told = tell(world, *pair)
    assert world.web.get(f"/v1/events/{told.event}/openings").code == "bearer_key_required"
    assert world.web.get(f"/v1/events/{told.event}/openings", headers=GATEWAY).code == "operator_only"
    unknown = base64url_encode(b"u" * 32)
    assert world.web.get(f"/v1/events/{unknown}/openings", headers=OPERATOR).code == "event_not_found"


def test_an_altered_row_opens_nothing(
    world: World, pair: tuple[Actor, Actor], caplog: pytest.LogCaptureFixture
) -> None:
    """A ciphertext that was changed, or moved to another commitment, is left out and logged without its content."""
    told, other = tell(world, *pair), tell(world, *reversed(pair), value="another")
    with world.registry.database.write() as connection:
        connection.exec_driver_sql("UPDATE opening SET sealed = (SELECT max(sealed) FROM opening)")
    assert len(openings(world, told)) + len(openings(world, other)) == 1
    assert "altered" in caplog.text
    assert SECRET not in caplog.text


def test_strangers_fill_no_folder_of_keys(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """Openings of nobody who is registered, or beside a signature that cannot be verified, are refused before a key is drawn."""
    mallory, eve = world.short_lived("mallory"), world.short_lived("eve")
    opening = make_disclosure("note", SECRET, salt=b"s" * 32)
    body = {"event": mallory.vouch(eve.did, commitments=[opening.digest]), "openings": [opening.text]}
    assert world.submit(body).code == "agent_unknown"
    unseen = world.hosted("unseen").vouch(pair[0].did, commitments=[opening.digest])
    (result,) = world.batch([{"event": unseen, "openings": [opening.text]}]).json["results"]
    assert result["problem"]["code"] == "key_not_found"
    assert not (tmp_path / "data" / "erasure-keys").exists()


# ---------------------------------------------------------------- erasing


@pytest.mark.parametrize("who", ["issuer", "subject", "event"])
def test_nothing_of_it_is_left(
    world: World, pair: tuple[Actor, Actor], tmp_path: Path, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After erasing, no file and no line of the log has the value, its string, or the key that was destroyed."""
    caplog.set_level("DEBUG")
    alice, bob = pair
    told, kept = tell(world, alice, bob), tell(world, alice, world.agent("carol"), value="kept")
    keys = dict(zip(sorted([alice.did, bob.did]), keys_of(world, told, *pair), strict=False))
    destroyed = {"issuer": keys[alice.did], "subject": keys[bob.did], "event": keys_of(world, told, *pair)[-1]}[who]
    body = {"issuer": {"did": alice.did}, "subject": {"did": bob.did}, "event": {"event": told.event}}[who]
    done = erase(world, body)["erasure"]
    assert done["openings"] == (2 if who == "issuer" else 1)
    assert openings(world, told) == []
    assert openings(world, kept) == ([] if who == "issuer" else [kept.opening.text])
    gone = (SECRET.encode(), told.opening.text.encode(), destroyed)
    assert traces(tmp_path / "data", *gone) == []
    assert all(needle.decode("latin-1") not in caplog.text for needle in gone)


def test_the_ciphertext_is_gone_too(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """Row and write-ahead log: what was sealed is in no file any more, though it could not be read."""
    told = tell(world, *pair)
    with world.registry.database.read() as connection:
        sealed = connection.exec_driver_sql("SELECT sealed FROM opening").scalar()
    assert traces(tmp_path / "data", sealed)
    erase(world, {"event": told.event})
    assert traces(tmp_path / "data", sealed) == []
    assert (tmp_path / "data" / "registry.sqlite3-wal").stat().st_size < 64 * 1024


def test_the_event_verifies_and_the_audit_is_clean(world: World, pair: tuple[Actor, Actor]) -> None:
    """Only the opening is gone: leaf, proof and score stay, and whoever kept the disclosure file can still show it."""
    told = tell(world, *pair)
    kept = make_disclosure_file(told.document, [told.opening]).to_wire()
    before = world.web.get(f"/v1/events/{told.event}").json
    erase(world, {"did": pair[1].did})
    assert world.web.get(f"/v1/events/{told.event}").json == before
    leaf = before["leaf"]["event"]
    assert verify_disclosure_file(parse_disclosure_file(kept), leaf)[0].value == SECRET
    world.registry.log.sign_if_grown()
    with serve(world.app) as url, closing(Transport(url)) as transport:
        report = RegistryAudit(LogReader(transport), AuditPlan(), now_ms=world.clock.now_ms).run()
    assert report.is_clean, report.findings


def test_what_was_erased_is_not_taken_again(world: World, pair: tuple[Actor, Actor]) -> None:
    """The openings of an erased event, and any of an erased agent, are refused with a code; statements without are not."""
    alice, bob = pair
    told = tell(world, alice, bob)
    erase(world, {"event": told.event})
    again = world.submit(told.body)
    assert (again.status, again.code) == (410, "openings_erased")
    assert world.submit(told.document).status == 200
    other = tell(world, bob, alice)
    erase(world, {"did": bob.did})
    assert world.submit(other.body).code == "openings_erased"
    fresh = make_disclosure("note", SECRET, salt=b"f" * 32)
    document = alice.vouch(bob.did, commitments=[fresh.digest])
    (result,) = world.batch([{"event": document, "openings": [fresh.text]}]).json["results"]
    assert result["problem"]["code"] == "openings_erased"
    assert world.submit(document).status == 201


def test_a_repetition_is_answered_with_the_first(world: World, pair: tuple[Actor, Actor]) -> None:
    """The same answer, and no second entry; erasing an event of an erased agent is answered with that erasure."""
    told = tell(world, *pair)
    first = erase(world, {"did": pair[0].did})
    size = world.size
    assert erase(world, {"did": pair[0].did}) == first
    assert erase(world, {"event": told.event})["erasure"]["index"] == first["erasure"]["index"]
    assert world.size == size


# ---------------------------------------------------------------- who may


def test_an_agent_erases_its_own(world: World, pair: tuple[Actor, Actor]) -> None:
    """With its signature and no key: one event that it is a party to, or everything."""
    alice, bob = pair
    first, second = tell(world, alice, bob), tell(world, bob, alice)
    answer = world.web.post("/v1/erasures", request(bob, event_id(first.document)))
    assert (answer.status, answer.json["erasure"]["did"]) == (201, bob.did)
    assert (openings(world, first), openings(world, second)) == ([], [second.opening.text])
    assert world.web.post("/v1/erasures", request(alice)).json["erasure"]["openings"] == 1
    assert openings(world, second) == []


def test_nobody_erases_what_is_anothers(world: World, pair: tuple[Actor, Actor]) -> None:
    """Another's event, another log, an old order, a foreign signature, no key: each is refused, and nothing is erased."""
    alice, bob = pair
    carol, told = world.agent("carol"), tell(world, alice, bob)
    orders = {
        "nothing_to_erase": request(carol, event_id(told.document)),
        "domain_mismatch": request(bob, domain="elsewhere.example/1"),
        "created_too_old": request(bob, now_ms=world.clock.now_ms() - 3_600_000),
        "agent_unknown": request(world.short_lived("eve")),
        "erasure_malformed": {"request": alice.vouch(carol.did)},
    }
    forged = request(bob)
    forged["request"]["issuer"] = forged["request"]["credentialSubject"]["id"] = alice.did
    bare = alice.vouch(carol.did)
    world.submit(bare)
    before = world.fingerprint()
    for code, body in {**orders, "issuer_key_mismatch": forged}.items():
        assert world.web.post("/v1/erasures", body).code == code
    assert world.web.post("/v1/erasures", request(carol, event_id(bare))).code == "nothing_to_erase"
    assert world.web.post("/v1/erasures", {"did": bob.did}).code == "bearer_key_required"
    assert world.web.post("/v1/erasures", {"event": told.event}, headers=GATEWAY).code == "operator_only"
    for body in ({}, {"did": 1}, {"did": bob.did, "event": told.event}, {"request": "x"}):
        assert world.web.post("/v1/erasures", body, headers=OPERATOR).code == "erasure_malformed"
    assert world.web.post("/v1/erasures", {"event": base64url_encode(b"n" * 32)}, headers=OPERATOR).status == 404
    assert world.fingerprint() == before
    assert openings(world, told) == [told.opening.text]


def test_the_revoked_may_erase_too(world: World, pair: tuple[Actor, Actor]) -> None:
    """Whatever became of an agent, what was said privately about it is its own to erase."""
    alice, bob = pair
    told = tell(world, alice, bob)
    world.quarantine(bob)
    assert world.web.post("/v1/erasures", request(bob)).status == 201
    assert openings(world, told) == []


# ---------------------------------------------------------------- starts


def test_what_a_crash_left_undone_is_done_at_the_next_start(tmp_path: Path) -> None:
    """The entry is in the log and nothing else happened: the next start destroys keys and rows, and notes it."""
    data = tmp_path / "data"
    with open_world(data, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        told = tell(world, alice, bob)
        keys = keys_of(world, told, alice, bob)
        service = world.registry.erasure_room.erasure
        service.carry_out = service.carry_out_if_due = lambda **_more: None  # type: ignore[method-assign]
        erase(world, {"event": told.event})
        assert traces(data, keys[-1])
    with open_world(data, on_disk=True, clock=world.clock) as again:
        assert traces(data, keys[-1]) == []
        assert openings(again, told) == []
        assert again.registry.erasure_room.erasure._store.count() == 0


def test_an_older_folder_of_keys_brings_nothing_back(tmp_path: Path) -> None:
    """The folder was copied before the erasure and put back after it: the start destroys the keys once more."""
    import shutil

    data = tmp_path / "data"
    with open_world(data, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        told = tell(world, alice, bob)
        keys = keys_of(world, told, alice, bob)
        shutil.copytree(data / "erasure-keys", tmp_path / "copy")
        erase(world, {"event": told.event})
        erase(world, {"did": bob.did})
    shutil.rmtree(data / "erasure-keys")
    shutil.copytree(tmp_path / "copy", data / "erasure-keys")
    assert traces(data, keys[-1])
    with open_world(data, on_disk=True, clock=world.clock) as again:
        assert traces(data, keys[-1]) == []
        assert again.registry.erasure_room.erasure._keys.find((bob.did,), event_id(told.document)) is None


def test_what_an_earlier_version_kept_in_the_open_is_sealed(tmp_path: Path) -> None:
    """After the first start no page and no log of the database has it, and it can still be read; erased ones are dropped."""
    data = tmp_path / "data"
    with open_world(data, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        told, gone = tell(world, alice, bob), tell(world, bob, alice, value="to be erased")
        erase(world, {"event": gone.event})
    with sqlite3.connect(data / "registry.sqlite3") as raw:
        raw.execute("DELETE FROM opening")
        for one in (told, gone):
            row = (event_id(one.document), one.opening.digest, one.opening.text)
            raw.execute("INSERT INTO plain_opening VALUES (?, ?, ?)", row)
    raw.close()
    assert traces(data, told.opening.text.encode())
    with open_world(data, on_disk=True, clock=world.clock) as again:
        assert traces(data, told.opening.text.encode(), gone.opening.text.encode()) == []
        assert (openings(again, told), openings(again, gone)) == ([told.opening.text], [])


def test_a_reader_delays_the_write_ahead_log_only(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """With a long reader the answer still comes and the keys are gone; the rest follows when the reader has ended."""
    told = tell(world, *pair)
    service = world.registry.erasure_room.erasure
    with sqlite3.connect(tmp_path / "data" / "registry.sqlite3", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM opening").fetchone()
        erase(world, {"event": told.event})
        assert openings(world, told) == []
        assert service._store.carried_out() == set()
        reader.execute("COMMIT")
    reader.close()
    service._try_again_s = 0.0
    service.carry_out_if_due()
    assert len(service._store.carried_out()) == 1


def test_a_folder_of_keys_that_is_gone_stops_no_log(
    world: World, pair: tuple[Actor, Actor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The order is logged and answered with 503; everything else goes on, and it is done once the folder is back."""
    alice, bob = pair
    told = tell(world, alice, bob)
    keys, aside = tmp_path / "data" / "erasure-keys", tmp_path / "aside"
    keys.rename(aside)
    keys.write_text("in the way")
    assert world.web.post("/v1/erasures", {"did": bob.did}, headers=OPERATOR).code == "erasure_keys_unusable"
    assert bob.did in world.registry.state.tables.erased_agents
    service = world.registry.erasure_room.erasure
    service.carry_out_if_due()
    assert "cannot be carried out now" in caplog.text
    assert world.submit(alice.vouch(world.agent("carol").did)).status == 201
    assert world.registry.sequencer.is_writable
    keys.unlink()
    aside.rename(keys)
    service._try_again_s = 0.0
    service.carry_out_if_due()
    assert openings(world, told) == []
    assert len(service._store.carried_out()) == 1


def test_another_names_openings_go_with_the_agent(world: World, pair: tuple[Actor, Actor]) -> None:
    """Keys that were drawn under a later name of the agent are destroyed with those of its first."""
    alice, bob = pair
    told = tell(world, alice, bob)
    room = world.registry.erasure_room
    later = "did:webvh:later"
    room.erasure._keys.agent_key(later)
    world.registry.state.tables.aliases[later] = alice.did
    erase(world, {"did": alice.did})
    assert room.erasure._keys.find((later,), event_id(told.document)) is None
