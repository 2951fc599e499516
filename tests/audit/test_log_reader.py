"""Reading a log over HTTP: what is cut off, gone, oversized or no log at all is noticed, not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.client.errors import RegistryAnswerError, RegistryRefusedError, RegistryUnreachableError
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.log.tile import encode_entry_bundle, encode_tile
from tests.support.registry import serve

Files = dict[str, bytes | int]


class Files404:
    """Serves files by path and query; a number is a status."""

    def __init__(self, files: Files) -> None:
        self.files = files

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        target = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        found = self.files.get(target, 404)
        status, body = (found, b"no") if isinstance(found, int) else (200, found)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


def reading(files: Files, ask: Callable[[LogReader], Any]) -> Any:
    """Serve files and ask a reader of them."""
    with serve(Files404(files)) as url:  # type: ignore[arg-type]
        transport = Transport(url, tries=1)
        try:
            return ask(LogReader(transport))
        finally:
            transport.close()


ENTRIES = [b"one", b"two", b"three"]
HASHES = [bytes([n]) * 32 for n in range(3)]


def test_entries_come_with_their_hashes() -> None:
    """A portion that starts inside a bundle has its own part of entries and hashes."""
    files: Files = {
        "/tile/entries/000.p/3": encode_entry_bundle(ENTRIES),
        "/tile/0/000.p/3": encode_tile(HASHES),
    }
    (portion,) = reading(files, lambda reader: list(reader.portions(1, 3)))
    assert (portion.start, portion.wanted, portion.is_exact) == (1, 2, True)
    assert portion.entries == (b"two", b"three")
    assert portion.hashes == tuple(HASHES[1:])


def test_entries_of_any_length() -> None:
    """A length is two bytes; the last entry of a bundle may be empty."""
    entries = [b"x" * 300, b"y" * 65_535, b""]
    files: Files = {"/tile/entries/000.p/3": encode_entry_bundle(entries)}
    (portion,) = reading(files, lambda reader: list(reader.portions(0, 3)))
    assert (portion.entries, portion.is_exact) == (tuple(entries), True)


def test_a_partial_tile_may_have_become_full() -> None:
    """Where the partial tile is gone, the full one serves, as far as asked."""
    more = [bytes([n % 251]) * 32 for n in range(256)]
    files: Files = {"/tile/0/000": encode_tile(more)}
    assert reading(files, lambda reader: reader.hashes(0, 0, 3)) == tuple(more[:3])


@pytest.mark.parametrize(
    ("bundle", "got"),
    [
        (encode_entry_bundle(ENTRIES)[:-1], (b"one", b"two")),
        (encode_entry_bundle(ENTRIES)[:6], (b"one",)),
        (encode_entry_bundle(ENTRIES) + b"\0", (b"one", b"two", b"three")),
        (encode_entry_bundle([*ENTRIES, b"four"]), (b"one", b"two", b"three")),
        (b"", ()),
        (404, ()),
    ],
)
def test_a_bundle_is_read_as_far_as_it_is_whole(bundle: bytes | int, got: tuple[bytes, ...]) -> None:
    """A bundle that ends early or goes on is not exact; its whole entries are still there to be audited."""
    (portion,) = reading({"/tile/entries/000.p/3": bundle}, lambda reader: list(reader.portions(0, 3)))
    assert (portion.entries, portion.is_exact, portion.hashes) == (got, False, ())


@pytest.mark.parametrize("tile", [b"x" * 95, b"x" * 64, b"", 404])
def test_a_tile_of_another_width_is_none(tile: bytes | int) -> None:
    """Hashes are whole and as many as asked for, or none."""
    assert reading({"/tile/0/000.p/3": tile}, lambda reader: reader.hashes(0, 0, 3)) == ()


def test_an_outage_is_not_a_finding() -> None:
    """A registry that fails or is not there raises: nothing is known of its log."""
    with pytest.raises((RegistryRefusedError, RegistryUnreachableError)):
        reading({"/tile/entries/000.p/3": 500}, lambda reader: list(reader.portions(0, 3)))
    with pytest.raises(RegistryUnreachableError):
        LogReader(Transport("http://127.0.0.1:9", tries=1)).checkpoint()


def test_the_list_of_agents_follows_the_cursor() -> None:
    """Pages are read until none is named; an endless list is left after what the log can explain."""
    files: Files = {
        "/v1/agents?limit=100": b'{"agents":[{"did":"a"}],"next":"a"}',
        "/v1/agents?limit=100&after=a": b'{"agents":[{"did":"b"}],"next":null}',
    }
    assert [row["did"] for row in reading(files, lambda reader: list(reader.agents(expected=2)))] == ["a", "b"]
    page = b'{"agents":[' + b",".join([b'{"did":"a"}'] * 6_000) + b'],"next":"a"}'
    endless: Files = {"/v1/agents?limit=100": page, "/v1/agents?limit=100&after=a": page}
    assert len(reading(endless, lambda reader: list(reader.agents(expected=1)))) == 12_000


def test_an_answer_that_is_no_list_is_refused() -> None:
    """Another program at the address is not taken for a registry without agents."""
    with pytest.raises(RegistryAnswerError):
        reading({"/v1/agents?limit=100": b'{"agents":7}'}, lambda reader: list(reader.agents(expected=0)))
