"""What the README and the examples show was run, and runs."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.codec import parse_json, parse_json_object
from tests.support.client import Live

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "specs" / "examples").glob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
SHOWN = "http://127.0.0.1:8000"
TOLD = {
    "agent.py": r"did:webvh:\w+:registry\.localhost%3A8000:agents:[a-z2-7]{16} is log entry \d+ with score 25\.0",
    "credential.py": r"True \[.form., .proof., .issuer., .validity.\] \[.json_ld_not_checked.\]",
    "gateway.py": r"allow trust_ok 25\.0",
    "guard.py": r"not refunded: trust_below_threshold",
}


def _code(path: Path) -> str:
    """Return an example without its docstring."""
    return path.read_text("utf-8").partition('"""\n\n')[2]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(live: Live, path: Path) -> None:
    """Each example does against a real server what it says."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(_code(path).replace(SHOWN, live.url), path.name, "exec"), {})
    assert re.fullmatch(TOLD[path.name], told.getvalue().strip()), told.getvalue()


def test_every_example_is_told() -> None:
    """No example goes without a test of what it prints."""
    assert {path.name for path in EXAMPLES} == set(TOLD)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_readme_shows_the_examples(path: Path) -> None:
    """The README holds each example to the letter."""
    assert f"```python\n{_code(path)}```" in README


def _transcripts() -> list[tuple[str, dict[str, Any] | None, dict[str, Any]]]:
    """Return (address, body, answer) of every call of curl in the README."""
    found = re.findall(r"^\$ curl -s (\S+)((?:.|\n)*?)\n(\{(?:.|\n)*?\})\n(?:\n|```)", README, re.MULTILINE)
    calls = []
    for address, options, answer in found:
        body = re.search(r"-d '((?:.|\n)*)'", options)
        sent = None if body is None else parse_json_object(body.group(1).encode())
        calls.append((address, sent, parse_json_object(re.sub(r"\n", " ", answer).encode())))
    return calls


def _shape(value: Any) -> Any:
    """Return what does not depend on keys, times and counts."""
    if isinstance(value, dict):
        varying = {"did", "origin", "evaluation_id", "evaluated_at", "tree_size", "treeSize", "asOf", "last_counted_ms"}
        varying |= {"freshness_micros"}  # of an agent some seconds old; how many, depends on the machine
        return {name: _shape(item) for name, item in value.items() if name not in varying}
    return value


def test_the_transcripts_come_out_as_printed(live: Live) -> None:
    """The README's calls, made for a fresh agent, give the answers printed there."""
    calls = _transcripts()
    assert len(calls) == 4
    shown = re.search(r"did:key:z\w+", README)
    assert shown is not None
    agent = live.agent()
    for address, body, expected in calls:
        url = address.replace(SHOWN, live.url).replace(shown.group(), agent.did)
        if body is None:
            answer = httpx.get(url)
        else:
            body["subject"]["id"] = agent.did
            answer = httpx.post(url, json=body)
        assert answer.status_code == 200
        assert _shape(parse_json(answer.content)) == _shape(expected), address
