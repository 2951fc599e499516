"""The structure of a log without its content: hashes, the form of leaves, chain links, times, root; no signature, no rule.

Many times as fast as an audit of the content, and enough to say that a copy is whole: whoever has verified the content once
knows with this that nothing was changed, left out or put in since.

Spec: FORMATS "Leaf"; specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from did_methods.codec import base64url_encode
from did_methods.did import InvalidDidError, parse_did
from did_methods.errors import BonafidesError
from registry.audit.finding import make_finding, refusal_finding
from registry.audit.log_audit import LeafTold, LogAudit
from registry.audit.stretch import FIRST, Link, Looked, Stretch, look_at, previous_text
from registry.log.entry import Party, parse_leaf

MAX_REFUSALS: Final = 32


@dataclass(slots=True)
class StructureAudit(LogAudit):
    """A log being audited for its structure alone; `folded` counts the leaves whose form and links hold."""

    _chains: dict[str, Link] = field(default_factory=dict)
    _last_ms: int = 0
    _refused: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether every entry taken so far is a leaf that follows from those before it."""
        return self._refused == 0

    @property
    def newest_ms(self) -> int:
        """Log time of the newest entry."""
        return self._last_ms

    # Not a method that calls it: another process that is to look imports where the function is, and an audit is a lot more.
    look = staticmethod(look_at)

    def take_all(
        self,
        entries: Sequence[bytes],
        served: Sequence[bytes] = (),
        *,
        looked: Looked | None = None,
        on_leaf: LeafTold | None = None,
    ) -> None:
        """Take entries that follow one another (see `LogAudit.take_all`); nothing is folded, so no leaf is told of."""
        del on_leaf
        start = self.tree.size
        hashes, stretch = self.look(start, entries) if looked is None else looked
        self.tree.take_all(hashes, served)
        self.tree.pop_hashes()  # nobody keeps them, and the log may be longer than the memory
        if stretch is not None and self._joins(stretch):
            self.folded += len(entries)
            return
        for index, (data, hashed) in enumerate(zip(entries, hashes, strict=True), start):
            known = self._refused
            self._look_closely(index, data, hashed)
            self.folded += self._refused == known

    def _joins(self, stretch: Stretch) -> bool:
        """Go on with a stretch that follows from what was taken so far; for any other change nothing."""
        known = self._chains
        if 0 <= stretch.first_ms < self._last_ms or any(
            link != known.get(did, FIRST) or (did not in known and not _is_did(did))
            for did, link in stretch.openings.items()
        ):
            return False
        known.update(stretch.ends)
        self._last_ms = max(self._last_ms, stretch.last_ms)
        return True

    def _look_closely(self, index: int, data: bytes, hashed: bytes) -> None:
        """Take a leaf member by member, and say what is wrong with it."""
        try:
            leaf = parse_leaf(data)
        except BonafidesError as error:
            self._refused += 1
            if self._refused <= MAX_REFUSALS:
                self.findings.append(refusal_finding(error, index=index))
            return
        if leaf.digest is not None:
            self.findings.append(make_finding("registry_observed", index=index, kind=leaf.kind))
        if leaf.time_ms < self._last_ms:
            self._refuse("time", index, leaf.kind, self._last_ms, leaf.time_ms)
        self._last_ms = max(self._last_ms, leaf.time_ms)
        text = base64url_encode(hashed)
        for party in leaf.parties:
            self._link(party, index, leaf.kind, text)

    def _link(self, party: Party, index: int, kind: str, hashed: str) -> None:
        """Hold a party's link against the newest entry of its chain, which this one is from now on."""
        shown = None if party.prev_leaf_hash is None else base64url_encode(party.prev_leaf_hash)
        found = (party.count, previous_text(party.prev_index, shown))
        expected = self._chains.get(party.did, FIRST)
        if found != expected:
            members = zip(("count", "prevIndex", "prevLeafHash"), _members(expected), _members(found), strict=True)
            name, want, have = next(one for one in members if one[1] != one[2])
            self._refuse(f"{name} of {party.did}", index, kind, want, have)
        self._chains[party.did] = (party.count + 1, previous_text(index, hashed))

    def _refuse(self, detail: str, index: int, kind: str, expected: object, found: object) -> None:
        self._refused += 1
        if self._refused <= MAX_REFUSALS:
            self.findings.append(
                make_finding("links_broken", detail, index=index, kind=kind, expected=expected, found=found)
            )


def _members(link: Link) -> tuple[str, str, str]:
    """Return what a link says, as text: count, prevIndex, prevLeafHash."""
    index, _, shown = link[1].partition(',"prevLeafHash":')
    return str(link[0]), index, shown.strip('"')


def _is_did(text: str) -> bool:
    try:
        parse_did(text)
    except InvalidDidError:
        return False
    return True
