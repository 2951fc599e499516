"""Rows of the log's tables edited, deleted, reordered, put in: a registry that is started on them refuses, or is found out.

Triggers and constraints do not stand in the way: the file is changed while nobody serves it. What only this process caches is
made anew from the entries, and then nothing is wrong; each case says which of the three it is.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from registry.audit.acceptance import parse_acceptance
from registry.audit.report import AuditReport
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.history.snapshot import dump_state, load_state
from registry.log.merkle import leaf_hash
from registry.services.audit import AuditPlan, RegistryAudit, RememberedLog
from tests.support.registry import ManualClock, open_world, serve, world_settings

Tamper = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class Honest:
    """A stopped registry with more than one full tile, and what an agent and an auditor hold of it."""

    folder: Path
    time_ms: int
    acceptances: tuple[bytes, ...]
    seen: RememberedLog


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """Let a registry live, and stop it."""
    folder, acceptances = tmp_path_factory.mktemp("honest"), []
    with open_world(folder, on_disk=True) as world:
        agents = [world.agent(f"agent{number}", short_lived=True) for number in range(17)]
        for first in agents:
            assert world.batch([first.vouch(one.did) for one in agents if one is not first]).status == 200
        acceptances.append(world.submit(world.operator.vouch(agents[0].did)).body)
        acceptances.append(world.submit(agents[0].report(agents[1].did)).body)
        world.registry.log.sign_if_grown()
        head = world.registry.log.signed_head
        seen = RememberedLog(world.registry.genesis.log_key, head.size, head.root_hash)
        time_ms = world.clock.time_ms
    return Honest(folder, time_ms, tuple(acceptances), seen)


def outcome(honest: Honest, folder: Path, tamper: Tamper) -> str | AuditReport:
    """Change the tables of a copy, start a registry on it and audit it; return the code of a refusal, or the report."""
    shutil.copytree(honest.folder, folder)
    with closing(
        sqlite3.connect(world_settings(folder, on_disk=True).database_url.removeprefix("sqlite:///"))
    ) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        tamper(connection)
        connection.commit()
    try:
        with (
            open_world(folder, on_disk=True, clock=ManualClock(time_ms=honest.time_ms)) as world,
            serve(world.app) as url,
        ):
            transport = Transport(url)
            plan = AuditPlan(
                remembered=honest.seen,
                acceptances=tuple(map(parse_acceptance, honest.acceptances)),
                patience_s=0,
            )
            try:
                return RegistryAudit(LogReader(transport), plan, now_ms=world.clock.now_ms).run()
            finally:
                transport.close()
    except BonafidesError as error:
        return error.code


def _entry(at: int, change: Callable[[bytes], bytes], *, with_hash: bool) -> Tamper:
    def tamper(sql: sqlite3.Connection) -> None:
        (data,) = sql.execute("SELECT data FROM entry WHERE seq = ?", (at,)).fetchone()
        changed = change(data)
        assert changed != data
        sql.execute("UPDATE entry SET data = ? WHERE seq = ?", (changed, at))
        if with_hash:
            sql.execute("UPDATE entry SET leaf_hash = ? WHERE seq = ?", (leaf_hash(changed), at))

    return tamper


def _forge_snapshot(sql: sqlite3.Connection) -> None:
    """Revoke every agent in the snapshot, with a digest that fits."""
    state = load_state(*(data for (data,) in sql.execute("SELECT data FROM snapshot ORDER BY id")))
    agents = state.tables.agents
    agents.update({did: replace(agent, state="revoked") for did, agent in agents.items()})
    sql.execute("DELETE FROM snapshot WHERE id > 1")
    size, root_hash = sql.execute("SELECT size, root FROM head").fetchone()
    sql.execute("UPDATE snapshot SET size = ?, root = ?, data = ?", (size, root_hash, dump_state(state)))


def _swap(one: int, other: int) -> Tamper:
    def tamper(sql: sqlite3.Connection) -> None:
        for old, new in ((one, 1 << 40), (other, one), (1 << 40, other)):
            sql.execute("UPDATE entry SET seq = ? WHERE seq = ?", (new, old))

    return tamper


def _run(*statements: str) -> Tamper:
    def tamper(sql: sqlite3.Connection) -> None:
        for statement in statements:
            changed = sql.execute(statement).rowcount
            assert changed, statement

    return tamper


def _strength(data: bytes) -> bytes:
    return data.replace(b'"strength":50', b'"strength":51')


_INSERTED = "INSERT INTO entry SELECT seq + 1, randomblob(32), kind, time_ms, leaf_hash, data FROM entry ORDER BY seq DESC LIMIT 1"
_SHIFT = "UPDATE entry SET seq = -seq - 1 WHERE seq >= 100"
_BACK = "UPDATE entry SET seq = -seq WHERE seq < 0"
_HOLE = "INSERT INTO entry SELECT 100, randomblob(32), kind, time_ms, leaf_hash, data FROM entry WHERE seq = 99"
REFUSED, CAUGHT, HARMLESS = "refused", "caught", "harmless"
# Name -> what is done, what comes of it, and the code of the refusal or one of the audit's findings.
CASES: dict[str, tuple[Tamper, str, str]] = {
    "entry: edited": (_entry(100, _strength, with_hash=False), CAUGHT, "leaf_hash_mismatch"),
    "entry: edited with its hash": (_entry(100, _strength, with_hash=True), CAUGHT, "proof_invalid"),
    "entry: edited behind the snapshot": (_entry(270, _strength, with_hash=True), REFUSED, "leaf_mismatch"),
    "entry: deleted": (_run("DELETE FROM entry WHERE seq = 100"), CAUGHT, "entries_missing"),
    "entry: newest deleted": (
        _run("DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)"), REFUSED, "log_head_contradicts",
    ),
    "entry: reordered": (_swap(100, 101), CAUGHT, "leaf_mismatch"),
    "entry: inserted": (_run(_SHIFT, _BACK, _HOLE), REFUSED, "log_head_contradicts"),
    "entry: inserted behind the head": (_run(_INSERTED), REFUSED, "log_head_contradicts"),
    "entry: other columns": (
        _run("UPDATE entry SET time_ms = time_ms + 1, kind = 'report' WHERE seq = 100"), CAUGHT, "chain_differs",
    ),
    "party: edited": (_run("UPDATE party SET seq = seq - 1 WHERE did LIKE 'did:key:%' AND count = 20"), CAUGHT, "chain_differs"),
    "party: deleted": (_run("DELETE FROM party WHERE did LIKE 'did:key:%' AND count = 20"), CAUGHT, "chain_differs"),
    "party: inserted": (
        _run("INSERT INTO party SELECT did, 999, seq FROM party WHERE did LIKE 'did:key:%' AND count = 20"), CAUGHT, "chain_differs",
    ),
    "did_entry: deleted": (_run("DELETE FROM did_entry WHERE seq = 1"), CAUGHT, "did_log_missing"),
    "tile: edited": (_run("UPDATE tile SET data = zeroblob(length(data))"), CAUGHT, "tile_mismatch"),
    "tile: deleted": (_run("DELETE FROM tile"), REFUSED, "log_head_contradicts"),
    "head: smaller": (_run("UPDATE head SET size = size - 3"), REFUSED, "log_head_contradicts"),
    "head: other root": (_run("UPDATE head SET root = randomblob(32)"), HARMLESS, ""),
    "head: deleted": (_run("DELETE FROM head"), REFUSED, "log_head_contradicts"),
    "signed: newest edited": (
        _run(
            "UPDATE signed SET note = CAST(replace(CAST(note AS TEXT), char(10) || size || char(10), "
            "char(10) || (size - 1) || char(10)) AS BLOB) WHERE size = (SELECT max(size) FROM signed)"
        ),
        CAUGHT, "note_signature_invalid",
    ),
    "signed: newest deleted": (
        _run("DELETE FROM signed WHERE size = (SELECT max(size) FROM signed)"), CAUGHT, "checkpoint_rolled_back",
    ),
    "snapshot: forged": (_forge_snapshot, CAUGHT, "agent_differs"),
    "snapshot: damaged": (_run("UPDATE snapshot SET data = data || x'00'"), HARMLESS, ""),
    "snapshot: deleted": (_run("DELETE FROM snapshot"), HARMLESS, ""),
}  # fmt: skip


# One of each table and of each outcome is tried every day, the others with --full.
DAILY = {"entry: edited with its hash", "entry: reordered", "entry: deleted", "party: deleted", "did_entry: deleted", "tile: edited",
         "head: smaller", "head: deleted", "signed: newest edited", "snapshot: forged", "snapshot: deleted"}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in DAILY else [pytest.mark.full]) for name in CASES]
)
def test_a_registry_on_changed_rows(honest: Honest, tmp_path: Path, name: str) -> None:
    """It does not start, or whoever audits it over HTTP sees it; what only caches the entries changes nothing."""
    tamper, expected, code = CASES[name]
    found = outcome(honest, tmp_path / "copy", tamper)
    if isinstance(found, str):
        assert (REFUSED, found) == (expected, code)
        return
    codes = {one.code for one in found.findings}
    assert found.is_clean is (expected == HARMLESS), codes
    assert code in codes or expected == HARMLESS
