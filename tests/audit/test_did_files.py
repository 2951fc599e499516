"""A host that rewrites, cuts, forks, withholds or invents a file of a hosted DID is caught by the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json, parse_json_object
from did_methods.webvh import entry_line
from registry.audit.did_files import FileCheck, HostedLogs, ServedFiles
from registry.audit.finding import Finding
from registry.audit.report import AuditReport
from registry.cli.main import run
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.errors import RegistryError
from registry.history.replay import verify_leaf
from registry.history.state import LogState
from registry.services.audit import AuditPlan, RegistryAudit
from tests.audit.liar import FileLiar
from tests.support.actor import Actor
from tests.support.elsewhere import Elsewhere
from tests.support.hosting import append, approval, move, next_entry, twin, witness_did, witnessed
from tests.support.registry import World, open_world, serve

Change = Callable[[str, bytes], bytes | None]
FILES = 8  # the registry, the operator, alice, bob, carol at two places, dora, erin


@dataclass(slots=True)
class Hosts:
    """A registry with hosted agents of all fates, and the entry that a dishonest alice could have published instead."""

    world: World
    fork: bytes
    further: bytes

    def audit(self, change: Change = lambda _path, body: body, **plan: Any) -> AuditReport:
        """Audit the registry behind a host that serves other files."""
        with serve(FileLiar(self.world.app, change)) as url:  # type: ignore[arg-type]
            return audit(self.world, url, **plan)

    def lines(self, name: str) -> list[bytes]:
        """Return the lines of an agent's served log."""
        return self.world.web.get(f"/agents/{name}/did.jsonl").body.splitlines(keepends=True)

    def index(self, name: str, version: int) -> int:
        """Return where an entry of a hosted log stands."""
        entry = self.world.actors[name].entries[version - 1]
        index = self.world.index_of(entry)
        assert index is not None
        return index


def audit(world: World, url: str, **plan: Any) -> AuditReport:
    """Audit what is served at an address, without waiting for what does not come."""
    transport = Transport(url, tries=1)
    try:
        made = AuditPlan(**{"patience_s": 0, **plan})
        return RegistryAudit(LogReader(transport), made, now_ms=world.clock.now_ms).run()
    finally:
        transport.close()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Let six agents live: rotated, witnessed, moved here, moved away, deactivated, and one of another host."""
    with open_world(tmp_path_factory.mktemp("hosts")) as world:
        alice, carol, dora, erin = (world.agent(name) for name in ("alice", "carol", "dora", "erin"))
        bob = witnessed(world, "bob", "w1", "w2")
        world.actors = {"alice": alice, "bob": bob, "carol": carol, "dora": dora, "erin": erin}
        outside = Elsewhere(world)
        outside.agent(outside.web("frank"))
        for _ in range(2):
            world.clock.advance(2_000)
            assert append(world, alice.did, alice.rotate()).status == 201
            entry = next_entry(bob)
            body = {"entry": entry, "witness": approval(entry, "w1", now_ms=world.clock.now_ms())}
            assert append(world, bob.did, body).status == 201
        fork = entry_line(next_entry(twin(alice), ttl_s=7))
        assert append(world, carol.did, move(carol, "registry.localhost%3A8000:agents:caroline")).status == 201
        assert append(world, dora.did, move(dora, "agents.example.com:dora")).status == 201
        assert append(world, erin.did, erin.deactivate()).status == 201
        further = entry_line(next_entry(twin(alice)))
        assert append(world, alice.did, next_entry(alice)).status == 201
        world.registry.log.sign_if_grown()
        yield Hosts(world, fork, further)


def at(path: str, make: Callable[[bytes], bytes | None]) -> Change:
    """Change one file."""
    return lambda asked, body: make(body) if asked == path else body


def breaches(report: AuditReport) -> list[tuple[str, int | None]]:
    """Return code and entry of each breach."""
    return [(one.code, one.index) for one in report.findings if one.severity == "breach"]


# ---------------------------------------------------------------- honest hosts


def test_an_honest_host_is_clean(hosts: Hosts) -> None:
    """Every file of every hosted DID at every place; the one remark is about keys that the registry saw elsewhere."""
    report = hosts.audit()
    assert report.is_clean
    assert {one.code for one in report.findings} == {"registry_observed"}
    assert report.did_logs == FILES
    assert report.to_wire()["didLogs"] == FILES


def test_nothing_is_compared_where_nothing_is_asked_for(hosts: Hosts) -> None:
    """Without comparison, or for none, a liar's files are not looked at."""
    for plan in ({"compare": False}, {"did_logs": 0}, {"until_ms": 1}):
        assert hosts.audit(lambda path, body: None if "did" in path else body, **plan).did_logs == 0


