"""What a file of ratings means, and the order in which its replay happens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client.ratings import (
    DAY_MS,
    EpochStep,
    Rating,
    RatingsFileError,
    RegistrationStep,
    RootsError,
    choose_roots,
    members_of,
    parse_labels,
    parse_ratings,
    plan_steps,
    rank_auc,
)
from tests.replay.market import market_lines

WEEK_MS = 7 * DAY_MS


def test_a_row_is_a_vouch_or_a_report_at_its_millisecond() -> None:
    """Positive is a vouch, negative a report; the time is cut to milliseconds without going through a float."""
    parsed = parse_ratings(["6,2,4,1289241911.72836\n", "2,6,-10,1289241912\n"])
    assert [(row.kind, row.source, row.target, row.value, row.time_ms) for row in parsed.rows] == [
        ("vouch", "6", "2", 4, 1_289_241_911_728),
        ("report", "2", "6", -10, 1_289_241_912_000),
    ]


def test_a_header_may_name_the_columns_in_any_order() -> None:
    """A first line with the four names is a header; blank lines are nothing."""
    parsed = parse_ratings(["time,Rating,source,target\n", "\n", "5,-3,a,b\n"])
    assert parsed.rows == (Rating(3, "a", "b", -3, 5_000),)


def test_ratings_of_oneself_and_neutral_ones_are_counted_and_left_out() -> None:
    """Nothing is dropped without being told."""
    parsed = parse_ratings(["a,a,5,1", "a,b,0,1", "a,b,1,1"])
    assert (len(parsed.rows), parsed.self_ratings, parsed.neutral) == (1, 1, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,b,11,1", "rating"),
        ("a,b,1.5,1", "rating"),
        ("a,b,--1,1", "rating"),
        ("a,b,,1", "rating"),
        ("a,b,\u0661,1", "rating"),
        ("a,b,1,soon", "time"),
        ("a,b,1,nan", "time"),
        ("a,b,1,-1", "time"),
        ("a,b,1,1e300", "time"),
        ("a,b,1", "columns"),
        ("a,b,1,1,1", "columns"),
        (",b,1,1", "member"),
        ("a,b\x00c,1,1", "member"),
        (f"{'a' * 201},b,1,1", "member"),
        ('a,"b,1,1', "CSV"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: str, reason: str) -> None:
    """The error says which line and why, and does not repeat what stands there."""
    with pytest.raises(RatingsFileError) as caught:
        parse_ratings(["a,b,1,1\n", f"{line}\n"])
    assert caught.value.params["line"] == 2
    assert "line 2: " in caught.value.detail
    assert reason in caught.value.detail


def test_many_bad_lines_are_counted() -> None:
    """The first five are told, the others counted."""
    with pytest.raises(RatingsFileError, match=r"line 5: .*; and 4 more") as caught:
        parse_ratings(["x\n"] * 9)
    assert caught.value.params["problems"] == 9


def test_labels_are_read_with_line_numbers_too() -> None:
    """1 is honest, -1 fraudulent, anything else a bad line."""
    assert parse_labels(["215,+1\n", "7,-1\n", "8,1\n"]) == {"215": True, "7": False, "8": True}
    with pytest.raises(RatingsFileError, match="line 2"):
        parse_labels(["215,+1\n", "7,0\n"])


@given(st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_lines(draw: random.Random) -> None:
    """A shuffled file gives the same steps, line numbers aside: an import may be taken up with a re-sorted file."""
    lines = market_lines(60)
    shuffled = list(lines)
    draw.shuffle(shuffled)

    def plan(given: Sequence[str]) -> list[object]:
        return [
            (step.source, step.target, step.value, step.time_ms, step.occurrence) if isinstance(step, Rating) else step
            for step in plan_steps(parse_ratings(given).rows, epoch_ms=WEEK_MS)
        ]

    assert plan(shuffled) == plan(lines)


def test_equal_rows_are_told_apart() -> None:
    """The same rating given twice is two events, numbered in the file's order."""
    assert [row.occurrence for row in parse_ratings(["a,b,1,1", "a,b,1,2", "a,b,1,1"]).rows] == [0, 1, 0]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-10, 10), st.integers(0, 10**8)), max_size=40)
)
def test_laws_of_the_plan(raw: list[tuple[int, int, int, int]]) -> None:
    """Times never go back, everybody registers once and before the first rating, no two epochs lie closer than a week."""
    rows = parse_ratings([f"{a},{b},{value},{seconds}" for a, b, value, seconds in raw]).rows
    steps = list(plan_steps(rows, epoch_ms=WEEK_MS))
    assert all(one.time_ms <= other.time_ms for one, other in pairwise(steps))
    assert [step for step in steps if isinstance(step, Rating)] == list(rows)
    registered: list[str] = []
    for step in steps:
        if isinstance(step, RegistrationStep):
            registered.append(step.member)
        elif isinstance(step, Rating):
            assert {step.source, step.target} <= set(registered)
    assert registered == members_of(rows)
    epochs = [step.time_ms for step in steps if isinstance(step, EpochStep)]
    assert all(later - earlier >= WEEK_MS for earlier, later in pairwise(epochs[:-1]))
    assert bool(epochs) == bool(rows)
    # No rating is further than a week from an epoch before it, or from the first rating.
    begin = rows[0].time_ms if rows else 0
    for row in rows:
        newest = max((time for time in epochs[:-1] if time <= row.time_ms), default=begin)
        assert row.time_ms - newest < WEEK_MS


def test_epochs_come_before_what_has_their_time() -> None:
    """An epoch at T counts what is earlier than T; of quiet weeks only the last has one; a last one closes the log."""
    week = WEEK_MS // 1_000
    rows = parse_ratings([f"a,b,1,{seconds}" for seconds in (0, week, 5 * week + 1)]).rows
    epochs = [step.time_ms for step in plan_steps(rows, epoch_ms=WEEK_MS) if isinstance(step, EpochStep)]
    assert epochs == [WEEK_MS, 5 * WEEK_MS, 5 * WEEK_MS + 1_000]


def test_roots_by_name_and_by_age() -> None:
    """Ids may stand in any usual list; earliest:N takes raters, not the rated."""
    rows = parse_ratings(["a,b,1,3", "c,a,1,1", "c,d,1,2", "d,c,1,4"]).rows
    assert choose_roots("earliest:2", rows) == ("c", "a")
    assert choose_roots("earliest:64", rows) == ("c", "a", "d")
    assert choose_roots("b, d\n", rows) == ("b", "d")


@pytest.mark.parametrize("text", ["", "earliest:0", "stranger", "a,a", "earliest:x"])
def test_roots_that_do_not_fit_are_refused(text: str) -> None:
    """Roots are 1 to 64 different members."""
    with pytest.raises(RootsError):
        choose_roots(text, parse_ratings(["a,b,1,3"]).rows)


@given(st.lists(st.integers(0, 6), min_size=1), st.lists(st.integers(0, 6), min_size=1))
def test_auc_is_the_share_of_pairs_in_order(higher: list[int], lower: list[int]) -> None:
    """The fast way gives what counting all pairs gives."""
    counted = sum((a > b) + (a == b) / 2 for a in higher for b in lower)
    assert rank_auc(higher, lower) == pytest.approx(counted / len(higher) / len(lower))


def test_auc_of_nothing_is_even() -> None:
    """Without members on one side nothing is known."""
    assert rank_auc([], [1.0]) == 0.5
