"""The same bytes are sent again until they are answered; refusals carry the registry's code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from registry.client import RegistryRefusedError, RegistryUnreachableError
from registry.client.errors import RegistryAnswerError, RegistryUrlError
from registry.client.transport import MAX_ANSWER_BYTES, TRIES, Transport, did_segment
from tests.support.client import Live, hostile


def test_what_was_not_answered_is_sent_again() -> None:
    """A connection that breaks and a server that is busy get the same bytes once more."""
    answers = [None, (503, b""), (200, b'{"ok":true}')]
    with hostile(lambda number: answers[number]) as server:
        assert Transport(server.url).post("/v1/events", {"b": 1, "a": 2}) == {"ok": True}
    assert server.bodies == [b'{"a":2,"b":1}'] * 3


def test_the_tries_are_bounded() -> None:
    """After the last try the error says that nobody answered."""
    with hostile(lambda _: None) as server, pytest.raises(RegistryUnreachableError):
        Transport(server.url).post("/v1/events", {})
    assert len(server.bodies) == TRIES


def test_a_refusal_is_not_sent_again(live: Live) -> None:
    """What the registry refuses it refuses once, with its own code and status."""
    with pytest.raises(RegistryRefusedError) as caught:
        Transport(live.url).post("/v1/events", {"type": "nonsense"})
    assert (caught.value.problem_code, caught.value.status) == ("kind_unknown", 400)
    with hostile(lambda _: (400, b'{"code":"some_code","detail":"why"}')) as server:
        with pytest.raises(RegistryRefusedError) as caught:
            Transport(server.url).get("/x")
        assert (caught.value.problem_code, caught.value.detail) == ("some_code", "why")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a":1,"a":2}', b"{"])
def test_answers_that_are_no_object(body: bytes) -> None:
    """Another program at that address is told from a registry."""
    with hostile(lambda _: (200, body)) as server, pytest.raises(RegistryAnswerError):
        Transport(server.url).get("/log.json")


def test_an_answer_is_read_up_to_a_limit() -> None:
    """A server cannot fill a client's memory."""
    body = b" " * (MAX_ANSWER_BYTES + 1)
    with hostile(lambda _: (200, body)) as server, pytest.raises(RegistryAnswerError):
        Transport(server.url).get("/log.json")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[::1", "http://a:b", "x"])
def test_addresses_that_are_none(url: str) -> None:
    """A wrong URL is an error with a code, not a traceback."""
    with pytest.raises(RegistryUrlError):
        Transport(url)


def test_dids_in_paths_are_escaped_once(live: Live) -> None:
    """A did:webvh with a port keeps its own percent sign on the way."""
    agent = live.agent(method="webvh")
    assert Transport(live.url).get(f"/v1/agents/{did_segment(agent.did)}")["did"] == agent.did


def test_importing_the_client_is_light() -> None:
    """Neither the server's parts nor HTTP are loaded before they are needed."""
    heavy = ("fastapi", "sqlmodel", "numpy", "httpx", "rich", "typer", "uvicorn")
    program = f"import sys, registry.client; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
