"""`bonafides did …`: resolve a DID at a registry, or a did:webvh log that is at hand, offline."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.did import InvalidDidUrlError, parse_did_url
from did_methods.errors import DidError
from did_methods.method import ResolutionError, ResolutionResult, failed
from did_methods.resolver import Resolver
from did_methods.webvh import WebvhMethod, parse_webvh_did
from registry.adapters.system_clock import SystemClock
from registry.cli.exits import ExitCode
from registry.cli.options import Url, connect
from registry.errors import ParseError

app = typer.Typer(no_args_is_help=True, help="Resolve DIDs, at a registry or from a log at hand.")
MAX_INPUT_BYTES = 16_777_216
"""A log and a witness file of 5 MiB each, written as JSON text inside JSON."""
_MAX_NODES = 2_000_000
_MAX_DEPTH = 40  # an entry may be 32 levels deep, and lies in a list in an object
_MEMBERS = frozenset({"didUrl", "log", "witness"})
_NOT_FOUND = ResolutionError.NOT_FOUND


class LogInputError(ParseError):
    """Standard input does not hold one object with didUrl, log and, where there is one, witness."""

    code = "did_log_input_malformed"
    title = "Not a DID URL with its log"


@dataclass(frozen=True, slots=True)
class _Files:
    """What a host would serve, held in memory."""

    log: bytes | None
    witness: bytes | None

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        """Return the file that the URL ends with; whoever reads it checks its size."""
        _ = max_bytes
        return self.log if url.endswith("/did.jsonl") else self.witness


@app.command("resolve-log")
def resolve_log(
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 4 for a refusal, with 5 for what is not there.")
    ] = False,
) -> None:
    """Resolve a did:webvh DID URL against a log on standard input, offline; print a DID resolution result.

    Reads {"didUrl": "did:webvh:…?versionNumber=2", "log": "<did.jsonl>", "witness": "<did-witness.json>"}; log may be a
    list of entries, witness a list, and either may be left out. A refusal is a result too: didDocument is null and
    didResolutionMetadata says why; for scripts, --check makes it an exit code.

    Example: jq -n --arg d "$DID" --rawfile l did.jsonl '{didUrl: $d, log: $l}' | bonafides did resolve-log
    """
    data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise LogInputError(f"more than {MAX_INPUT_BYTES} bytes", limit=MAX_INPUT_BYTES)
    try:
        did_url, files = _parse_input(data)
        result = _resolve(did_url, files, now_ms=SystemClock().now_ms())
    except JsonError as error:  # two readings of the input would be two readings of the log in it
        result = failed(ResolutionError.INVALID_DID, error)
    _print(result.to_legacy_wire())
    if check and result.error is not None:
        raise typer.Exit(ExitCode.NOT_FOUND if result.error is _NOT_FOUND else ExitCode.NOT_VERIFIED)


@app.command("resolve")
def resolve(
    did_url: Annotated[str, typer.Argument(metavar="DID-URL", help="For example did:key:z6Mk…, or with ?versionId=…")],
    url: Url = None,
) -> None:
    """Resolve a DID URL at a registry; print its DID resolution result.

    A refusal is a result too; the exit code is 5 for a DID that is not there, 4 for any other refusal.

    Example: bonafides did resolve did:webvh:Qm… --url http://127.0.0.1:8000
    """
    from registry.client.transport import did_segment

    transport = connect(url)
    answer = transport.send("GET", f"/1.0/identifiers/{did_segment(did_url)}")
    result = answer.to_object()
    if "didResolutionMetadata" not in result:
        # A bare document, or a problem that is no result of a resolution: the transport knows its codes.
        result = {"didDocument": transport.get(f"/1.0/identifiers/{did_segment(did_url)}")}
    _print(result)
    keyword = _keyword(result)
    if keyword:
        raise typer.Exit(
            ExitCode.NOT_FOUND if keyword in {_NOT_FOUND.type_uri, _NOT_FOUND.legacy_name} else ExitCode.NOT_VERIFIED
        )


def _keyword(result: dict[str, Any]) -> str:
    """Return the error of a resolution result in either dialect; empty where there is none."""
    metadata = result.get("didResolutionMetadata")
    error = metadata.get("error") if isinstance(metadata, dict) else None
    return str(error.get("type")) if isinstance(error, dict) else str(error or "")


def _resolve(did_url: str, files: _Files, *, now_ms: int) -> ResolutionResult:
    try:
        # Before any look at the rest of the URL: a DID that is refused by its syntax is refused for that.
        parse_webvh_did(parse_did_url(did_url).did.text)
    except InvalidDidUrlError:
        pass  # the resolver tells a bad DID from a bad DID URL
    except DidError as error:
        return failed(ResolutionError.INVALID_DID, error)
    return Resolver({"webvh": WebvhMethod(files)}).resolve_url(did_url, now_ms=now_ms)


def _parse_input(data: bytes) -> tuple[str, _Files]:
    document = parse_json_object(data, max_bytes=MAX_INPUT_BYTES, max_nodes=_MAX_NODES, max_depth=_MAX_DEPTH)
    did_url, log, witness = document.get("didUrl"), document.get("log"), document.get("witness")
    if not isinstance(did_url, str) or not document.keys() <= _MEMBERS:
        raise LogInputError("members are didUrl, log and witness")
    lines: bytes | None
    match log:
        case str():
            lines = log.encode()
        case list():
            lines = b"".join(canonicalize(entry) + b"\n" for entry in log)
        case None:
            lines = None
        case _:
            raise LogInputError("log is the text of did.jsonl or the list of its entries")
    match witness:
        case str():
            proofs = witness.encode() if witness.strip() else None
        case list():
            proofs = canonicalize(witness)
        case None:
            proofs = None
        case _:
            raise LogInputError("witness is the text of did-witness.json or its list")
    return did_url, _Files(lines, proofs)


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(canonicalize(value).decode() + "\n")
    sys.stdout.flush()
