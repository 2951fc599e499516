"""`bonafides vouch | report | revoke | grant`: what an agent says about another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize
from registry.cli.event_command import EventCommand
from registry.cli.options import As, Context, Counted, Did, Url, load_agent
from registry.cli.output import Json, short_did
from registry.cli.private import Disclosures, Private, kept_in, parse_private, tell_receipt


def vouch(
    did: Did,
    strength: Annotated[int, typer.Option("--strength", min=1, max=100, help="Recorded and shown.")] = 50,
    context: Context = None,
    private: Private = None,
    disclosures: Disclosures = None,
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Vouch for another agent: you stake your own standing on it. A newer vouch replaces the older.

    Example: bonafides vouch did:webvh:Qm… --strength 80 --context payments
    """
    agent = load_agent(as_name, url, counted=counted)
    hidden, share = parse_private(private, disclosures), disclosures is None
    with kept_in(disclosures) as keep:
        receipt = agent.vouch(did, strength=strength, context=context, private=hidden, share=share)
        keep(receipt)
    tell_receipt(as_json, receipt, f"{agent.name} vouches for {short_did(did)}")


def report(
    did: Did,
    severity: Annotated[int, typer.Option("--severity", min=1, max=100, help="Recorded and shown.")] = 50,
    category: Annotated[str | None, typer.Option("--category", help="What kind of wrong, a slug.")] = None,
    context: Context = None,
    private: Private = None,
    disclosures: Disclosures = None,
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Report that another agent did wrong. It counts at once, if you have a voice.

    Example: bonafides report did:webvh:Qm… --category fraud --private invoice=2026-117
    """
    agent = load_agent(as_name, url, counted=counted)
    hidden, share = parse_private(private, disclosures), disclosures is None
    said: dict[str, Any] = {"severity": severity, "category": category, "context": context}
    with kept_in(disclosures) as keep:
        receipt = agent.report(did, **said, private=hidden, share=share)
        keep(receipt)
    tell_receipt(as_json, receipt, f"{agent.name} reports {short_did(did)}")


def revoke(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event id that vouch or report printed.")],
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Take back what you said: a vouch, a report, a badge, an attestation, an open dispute.

    Example: bonafides revoke YDFrPoEqkhHahgYnzO9ES4kH9fUNUtbvHpGp2QOZ3Yw
    """
    agent = load_agent(as_name, url, counted=counted)
    tell_receipt(as_json, agent.revoke(event), f"{agent.name} takes back {event}")


def grant(
    did: Did,
    action: Annotated[list[str], typer.Option("--action", help="An action, may end in *; repeat it.")],
    resource: Annotated[list[str] | None, typer.Option("--resource", help="type:id, may end in *; repeat it.")] = None,
    context: Context = None,
    valid_s: Annotated[int, typer.Option("--valid", min=1, help="Seconds.")] = 3_600,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a file instead of the terminal.")] = None,
    as_name: As = None,
    url: Url = None,
) -> None:
    """Sign a capability for another agent, which presents it. It is not logged.

    Example: bonafides grant did:webvh:Qm… --action 'payments.refund' --resource 'invoice:*' --out refunds.json
    """
    document = load_agent(as_name, url).grant(
        did, actions=action, resources=resource or (), context=context, valid_s=valid_s
    )
    text = canonicalize(document).decode()
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n")


def register(app: typer.Typer) -> None:
    """Add these sub-commands."""
    for function in (vouch, report, revoke, grant):
        app.command(cls=EventCommand)(function)
