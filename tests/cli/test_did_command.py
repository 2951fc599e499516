"""`bonafides did resolve-log`: a log at hand, offline, as a DID resolution result and an exit code."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from registry.cli import did as command
from registry.cli.main import run
from registry.client.errors import RegistryRefusedError
from registry.client.transport import Answer
from tests.support.webvh_cases import INVALID
from tests.support.webvh_resolution_cases import RESOLUTIONS, moved, three, witnessed_once
from tests.support.webvh_vectors import log_bytes

Capture = pytest.CaptureFixture[str]
FAR_FUTURE = {"no-such-time-after-now"}  # these ask by the clock of the test, which is not that of the command


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


class Asking:
    """Asks the command in this process."""

    def __init__(self, capture: Capture, patch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._patch = patch

    def raw(self, data: bytes, *options: str) -> tuple[int, str, str]:
        """Return the exit code and both outputs."""
        self._patch.setattr(sys, "stdin", _Stdin(data))
        code = run(["did", "resolve-log", *options])
        printed = self._capture.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    def __call__(self, *options: str, **members: Any) -> tuple[int, dict[str, Any]]:
        """Return the exit code that --check gives, and the result."""
        code, out, _err = self.raw(json.dumps(members).encode(), "--check", *options)
        result = parse_json_object(out.encode())
        assert result.keys() == {"didDocument", "didDocumentMetadata", "didResolutionMetadata"}
        return code, result


@pytest.fixture
def ask(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Give the command with standard input in memory."""
    return Asking(capsys, monkeypatch)


@pytest.mark.parametrize("reason", sorted(RESOLUTIONS.keys() - FAR_FUTURE))
def test_each_question_has_its_answer_and_exit_code(reason: str, ask: Asking) -> None:
    """0 for a version, 5 where there is none, 4 for every other refusal; a refusal has no document."""
    asked = RESOLUTIONS[reason]()
    members = {} if asked.witness is None else {"witness": asked.witness.decode()}
    code, result = ask(didUrl=asked.did_url, log=asked.writer.log.decode(), **members)
    if asked.error is None:
        assert code == 0
        assert result["didDocumentMetadata"]["versionNumber"] == asked.version
        assert (result["didDocument"] is None) == asked.withheld
        return
    keyword, reason_code = asked.error
    assert code == (5 if keyword == "NOT_FOUND" else 4)
    assert result["didDocument"] is None
    assert result["didResolutionMetadata"]["problemDetails"]["code"] == reason_code
    assert result["didResolutionMetadata"]["problemDetails"]["type"] == f"https://www.w3.org/ns/did#{keyword}"


def test_log_and_witness_may_be_lists(ask: Asking) -> None:
    """Entries and proofs as JSON are read like the texts of the files."""
    writer, file = witnessed_once()
    members = {"didUrl": f"{writer.did}?versionNumber=1", "log": writer.entries}
    assert ask(**members, witness=json.loads(file))[0] == 0
    assert ask(**members, witness=file.decode())[0] == 0
    for missing in ({}, {"witness": None}, {"witness": ""}, {"witness": []}):
        code, result = ask(**members, **missing)
        assert code == 4
        assert result["didResolutionMetadata"]["error"] == "invalidDid"


def test_the_old_name_of_a_moved_did_resolves(ask: Asking) -> None:
    """The result carries the document of the new name."""
    writer = moved()
    code, result = ask(didUrl=writer.did, log=writer.log.decode())
    assert code == 0
    assert result["didDocument"]["alsoKnownAs"] == [writer.did]


@pytest.mark.parametrize("reason", ["entry-duplicate-member", "entry-duplicate-member-last", "proof-empty-list"])
def test_flawed_logs_are_refused(reason: str, ask: Asking) -> None:
    """What two readers could read differently, or nobody signed, gives no document."""
    code, result = ask(didUrl=three().did, log=log_bytes(INVALID[reason][1]()).decode())
    assert (code, result["didDocument"]) == (4, None)


def test_a_refusal_is_a_result_and_exits_with_zero_unless_checked(ask: Asking) -> None:
    """Who reads the result needs no exit code; scripts that do not, ask for one."""
    for members in ({"didUrl": three().did, "log": "{}"}, {"didUrl": three().did}):
        code, out, _err = ask.raw(json.dumps(members).encode())
        assert (code, parse_json_object(out.encode())["didDocument"]) == (0, None)
        assert ask(**members)[0] != 0


def test_no_log_is_not_found_and_an_empty_one_is_invalid(ask: Asking) -> None:
    """A file that is not there is not an empty file."""
    code, result = ask(didUrl=three().did)
    assert (code, result["didResolutionMetadata"]["error"]) == (5, "notFound")
    code, result = ask(didUrl=three().did, log="")
    assert (code, result["didResolutionMetadata"]["error"]) == (4, "invalidDid")


