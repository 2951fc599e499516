"""The rollback guard: a registry that was set back signs nothing and takes nothing, and says so; reads go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from did_methods.keys import SigningKey
from registry.adapters.signer_record import FileSignerRecord, RecordedHead, SignerRecordError, record_path
from registry.bootstrap import open_registry
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.witness import parse_add_checkpoint
from registry.services.signing import LogRolledBackError
from tests.support.publication import published, wait_for
from tests.support.registry import START_MS, ManualClock, World, open_world, world_settings
from tests.support.witnesses import MadeUpWitness, Reply, made_up_witness


def timely(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
    """Cosign anything at the time of the registry's clock."""
    return Reply(body=witness.line(body, time_s=START_MS // 1_000))


def remembering(witness: MadeUpWitness) -> Callable[[str], Reply]:
    """Serve the newest checkpoint that the witness was sent."""

    def answer(_path: str) -> Reply:
        if not witness.bodies:
            return Reply(404)
        return Reply(body=parse_add_checkpoint(witness.bodies[-1]).note)

    return answer


def policy_file(folder: Path, quorum: str, *witnesses: MadeUpWitness) -> Path:
    """Write a policy with these witnesses."""
    lines = [f"witness W{place} {one.cosigner.key.to_text()} {one.url}\n" for place, one in enumerate(witnesses)]
    path = folder / "policy"
    path.write_text("".join(lines) + f"quorum {quorum}\n")
    return path


def assert_closed(world: World, *, size: int) -> None:
    """Nothing is signed or taken, the doors say why, reads go on, and no decision allows."""
    before = world.fingerprint()
    refused = world.register(world.short_lived("mallory"))
    assert (refused.status, refused.code) == (503, "log_rolled_back")
    assert world.epoch().code == "log_rolled_back"
    world.registry.log.sign_if_grown()
    assert world.fingerprint() == before
    newest = world.registry.store.newest_signed()
    assert newest is None or newest[0] <= size
    assert world.web.get("/healthz").json["log"] == "rolled_back"
    assert world.web.get("/healthz").status == 200
    assert world.web.get("/readyz").code == "log_rolled_back"
    asked = {
        "subject": {"type": "agent", "id": world.operator.did},
        "action": {"name": "read"},
        "resource": {"type": "document", "id": "1"},
    }
    assert world.reason(asked) == "evaluator_unavailable"
    assert world.web.get("/v1/entries/0").status == 200
    assert world.web.get("/v1/agents").status == 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ManualClock, int]:
    """A registry on the disk, stopped: (its folder, clock, size)."""
    folder = tmp_path_factory.mktemp("made")
    with open_world(folder, on_disk=True) as world:
        return folder, world.clock, world.size


@pytest.fixture
def old(tmp_path: Path, made: tuple[Path, ManualClock, int]) -> tuple[Path, ManualClock, int]:
    """A data folder, and a copy of it that stays as it is: (folder of the copy, clock, size)."""
    folder, clock, size = made
    for name in ("data", "old"):
        shutil.copytree(folder, tmp_path / name)
    return tmp_path / "old", clock, size


def grow(tmp_path: Path, clock: ManualClock, **more: object) -> bytes:
    """Let the original go on after the copy was taken; returns the newest signed note."""
    with open_world(tmp_path / "data", on_disk=True, clock=clock, **more) as world:  # type: ignore[arg-type]
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        note = world.registry.log.signed_head.note
        if "witness_policy" in more:
            wait_for(lambda: published(world) == world.size)
    return note


def test_the_signers_record_knows_more_than_the_database(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """A database restored from an old copy is found out by the record on another path, with nobody else to ask."""
    folder, clock, size = old
    shutil.copy(record_of(folder), tmp_path / "record")
    grow(tmp_path, clock, signer_record=tmp_path / "record")
    with open_world(folder, on_disk=True, clock=clock, signer_record=tmp_path / "record") as world:
        assert_closed(world, size=size)


def test_the_published_folder_knows_more(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """Where the record was set back too, the folder that was published convicts; what lies there stays."""
    folder, clock, size = old
    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", on_disk=True, clock=clock, tiles_dir=tiles) as world:
        world.agent("alice", short_lived=True)
        wait_for((tiles / "checkpoint").exists)
        wait_for(lambda: f"\n{world.size}\n".encode() in (tiles / "checkpoint").read_bytes())
    before = (tiles / "checkpoint").read_bytes()
    with open_world(folder, on_disk=True, clock=clock, tiles_dir=tiles) as world:
        assert_closed(world, size=size)
    assert (tiles / "checkpoint").read_bytes() == before


@pytest.mark.parametrize("quorum", ["W0", "none"])
def test_a_copy_started_elsewhere_is_found_out_by_a_witness(
    tmp_path: Path, old: tuple[Path, ManualClock, int], quorum: str
) -> None:
    """Database, keys and record were all copied: one witness that has seen more is enough, at start."""
    folder, clock, size = old
    with made_up_witness(timely) as witness:
        witness.monitored = remembering(witness)
        policy = policy_file(tmp_path, quorum, witness)
        grow(tmp_path, clock, witness_policy=policy)
        asked = len(witness.bodies)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
            origin_hash = sha256(world.origin.encode()).hexdigest()
            assert witness.paths[-1] == f"/{origin_hash}/checkpoint"
            assert_closed(world, size=size)
        assert len(witness.bodies) == asked, "a log that is closed asks for no cosignature"


def test_two_copies_that_run_side_by_side(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """Both were fine at start; the one that grows second meets a witness that is ahead, and closes while it runs."""
    folder, clock, _ = old
    with made_up_witness(timely) as witness:
        witness.monitored = remembering(witness)
        policy = policy_file(tmp_path, "W0", witness)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as copy:
            assert copy.web.get("/readyz").status == 200
            grow(tmp_path, clock, witness_policy=policy)
            size = int(parse_add_checkpoint(witness.bodies[-1]).note.split(b"\n")[1])
            seen = witness.monitored("")
            witness.reply = lambda *_: Reply(409, b"%d\n" % size, "text/x.tlog.size")
            witness.monitored = lambda _path: seen
            copy.agent("bob", short_lived=True)
            wait_for(lambda: copy.web.get("/healthz").json.get("log") == "rolled_back")
            assert copy.register(copy.short_lived("carol")).code == "log_rolled_back"
            assert published(copy) < copy.size


def test_a_witness_that_only_claims_closes_nothing(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """A larger size without a note of our key, and notes of other keys and logs: believed by nobody."""
    folder, clock, _ = old
    with made_up_witness(lambda *_: Reply(409, b"1000000\n", "text/x.tlog.size")) as witness:
        foreign = SigningKey(bytes(range(1, 33)))
        policy = policy_file(tmp_path, "none", witness)
        with open_world(tmp_path / "data", on_disk=True, clock=clock) as world:
            origin = world.origin
        for note in (
            sign_checkpoint(Checkpoint(origin, 1_000_000, bytes(32)), foreign),
            sign_checkpoint(Checkpoint("log.example/2", 1_000_000, bytes(32)), foreign),
            b"x" * 100_000,
        ):
            witness.monitored = lambda _path, note=note: Reply(body=note)  # type: ignore[misc]
            with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
                assert world.web.get("/readyz").status == 200
                wait_for(lambda: world.registry.log.guard.may_sign)


def test_a_quorum_that_is_silent_holds_the_first_signature_up(
    tmp_path: Path, old: tuple[Path, ManualClock, int]
) -> None:
    """Entries are taken meanwhile; when the witness answers, it is judged, and only then is anything signed."""
    folder, clock, size = old
    with made_up_witness(timely) as witness:
        policy = policy_file(tmp_path, "W0", witness)
        witness.monitored = lambda _path: Reply(500)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
            assert world.web.get("/healthz").json["log"] == "waiting"
            world.agent("bob", short_lived=True)
            time.sleep(0.5)
            assert world.registry.log.signed_head.size == size < world.size
            witness.monitored = lambda _path: Reply(404)
            wait_for(lambda: published(world) == world.size)
            assert "log" not in world.web.get("/healthz").json


@pytest.mark.parametrize(
    ("reply", "waits"),
    [
        (Reply(409, b"3\n", "text/x.tlog.size"), False),
        (Reply(404), False),
        (Reply(409, b"1000\n", "text/x.tlog.size"), True),
        (Reply(409, b"more\n", "text/x.tlog.size"), True),
        (Reply(422), True),
        (Reply(500), True),
    ],
)
def test_a_witness_that_is_monitored_elsewhere(
    tmp_path: Path, old: tuple[Path, ManualClock, int], reply: Reply, waits: bool
) -> None:
    """Nothing lies at the policy's address: asked for our newest head again, it shows whether it cosigned more."""
    folder, clock, _ = old
    with made_up_witness(lambda *_: reply) as witness:
        policy = policy_file(tmp_path, "W0", witness)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
            assert witness.bodies[0].startswith(b"old 7\n\n")
            assert world.registry.log.guard.state == ("waiting" if waits else "open")


def test_without_a_quorum_the_silent_are_asked_once_more(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """Fail open, as the policy says: two rounds, then signing goes on."""
    folder, clock, _ = old
    with made_up_witness(timely) as witness:
        policy = policy_file(tmp_path, "none", witness)
        witness.monitored = lambda _path: Reply(hang_up=True)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
            world.agent("bob", short_lived=True)
            wait_for(lambda: world.registry.log.signed_head.size == world.size)
            assert len(witness.paths) == 2


def test_silence_that_breaks_is_still_heard(tmp_path: Path, old: tuple[Path, ManualClock, int]) -> None:
    """The witness was away at start and comes back with more than we have: closed before the first signature."""
    folder, clock, size = old
    with made_up_witness(timely) as witness:
        policy = policy_file(tmp_path, "W0", witness)
        grow(tmp_path, clock, witness_policy=policy)
        witness.monitored = lambda _path: Reply(500)
        with open_world(folder, on_disk=True, clock=clock, witness_policy=policy) as world:
            world.agent("bob", short_lived=True)
            taken = world.size
            assert world.registry.log.signed_head.size == size < taken
            witness.monitored = remembering(witness)
            wait_for(lambda: world.web.get("/healthz").json.get("log") == "rolled_back")
            assert_closed(world, size=size)


def test_gossip_under_our_own_key_closes_the_log(tmp_path: Path) -> None:
    """Whoever brings a head that our key signed and our tree has not, shows that another copy signs."""
    with open_world(tmp_path) as world:
        signer = world.registry.log.signer.note_signer
        world.registry.log.sign_if_grown()
        note = sign_checkpoint(Checkpoint(world.origin, world.size + 3, bytes(32)), signer.signing_key)
        answer = world.web.post("/v1/gossip", note, headers={"content-type": "text/plain"})
        assert answer.json["verdict"] == "contradiction"
        assert_closed(world, size=world.size)


def record_of(folder: Path) -> Path:
    """Return the record of a data folder's log; the state log has one of its own."""
    records = list((folder / "signer").iterdir())
    (found,) = [one for one in records if not parse_json_object(one.read_bytes())["origin"].endswith("/state")]
    return found


def test_a_record_that_cannot_be_read_closes_the_log(old: tuple[Path, ManualClock, int]) -> None:
    """A damaged record is no reason to go on without one."""
    folder, clock, _ = old
    path = record_of(folder)
    path.write_bytes(path.read_bytes()[:-9])
    with open_world(folder, on_disk=True, clock=clock) as world:
        refused = world.register(world.short_lived("mallory"))
        assert (refused.status, refused.code) == (503, "signer_record_unreadable")
        assert world.web.get("/readyz").code == "signer_record_unreadable"


def test_a_record_that_is_gone_is_made_again(old: tuple[Path, ManualClock, int]) -> None:
    """A registry from before it had one, or whose operator deleted it, goes on and has one from then on."""
    folder, clock, _ = old
    path = record_of(folder)
    path.unlink()
    with open_world(folder, on_disk=True, clock=clock) as world:
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        recorded = FileSignerRecord(path, origin=world.origin).load()
        assert recorded is not None
        assert recorded.size == world.size


def test_an_empty_database_begins_no_log_that_was_signed_for(tmp_path: Path) -> None:
    """The oldest copy of all is an empty one: with the origin in the settings, a second log under it does not begin."""
    origin = "registry.localhost:8000/fixed"
    with open_world(tmp_path, origin=origin) as world:
        world.registry.log.sign_if_grown()
        assert world.origin == origin
    with pytest.raises(LogRolledBackError):
        open_registry(world_settings(tmp_path, origin=origin), clock=ManualClock())
    record_path(tmp_path, origin).write_bytes(b"{}")
    with pytest.raises(SignerRecordError):
        open_registry(world_settings(tmp_path, origin=origin), clock=ManualClock())


def test_another_root_of_a_size_that_is_there(old: tuple[Path, ManualClock, int]) -> None:
    """A record of another tree at a size that we have is a contradiction as well as a larger one."""
    folder, clock, size = old
    path = record_of(folder)
    origin = parse_json_object(path.read_bytes(), max_bytes=4_096)["origin"]
    FileSignerRecord(path, origin=origin).save(RecordedHead(size - 1, bytes(32)))
    with open_world(folder, on_disk=True, clock=clock) as world:
        assert_closed(world, size=size)


def test_a_busy_log_is_signed_once_a_second(tmp_path: Path) -> None:
    """The tick signs what was quiet at once, and after that leaves entries unsigned until the interval is over."""
    with open_world(tmp_path) as world:
        log = world.registry.log
        log.sign_if_grown()
        world.agent("alice", short_lived=True)
        wait_for(lambda: log.signed_head.size == world.size)
        log.sign_interval_s = 1_000.0
        before = log.signed_head.size
        world.agent("bob", short_lived=True)
        time.sleep(0.3)
        assert log.signed_head.size == before < world.size
        log.sign_interval_s = 0.0
        wait_for(lambda: log.signed_head.size == world.size)
