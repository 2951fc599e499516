"""What the registry shows of an agent's own entries: the chain in the leaves decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from did_methods.codec import base64url_encode, parse_json
from registry.audit.chain import compare_chain
from tests.audit.conftest import Scene
from tests.audit.liar import Liar
from tests.support.logs import LogBuilder, key_actor
from tests.support.registry import serve

Page = dict[str, Any]


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    """A log in which alice stands in many entries."""
    log = LogBuilder().open(key_actor("alice"))
    for name in ("alice", "bob"):
        log.agent(name)
    for number in range(6):
        log.wait()
        log.vouch(key_actor("alice" if number % 2 else "bob"), key_actor("bob" if number % 2 else "alice"))
    return log


def page_of(log: LogBuilder, limit: int = 20) -> Page:
    """Return what an honest registry shows of alice."""
    did = key_actor("alice").did
    rows = [
        {
            "count": party.count,
            "index": leaf.index,
            "kind": leaf.kind,
            "time": leaf.time_ms,
            "event": base64url_encode(leaf.event_id),
            "leaf": parse_json(leaf.data, max_depth=64),
        }
        for leaf in reversed(log.leaves)
        for party in leaf.parties
        if party.did == did
    ]
    shown = rows[:limit]
    return {"did": did, "events": shown, "next": shown[-1]["count"] if len(rows) > limit else None}


def judged(log: LogBuilder, page: Page | None) -> str | None:
    """Return what is wrong with a page."""
    found = compare_chain(log.state, key_actor("alice").did, lambda _before: page)
    assert found is None or found.code == "chain_differs"
    return None if found is None else found.detail


def test_an_honest_page_agrees(log: LogBuilder) -> None:
    """The whole chain, or its newest part where more follows."""
    assert judged(log, page_of(log)) is None
    assert judged(log, page_of(log, limit=3)) is None


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda page: page["events"].pop(0), "count"),
        (lambda page: page["events"].pop(2), "count"),
        (lambda page: page["events"].pop(), "it ends early"),
        (lambda page: page["events"].reverse(), "count"),
        (lambda page: page["events"].insert(2, dict(page["events"][2])), "count"),
        (lambda page: page["events"].append(dict(page["events"][-1])), "more is shown"),
        (lambda page: page["events"][1].update(index=1), "index"),
        (lambda page: page["events"][1].update(kind="report"), "kind"),
        (lambda page: page["events"][1].update(time=1), "time"),
        (lambda page: page["events"][1].update(event="A" * 43), "event"),
        (lambda page: page["events"][1]["leaf"]["event"]["credentialSubject"].update(strength=1), "event"),
        (lambda page: page["events"][1]["leaf"].update(time=1), "time"),
        (lambda page: page["events"][1].update(leaf=None), "Malformed log entry"),
        (lambda page: page.update(events=[]), "it ends early"),
        (lambda page: page.update(events="none"), "nothing is shown"),
    ],
)
def test_whatever_is_not_the_chain_is_named(log: LogBuilder, change: Callable[[Page], object], detail: str) -> None:
    """Entries left out, put in, moved or changed, at either end or between."""
    page = page_of(log)
    change(page)
    assert judged(log, page) == detail


@pytest.mark.parametrize(
    ("at", "pages", "detail"), [(4, 1, None), (4, 3, "time"), (6, 3, "time"), (6, 2, None), (None, 9, None)]
)
def test_a_chain_is_followed_page_by_page(log: LogBuilder, at: int | None, pages: int, detail: str | None) -> None:
    """An entry that is shown otherwise far back is found as far as the chain is followed, and no further."""
    rows = page_of(log)["events"]
    if at is not None:
        rows[at]["time"] += 1

    def ask(before: int | None) -> Page:
        shown = [row for row in rows if before is None or row["count"] < before][:3]
        return {"events": shown, "next": shown[-1]["count"] if shown and shown[-1]["count"] > 1 else None}

    found = compare_chain(log.state, key_actor("alice").did, ask, pages=pages)
    assert (None if found is None else found.detail) == detail


def test_a_page_without_entries_ends_the_chain(log: LogBuilder) -> None:
    """A registry that promises more and shows none is not asked for ever."""
    first = page_of(log, limit=3)
    empty: Page = {"events": [], "next": 1}
    found = compare_chain(log.state, key_actor("alice").did, lambda before: empty if before else first, pages=9)
    assert found is not None
    assert found.detail == "it ends early"


def test_an_agent_that_is_denied(log: LogBuilder) -> None:
    """An agent of the log has a history."""
    assert judged(log, None) == "nothing is shown"


def test_what_was_logged_meanwhile_is_not_judged(log: LogBuilder) -> None:
    """Entries behind the fold are left to the next audit; what lies before them is held all the same."""
    page = page_of(log)
    page["events"].insert(0, {**page["events"][0], "index": log.state.head.size + 3})
    assert judged(log, page) is None
    del page["events"][2]
    assert judged(log, page) == "count"
    page["events"] = page["events"][:1]
    assert judged(log, page) is None


def test_a_registry_that_hides_an_entry_of_an_agent(scene: Scene) -> None:
    """The audit asks as anybody asks: a list without one of the agent's entries is a breach."""

    def hide(path: str, answer: Any) -> Any:
        if path.endswith("/events") and len(answer["events"]) > 1:
            del answer["events"][1]
        return answer

    with serve(Liar(scene.world.app, hide)) as url:  # type: ignore[arg-type]
        report = scene.audit(url=url)
    assert {one.code for one in report.findings} == {"chain_differs"}
    assert scene.audit().is_clean
