"""Resolving the DIDs of this registry: from the log, as if they had been fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from did_methods.jwk import did_jwk_from
from did_methods.key import key_signer
from did_methods.method import ResolutionOptions
from did_methods.webvh import resolve_log
from registry.config import parse_fetch_overrides
from tests.support.registry import DAY_MS as DAY
from tests.support.registry import open_world
from tests.support.resolution import FOREIGN_WEB, PKH, WEB_URL, Bench, log_of, outcome, web_document
from tests.support.webvh import LogWriter, key

# ---------------------------------------------------------------- DIDs of this registry


def test_the_newest_version_is_what_the_served_log_gives(bench: Bench) -> None:
    """From the state or from the bytes of did.jsonl: the same result, before and after a rotation and an end."""
    alice = bench.world.agent("alice")
    for change in (None, alice.rotate, alice.rotate, alice.deactivate):
        if change is not None:
            bench.world.clock.advance(5_000)
            bench.append(change())
        fetched = resolve_log(alice.did, log_of(alice), now_ms=bench.world.clock.now_ms())
        assert bench.resolve(alice.did) == fetched
        assert bench.service.resolve_hosted(alice.did, bench.options()) == fetched
    assert bench.files.asked == []


def test_earlier_versions_come_from_the_stored_entries(bench: Bench) -> None:
    """By number, id and time, alone and together, found or not: what the served log gives, and not from memory alone."""
    alice = bench.world.agent("alice")
    start = bench.world.clock.now_ms()
    for _ in range(2):
        bench.world.clock.advance(60_000)
        bench.append(alice.rotate())
    first, second = (entry["versionId"] for entry in alice.entries[:2])
    for demand in (
        {"version_number": 1}, {"version_number": 3}, {"version_number": 4}, {"version_id": second},
        {"version_id": first, "version_number": 2}, {"version_id": first, "version_number": 1},
        {"version_time_ms": start + 61_000}, {"version_time_ms": start - 60_000}, {"version_time_ms": start + DAY},
    ):  # fmt: skip
        now_ms = bench.world.clock.now_ms()
        assert bench.resolve(alice.did, **demand) == resolve_log(alice.did, log_of(alice), now_ms=now_ms, **demand)
        assert bench.service.resolve_hosted(alice.did, bench.options(**demand)) is None
    bench.world.clock.advance(60_000)
    bench.append(alice.rotate())
    assert bench.resolve(alice.did, version_number=4).error is None
    assert bench.files.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "did:webvh:{scid}:registry.localhost%3A8000:agents:nobody",
        "did:webvh:{other}:registry.localhost%3A8000:agents:alice",
        "did:webvh:{scid}:registry.localhost%3a8000:agents:alice",
        "did:webvh:{scid}:REGISTRY.localhost%3A8000:agents:alice",
        "did:webvh:{scid}:registry.localhost%3A8000",
        "did:web:registry.localhost%3A8000:agents:nobody",
        "did:web:registry.localhost%3A8000:agents:alice:more",
        "did:web:Registry.localhost%3A8000:agents:alice",
    ],
)
def test_names_of_the_own_host_that_nobody_has(bench: Bench, name: str) -> None:
    """They are not found, and the network is not asked."""
    alice = bench.world.agent("alice")
    assert alice.state is not None
    did = name.format(scid=alice.state.scid, other="Qm" + "a" * 44)
    for result in (bench.resolve(did), bench.service.resolve_hosted(did, bench.options())):
        assert result is not None
        assert outcome(result)[0] == "NOT_FOUND"
    assert bench.files.asked == []


def test_the_parallel_did_web(bench: Bench) -> None:
    """The did:web of an agent is its parallel document; it has no versions, and ends with the agent."""
    alice = bench.world.agent("alice")
    did = "did:web:registry.localhost%3A8000:agents:alice"
    result = bench.resolve(did)
    assert result.did_document is not None
    assert result.did_document["id"] == did
    assert alice.did in result.did_document["alsoKnownAs"]
    assert bench.service.resolve_hosted(did, bench.options()) == result
    assert outcome(bench.resolve(did, version_number=1)) == ("NOT_FOUND", "did_version_not_found")
    bench.append(alice.deactivate())
    assert outcome(bench.resolve(did)) == ("NOT_FOUND", "did_web_not_found")


def test_the_registry_itself(bench: Bench) -> None:
    """The registry's own DID and its did:web resolve without a path."""
    own = bench.world.registry.genesis.registry_did
    assert bench.resolve(own).did_document == bench.resolve(own, version_number=1).did_document
    twin = bench.resolve("did:web:registry.localhost%3A8000").did_document
    assert twin is not None
    assert own in twin["alsoKnownAs"]


