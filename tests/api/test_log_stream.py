"""`GET /v1/log/stream`: entries as checkpoints cover them, cursors, and what becomes of slow and of many readers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from registry import limits
from registry.log.checkpoint import verify_checkpoint
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import parse_note_key
from tests.support.registry import World, nothing_signed, open_world, serve


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A served registry with an agent."""
    with open_world(tmp_path_factory.mktemp("stream")) as world:
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        with serve(world.app) as url:
            yield world, url


Message = dict[str, str]


@contextmanager
def reading(url: str, query: str = "", **headers: str) -> Iterator[Iterator[Message]]:
    """Open a stream; gives its messages, comments as messages without a name."""
    with (
        httpx.Client(trust_env=False, timeout=10) as client,
        client.stream("GET", f"{url}/v1/log/stream{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield _messages(response.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[Message]:
    found: Message = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        else:
            yield found
            found = {}


def until_checkpoint(messages: Iterator[Message]) -> tuple[list[Message], dict[str, Any]]:
    """Return the entries up to the next checkpoint, and that."""
    entries = []
    for one in messages:
        if one.get("event") == "entry":
            entries.append(one)
        elif one.get("event") == "checkpoint":
            return entries, json.loads(one["data"])
    raise AssertionError("the stream ended")


def test_everything_that_comes_can_be_verified(served: tuple[World, str]) -> None:
    """From the first entry on: exact leaves in order with their index as id, then the signed note of their tree."""
    world, url = served
    with reading(url, "?after=-1") as messages:
        entries, noted = until_checkpoint(messages)
    key = parse_note_key(world.registry.genesis.log_key)
    head = verify_checkpoint(noted["checkpoint"].encode(), origin=world.origin, key=key).checkpoint
    edge = RightEdge()
    for number, one in enumerate(entries):
        data = json.loads(one["data"])
        hashed = leaf_hash(canonicalize(data["leaf"]))
        assert (one["id"], data["index"], data["leafHash"]) == (str(number), number, base64url_encode(hashed))
        edge.append(hashed)
    assert (noted["treeSize"], head.size, head.root_hash) == (len(entries), len(entries), edge.root())


def test_new_entries_come_by_themselves(served: tuple[World, str]) -> None:
    """Without a cursor a stream begins with what is logged from now on; a reader that comes again misses nothing."""
    world, url = served
    begin = world.registry.log.published_head.size
    with reading(url) as messages:
        assert until_checkpoint(messages) == ([], {"treeSize": begin, "checkpoint": _note(world)})
        world.agent("bob", short_lived=True)
        world.registry.log.sign_if_grown()
        entries, noted = until_checkpoint(messages)
    assert [one["id"] for one in entries] == [str(begin)]
    assert noted["treeSize"] == begin + 1
    with reading(url, "?after=0", **{"Last-Event-ID": str(begin - 1)}) as messages:
        assert [one["id"] for one in until_checkpoint(messages)[0]] == [str(begin)]


def _note(world: World) -> str:
    return world.registry.log.published_head.note.decode()


def test_what_no_checkpoint_covers_does_not_come(served: tuple[World, str]) -> None:
    """An entry is pushed only with a signed tree to hold it against."""
    world, url = served
    with nothing_signed(world.registry), reading(url) as messages:
        size = until_checkpoint(messages)[1]["treeSize"]
        world.agent("carol", short_lived=True)
        assert world.size > size
        time.sleep(0.5)
        world.registry.log.sign_if_grown()
        entries, _ = until_checkpoint(messages)
        assert [one["id"] for one in entries] == [str(size)]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?after=999999", 400, "stream_cursor_future"),
        ("?after=-2", 400, "query_invalid"),
        ("?after=x", 400, "query_invalid"),
        ("?after=1.0", 400, "query_invalid"),
    ],
)
def test_cursors_that_are_none(served: tuple[World, str], query: str, status: int, code: str) -> None:
    """A cursor ahead of the log tells that the log is another one, or was set back; others are refused by form."""
    world, _ = served
    answer = world.web.get(f"/v1/log/stream{query}")
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_cursor_too_far_behind(served: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is behind by more than a stream catches up on is told from where it does."""
    world, url = served
    size = world.registry.log.published_head.size
    monkeypatch.setattr(limits, "STREAM_BACKLOG", 2)
    answer = world.web.get("/v1/log/stream?after=-1")
    assert (answer.status, answer.json["code"]) == (400, "stream_cursor_outdated")
    first = answer.json["params"]["first"]
    with reading(url, f"?after={first}") as messages:
        entries, _ = until_checkpoint(messages)
    assert [one["id"] for one in entries] == [str(size - 2), str(size - 1)]


def test_a_reader_that_falls_behind_is_told_and_left(
    served: tuple[World, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many entries since the last that it took: a problem as the last message, and the end."""
    world, url = served
    with reading(url) as messages:
        until_checkpoint(messages)
        monkeypatch.setattr(limits, "STREAM_BACKLOG", 0)
        world.agent("dave", short_lived=True)
        world.registry.log.sign_if_grown()
        rest = list(messages)
    assert [one["event"] for one in rest] == ["problem"]
    assert json.loads(rest[0]["data"])["code"] == "stream_reader_slow"


def test_a_reader_that_takes_nothing_is_left(served: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A portion that is not taken in time ends the stream, and its place is free again."""
    from registry.api import log_stream

    world, _ = served
    monkeypatch.setattr(limits, "STREAM_SEND_S", 0.05)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        import asyncio

        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        import asyncio

        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def run() -> None:
        await log_stream.LogStream(world.app.state.api, 0, "somebody")({"type": "http"}, receive, send)

    import asyncio

    asyncio.run(run())
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert world.app.state.api.streams._open.get("somebody") is None


def test_one_source_has_only_so_many(served: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than a source may have open is told to come back; a place is free when a stream is closed."""
    world, url = served
    monkeypatch.setattr(limits, "STREAMS_PER_SOURCE", 1)
    with reading(url) as messages:
        until_checkpoint(messages)
        with httpx.Client(trust_env=False) as client:
            answer = client.get(f"{url}/v1/log/stream")
        assert (answer.status_code, answer.json()["code"]) == (429, "streams_busy")
        assert answer.headers["retry-after"]
    until = time.monotonic() + 8
    while world.app.state.api.streams._open and time.monotonic() < until:
        time.sleep(0.02)
    with reading(url) as messages:
        until_checkpoint(messages)


def test_head_has_no_stream(served: tuple[World, str]) -> None:
    """HEAD answers at once, with the headers of GET."""
    _, url = served
    with httpx.Client(trust_env=False) as client:
        answer = client.head(f"{url}/v1/log/stream")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (answer.headers["cache-control"], "content-length" in answer.headers) == ("no-store", False)


def test_streams_end_when_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop does not wait for readers; while nothing comes, a comment says that the stream is alive."""
    monkeypatch.setattr(limits, "STREAM_HEARTBEAT_S", 0.1)
    with open_world(tmp_path) as world, serve(world.app) as url:
        world.registry.log.sign_if_grown()
        _watch_the_end(world, url)


def _watch_the_end(world: World, url: str) -> None:
    with reading(url) as messages:
        until_checkpoint(messages)
        assert next(messages) == {"": ""}
        threading.Timer(0.2, lambda: setattr(world.app.state.api, "closing", True)).start()
        assert {tuple(one) for one in messages} <= {("",)}
