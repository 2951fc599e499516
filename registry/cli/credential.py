"""`bonafides credential …`: issue, verify, show and revoke credentials of any kind, in files or at a registry.

The kinds of this product have commands of their own; these are for everybody else's. What could not be checked is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize
from did_methods.errors import BonafidesError
from registry.cli.files import read_document, read_secured
from registry.cli.options import As, KeyFile, Url, as_operator, bearer_key, connect, load_agent, look_at
from registry.cli.output import Json, Output, no_table
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.errors import ParseError

app = typer.Typer(no_args_is_help=True, help="Issue, verify, show and revoke credentials of any kind.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The document; - reads standard input.")]
Documents = Annotated[
    list[Path] | None, typer.Option("--did-document", help="A DID document to be trusted as it is; repeat it.")
]


class StatusEntryMissingError(ParseError):
    """The credential names no status of that purpose, so nothing can be set."""

    code = "status_entry_missing"
    title = "The credential has no such status"


@app.command()
def issue(
    file: File,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="Proof suite, or vc+jwt; at a registry, the issuer.  \\[default: the key's own]"),
    ] = None,
    at_registry: Annotated[
        bool, typer.Option("--at-registry", help="Let the registry's issuer sign (operator).")
    ] = False,
    credential_id: Annotated[
        str | None, typer.Option("--credential-id", help="To set its status by, where it has no id.")
    ] = None,
    as_name: As = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Issue a credential: sign a JSON document with your own key, or have a registry's issuer sign it; prints it.

    An issuer that the document leaves out is put in: you, or the registry's issuer of the suite.

    Example: bonafides credential issue degree.json --as alice --suite eddsa-rdfc-2022
    """
    from registry.client.credential import CredentialDesk, issue_credential, issue_jwt

    document = read_document(file)
    if suite == "vc+jwt" and not at_registry:
        typer.echo(issue_jwt(document, load_agent(as_name, url)))
        return
    if not at_registry:
        with _processor() as json_ld:
            signed = issue_credential(document, load_agent(as_name, url), cryptosuite=suite, json_ld=json_ld)
    else:
        desk = CredentialDesk(connect(url, key=bearer_key(url, key_file, operator=True)))
        document = {"issuer": desk.issuers().get(suite or "eddsa-jcs-2022", ""), **document}
        signed = desk.issue(document, suite=suite, credential_id=credential_id)
    typer.echo(canonicalize(signed).decode())


@app.command()
def verify(
    file: File,
    proof_alone: Annotated[bool, typer.Option("--proof-alone", help="Judge the proof, nothing else.")] = False,
    challenge: Annotated[str | None, typer.Option("--challenge", help="Of a presentation: what you sent.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Of a presentation: your own.")] = None,
    did_document: Documents = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Verify a credential or presentation of anybody's making. Exits with 4 where it does not verify.

    Works offline for did:key and did:jwk, and with --did-document; --url asks a registry for other DIDs and for statuses.

    Example: bonafides credential verify degree.json --url http://127.0.0.1:8000
    """
    from registry.cli.credential_text import report_outcome, report_presentation
    from registry.client.credential import KnownKeys, verify_credential, verify_presentation

    value = read_secured(file)
    known = KnownKeys(_documents(did_document), None if url is None else look_at(url))
    output = Output(as_json=as_json)
    if not _is_presentation(value):
        with _processor() as json_ld:
            outcome = verify_credential(value, keys=known, proof_alone=proof_alone, json_ld=json_ld)
        report_outcome(output, outcome)
        return
    if challenge is None:
        raise typer.BadParameter("a presentation answers a challenge: name it", param_hint="--challenge")
    with _processor() as json_ld:
        shown = verify_presentation(value, challenge=challenge, domain=domain, keys=known, json_ld=json_ld)
    report_presentation(output, shown)


@app.command()
def show(file: File, as_json: Json = False) -> None:
    """Explain a credential: kind, issuer, subject, validity, status, proofs. Verifies nothing.

    Example: bonafides credential show degree.json
    """
    from registry.cli.credential_text import explain

    facts = explain(read_secured(file))
    output = Output(as_json=as_json)

    def tell() -> None:
        table = no_table()
        for name, value in facts.items():
            table.add_row(name, "\n".join(value) if isinstance(value, list) else str(value))
        output.print(table)
        output.note("Nothing was verified: this is what the document says of itself.")

    output.result({**facts, "verified": None}, tell)


@app.command()
def revoke(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The credential; - reads standard input.")
    ] = None,
    credential_id: Annotated[str | None, typer.Option("--credential-id", help="Or its id.")] = None,
    purpose: Annotated[str, typer.Option("--purpose", help="revocation, or suspension.")] = "revocation",
    undo: Annotated[bool, typer.Option("--undo", help="End a suspension; a revocation is for ever.")] = False,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Revoke or suspend a credential that the registry's status issuer issued (operator); in force at once.

    Example: bonafides credential revoke degree.json --url http://127.0.0.1:8000
    """
    entry: dict[str, Any] = {"type": "BitstringStatusListEntry", "statusPurpose": purpose}
    if file is not None:
        entry = _entry_of(read_document(file), purpose)
    elif credential_id is None:
        raise typer.BadParameter("give the credential, or --credential-id")
    told = as_operator(url, key_file).set_status(credential_id, entry, not undo)
    output = Output(as_json=as_json)
    words = {"revocation": ("not revoked", "revoked"), "suspension": ("not suspended", "suspended")}
    state = words.get(purpose, (f"without {purpose}", f"with {purpose}"))[not undo]
    output.result(told, lambda: output.print(f"the credential is [bold]{state}[/] from now on"))


def _entry_of(document: dict[str, Any], purpose: str) -> dict[str, Any]:
    listed = document.get("credentialStatus", [])
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict) and one.get("statusPurpose") == purpose:
            return one
    raise StatusEntryMissingError


def _is_presentation(value: dict[str, Any] | str) -> bool:
    if isinstance(value, str):
        from registry.credentials.jose import parse_jose

        try:
            return parse_jose(value).kind == "vp"
        except BonafidesError:
            return False  # whatever it is, verifying says why it is none
    types = value.get("type")
    listed = types if isinstance(types, list) else [types]
    return any(one in listed for one in ("VerifiablePresentation", "EnvelopedVerifiablePresentation"))


def _documents(paths: list[Path] | None) -> list[Any]:
    from did_methods.document import parse_did_document

    return [parse_did_document(read_document(path)) for path in paths or ()]


@contextmanager
def _processor() -> Iterator[JsonLdProcessor | None]:
    """Give the JSON-LD processor, in a child process that ends with this command; None where its parts are missing."""
    if find_spec("pyld") is None or find_spec("pyoxigraph") is None:
        yield None
        return
    from registry.adapters.json_ld_process import JsonLdProcess

    with JsonLdProcess() as process:
        yield process


def attach(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="credential")
