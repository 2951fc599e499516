"""Rank quality and speed of the score on the Bitcoin OTC market: prints one JSON object.

Protocol: events in time order; a rating above 0 is a vouch, below 0 a report; the ten earliest raters are the roots;
before every rating from 2011-07-01 on the score of its target is read from earlier events only. AUC and average
precision of "a low score means a negative next rating"; `late` is the second half by time, `clean` are targets without
any earlier negative. Labels: the record right after the last incoming rating, ratings by benign-labelled members of
labelled ones removed first ("leak-free").

    scripts/bench_reputation.py [DATA_DIR] [--epoch-days 7]
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from registry.reputation.replay import RatedEvent, ScoreAnswer, ScoreQuery, replay_scores  # noqa: E402
from registry.reputation.rules import DAY_MS  # noqa: E402
from registry.reputation.state import ReputationState  # noqa: E402

START_MS = 1_309_478_400_000  # 2011-07-01
BANDS = (0, 5, 15, 24, 26, 40, 60, 80, 100.000001)


def load_events(folder: Path) -> list[RatedEvent]:
    rows = []
    with (folder / "bitcoin-otc-ratings.csv").open() as file:
        for source, target, rating, seconds in csv.reader(file):
            rows.append((float(seconds), source, target, int(rating)))
    rows.sort(key=lambda row: row[0])
    return [RatedEvent(seq, int(t * 1000), s, d, r) for seq, (t, s, d, r) in enumerate(rows)]


def load_labels(folder: Path) -> dict[str, int]:
    with (folder / "bitcoin-otc-labels.csv").open() as file:
        return {member: int(label) for member, label in csv.reader(file)}


def earliest_raters(events: Sequence[RatedEvent], count: int = 10) -> list[str]:
    return list(dict.fromkeys(event.source for event in events))[:count]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive's suspicion exceeds a negative's, ties half."""
    import numpy as np

    _, place, count = np.unique(np.concatenate([positive, negative]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float(
        (ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2) / len(positive) / len(negative)
    )


def average_precision(suspicion: Sequence[float], truth: Sequence[bool]) -> float:
    """Area under precision-recall, tied suspicions taken together."""
    order = sorted(zip(suspicion, truth, strict=True), key=lambda row: -row[0])
    total, area, hits, seen, at = sum(truth), 0.0, 0, 0, 0
    while at < len(order):
        end = at
        while end < len(order) and order[end][0] == order[at][0]:
            end += 1
        gained = sum(1 for row in order[at:end] if row[1])
        seen, hits = end, hits + gained
        area += gained * hits / seen
        at = end
    return area / total


def judge(rows: Sequence[tuple[RatedEvent, float]]) -> dict[str, float]:
    suspicion, truth = [-score for _, score in rows], [event.rating < 0 for event, _ in rows]
    bad = [s for s, t in zip(suspicion, truth, strict=True) if t]
    good = [s for s, t in zip(suspicion, truth, strict=True) if not t]
    return {"auc": round(auc(bad, good), 4), "ap": round(average_precision(suspicion, truth), 4), "rows": len(rows)}


def future_queries(events: Sequence[RatedEvent]) -> tuple[list[ScoreQuery], set[int]]:
    """Return a query per rating of a known target, and the seqs whose target never had a negative before."""
    known: set[str] = set()
    stained: set[str] = set()
    queries, clean = [], set()
    for event in events:
        if event.time_ms >= START_MS and event.target in known:
            queries.append(ScoreQuery(str(event.seq), event.time_ms, event.target, event.seq))
            if event.target not in stained:
                clean.add(event.seq)
        known.update((event.source, event.target))
        if event.rating < 0:
            stained.add(event.target)
    return queries, clean


def bands(rows: Sequence[tuple[RatedEvent, float]]) -> list[dict[str, float]]:
    table = []
    for low, high in itertools.pairwise(BANDS):
        inside = [event.rating < 0 for event, score in rows if low <= score < high]
        share = sum(inside) / len(inside) if inside else float("nan")
        table.append({"from": low, "to": round(high), "negative": round(share, 4), "rows": len(inside)})
    return table


def future(events: Sequence[RatedEvent], epoch_ms: int) -> dict[str, object]:
    queries, clean = future_queries(events)
    began = time.perf_counter()
    answers = {a.query_id: a for a in replay_scores(events, queries, roots=earliest_raters(events), epoch_ms=epoch_ms)}
    seconds = time.perf_counter() - began
    by_seq = {event.seq: event for event in events}
    rows = [(by_seq[int(q.query_id)], answers[q.query_id].score_units / 2**40 * 100) for q in queries]
    half = len(rows) // 2
    return {
        "all": judge(rows),
        "early": judge(rows[:half]),
        "late": judge(rows[half:]),
        "clean": judge([row for row in rows if row[0].seq in clean]),
        "bands_late": bands(rows[half:]),
        "seconds": round(seconds, 2),
    }


def label_answers(events: Sequence[RatedEvent], labels: dict[str, int], epoch_ms: int) -> dict[str, ScoreAnswer]:
    last = {event.target: event for event in events if event.target in labels}
    queries = [ScoreQuery(member, event.time_ms, member, event.seq + 1) for member, event in last.items()]
    roots = earliest_raters(events)
    return {answer.query_id: answer for answer in replay_scores(events, queries, roots=roots, epoch_ms=epoch_ms)}


def label_figures(events: Sequence[RatedEvent], labels: dict[str, int], epoch_ms: int) -> dict[str, object]:
    leak_free = [e for e in events if not (labels.get(e.source) == 1 and e.target in labels)]
    figures: dict[str, object] = {}
    for name, chosen in (("full", events), ("leak_free", leak_free)):
        answers = label_answers(chosen, labels, epoch_ms)
        bad = [answers[m] for m, label in labels.items() if label < 0 and m in answers]
        good = [answers[m] for m, label in labels.items() if label > 0 and m in answers]
        records = sorted(a.record_micros for a in good)
        figures[name] = {
            "record_auc": round(auc([-a.record_micros for a in bad], [-a.record_micros for a in good]), 4),
            "score_auc": round(auc([-a.score_units for a in bad], [-a.score_units for a in good]), 4),
            "fraud_median_record": statistics.median(a.record_micros for a in bad) / 1e6,
            "benign_lower_quartile_record": records[len(records) // 4] / 1e6,
            "members": [len(bad), len(good)],
        }
    return figures


def speed(events: Sequence[RatedEvent]) -> dict[str, float]:
    """Time each operation alone on the whole network."""
    state = ReputationState()
    roots = earliest_raters(events)
    draft, spent, leaf = state.draft(), 0.0, 0
    for at, event in enumerate(events):
        for did in (event.source, event.target):
            draft.register(did, index=leaf, time_ms=event.time_ms)
        if at == len(events) // 2:
            draft.epoch(0, tree_size=leaf, index=leaf, time_ms=event.time_ms, roots=roots, silenced=set())
        speak = draft.vouch if event.rating > 0 else draft.report
        began = time.perf_counter()
        speak(event.source, event.target, context=None, index=leaf + 1, time_ms=event.time_ms)
        draft.commit()
        spent += time.perf_counter() - began
        leaf += 1
    end = events[-1].time_ms
    began = time.perf_counter()
    draft.epoch(1, tree_size=leaf + 1, index=leaf + 1, time_ms=end, roots=roots, silenced=set())
    epoch = time.perf_counter() - began
    draft.commit()
    dids = list(state.agents)
    began = time.perf_counter()
    for did in dids:
        state.reading(did, now_ms=end)
    read = (time.perf_counter() - began) / len(dids)
    began = time.perf_counter()
    data = state.dump()
    dump = time.perf_counter() - began
    began = time.perf_counter()
    ReputationState.load(data)
    return {
        "event_us": round(spent / len(events) * 1e6, 1),
        "epoch_ms": round(epoch * 1e3, 1),
        "reading_us": round(read * 1e6, 1),
        "dump_ms": round(dump * 1e3, 1),
        "load_ms": round((time.perf_counter() - began) * 1e3, 1),
        "dump_bytes": len(data),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("BONAFIDES_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("data", nargs="?", default=default, type=Path, help="folder of the published data")
    parser.add_argument("--epoch-days", type=int, default=7)
    options = parser.parse_args()
    events, labels = load_events(options.data), load_labels(options.data)
    epoch_ms = options.epoch_days * DAY_MS
    result = {
        "future": future(events, epoch_ms),
        "labels": label_figures(events, labels, epoch_ms),
        "speed": speed(events),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
