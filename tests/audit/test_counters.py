"""Issuer counters in the audit: a statement that the log lacks leaves a gap, a number given twice shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base64url_encode, parse_json_object
from did_methods.data_integrity import event_id
from registry.audit.counter_watch import CounterWatch
from registry.audit.fold_file import dump_fold, load_fold
from registry.audit.log_audit import LogAudit
from registry.cli.main import run
from registry.client.agent import Agent
from registry.client.errors import AcceptanceError, CounterFileError, CounterPlaceError, RegistryUnreachableError
from registry.credentials.issue import issue_credential
from registry.credentials.model import parse_credential
from registry.errors import ParseError
from tests.support.client import Live, live
from tests.support.logs import ORIGIN, LogBuilder, key_actor
from tests.support.publication import wait_for

__all__ = ["live"]


def make_log() -> LogBuilder:
    """Open a log with two agents."""
    log = LogBuilder().open(key_actor("alice"))
    log.agent("alice")
    log.agent("bob")
    return log


def counted(log: LogBuilder, number: int, previous: str | None, *, name: str = "alice") -> dict[str, Any]:
    """Make a vouch with a number."""
    log.wait()
    other = key_actor("bob" if name == "alice" else "alice")
    return issue_credential(
        "vouch",
        signer=key_actor(name).signer,
        subject={"id": other.did, "strength": 50},
        uuid=log.uuid(),
        now_ms=log.now_ms,
        domain=ORIGIN,
        sequence={"number": number} | ({} if previous is None else {"previous": previous}),
    )


def series(log: LogBuilder, length: int) -> list[dict[str, Any]]:
    """Make an honest series, not logged yet."""
    made: list[dict[str, Any]] = []
    for number in range(1, length + 1):
        made.append(counted(log, number, base64url_encode(event_id(made[-1])) if made else None))
    return made


def codes(log: LogBuilder) -> list[tuple[str, str]]:
    """Audit a log; return codes and details of what concerns counters."""
    audit = LogAudit(ORIGIN, log.log_key)
    for data in log.entries:
        audit.take_all([data])
    audit.finish()
    audit.check_end(log.now_ms)
    assert audit.is_sound, audit.findings
    return [(one.code, one.detail) for one in audit.findings]


@given(kept=st.lists(st.booleans(), min_size=1, max_size=7), data=st.data())
def test_exactly_what_is_missing_shows(kept: list[bool], data: st.DataObject) -> None:
    """Of an honest series any part may be in the log, in any order: the gaps below the highest number are told."""
    log = make_log()
    some = [
        (number, one) for number, (one, keep) in enumerate(zip(series(log, len(kept)), kept, strict=True), 1) if keep
    ]
    for _, document in data.draw(st.permutations(some)):
        log.add(document, time_ms=log.now_ms)
    top = max((number for number, _ in some), default=0)
    missing = set(range(1, top)) - {number for number, _ in some}
    told: set[int] = set()
    for code, detail in codes(log):
        assert code == "counter_gap"
        numbers = [int(part) for part in detail.split() if part.isdigit()]
        told |= set(range(numbers[0], numbers[-1] + 1))
    assert told == missing


def test_a_number_given_twice_shows() -> None:
    """Two events with one number are the issuer's own equivocation; the log takes both."""
    log = make_log()
    first, second, third = series(log, 3)
    for document in (first, second, third, counted(log, 2, base64url_encode(event_id(first)))):
        log.add(document)
    assert codes(log) == [("counter_repeated", "number 2")]


def test_a_wrong_previous_shows() -> None:
    """Whoever numbers over a gap names an event that the log does not have; a filled gap must be the one named."""
    log = make_log()
    first, second, third = series(log, 3)
    log.add(first)
    log.add(counted(log, 2, base64url_encode(bytes(32))))
    assert codes(log) == [("counter_previous", "number 2")]
    log = make_log()
    first, second, third = series(log, 3)
    for document in (first, third, counted(log, 2, base64url_encode(event_id(first)))):
        log.add(document)
    assert codes(log) == [("counter_previous", "number 2")]
    assert event_id(second) != event_id(log.documents[-1])


def test_each_issuer_has_its_own(tmp_path: Path) -> None:
    """Numbers of one issuer say nothing of another's; a statement without a number counts nothing."""
    log = make_log()
    for document in series(log, 2):
        log.add(document)
    log.vouch(key_actor("alice"), key_actor("bob"))
    log.add(counted(log, 3, base64url_encode(bytes(32)), name="bob"))
    assert codes(log) == [("counter_gap", "numbers 1 to 2")]


def test_counters_go_on_with_the_fold() -> None:
    """What is missing is known to the next audit; what was told at the end is not told twice, and may be over."""
    log = make_log()
    first, second, third = series(log, 3)
    log.add(first)
    log.add(third)
    audit = LogAudit(ORIGIN, log.log_key)
    for data in log.entries:
        audit.take_all([data])
    audit.finish()
    audit.check_end(log.now_ms)
    assert [one.code for one in audit.findings] == ["counter_gap"]
    for more, left in (([], ["counter_gap"]), ([second], [])):
        again = LogAudit(ORIGIN, log.log_key)
        load_fold(dump_fold(audit), again)
        for document in more:
            again.take_all([log.add(document).data])
        again.finish()
        again.check_end(log.now_ms)
        assert [one.code for one in again.findings] == left


