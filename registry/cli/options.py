"""Options that many commands share: which registry, which agent, which bearer key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from did_methods.codec import parse_json
from did_methods.codec_errors import JsonError
from registry.adapters.key_file import KeyFileUnreadableError

if TYPE_CHECKING:
    from registry.client.agent import Agent
    from registry.client.operator import Operator
    from registry.client.transport import Transport
    from registry.client.view import RegistryView


def named_did(text: str) -> str:
    """Return the DID that an argument names: a DID, or the name of one of your own agents."""
    if text.startswith("did:"):
        return text
    from registry.adapters.key_file import parse_key_owner, read_key_file
    from registry.client.files import list_key_files

    known = {path.stem: path for path in list_key_files()}
    if text not in known:
        names = ", ".join(known) or "none"
        raise typer.BadParameter(f"neither a DID nor the name of one of your agents ({names})")
    return parse_key_owner(read_key_file(known[text]))


Did = Annotated[
    str, typer.Argument(metavar="DID", parser=named_did, help="The agent: its DID, or the name of one of your own.")
]


def json_option(text: str | None, name: str) -> Any:
    """Return the value that an option gives as JSON; None where it was not given."""
    try:
        return None if text is None else parse_json(text.encode())
    except JsonError as error:
        raise typer.BadParameter(f"this is not JSON: {error.detail}", param_hint=name) from error


DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "BONAFIDES_KEY"
KEY_FILE_VARIABLE = "BONAFIDES_KEY_FILE"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Counted = Annotated[
    bool,
    typer.Option(
        "--counted", help="Number this statement, so that one which the log lacks leaves a gap for everybody."
    ),
]
Url = Annotated[
    str | None,
    typer.Option("--url", envvar="BONAFIDES_URL", help=f"The registry.  \\[default: {DEFAULT_URL}]", show_envvar=True),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="BONAFIDES_AGENT",
        help="Which agent you are: a name, or a key file.  \\[default: the only one there is]",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", envvar=KEY_FILE_VARIABLE, help="A file with your bearer key (never on the command line)."
    ),
]
Context = Annotated[str | None, typer.Option("--context", help="Capability domain, for example payments.")]


def load_agent(name: str | None, url: str | None, *, next_keys: Path | None = None, counted: bool = False) -> Agent:
    """Load the agent that a command acts as.

    Args:
        name: a name or a key file; None for the environment's, else the only one there is.
        url: its registry; None for the one remembered.
        next_keys: the file with the next keys; None for the one beside the key file, or the environment's.
        counted: whether it counts what it says in this command.

    Raises:
        BonafidesError: ``agent_key_missing`` and what a key file can break.
    """
    from registry.client.agent import KEY_FILE_VARIABLE as AGENT_FILE
    from registry.client.agent import KEY_VARIABLE as AGENT_KEY
    from registry.client.agent import Agent
    from registry.client.errors import AgentKeyMissingError
    from registry.client.files import agents_folder, list_key_files

    where: str | Path | None = name
    if where is None and not (os.environ.get(AGENT_KEY) or os.environ.get(AGENT_FILE)):
        found = list_key_files()
        if len(found) != 1:
            known = ", ".join(path.stem for path in found) or "none"
            raise AgentKeyMissingError(f"say which agent you are with --as; in {agents_folder()} there are: {known}")
        where = found[0]
    agent = Agent.load(where, url=url, next_keys=next_keys)
    agent.counted = counted
    return agent


def connect(url: str | None, *, key: str | None = None) -> Transport:
    """Return a transport to the registry that was asked for."""
    from registry.client.transport import Transport

    return Transport(url or DEFAULT_URL, key=key)


def look_at(url: str | None) -> RegistryView:
    """Return the registry that was asked for, for reading."""
    from registry.client.view import RegistryView

    return RegistryView(connect(url))


def bearer_key(
    url: str | None, key_file: Path | None, *, operator: bool = False, data: Path | None = None
) -> str | None:
    """Return the caller's bearer key: from the file given, the environment, or this machine's own registry.

    Args:
        url: where it will be sent; the key of this machine's registry is sent to this machine only.
        key_file: the file given.
        operator: look for ``keys/operator.key`` in the data folder too.
        data: the data folder, where a command was told.

    Raises:
        KeyFileUnreadableError: ``key_file_unreadable``.
    """
    if key_file is None and os.environ.get(KEY_VARIABLE):
        return os.environ[KEY_VARIABLE].strip()
    path = key_file
    if path is None and operator and urlsplit(url or DEFAULT_URL).hostname in _LOOPBACK:
        own = (data or Path(os.environ.get("BONAFIDES_DATA_DIR", ".bonafides"))) / "keys" / "operator.key"
        path = own if own.exists() else None
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except OSError as error:
        raise KeyFileUnreadableError(f"{path.name}: {error.strerror}") from error


def as_operator(url: str | None, key_file: Path | None, *, data: Path | None = None) -> Operator:
    """Return the operator's view of the registry.

    A key found in this folder's registry may belong to another one than that at the URL; one that runs with --dev
    needs none, so it is then asked without.

    Raises:
        BonafidesError: as `bearer_key`, and ``registry_unreachable``.
    """
    from registry.client.errors import RegistryRefusedError
    from registry.client.operator import Operator

    key = bearer_key(url, key_file, operator=True, data=data)
    operator = Operator(connect(url, key=key))
    if key is None or key_file is not None:
        return operator
    try:
        operator.gateways()
    except RegistryRefusedError as error:
        if error.problem_code != "bearer_key_required":
            raise
        return Operator(connect(url))
    return operator
