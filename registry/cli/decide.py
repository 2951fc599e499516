"""`bonafides decide`: the gateway's question, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from registry.cli.exits import ExitCode
from registry.cli.files import read_document
from registry.cli.options import DEFAULT_URL, As, KeyFile, Url, bearer_key, json_option, load_agent, named_did
from registry.cli.output import Json, Output, no_table
from registry.client.decision import UNAVAILABLE, Decision
from registry.errors import ParseError


class WhoActsError(ParseError):
    """Either an agent's DID is given, or one of one's own agents acts and proves itself."""

    code = "acting_agent_option_invalid"
    title = "Say who acts: a DID, or --as one of your own agents"


def decide(
    action: Annotated[str, typer.Option("--action", help="For example payments.refund.")],
    resource: Annotated[str, typer.Option("--resource", help="type:id, for example invoice:42.")],
    agent: Annotated[
        str | None,
        typer.Argument(metavar="[DID]", parser=named_did, help="Who acts, if it does not prove itself here."),
    ] = None,
    as_name: As = None,
    parameters: Annotated[str | None, typer.Option("--parameters", help="JSON, bound by its digest.")] = None,
    presentation: Annotated[
        Path | None, typer.Option("--presentation", help="What the agent showed; - reads it.")
    ] = None,
    credential: Annotated[list[Path] | None, typer.Option("--credential", help="A capability; repeat it.")] = None,
    risk: Annotated[str | None, typer.Option("--risk", help="low to critical; raises the class only.")] = None,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Ask whether an agent may do an action now. Exits with 0 for allow, 1 for deny, 3 where nobody could decide.

    With --as, your agent proves itself for exactly this request.

    Example: bonafides decide --as alice --action payments.read --resource invoice:42
    """
    from registry.client.gateway import Gateway

    values = json_option(parameters, "--parameters")
    shown = [read_document(path) for path in credential or ()]
    proof = None if presentation is None else read_document(presentation)
    if agent is None:
        if proof is not None:
            raise WhoActsError
        own = load_agent(as_name, url)
        agent = own.did
        proof = own.present(action=action, resource=resource, parameters=values, credentials=shown)
        shown = []
        url = url or own.known_url
    gateway = Gateway(url or DEFAULT_URL, bearer_key(url, key_file))
    decision = gateway.decide(
        agent=agent,
        action=action,
        resource=resource,
        presentation=proof,
        parameters=values,
        capabilities=shown,
        risk=risk,
    )
    output = Output(as_json=as_json)
    raw: dict[str, Any] = dict(decision.raw) or {"decision": False, "context": {"reason": decision.reason}}
    output.result(raw, lambda: _tell(output, decision))
    if not decision.allowed:
        raise typer.Exit(
            ExitCode.UNREACHABLE if decision.reason == UNAVAILABLE and not decision.raw else ExitCode.REFUSED
        )


def _tell(output: Output, decision: Decision) -> None:
    verdict = "[bold green]allow[/]" if decision.allowed else "[bold red]deny[/]"
    output.print(f"{verdict}  {decision.reason}  {escape(decision.detail)}")
    table = no_table()
    if decision.score is not None:
        table.add_row("score", f"{decision.score:.2f} ({decision.band})")
        table.add_row("class", decision.risk)
    if len(decision.reasons) > 1:
        table.add_row("all reasons", ", ".join(decision.reasons))
    if decision.evaluation_id:
        table.add_row("record", f"{decision.evaluation_id}, log size {decision.tree_size}")
    output.print(table)


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command()(decide)
