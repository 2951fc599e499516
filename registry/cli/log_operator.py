"""`bonafides log recover | freeze | verify`: what whoever runs a log, or holds files of one, can do about it.

The first two work on the data folder while no server has it open; the last needs nothing but files.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.exits import ExitCode
from registry.cli.local import Data
from registry.cli.log_folder import Database_, Tiles, folder_settings, opened_log
from registry.cli.output import Json, Output, no_table
from registry.errors import ConflictError, DependencyError

if TYPE_CHECKING:
    from registry.bootstrap import Registry
    from registry.client.offline import Finding, Trust
    from registry.config import Settings

Record = Annotated[
    Path | None,
    typer.Option("--signer-record", envvar="BONAFIDES_SIGNER_RECORD", help="Where it is not below --data."),
]
Policy = Annotated[
    Path | None,
    typer.Option("--witness-policy", envvar="BONAFIDES_WITNESS_POLICY", help="Witnesses to ask what they have seen."),
]


class FreezeUndecidedError(ConflictError):
    """Freezing a log cannot be undone, and nobody has said yes."""

    code = "freeze_not_confirmed"
    title = "Freezing cannot be undone; say --yes"


class FreezeUnpublishedError(DependencyError):
    """The log is frozen, but its last checkpoint is not published yet: a quorum, or the folder, is missing."""

    code = "freeze_not_published"
    title = "The log is frozen; its last checkpoint is not published yet"


def recover(
    source: Annotated[
        str, typer.Option("--from", metavar="DIR|URL", help="Where the log was published: a tile folder, or a URL.")
    ],
    data: Data = None,
    database: Database_ = None,
    signer_record: Record = None,
    witness_policy: Policy = None,
    as_json: Json = False,
) -> None:
    """Import the entries that the database lost, from where they were published, if they hash to a root we signed.

    Every entry is verified and folded as when it was first taken. Ends with 4 if the database and the signed tree are two
    histories: then the log is over, and nothing brings it back.

    Example: bonafides log recover --from /srv/bonafides/log
    """
    from registry.adapters.registry_keys import load_registry_keys
    from registry.bootstrap_signer import log_key_of
    from registry.cli.progress import progress_bar
    from registry.cli.published import published_at
    from registry.services.recovery import LogRecovery
    from registry.services.restore_place import finish_catching_up
    from registry.storage.log import LogStore

    output = Output(as_json=as_json)
    settings = folder_settings(data, database, signer_record=signer_record, witness_policy=witness_policy)
    load_registry_keys(settings.keys_dir)  # a folder without its keys would not open afterwards
    with opened_log(settings) as opened, progress_bar(output) as progress, published_at(source) as published:
        store, there = LogStore(opened), published(source)
        done = LogRecovery(store=store, key=log_key_of(store), reader=there.log, progress=progress).run()
        finish_catching_up(opened, there, data_dir=settings.data_dir, keys_dir=settings.keys_dir)
    left = _state_of(settings)
    wire = {"imported": done.size - done.old_size, "size": done.size, "state": left}

    def tell() -> None:
        output.print(f"{done.size - done.old_size:,} entries imported; the log has {done.size:,}")
        if left == "rolled_back":
            output.warn("More than that was signed: the signer's record, a folder or a witness says so.")
            output.hint("Recover again from a place that has it. If there is none, the log is over: freeze it.")
        else:
            output.print("Openings of private fields are not in the log; those of the imported entries are lost.")

    output.result(wire, tell)
    if left == "rolled_back":
        raise typer.Exit(ExitCode.UNREACHABLE)


def freeze(
    data: Data = None,
    database: Database_ = None,
    signer_record: Record = None,
    witness_policy: Policy = None,
    tiles: Tiles = None,
    *,
    successor: Annotated[
        str, typer.Option("--successor", metavar="ORIGIN|URL", help="Where the log goes on; told to whoever writes.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Yes, end this log for ever.")] = False,
    as_json: Json = False,
) -> None:
    """End the log: sign and publish its last checkpoint; from then on it answers reads, and 405 to whoever writes.

    Example: bonafides log freeze --successor registry.example.com/2027 --yes
    """
    from registry.bootstrap import open_registry

    if not yes:
        raise FreezeUndecidedError
    output = Output(as_json=as_json)
    settings = folder_settings(
        data, database, signer_record=signer_record, witness_policy=witness_policy, tiles_dir=tiles
    )
    _check_log(settings)
    registry = open_registry(settings)
    try:
        head, is_published = _freeze(registry, successor)
    finally:
        _close(registry)
    wire = {
        "origin": registry.genesis.origin,
        "size": head.size,
        "checkpoint": head.note.decode("utf-8"),
        "successor": successor or None,
        "published": is_published,
    }
    output.result(wire, lambda: output.print(f"frozen at {head.size:,} entries\n\n{wire['checkpoint']}"))
    if not is_published:
        raise FreezeUnpublishedError


def _freeze(registry: Registry, successor: str) -> tuple[Any, bool]:
    from registry.services.rollback_guard import LogFrozenError

    with suppress(LogFrozenError):  # once more: the last checkpoint may not have been published
        registry.log.guard.check_may_write()
    registry.log.guard.look_again()
    registry.log.freeze(successor)
    head = registry.log.signed_head
    publisher = registry.witnessing.publisher
    return head, publisher.is_immediate or publisher.run_once()


def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Checkpoints, .tlog-proof files, evidence, tile folders.")
    ],
    key: Annotated[str | None, typer.Option("--key", metavar="VKEY", help="The log's verifier key.")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A c2sp.org/tlog-policy file: prove that its quorum has cosigned.")
    ] = None,
    entry: Annotated[
        Path | None, typer.Option("--entry", help="Of a .tlog-proof file: the leaf's bytes that it is about.")
    ] = None,
    heartbeat: Annotated[
        str | None, typer.Option("--heartbeat", metavar="VKEY", help="The key of the log's heartbeat (see /log.json).")
    ] = None,
    max_age: Annotated[
        int | None,
        typer.Option("--max-age", min=0, metavar="SECONDS", help="How old the newest cosignature or heartbeat may be."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify files of a log offline, with nobody to ask; ends with 4 at the first that does not hold.

    Example: bonafides log verify 17.tlog-proof --entry 17.json --key log.example.com/0a1b2c3d+…
    """
    from registry.cli.progress import progress_bar
    from registry.client.offline import verify_file

    output = Output(as_json=as_json)
    trust = _trust(key, policy, heartbeat, entry, max_age)
    with progress_bar(output) as progress:
        found = [(path, verify_file(path, trust, progress=progress)) for path in files]
    rows = [
        {"file": str(path), "kind": one.kind, "origin": one.origin, "size": one.size} | one.facts for path, one in found
    ]
    output.result({"verified": rows}, lambda: _tell_verified(output, found))