def test_a_moved_agent_resolves_under_both_names(bench: Bench) -> None:
    """Within this host and to another one, the log here answers, for earlier versions too."""
    alice = bench.world.agent("alice")
    names = [alice.did]
    for place in ("registry.localhost%3A8000:agents:anne", "elsewhere.example"):
        names.append(bench.move(alice, place))
        for name in names:
            fetched = resolve_log(name, log_of(alice), now_ms=bench.world.clock.now_ms())
            assert fetched.error is None
            assert bench.resolve(name) == fetched
            assert bench.service.resolve_hosted(name, bench.options()) == fetched
            assert bench.resolve(name, version_number=1).error is None
    assert bench.files.asked == []
    assert bench.resolve("did:web:registry.localhost%3A8000:agents:alice").error == "NOT_FOUND"


def test_dids_that_are_their_keys(bench: Bench) -> None:
    """did:key and did:jwk are answered at once, as is whatever is no DID."""
    did_key = key_signer(key(1)).verification_method.partition("#")[0]
    for did in (did_key, did_jwk_from(key(1).public_key)):
        hosted = bench.service.resolve_hosted(did, bench.options())
        assert hosted is not None
        assert hosted.error is None
        assert hosted == bench.resolve(did)
        assert bench.resolve(did, version_number=1).error == "NOT_FOUND"
    for text in ("", "did:", "not a did", "did:webvh:x", "did:web:127.0.0.1", "did:web:host.example.com:.."):
        assert bench.resolve(text).error == "INVALID_DID"
        assert bench.service.resolve_hosted(text, bench.options()).error == "INVALID_DID"  # type: ignore[union-attr]
    assert bench.resolve("did:unknown:x").error == "METHOD_NOT_SUPPORTED"
    assert bench.resolve("did:tz:tz1").cause.code == "did_foreign_needs_network"  # type: ignore[union-attr]
    assert set(bench.service.method_names) >= {"ethr", "jwk", "key", "pkh", "web", "webvh"}


def test_the_fast_path_never_asks_the_network(bench: Bench) -> None:
    """What lies elsewhere is left to the slow path, also when it is known already."""
    bench.files.files[WEB_URL] = web_document()
    writer = LogWriter().first()
    for did in (FOREIGN_WEB, writer.did, PKH):
        assert bench.service.resolve_hosted(did, bench.options()) is None
    assert (bench.files.asked, bench.foreign.asked) == ([], [])


def test_the_registry_resolves_and_closes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A registry has a resolution service, tells of each override at its start, and ends the child at its end."""
    overrides = parse_fetch_overrides("host.example.com=127.0.0.1:1")
    with open_world(tmp_path, fetch_overrides=overrides) as world:
        assert "host.example.com:443 is dialled at 127.0.0.1" in caplog.text
        service = world.registry.resolution
        assert service.resolve(world.operator.did, ResolutionOptions(0)).error is None
        assert outcome(service.resolve(FOREIGN_WEB, ResolutionOptions(0))) == (
            "INTERNAL_ERROR",
            "did_fetch_unreachable",
        )
    result = service.resolve(PKH, ResolutionOptions(0))
    assert result.error is not None
