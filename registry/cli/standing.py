"""`bonafides standing`: one agent's score with what made it, or the best and worst of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize
from did_methods.timestamp import format_timestamp
from registry.cli.options import Context, Url, connect, look_at, named_did
from registry.cli.output import Json, Output, make_table, no_table

_MICRO = 1_000_000


def standing(
    did: Annotated[
        str | None,
        typer.Argument(
            metavar="[DID]", parser=named_did, help="The agent (or the name of one of your own); without it, a ranking."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, max=100, help="The best N of all.")] = None,
    bottom: Annotated[int | None, typer.Option("--bottom", min=1, max=100, help="The worst N of all.")] = None,
    by: Annotated[str, typer.Option("--by", help="Order by score or by record.")] = "score",
    at: Annotated[
        str | None,
        typer.Option("--at", help="An instant from the last log entry on: 2026-12-24T12:00:00Z, or last."),
    ] = None,
    credential: Annotated[
        bool, typer.Option("--credential", help="Print the standing of now as a credential that the registry signs.")
    ] = False,
    context: Context = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show an agent's score and how it came about; or the best and worst agents.

    The score lives: it fades without fresh evidence. The record is the same without clocks. Instants before the last
    entry are recomputed by `bonafides audit --at`.

    Example: bonafides standing --top 20
    """
    from registry.client.transport import did_segment

    if by not in ("score", "record"):
        raise typer.BadParameter("score or record", param_hint="--by")
    output, transport = Output(as_json=as_json), connect(url)
    if credential:
        if did is None or at is not None or top is not None or bottom is not None:
            raise typer.BadParameter("give a DID and nothing but a context", param_hint="--credential")
        typer.echo(canonicalize(look_at(url).standing_credential(did, context=context)).decode())
        return
    if did is None:
        if top is None and bottom is None:
            top = 20
        ranking = transport.get("/v1/standings", top=top, bottom=bottom, by=by, at=at, context=context)
        output.result(ranking, lambda: _tell_ranking(output, ranking))
        return
    if top is not None or bottom is not None:
        raise typer.BadParameter("give a DID, or --top and --bottom")
    path = f"/v1/agents/{did_segment(did)}"
    found = transport.get(f"{path}/standing", context=context, at=at)
    spoken = transport.get(f"{path}/vouches")
    output.result(found | {"statements": spoken["statements"]}, lambda: _tell_one(output, found, spoken["statements"]))


def _tell_ranking(output: Output, ranking: Mapping[str, Any]) -> None:
    when = format_timestamp(ranking["asOf"])
    output.print(f"{ranking['agents']} agents, by {ranking['by']}, at {when}, log size {ranking['treeSize']}")
    for name in ("top", "bottom"):
        if ranking[name]:
            columns = ("place", "score", "record", "vouches", "reports")
            table = make_table(*columns, "state", "DID", right=columns)
            for one in ranking[name]:
                table.add_row(
                    str(one["place"]),
                    _points(one["scoreMicros"]),
                    _points(one["recordMicros"]),
                    str(one["vouches"]),
                    str(one["reports"]),
                    one["state"],
                    one["did"],
                )
            output.print(f"[bold]{name}[/]")
            output.print(table)


def _tell_one(output: Output, found: Mapping[str, Any], spoken: Sequence[Mapping[str, Any]]) -> None:
    factors = found["factors"]
    table = no_table()
    table.add_row("DID", found["did"])
    table.add_row("state", found["state"])
    table.add_row("score", f"[bold]{found['score']:.2f}[/]" + (f" in {found['context']}" if found["context"] else ""))
    table.add_row("record", f"{found['record']:.2f} (the same without clocks)")
    table.add_row("as of", f"{format_timestamp(found['asOf'])}, log size {found['treeSize']}")
    output.print(table)
    steps = make_table("step", "value", "why", right=("value",))
    steps.add_row(
        "evidence",
        _points(factors["balance_micros"]),
        f"{factors['vouches']} vouches weigh {_points(factors['p_micros'])}, "
        f"{factors['reports']} reports {_points(factors['q_micros'])}, fresh {_points(factors['r_micros'])}",
    )
    steps.add_row("ceiling", _points(factors["ceiling_micros"]), f"{factors['tenure_days']} days of unbroken existence")
    steps.add_row("freshness", _points(factors["freshness_micros"]), "what silence leaves of the part above 25")
    steps.add_row("ratchet", _points(factors["cap_micros"]), "it rises by evidence only, never by the clock")
    output.print(steps)
    if spoken:
        said = make_table("kind", "from", "context", "entry", "weight", right=("entry", "weight"))
        for one in spoken:
            weight = "no voice" if one["weight"] is None else f"{one['weight']:.2f}"
            said.add_row(one["kind"], one["issuer"], one["context"] or "", str(one["index"]), weight)
        output.print(said)


def _points(micros: int) -> str:
    """Return a figure with two decimals, rounded down."""
    return f"{micros * 100 // _MICRO / 100:.2f}"


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command()(standing)
