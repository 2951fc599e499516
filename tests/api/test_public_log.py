"""The public log's files over HTTP: headers, compression, refusals, proof files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from registry.log.merkle import leaf_hash
from registry.log.note import parse_note_key
from registry.log.proof import parse_proof_file, verify_proof_file
from tests.support.registry import World, open_world

FOREVER = "public, max-age=604800, immutable"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/tile/0/099", 404),
        ("/tile/0/000.p/255", 404),
        ("/tile/entries/000", 404),
        ("/tile/1/000.p/1", 404),
        ("/tile/0/x", 400),
        ("/tile/entries/000.p/0", 400),
        ("/policy", 404),
        ("/v1/entries/99999", 404),
        ("/v1/evidence/x", 404),
        ("/v1/log/proof/inclusion?index=99999", 400),
    ],
)
def test_refusals_are_never_kept_and_any_page_may_read_them(reading: World, target: str, status: int) -> None:
    """A cache that keeps the 404 of a tile hides the next one; a page that cannot read it sees a broken network."""
    answer = reading.web.get(target)
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.code


def test_no_checkpoint_yet_is_not_kept_either(tmp_path: Path) -> None:
    """Before the first checkpoint is published the address says so, for this moment."""
    with open_world(tmp_path) as world:
        world.registry.log._published = None
        answer = world.web.get("/checkpoint")
        assert (answer.status, answer.code) == (503, "checkpoint_not_ready")
        assert (answer.headers["cache-control"], answer.headers["access-control-allow-origin"]) == ("no-store", "*")


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP", "identity, gzip;q=1.0"])
def test_bundles_are_compressed_for_whoever_takes_it(reading: World, accepted: str) -> None:
    """The content is the same, the bytes are the same each time, and caches are told what it depends on."""
    target = f"/tile/entries/000.p/{reading.size}"
    plain = reading.web.get(target)
    packed = reading.web.get(target, headers={"accept-encoding": accepted})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert reading.web.get(target, headers={"accept-encoding": accepted}).body == packed.body
    for answer in (plain, packed):
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept-Encoding", FOREVER)
        assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0"])
def test_bundles_are_plain_for_everybody_else(reading: World, accepted: str) -> None:
    """Who does not name gzip, or refuses it, gets the bytes as they are; tiles of hashes are never compressed."""
    answer = reading.web.get(f"/tile/entries/000.p/{reading.size}", headers={"accept-encoding": accepted})
    assert "content-encoding" not in answer.headers
    tile = reading.web.get(f"/tile/0/000.p/{reading.size}", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in tile.headers


def test_full_bundles_are_compressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the whole log does not make the registry pack the same bundle again; few are kept."""
    with open_world(tmp_path) as world:
        world.registry.log.sign_if_grown()
        packed: list[int] = []
        real = world.registry.log.entry_bundle
        monkeypatch.setattr(world.registry.log, "entry_bundle", lambda *_: packed.append(1) or real(0, 7))
        for number in [*range(40), 39, 38, 0]:
            answer = world.web.get(f"/tile/entries/{number:03}", headers={"accept-encoding": "gzip"})
            assert answer.status == 200
        assert len(packed) == 41
        assert len(world.app.state.api.packed_bundles) == 32


# ---------------------------------------------------------------- proof files


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("&format=tlog-proof", {}),
        ("", {"accept": "text/plain"}),
        ("", {"accept": "text/plain;q=0.9, */*"}),
        ("&format=tlog-proof", {"accept": "application/json"}),
    ],
)
def test_a_proof_file_is_verified_offline(reading: World, query: str, headers: dict[str, str]) -> None:
    """The file holds everything but the entry and the log's key."""
    answer = reading.web.get(f"/v1/log/proof/inclusion?index=4{query}", headers=headers)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    entry = reading.web.get("/v1/entries/4").body
    key = parse_note_key(reading.registry.genesis.log_key)
    proof = parse_proof_file(answer.body)
    assert verify_proof_file(proof, leaf_hash=leaf_hash(entry), origin=reading.origin, key=key).index == 4


def test_json_is_what_programs_get(reading: World) -> None:
    """Without a wish, with one for JSON, or with both, the answer is JSON; another format is refused."""
    for headers in ({}, {"accept": "application/json"}, {"accept": "application/json, text/plain"}, {"accept": "*/*"}):
        answer = reading.web.get("/v1/log/proof/inclusion?index=4", headers=headers)
        assert answer.json["index"] == 4
    assert reading.web.get("/v1/log/proof/inclusion?index=4&format=cose").status == 400


def test_a_proof_file_by_event_and_at_a_size_that_was_signed(reading: World) -> None:
    """An event id names the entry too; a size that no checkpoint has gives no file, though it gives a JSON proof."""
    leaf = reading.web.get(f"/v1/agents/{reading.actors['alice'].did}/events").json["events"][0]
    answer = reading.web.get(f"/v1/log/proof/inclusion?event={leaf['event']}&format=tlog-proof")
    assert parse_proof_file(answer.body).index == leaf["index"]
    signed = {row for row in range(1, reading.size) if reading.registry.witnessing.publisher.note_at(row)}
    unsigned = next(size for size in range(2, reading.size) if size not in signed)
    target = f"/v1/log/proof/inclusion?index=0&size={unsigned}"
    assert reading.web.get(target).json["treeSize"] == unsigned
    assert reading.web.get(target + "&format=tlog-proof").code == "checkpoint_not_found"


def test_the_description_names_keys_witnesses_and_shards(reading: World) -> None:
    """Whoever finds /log.json knows how to verify this log and how to be witnessed here."""
    described = reading.web.get("/log.json").json
    genesis = reading.registry.genesis
    assert described["origin"] == genesis.origin
    assert described["verifier_keys"] == [genesis.log_key]
    assert described["rules"] == genesis.rules
    assert (described["witnesses"], described["quorum"]) == ([], "none")
    assert described["shards"] == [{"origin": genesis.origin, "verifier_keys": [genesis.log_key], "first": 0}]
    assert described["witness"]["logs"] == []
    assert described["witness"]["verifier_key"].startswith("registry.localhost:8000/witness+")
