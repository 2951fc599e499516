"""The table of mutations stays true: each still fits the code, names tests that exist, and is explained."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path.insert(0, str(ROOT / "scripts"))

import mutation_table  # noqa: E402


@pytest.mark.parametrize("mutation", mutation_table.MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_fits_the_code(mutation: mutation_table.Mutation) -> None:
    """What it would change stands in the code exactly once, and the tests that would notice exist."""
    for name, old, new in mutation.edits:
        assert (ROOT / name).read_text("utf-8").count(old) == 1, (name, old)
        assert new != old
    for test in mutation.tests:
        name, _, function = test.partition("::")
        text = (ROOT / name).read_text("utf-8")
        assert not function or re.search(rf"^def {function}\(", text, re.MULTILINE), test


def test_the_promises_page_explains_every_mutation() -> None:
    """specs/promises.md has exactly the mutations of the table, each under its promise, and every promise has one."""
    page = (ROOT / "specs" / "promises.md").read_text("utf-8")
    sections = re.split(r"^## (\d)\. ", page, flags=re.MULTILINE)[1:]
    told = {
        (int(number), name)
        for number, text in zip(sections[::2], sections[1::2], strict=True)
        for name in re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    }
    assert told == {(one.promise, one.name) for one in mutation_table.MUTATIONS}
    assert {number for number, _ in told} == set(range(1, 8))


@pytest.mark.full
def test_every_mutation_is_noticed() -> None:
    """Each mutation, applied to a copy of the tree, makes the tests beside it fail."""
    command = [sys.executable, str(ROOT / "scripts" / "mutations.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
