"""The structure of a log without its content: hashes, the form of leaves, chain links, times, root; no signature, no rule.

Ten times as fast as an audit of the content, and enough to say that a copy is whole: whoever has verified the content once
knows with this that nothing was changed, left out or put in since.

Spec: FORMATS "Leaf"; specs/audit.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.canonical import read_canonical
from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.audit.finding import make_finding, refusal_finding
from registry.audit.log_audit import LogAudit, fact_of
from registry.history.sequence import SequencedLeaf
from registry.limits import LEAF_BYTES
from registry.log.entry import LEAF_FORMAT, MAX_INTEGER, Party, parse_leaf

MAX_REFUSALS: Final = 32
_MEMBERS: Final = 5  # event, format, kind, parties, time
_PARTY_MEMBERS: Final = 5  # count, did, prevIndex, prevLeafHash, roles
_ROLES: Final = (["signer"], ["subject"], ["signer", "subject"])
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(slots=True)
class _Link:
    """The newest entry of a chain: its number, its index, and its leaf hash as it stands in the next one."""

    count: int
    index: int
    leaf_hash: str


@dataclass(slots=True)
class StructureAudit(LogAudit):
    """A log being audited for its structure alone; `folded` counts the leaves whose form and links hold."""

    _chains: dict[str, _Link] = field(default_factory=dict)
    _known_kinds: set[str] = field(default_factory=set)
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

    def _fold(self, index: int, data: bytes, hashed: bytes) -> SequencedLeaf | None:
        known = self._refused
        if not self._follows(index, data, hashed):
            self._look_closely(index, data, hashed)
        if index in self.wanted and self._refused == known:
            self.facts[index] = fact_of(data)
        self.folded += self._refused == known
        return None

    def _follows(self, index: int, data: bytes, hashed: bytes) -> bool:
        """Take a leaf of which a quick look tells that form, time and links hold; for any other change nothing."""
        wire = read_canonical(data) if len(data) <= LEAF_BYTES else None
        if type(wire) is not dict or len(wire) != _MEMBERS:
            return False
        try:  # as many members as there are, and each of them by its name: there is no other
            kind, time_ms, parties = wire["kind"], wire["time"], wire["parties"]
            if wire["format"] != LEAF_FORMAT or type(wire["event"]) is not dict or type(kind) is not str or not parties:
                return False
            links = self._links(parties)
        except (KeyError, TypeError):
            return False
        if links is None or type(time_ms) is not int or not self._last_ms <= time_ms <= MAX_INTEGER:
            return False
        if kind not in self._known_kinds:
            if _KIND.fullmatch(kind) is None:
                return False
            self._known_kinds.add(kind)
        text = base64url_encode(hashed)
        for link in links:
            link.count, link.index, link.leaf_hash = link.count + 1, index, text
        self._last_ms = time_ms
        return True

    def _links(self, parties: Any) -> list[_Link] | None:
        """Return the chains that parties go on from; None where one is not of the form, or does not follow.

        Raises:
            KeyError, TypeError: one is not of the form.
        """
        links: list[_Link] = []
        before, chains = "", self._chains
        for party in parties:
            did, index = party["did"], party["prevIndex"]
            link = chains.get(did)
            # A number equals true and a fraction too, but only a number is written like one, and fractions are not read.
            if link is None or len(party) != _PARTY_MEMBERS or index != link.index or index is True or did <= before:
                return None
            if party["prevLeafHash"] != link.leaf_hash or party["count"] != link.count + 1:
                return None
            if party["roles"] not in _ROLES:
                return None
            before = did
            links.append(link)
        return links

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
        link = self._chains.get(party.did)
        expected = (1, None, None) if link is None else (link.count + 1, link.index, link.leaf_hash)
        shown = None if party.prev_leaf_hash is None else base64url_encode(party.prev_leaf_hash)
        for name, want, have in zip(
            ("count", "prevIndex", "prevLeafHash"), expected, (party.count, party.prev_index, shown), strict=True
        ):
            if want != have:
                self._refuse(f"{name} of {party.did}", index, kind, want, have)
                break
        self._chains[party.did] = _Link(party.count, index, hashed)

    def _refuse(self, detail: str, index: int, kind: str, expected: object, found: object) -> None:
        self._refused += 1
        if self._refused <= MAX_REFUSALS:
            want, have = ("null" if one is None else one for one in (expected, found))
            self.findings.append(
                make_finding("links_broken", detail, index=index, kind=kind, expected=want, found=have)
            )
