"""Read a file of ratings and plan its replay: who registers when, who vouches or reports when, when epochs come.

Decides what a row means and in which order things happen; signs nothing and sends nothing. The plan depends on the
file alone: not on how its rows are ordered, not on the machine, not on how often it is made. So a replay that was cut
short is taken up by making the same plan again.

Spec: specs/replay.md
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from registry.errors import ParseError

COLUMNS: Final = ("source", "target", "rating", "time")
DAY_MS: Final = 86_400_000
STRENGTH_PER_POINT: Final = 10  # ratings reach from -10 to 10, strengths and severities from 1 to 100
_HIGHEST: Final = 10
_MEMBER_CHARACTERS: Final = 200
_LATEST_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
_SHOWN_PROBLEMS: Final = 5
_LABELS: Final = {"1": True, "+1": True, "-1": False}


class RatingsFileError(ParseError):
    """The file of ratings (or of labels) has lines that are not of the form."""

    code = "ratings_malformed"
    title = "Not a file of ratings"


class RootsError(ParseError):
    """The roots named are not 1 to 64 different members of the file."""

    code = "import_roots_invalid"
    title = "The roots do not fit the file"


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating that counts.

    Attributes:
        line: where it stands in the file, from 1.
        source: member id as in the file.
        target: another member.
        value: -10 to 10, never 0.
        time_ms: milliseconds since the epoch.
        occurrence: 0, or the number of equal ratings (same four columns) before it.
    """

    line: int
    source: str
    target: str
    value: int
    time_ms: int
    occurrence: int = 0

    @property
    def kind(self) -> str:
        """``vouch`` or ``report``."""
        return "vouch" if self.value > 0 else "report"


@dataclass(frozen=True, slots=True)
class Ratings:
    """A file of ratings, in time order; equal times keep the file's order.

    Attributes:
        rows: what counts.
        self_ratings: rows by which a member rated itself, left out.
        neutral: rows with the rating 0, left out.
    """

    rows: tuple[Rating, ...]
    self_ratings: int
    neutral: int


@dataclass(frozen=True, slots=True)
class RegistrationStep:
    """A member registers, at its first appearance."""

    member: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class EpochStep:
    """An epoch is logged."""

    time_ms: int


SignedStep: TypeAlias = RegistrationStep | Rating
Step: TypeAlias = SignedStep | EpochStep


def parse_ratings(lines: Iterable[str]) -> Ratings:
    """Parse the lines of a CSV file: source, target, rating from -10 to 10, POSIX seconds with or without a fraction.

    Args:
        lines: text; a first line that names the four columns, in any order, is a header.

    Raises:
        RatingsFileError: ratings_malformed, with the numbers of the first bad lines.

    Spec: specs/replay.md "File"
    """
    order = (0, 1, 2, 3)
    rows: list[Rating] = []
    problems: list[tuple[int, str]] = []
    counts = {"self": 0, "neutral": 0}
    for line, fields in _records(lines, problems):
        if line == 1 and sorted(name.strip().casefold() for name in fields) == sorted(COLUMNS):
            names = [name.strip().casefold() for name in fields]
            order = tuple(names.index(name) for name in COLUMNS)  # type: ignore[assignment]  # four of four
            continue
        try:
            rating = _parse_row(line, fields, order)
        except ValueError as error:
            problems.append((line, str(error)))
            continue
        if rating.source == rating.target:
            counts["self"] += 1
        elif rating.value == 0:
            counts["neutral"] += 1
        else:
            rows.append(rating)
    _raise_problems(problems)
    return Ratings(_in_time_order(rows), counts["self"], counts["neutral"])


