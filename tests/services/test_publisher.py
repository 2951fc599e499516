"""Publication: tiles, quorum, checkpoint, in this order; nothing accepted ever waits for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.bootstrap import open_registry
from registry.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from registry.log.cosignature import verify_cosignatures
from registry.log.note import NoteSigner, parse_note, parse_note_key
from registry.log.witness import parse_add_checkpoint
from registry.log.witness_policy import PolicyFileError, parse_policy, verify_witnessed
from registry.services.witnessing import TilesFolderError, WitnessPolicyUnreadableError, WitnessPolicyUnusableError
from registry.storage.tile_store import TileDiffersError
from tests.support.actor import seeded
from tests.support.publication import published, wait_for
from tests.support.registry import START_MS, World, open_world, world_settings
from tests.support.witnesses import MadeUpWitness, Reply, made_up_witness

pytestmark = pytest.mark.filterwarnings("default::pytest.PytestUnhandledThreadExceptionWarning")


def timely(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
    """Cosign anything, at the time of the clock that the registry has."""
    return Reply(body=witness.line(body, time_s=START_MS // 1_000))


def broken(*_: object) -> Reply:
    """Answer nothing of use."""
    return Reply(500)


def policy_file(folder: Path, quorum: str, *witnesses: MadeUpWitness, groups: str = "") -> Path:
    """Write a policy with these witnesses, named W0, W1 and so on."""
    lines = [f"witness W{place} {one.cosigner.key.to_text()} {one.url}\n" for place, one in enumerate(witnesses)]
    path = folder / "policy"
    path.write_text("".join(lines) + groups + f"quorum {quorum}\n")
    return path


@contextmanager
def watched(folder: Path, quorum: str, *witnesses: MadeUpWitness, groups: str = "", **more: object) -> Iterator[World]:
    """Open a registry under a policy."""
    path = policy_file(folder, quorum, *witnesses, groups=groups)
    with open_world(folder / "data", witness_policy=path, **more) as world:  # type: ignore[arg-type]
        yield world


def test_without_a_policy_publishing_is_signing(tmp_path: Path) -> None:
    """The embedded form has nothing to wait for: whatever is signed is served at once."""
    with open_world(tmp_path) as world:
        world.agent("alice")
        world.registry.log.sign_if_grown()
        assert published(world) == world.size
        described = world.web.get("/log.json").json
        assert (described["witnesses"], described["quorum"]) == ([], "none")
        assert world.web.get("/policy").code == "witness_policy_not_found"


def test_publication_waits_for_the_quorum_and_nothing_else_does(tmp_path: Path) -> None:
    """While no witness answers, entries are accepted and signed and no checkpoint is served; then it comes by itself."""
    with made_up_witness(broken) as witness, watched(tmp_path, "W0", witness) as world:
        world.agent("alice")
        world.registry.log.sign_if_grown()
        assert world.web.get("/checkpoint").code == "checkpoint_not_ready"
        assert world.web.get("/checkpoint").headers["access-control-allow-origin"] == "*"
        assert world.registry.log.signed_head.size == world.size
        assert world.web.get("/readyz").status == 200
        wait_for(lambda: len(witness.bodies) > 0)
        witness.reply = timely
        wait_for(lambda: published(world) == world.size)
        policy = parse_policy(world.web.get("/policy").body)
        note = parse_note(world.web.get("/checkpoint").body)
        head = world.registry.log.published_head.to_checkpoint(world.origin)
        assert policy.signed_by(verify_cosignatures(note.signatures, head, [witness.cosigner.key])) == {"W0"}


def test_one_witness_down_does_not_hold_a_group_up(tmp_path: Path) -> None:
    """Two of three are enough, whichever; the one that comes late stands in the note as soon as it has signed."""
    with (
        made_up_witness(timely) as one,
        made_up_witness(broken, seed=2) as two,
        made_up_witness(timely, seed=3) as three,
        watched(tmp_path, "most", one, two, three, groups="group most 2 W0 W1 W2\n") as world,
    ):
        world.agent("alice")
        wait_for(lambda: published(world) == world.size)
        log_line = f"log {world.registry.genesis.log_key}\n"
        policy = parse_policy(log_line.encode() + (tmp_path / "policy").read_bytes())
        seen = verify_witnessed(world.web.get("/checkpoint").body, policy)
        assert policy.signed_by(seen.cosignatures) == {"W0", "W2"}
        two.reply = timely
        wait_for(lambda: len(verify_witnessed(world.web.get("/checkpoint").body, policy).cosignatures) == 3)


def test_the_same_witness_twice_is_no_quorum(tmp_path: Path) -> None:
    """One witness that answers with two cosignatures is still one of two."""

    def twice(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        line = witness.line(body, time_s=START_MS // 1_000)
        return Reply(body=line + witness.line(body, time_s=START_MS // 1_000 + 1))

    with (
        made_up_witness(twice) as one,
        made_up_witness(broken, seed=2) as two,
        watched(tmp_path, "both", one, two, groups="group both all W0 W1\n") as world,
    ):
        world.agent("alice")
        wait_for(lambda: world.registry.witnessing.publisher.client.results["W0", "cosigned"] > 0)  # type: ignore[union-attr]
        time.sleep(0.1)
        assert published(world) == 0


def test_quorum_none_publishes_and_asks_all_the_same(tmp_path: Path) -> None:
    """Fail open: the checkpoint does not wait, and gets its cosignature afterwards."""
    with made_up_witness(timely) as witness, watched(tmp_path, "none", witness) as world:
        world.agent("alice")
        world.registry.log.sign_if_grown()
        assert published(world) == world.size
        wait_for(lambda: b"witness.example/1" in world.web.get("/checkpoint").body)
        assert world.web.get("/log.json").json["quorum"] == "none"


def test_publication_goes_on_where_it_stood_after_a_restart(tmp_path: Path) -> None:
    """A restart without a witness in reach still serves what was published, with its cosignatures, and no more."""
    with made_up_witness(timely) as witness:
        with watched(tmp_path, "W0", witness, on_disk=True) as world:
            world.agent("alice")
            wait_for(lambda: published(world) == world.size)
            before, clock, size = world.web.get("/checkpoint").body, world.clock, world.size
            witness.reply = broken
        with watched(tmp_path, "W0", witness, on_disk=True, clock=clock) as world:
            assert world.web.get("/checkpoint").body == before
            world.agent("bob")
            world.registry.log.sign_if_grown()
            assert published(world) == size
            assert world.web.get(f"/v1/log/proof/inclusion?index={size - 1}").json["treeSize"] == size
            witness.reply = timely
            wait_for(lambda: published(world) == world.size)
            assert parse_add_checkpoint(witness.bodies[-1]).old_size == size


def test_what_the_registry_measures(tmp_path: Path) -> None:
    """Sizes signed and published, results by witness and lag stand in /metrics."""
    with made_up_witness(broken) as witness, watched(tmp_path, "W0", witness) as world:
        world.agent("alice")
        world.registry.log.sign_if_grown()
        wait_for(lambda: len(witness.bodies) > 0)
        wait_for(lambda: b'result="http_500"' in world.web.get("/metrics").body)
        lines = world.web.get("/metrics").body.decode().splitlines()
        assert f"bonafides_log_signed_size {world.size}" in lines
        assert "bonafides_log_published_size 0" in lines
        assert "bonafides_publication_stopped 0" in lines
        assert f'bonafides_witness_lag_entries{{witness="W0"}} {world.size}' in lines


# ---------------------------------------------------------------- settings


def test_policies_that_cannot_work_stop_the_start(tmp_path: Path) -> None:
    """Another log's policy, witnesses without addresses, no file, no policy: told before anything is written."""
    with made_up_witness() as witness:
        key = witness.cosigner.key.to_text()
        other = "log.example+" + NoteSigner("log.example", seeded("x")).key.to_text().split("+", 1)[1]
        cases = {
            f"log {other}\nwitness W {key} {witness.url}\nquorum W\n": WitnessPolicyUnusableError,
            f"witness W {key}\nquorum W\n": WitnessPolicyUnusableError,
            f"witness W {key} ftp://a.example\nquorum W\n": WitnessPolicyUnusableError,
            "nothing\n": PolicyFileError,
        }
        for number, (text, error) in enumerate(cases.items()):
            path = tmp_path / "policy"
            path.write_text(text)
            with pytest.raises(error):
                open_registry(world_settings(tmp_path / str(number), witness_policy=path))
    with pytest.raises(WitnessPolicyUnreadableError):
        open_registry(world_settings(tmp_path / "x", witness_policy=tmp_path / "missing"))
    (tmp_path / "file").write_text("")
    with pytest.raises(TilesFolderError):
        open_registry(world_settings(tmp_path / "y", tiles_dir=tmp_path / "file"))


