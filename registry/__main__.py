"""Process entry of the command `bonafides`."""

from __future__ import annotations

from registry.cli.main import run


def main() -> None:
    """Run the command line and exit with its code."""
    raise SystemExit(run())


if __name__ == "__main__":
    main()
