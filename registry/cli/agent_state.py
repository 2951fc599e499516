"""`bonafides agent state | statement | age`: what the registry commits to about an agent, verified on this machine.

Nothing of an answer is believed that does not hash up to the checkpoints of both logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from did_methods.timestamp import format_timestamp
from registry.cli.event_command import EventCommand
from registry.cli.options import Did, Url, look_at
from registry.cli.output import Json, Output, make_table, no_table

if TYPE_CHECKING:
    from registry.client.state_proof import VerifiedState
    from registry.client.states import StateReader

Policy = Annotated[
    Path | None,
    typer.Option("--policy", help="A c2sp.org/tlog-policy file: a quorum must have cosigned both logs."),
]
MaxAge = Annotated[
    int | None,
    typer.Option("--max-age", min=1, help="Seconds since your witnesses saw the answer as the newest; needs --policy."),
]
StateKey = Annotated[
    str | None,
    typer.Option("--state-key", help="Verifier key of the state log.  \\[default: what the registry's DID says]"),
]


def state(
    did: Did,
    absent: Annotated[bool, typer.Option("--absent", help="Prove that the log holds nothing of this DID.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="Walk its whole chain too: these are all of its entries.")
    ] = False,
    policy: Policy = None,
    max_age: MaxAge = None,
    state_key: StateKey = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Prove an agent's state, its keys and how many entries it has; or that the log does not know it.

    Example: bonafides agent state alice --events
    """
    if absent and events:
        raise typer.BadParameter("what is absent has no entries", param_hint="--events")
    output, states = Output(as_json=as_json), _reader(url, policy, max_age, state_key)
    if absent:
        _tell_absent(output, did, states.absent(did), "the log holds nothing of")
        return
    found = states.agent(did)
    entries = states.all_entries(did) if events else ()
    record = dict(found.record or {})
    listed = [
        {"count": one.count, "index": one.index, "kind": one.leaf.kind, "time": one.leaf.time_ms} for one in entries
    ]
    result = {"did": did, "state": record, **_rests_on(found), **({"events": listed} if events else {})}

    def tell() -> None:
        output.print(_state_table(record, found))
        if events:
            table = make_table("number", "entry", "kind", "time", right=("number", "entry"))
            for one in entries:
                table.add_row(str(one.count), str(one.index), one.leaf.kind, format_timestamp(one.leaf.time_ms))
            output.print(table)
            output.note("these are all of its entries")

    output.result(result, tell)


def statement(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The id of a vouch, report, passport, badge …")],
    revoked: Annotated[bool, typer.Option("--revoked", help="Prove that it does not stand, or not any more.")] = False,
    policy: Policy = None,
    max_age: MaxAge = None,
    state_key: StateKey = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Prove that a statement is neither revoked nor replaced; or that it is.

    Example: bonafides agent statement Bq2cW… --url https://registry.example
    """
    from did_methods.codec import base64url_decode

    output, states = Output(as_json=as_json), _reader(url, policy, max_age, state_key)
    event_id = base64url_decode(event)
    if revoked:
        _tell_absent(output, event, states.ended_statement(event_id), "does not stand:")
        return
    found = states.standing_statement(event_id)
    record = dict(found.record or {})

    def tell() -> None:
        table = no_table()
        for name in ("kind", "issuer", "subject", "context"):
            table.add_row(name, str(record.get(name) or "-"))
        table.add_row("entry", str(record.get("index")))
        if record.get("dispute"):
            table.add_row("dispute", str(record["dispute"]["state"]))
        _add_origin(table, found)
        output.print(table)

    output.result({"event": event, "state": record, **_rests_on(found)}, tell)


def age(did: Did, policy: Policy = None, url: Url = None, as_json: Json = False) -> None:
    """Prove since when an agent is here: by an old checkpoint, and by who has cosigned that.

    Example: bonafides agent age alice --policy witnesses.policy
    """
    output = Output(as_json=as_json)
    found = _reader(url, policy, None, None).age(did)
    witnessed = None if found.witnessed_ms is None else format_timestamp(found.witnessed_ms)
    facts = {
        "did": found.did,
        "index": found.index,
        "registered": format_timestamp(found.registered_ms),
        "witnessed": witnessed,
        "treeSize": found.checkpoint.checkpoint.size,
    }

    def tell() -> None:
        table = no_table()
        table.add_row("DID", found.did)
        table.add_row("registered", f"{facts['registered']} (the registry's word), log entry {found.index}")
        table.add_row("witnessed", witnessed or "by nobody whom you trust")
        output.print(table)

    output.result(facts, tell)


def _reader(url: str | None, policy: Path | None, max_age: int | None, state_key: str | None) -> StateReader:
    from registry.adapters.system_clock import SystemClock
    from registry.cli.files import read_policy
    from registry.client.states import StateReader

    if max_age is not None and policy is None:
        raise typer.BadParameter("only witnesses know the time; give --policy", param_hint="--max-age")
    return StateReader(
        look_at(url),
        now_ms=SystemClock().now_ms(),
        policy=None if policy is None else read_policy(policy),
        state_key=state_key,
        max_age_ms=None if max_age is None else max_age * 1_000,
    )


def _rests_on(found: VerifiedState) -> dict[str, Any]:
    seen = None if found.seen_ms is None else format_timestamp(found.seen_ms)
    return {"treeSize": found.entry.size, "stateLogSize": found.state_checkpoint.checkpoint.size, "witnessed": seen}


def _add_origin(table: Any, found: VerifiedState) -> None:
    facts = _rests_on(found)
    seen = facts["witnessed"]
    table.add_row("as of", f"log size {facts['treeSize']}" + (f", witnessed {seen}" if seen else ", no witness asked"))


def _tell_absent(output: Output, subject: str, found: VerifiedState, what: str) -> None:
    def tell() -> None:
        output.print(f"{what} {subject}")
        output.note(f"as of log size {found.entry.size}")

    output.result({"subject": subject, "state": None, **_rests_on(found)}, tell)


def _state_table(record: Mapping[str, Any], found: VerifiedState) -> Any:
    table = no_table()
    table.add_row("DID", str(record["did"]))
    if record["name"] != record["did"]:
        table.add_row("name now", str(record["name"]))
    table.add_row("state", str(record["state"] or "not registered"))
    chain = record["chain"]
    table.add_row("entries", f"{chain['count']}, the newest is {chain['index']}")
    keys = record["keys"]
    if keys is None:
        table.add_row("keys", "the DID is its own key")
    else:
        for key in keys["list"]:
            table.add_row("key", f"{key['publicKeyMultibase']} ({', '.join(key['purposes'])}, {keys['source']})")
    _add_origin(table, found)
    return table


def attach(group: typer.Typer) -> None:
    """Add these commands to the group `agent`."""
    for command in (state, statement, age):
        group.command(cls=EventCommand)(command)