def test_a_counter_with_many_gaps_is_bounded() -> None:
    """An issuer cannot fill the auditor's memory with numbers that it leaves out."""
    watch = CounterWatch()
    log = make_log()
    from registry.audit import counter_watch

    before = counter_watch.MAX_GAPS
    try:
        counter_watch.MAX_GAPS = 2  # type: ignore[misc]
        for number in (3, 5, 7, 9):
            leaf = log.add(counted(log, number, base64url_encode(bytes(32))))
            assert watch.observe(leaf, log.state.draft()) == ()
    finally:
        counter_watch.MAX_GAPS = before  # type: ignore[misc]
    details = [one.detail for one in watch.end(log.state)]
    assert details == ["numbers 1 to 2", "number 4", "and 2 more gaps"]


@pytest.mark.parametrize(
    ("sequence", "code"),
    [
        ({"number": 0}, "sequence_invalid"),
        ({"number": True}, "sequence_invalid"),
        ({"number": 2, "previous": "short"}, "sequence_invalid"),
        ({"number": 1, "more": 1}, "sequence_invalid"),
        ({"previous": base64url_encode(bytes(32))}, "sequence_invalid"),
        ({"number": 2}, "sequence_previous_mismatch"),
        ({"number": 1, "previous": base64url_encode(bytes(32))}, "sequence_previous_mismatch"),
    ],
)
def test_the_form_is_checked_at_the_door(sequence: dict[str, Any], code: str) -> None:
    """A number from 1, and a previous event exactly from the second on; more nobody asks before it is logged."""
    log = make_log()
    with pytest.raises(ParseError) as refused:
        issue_credential(
            "vouch",
            signer=key_actor("alice").signer,
            subject={"id": key_actor("bob").did, "strength": 50},
            uuid=log.uuid(),
            now_ms=log.now_ms,
            domain=ORIGIN,
            sequence=sequence,
        )
    assert refused.value.code == code


def test_portable_and_operator_statements_are_not_counted() -> None:
    """Only log statements have a place in a series."""
    log = make_log()
    document = log.root_list_document([key_actor("alice").did])
    with pytest.raises(ParseError) as refused:
        parse_credential(document | {"sequence": {"number": 1}})
    assert refused.value.code == "member_unknown"


# ---------------------------------------------------------------- the client


def numbers(agent: Agent, live: Live) -> list[int]:
    """Return the numbers of an agent's statements in the log."""
    found = []
    for entry in live.world.registry.store.entries(0, live.world.size):
        event = parse_json_object(entry.data, max_depth=64)["event"]
        if event.get("issuer") == agent.did and "sequence" in event:
            found.append(event["sequence"]["number"])
    return found


def test_an_agent_counts(live: Live, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Numbers go on in another process; what is refused gives its number back; the audit finds nothing amiss."""
    agent, other = live.agent(), live.agent()
    agent.counted = True
    agent.vouch(other.did)
    with pytest.raises(Exception, match=r"\S") as refused:
        agent.vouch("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")
    assert refused.value.code == "registry_refused"  # type: ignore[attr-defined]
    again = Agent.load(str(agent.key_file), url=live.url)
    again.counted = True
    again.report(other.did)
    assert (
        run(["revoke", again.report(other.did).event, "--counted", "--as", str(agent.key_file), "--url", live.url]) == 0
    )
    assert numbers(agent, live) == [1, 2, 3, 4]
    capsys.readouterr()
    assert run(["audit", live.url, "--json", "--state", str(tmp_path)]) == 0
    assert "counter_" not in capsys.readouterr().out


def test_what_is_swallowed_leaves_a_gap(
    live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    """A registry that answers and does not log: the agent goes on, and the number that is missing is for all to see."""
    agent, other = live.agent(), live.agent()
    agent.counted = True
    agent.vouch(other.did)
    transport = agent.view().transport
    post = type(transport).post
    monkeypatch.setattr(type(transport), "post", lambda *_, **__: {"index": 7, "acceptance": {"none": "of it"}})
    for _ in range(2):  # sent again before the next one is numbered, and swallowed again
        with pytest.raises(AcceptanceError):
            agent.report(other.did)
    monkeypatch.setattr(type(transport), "post", lambda *_, **__: (_ for _ in ()).throw(RegistryUnreachableError("x")))
    with pytest.raises(RegistryUnreachableError):
        agent.report(other.did)
    monkeypatch.setattr(type(transport), "post", post)
    agent.vouch(other.did, context="payments")
    # What was only not answered was sent again; what was answered falsely is missing.
    assert numbers(agent, live) == [1, 3, 4]
    wait_for(lambda: live.world.registry.log.published_head.size == live.world.size)
    capsys.readouterr()
    assert run(["audit", live.url, "--json", "--state", str(tmp_path)]) == 0
    report = parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)
    assert [(one["code"], one["detail"], one["did"]) for one in report["findings"] if one.get("did") == agent.did] == [
        ("counter_gap", "number 2", agent.did)
    ]


def test_a_counter_needs_a_place_and_is_not_begun_again(live: Live) -> None:
    """Keys that lie in no file cannot count; a counter that cannot be read stops the agent rather than count twice."""
    root = live.root
    root.counted = True
    with pytest.raises(CounterPlaceError):
        root.vouch(live.agent().did)
    agent = live.agent()
    agent.counted = True
    agent.vouch(root.did)
    file = Path(str(agent.key_file)).with_suffix(".counter.json")
    assert file.stat().st_mode & 0o777 == 0o600
    for bad in (b"{}", b"", b'{"format":"bonafides/counter/1","number":-1,"event":""}'):
        file.write_bytes(bad)
        with pytest.raises(CounterFileError) as refused:
            agent.vouch(root.did)
        assert refused.value.code == "counter_file_malformed"
