"""`bonafides delegate | affiliate | dispute | attest | record | receipt`: what agents grant, contest and record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode
from did_methods.codec_errors import CodecError
from registry.cli.event_command import EventCommand
from registry.cli.files import DocumentUnreadableError, read_document
from registry.cli.options import As, Context, Counted, Did, Url, json_option, load_agent, named_did
from registry.cli.output import Json, short_did
from registry.cli.private import Disclosures, Private, kept_in, parse_private, tell_receipt

Outcome = Literal["completed", "failed", "cancelled"]
_OUTCOMES, _APPRAISALS = ("completed", "failed", "cancelled"), ("affirming", "warning", "contraindicated")

Out = Annotated[Path | None, typer.Option("--out", help="Write it to a file instead of the terminal.")]
Record = Annotated[
    Path, typer.Option("--record", help="The file that both keep of what happened; its SHA-256 is signed.")
]
How = Annotated[str, typer.Option("--outcome", help="completed, failed or cancelled.")]


def delegate(
    did: Did,
    action: Annotated[list[str], typer.Option("--action", help="An action, may end in *; repeat it.")],
    resource: Annotated[list[str] | None, typer.Option("--resource", help="type:id, may end in *; repeat it.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="NAME=GREATEST, a whole number; repeat it.")
    ] = None,
    parent: Annotated[
        Path | None, typer.Option("--parent", help="The hop by which you got it; without it, it is yours.")
    ] = None,
    max_depth: Annotated[
        int | None, typer.Option("--max-depth", min=0, max=7, help="How deep the chain may become.")
    ] = None,
    context: Context = None,
    valid_s: Annotated[int, typer.Option("--valid", min=1, help="Seconds.")] = 3_600,
    out: Out = None,
    as_name: As = None,
    url: Url = None,
) -> None:
    """Sign a hop of a delegation: the other agent acts for you, within these bounds. It is not logged.

    Example: bonafides delegate did:webvh:Qm… --action 'payments.*' --limit amount-cents=5000 --out hop.json
    """
    document = load_agent(as_name, url).delegate(
        did,
        actions=action,
        resources=resource or (),
        limits=_limits(limit),
        parent=None if parent is None else read_document(parent),
        max_depth=max_depth,
        context=context,
        valid_s=valid_s,
    )
    _write(document, out)


def affiliate(
    did: Did,
    role: Annotated[str | None, typer.Option("--role", help="What the agent is at yours, a slug.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Part of the organisation, a slug.")] = None,
    valid_s: Annotated[int | None, typer.Option("--valid", min=1, help="Seconds.  \\[default: no end]")] = None,
    private: Private = None,
    disclosures: Disclosures = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Log that an agent is one of your organisation's own. `bonafides revoke EVENT` withdraws the badge and nothing else.

    Example: bonafides affiliate did:webvh:Qm… --role bookkeeper --as acme
    """
    agent, hidden = load_agent(as_name, url), parse_private(private, disclosures)
    with kept_in(disclosures) as keep:
        receipt = agent.affiliate(did, role=role, unit=unit, valid_s=valid_s, private=hidden, share=disclosures is None)
        keep(receipt)
    tell_receipt(as_json, receipt, f"{agent.name} gives its badge to {short_did(did)}")


