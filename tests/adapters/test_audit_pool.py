"""Entries looked at in other processes, ahead of whoever takes them."""

from __future__ import annotations

from collections.abc import Iterator

from registry.adapters.audit_pool import AuditPool
from registry.audit.reader import Portion
from registry.audit.stretch import look_at
from registry.log.merkle import leaf_hash

PORTIONS = 30
MOST_AHEAD = 12
"""Portions that one process has or that wait for it, and those that are handed over next."""


def portion(number: int) -> Portion:
    """Return the only entry of a bundle."""
    return Portion(number, 1, (b"entry %d" % number,), (), is_exact=True)


def test_portions_come_in_order_and_are_not_read_far_ahead() -> None:
    """Each with what was made of it, however many are handed over together; the log may be longer than the memory."""
    read: list[int] = []

    def portions() -> Iterator[Portion]:
        for number in range(PORTIONS):
            read.append(number)
            yield portion(number)

    with AuditPool(1) as pool:
        for number, (one, looked) in enumerate(pool.ahead(look_at, portions())):
            assert one == portion(number)
            assert looked == look_at(number, one.entries)
            assert looked.hashes == [leaf_hash(b"entry %d" % number)]
            assert len(read) <= number + MOST_AHEAD
    assert read == list(range(PORTIONS))


def test_the_first_entries_are_left_to_whoever_takes_them() -> None:
    """A short log is done before another process could start, so none is started for it."""
    with AuditPool(1, here=3) as pool:
        looked = [one for _portion, one in pool.ahead(look_at, map(portion, range(5)))]
    assert looked == [None] * 3 + [look_at(number, portion(number).entries) for number in (3, 4)]
    with AuditPool(1, here=3) as pool:
        assert [one for _portion, one in pool.ahead(look_at, map(portion, range(3)))] == [None] * 3
        assert not pool._pool._processes