def _trust(
    key: str | None, policy: Path | None, heartbeat: str | None, entry: Path | None, max_age: int | None
) -> Trust:
    from registry.adapters.system_clock import SystemClock
    from registry.client.offline import FileUnreadableError, Trust
    from registry.limits import LEAF_BYTES
    from registry.log.cosignature import parse_cosignature_key
    from registry.log.note import parse_note_key
    from registry.log.witness_policy import MAX_POLICY_BYTES, parse_policy

    def read(path: Path, most: int) -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(most + 1)
        except OSError as error:
            raise FileUnreadableError(f"{path}: {error.strerror}") from error

    return Trust(
        key=None if key is None else parse_note_key(key),
        policy=None if policy is None else parse_policy(read(policy, MAX_POLICY_BYTES)),
        heartbeat=None if heartbeat is None else parse_cosignature_key(heartbeat),
        entry=None if entry is None else read(entry, LEAF_BYTES),
        max_age_ms=None if max_age is None else max_age * 1_000,
        now_ms=SystemClock().now_ms(),
    )


def _tell_verified(output: Output, found: list[tuple[Path, Finding]]) -> None:
    for path, one in found:
        table = no_table()
        table.add_row("file", str(path))
        table.add_row(one.kind, f"{one.origin}, size {one.size:,}")
        for name, value in one.facts.items():
            table.add_row(name, str(value))
        output.print(table)
        if one.kind == "evidence":
            output.print("[bold red]This log has signed two trees that contradict each other.[/]")


# ---------------------------------------------------------------- the data folder


def _check_log(settings: Settings) -> None:
    """Refuse a folder without a log, so that opening it does not begin one."""
    with opened_log(settings):
        return


def _state_of(settings: Settings) -> str:
    """Open the registry as a start does, and return what its rollback guard says."""
    from registry.bootstrap import open_registry

    registry = open_registry(settings)
    try:
        return registry.log.guard.state
    finally:
        _close(registry)


def _close(registry: Registry) -> None:
    """Close a registry that was opened and not started."""
    registry.witnessing.publisher.stop()
    registry.database.close()
