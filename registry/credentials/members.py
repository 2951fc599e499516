"""What a member of a signed document may be: a small declarative language with two readings.

Decides whether a JSON value has the form a kind asks for. The same specification gives the fast checker that runs for
every document and the JSON Schema that is published, so the two cannot drift apart (a property test compares them).
Knows nothing of credentials, signatures or time; rules between members (issuer against subject, sorted lists) are
semantic checks and live in ``model.py``.

Two strictnesses go beyond what JSON Schema engines agree on, both in favour of one meaning: an integer is written
without a fraction (``1.0`` is refused), and a pattern covers the whole string (no trailing newline).

Spec: JSON Schema 2020-12 (the subset used by ``schema``)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

Check: TypeAlias = Callable[[Any], bool]
Reason: TypeAlias = Literal["missing", "unknown", "invalid"]

MAX_SAFE_INTEGER: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Violation:
    """The first place where a value is not what its specification asks for.

    Attributes:
        path: member names and list positions from the top.
        reason: ``missing`` and ``unknown`` name a member by the last part of the path, ``invalid`` a value.
    """

    path: tuple[str | int, ...]
    reason: Reason


class Member(Protocol):
    """A specification of one JSON value."""

    def compile(self) -> Check:
        """Return the fast checker: true exactly when `find_violation` finds nothing."""

    def find_violation(self, value: Any, path: tuple[str | int, ...] = ()) -> Violation | None:
        """Return the first violation in value, or None; slow, for the error message."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the value."""


class _Leaf:
    """Shared by members without parts: the value is right or it is invalid as a whole."""

    __slots__ = ()

    def compile(self) -> Check:
        raise NotImplementedError

    def find_violation(self, value: Any, path: tuple[str | int, ...] = ()) -> Violation | None:
        """Return the violation if value is not what is asked for."""
        return None if self.compile()(value) else Violation(path, "invalid")


@dataclass(frozen=True, slots=True)
class Text(_Leaf):
    """A string that a pattern covers as a whole.

    Args:
        pattern: a regular expression that means the same in Python and ECMA-262, without anchors.
        max_chars: most characters, checked before the pattern runs.
        title: what the string is, for the schema.
    """

    pattern: str
    max_chars: int
    title: str = ""

    def compile(self) -> Check:
        """Return the fast checker."""
        matches, max_chars = re.compile(self.pattern).fullmatch, self.max_chars

        def check(value: Any) -> bool:
            return isinstance(value, str) and len(value) <= max_chars and matches(value) is not None

        return check

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        described = {"description": self.title} if self.title else {}
        return {"type": "string", **described, "maxLength": self.max_chars, "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Const(_Leaf):
    """Exactly one string, or one list of strings in order."""

    value: str | tuple[str, ...]

    @property
    def wire(self) -> str | list[str]:
        """The JSON value."""
        return self.value if isinstance(self.value, str) else list(self.value)

    def compile(self) -> Check:
        """Return the fast checker."""
        wire = self.wire

        def check(value: Any) -> bool:
            return bool(value == wire)

        return check

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"const": self.wire}


