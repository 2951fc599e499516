"""The state's own rules: contexts, silence, refusals, explanations, snapshots, and what reading may import."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from registry.reputation.columns import SnapshotFormatError
from registry.reputation.draft import Draft
from registry.reputation.replay import RatedEvent, ScoreQuery, replay_scores
from registry.reputation.rules import DAY_MS
from registry.reputation.state import ReputationState
from registry.reputation.tables import StandingUnknownError, TooManyContextsError
from tests.reputation.reference_model import Leaf
from tests.support.reputation import START_MS, agent_name, fold_state, village
from tests.support.vectors import REPOSITORY

ROOT, ANN, BEN = agent_name(0), agent_name(1), agent_name(2)


def _settled(count: int = 9) -> list[Leaf]:
    names = [agent_name(number) for number in range(count)]
    return [Leaf(START_MS, tuple(("register", name) for name in names)), *village(names, START_MS, 1)]


def _draft() -> tuple[Draft, int]:
    leaves = _settled()
    return fold_state(leaves)[0].draft(), len(leaves)


def test_contexts_of_a_pair_share_its_weight() -> None:
    """In a context an edge weighs 1/k, and a second context rescales the first at once."""
    draft, index = _draft()
    draft.vouch(ROOT, BEN, context="coding", index=index, time_ms=START_MS)
    alone = draft.reading(BEN, "coding", now_ms=START_MS).factors.p_micros
    overall = draft.reading(BEN, now_ms=START_MS).factors.p_micros
    draft.vouch(ROOT, BEN, context="pay", index=index + 1, time_ms=START_MS)
    assert draft.reading(BEN, "coding", now_ms=START_MS).factors.p_micros == alone // 2
    assert draft.reading(BEN, now_ms=START_MS).factors.p_micros == overall
    draft.withdraw("vouch", ROOT, target=BEN, context="pay", edge_index=index + 1, index=index + 2, time_ms=START_MS)
    assert draft.reading(BEN, "coding", now_ms=START_MS).factors.p_micros == alone


def test_a_ninth_context_is_refused_and_leaves_no_trace() -> None:
    """Eight named contexts are the most for one pair; replacing one of them is still possible."""
    draft, index = _draft()
    for number in range(8):
        draft.vouch(ROOT, BEN, context=f"c{number}", index=index + number, time_ms=START_MS)
    before = draft.reading(BEN, now_ms=START_MS)
    with pytest.raises(TooManyContextsError):
        draft.vouch(ROOT, BEN, context="c8", index=index + 8, time_ms=START_MS)
    with pytest.raises(TooManyContextsError):
        draft.check_vouch(ROOT, BEN, "c8")
    assert draft.reading(BEN, now_ms=START_MS) == before
    draft.check_vouch(ROOT, BEN, "c7")
    draft.check_vouch(ROOT, BEN, None)
    draft.check_report(ROOT, BEN, "c8")


def test_the_unregistered_have_no_score_and_no_voice() -> None:
    """Reading or speaking of a stranger is a clear error; a stranger's own act is nothing."""
    draft, index = _draft()
    for attempt in (
        lambda: draft.reading("did:example:stranger", now_ms=START_MS),
        lambda: draft.vouch(ROOT, "did:example:stranger", context=None, index=index, time_ms=START_MS),
        lambda: draft.report("did:example:stranger", ROOT, context=None, index=index, time_ms=START_MS),
    ):
        with pytest.raises(StandingUnknownError):
            attempt()
    draft.own_act("did:example:stranger", index=index, time_ms=START_MS)
    assert not draft.is_registered("did:example:stranger")


@pytest.mark.parametrize("did", ['did:example:"', "did:example:\\", "did:example:\t", "did:example:ü"])
def test_a_name_that_json_would_escape_is_no_did(did: str) -> None:
    """Committed lines are written without escapes, so nothing that needs one gets in."""
    with pytest.raises(ValueError, match="JSON"):
        ReputationState().draft().register(did, index=0, time_ms=START_MS)


def test_nobody_speaks_of_oneself() -> None:
    """A statement about oneself never reaches the score."""
    draft, index = _draft()
    with pytest.raises(ValueError, match="oneself"):
        draft.vouch(ROOT, ROOT, context=None, index=index, time_ms=START_MS)


def test_a_silenced_voice_carries_nobody_further() -> None:
    """Who was reached only through a silenced agent has no voice either; the others keep theirs."""
    leaves = _settled()
    draft, index = _draft()
    last = agent_name(8)
    result = draft.epoch(1, tree_size=index, index=index, time_ms=START_MS, roots=leaves[-1].roots, silenced={ANN})
    assert ANN not in result.votes
    assert last not in result.votes
    assert result.votes[BEN]
    loud = fold_state(leaves)[0]
    assert 0 < loud.voices[last].vote < 1 << 31


