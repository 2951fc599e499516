"""`bonafides agent …`: make an identity, register it, look at agents; for the operator: suspend, release, revoke.

What keeps an identity (rotate, move, recover, …) is in `registry/cli/agent_identity.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from did_methods.canonical import canonicalize
from did_methods.timestamp import format_timestamp
from registry.cli import agent_identity, agent_state
from registry.cli.agent_identity import NewPassphrase, parse_model
from registry.cli.options import As, Did, KeyFile, Url, as_operator, connect, json_option, load_agent, look_at
from registry.cli.output import Json, Output, make_table, no_table, short_did

app = typer.Typer(no_args_is_help=True, help="Create, register, keep and look at agents.")
PAGE = 100

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="a-z, 0-9 and hyphens; of your key file, and nobody else is told.")
]
Reason = Annotated[str, typer.Option("--reason", help="A slug, for example leaked-key.")]


@app.command()
def create(
    name: Name,
    url: Url = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="The registry's address in DIDs; then nothing is asked.")
    ] = None,
    public_name: Annotated[
        bool,
        typer.Option("--public-name", help="Let the DID end in NAME: public for ever.  \\[default: random letters]"),
    ] = False,
    method: Annotated[str, typer.Option("--method", help="webvh, or key for a short-lived agent.")] = "webvh",
    path: Annotated[
        Path | None, typer.Option("--file", help="The key file.  \\[default: in the agents' folder]")
    ] = None,
    protect: Annotated[bool, typer.Option("--protect", help="Seal the key files under a passphrase.")] = False,
    new_passphrase_file: NewPassphrase = None,
    register: Annotated[bool, typer.Option("--register", help="Register at once.")] = False,
    as_json: Json = False,
) -> None:
    """Make keys and, for did:webvh, the first entry of the DID. Nothing leaves this machine unless you register.

    Example: bonafides agent create alice --url http://127.0.0.1:8000 --register
    """
    from registry.client.agent import Agent
    from registry.client.files import agents_folder
    from registry.client.passphrase import choose_passphrase

    registry = url or (None if public_url else connect(None).url)
    passphrase = choose_passphrase(new_passphrase_file) if protect or new_passphrase_file else None
    made = Agent.create(
        name, registry, public_url=public_url, public_name=public_name, method=method, path=path, passphrase=passphrase
    )
    receipt = made.register(registry) if register else None
    key_file = str(path or agents_folder() / f"{name}.json")
    next_keys = made.next_keys_file
    facts = {"name": name, "did": made.did, "keyFile": key_file, "index": receipt.index if receipt else None}
    if next_keys:
        facts["nextKeysFile"] = next_keys
    output = Output(as_json=as_json)

    def tell() -> None:
        table = no_table()
        table.add_row("DID", made.did)
        table.add_row("key file", f"{key_file} (only you can read it; there is no other copy)")
        if next_keys:
            table.add_row("next keys", f"{next_keys} (changes and recovers the DID: keep it elsewhere, offline)")
        if receipt:
            table.add_row("registered", f"log entry {receipt.index}")
        output.print(table)
        if not receipt:
            output.note(f"Next: bonafides agent register {name}" + (f" --url {registry}" if registry else ""))

    output.result(facts, tell)


@app.command()
def register(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A name or a key file.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Register: challenge, signed presentation, publication. No account, no human step.

    Example: bonafides agent register alice --url http://127.0.0.1:8000
    """
    agent = load_agent(name, url)
    receipt = agent.register(url or (None if agent.known_url else connect(None).url))
    identity = agent.view().identity()
    output = Output(as_json=as_json)
    facts = {"did": agent.did, "index": receipt.index, "origin": identity.origin, "event": receipt.event}
    output.result(
        facts,
        lambda: output.print(
            f"registered as log entry {receipt.index} of {identity.origin}\n[bold]{agent.did}[/]\n"
            "The registry's signed acceptance was verified and kept beside the key file."
        ),
    )


@app.command()
def show(did: Did, url: Url = None, as_json: Json = False) -> None:
    """Show one agent: state, registration, passport, standing.

    Example: bonafides agent show did:webvh:Qm…
    """
    from registry.client.transport import did_segment

    transport = connect(url)
    found = transport.get(f"/v1/agents/{did_segment(did)}")
    standing = transport.get(f"/v1/agents/{did_segment(did)}/standing")
    output = Output(as_json=as_json)

    def tell() -> None:
        table = no_table()
        table.add_row("DID", str(found["did"]))
        table.add_row("state", str(found["state"]))
        table.add_row("score", f"{standing['score']:.2f} (record {standing['record']:.2f})")
        table.add_row(
            "registered", f"{format_timestamp(found['registeredTime'])}, log entry {found['registeredIndex']}"
        )
        table.add_row("passport", str(found["passport"] or "none"))
        output.print(table)

    output.result({"agent": found, "standing": standing}, tell)