@dataclass(frozen=True, slots=True)
class AnyObject(_Leaf):
    """Any object: its members are judged elsewhere, by a specification that its own type names."""

    def compile(self) -> Check:
        """Return the fast checker."""

        def check(value: Any) -> bool:
            return isinstance(value, dict)

        return check

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class OneOf(_Leaf):
    """One of a closed list of strings."""

    values: tuple[str, ...]

    def compile(self) -> Check:
        """Return the fast checker."""
        values = frozenset(self.values)

        def check(value: Any) -> bool:
            return isinstance(value, str) and value in values

        return check

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Integer(_Leaf):
    """An integer within bounds, both included; never a boolean, never written with a fraction."""

    minimum: int
    maximum: int = MAX_SAFE_INTEGER

    def compile(self) -> Check:
        """Return the fast checker."""
        minimum, maximum = self.minimum, self.maximum

        def check(value: Any) -> bool:
            return type(value) is int and minimum <= value <= maximum

        return check

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of like items.

    Args:
        item: what each item is.
        max_items: most items.
        min_items: fewest items.
        distinct: no two items are equal; only for items that are strings.
    """

    item: Member
    max_items: int
    min_items: int = 1
    distinct: bool = True

    def compile(self) -> Check:
        """Return the fast checker."""
        check_item, fewest, most, distinct = self.item.compile(), self.min_items, self.max_items, self.distinct

        def check(value: Any) -> bool:
            return (
                isinstance(value, list)
                and fewest <= len(value) <= most
                and all(map(check_item, value))
                and (not distinct or len(set(value)) == len(value))
            )

        return check

    def find_violation(self, value: Any, path: tuple[str | int, ...] = ()) -> Violation | None:
        """Return the first violation: the list itself, else its first bad item."""
        if not isinstance(value, list) or not self.min_items <= len(value) <= self.max_items:
            return Violation(path, "invalid")
        for position, item in enumerate(value):
            found = self.item.find_violation(item, (*path, position))
            if found is not None:
                return found
        if self.distinct and len(set(value)) != len(value):
            return Violation(path, "invalid")
        return None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        unique = {"uniqueItems": True} if self.distinct else {}
        bounds = {"minItems": self.min_items, "maxItems": self.max_items}
        return {"type": "array", "items": self.item.schema(), **bounds, **unique}


@dataclass(frozen=True, slots=True)
class Object:
    """An object with these members and no others.

    Args:
        required: members that must be there.
        optional: members that may be there.
    """

    required: Mapping[str, Member]
    optional: Mapping[str, Member] = field(default_factory=dict)

    def compile(self) -> Check:
        """Return the fast checker."""
        checks = {name: member.compile() for name, member in (*self.required.items(), *self.optional.items())}
        find, needed = checks.get, self.required.keys()

        def check(value: Any) -> bool:
            if not isinstance(value, dict) or not needed <= value.keys():
                return False
            for name, part in value.items():
                check_part = find(name)
                if check_part is None or not check_part(part):
                    return False
            return True

        return check

    def find_violation(self, value: Any, path: tuple[str | int, ...] = ()) -> Violation | None:
        """Return the first violation: not an object, a missing, a bad, an unknown member, in this order."""
        if not isinstance(value, dict):
            return Violation(path, "invalid")
        for name in self.required:
            if name not in value:
                return Violation((*path, name), "missing")
        members = {**self.required, **self.optional}
        for name, member in members.items():
            found = member.find_violation(value[name], (*path, name)) if name in value else None
            if found is not None:
                return found
        # The name of an unknown member is the sender's text: it is not repeated in the path.
        return None if value.keys() <= members.keys() else Violation(path, "unknown")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        properties = {name: part.schema() for name, part in (*self.required.items(), *self.optional.items())}
        return {
            "type": "object",
            "properties": properties,
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Either:
    """A value of one of two forms; the one that fits further explains what is wrong when neither does."""

    first: Member
    second: Member

    def compile(self) -> Check:
        """Return the fast checker."""
        check_first, check_second = self.first.compile(), self.second.compile()

        def check(value: Any) -> bool:
            return check_first(value) or check_second(value)

        return check

    def find_violation(self, value: Any, path: tuple[str | int, ...] = ()) -> Violation | None:
        """Return the violation of the form that seems to be meant, if neither fits."""
        first = self.first.find_violation(value, path)
        second = None if first is None else self.second.find_violation(value, path)
        if first is None or second is None:
            return None
        return max(first, second, key=lambda violation: (len(violation.path), violation.reason != "missing"))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"anyOf": [self.first.schema(), self.second.schema()]}


# --- the words of our formats ---------------------------------------------------------------------------------------

_DID_PART: Final = r"[A-Za-z0-9._-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._-]*)*"
_DID_LAST: Final = r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})(?:[A-Za-z0-9._-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._-]*)*)"
_DID_PATTERN: Final = rf"did:[a-z0-9]{{1,32}}:(?:{_DID_PART}:)*{_DID_LAST}"

DID: Final = Text(_DID_PATTERN, 512, "DID")
DID_KEY: Final = Text(r"did:key:z[1-9A-HJ-NP-Za-km-z]{40,120}", 512, "did:key")
VERIFICATION_METHOD: Final = Text(rf"{_DID_PATTERN}#[A-Za-z0-9._~-]{{1,128}}", 641, "DID URL with a fragment")
URN_UUID: Final = Text(
    r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", 45, "version 4 UUID, lower case"
)
DIGEST: Final = Text(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", 43, "SHA-256, base64url without padding")
SLUG: Final = Text(r"[a-z0-9-]{1,40}", 40, "slug")
NAME: Final = Text(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}", 80, "name without spaces")
TIMESTAMP: Final = Text(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    38,
    "XSD dateTimeStamp",
)
ORIGIN: Final = Text(r"[!-*,-~]{1,255}", 255, "log origin: visible ASCII without a plus sign")
