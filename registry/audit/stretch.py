"""A stretch of entries looked at by itself, so that many can be looked at side by side and are then joined in order.

The look is quick: it tells that each entry is a leaf of good form and follows from those before it in the stretch, or that
somebody has to look closely. Where chains and times go on from what lies before, it says what they claim.

Spec: FORMATS "Leaf"; specs/audit.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from did_methods.canonical import read_canonical
from did_methods.codec import base64url_encode
from registry.limits import LEAF_BYTES
from registry.log.entry import LEAF_FORMAT, MAX_INTEGER
from registry.log.merkle import leaf_hash

Link: TypeAlias = tuple[int, int | None, str | None]
"""What a party says of its chain: count, prevIndex, prevLeafHash."""

FIRST: Final[Link] = (1, None, None)
"""The link of whoever had no entry before."""

_MEMBERS: Final = 5  # event, format, kind, parties, time
_PARTY_MEMBERS: Final = 5  # count, did, prevIndex, prevLeafHash, roles
_ROLES: Final = (["signer"], ["subject"], ["signer", "subject"])
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


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
    _kinds: set[str] = field(default_factory=set)

    def take(self, index: int, data: bytes, hashed: bytes) -> bool:
        """Take the next entry; False where a quick look cannot tell that it is good: the stretch is of no use then."""
        wire = read_canonical(data) if len(data) <= LEAF_BYTES else None
        if type(wire) is not dict or len(wire) != _MEMBERS:
            return False
        try:  # as many members as there are, and each of them by its name: there is no other
            event, kind, time_ms, parties = wire["event"], wire["kind"], wire["time"], wire["parties"]
            if wire["format"] != LEAF_FORMAT or type(event) is not dict or len(event) == 1 or not parties:
                return False  # an event with one member may be a digest, which has no parties
            if not self._link(parties, index, base64url_encode(hashed)):
                return False
        except (KeyError, TypeError):
            return False
        if type(time_ms) is not int or not self.last_ms <= time_ms <= MAX_INTEGER or type(kind) is not str:
            return False
        if kind not in self._kinds:
            if _KIND.fullmatch(kind) is None:
                return False
            self._kinds.add(kind)
        if self.first_ms < 0:
            self.first_ms = time_ms
        self.last_ms = time_ms
        return True

    def _link(self, parties: Any, index: int, hashed: str) -> bool:
        """Let chains go on; False where a party is not of the form, or does not follow.

        Raises:
            KeyError, TypeError: one is not of the form.
        """
        before, ends = "", self.ends
        for party in parties:
            did, count, previous = party["did"], party["count"], party["prevIndex"]
            # To Python true is 1 and false is 0; fractions are not read quickly.
            if len(party) != _PARTY_MEMBERS or did <= before or type(count) is not int or type(previous) is bool:
                return False
            link, expected = (count, previous, party["prevLeafHash"]), ends.get(did)
            if party["roles"] not in _ROLES or (expected is not None and link != expected):
                return False
            if expected is None:
                self.openings[did] = link
            ends[did] = (count + 1, index, hashed)
            before = did
        return True


def look_at(start: int, entries: Sequence[bytes]) -> Looked:
    """Hash entries that follow one another, and look whether they hang together.

    Args:
        start: log index of the first.
        entries: as served.
    """
    hashes = [leaf_hash(data) for data in entries]
    stretch = Stretch()
    good = all(stretch.take(index, data, hashes[index - start]) for index, data in enumerate(entries, start))
    return Looked(hashes, stretch if good else None)