def test_a_log_that_grows_meanwhile_is_no_breach(tmp_path: Path) -> None:
    """Files that go further than the log as read are held against the log as it is read on."""
    with open_world(tmp_path) as world:
        alice, bob = world.agent("alice"), witnessed(world, "bob")
        world.registry.log.sign_if_grown()
        asked: list[str] = []

        def grow(path: str, body: bytes) -> bytes:
            asked.append(path)
            if path == "/agents/alice/did.jsonl" and asked.count(path) == 1:
                world.clock.advance(2_000)
                for actor, names in ((alice, ()), (bob, ("w1",))):
                    _extend(world, actor, *names)
                world.registry.log.sign_if_grown()
                return world.registry.hosting.log_file("agents/alice").data
            return body

        with serve(FileLiar(world.app, grow)) as url:  # type: ignore[arg-type]
            report = audit(world, url)
        assert report.is_clean, report.findings
        assert report.folded == world.size


def _extend(world: World, actor: Actor, *witnesses: str) -> None:
    entry = next_entry(actor)
    body: dict[str, Any] = {"entry": entry}
    if witnesses:
        body["witness"] = approval(entry, *witnesses, now_ms=world.clock.now_ms())
    world.registry.hosting.append(actor.did, body, versions=None, now_ms=world.clock.now_ms())


def test_files_are_asked_for_afresh(hosts: Hosts) -> None:
    """A copy that a cache may keep for an hour must not look like a rewritten file."""
    asked: dict[str, bytes] = {}

    async def watch(scope: dict[str, Any], receive: Any, send: Any) -> None:
        asked[scope["path"]] = dict(scope["headers"]).get(b"cache-control", b"")
        await hosts.world.app(scope, receive, send)

    with serve(watch) as url:  # type: ignore[arg-type]
        audit(hosts.world, url)
    files = {path for path in asked if path.rpartition("/")[2] in ("did.jsonl", "did.json", "did-witness.json")}
    assert len(files) == 3 * FILES
    assert {asked[path] for path in files} == {b"no-cache"}


