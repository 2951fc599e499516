"""Facts about the tree itself: what the house rules say and no other tool holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("did_methods", "registry")
PURE_ROOMS = ("audit", "credentials", "decisions", "history", "log", "reputation", "signals")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Path -> why it may be longer. An entry that is no longer needed fails the test too.
LONGER_FILES: dict[str, str] = {
    "registry/limits.py": "one table, which the page of limits is made from; nobody reads it from end to end",
}
LONGER_FUNCTIONS: dict[str, str] = {}
# The only places that may turn any exception into an answer; elsewhere whoever catches everything raises it again.
# The sequencer contains a defect in the one submission that met it, logs it, and drops the draft.
CATCH_ALL = {"registry/api/problems.py", "registry/cli/main.py", "registry/services/sequencer.py"}


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations/versions" not in path.as_posix():
                yield path


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _error_classes() -> list[type]:
    scripts = str(ROOT / "scripts")
    if scripts not in sys.path:
        sys.path.insert(0, scripts)
    import gen_problems

    return gen_problems.error_classes()


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs branch on codes, so each error class states one, spelled alike, and no two share it."""
    owners: dict[str, list[str]] = {}
    for error in _error_classes():
        assert "code" in vars(error), f"{error.__module__}.{error.__qualname__} inherits its code"
        assert "title" in vars(error), f"{error.__module__}.{error.__qualname__} inherits its title"
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", error.code), f"{error.code!r} is not snake_case"
        owners.setdefault(error.code, []).append(f"{error.__module__}.{error.__qualname__}")
    assert not {code: classes for code, classes in owners.items() if len(classes) > 1}


def test_every_error_is_explained() -> None:
    """The page of problems is made from docstrings, so no error class goes without its own."""
    assert not [f"{error.__module__}.{error.__qualname__}" for error in _error_classes() if not vars(error)["__doc__"]]


def test_files_stay_readable_in_one_sitting() -> None:
    """No file is longer than the house allows, except those listed with a reason."""
    long = {}
    for path in _sources(*PACKAGES, "scripts", "tests"):
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            long[_name(path)] = lines
    assert set(long) == set(LONGER_FILES), long


def test_functions_stay_short() -> None:
    """No function of the product is longer than the house allows, except those listed with a reason."""
    long = {}
    for path in _sources(*PACKAGES):
        for function in _functions(path):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                long[f"{_name(path)}:{function.name}"] = lines
    assert set(long) == set(LONGER_FUNCTIONS), long


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_nothing_swallows_every_exception() -> None:
    """Only the outermost doors turn any exception into an answer; a roll-back that catches everything raises it again."""
    found = [
        f"{_name(path)}:{node.lineno}"
        for path in _sources(*PACKAGES)
        if _name(path) not in CATCH_ALL
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and not _raises_again(node)
    ]
    assert not found


def test_every_test_says_what_it_holds() -> None:
    """Each test function has a docstring, so that a failure tells a reader which promise broke."""
    silent = [
        f"{_name(path)}:{function.name}"
        for path in _sources("tests")
        for function in _functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


def test_every_pure_room_is_under_contract() -> None:
    """A pure room that exists is named in the import contract that keeps it pure."""
    contracts = _pyproject()["tool"]["importlinter"]["contracts"]
    pure = next(contract for contract in contracts if contract["id"] == "pure")
    existing = {f"registry.{room}" for room in PURE_ROOMS if (ROOT / "registry" / room).is_dir()}
    assert existing <= set(pure["source_modules"])


def test_generated_pages_are_current() -> None:
    """What specs/ says of limits and problems is what the code does."""
    command = [sys.executable, str(ROOT / "scripts" / "gen_all.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["did_methods", "registry.client"])
def test_an_agent_needs_only_the_base_installation(module: str) -> None:
    """What agents and gateways import, every module of it, loads without anything of the extra `server`."""
    project = _pyproject()["project"]
    server = project["optional-dependencies"]["server"]
    names = {_requirement_name(requirement) for requirement in server}
    blocked = sorted(names | {"starlette", "sqlalchemy"})
    program = f"""
import importlib, pkgutil, sys
for name in {blocked!r}:
    sys.modules[name] = None
package = importlib.import_module({module!r})
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(found.name)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_feature_finder_finds() -> None:
    """Every path of this repository that the README names in code style exists."""
    text = (ROOT / "README.md").read_text("utf-8")
    paths = set(re.findall(r"`((?:did_methods|registry|scripts|specs|tests)/[\w./-]*)`", text))
    assert paths, "the README names no file"
    assert not sorted(path for path in paths if not (ROOT / path).exists())


def test_the_index_of_specs_is_complete() -> None:
    """specs/README.md links every page of specs/, of kinds and of decisions, and nothing that is not there."""
    specs = ROOT / "specs"
    links = set(re.findall(r"\]\((\w[\w./-]*\.md)\)", (specs / "README.md").read_text("utf-8")))
    pages = {path.relative_to(specs).as_posix() for path in (*specs.glob("*.md"), *specs.glob("*/*.md"))}
    assert links == pages - {"README.md"}


def _requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()


def test_locks_pin_every_dependency() -> None:
    """Each direct dependency is pinned with hashes, both locks pin alike, and no lock names an index."""
    data = _pyproject()
    project = data["project"]
    extras = project["optional-dependencies"]
    assert "bonafides[credentials]" in extras["server"]
    whole = [*project["dependencies"], *extras["credentials"], *extras["server"]]
    runtime = [requirement for requirement in whole if not requirement.startswith("bonafides[")]
    wanted = {"requirements.lock": runtime, "requirements-dev.lock": [*runtime, *data["dependency-groups"]["dev"]]}
    pins = {}
    for file, requirements in wanted.items():
        text = (ROOT / file).read_text("utf-8")
        pins[file] = dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)", text, re.MULTILINE))
        missing = {_requirement_name(requirement) for requirement in requirements} - set(pins[file])
        assert not missing, f"{file}: run scripts/lock"
        assert "--hash=sha256:" in text
        assert "://" not in text
    assert pins["requirements.lock"].items() <= pins["requirements-dev.lock"].items()
