"""Rows edited in the tables that stand beside the log, then a restart: what each table is for fails closed, or not at all.

Expected is what follows from the purpose of a table, which stands beside the first attack on it; no probe may ever end in capitals.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from did_methods.errors import BonafidesError
from registry.cli.exits import ExitCode
from registry.cli.main import run
from tests.attacks import side_tables as probe
from tests.attacks.side_tables import Probe, Side, made_side
from tests.attacks.test_table_attacks import ATTACKS as LOG_ATTACKS
from tests.cli.kept_log import Capture, change, told
from tests.support.registry import open_world

NEWEST = "(SELECT max(size) FROM signed)"
STATE_OF_ALICE = "rowid IN (SELECT rowid FROM state WHERE subject LIKE 'did:webvh:%alice%')"
ONE_LINE = "INSERT INTO cosignature SELECT size + 1, signer, time_s, line FROM cosignature WHERE size = (SELECT max(size) FROM cosignature)"

ATTACKS: dict[str, tuple[Probe, str, str]] = {
    # What is shown of an opening is what was committed to, or nothing; erased is erased.
    "an opening altered": (probe.opening, "withheld", "UPDATE opening SET sealed = zeroblob(90)"),
    "an opening of another commitment": (probe.opening, "withheld", "UPDATE opening SET digest = 'AAAA'"),
    "an opening deleted": (probe.opening, "withheld", "DELETE FROM opening"),
    "whose opening it is": (probe.opening, "withheld", "DELETE FROM opening_party WHERE did LIKE 'did:key:%'"),
    "one more owner": (
        probe.opening,
        "withheld",
        "INSERT INTO opening_party SELECT 'did:key:z6Mkmallory', event_id FROM opening",
    ),
    "an opening in the open": (
        probe.opening,
        "shown",
        "INSERT INTO plain_opening SELECT event_id, 'AAAA', 'WyJBQSIsIm5vdGUiLCJ4Il0' FROM opening",
    ),
    "an erasure forgotten": (probe.erased, "gone", "DELETE FROM erasure"),
    "an erasure noted before its time": (
        probe.erasing,
        "201 gone",
        "INSERT INTO erasure SELECT max(seq) + 1, 1 FROM entry",
    ),
    # A cosignature counts, and is shown, only where it verifies; whoever is missing is asked again.
    "a cosignature altered": (
        probe.checkpoint,
        "2 cosigned",
        f"UPDATE cosignature SET line = CAST(replace(line, 'A', 'B') AS BLOB) WHERE size = {NEWEST}",
    ),
    "a cosignature that is none": (probe.checkpoint, "2 cosigned", "UPDATE cosignature SET line = zeroblob(90)"),
    "cosignatures deleted": (probe.checkpoint, "2 cosigned", "DELETE FROM cosignature"),
    "cosignatures exchanged": (
        probe.checkpoint,
        "2 cosigned",
        "UPDATE cosignature SET line = (SELECT line FROM cosignature ORDER BY signer, size LIMIT 1)",
    ),
    "a cosignature of another size": (probe.quorum, "waits", ONE_LINE),
    "published sooner": (probe.quorum, "waits", "UPDATE published SET size = size + 1"),
    "published earlier": (probe.checkpoint, "2 cosigned", "UPDATE published SET size = 1"),
    "nothing published": (probe.checkpoint, "2 cosigned", "DELETE FROM published"),
    # What is told of a subject is proved, or refused.
    "a state's record": (
        probe.state,
        "state_map_not_ready",
        f"UPDATE state SET record = CAST(replace(record, 'active', 'revoked') AS BLOB), digest = sha256(replace(record, 'active', 'revoked')) WHERE {STATE_OF_ALICE}",
    ),
    "a state's record alone": (
        probe.state,
        "state_record_damaged",
        f"UPDATE state SET record = CAST(replace(record, 'active', 'revoked') AS BLOB) WHERE {STATE_OF_ALICE}",
    ),
    "a state deleted": (probe.grown_state, "proved", f"DELETE FROM state WHERE {STATE_OF_ALICE}"),
    "a state inserted": (
        probe.grown_state,
        "proved",
        "INSERT INTO state SELECT sha256('x'), max(covers), 'x', sha256('y'), CAST('y' AS BLOB) FROM state",
    ),
    "a tile of the state log": (probe.grown_state, "proved", "INSERT INTO state_tile VALUES (1, 0, zeroblob(32))"),
    "a cosignature of the state log": (
        probe.grown_state,
        "proved",
        "UPDATE state_cosignature SET line = zeroblob(90)",
    ),
    "a state log published sooner": (probe.grown_state, "proved", "UPDATE state_published SET size = size + 9"),
    "a state log not published": (probe.grown_state, "proved", "DELETE FROM state_published"),
    # A witness cosigns one history, and accuses nobody who has shown one.
    "a witnessed root": (
        probe.witness,
        "witness_memory_damaged, 0 times accused",
        "UPDATE witness_note SET root = zeroblob(32) WHERE size = 9",
    ),
    "a kept note": (probe.witness, "cosigned", "UPDATE witness_note SET note = zeroblob(9) WHERE size = 5"),
    "a kept cosignature": (
        probe.monitoring,
        "witness_memory_damaged",
        "UPDATE witness_note SET cosignature = CAST('x' AS BLOB)",
    ),
    "a cosignature of a smaller size": (
        probe.monitoring,
        "cosignature_invalid for readers",
        "UPDATE witness_note SET cosignature = (SELECT cosignature FROM witness_note WHERE size = 5)",
    ),
    "no log is witnessed": (probe.witness, "witness_origin_unknown, 0 times accused", "DELETE FROM witnessed_log"),
    "evidence that is none": (
        probe.witness,
        "witness_proof_refused, 1 times accused",
        "INSERT INTO split_view SELECT zeroblob(32), origin, 1, zeroblob(9) FROM witnessed_log",
    ),
    # A status is this registry's word alone: fsck holds the lists against their history.
    "a status list that is none": (
        probe.status,
        "refused status_list_damaged",
        "UPDATE status_list SET messages = 'x'",
    ),
    "a status list without bits": (probe.status, "refused status_list_damaged", "UPDATE status_list SET bits = x''"),
    "a status taken back": (probe.status, "fsck status_list", "UPDATE status_list SET bits = zeroblob(length(bits))"),
    "a status list deleted": (probe.status, "fsck status_entry", "DELETE FROM status_list"),
    "a status's history": (probe.status, "fsck status_list", "UPDATE status_change SET value = 0"),
    "a status's place": (probe.status, "fsck status_change", "UPDATE status_entry SET position = position + 1"),
    # A decision follows from the facts in its record.
    "a decision": (
        probe.decision,
        "another",
        "UPDATE decision SET record = CAST(replace(record, '\"decision\":true', '\"decision\":false') AS BLOB)",
    ),
    # A log that has ended takes nothing.
    "an end": (probe.writing, "log_frozen", "INSERT INTO log_end SELECT 1, size, root, '', 1 FROM head"),
}

EXCEPTIONS = {
    "alembic_version": "which migrations ran: another number refuses the start, or runs them on tables that they do not fit",
    "challenge": "of a shared database alone; a row lets somebody answer a challenge that was not given out, with a signature all the same",
    "did_version": "a floor below versions seen elsewhere: raised it refuses that DID, lowered it is as on the first day",
    "gateway": "settings: whoever writes here may as well call `bonafides gateway add`",
    "key_holder": "told to people; nothing rests on it",
    "witnessed": "a floor below versions witnessed here, as did_version; a witness alone is no quorum",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """The registry, made once."""
    with made_side(tmp_path_factory.mktemp("side")) as side:
        yield side


@pytest.fixture
def side(made: Side, tmp_path: Path) -> Iterator[Side]:
    """A copy for one test; what the registry complains of is not printed."""
    shutil.copytree(made.data, tmp_path / "data")
    logging.disable(logging.CRITICAL)
    yield replace(made, data=tmp_path / "data")
    logging.disable(logging.NOTSET)


def _outcome(look: Probe, side: Side) -> str:
    try:
        with open_world(side.data, on_disk=True, clock=side.clock, witness_policy=side.policy) as world:
            return look(world, side)
    except BonafidesError as error:
        return f"refused {error.code}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_row_beside_the_log_is_believed_blindly(attack: str, side: Side, capsys: Capture) -> None:
    """After each edit and a restart the table's purpose is served as before, refused, or what is wrong has a name."""
    look, expected, statement = ATTACKS[attack]
    change(side.data, statement)
    if expected.startswith("fsck"):  # nothing else follows from these rows
        capsys.readouterr()
        assert run(["log", "fsck", "--data", str(side.data), "--json"]) == ExitCode.NOT_VERIFIED
        assert [f"fsck {one['table']}" for one in told(capsys)["differences"]][:1] == [expected]  # type: ignore[attr-defined]
    else:
        assert _outcome(look, side) == expected


