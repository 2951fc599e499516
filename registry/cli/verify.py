"""`bonafides verify FILE`: is this credential or presentation genuine, and is it about what it says?

A did:key needs nothing else. For a did:webvh the registry that hosts it is asked (its log verifies itself), or the log
is given in a file. What could not be checked is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.document import parse_did_document
from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from did_methods.webvh import resolved_document, verify_log
from registry.adapters.system_clock import SystemClock
from registry.cli.files import read_document
from registry.cli.options import Url, look_at
from registry.cli.output import Json, Output, no_table
from registry.credentials.key_lookup import BoundKey, DocumentKeyLookup, KeyLookup, SelfCertifyingLookup
from registry.credentials.model import parse_credential
from registry.credentials.presentation import CLOCK_SKEW_MS, parse_presentation, verify_presentation
from registry.credentials.verify import verify_credential


class _Keys:
    """did:key always; the DIDs of a registry or of log files where they were named."""

    def __init__(self, url: str | None, did_logs: list[Path], now_ms: int) -> None:
        states = [verify_log(path.read_bytes(), now_ms=now_ms) for path in did_logs]
        documents = {state.did: parse_did_document(resolved_document(state)) for state in states}
        self._known: KeyLookup = DocumentKeyLookup(documents)
        self._dids = frozenset(documents)
        self._view = None if url is None else look_at(url)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key of a verification method; see `KeyLookup.find_key`."""
        if verification_method.partition("#")[0] in self._dids:
            return self._known.find_key(verification_method, purpose)
        lookup: KeyLookup = SelfCertifyingLookup() if self._view is None else self._view
        return lookup.find_key(verification_method, purpose)

    def state_of(self, did: str) -> str | None:
        """Return what the registry says an agent's state is; None where it was not asked or does not know it."""
        from registry.client.transport import did_segment

        if self._view is None:
            return None
        try:
            return str(self._view.transport.get(f"/v1/agents/{did_segment(did)}/state")["state"])
        except BonafidesError:
            return None


def verify(
    file: Annotated[Path, typer.Argument(help="The document; - reads standard input.")],
    challenge: Annotated[str | None, typer.Option("--challenge", help="Of a presentation: what you sent.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Of a presentation: your own.")] = None,
    did_log: Annotated[list[Path] | None, typer.Option("--did-log", help="A did.jsonl to trust; repeat it.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Verify a credential or presentation: form, signatures, key bindings, validity. Exits with 4 where it fails.

    Works offline for did:key, and for did:webvh with --did-log; --url asks the registry that hosts the DIDs.

    Example: bonafides verify vouch.json --url http://127.0.0.1:8000
    """
    document = read_document(file)
    now_ms = SystemClock().now_ms()
    keys = _Keys(url, did_log or [], now_ms)
    types = document.get("type")
    if isinstance(types, list) and "VerifiablePresentation" in types:
        facts, unchecked = _presentation(document, keys, now_ms, challenge=challenge, domain=domain)
    else:
        facts, unchecked = _credential(document, keys, now_ms)
    output = Output(as_json=as_json)

    def tell() -> None:
        output.print("[bold green]verified[/]")
        table = no_table()
        for name, value in facts.items():
            table.add_row(name, str(value))
        output.print(table)
        for one in unchecked:
            output.note(f"not checked: {one}")

    output.result({"verified": True, **facts, "notChecked": unchecked}, tell)


def _credential(document: dict[str, Any], keys: _Keys, now_ms: int) -> tuple[dict[str, Any], list[str]]:
    credential = parse_credential(document)
    verify_credential(credential, keys=keys, now_ms=now_ms, skew_ms=CLOCK_SKEW_MS)
    facts: dict[str, Any] = {
        "type": credential.kind.type,
        "issuer": credential.issuer,
        "subject": credential.subject_id or "none",
        "made": format_timestamp(credential.created_ms),
    }
    unchecked = []
    state = keys.state_of(credential.issuer)
    if state is not None:
        facts["issuer state"] = state
    else:
        unchecked.append("whether the issuer is an agent in good standing (--url asks its registry)")
    if credential.kind.logged:
        unchecked.append("whether it is in a log (bonafides log prove EVENT)")
    return facts, unchecked


def _presentation(
    document: dict[str, Any], keys: _Keys, now_ms: int, *, challenge: str | None, domain: str | None
) -> tuple[dict[str, Any], list[str]]:
    presentation = parse_presentation(document)
    named = presentation.proof.domain if isinstance(presentation.proof.domain, str) else ""
    unchecked = []
    if challenge is None:
        unchecked.append("whether it answers your challenge (--challenge): it may be a replay")
    if domain is None:
        unchecked.append("whether it was made for you (--domain)")
    verified = verify_presentation(
        presentation,
        keys=keys,
        now_ms=now_ms,
        domain=domain or named,
        challenge=challenge,
    )
    facts: dict[str, Any] = {
        "type": "VerifiablePresentation",
        "holder": verified.holder,
        "domain": named,
        "credentials that hold": len(verified.credentials),
        "credentials that do not": ", ".join(one.error.code for one in verified.refused) or 0,
    }
    state = keys.state_of(verified.holder)
    if state is not None:
        facts["holder state"] = state
    return facts, unchecked


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command()(verify)
