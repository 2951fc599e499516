"""The tree as RFC 6962 defines it, recursively and without shortcuts: what the fast code is compared with."""

from __future__ import annotations

from hashlib import sha256


def naive_leaves(count: int) -> list[bytes]:
    """Return count different entries."""
    return [b"entry %d" % number for number in range(count)]


class NaiveTree:
    """MTH, PATH and PROOF of RFC 6962 2.1, over entries, with roots remembered by range."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries
        self._roots: dict[tuple[int, int], bytes] = {}

    def leaf_hash(self, index: int) -> bytes:
        return self.root(index, index + 1)

    def root(self, start: int, end: int) -> bytes:
        found = self._roots.get((start, end))
        if found is None:
            found = self._roots[start, end] = self._derive_root(start, end)
        return found

    def read_node(self, level: int, index: int) -> bytes:
        """Be the node reader of the code under test; complain if it asks beyond the tree."""
        end = (index + 1) << level
        assert end <= len(self.entries)
        return self.root(index << level, end)

    def path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self.path(index, start, middle), self.root(middle, end)]
        return [*self.path(index, middle, end), self.root(start, middle)]

    def proof(self, first: int, start: int, end: int, *, complete: bool = True) -> list[bytes]:
        if first == end:
            return [] if complete else [self.root(start, end)]
        middle = start + _split(end - start)
        if first <= middle:
            return [*self.proof(first, start, middle, complete=complete), self.root(middle, end)]
        return [*self.proof(first, middle, end, complete=False), self.root(start, middle)]

    def _derive_root(self, start: int, end: int) -> bytes:
        if start == end:
            return sha256().digest()
        if end - start == 1:
            return sha256(b"\x00" + self.entries[start]).digest()
        middle = start + _split(end - start)
        return sha256(b"\x01" + self.root(start, middle) + self.root(middle, end)).digest()


def _split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power
