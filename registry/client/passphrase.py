"""Where a passphrase comes from: the environment, a mounted file, or the terminal; never the command line's arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path
from typing import Final

from registry.adapters.key_file import KeyFileUnreadableError, Passphrase, PassphraseMissingError
from registry.errors import ParseError

VARIABLE: Final = "BONAFIDES_PASSPHRASE"
FILE_VARIABLE: Final = "BONAFIDES_PASSPHRASE_FILE"


class PassphraseMismatchError(ParseError):
    """A new passphrase was typed twice, and not the same both times; nothing was changed."""

    code = "passphrase_mismatch"
    title = "The two passphrases differ"


def find_passphrase(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Passphrase:
    """Return how to come by the passphrase of a sealed key file; nothing is read or asked before it is needed.

    Args:
        file: holds it in its first line; None looks at ``$BONAFIDES_PASSPHRASE``, then ``$BONAFIDES_PASSPHRASE_FILE``,
            then asks on the terminal.
        environment: of the process.

    Returns:
        What raises ``passphrase_missing`` where there is none, ``key_file_unreadable`` for a file that is not there.
    """

    def give() -> str:
        if file is not None:
            return read_passphrase(file)
        if environment.get(VARIABLE):
            return environment[VARIABLE]
        if environment.get(FILE_VARIABLE):
            return read_passphrase(Path(environment[FILE_VARIABLE]))
        if sys.stdin is not None and sys.stdin.isatty():
            return getpass("Passphrase: ")
        raise PassphraseMissingError(f"set {VARIABLE} or {FILE_VARIABLE}")

    known: list[str] = []

    def once() -> str:
        if not known:
            known.append(give())
        return known[0]

    return once


def choose_passphrase(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return a passphrase to seal key files under from now on.

    Args:
        file: holds it in its first line; None asks twice on the terminal, and where there is none takes the environment's
            as `find_passphrase` does.
        environment: of the process.

    Raises:
        PassphraseMissingError: ``passphrase_missing``.
        PassphraseMismatchError: ``passphrase_mismatch``: the two that were typed differ.
        KeyFileUnreadableError: ``key_file_unreadable``.
    """
    if file is not None:
        return read_passphrase(file)
    if sys.stdin is None or not sys.stdin.isatty():
        return find_passphrase(None, environment)()
    chosen = getpass("New passphrase: ")
    if getpass("The same again: ") != chosen:
        raise PassphraseMismatchError
    return chosen


def read_passphrase(file: Path) -> str:
    """Return the first line of a file.

    Raises:
        KeyFileUnreadableError: ``key_file_unreadable``.
    """
    try:
        return file.read_text("utf-8").partition("\n")[0].removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileUnreadableError(f"{file.name}: the passphrase cannot be read") from error
