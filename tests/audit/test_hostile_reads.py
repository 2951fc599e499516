"""What a registry, or whoever stands before it, may answer to an auditor: cut, swollen, endless, frozen, another log's."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from registry.audit.report import AuditReport
from registry.client.errors import RegistryUnreachableError
from registry.client.log_reader import LogReader
from registry.client.transport import MAX_ANSWER_BYTES, Transport
from registry.services.audit import AuditPlan, RegistryAudit
from tests.audit.conftest import Scene
from tests.audit.liar import FileLiar
from tests.support.log_folder import publish
from tests.support.logs import LogBuilder, key_actor
from tests.support.registry import serve

Change = Callable[[bytes], "bytes | None"]


def audit_through(scene: Scene, prefix: str, change: Change, **plan: Any) -> AuditReport:
    """Audit while whatever lies below a path is changed on its way."""

    def served(path: str, body: bytes) -> bytes | None:
        return change(body) if path.startswith(prefix) and body else body

    with serve(FileLiar(scene.world.app, served)) as url:  # type: ignore[arg-type]
        return scene.audit(url=url, **plan)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda body: body[: len(body) // 2], {"entries_missing"}),
        (lambda body: body[:1], {"entries_missing"}),
        (lambda _body: b"\x00" * 4_096, {"leaf_malformed", "leaf_hash_mismatch"}),
        (lambda _body: b"<html>Not found</html>", {"entries_missing"}),
        (lambda body: body + b"more", {"entries_missing"}),
        (lambda _body: b"x" * (MAX_ANSWER_BYTES + 1), {"entries_missing"}),
        (lambda _body: None, {"entries_missing"}),
        (gzip.compress, {"entries_missing"}),
    ],
    ids=["half", "a byte", "zeros", "a page", "more", "too large", "gone", "compressed, and not said so"],
)
def test_a_bundle_that_is_none(scene: Scene, change: Change, codes: set[str]) -> None:
    """Whatever comes in the place of a bundle is a breach at the entries that it does not hold, and no crash."""
    report = audit_through(scene, "/tile/entries/", change)
    assert not report.is_clean
    assert codes & {one.code for one in report.findings}
    first = report.first_at_fault
    assert first is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body[:-1], "tile_missing"),
        (lambda body: body[32:], "tile_missing"),
        (lambda body: bytes(32) + body[32:], "leaf_hash_mismatch"),
        (lambda body: body[32:64] + body[:32] + body[64:], "leaf_hash_mismatch"),
        (lambda _body: None, "tile_missing"),
    ],
    ids=["a byte short", "a hash short", "another hash", "reordered", "gone"],
)
def test_a_tile_that_is_none(scene: Scene, change: Change, code: str) -> None:
    """The entries are held against the tile, and the tile against the entries."""
    report = audit_through(scene, "/tile/0/", change, compare=False)
    assert {one.code for one in report.findings} == {code}


def test_a_checkpoint_that_is_newer_than_the_tiles(scene: Scene) -> None:
    """A mirror that copied the checkpoint first: the entries that are not there yet are named, and none before them."""
    there = scene.world.registry.log.signed_head.size - 2

    def older(path: str, body: bytes) -> bytes | None:
        width = int(path.rpartition(".p/")[2] or 0) if ".p/" in path else 0
        return None if path.startswith("/tile/") and width > there else body

    with serve(FileLiar(scene.world.app, older)) as url:  # type: ignore[arg-type]
        report = scene.audit(url=url, compare=False)
    assert {one.code for one in report.findings} == {"entries_missing", "tile_missing"}
    assert report.first_at_fault is not None
    assert report.first_at_fault.index == 0  # a bundle is one file: whoever lacks its end lacks it


@pytest.mark.parametrize("media_type", [b"text/html; charset=utf-8", b"image/png", b""])
def test_a_media_type_says_nothing(scene: Scene, media_type: bytes) -> None:
    """Files are what their bytes are: under another type, or none, the audit is as clean as before."""

    async def mislabelled(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def relabel(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith(("/tile/", "/checkpoint")):
                others = [pair for pair in message["headers"] if pair[0].lower() != b"content-type"]
                message["headers"] = [*others, *([(b"content-type", media_type)] if media_type else [])]
            await send(message)

        await scene.world.app(scope, receive, relabel)

    with serve(mislabelled) as url:  # type: ignore[arg-type]
        assert scene.audit(url=url).is_clean


def test_a_note_of_another_log(scene: Scene) -> None:
    """A whole and honest other log, served at this address, is not the log whose key is known."""
    other = LogBuilder(name="other").open(key_actor("a"))
    report = audit_through(
        scene, "/checkpoint", lambda _body: other.checkpoint(), log_key=scene.world.registry.genesis.log_key
    )
    assert [one.code for one in report.findings] == ["note_unverified"]


def test_entries_of_another_log_under_its_own_key(scene: Scene, tmp_path: Any) -> None:
    """Statements of one log replayed on another: each names the log that it was made for."""
    from registry.client.tile_folder import FolderTransport

    log = LogBuilder(name="other").open(key_actor("a"))
    foreign = next(leaf for leaf in scene.operator.leaves if b"AgentVouchCredential" in leaf)
    tiles = publish(log, tmp_path / "tiles", entries=[*log.entries, foreign])
    plan = AuditPlan(log_key=log.log_key, compare=False)
    report = RegistryAudit(LogReader(FolderTransport(tiles)), plan, now_ms=lambda: log.now_ms).run()
    assert report.first_at_fault is not None
    assert report.first_at_fault.index == len(log.entries)


def test_a_frozen_view(scene: Scene) -> None:
    """An old state of everything is sound by itself: the auditor's memory tells, or its wish for a fresh witness."""
    world = scene.world
    seen = scene.remember()
    old = world.registry.store.entries(0, seen.size - 2)
    with scene.operator.tampering(), mock.patch.object(world.registry.state_map.log, "_published", None):
        scene.operator.replace_log([one.data for one in old])
        for more, breaches in (
            ({}, []),
            ({"remembered": seen}, ["checkpoint_rolled_back"]),
            ({"max_age_ms": 60_000}, ["checkpoint_stale"]),
        ):
            report = scene.audit(compare=False, **more)
            assert [one.code for one in report.findings if one.severity == "breach"] == breaches