@app.command("list")
def list_agents(
    url: Url = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most agents to list.")] = 1_000,
    as_json: Json = False,
) -> None:
    """List the registry's agents in the order of their registration.

    Example: bonafides agent list --limit 20
    """
    transport = connect(url)
    agents: list[Mapping[str, Any]] = []
    cursor: str | None = None
    while len(agents) < limit:
        page = transport.get("/v1/agents", after=cursor, limit=min(PAGE, limit - len(agents)))
        agents.extend(page["agents"])
        cursor = page.get("next")
        if cursor is None:
            break
    output = Output(as_json=as_json)

    def tell() -> None:
        table = make_table("entry", "state", "registered", "DID", right=("entry",))
        for one in agents:
            table.add_row(
                str(one["registeredIndex"]), one["state"], format_timestamp(one["registeredTime"]), one["did"]
            )
        output.print(table)
        if cursor is not None:
            output.note(f"There are more; --limit {limit * 10}")

    output.result({"agents": agents, "next": cursor}, tell)


@app.command()
def whoami(as_name: As = None, as_json: Json = False) -> None:
    """Show the identity that commands act as, and where its keys lie. Asks nobody.

    Example: bonafides agent whoami
    """
    agent = load_agent(as_name, None)
    facts = {"name": agent.name, "did": agent.did, "registry": agent.known_url, "keyFile": agent.key_file}
    output = Output(as_json=as_json)

    def tell() -> None:
        table = no_table()
        for label, value in facts.items():
            table.add_row(label, str(value or "none"))
        output.print(table)

    output.result(facts, tell)


@app.command()
def passport(
    purpose: Annotated[str, typer.Option("--purpose", help="A slug, for example bookkeeping.")],
    capability: Annotated[list[str], typer.Option("--capability", help="A slug; repeat it.")],
    code: Annotated[Path, typer.Option("--code", exists=True, dir_okay=False, help="What runs: a file to be hashed.")],
    model: Annotated[str, typer.Option("--model", help="PROVIDER/NAME.")],
    runtime: Annotated[str, typer.Option("--runtime", help="A slug, for example python.")] = "python",
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Log the passport: what the agent is for, and which code and model it runs.

    Example: bonafides agent passport --purpose bookkeeping --capability payments --code agent.py --model acme/m1
    """
    receipt = load_agent(as_name, url).passport(
        purpose=purpose,
        capabilities=capability,
        code_digest=hashlib.sha256(code.read_bytes()).digest(),
        model=parse_model(model),
        runtime=runtime,
    )
    output = Output(as_json=as_json)
    output.result(
        {"event": receipt.event, "index": receipt.index},
        lambda: output.print(f"passport is log entry {receipt.index}\nevent {receipt.event}"),
    )


@app.command()
def present(
    action: Annotated[str | None, typer.Option("--action", help="For one exact action.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="What on, as type:id.")] = None,
    parameters: Annotated[str | None, typer.Option("--parameters", help="The action's parameters, JSON.")] = None,
    challenge: Annotated[str | None, typer.Option("--challenge", help="Or in answer to a challenge.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="The verifier's domain.")] = None,
    credential: Annotated[list[Path] | None, typer.Option("--credential", help="A credential to show along.")] = None,
    as_name: As = None,
    url: Url = None,
) -> None:
    """Prove who you are, for one action or one challenge; prints the presentation.

    Example: bonafides agent present --action payments.read --resource invoice:42
    """
    from registry.cli.files import read_document

    document = load_agent(as_name, url).present(
        action=action,
        resource=resource,
        parameters=json_option(parameters, "--parameters"),
        challenge=challenge,
        domain=domain,
        credentials=[read_document(path) for path in credential or ()],
    )
    typer.echo(canonicalize(document).decode())


@app.command()
def quarantine(did: Did, reason: Reason, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """Suspend an agent at once (operator). Its voice is nothing from the next epoch on.

    Example: bonafides agent quarantine did:webvh:Qm… --reason leaked-key
    """
    as_operator(url, key_file).quarantine(did, reason=reason)
    _told(as_json, did, "suspended", reason)


@app.command()
def release(did: Did, reason: Reason, url: Url = None, key_file: KeyFile = None, as_json: Json = False) -> None:
    """End an agent's suspension (operator).

    Example: bonafides agent release did:webvh:Qm… --reason key-rotated
    """
    as_operator(url, key_file).release(did, reason=reason)
    _told(as_json, did, "active", reason)


@app.command()
def revoke(
    did: Did,
    reason: Reason,
    root_key: Annotated[
        Path, typer.Option("--root-key", help="The operator root's key file; it signs here, on this machine.")
    ],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Revoke an agent for ever: signed by the operator root, which may lie offline.

    Example: bonafides agent revoke did:webvh:Qm… --reason stolen --root-key /media/usb/operator-root.json
    """
    from registry.adapters.key_file import load_key_ring
    from registry.adapters.system_clock import SystemClock
    from registry.credentials.issue_registry import issue_agent_revocation

    view = look_at(url)
    document = issue_agent_revocation(
        signer=load_key_ring(root_key).signer,
        subject=did,
        reason=reason,
        uuid=str(uuid4()),
        now_ms=SystemClock().now_ms(),
        domain=view.identity().origin,
    )
    view.transport.post("/v1/events", document)
    _told(as_json, did, "revoked", reason)


def _told(as_json: bool, did: str, state: str, reason: str) -> None:
    output = Output(as_json=as_json)
    output.result(
        {"did": did, "state": state, "reason": reason},
        lambda: output.print(f"{short_did(did)} is [bold]{state}[/] ({reason})"),
    )


def attach(main: typer.Typer) -> None:
    """Add this group."""
    agent_identity.attach(app)
    agent_state.attach(app)
    main.add_typer(app, name="agent")