def test_epochs_outside_the_log_are_refused() -> None:
    """An epoch covers leaves after the epoch before and none at or after its own."""
    draft, index = _draft()
    for size in (index - 1, index + 1):
        with pytest.raises(ValueError, match="epoch covers"):
            draft.epoch(1, tree_size=size, index=index, time_ms=START_MS, roots=(ROOT,), silenced=set())


def test_a_transfer_takes_everything_above_the_start() -> None:
    """After a suspected transfer nothing of the vouches, tenure or freshness is left, until somebody vouches anew."""
    draft, index = _draft()
    now = START_MS + 3 * DAY_MS
    assert draft.reading(ANN, now_ms=now).score_micros > 25_000_000
    draft.reset_continuity(ANN, index=index, time_ms=now)
    taken = draft.reading(ANN, now_ms=now)
    assert (taken.score_units, taken.confidence_micros, taken.factors.tenure_days) == (1 << 38, 0, 0)
    assert draft.contribution("vouch", ROOT, target=ANN, context=None, now_ms=now) is None
    draft.vouch(ROOT, ANN, context=None, index=index + 1, time_ms=now)
    assert draft.reading(ANN, now_ms=now).score_micros > 25_000_000


def test_contributions_add_up_to_what_is_read() -> None:
    """The statements that an explanation lists sum to the P of the reading, but for rounding down."""
    draft, index = _draft()
    now = START_MS + 50 * DAY_MS
    draft.vouch(agent_name(8), BEN, context="pay", index=index, time_ms=now)
    names = [agent_name(number) for number in range(9)]
    parts = [draft.contribution("vouch", name, target=BEN, context=None, now_ms=now) for name in names]
    total = sum(part.slow_micros for part in parts if part is not None)
    assert 0 <= draft.reading(BEN, now_ms=now).factors.p_micros - total <= len(names)
    inside = draft.contribution("vouch", agent_name(8), target=BEN, context="pay", now_ms=now)
    assert inside is not None
    assert (inside.divisor, inside.index) == (1, index)


def test_snapshots_of_other_versions_are_refused() -> None:
    """A snapshot is a cache: one that this release did not write is an error, not a guess."""
    for data in (b"not a snapshot", ReputationState().dump() + b"\0"):
        with pytest.raises(SnapshotFormatError):
            ReputationState.load(data)


def test_a_discarded_draft_never_happened() -> None:
    """Whatever a draft did, the state below is as before until it commits."""
    leaves = _settled()
    state, _ = fold_state(leaves)
    before = state.dump()
    draft = state.draft()
    draft.vouch(ROOT, BEN, context="pay", index=len(leaves), time_ms=START_MS + 5)
    draft.epoch(1, tree_size=len(leaves), index=len(leaves) + 1, time_ms=START_MS, roots=(ROOT,), silenced=set())
    assert state.dump() == before


def test_reading_needs_no_numpy() -> None:
    """State, drafts and readings do not load numpy; only an epoch does."""
    code = (
        "import sys, registry.reputation.state, registry.reputation.replay;print(sorted({'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _market() -> tuple[list[RatedEvent], list[ScoreQuery]]:
    dice = random.Random(7)
    events, now = [], 0
    for seq in range(300):
        now += dice.randrange(3 * DAY_MS)
        source, target = dice.sample(range(30), 2)
        events.append(RatedEvent(seq, now, f"m{source}", f"m{target}", dice.choice([3, 5, 1, -4])))
    queries = [ScoreQuery(f"q{n}", dice.randrange(now), f"m{dice.randrange(32)}") for n in range(60)]
    return events, queries


def test_a_replay_depends_on_neither_rows_nor_names_nor_the_future() -> None:
    """Shuffled rows, other names and missing later events give the same answers, digit for digit."""
    events, queries = _market()
    roots = ["m0", "m1", "m2"]
    answers = {a.query_id: a for a in replay_scores(events, queries, roots=roots)}
    assert len({a.score_units for a in answers.values()}) > 20
    shuffled, dice = list(events), random.Random(8)
    dice.shuffle(shuffled)
    assert {a.query_id: a for a in replay_scores(shuffled, queries[::-1], roots=roots[::-1])} == answers
    renamed = [RatedEvent(e.seq, e.time_ms, f"x{e.source[::-1]}", f"x{e.target[::-1]}", e.rating) for e in events]
    asked = [ScoreQuery(q.query_id, q.time_ms, f"x{q.agent[::-1]}") for q in queries]
    assert {a.query_id: a for a in replay_scores(renamed, asked, roots=[f"x{r[::-1]}" for r in roots])} == answers
    middle = events[150].time_ms
    early = {
        a.query_id: a for a in replay_scores(events[:150], [q for q in queries if q.time_ms <= middle], roots=roots)
    }
    assert early == {q: answers[q] for q in early}
    assert early
