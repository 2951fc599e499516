"""Canonical JSON: the one byte string that is hashed and signed for a JSON value.

Decides which Python values have a canonical form at all, and refuses those whose form would lose something: integers
beyond 2^53 - 1, numbers that are not finite, names that are not strings, half surrogate pairs. Plain documents take a
fast path (``orjson``) that is proven equal to the slow one (``jcs``) by property tests. The only door to both for
canonical bytes.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Final

import jcs  # noqa: TID251 - this module is its door
import orjson

from did_methods.codec import MAX_SAFE_INTEGER
from did_methods.errors import DidError

MAX_DEPTH: Final = 254  # what orjson writes; the slow path keeps the same limit, so that they refuse the same values
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
# First bytes of characters beyond U+FFFF. Only with such characters does the order of UTF-8 bytes (orjson) differ
# from the order of UTF-16 units (JCS).
_ASTRAL: Final = re.compile(rb"[\xf0-\xf4]")
_EXPONENT: Final = re.compile(rb"[0-9]e")
_QUICK_CONTAINERS: Final = 32  # as deep as submitted JSON may be, so nothing quickly read is deeper


class CanonicalizationError(DidError):
    """Any value without a canonical form; catch this for all of them."""

    code = "not_canonicalizable"
    title = "Value has no canonical form"


class CanonicalTypeError(CanonicalizationError):
    """A value is of a type that JSON does not have."""

    code = "canonical_type"
    title = "Not a JSON value"


class CanonicalKeyError(CanonicalizationError):
    """A member name is not a string."""

    code = "canonical_key"
    title = "Member name is not a string"


class CanonicalNumberError(CanonicalizationError):
    """A number is not finite, or an integer is beyond 2^53 - 1."""

    code = "canonical_number"
    title = "Number has no canonical form"


class CanonicalSurrogateError(CanonicalizationError):
    """A string or name holds half of a surrogate pair."""

    code = "canonical_surrogate"
    title = "Lone surrogate has no canonical form"


class CanonicalDepthError(CanonicalizationError):
    """Objects and arrays are nested too deeply, or contain themselves."""

    code = "canonical_depth"
    title = "Value nested too deeply"


def canonicalize(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value.

    Args:
        value: None, bool, int within 2^53 - 1, finite float, str, list or dict of these; exactly these types.

    Raises:
        CanonicalizationError: canonical_type, canonical_key, canonical_number, canonical_surrogate, canonical_depth.

    Spec: RFC 8785
    """
    try:
        data = orjson.dumps(value, option=_OPTIONS)
    except TypeError:  # JSONEncodeError: the guard says which rule was broken
        return _canonicalize_guarded(value)
    # After dumps, because it ends for values that contain themselves and the walk would not.
    if _is_plain(value) and (data.isascii() or _ASTRAL.search(data) is None):
        return data
    return _canonicalize_guarded(value)


def read_canonical(data: bytes) -> Any | None:
    """Return the value of bytes that are in canonical form already, at a tenth of the cost of parsing and writing them.

    Args:
        data: any bytes.

    Returns:
        The value where a quick look can tell that the bytes are its canonical form and JSON of one meaning; None where
        it cannot, as for everything but objects and lists: whoever must know then parses and writes.

    Spec: RFC 8785
    """
    if not data.startswith((b"{", b"[")) or b"\\" in data:
        return None
    bare = b"".join(data.split(b'"')[::2])  # what stands outside of texts: no quote is escaped
    if bare.count(b"{") + bare.count(b"[") > _QUICK_CONTAINERS or b"." in bare or b"E" in bare:
        return None
    if b"e" in bare and _EXPONENT.search(bare) is not None:  # a fraction may be written otherwise by `orjson`
        return None
    if not data.isascii() and _ASTRAL.search(data) is not None:
        return None
    try:
        value = orjson.loads(data)
        # A name that stands twice is read once, and so is not written again.
        return value if orjson.dumps(value, option=_OPTIONS) == data else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def sha256_jcs(value: Any) -> bytes:
    """Return the 32 bytes of SHA-256 over the canonical bytes of a JSON value.

    Args:
        value: as for ``canonicalize``.

    Raises:
        CanonicalizationError: as for ``canonicalize``.

    Spec: RFC 8785
    """
    return hashlib.sha256(canonicalize(value)).digest()


def _is_plain(value: Any) -> bool:
    """Tell whether value has only types that orjson writes as JCS does: no float above all, whose digits differ.

    Ranges of integers, types of names and surrogates were checked by ``dumps``. One flat loop over a list that grows,
    because it stands in the path of every verification.
    """
    levels: list[Any] = [(value,)]
    for items in levels:
        for item in items:
            kind = type(item)
            if kind is str:
                continue
            if kind is dict:
                levels.append(item.values())
            elif kind is list:
                levels.append(item)
            elif not (kind is int or kind is bool or item is None):
                return False
    return True


def _canonicalize_guarded(value: Any) -> bytes:
    try:
        _check_value(value, depth=0)
        data: bytes = jcs.canonicalize(value)
    except RecursionError:  # the caller itself was deep in the stack
        raise CanonicalDepthError from None
    return data


def _check_value(value: Any, *, depth: int) -> None:
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is int or kind is float:
        _check_number(value)
    elif kind is dict or kind is list:
        if depth >= MAX_DEPTH:
            raise CanonicalDepthError
        if kind is dict:
            for name in value:
                if type(name) is not str:
                    raise CanonicalKeyError
                _check_text(name)
        for item in value.values() if kind is dict else value:
            _check_value(item, depth=depth + 1)
    elif kind is not bool and value is not None:
        raise CanonicalTypeError


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalSurrogateError from None


def _check_number(number: float) -> None:
    if isinstance(number, int):
        if not -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
            raise CanonicalNumberError("integer beyond 2^53 - 1")
    elif not math.isfinite(number):
        raise CanonicalNumberError("number is not finite")
