"""Breaks the code on purpose, one named mutation at a time, and sees the tests of the promises notice.

Each row of `MUTATIONS` is a change of the code that would break one of the seven promises, with the tests that must fail
on it. The tree is copied to a temporary folder, the tests pass there unchanged, then each mutation is applied to the
copy, must be noticed, and is undone. Nothing in the checkout is touched. specs/promises.md tells what each one means.

    scripts/mutations.py [--list] [NAME …]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mutation_table import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("did_methods", "registry", "tests", "specs", "scripts")


def copy_tree(target: Path) -> None:
    """Copy what the tests need."""
    skip = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=skip)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy2(ROOT / name, target / name)


def run_tests(folder: Path, tests: Sequence[str]) -> bool:
    """Say whether the tests pass in a copy of the tree."""
    vectors = os.environ.get("BONAFIDES_VECTORS") or str(ROOT.parent / "shared" / "vectors")
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BONAFIDES_VECTORS": vectors,
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--hypothesis-profile=ci",
        *tests,
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests could not be run: {' '.join(tests)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def apply(folder: Path, mutation: Mutation) -> dict[Path, str]:
    """Change the copy; return what stood there."""
    before: dict[Path, str] = {}
    for name, old, new in mutation.edits:
        path = folder / name
        text = path.read_text("utf-8")
        before.setdefault(path, text)
        if text.count(old) != 1:
            raise SystemExit(f"{mutation.name}: {name} holds the text {text.count(old)} times, not once: {old!r}")
        path.write_text(text.replace(old, new), "utf-8")
    return before


def main() -> int:
    """Return the exit code: 1 when a mutation went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--list", action="store_true", help="show the table and run nothing")
    arguments = parser.parse_args()
    chosen = [one for one in MUTATIONS if not arguments.names or one.name in arguments.names]
    if arguments.list:
        for one in chosen:
            print(f"{one.promise}  {one.name}: {', '.join(one.tests)}")
        return 0
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="bonafides-mutations-") as name:
        folder = Path(name)
        copy_tree(folder)
        tests = sorted({test for one in chosen for test in one.tests})
        if not run_tests(folder, tests):
            raise SystemExit("the tests fail before anything was changed")
        for one in chosen:
            before = apply(folder, one)
            noticed = [test for test in one.tests if not run_tests(folder, [test])]
            for path, text in before.items():
                path.write_text(text, "utf-8")
            missed = sorted(set(one.tests) - set(noticed))
            print(
                f"promise {one.promise}  {'noticed  ' if not missed else 'UNNOTICED'}  {one.name} {' '.join(missed)}",
                flush=True,
            )
            unnoticed += missed
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
