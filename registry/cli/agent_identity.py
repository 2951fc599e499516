"""`bonafides agent rotate | upgrade | move | deactivate | recover | export | protect | instance …`: keep an identity.

Keys are made and used on this machine; what goes to the registry is the next signed entry of the agent's own DID log, or its
next passport.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from did_methods.canonical import canonicalize
from did_methods.timestamp import format_timestamp, parse_timestamp
from registry.cli.files import DocumentUnreadableError, read_document
from registry.cli.options import As, Did, Url, load_agent
from registry.cli.output import Json, Output, make_table, no_table
from registry.durable_file import write_durably
from registry.errors import ParseError

if TYPE_CHECKING:
    from registry.client.agent import Agent
    from registry.client.speaker import Receipt

instances = typer.Typer(
    no_args_is_help=True,
    help="Give instances of your agent keys of their own, and take them away.\n\n"
    "Example: bonafides agent instance add berlin-1 --as alice",
)

NextKeys = Annotated[
    Path | None,
    typer.Option("--next-keys", help="The file with the next keys.  \\[default: beside the key file]"),
]
NewPassphrase = Annotated[
    Path | None,
    typer.Option("--new-passphrase-file", help="Holds the new passphrase; without it you are asked."),
]


class ModelOptionError(ParseError):
    """A model is PROVIDER/NAME."""

    code = "model_option_invalid"
    title = "Write the model as PROVIDER/NAME"


def parse_model(text: str) -> dict[str, str]:
    """Return a model as passports name it.

    Raises:
        ModelOptionError: ``model_option_invalid``.
    """
    provider, _, name = text.partition("/")
    if not provider or not name:
        raise ModelOptionError
    return {"provider": provider, "name": name}


def rotate(
    keep_signing: Annotated[
        bool, typer.Option("--keep-signing", help="Only the keys of the DID's own log change.")
    ] = False,
    next_keys: NextKeys = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Replace the keys of your DID. A routine rotation: it costs no point.

    Example: bonafides agent rotate --as alice
    """
    agent = load_agent(as_name, url, next_keys=next_keys)
    _told(agent, agent.rotate(keep_signing=keep_signing), "keys replaced", as_json=as_json)


