"""A stretch of entries looked at by itself, so that many can be looked at side by side and are then joined in order.

The look is quick: it tells that each entry is a leaf of good form and follows from those before it in the stretch, or that
somebody has to look closely. Where chains and times go on from what lies before, it says what they claim.

Spec: FORMATS "Leaf"; specs/audit.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from did_methods.canonical import read_canonical
from did_methods.codec import base64url_encode
from registry.audit.leaf_shape import is_plain, shape_of, shape_pattern
from registry.limits import LEAF_BYTES
from registry.log.entry import LEAF_FORMAT, MAX_INTEGER
from registry.log.tile import hash_entries

Link: TypeAlias = tuple[int, str]
"""What a party says of its chain: count, and what stands in the leaf from the value of prevIndex to that of prevLeafHash."""

FIRST: Final[Link] = (1, 'null,"prevLeafHash":null')
"""The link of whoever had no entry before."""

_MEMBERS: Final = 5  # event, format, kind, parties, time
_PARTY_MEMBERS: Final = 5  # count, did, prevIndex, prevLeafHash, roles
_ROLES: Final = (["signer"], ["subject"], ["signer", "subject"])
_HASH_CHARS: Final = 43
_MOST_SHAPES: Final = 16
_MOST_COMMAS: Final = 128
"""Of a leaf whose shape is learned: that takes longer, the more there is, and a hostile log may have a new one each time."""
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def previous_text(index: int | None, hashed: str | None) -> str:
    """Write the second half of a link: index and leaf hash (base64url) of the entry before; None for null."""
    shown = "null" if hashed is None else f'"{hashed}"'
    return f'{"null" if index is None else index},"prevLeafHash":{shown}'


class Looked(NamedTuple):
    """What came of the look at a stretch.

    Attributes:
        hashes: the leaf hash of each entry.
        stretch: how it hangs together; None where an entry has to be looked at closely.
    """

    hashes: list[bytes]
    stretch: Stretch | None


@dataclass(slots=True)
class Stretch:
    """Entries that hang together.

    Attributes:
        first_ms: log time of the first; -1 for none.
        last_ms: log time of the last.
        openings: by DID, the link of its first entry here, which must go on from what lies before.
        ends: by DID, the link that its next entry must have.
    """

    first_ms: int = -1
    last_ms: int = 0
    openings: dict[str, Link] = field(default_factory=dict)
    ends: dict[str, Link] = field(default_factory=dict)

    def take_links(self, links: tuple[str, ...], here: str) -> bool:
        """Take the next entry by its links alone, where its form is known to be good.

        Args:
            links: as the match with a shape gives them.
            here: its `previous_text`, which the next entry of each of its parties must have.

        Returns:
            False where it does not follow: the stretch is of no use then.
        """
        before, ends = "", self.ends
        each = iter(links)
        for text, did, previous in zip(each, each, each, strict=False):  # the time is left over
            if did <= before:
                return False
            count = int(text)
            expected = ends.get(did)
            if expected is None:
                self.openings[did] = (count, previous)
            elif expected != (count, previous):
                return False
            ends[did] = (count + 1, here)
            before = did
        return self._go_on(int(links[-1]))

    def take(self, data: bytes, here: str) -> bool:
        """Take the next entry; False where a quick look cannot tell that it is good: the stretch is of no use then."""
        wire = read_canonical(data) if len(data) <= LEAF_BYTES else None
        if type(wire) is not dict or len(wire) != _MEMBERS:
            return False
        try:  # as many members as there are, and each of them by its name: there is no other
            event, kind, time_ms, parties = wire["event"], wire["kind"], wire["time"], wire["parties"]
            if wire["format"] != LEAF_FORMAT or type(event) is not dict or len(event) == 1 or not parties:
                return False  # an event with one member may be a digest, which has no parties
            if not self._link(parties, here):
                return False
        except (KeyError, TypeError):
            return False
        if type(time_ms) is not int or time_ms > MAX_INTEGER or type(kind) is not str or _KIND.fullmatch(kind) is None:
            return False
        return self._go_on(time_ms)

    def _go_on(self, time_ms: int) -> bool:
        """Let time go on; False where it would go back."""
        if time_ms < self.last_ms:
            return False
        if self.first_ms < 0:
            self.first_ms = time_ms
        self.last_ms = time_ms
        return True

    def _link(self, parties: Any, here: str) -> bool:
        """Let chains go on; False where a party is not of the form, or does not follow.

        Raises:
            KeyError, TypeError: one is not of the form.
        """
        before, ends = "", self.ends
        for party in parties:
            did, count, previous, shown = party["did"], party["count"], party["prevIndex"], party["prevLeafHash"]
            # To Python true is 1, and a text may be written like the integer that should be there.
            if len(party) != _PARTY_MEMBERS or did <= before or type(count) is not int:
                return False
            if type(previous) not in (int, NoneType) or type(shown) not in (str, NoneType):
                return False
            link, expected = (count, previous_text(previous, shown)), ends.get(did)
            if party["roles"] not in _ROLES or (expected is not None and link != expected):
                return False
            if expected is None:
                self.openings[did] = link
            ends[did] = (count + 1, here)
            before = did
        return True


def look_at(start: int, entries: Sequence[bytes]) -> Looked:
    """Hash entries that follow one another, and look whether they hang together.

    Args:
        start: log index of the first.
        entries: as served.
    """
    hashes = hash_entries(entries)
    stretch = Stretch()
    return Looked(hashes, stretch if _follow(stretch, start, entries, hashes) else None)


def _follow(stretch: Stretch, start: int, entries: Sequence[bytes], hashes: Sequence[bytes]) -> bool:
    """Take entries into a stretch; most are matched with the shape of one that was parsed."""
    data = b"".join(entries)
    text, are_plain = data.decode("latin-1"), is_plain(data)  # one character a byte
    shapes = _Shapes()
    end = 0
    for entry, here in zip(entries, _previous_texts(start, hashes), strict=True):
        begin, end = end, end + len(entry)
        is_quick = len(entry) <= LEAF_BYTES and (are_plain or is_plain(entry))
        links = shapes.match(text, begin, end) if is_quick else None
        if links is not None:
            if not stretch.take_links(links, here):
                return False
            continue
        if not stretch.take(entry, here):
            return False
        if is_quick:
            shapes.learn(text[begin:end])
    return True


def _previous_texts(start: int, hashes: Sequence[bytes]) -> list[str]:
    """Write the `previous_text` of entries that follow one another."""
    # All hashes at once: with a zero byte each has one character more, which says nothing.
    text = base64url_encode(b"".join([hashed + b"\0" for hashed in hashes]))
    places = enumerate(range(0, len(text), _HASH_CHARS + 1), start)
    return [f'{index},"prevLeafHash":"{text[at : at + _HASH_CHARS]}"' for index, at in places]


@dataclass(slots=True)
class _Shapes:
    """The shapes that leaves of one stretch have.

    One is learned when the second leaf comes that seems to have it: that takes longer than to parse a leaf.
    """

    _patterns: list[re.Pattern[str]] = field(default_factory=list)
    _quotes: set[int] = field(default_factory=set)

    def match(self, text: str, begin: int, end: int) -> tuple[str, ...] | None:
        """Return the links and the time of the leaf that stands there; None where it has no shape that is known."""
        for pattern in self._patterns:
            match = pattern.fullmatch(text, begin, end)
            if match is not None:
                return match.groups()
        return None

    def learn(self, leaf: str) -> None:
        """Take the shape of a leaf that was parsed, if another one had as many names and texts."""
        quotes = leaf.count('"')
        if quotes in self._quotes and len(self._patterns) < _MOST_SHAPES and leaf.count(",") <= _MOST_COMMAS:
            self._patterns.append(shape_pattern(shape_of(leaf)))
        self._quotes.add(quotes)
