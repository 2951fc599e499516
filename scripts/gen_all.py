"""Writes every generated page, or with --check says which differ from the code and exits 1."""

from __future__ import annotations

import argparse
import difflib
import sys

import gen_limits
import gen_openapi
import gen_problems
import gen_schemas

GENERATORS = (gen_limits, gen_openapi, gen_problems)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; show the differences and exit 1 on any")
    check = parser.parse_args().check
    stale = 0
    for generator in GENERATORS:
        name = str(generator.PAGE.relative_to(generator.ROOT))
        old = generator.PAGE.read_text("utf-8") if generator.PAGE.exists() else ""
        new = generator.page()
        if old == new:
            continue
        stale += 1
        if check:
            before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
            sys.stdout.writelines(difflib.unified_diff(before, after, name, "from the code"))
        else:
            generator.PAGE.write_text(new, "utf-8")
            print(f"wrote {name}")
    if check and stale:
        print(f"{stale} generated page(s) are stale: run scripts/gen_all")
    schemas = gen_schemas.main()  # a folder of files, with the same --check
    return int(check and stale > 0) or schemas


if __name__ == "__main__":
    sys.exit(main())