def move(
    to: Annotated[
        str, typer.Argument(metavar="URL", help="Where did.jsonl will lie, for example https://a.org/alice.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="A folder for the files to publish there.")] = None,
    next_keys: NextKeys = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Move your DID to another host or path; the old DID still resolves, and standing and history stay.

    Example: bonafides agent move https://agents.example.org/alice --out public --as alice
    """
    agent = load_agent(as_name, url, next_keys=next_keys)
    receipt = agent.move(to)
    written = _publish(agent, out)
    hint = (
        "Publish them there" if written else "bonafides agent export --files FOLDER writes the files to publish there"
    )
    _told(agent, receipt, f"the DID is now {agent.did}", as_json=as_json, files=written, hint=hint)


def deactivate(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    next_keys: NextKeys = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """End your DID, for good: nothing that it says counts from then on, and nobody can bring it back.

    Example: bonafides agent deactivate --as alice
    """
    agent = load_agent(as_name, url, next_keys=next_keys)
    if not yes:
        typer.confirm(f"End {agent.did} for ever?", abort=True, err=True)
    _told(agent, agent.deactivate(), "deactivated", as_json=as_json)


def recover(
    did: Did,
    next_keys: Annotated[Path, typer.Option("--next-keys", help="The file with the next keys that you kept.")],
    path: Annotated[
        Path | None, typer.Option("--file", help="The new key file.  \\[default: in the agents' folder]")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Take an identity back whose key file is lost, with its next keys alone.

    Example: bonafides agent recover did:webvh:Qm… --next-keys /media/usb/alice.next.json
    """
    from registry.cli.options import connect
    from registry.client.agent import Agent

    agent, receipt = Agent.recover(did, next_keys, path=path, url=connect(url).url)
    _told(agent, receipt, f"taken back; new key file {agent.key_file}", as_json=as_json)


def upgrade(
    code: Annotated[
        Path | None, typer.Option("--code", exists=True, dir_okay=False, help="What runs now: a file to be hashed.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="PROVIDER/NAME.")] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", help="DID of the owner, who has to counter-sign; implies --draft.")
    ] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Print the passport for the owner to counter-sign; log nothing.")
    ] = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Announce new code or a new model: your passport anew, with what changed. An announced upgrade costs no point.

    Example: bonafides agent upgrade --code agent.py --model acme/m2 --as alice
    """
    changed: dict[str, Any] = {
        "code_digest": None if code is None else hashlib.sha256(code.read_bytes()).digest(),
        "model": None if model is None else parse_model(model),
    }
    agent = load_agent(as_name, url)
    if draft or owner is not None:
        typer.echo(canonicalize(agent.draft_upgrade(**changed, owner=owner)).decode())
        return
    if code is None and model is None:
        raise typer.BadParameter("say what is new: --code, --model or --owner")
    _told(agent, agent.upgrade(**changed), "passport renewed", as_json=as_json)


def counter_sign(
    passport: Annotated[Path, typer.Argument(metavar="FILE", help="A draft; - is standard input.")],
    as_name: As = None,
) -> None:
    """Sign another agent's passport as its owner; prints it, and the agent submits it. Asks nobody.

    Example: bonafides agent counter-sign draft.json --as owner > signed.json
    """
    typer.echo(canonicalize(load_agent(as_name, None).counter_sign(read_document(passport))).decode())


def submit(
    document: Annotated[Path, typer.Argument(metavar="FILE", help="A signed statement; - is standard input.")],
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Log a statement that is signed already, for example a passport that its owner has counter-signed.

    Example: bonafides agent submit signed.json --as alice
    """
    agent = load_agent(as_name, url)
    _told(agent, agent.submit(read_document(document)), "logged", as_json=as_json)


def export(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a new file instead of the terminal.")] = None,
    files: Annotated[
        Path | None, typer.Option("--files", help="Instead: a folder for did.jsonl and what is published beside it.")
    ] = None,
    include_keys: Annotated[
        bool, typer.Option("--include-keys", help="Also the private keys, open; needs --out.")
    ] = False,
    as_name: As = None,
    url: Url = None,
) -> None:
    """Export what is your agent's: DID log, log entries, standing, acceptances, on demand its keys.

    Example: bonafides agent export --out alice.export.json --as alice
    """
    if include_keys and out is None:
        raise typer.BadParameter("private keys go to a file that you name, never to a terminal: --out")
    agent = load_agent(as_name, url)
    if files is not None:
        _publish(agent, files)
        return
    data = canonicalize(agent.export(include_keys=include_keys)) + b"\n"
    if out is None:
        typer.echo(data.decode(), nl=False)
    else:
        _write_private(out, data)


def protect(
    unseal: Annotated[bool, typer.Option("--open", help="Take the passphrase away.")] = False,
    new_passphrase_file: NewPassphrase = None,
    as_name: As = None,
) -> None:
    """Seal your key files under a passphrase, change it, or take it away. Asks nobody.

    The one there is comes from $BONAFIDES_PASSPHRASE, $BONAFIDES_PASSPHRASE_FILE or the terminal.

    Example: bonafides agent protect --as alice
    """
    from registry.client.passphrase import choose_passphrase

    agent = load_agent(as_name, None)
    agent.protect(None if unseal else choose_passphrase(new_passphrase_file))
    Output(as_json=False).note("The key files are open." if unseal else "The key files are sealed.")


@instances.command("add")
def add_instance(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9 and hyphens.")],
    speaks: Annotated[
        bool, typer.Option("--speaks", help="It may issue statements in the agent's name, besides acting.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When its key ends, for example 2027-01-31T00:00:00Z.")
    ] = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Give an instance a key of its own: it acts as your agent, and can change nothing of it.

    Example: bonafides agent instance add berlin-1 --expires 2027-01-31T00:00:00Z --as alice
    """
    from registry.client.files import AgentFiles

    agent = load_agent(as_name, url)
    ends = None if expires is None else parse_timestamp(expires)
    _ring, receipt = agent.add_instance(name, speaks=speaks, expires_ms=ends)
    assert agent.key_file is not None  # a change without files is refused
    key_file = str(AgentFiles(Path(agent.key_file)).instance_keys(name))
    _told(agent, receipt, f"{name} has a key of its own", as_json=as_json, key_file=key_file)


@instances.command("remove")
def remove_instance(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Take an instance's key away, at once and for good.

    Example: bonafides agent instance remove berlin-1 --as alice
    """
    agent = load_agent(as_name, url)
    _told(agent, agent.remove_instance(name), f"{name} is no instance any more", as_json=as_json)


@instances.command("list")
def list_instances(as_name: As = None, url: Url = None, as_json: Json = False) -> None:
    """List your agent's instances as its newest document names them.

    Example: bonafides agent instance list --as alice
    """
    found = load_agent(as_name, url).instances()
    output = Output(as_json=as_json)

    def tell() -> None:
        table = make_table("name", "may", "ends", "key")
        for one in found:
            ends = "never" if one.expires_ms is None else format_timestamp(one.expires_ms)
            table.add_row(one.name, "act and speak" if one.speaks else "act", ends, one.method_id)
        output.print(table)

    rows = [{"name": one.name, "id": one.method_id, "speaks": one.speaks, "expires": one.expires_ms} for one in found]
    output.result({"instances": rows}, tell)


def _told(
    agent: Agent,
    receipt: Receipt,
    what: str,
    *,
    as_json: bool,
    key_file: str | None = None,
    files: list[str] | None = None,
    hint: str | None = None,
) -> None:
    output = Output(as_json=as_json)
    facts: dict[str, Any] = {"did": agent.did, "event": receipt.event, "index": receipt.index}
    more: Mapping[str, Any] = {"keyFile": key_file, "files": files}
    facts.update((name, value) for name, value in more.items() if value is not None)

    def tell() -> None:
        table = no_table()
        table.add_row("done", what)
        table.add_row("log entry", str(receipt.index))
        if key_file is not None:
            table.add_row("key file", key_file)
        for one in files or ():
            table.add_row("file", one)
        output.print(table)
        if hint is not None:
            output.note(hint)

    output.result(facts, tell)


def _publish(agent: Agent, folder: Path | None) -> list[str] | None:
    """Write the files of the DID for its host; None where no folder was named."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        # The log goes last: whoever reads it must find the witnesses' proofs there already.
        for name, data in sorted(agent.publishable().items(), key=lambda one: one[0] == "did.jsonl"):
            (folder / name).write_bytes(data)
            written.append(str(folder / name))
    except OSError as error:
        raise DocumentUnreadableError(f"{folder}: {error.strerror}") from error
    return written


def _write_private(path: Path, data: bytes) -> None:
    try:
        write_durably(path, data, replace=False)
    except OSError as error:
        raise DocumentUnreadableError(f"{path}: {error.strerror}") from error


def attach(group: typer.Typer) -> None:
    """Add these commands to the group `agent`."""
    for command in (rotate, upgrade, move, deactivate, recover, export, protect, counter_sign, submit):
        group.command(command.__name__.replace("counter_sign", "counter-sign"))(command)
    group.add_typer(instances, name="instance")
