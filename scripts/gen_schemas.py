"""Writes the JSON Schemas of all credential kinds, or with --check says which differ from the code and exits 1."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "specs" / "schemas", ROOT / "registry" / "credentials" / "schemas")


def pages() -> dict[Path, str]:
    """Return the text of every file by its path; the two folders hold the same files."""
    sys.path.insert(0, str(ROOT))
    from registry.credentials.schema import all_schemas

    return {
        folder / name: json.dumps(schema, indent=2) + "\n"
        for folder in FOLDERS
        for name, schema in sorted(all_schemas().items())
    }


def stale_files() -> list[Path]:
    """Return the files that are missing, differ from the code, or belong to no kind any more."""
    wanted = pages()
    there = {path for folder in FOLDERS for path in folder.glob("*.json")}
    differing = {path for path, text in wanted.items() if path not in there or path.read_text("utf-8") != text}
    return sorted(differing | (there - wanted.keys()))


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; name the stale files and exit 1 on any")
    check = parser.parse_args().check
    stale = stale_files()
    for path in stale:
        print(f"{'stale' if check else 'wrote'} {path.relative_to(ROOT)}")
    if not check:
        wanted = pages()
        for path in stale:
            if path in wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(wanted[path], "utf-8")
            else:
                path.unlink()
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
