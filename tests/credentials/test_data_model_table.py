"""The table of requirements of the W3C data model is held to the code and to the tests that it names."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from registry.credentials import data_model_errors
from registry.credentials.data_model_errors import DataModelError, ResourceMismatchError, SelfAssertedIssuerError
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR, PARSING_ERROR

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "specs" / "vc-data-model.md").read_text("utf-8")
BY_NOBODY = "not by a machine: "


def _rows() -> list[tuple[str, str, str, str]]:
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("|")]
    rows = [tuple(cell.strip() for cell in row) for row in cells]
    return [row for row in rows if row[0] not in {"section", "---"}]  # type: ignore[misc]


ROWS = _rows()


@cache
def _codes() -> frozenset[str]:
    scripts = str(ROOT / "scripts")
    if scripts not in sys.path:
        sys.path.insert(0, scripts)
    import gen_problems

    return frozenset(error.code for error in gen_problems.error_classes())


@cache
def _functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / "credentials" / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _codes_in(text: str) -> set[str]:
    return set(re.findall(r"`((?:vc|vp|json_ld|jose|proof)_[a-z_]+)`", text))


def test_every_row_has_a_check_or_a_reason() -> None:
    """Each requirement has its check and a test of it, or the reason why no machine can check it."""
    assert len(ROWS) >= 70
    for section, requirement, check, tests in ROWS:
        assert re.fullmatch(r"(\d+|B)(\.\d+)*(, \d+(\.\d+)*)*", section), section
        assert requirement
        assert check
        assert "`" in tests or (check.startswith(BY_NOBODY) and tests == "-"), (section, requirement)


@pytest.mark.parametrize("reference", sorted({name for row in ROWS for name in re.findall(r"`(test_[^`]+)`", row[3])}))
def test_every_test_named_exists(reference: str) -> None:
    """Each test that the table names is there, and each case that it names is one of its cases."""
    match = re.fullmatch(r"(test_\w+\.py)::(test_\w+)(?:\[([^\]]+)\])?", reference)
    assert match is not None, reference
    file, function, case = match.groups()
    assert function in _functions(file)
    if case is not None:
        module = importlib.import_module(f"tests.credentials.{file.removesuffix('.py')}")
        assert case in {"test_refused": module.REFUSED, "test_accepted": getattr(module, "ACCEPTED", {})}[function]


def test_every_code_named_exists() -> None:
    """Each code on the page is that of an error class."""
    assert _codes_in(PAGE) <= _codes()


def test_no_code_of_the_data_model_is_missing() -> None:
    """Each error class of the data model is named on the page, but for the base that none is raised as."""
    defined = {
        error.code
        for error in vars(data_model_errors).values()
        if isinstance(error, type) and error.__module__ == data_model_errors.__name__ and error is not DataModelError
    }
    assert len(defined) >= 20
    assert defined <= _codes_in(PAGE)


def test_every_problem_has_the_type_of_the_specification() -> None:
    """A refusal of the data model is a MALFORMED_VALUE_ERROR or a PARSING_ERROR, as section 7.1 asks."""
    classes = [DataModelError, *DataModelError.__subclasses__(), ResourceMismatchError, SelfAssertedIssuerError]
    assert {error.type_uri for error in classes} == {MALFORMED_VALUE_ERROR, PARSING_ERROR}