def dispute(
    event: Annotated[str, typer.Argument(metavar="REPORT", help="The report's event id.")],
    ground: Annotated[str | None, typer.Option("--ground", help="Why, a slug.")] = None,
    private: Private = None,
    disclosures: Disclosures = None,
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Dispute a report about you. The registry may rule on it; no score counts that yet.

    Example: bonafides dispute YDFrPoEqkhHahgYnzO9ES4kH9fUNUtbvHpGp2QOZ3Yw --ground never-happened
    """
    agent, hidden = load_agent(as_name, url, counted=counted), parse_private(private, disclosures)
    with kept_in(disclosures) as keep:
        receipt = agent.dispute(event, ground=ground, private=hidden, share=disclosures is None)
        keep(receipt)
    tell_receipt(as_json, receipt, f"{agent.name} disputes {event}")


def attest(
    did: Annotated[
        str | None,
        typer.Argument(metavar="[DID]", parser=named_did, help="The agent that you looked at; without it, you."),
    ] = None,
    code: Annotated[Path | None, typer.Option("--code", help="The code, one file; its SHA-256 is signed.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="PROVIDER/NAME of the model.")] = None,
    runtime: Annotated[str | None, typer.Option("--runtime", help="A slug.")] = None,
    behaviour: Annotated[
        Path | None, typer.Option("--behaviour", help="A record of behaviour; its SHA-256 is signed.")
    ] = None,
    evidence: Annotated[Path | None, typer.Option("--evidence", help="What proves it; its SHA-256 is signed.")] = None,
    hardware: Annotated[bool, typer.Option("--hardware", help="The evidence is rooted in hardware.")] = False,
    nonce: Annotated[str | None, typer.Option("--nonce", help="What you were sent, base64url.")] = None,
    appraisal: Annotated[str | None, typer.Option("--appraisal", help="affirming, warning or contraindicated.")] = None,
    *,
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Prove afresh what you run, or what you found that another agent runs.

    Example: bonafides attest --code agent.pyz --model example/model-7b
    """
    from registry.credentials.issue_evidence import Measured

    agent = load_agent(as_name, url, counted=counted)
    provider, slash, name = (model or "").partition("/")
    if model is not None and not slash:
        raise typer.BadParameter("write PROVIDER/NAME", param_hint="--model")
    measured = Measured(
        code_digest=_digest(code),
        model={"provider": provider, "name": name} if slash else None,
        runtime=runtime,
        behaviour_digest=_digest(behaviour),
        evidence_digest=_digest(evidence),
    )
    receipt = agent.attest(
        measured,
        did=did,
        evidence_kind="hardware" if hardware else None,
        nonce=_nonce(nonce),
        appraisal=None if appraisal is None else cast("Any", _one_of(appraisal, _APPRAISALS, "--appraisal")),
    )
    tell_receipt(
        as_json, receipt, f"{agent.name} attests what {'it runs' if did is None else short_did(did) + ' runs'}"
    )


def record(
    action: Annotated[str, typer.Option("--action", help="What you did.")],
    resource: Annotated[str, typer.Option("--resource", help="type:id that you did it to.")],
    parameters: Annotated[str | None, typer.Option("--parameters", help="Its parameters, as JSON.")] = None,
    reasoning: Annotated[
        Path | None, typer.Option("--reasoning", help="A text file with your reasons; committed to.")
    ] = None,
    decision: Annotated[str | None, typer.Option("--decision", help="Evaluation id of the decision.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="completed, failed or cancelled.")] = None,
    named: Annotated[bool, typer.Option("--named", help="Name the action in public too.")] = False,
    private: Private = None,
    disclosures: Disclosures = None,
    *,
    counted: Counted = False,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Log what you did: a digest of the exact action, and a commitment to your reasons.

    Example: bonafides record --action payments.refund --resource invoice:42 --reasoning why.txt --disclosures why.json
    """
    agent = load_agent(as_name, url, counted=counted)
    hidden = parse_private(private, None if reasoning is not None else disclosures)
    done = None if outcome is None else cast("Outcome", _one_of(outcome, _OUTCOMES, "--outcome"))
    with kept_in(disclosures) as keep:
        receipt = agent.record_action(
            action,
            resource,
            parameters=json_option(parameters, "--parameters"),
            reasoning=None if reasoning is None else _bytes(reasoning).decode("utf-8", "backslashreplace"),
            decision=decision,
            outcome=done,
            named=named,
            private=hidden,
            share=disclosures is None,
        )
        keep(receipt)
    tell_receipt(as_json, receipt, f"{agent.name} recorded an action")


receipts = typer.Typer(no_args_is_help=True, help="Agree with another agent on what happened between you.")


@receipts.command()
def offer(
    did: Did,
    action: Annotated[str, typer.Option("--action", help="What was done.")],
    kept: Record,
    outcome: How = "completed",
    part: Annotated[str | None, typer.Option("--part", help="Yours: consumer or provider.")] = None,
    context: Context = None,
    out: Out = None,
    as_name: As = None,
    url: Url = None,
) -> None:
    """Sign your half of a receipt; give it to the other agent.

    Example: bonafides receipt offer did:webvh:Qm… --action translate --record job-17.json --out half.json
    """
    document = load_agent(as_name, url).offer_receipt(
        did,
        action=action,
        interaction_digest=hashlib.sha256(_bytes(kept)).digest(),
        outcome=cast("Outcome", _one_of(outcome, _OUTCOMES, "--outcome")),
        part=None if part is None else cast("Any", _one_of(part, ("consumer", "provider"), "--part")),
        context=context,
    )
    _write(document, out)


@receipts.command()
def accept(
    half: Annotated[Path, typer.Argument(help="What the other agent offered; - reads standard input.")],
    kept: Record,
    outcome: How = "completed",
    action: Annotated[
        str | None, typer.Option("--action", help="What was done; without it, what the offer says.")
    ] = None,
    as_name: As = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Sign the other half, if it says what you hold, and log the receipt.

    Example: bonafides receipt accept half.json --record job-17.json
    """
    agent = load_agent(as_name, url)
    document = agent.accept_receipt(
        read_document(half),
        interaction_digest=hashlib.sha256(_bytes(kept)).digest(),
        outcome=cast("Outcome", _one_of(outcome, _OUTCOMES, "--outcome")),
        action=action,
    )
    tell_receipt(as_json, agent.submit(document), f"{agent.name} and {short_did(str(document['issuer']))} agree")


def _one_of(text: str, words: Sequence[str], option: str) -> str:
    if text not in words:
        raise typer.BadParameter(" or ".join(words), param_hint=option)
    return text


def _limits(pairs: Sequence[str] | None) -> dict[str, int] | None:
    parts = [pair.partition("=") for pair in pairs or ()]
    if not all(value.isascii() and value.isdigit() and len(value) <= 15 for _, _, value in parts):  # noqa: PLR2004
        raise typer.BadParameter("write NAME=GREATEST", param_hint="--limit")
    return {name: int(value) for name, _, value in parts} or None


def _nonce(text: str | None) -> bytes | None:
    try:
        return None if text is None else base64url_decode(text, max_chars=86)
    except CodecError as error:
        raise typer.BadParameter("this is not base64url", param_hint="--nonce") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DocumentUnreadableError(f"{path}: {error.strerror}") from error


def _digest(path: Path | None) -> bytes | None:
    return None if path is None else hashlib.sha256(_bytes(path)).digest()


def _write(document: dict[str, Any], out: Path | None) -> None:
    text = canonicalize(document).decode()
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n")


def register(app: typer.Typer) -> None:
    """Add these sub-commands."""
    for function in (delegate, affiliate, dispute, attest, record):
        app.command(cls=EventCommand)(function)
    app.add_typer(receipts, name="receipt")