def test_a_host_that_cannot_answer_has_withheld_nothing(hosts: Hosts) -> None:
    """503 is trouble, not a lie: the audit ends without a verdict."""

    async def busy(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if not scope["path"].endswith("/did.jsonl"):
            await hosts.world.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serve(busy) as url, pytest.raises(RegistryError):  # type: ignore[arg-type]
        audit(hosts.world, url)


# ---------------------------------------------------------------- did.jsonl

ALICE = "/agents/alice/did.jsonl"


def _lies(hosts: Hosts) -> dict[str, tuple[Callable[[bytes], bytes | None], str, int | None]]:
    """Return, by name, what is served for alice's four entries, the code, and the version at fault."""
    lines = hosts.lines("alice")
    other = hosts.lines("erin")
    rekeyed = parse_json_object(lines[2])
    rekeyed["state"]["verificationMethod"][0]["publicKeyMultibase"] = witness_did("thief").removeprefix("did:key:")
    return {
        "a key changed": (
            lambda _: b"".join([*lines[:2], canonicalize(rekeyed) + b"\n", lines[3]]), "did_log_rewritten", 3
        ),
        "a fork, well signed": (lambda _: b"".join([*lines[:3], hosts.fork]), "did_log_rewritten", 4),
        "cut at the end": (lambda _: b"".join(lines[:2]), "did_log_shorter", 3),
        "cut to nothing": (lambda _: b"", "did_log_shorter", 1),
        "cut in a line": (lambda body: body[:-9], "did_log_rewritten", None),
        "no end of the last line": (lambda body: body[:-1], "did_log_rewritten", None),
        "cut at the beginning": (lambda _: b"".join(lines[1:]), "did_log_rewritten", 1),
        "one left out": (lambda _: b"".join([lines[0], *lines[2:]]), "did_log_rewritten", 2),
        "two swapped": (lambda _: b"".join([lines[0], lines[2], lines[1], lines[3]]), "did_log_rewritten", 2),
        "one repeated": (lambda body: body + lines[3], "did_log_rewritten", None),
        "one invented, well signed": (lambda body: body + hosts.further, "did_log_rewritten", None),
        "an empty line": (lambda body: body + b"\n", "did_log_rewritten", None),
        "carriage returns": (lambda body: body.replace(b"\n", b"\r\n"), "did_log_rewritten", 1),
        "other spaces": (lambda body: body.replace(b'"state":', b'"state": ', 1), "did_log_rewritten", 1),
        "another agent's": (lambda _: b"".join(other), "did_log_rewritten", 1),
        "no log at all": (lambda _: b"<html>\n", "did_log_rewritten", 1),
        "withheld": (lambda _: None, "did_log_missing", 1),
        "far too large": (lambda body: body + b" " * (17 << 20), "did_log_shorter", 1),
    }  # fmt: skip


LIES = (
    "a key changed", "a fork, well signed", "cut at the end", "cut to nothing", "cut in a line",
    "no end of the last line", "cut at the beginning", "one left out", "two swapped", "one repeated",
    "one invented, well signed", "an empty line", "carriage returns", "other spaces", "another agent's",
    "no log at all", "withheld", "far too large",
)  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_changed_log_is_caught_at_its_entry(hosts: Hosts, name: str) -> None:
    """Each lie about one did.jsonl is one breach, which names the agent and the first entry that does not fit."""
    make, code, version = _lies(hosts)[name]
    report = hosts.audit(at(ALICE, make))
    index = None if version is None else hosts.index("alice", version)
    assert breaches(report) == [(code, index)]
    found = next(one for one in report.findings if one.severity == "breach")
    assert found.did == hosts.world.actors["alice"].did
    assert "agents/alice" in found.detail


def test_every_lie_has_its_test(hosts: Hosts) -> None:
    """The two tables are the same."""
    assert set(_lies(hosts)) == set(LIES)


@pytest.mark.parametrize("path", ["/.well-known/did.jsonl", "/agents/carol/did.jsonl", "/agents/caroline/did.jsonl",
                                  "/agents/dora/did.jsonl", "/agents/erin/did.jsonl"])  # fmt: skip
def test_every_place_is_looked_at(hosts: Hosts, path: str) -> None:
    """The registry's own log, both places of a moved one, one that moved away, one that ended."""
    report = hosts.audit(at(path, lambda body: body[: body.rindex(b"\n", 0, -1) + 1] if body.count(b"\n") > 1 else b""))
    assert [code for code, _ in breaches(report)] == ["did_log_shorter"]


# ---------------------------------------------------------------- the files beside it


def _without_a_proof(body: bytes) -> bytes:
    return canonicalize(parse_json(body)[1:]) + b"\n"  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "make", "code"),
    [
        ("/agents/bob/did-witness.json", lambda _: None, "did_witness_rewritten"),
        ("/agents/bob/did-witness.json", lambda _: b"[]\n", "did_witness_rewritten"),
        ("/agents/bob/did-witness.json", _without_a_proof, "did_witness_rewritten"),
        ("/agents/bob/did-witness.json", lambda body: body.replace(b'"z', b'"u', 1), "did_witness_rewritten"),
        ("/agents/alice/did-witness.json", lambda _: b"[]\n", "did_witness_rewritten"),
        ("/agents/alice/did.json", lambda _: None, "did_document_rewritten"),
        ("/agents/alice/did.json", lambda body: body.replace(b"#key-1", b"#key-2"), "did_document_rewritten"),
        ("/agents/alice/did.json", lambda body: body + b"\n", "did_document_rewritten"),
        ("/agents/erin/did.json", lambda _: b"{}", "did_document_rewritten"),
        ("/agents/carol/did.json", lambda _: b"{}", "did_document_rewritten"),
        ("/agents/dora/did.json", lambda _: b"{}", "did_document_rewritten"),
        ("/.well-known/did.json", lambda _: b"{}", "did_document_rewritten"),
    ],
)
def test_changed_files_beside_the_log_are_caught(
    hosts: Hosts, path: str, make: Callable[[bytes], bytes | None], code: str
) -> None:
    """Proofs left out, changed or made up; documents changed, withheld, or served where there is none any more."""
    assert breaches(hosts.audit(at(path, make))) == [(code, None)]


