"""`bonafides gateway …`: bearer keys of gateways and operators.

The database belongs to one process: where the server is stopped, its data folder is opened; where it runs, it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.local import Data, local_database
from registry.cli.options import KeyFile, Url, as_operator
from registry.cli.output import Json, Output, make_table
from registry.errors import NotFoundError

app = typer.Typer(no_args_is_help=True, help="Give and take away the keys of gateways.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9 and hyphens.")]


class CallerNotFoundError(NotFoundError):
    """No caller of that name has a key."""

    code = "caller_not_found"
    title = "No such gateway"


@app.command()
def add(
    name: Name,
    operator: Annotated[bool, typer.Option("--operator", help="The key may do what the operator may.")] = False,
    data: Data = None,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Make a bearer key and print it, this once; the registry keeps its digest only.

    Example: bonafides gateway add checkout
    """
    role = "operator" if operator else "gateway"
    with _local_store(url, data) as store:
        key = (
            as_operator(url, key_file, data=data).add_gateway(name, role=role)
            if store is None
            else _add(store, name, role)
        )
    output = Output(as_json=as_json)

    def tell() -> None:
        output.print(key)
        output.hint(f"The key of {name} ({role}). It is shown this once: Authorization: Bearer …")

    output.result({"name": name, "role": role, "key": key}, tell)


@app.command()
def remove(name: Name, data: Data = None, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """Remove a caller: its key is refused from now on.

    Example: bonafides gateway remove checkout
    """
    with _local_store(url, data) as store:
        if store is None:
            as_operator(url, key_file, data=data).remove_gateway(name)
        elif not store.remove(name):
            raise CallerNotFoundError
    output = Output(as_json=as_json)
    output.result({"removed": name}, lambda: output.print(f"{name} is removed"))


@app.command("list")
def list_gateways(data: Data = None, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """List who has a key.

    Example: bonafides gateway list
    """
    with _local_store(url, data) as store:
        if store is None:
            callers = [(one["name"], one["role"]) for one in as_operator(url, key_file, data=data).gateways()]
        else:
            callers = sorted(store.load().values())
    output = Output(as_json=as_json)

    def tell() -> None:
        table = make_table("name", "role")
        for name, role in callers:
            table.add_row(name, role)
        output.print(table)

    output.result({"gateways": [{"name": name, "role": role} for name, role in callers]}, tell)


@contextmanager
def _local_store(url: str | None, data: Path | None) -> Iterator[Any]:
    """Give the store of the local data folder, or None where a server is to be asked."""
    with local_database(url, data) as database:
        if database is None:
            yield None
            return
        from registry.storage.gateway import GatewayStore  # only where the server is installed is there a folder

        yield GatewayStore(database)


def _add(store: Any, name: str, role: str) -> str:
    from registry.adapters.system_clock import SystemClock
    from registry.bootstrap import new_bearer_key

    key, digest = new_bearer_key()
    store.add(name, role=role, key_digest=digest, now_ms=SystemClock().now_ms())
    return key


def register(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="gateway")
