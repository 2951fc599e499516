"""kill -9 at any moment loses no acknowledged event and leaves a log that audits clean.

The registry is the real `bonafides serve` in a process of its own. It is killed with SIGKILL at random moments (the
draws are seeded; where in the code a kill lands is up to the machine) while agents write single events and batches,
the operator logs epochs and snapshots are written; then what is on the disk is verified and the registry starts again.

Not covered, because a killed process leaves the kernel's page cache as it was: the loss of power, a crash of the
kernel, and disks that say "written" before it is true. For these the registry relies on SQLite's WAL with
`synchronous=FULL` (a sync before each acknowledgement), which `tests/storage` holds to be set but nothing here proves.
A full disk and a damaged file are not covered here either.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest

from did_methods.codec import parse_json_object
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.bootstrap import open_registry
from registry.cli.main import run
from registry.client.offline import Trust, verify_file
from registry.log.note import parse_note_key
from registry.log.witness import claimed_checkpoint
from registry.log.witness_policy import parse_policy
from tests.adapters.test_statement_pool import wait_until_gone
from tests.crash.checker import Checker
from tests.crash.load import FEW, MANY, Load
from tests.crash.process import WITH_VERIFIERS, ServerProcess, settings_of
from tests.support.actor import Actor
from tests.support.publication import wait_for
from tests.support.witnesses import StrictWitness, made_up_witness

SEED = 2026
SEVERAL = ("single", "single", "single", "single", "single", "batch")
ROUNDS = (("single", "batch", "reader"), ("batch", "epoch"), ("single", "epoch", "epoch"), ("batch", "batch", "reader"))


def _operator(data: Path, origin: str) -> Actor:
    return Actor.of_ring(load_key_ring(data / "keys" / "operator-agent.json"), SystemClock(), origin)


def _has_checkpoint(url: str) -> bool:
    return httpx.get(f"{url}/checkpoint", trust_env=False).is_success


def _kill_under_load(
    data: Path,
    *,
    kills: int,
    agents: int,
    apart: int = 0,
    options: Sequence[str] = (),
    look: Callable[[Checker], None] = lambda _: None,
) -> tuple[Checker, Load]:
    """Kill and restart a registry so often; everything is checked after each kill, and `look` looks too.

    In so many of its lives (`apart`), each in the place of a first round, other processes verify statements when it is
    killed, and none of them outlives it.
    """
    draw = random.Random(SEED)
    checker, load = Checker(), Load()
    for turn in range(kills):
        is_apart = turn % len(ROUNDS) == 0 and turn < apart * len(ROUNDS)
        server = ServerProcess(data, options=options, prelude=WITH_VERIFIERS if is_apart else "")
        verifiers: list[int] = []
        try:
            url = server.wait_until_serving()
            wait_for(partial(_has_checkpoint, url))
            if not load.actors:
                load.prepare(url, _operator(data, _origin_of(url)), agents=agents)
            load.send_again(url)
            kinds, seconds = ROUNDS[turn % len(ROUNDS)], draw.uniform(0.0, 0.4)
            if is_apart:
                load.lines = MANY
                load.run(
                    url, kinds=SEVERAL, seconds=0.0, warm=True, crash=partial(_kill_at_work, server, seconds, verifiers)
                )
                load.lines = FEW
            else:
                load.run(url, kinds=kinds, seconds=seconds, warm=turn % 5 > 0, crash=server.kill)
            load.interrupted += bool(load.unanswered)
        finally:
            if server.is_running:
                server.kill()
        assert not load.failures, load.failures[:3]
        checker.check(data, load)
        look(checker)
        for pid in verifiers:
            wait_until_gone(pid)
    return checker, load


def _kill_at_work(server: ServerProcess, seconds: float, verifiers: list[int]) -> None:
    verifiers += server.wait_for_verifiers()
    time.sleep(seconds)
    server.kill()


def _origin_of(url: str) -> str:
    from registry.client.transport import Transport

    return str(Transport(url).get("/log.json")["origin"])


def _check_at_the_end(
    data: Path, checker: Checker, load: Load, capsys: pytest.CaptureFixture[str], options: Sequence[str] = ()
) -> None:
    """What was never answered can still be sent, and an audit over HTTP finds nothing."""
    server = ServerProcess(data, options=options)
    try:
        url = server.wait_until_serving()
        load.send_again(url)
        assert run(["audit", url, "--no-state", "--json"]) == 0
        assert parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)["clean"]
    finally:
        server.kill()
    checker.check(data, load)
    size = len(checker.hashes)
    assert len(load.acknowledged) > size // 2, "hardly anything was acknowledged: the load was none"
    assert load.interrupted > 0, "no kill met a request on its way"
    assert any(one < size for one in checker.snapshots), "no kill found a snapshot behind the log's end"
    assert checker.state.head.epoch is not None
    assert checker.state.head.epoch.number > 5


def test_ten_kills_under_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """10 kills among single events, batches, epochs and snapshots lose nothing that was acknowledged."""
    checker, load = _kill_under_load(tmp_path / "data", kills=10, agents=12, apart=3)
    _check_at_the_end(tmp_path / "data", checker, load, capsys)


@pytest.mark.full
def test_two_hundred_kills_under_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """200 kills among single events, batches, epochs and snapshots lose nothing that was acknowledged."""
    checker, load = _kill_under_load(tmp_path / "data", kills=200, agents=100, apart=8)
    _check_at_the_end(tmp_path / "data", checker, load, capsys)


def _kill_while_publishing(folder: Path, capsys: pytest.CaptureFixture[str], *, kills: int, witnessed: bool) -> None:
    """Kill a registry that writes a folder of tiles; after each kill all that the folder's checkpoint names is there.

    With a witness, that checkpoint bears its cosignature, and the witness has never been asked for another history.
    """
    data, tiles, kept, sizes = folder / "data", folder / "tiles", StrictWitness(), []
    with made_up_witness(kept.reply) as witness:
        witness.monitored = kept.monitored
        policy, options = folder / "policy", ["--tiles", str(tiles)]
        policy.write_text(f"witness W {witness.cosigner.key.to_text()} {witness.url}\nquorum W\n")
        options += ["--witness-policy", str(policy)] if witnessed else []

        def look(checker: Checker) -> None:
            assert checker.state.head.genesis is not None
            key = parse_note_key(checker.state.head.genesis.log_key)
            trust = Trust(key=key, policy=parse_policy(policy.read_bytes()) if witnessed else None)
            found = verify_file(tiles, trust)
            assert found.size <= len(checker.hashes), "more is published than there is"
            assert found.size >= (sizes or [0])[-1], "a smaller checkpoint took the place of a larger one"
            head = claimed_checkpoint((tiles / "checkpoint").read_bytes())
            assert checker.roots[head.size] == head.root_hash
            assert kept.newest.size >= found.size or not witnessed
            sizes.append(found.size)

        checker, load = _kill_under_load(data, kills=kills, agents=12, options=options, look=look)
        _check_at_the_end(data, checker, load, capsys, options)
        look(checker)
    assert not kept.refusals
    assert len(set(sizes)) > kills // 2, "hardly anything was published: the load was none"


@pytest.mark.full
@pytest.mark.parametrize("witnessed", [False, True], ids=["folder", "folder and witness"])
def test_kills_while_tiles_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, witnessed: bool) -> None:
    """Thirty kills: what is published is whole, only grows, and is what was cosigned."""
    _kill_while_publishing(tmp_path, capsys, kills=30, witnessed=witnessed)


def _kill_first_starts(folder: Path, *, kills: int) -> None:
    """Kill first starts around the moment when keys, tables and entries 0 to 6 are made; each must then start."""
    draw = random.Random(SEED)
    begun = 0
    for turn in range(kills):
        data = folder / f"data-{turn}"
        server = ServerProcess(data)
        while not data.exists() and server.is_running:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.4))
        server.kill()
        registry = open_registry(settings_of(data))
        try:
            registry.log.sign_if_grown()
            assert registry.state.head.size == 7
            kinds = [entry.kind for entry in registry.store.entries(0, 7)]
            assert kinds[:4] == ["genesis", "did_operation", "root_list", "epoch"]
            begun += registry.log.signed_head.size == 7
        finally:
            registry.database.close()
        checker = Checker()
        checker.check(data, Load())
        ring = load_key_ring(data / "keys" / "operator-root.json")
        assert checker.state.head.genesis is not None
        assert checker.state.head.genesis.operator_did == ring.did
    assert begun == kills


def test_kills_of_a_first_start(tmp_path: Path) -> None:
    """A first start that is killed leaves either no log or a whole opening, and the next start gets by with it."""
    _kill_first_starts(tmp_path, kills=5)


@pytest.mark.full
def test_many_kills_of_a_first_start(tmp_path: Path) -> None:
    """The same, 40 times."""
    _kill_first_starts(tmp_path, kills=40)
