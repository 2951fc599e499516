"""`bonafides log fsck`: the database of a log held against itself, while no server has it open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.exits import ExitCode
from registry.cli.local import Data
from registry.cli.log_folder import Database_, Tiles, folder_settings, opened_log
from registry.cli.output import Json, Output, make_table, no_table

if TYPE_CHECKING:
    from registry.services.check_report import CheckReport


def fsck(
    data: Data = None,
    database: Database_ = None,
    tiles: Tiles = None,
    *,
    fold: Annotated[
        bool, typer.Option("--fold/--no-fold", help="Fold every entry, and compare the kept state; slower.")
    ] = True,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Verify the signatures of all entries anew, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold the log's database against itself: hashes, chains, tiles, head, signed roots, state map, openings, published files.

    Names the first difference of each table. Ends with 0 if there is none, with 4 if there is one.

    Example: bonafides log fsck --data /srv/bonafides --tiles /srv/bonafides/log
    """
    from registry.adapters.erasure_keys import FolderErasureKeys
    from registry.cli.progress import progress_bar
    from registry.services.log_check import LogCheck
    from registry.services.restore_place import state_key
    from registry.storage.log import LogStore

    output, settings = Output(as_json=as_json), folder_settings(data, database)
    keys = FolderErasureKeys(settings.erasure_keys_dir) if settings.erasure_keys_dir.is_dir() else None
    with opened_log(settings) as opened, progress_bar(output) as progress:
        report = LogCheck(
            opened,
            fold=fold,
            signatures=signatures,
            state_key=lambda origin: state_key(settings.keys_dir, origin),
            erasure_keys=keys,
            progress=progress,
        ).run()
        if tiles is not None and not report.differences:
            found = _compare_folder(tiles, LogStore(opened), report.origin)
            if found is not None:
                report.differs("folder", found, "it is not the log's")
    output.result(_wire(report), lambda: _tell(output, report))
    if report.differences:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def _wire(report: CheckReport) -> dict[str, Any]:
    return {
        "origin": report.origin,
        "entries": report.entries,
        "signed": report.signed,
        "folded": report.folded,
        "maps": report.maps,
        "states": report.states,
        "statesBehind": report.states_behind,
        "openings": report.openings,
        "opened": report.opened,
        "erasuresDue": report.erasures_due,
        "clean": report.is_clean,
        "differences": [{"table": one.table, "place": one.place, "what": one.what} for one in report.differences],
    }


def _tell(output: Output, report: CheckReport) -> None:
    facts = no_table()
    facts.add_row("log", report.origin)
    facts.add_row("entries", f"{report.entries:,}, {report.folded:,} of them folded")
    facts.add_row("checkpoints", f"{report.signed:,} verified")
    behind = "; of an older entry: the next start makes the map anew" if report.states_behind else ""
    facts.add_row("state map", f"{report.states:,} rows, {report.maps:,} maps computed again{behind}")
    facts.add_row("openings", f"{report.openings:,}, {report.opened:,} of them opened")
    if report.erasures_due:
        facts.add_row("erasures", f"{report.erasures_due:,} not carried out: the next start does it")
    output.print(facts)
    if report.differences:
        table = make_table("table", "where", "what")
        for one in report.differences:
            table.add_row(one.table, one.place, one.what)
        output.print(table)
        first = report.differences[0]
        output.print(f"[bold red]First difference: {first.table}, {first.place}[/]: {first.what}")
    else:
        output.print("[bold green]clean[/]: every table follows from the entries")


def _compare_folder(tiles: Path, store: Any, origin: str) -> str | None:
    from registry.storage.tile_store import FolderTileStore, differing_path, published_head

    if not tiles.is_dir():
        return str(tiles)
    folder = FolderTileStore(tiles)
    head = published_head(folder)
    if head is None:
        return "checkpoint"
    size, _ = store.head()
    if head.origin != origin or head.size > size or store.right_edge(head.size).root() != head.root_hash:
        return "checkpoint"
    return differing_path(folder, store, size=head.size)