@pytest.mark.parametrize("look", sorted({look for look, _, _ in ATTACKS.values()}, key=lambda one: one.__name__))
def test_without_an_edit_all_is_well(look: Probe, side: Side) -> None:
    """The same probes on tables that nobody touched: so the outcomes above come from the edits."""
    usual = {"opening": "shown", "erased": "gone", "erasing": "201 gone", "checkpoint": "2 cosigned", "quorum": "waits"}
    usual |= {"state": "proved", "grown_state": "proved", "witness": "cosigned", "monitoring": "cosigned"}
    usual |= {"status": "1", "decision": "same", "writing": "taken"}
    assert _outcome(look, side) == usual[look.__name__]


def test_every_table_is_attacked_or_has_a_reason() -> None:
    """Each table of the database stands in a list of attacks, or in the list of exceptions with a reason; none in both."""
    statements = [statement for _, *more in LOG_ATTACKS.values() for statement in more]
    statements += [statement for _, _, statement in ATTACKS.values()]
    words = [
        statement.replace("INSERT INTO", "INTO").replace("DELETE FROM", "INTO").split() for statement in statements
    ]
    attacked = {line[1] for line in words}
    tables = {*SQLModel.metadata.tables, "alembic_version"}
    assert attacked | EXCEPTIONS.keys() == tables
    assert not attacked & EXCEPTIONS.keys()
