"""The state map where the disk refuses in the midst of an entry, or its code has a defect: it goes on, or says that it does not."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest import mock

import pytest

from tests.services.test_state_map import assert_current, on_disk
from tests.support.publication import wait_for
from tests.support.registry import World
from tests.support.state_map import publish_state


def test_outdated_states_that_cannot_be_deleted(tmp_path: Path) -> None:
    """The entry was committed before they are: the log of an SQLite database stood still until the next start."""
    with on_disk(tmp_path) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        for _ in range(3):  # of a state that is written for the third time something is outdated
            publish_state(world)
            world.submit(alice.vouch(bob.did))
        room = world.registry.state_map
        with world.registry.database.write() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER full BEFORE DELETE ON state BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        before = states_kept(world, bob.did)
        world.registry.log.sign_if_grown()
        wait_for(lambda: room.keeper.covers == world.size and room.log.published_head.size == room.keeper.tree.size)
        with world.registry.database.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER full")
        assert room.keeper.tree.size == room.keeper._store.head()[0]
        assert states_kept(world, bob.did) > before
        world.submit(alice.vouch(bob.did))
        publish_state(world)
        assert states_kept(world, bob.did) <= before
        assert_current(world)


def test_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    """A full disk, as the entry is to be signed: the thread that keeps the map ended with it, and nobody was told."""
    with on_disk(tmp_path) as world:
        publish_state(world)
        room, refused = world.registry.state_map, threading.Event()

        def refuse(_head: object) -> None:
            refused.set()
            raise OSError(28, "No space left on device")

        with mock.patch.object(room.log.signer._record, "save", refuse):
            world.agent("alice")
            world.registry.log.sign_if_grown()
            assert refused.wait(10)
        wait_for(lambda: room.log.published_head.size == room.keeper.tree.size and room.keeper.covers == world.size)
        assert world.web.get("/readyz").status == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_state_map_is_told(tmp_path: Path) -> None:
    """What nobody expected stops the state log, which readiness says; the log itself goes on."""
    with on_disk(tmp_path) as world:
        with mock.patch.object(world.registry.state_map.keeper, "follow", side_effect=ZeroDivisionError):
            wait_for(lambda: world.web.get("/readyz").status == 503)
        assert world.web.get("/readyz").json["code"] == "publication_stopped"
        world.agent("alice")


def states_kept(world: World, subject: str) -> int:
    """Return how many states of a subject are stored, the newest and older ones."""
    with world.registry.database.read() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM state WHERE subject = ?", (subject,)).scalar_one())