# ---------------------------------------------------------------- folder


def in_folder(folder: Path) -> int:
    """Return the size of the folder's checkpoint, 0 for none."""
    path = folder / "checkpoint"
    return int(path.read_bytes().split(b"\n")[1]) if path.exists() else 0


def test_the_folder_follows_the_log(tmp_path: Path) -> None:
    """Each signed head is in the folder, with the bytes that the registry serves, after a restart too."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path, tiles_dir=tiles, on_disk=True) as world:
        world.agent("alice")
        wait_for(lambda: in_folder(tiles) == world.size)
        clock = world.clock
    with open_world(tmp_path, tiles_dir=tiles, on_disk=True, clock=clock) as world:
        world.agent("bob")
        wait_for(lambda: in_folder(tiles) == world.size == published(world))
        assert (tiles / "checkpoint").read_bytes() == world.web.get("/checkpoint").body
        for path in tiles.glob("tile/*/*.p/*"):
            assert path.read_bytes() == world.web.get("/" + path.relative_to(tiles).as_posix()).body


def test_a_folder_that_was_tampered_with_stops_publication(tmp_path: Path) -> None:
    """An edited tile is found when its size is written again; readiness says so and nothing more is published."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path, tiles_dir=tiles, on_disk=True) as world:
        wait_for(lambda: in_folder(tiles) == world.size)
        clock, size = world.clock, world.size
    path = tiles / f"tile/0/000.p/{size}"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    (tiles / "checkpoint").unlink()
    with open_world(tmp_path, tiles_dir=tiles, on_disk=True, clock=clock) as world:
        wait_for(lambda: isinstance(world.registry.witnessing.publisher.failed, TileDiffersError))
        assert world.web.get("/readyz").code == "tile_differs"
        assert b"bonafides_publication_stopped 1" in world.web.get("/metrics").body
        with pytest.raises(TileDiffersError):
            world.registry.witnessing.publisher.run_once()


