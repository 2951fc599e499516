"""What `bonafides credential` tells of a credential: how verifying came out, or what the document says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import typer

from did_methods.errors import BonafidesError
from registry.cli.exits import ExitCode
from registry.cli.output import Output, no_table
from registry.credentials.presentation_verification import PresentationOutcome
from registry.credentials.secured import Kind, envelope_text
from registry.credentials.verification import Step, VerificationOutcome

_UNCHECKED: Final = {
    "json_ld_not_checked": "whether every term means something (install bonafides\\[credentials])",
    "credential_status_not_checked": "whether it was revoked or suspended (--url asks its registry)",
    "credential_schema_not_evaluated": "a schema that is not known here",
    "related_resource_not_evaluated": "the digest of a related resource that is not known here",
    "domain_not_checked": "whether it was made for you (--domain)",
    "subject_not_holder": "nothing; but a credential is about somebody else than who presents it",
}
_MAX_VALUE_CHARS: Final = 300


def report_outcome(output: Output, outcome: VerificationOutcome) -> None:
    """Tell how a credential came out; ends the command with 4 where it does not verify."""
    facts = _verdict(outcome.problems, outcome.steps, outcome.warnings)
    if outcome.credential is not None:
        facts |= {"issuer": outcome.credential.issuer, "type": list(outcome.credential.types)}
    _tell(output, facts, verified=outcome.verified)


def report_presentation(output: Output, outcome: PresentationOutcome) -> None:
    """Tell how a presentation came out; ends the command with 4 where it does not verify."""
    facts = _verdict(outcome.problems, outcome.steps, outcome.warnings)
    if outcome.presentation is not None:
        facts["holder"] = outcome.presentation.holder
    facts["credentials"] = [
        {"verified": one.verified, "problems": [problem.code for problem in one.problems]}
        for one in outcome.credentials
    ]
    _tell(output, facts, verified=outcome.verified)


def _verdict(problems: Sequence[BonafidesError], steps: Sequence[Step], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "verified": not problems,
        "problems": [{"code": one.code, "detail": one.detail} for one in problems],
        "checked": [step.name for step in steps],
        "warnings": list(warnings),
    }


def _tell(output: Output, facts: dict[str, Any], *, verified: bool) -> None:
    def tell() -> None:
        output.print("[bold green]verified[/]" if verified else "[bold red]does not verify[/]")
        table = no_table()
        for problem in facts["problems"]:
            table.add_row(problem["code"], problem["detail"])
        for name in ("issuer", "type", "holder", "checked"):
            if facts.get(name):
                value = facts[name]
                table.add_row(name, ", ".join(value) if isinstance(value, list) else str(value))
        for place, one in enumerate(facts.get("credentials", ()), start=1):
            table.add_row(f"credential {place}", "holds" if one["verified"] else ", ".join(one["problems"]))
        output.print(table)
        for code in facts["warnings"]:
            output.note(f"not checked: {_UNCHECKED.get(code, code)}")

    output.result(facts, tell)
    if not verified:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def explain(value: dict[str, Any] | str) -> dict[str, Any]:
    """Return what a document says of itself, by names for people; nothing is verified.

    Args:
        value: a credential or presentation, or an envelope.

    Raises:
        ParseError: the codes of envelopes.
    """
    document, secured_by = _opened(value)
    facts: dict[str, Any] = {
        "kind": _texts(document.get("type")),
        "id": document.get("id"),
        "issuer": _identifier(document.get("issuer")),
        "holder": _identifier(document.get("holder")),
        "subject": [_identifier(one) or "unnamed" for one in _listed(document.get("credentialSubject"))],
        "name": document.get("name"),
        "valid from": document.get("validFrom", document.get("issuanceDate")),
        "valid until": document.get("validUntil", document.get("expirationDate")),
        "status": [_status(one) for one in _listed(document.get("credentialStatus"))],
        "schema": [_identifier(one) for one in _listed(document.get("credentialSchema"))],
        "credentials": len(_listed(document.get("verifiableCredential"))) or None,
        "secured by": secured_by,
    }
    return {name: _short(found) for name, found in facts.items() if found not in (None, [], "")}


def _opened(value: dict[str, Any] | str) -> tuple[dict[str, Any], list[str]]:
    kinds: tuple[Kind, ...] = ("credential", "presentation")
    held = value if isinstance(value, str) else next((t for k in kinds if (t := envelope_text(value, kind=k))), None)
    if held is not None:
        from registry.credentials.jose import parse_jose

        jose = parse_jose(held)
        return jose.document, [f"JOSE, {jose.algorithm}, {jose.method_id}"]
    assert isinstance(value, dict), "a text was handled above"
    return value, [_proof(one) for one in _listed(value.get("proof"))] or ["nothing"]


def _proof(one: Any) -> str:
    if not isinstance(one, dict):
        return "something that is no proof"
    suite = one.get("cryptosuite", one.get("type"))
    return f"{suite}, {one.get('proofPurpose')}, {one.get('created', 'undated')}, {one.get('verificationMethod')}"


def _status(one: Any) -> str:
    if not isinstance(one, dict):
        return "something that is no status"
    return f"{one.get('statusPurpose', one.get('type'))} {one.get('statusListIndex', '')} in {one.get('statusListCredential', one.get('id'))}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: Any) -> list[str]:
    return [str(one) for one in _listed(value)]


def _identifier(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(one) for one in value]
    return (
        value[:_MAX_VALUE_CHARS]
        if isinstance(value, str)
        else value
        if isinstance(value, int)
        else str(value)[:_MAX_VALUE_CHARS]
    )