# ---------------------------------------------------------------- answers without end


@contextmanager
def answering(parts: Callable[[], Iterator[bytes]], headers: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """Serve the same parts to every request."""
    stopped = threading.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts():
            if stopped.is_set():
                break
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    with serve(app) as url:  # type: ignore[arg-type]
        try:
            yield url
        finally:
            stopped.set()


def test_a_gzip_bomb_is_left_where_it_swells() -> None:
    """Sixty-four megabytes in sixty kilobytes: reading stops at the limit, and the bundle is one that is not there."""
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    with answering(lambda: iter([bomb]), [(b"content-encoding", b"gzip")]) as url:
        (portion,) = LogReader(Transport(url, tries=1)).portions(0, 3)
    assert (portion.entries, portion.is_exact) == ((), False)


def test_a_broken_compression_is_no_bundle() -> None:
    """What cannot be decompressed is an outage, for nothing is known of it; what ends early is a bundle that does."""
    headers = [(b"content-encoding", b"gzip")]
    with answering(lambda: iter([b"\x1f\x8b garbage"]), headers) as url, pytest.raises(RegistryUnreachableError):
        list(LogReader(Transport(url, tries=1)).portions(0, 3))
    with answering(lambda: iter([gzip.compress(b"\0\1x" * 9_999)[:40]]), headers) as url:
        (portion,) = LogReader(Transport(url, tries=1)).portions(0, 3)
        assert not portion.is_exact


def test_an_answer_without_end_is_left() -> None:
    """By its size where it comes fast, by its time where it trickles; the auditor is not held for ever."""

    def endless() -> Iterator[bytes]:
        for _ in range(2 * MAX_ANSWER_BYTES // 65_536):
            yield b"x" * 65_536

    with answering(endless, []) as url:
        (portion,) = LogReader(Transport(url, tries=1)).portions(0, 3)
        assert portion.entries == ()

    def trickle() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b"x"

    with answering(trickle, []) as url, pytest.raises(RegistryUnreachableError):
        list(LogReader(Transport(url, tries=1, answer_s=-1.0)).portions(0, 3))