def test_a_folder_that_is_ahead_stops_publication(tmp_path: Path) -> None:
    """A database that was rolled back does not publish over what it published before."""
    tiles, data = tmp_path / "tiles", tmp_path / "data"
    with open_world(data, tiles_dir=tiles, on_disk=True) as world:
        clock = world.clock
    shutil.copytree(data, tmp_path / "old")
    with open_world(data, tiles_dir=tiles, on_disk=True, clock=clock) as world:
        world.agent("alice")
        wait_for(lambda: in_folder(tiles) == world.size)
        before = (tiles / "checkpoint").read_bytes()
    with open_world(tmp_path / "old", tiles_dir=tiles, on_disk=True, clock=clock) as world:
        assert world.web.get("/readyz").code == "log_rolled_back"
        time.sleep(0.1)
    assert (tiles / "checkpoint").read_bytes() == before


def test_another_logs_folder_is_left_alone(tmp_path: Path) -> None:
    """Two registries do not share a folder."""
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    foreign = sign_checkpoint(Checkpoint("log.example/1", 3, bytes(32)), seeded("foreign"))
    (tiles / "checkpoint").write_bytes(foreign)
    with open_world(tmp_path, tiles_dir=tiles) as world:
        wait_for(lambda: world.registry.witnessing.publisher.failed is not None)
        assert (tiles / "checkpoint").read_bytes() == foreign
        key = parse_note_key(world.registry.genesis.log_key)
        assert verify_checkpoint(world.registry.log.signed_head.note, origin=world.origin, key=key)


def test_a_registry_from_before_gets_a_witness_key(tmp_path: Path) -> None:
    """A data folder of an earlier version has no such key: one is made, is kept, and is nobody else's."""
    path = tmp_path / "keys" / "log-witness.json"
    with open_world(tmp_path, on_disk=True) as world:
        first, clock = world.registry.witnessing.role.cosigner.key, world.clock
    path.unlink()
    keys = []
    for _ in range(2):
        with open_world(tmp_path, on_disk=True, clock=clock) as world:
            keys.append(world.registry.witnessing.role.cosigner.key)
    assert keys[0] == keys[1] != first
    assert path.stat().st_mode & 0o077 == 0
    seeds = [one.read_bytes() for one in (tmp_path / "keys").glob("*.json")]
    assert len(set(seeds)) == len(seeds) == 9