@pytest.mark.parametrize(
    "did_url",
    [
        "did:webvh:Qm0000000000000000000000000000000000000000000000:127.0.0.1#x",
        "did:webvh:QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p:127%2E0%2E0%2E1",
        "did:webvh:QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p:example.com:..:admin",
        "not a did",
    ],
)
def test_a_did_that_is_refused_by_syntax_is_an_invalid_did(did_url: str, ask: Asking) -> None:
    """Whatever follows it, the DID is what is wrong."""
    code, result = ask(didUrl=did_url, log=three().log.decode())
    assert (code, result["didResolutionMetadata"]["error"]) == (4, "invalidDid")


@pytest.mark.parametrize(
    "data",
    [
        b'{"log": ""}',
        b'{"didUrl": 1}',
        b'{"didUrl": "x", "log": 1}',
        b'{"didUrl": "x", "witness": {}}',
        b'{"other": 1}',
    ],
)
def test_other_members_are_wrong_usage(data: bytes, ask: Asking) -> None:
    """What is no question at all ends with 2 and its code, and prints no result."""
    code, out, err = ask.raw(data)
    assert (code, out) == (2, "")
    assert "[did_log_input_malformed]" in err


@pytest.mark.parametrize("data", [b"", b"[", b"\xff", b'{"didUrl": "x", "didUrl": "y"}', b"[]", b"[" * 10_000])
def test_input_that_is_no_json_object_is_refused_with_a_result(data: bytes, ask: Asking) -> None:
    """The reason stands in the result, by the code of the parser."""
    code, out, _err = ask.raw(data, "--check")
    result = parse_json_object(out.encode())
    assert (code, result["didDocument"]) == (4, None)
    assert result["didResolutionMetadata"]["problemDetails"]["code"].startswith("json_")


def test_input_without_end_is_not_read_to_its_end(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte over the cap is refused unread."""
    monkeypatch.setattr(command, "MAX_INPUT_BYTES", 1_000)
    code, _out, err = ask.raw(b" " * 1_001)
    assert code == 2
    assert "1000 bytes" in err


def test_it_runs_without_the_parts_of_a_server() -> None:
    """Checking a log needs the base distribution only: nothing of the extra is loaded, and no HTTP client."""
    script = (
        "import sys; from registry.cli.main import run; code = run(['did', 'resolve-log']);"
        "found = {'fastapi', 'sqlalchemy', 'uvicorn', 'numpy', 'cedarpy', 'httpx'} & set(sys.modules);"
        "print(sorted(found), file=sys.stderr); sys.exit(code)"
    )
    asked = json.dumps({"didUrl": three().did, "log": three().log.decode()}).encode()
    done = subprocess.run([sys.executable, "-c", script], input=asked, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, b"[]")
    assert parse_json_object(done.stdout)["didDocument"]["id"] == three().did


class _Registry:
    """A registry that answers every request with one body."""

    def __init__(self, body: dict[str, Any], status: int = 200) -> None:
        self._answer = Answer(status, json.dumps(body).encode())
        self.paths: list[str] = []

    def send(self, method: str, path: str) -> Answer:
        assert method == "GET"
        self.paths.append(path)
        return self._answer

    def get(self, path: str) -> dict[str, Any]:
        if self._answer.status >= 400:
            raise RegistryRefusedError("other_problem", "no", status=self._answer.status)
        return self._answer.to_object()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (None, 200, 0),
        ("notFound", 404, 5),
        ({"type": "https://www.w3.org/ns/did#NOT_FOUND"}, 404, 5),
        ("invalidDid", 400, 4),
        ({"type": "https://www.w3.org/ns/did#INVALID_DID"}, 400, 4),
        ({"type": "https://www.w3.org/ns/did#METHOD_NOT_SUPPORTED"}, 501, 4),
    ],
)
def test_a_registry_is_asked_and_its_result_printed(
    error: Any, status: int, code: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DID URL is one escaped segment; the result of either dialect is printed as it is, refusals included."""
    metadata = {} if error is None else {"error": error}
    result = {"didDocument": None, "didDocumentMetadata": {}, "didResolutionMetadata": metadata}
    registry = _Registry(result, status)
    monkeypatch.setattr(command, "connect", lambda _url: registry)
    assert run(["did", "resolve", "did:webvh:Qm:a.example%3A1?versionId=1-Q"]) == code
    assert parse_json_object(capsys.readouterr().out.encode()) == result
    assert registry.paths == ["/1.0/identifiers/did%3Awebvh%3AQm%3Aa.example%253A1%3FversionId%3D1-Q"]


def test_an_answer_that_is_no_result_is_an_error(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem document keeps the registry's code; a bare document is wrapped."""
    monkeypatch.setattr(command, "connect", lambda _url: _Registry({"title": "no"}, 429))
    assert run(["did", "resolve", "did:key:z"]) == 1
    assert "[other_problem]" in capsys.readouterr().err
    monkeypatch.setattr(command, "connect", lambda _url: _Registry({"id": "did:key:z"}))
    assert run(["did", "resolve", "did:key:z"]) == 0
    assert parse_json_object(capsys.readouterr().out.encode()) == {"didDocument": {"id": "did:key:z"}}