def test_a_sample_says_so_and_is_not_foreseen(hosts: Hosts) -> None:
    """With more hosted DIDs than asked for, a host that lies everywhere is caught by any sample."""
    report = hosts.audit(did_logs=2)
    assert report.is_clean
    assert report.did_logs == 2
    assert ("did_files_sampled", str(FILES)) in {(one.code, one.expected) for one in report.findings}
    lied = hosts.audit(lambda path, body: b"" if path.endswith("did.jsonl") else body, did_logs=1)
    assert [code for code, _ in breaches(lied)] == ["did_log_shorter"]


def test_the_command_fails_and_names_it(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 4 and the finding, in JSON and in words; 0 for an honest host, and where nobody looks."""
    make, _, _ = _lies(hosts)["a fork, well signed"]
    with serve(FileLiar(hosts.world.app, at(ALICE, make))) as url:  # type: ignore[arg-type]
        assert run(["audit", url, "--no-state", "--json"]) == 4
        report = parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)
        assert report["firstAtFault"]["code"] == "did_log_rewritten"
        assert report["firstAtFault"]["index"] == hosts.index("alice", 4)
        assert run(["audit", url, "--no-state"]) == 4
        assert "did_log_rewritten" in capsys.readouterr().out
        assert run(["audit", url, "--no-state", "--did-logs", "0"]) == 0


# ---------------------------------------------------------------- laws


@pytest.fixture(scope="module")
def judged(hosts: Hosts) -> tuple[HostedLogs, LogState, dict[str, bytes]]:
    """Fold the log, and give bob's files."""
    logs, state = HostedLogs(), LogState()
    for record in hosts.world.registry.store.entries(0, 1 << 40):
        draft = state.draft()
        logs.take(verify_leaf(draft, record.data))
        draft.commit()
    names = ("did.jsonl", "did-witness.json", "did.json")
    return logs, state, {name: hosts.world.web.get(f"/agents/bob/{name}").body for name in names}


def _judge(judged: tuple[HostedLogs, LogState, dict[str, bytes]], did: str, **changed: bytes) -> Finding | None:
    logs, state, files = judged
    served = {"log": files["did.jsonl"], "witness": files["did-witness.json"], "document": files["did.json"]} | changed
    check = FileCheck(ServedFiles(did, "agents/bob", **served))
    check.begin(logs.logs[did], state)
    return check.end()


@given(data=st.data())
def test_any_changed_byte_is_a_breach(
    hosts: Hosts, judged: tuple[HostedLogs, LogState, dict[str, bytes]], data: st.DataObject
) -> None:
    """One byte changed, left out or put in, in any of the three files; and the files as they are, are none."""
    did = hosts.world.actors["bob"].entries[0]["state"]["id"]
    assert _judge(judged, did) is None
    name, member = data.draw(
        st.sampled_from([("did.jsonl", "log"), ("did-witness.json", "witness"), ("did.json", "document")])
    )
    true = judged[2][name]
    place = data.draw(st.integers(0, len(true) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    false = data.draw(
        st.sampled_from(
            [
                true[:place] + byte + true[place + 1 :],
                true[:place] + true[place + 1 :],
                true[:place] + byte + true[place:],
            ]
        )
    )
    found = _judge(judged, did, **{member: false})
    assert (found is None) == (false == true)


@given(data=st.data())
def test_any_beginning_of_a_log_is_a_breach(
    hosts: Hosts, judged: tuple[HostedLogs, LogState, dict[str, bytes]], data: st.DataObject
) -> None:
    """A log cut anywhere, between two entries or inside one."""
    true = judged[2]["did.jsonl"]
    cut = data.draw(st.integers(0, len(true) - 1))
    assert _judge(judged, hosts.world.actors["bob"].entries[0]["state"]["id"], log=true[:cut]) is not None
