"""Several registries on one PostgreSQL sign one log and publish it into one folder, and end it together."""

from __future__ import annotations

from pathlib import Path

from registry.client.offline import Trust, verify_file
from registry.log.note import parse_note, parse_note_key
from registry.services.log_check import LogCheck
from registry.storage.signing import SigningStore
from tests.support.postgres import PostgresServer
from tests.support.publication import published, wait_for
from tests.support.registry import ManualClock, World, open_world


def in_folder(tiles: Path) -> int:
    """Return the size of a folder's checkpoint; 0 for none."""
    path = tiles / "checkpoint"
    return int(path.read_bytes().split(b"\n")[1]) if path.exists() else 0


def text_of(world: World) -> str:
    """Return the text of the checkpoint that a replica serves."""
    return parse_note(world.web.get("/checkpoint").body).text


def test_two_sign_and_publish_one_log(postgres: PostgresServer, tmp_path: Path) -> None:
    """Each accepts in turn, both sign and write the same folder; one note a size, whole files, and the end is everybody's."""
    name, clock, tiles = postgres.fresh_database(), ManualClock(), tmp_path / "tiles"
    url = postgres.url(name)
    with (
        open_world(tmp_path / "data", clock=clock, database_url=url, tiles_dir=tiles) as one,
        open_world(tmp_path / "data", clock=clock, database_url=url, tiles_dir=tiles) as other,
    ):
        for turn in range(6):
            (one, other)[turn % 2].agent(f"agent{turn}", short_lived=True)
        size = one.registry.store.head()[0]
        wait_for(lambda: one.size == other.size == size == in_folder(tiles))
        wait_for(lambda: published(one) == published(other) == size)
        assert text_of(one) == text_of(other)
        key = parse_note_key(one.registry.genesis.log_key)
        assert verify_file(tiles, Trust(key)).size == size
        for world in (one, other):
            assert world.web.get("/readyz").status == 200, world.web.get("/readyz")
            assert world.registry.witnessing.publisher.failed is None
        holder = SigningStore(one.registry.database, origin=one.origin, now_ms=clock.now_ms).holder()
        assert holder is not None
        assert (holder.size, holder.time_ms) == (size, clock.now_ms())
        assert LogCheck(one.registry.database).run().differences == []
        one.registry.log.freeze("log.example/2027")
        wait_for(lambda: other.register(other.short_lived("late")).status == 405)
        assert other.web.get("/log.json").json["frozen"] == {"size": size, "successor": "log.example/2027"}
        assert one.registry.store.head()[0] == size
    postgres.drop_database(name)
