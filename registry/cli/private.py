"""What is said privately beside a public statement: ``--private NAME=TEXT`` and ``--disclosures FILE``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.files import DocumentUnreadableError
from registry.cli.output import Output
from registry.errors import ConflictError, ParseError

if TYPE_CHECKING:
    from registry.client.speaker import Receipt

Private = Annotated[
    list[str] | None,
    typer.Option("--private", help="NAME=TEXT that the public statement only commits to; repeat it."),
]
Disclosures = Annotated[
    Path | None,
    typer.Option(
        "--disclosures",
        help="Keep what opens --private in this new file, and give it to nobody. Without it the registry keeps it.",
    ),
]


class PrivateOptionError(ParseError):
    """What is private has a name and a text, and each name stands once."""

    code = "private_option_invalid"
    title = "Write what is private as NAME=TEXT"


class DisclosureFileExistsError(ConflictError):
    """The file is there already: what it holds could not be made again."""

    code = "disclosure_file_exists"
    title = "The disclosure file exists already"


def parse_private(pairs: Sequence[str] | None, file: Path | None) -> dict[str, Any] | None:
    """Return what ``--private`` names; None for nothing.

    Args:
        pairs: NAME=TEXT each.
        file: where the openings are to be written.

    Raises:
        PrivateOptionError: ``private_option_invalid``.
    """
    if not pairs:
        if file is not None:
            raise PrivateOptionError("a disclosure file needs something private")
        return None
    parts = [pair.partition("=") for pair in pairs]
    if not all(name and equals for name, equals, _ in parts) or len({name for name, _, _ in parts}) < len(parts):
        raise PrivateOptionError
    return {name: text for name, _, text in parts}


@contextmanager
def kept_in(file: Path | None) -> Iterator[Callable[[Receipt], None]]:
    """Give what writes a receipt's openings to a file; made before anything is sent, and gone again if that fails.

    Args:
        file: readable by its owner alone; None keeps nothing.

    Raises:
        DisclosureFileExistsError: ``disclosure_file_exists``.
        DocumentUnreadableError: ``document_unreadable`` where nothing can be written there.
    """
    if file is None:
        yield lambda _receipt: None
        return
    from registry.credentials.disclosure_file import make_disclosure_file

    try:
        stream = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise DisclosureFileExistsError(file.name) from None
    except OSError as error:
        raise DocumentUnreadableError(f"{file}: {error.strerror}") from error

    def keep(receipt: Receipt) -> None:
        stream.write(make_disclosure_file(receipt.statement, receipt.disclosures).to_wire() + b"\n")

    try:
        with stream:
            yield keep
    except BaseException:
        file.unlink()
        raise


def tell_receipt(as_json: bool, receipt: Receipt, told: str) -> None:
    """Print where a statement stands now."""
    output = Output(as_json=as_json)
    output.result(
        {"event": receipt.event, "index": receipt.index, "acceptance": dict(receipt.document)},
        lambda: output.print(f"{told}: log entry {receipt.index}\nevent {receipt.event}"),
    )
