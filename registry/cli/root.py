"""`bonafides root …`: the agents that voices come from. The operator root signs the list, here or on a machine offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from did_methods.canonical import canonicalize
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.cli.files import read_document
from registry.cli.options import Did, Url, connect, look_at
from registry.cli.output import Json, Output
from registry.credentials.issue_registry import issue_root_list
from registry.errors import ConflictError, NotFoundError

app = typer.Typer(no_args_is_help=True, help="Show and change the roots that voices come from.")

RootKey = Annotated[
    Path, typer.Option("--root-key", help="The operator root's key file; it signs here, and is not sent anywhere.")
]


class RootExistsError(ConflictError):
    """The agent is a root already."""

    code = "root_exists"
    title = "The agent is a root already"


class RootNotFoundError(NotFoundError):
    """The agent is no root."""

    code = "root_not_found"
    title = "The agent is no root"


@app.command("list")
def list_roots(url: Url = None, as_json: Json = False) -> None:
    """List the roots.

    Example: bonafides root list
    """
    found = connect(url).get("/v1/roots")
    output = Output(as_json=as_json)

    def tell() -> None:
        for did in found["roots"]:
            output.print(did)
        force = "in force" if found["inForce"] else "in force from the next epoch on (bonafides epoch)"
        output.note(f"list {found['number']}, log entry {found['index']}, {force}")

    output.result(found, tell)


@app.command()
def add(did: Did, root_key: RootKey, url: Url = None, as_json: Json = False) -> None:
    """Add a root: its voice is a full one of its own from the next epoch on.

    Example: bonafides root add did:webvh:Qm… --root-key /media/usb/operator-root.json
    """
    roots = _roots(url)
    if did in roots:
        raise RootExistsError
    _replace(url, root_key, [*roots, did], as_json)


@app.command()
def remove(did: Did, root_key: RootKey, url: Url = None, as_json: Json = False) -> None:
    """Remove a root, from the next epoch on.

    Example: bonafides root remove did:webvh:Qm… --root-key /media/usb/operator-root.json
    """
    roots = _roots(url)
    if did not in roots:
        raise RootNotFoundError
    _replace(url, root_key, [one for one in roots if one != did], as_json)


@app.command()
def sign(
    roots: Annotated[list[str], typer.Argument(metavar="DID…", help="The whole new list.")],
    root_key: RootKey,
    number: Annotated[int, typer.Option("--number", min=1, help="One more than `root list` shows.")],
    origin: Annotated[str, typer.Option("--origin", help="The log's name, as `log checkpoint` shows it.")],
    registry_did: Annotated[str, typer.Option("--registry-did", help="The registry's DID, from /log.json.")],
    out: Annotated[Path, typer.Option("--out", help="Where the signed list goes.")],
) -> None:
    """Sign a list on a machine that is offline; carry the file over and `root submit` it within ten minutes.

    Example: bonafides root sign did:webvh:Qm… --number 2 --origin … --registry-did … --root-key … --out roots.json
    """
    document = _signed(root_key, roots, number=number, origin=origin, registry_did=registry_did)
    out.write_bytes(canonicalize(document) + b"\n")


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="What `root sign` wrote.")], url: Url = None, as_json: Json = False
) -> None:
    """Submit a signed list.

    Example: bonafides root submit roots.json
    """
    _submit(url, read_document(file), as_json)


def _roots(url: str | None) -> list[str]:
    return [str(one) for one in connect(url).get("/v1/roots")["roots"]]


def _replace(url: str | None, root_key: Path, roots: Sequence[str], as_json: bool) -> None:
    view = look_at(url)
    identity = view.identity()
    number = int(view.transport.get("/v1/roots")["number"]) + 1
    document = _signed(root_key, roots, number=number, origin=identity.origin, registry_did=identity.registry_did)
    _submit(url, document, as_json)


def _signed(root_key: Path, roots: Sequence[str], *, number: int, origin: str, registry_did: str) -> dict[str, Any]:
    return issue_root_list(
        signer=load_key_ring(root_key).signer,
        registry_did=registry_did,
        number=number,
        roots=roots,
        uuid=str(uuid4()),
        now_ms=SystemClock().now_ms(),
        domain=origin,
    )


def _submit(url: str | None, document: Mapping[str, Any], as_json: bool) -> None:
    answer = connect(url).post("/v1/events", document)
    index = answer["acceptance"]["credentialSubject"]["accepted"][0]["index"]
    roots = document["credentialSubject"]["roots"]
    output = Output(as_json=as_json)
    output.result(
        {"index": index, "roots": roots},
        lambda: output.print(
            f"{len(roots)} roots, log entry {index}; in force from the next epoch on (bonafides epoch)"
        ),
    )


def register(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="root")