def _records(lines: Iterable[str], problems: list[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of the lines that are not blank."""
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append((reader.line_num, f"not CSV ({error})"))
            return
        if fields and (len(fields) > 1 or fields[0].strip()):
            yield reader.line_num, fields


def _parse_row(line: int, fields: Sequence[str], order: Sequence[int]) -> Rating:
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(COLUMNS)} columns are needed, found {len(fields)}")
    source, target, rating, seconds = (fields[place].strip() for place in order)
    for member in (source, target):
        if not 1 <= len(member) <= _MEMBER_CHARACTERS or not member.isprintable():
            raise ValueError(f"a member id has 1 to {_MEMBER_CHARACTERS} printable characters")
    return Rating(line, source, target, _parse_value(rating), _parse_time(seconds))


def _parse_value(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 2 and int(digits) <= _HIGHEST):  # noqa: PLR2004
        raise ValueError("the rating is a whole number from -10 to 10")
    return int(text)


def _parse_time(text: str) -> int:
    try:
        # Not a float: the same digits must give the same millisecond on every machine.
        milliseconds = Decimal(text) * 1_000
    except InvalidOperation:
        raise ValueError("the time is a number of POSIX seconds") from None
    if not (milliseconds.is_finite() and 0 <= milliseconds <= _LATEST_MS):
        raise ValueError("the time lies between 1970 and 9999, in POSIX seconds")
    return int(milliseconds)


def _in_time_order(rows: list[Rating]) -> tuple[Rating, ...]:
    seen: Counter[tuple[str, str, int, int]] = Counter()
    ordered = []
    for row in sorted(rows, key=lambda row: row.time_ms):
        key = (row.source, row.target, row.value, row.time_ms)
        ordered.append(
            Rating(row.line, row.source, row.target, row.value, row.time_ms, seen[key]) if seen[key] else row
        )
        seen[key] += 1
    return tuple(ordered)


def _raise_problems(problems: Sequence[tuple[int, str]]) -> None:
    if not problems:
        return
    shown = "; ".join(f"line {line}: {reason}" for line, reason in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - _SHOWN_PROBLEMS
    tail = f"; and {more} more" if more > 0 else ""
    raise RatingsFileError(shown + tail, line=problems[0][0], problems=len(problems))


def parse_labels(lines: Iterable[str]) -> dict[str, bool]:
    """Parse a file of labels: member id, 1 (honest) or -1 (fraudulent).

    Raises:
        RatingsFileError: ratings_malformed, with the numbers of the first bad lines.
    """
    labels: dict[str, bool] = {}
    problems: list[tuple[int, str]] = []
    for line, fields in _records(lines, problems):
        if len(fields) != 2 or fields[1].strip() not in _LABELS:  # noqa: PLR2004 - member and label
            problems.append((line, "a member id and 1 or -1 are needed"))
            continue
        labels[fields[0].strip()] = _LABELS[fields[1].strip()]
    _raise_problems(problems)
    return labels


def members_of(rows: Sequence[Rating]) -> list[str]:
    """Return every member in order of first appearance."""
    return list(dict.fromkeys(member for row in rows for member in (row.source, row.target)))


def choose_roots(text: str, rows: Sequence[Rating]) -> tuple[str, ...]:
    """Return the members that are roots.

    Args:
        text: ids separated by commas or white space, or ``earliest:N`` for the N earliest raters.
        rows: in time order.

    Raises:
        RootsError: import_roots_invalid.
    """
    word, _, count = text.strip().partition(":")
    if word == "earliest" and count.isascii() and count.isdigit() and len(count) < 4:  # noqa: PLR2004
        chosen = list(dict.fromkeys(row.source for row in rows))[: int(count)]
    else:
        chosen = text.replace(",", " ").split()
        members = set(members_of(rows))
        missing = sum(root not in members for root in chosen)
        if missing:
            raise RootsError(f"{missing} of the roots are not members of the file", missing=missing)
    if not 1 <= len(chosen) <= 64 or len(set(chosen)) != len(chosen):  # noqa: PLR2004 - fixed by the format
        raise RootsError("name 1 to 64 members, each once")
    return tuple(chosen)


def plan_steps(rows: Sequence[Rating], *, epoch_ms: int) -> Iterator[Step]:
    """Yield all steps in the order of the log.

    Members register just before the first rating that names them. An epoch comes at each multiple of the interval
    after the first rating, before whatever has that time or a later one; of several quiet intervals only the last has
    one. A last epoch at the time of the last rating lets everything count.

    Args:
        rows: in time order.
        epoch_ms: milliseconds from epoch to epoch.
    """
    if not rows:
        return
    known: set[str] = set()
    due = rows[0].time_ms + epoch_ms
    for row in rows:
        if row.time_ms >= due:
            due += (row.time_ms - due) // epoch_ms * epoch_ms
            yield EpochStep(due)
            due += epoch_ms
        for member in (row.source, row.target):
            if member not in known:
                known.add(member)
                yield RegistrationStep(member, row.time_ms)
        yield row
    yield EpochStep(rows[-1].time_ms)


def rank_auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return the probability that a value of `higher` exceeds one of `lower`, ties counted half; 0.5 when one is empty.

    Spec: Mann-Whitney U over the product of the sizes.
    """
    if not higher or not lower:
        return 0.5
    below: Counter[float] = Counter(lower)
    ordered = sorted(below)
    smaller, total, at = 0, 0.0, 0
    for value in sorted(higher):
        while at < len(ordered) and ordered[at] < value:
            smaller += below[ordered[at]]
            at += 1
        total += smaller + below[value] / 2
    return total / len(higher) / len(lower)
