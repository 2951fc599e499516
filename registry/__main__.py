"""Process entry of the command `bonafides`."""

from __future__ import annotations

import gc

_COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command line and exit with its code."""
    # What is loaded now is kept. At its own threshold the collector of cycles walks it again and again meanwhile, about
    # a tenth of a server's start.
    gc.set_threshold(_COLLECT_AFTER)
    from registry.cli.main import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
