"""`bonafides backup` and `bonafides restore`: a registry as one file, made while it serves; and back again, verified."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from registry.cli.local import Data
from registry.cli.output import Json, Output, no_table
from registry.cli.progress import progress_bar
from registry.cli.published import published_at

DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="The registry's database.  \\[default: in the data folder]")
]


ErasureKeys = Annotated[
    Path | None,
    typer.Option(
        "--erasure-keys",
        envvar="BONAFIDES_ERASURE_KEYS_DIR",
        help="The folder of erasure keys, where it was kept.  \\[default: in the data folder]",
    ),
]


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A new file; in a folder it gets a name.")],
    data: Data = None,
    database: DatabaseUrl = None,
    with_keys: Annotated[
        Path | None, typer.Option("--with-keys", help="Also write the private keys, into this other file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Back up a registry, also while it serves: its log, every other row, its newest signed note.

    Never in it: the erasure keys, without which openings are noise; keep those apart or not at all. Private keys only
    with --with-keys, in a file of their own: whoever has that file can speak as the registry.

    Example: bonafides backup /mnt/backups --data /srv/bonafides
    """
    from registry.adapters.system_clock import (
        SystemClock,
    )  # only where the server is installed is there a folder to open
    from registry.config import load_settings
    from registry.services.backup import back_up, back_up_keys

    settings, output = load_settings({"data_dir": data, "database_url": database}), Output(as_json=as_json)
    began = time.monotonic()
    with progress_bar(output) as progress:
        done = back_up(settings.database_url, target, now_ms=SystemClock().now_ms(), progress=progress)
    keys = None if with_keys is None else back_up_keys(settings.keys_dir, with_keys, done.manifest)
    facts = done.to_wire() | {"keys": None if keys is None else str(keys)}
    output.result(facts, lambda: _tell_backup(output, facts, time.monotonic() - began))


def _tell_backup(output: Output, facts: dict[str, Any], seconds: float) -> None:
    table = no_table()
    table.add_row("backup", f"{facts['file']} ({facts['bytes']:,} bytes, {seconds:.1f} s)")
    table.add_row("log", f"{facts['origin']}, {facts['size']:,} entries, {facts['signedSize']:,} of them signed")
    table.add_row("other rows", f"{sum(facts['rows'].values()):,}")
    output.print(table)
    if facts["keys"]:
        output.warn(f"{facts['keys']} holds the private keys: keep it offline, and never beside the backup.")
    output.note("The erasure keys are not in it. Openings come back only where those keys were kept.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    data: Annotated[Path | None, typer.Option("--data", help="An empty folder; keys may lie in it.")] = None,
    database: DatabaseUrl = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="The published log: a URL or a folder of tiles.  \\[default: its public URL]"),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do without the published log: then nothing is signed.")
    ] = False,
    erasure_keys: ErasureKeys = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="The file that --with-keys wrote.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Restore it into a temporary folder, offline, and throw that away.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Restore a backup into an empty place: replayed and verified entry by entry, then caught up with the published log.

    What was erased since the backup stays erased: its openings are not restored. On any failure nothing is left behind.

    Example: bonafides restore bonafides.backup --data /srv/new --keys keys.backup --from https://registry.example.com
    """
    from registry.config import load_settings  # only where the server is installed is there a folder to open
    from registry.services.restore_place import Place, restore_into

    if offline and source is not None:
        raise typer.BadParameter("either --from or --offline", param_hint="--offline")
    if check:
        _check(file, Output(as_json=as_json))
        return
    if data is None:
        raise typer.BadParameter("name an empty folder", param_hint="--data")
    flags = {"data_dir": data, "database_url": database, "erasure_keys_dir": erasure_keys}
    settings, output = load_settings(flags), Output(as_json=as_json)
    place = Place(settings.data_dir, settings.database_url, settings.keys_dir, settings.erasure_keys_dir)
    began = time.monotonic()
    with progress_bar(output) as progress, published_at(source) as published:
        restored = restore_into(
            place, file, keys_file=keys, published=None if offline else published, progress=progress
        )
    facts = restored.to_wire() | {"data": str(data)}
    output.result(facts, lambda: _tell_restore(output, facts, time.monotonic() - began))
    if offline:
        output.warn("The published log was not read: erasures since the backup are not known. Nothing will be signed.")


def _check(file: Path, output: Output) -> None:
    """Replay a backup as a restore does, and keep nothing."""
    from registry.services.restore_place import Place, restore_into  # only where the server is installed

    began = time.monotonic()
    with TemporaryDirectory(prefix="bonafides-check-") as name, progress_bar(output) as progress:
        data = Path(name) / "data"
        place = Place(data, f"sqlite:///{data / 'registry.sqlite3'}", data / "keys", data / "erasure-keys")
        restored = restore_into(place, file, keys_file=None, published=None, progress=progress)
    facts = restored.to_wire() | {"data": None}
    told = f"sound: {restored.size:,} entries of {restored.origin} verified, {restored.rows:,} other rows"
    output.result(facts, lambda: output.print(f"{told} ({time.monotonic() - began:.1f} s)"))


def _tell_restore(output: Output, facts: dict[str, Any], seconds: float) -> None:
    table = no_table()
    table.add_row("restored", f"{facts['data']} ({seconds:.1f} s)")
    table.add_row(
        "log", f"{facts['origin']}, {facts['size']:,} entries verified, {facts['backupSize']:,} in the backup"
    )
    table.add_row("other rows", f"{facts['rows']:,}")
    if facts["erasedOpenings"]:
        table.add_row("not restored", f"{facts['erasedOpenings']:,} openings that were erased since")
    output.print(table)


def register(app: typer.Typer) -> None:
    """Add these sub-commands."""
    app.command()(backup)
    app.command()(restore)
