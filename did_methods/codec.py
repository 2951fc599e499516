"""Text and byte codecs: strict JSON, base58btc, base64url, multibase and multikey.

Decides whether bytes from outside have exactly one meaning, and refuses everything that two readers could understand
differently: duplicate keys, numbers that do not survive a double, lone surrogates, second spellings of one key.
Knows no key mathematics (``keys.py``) and no canonical form (``canonical.py``). The only door to ``json``, ``base58``
and ``multiformats``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import base58  # noqa: TID251 - this module is its door

from did_methods import codec_errors as refused

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
KeyKind: TypeAlias = Literal["ed25519", "p256", "p384", "secp256k1", "x25519"]
MultibaseCode: TypeAlias = Literal["z", "u"]

MAX_SAFE_INTEGER: Final = 2**53 - 1
_MAX_INTEGER_CHARS: Final = 17  # sign and 16 digits: more cannot be within MAX_SAFE_INTEGER
_MAX_FLOAT_CHARS: Final = 64  # a double needs 25; more only buys the sender work in strtod
_EXPONENT_FROM: Final = 1e21  # RFC 8785 writes numbers from here on with an exponent
# An open end counts as one: without it, every quote in an unfinished string would be looked at as a beginning.
_STRINGS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*+"?', re.DOTALL)


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise refused.JsonDuplicateKeyError
    return members


def _safe_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_CHARS or not -MAX_SAFE_INTEGER <= (number := int(text)) <= MAX_SAFE_INTEGER:
        raise refused.JsonNumberError
    return number


def _finite_float(text: str) -> float:
    if len(text) > _MAX_FLOAT_CHARS or not math.isfinite(number := float(text)):
        raise refused.JsonNumberError
    # Whole numbers beyond 2^53: their canonical form has no exponent and would be refused on the way back.
    if MAX_SAFE_INTEGER < abs(number) < _EXPONENT_FROM:
        raise refused.JsonNumberError
    return number


def _refuse_constant(_name: str) -> float:
    raise refused.JsonNumberError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates,
    parse_int=_safe_integer,
    parse_float=_finite_float,
    parse_constant=_refuse_constant,
)


def parse_json(data: bytes, *, max_bytes: int = 65_536, max_depth: int = 32, max_nodes: int = 20_000) -> JsonValue:
    """Parse JSON text that every careful reader understands in the same way.

    The parsed value is the one that is both hashed and judged: nothing in it can round, collide or fail to encode.
    NUL and other characters that JSON allows as escapes are kept.

    Args:
        data: UTF-8 without a byte order mark.
        max_bytes: most bytes of text.
        max_depth: most objects and arrays inside one another; the outermost counts as one.
        max_nodes: most values of any type, member names not counted.

    Raises:
        JsonError: one of json_too_large, json_encoding, json_syntax, json_duplicate_key, json_number_range,
            json_lone_surrogate, json_too_deep, json_too_many_values.

    Spec: RFC 8259, RFC 7493 (I-JSON) 2
    """
    if len(data) > max_bytes:
        raise refused.JsonTooLargeError(max_bytes=max_bytes)
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise refused.JsonEncodingError
        # Before the costly part: what has too many commas outside its strings has too many values.
        if text.count(",") >= max_nodes and _STRINGS.sub("", text).count(",") >= max_nodes:
            raise refused.JsonTooManyValuesError(max_nodes=max_nodes)
        value: JsonValue = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise refused.JsonEncodingError from None
    except json.JSONDecodeError as error:
        raise refused.JsonSyntaxError(f"JSON syntax error at character {error.pos}", position=error.pos) from None
    except RecursionError:
        raise refused.JsonTooDeepError(max_depth=max_depth) from None
    containers = data.count(b"{") + data.count(b"[")  # like commas, those in strings only make these bounds larger
    if containers > max_depth or containers + data.count(b",") >= max_nodes:
        _check_shape(value, max_depth=max_depth, max_nodes=max_nodes)
    # Only an escape can bring a surrogate into text that was UTF-8, and most documents have no escape.
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def parse_json_object(
    data: bytes, *, max_bytes: int = 65_536, max_depth: int = 32, max_nodes: int = 20_000
) -> dict[str, Any]:
    """Parse JSON text whose top level is an object; otherwise as ``parse_json``.

    Args:
        data: UTF-8 without a byte order mark.
        max_bytes: most bytes of text.
        max_depth: most objects and arrays inside one another.
        max_nodes: most values of any type.

    Raises:
        JsonError: json_not_object, or any code of ``parse_json``.

    Spec: RFC 8259, RFC 7493 (I-JSON) 2
    """
    value = parse_json(data, max_bytes=max_bytes, max_depth=max_depth, max_nodes=max_nodes)
    if not isinstance(value, dict):
        raise refused.JsonNotObjectError
    return value


def _check_surrogates(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise refused.JsonSurrogateError from None
    except RecursionError:  # for callers with a large max_depth
        raise refused.JsonTooDeepError from None


def _check_shape(value: JsonValue, *, max_depth: int, max_nodes: int) -> None:
    level, depth, nodes = [value], 0, 0
    while level:
        nodes += len(level)
        if nodes > max_nodes:
            raise refused.JsonTooManyValuesError(max_nodes=max_nodes)
        containers = [item for item in level if isinstance(item, dict | list)]
        depth += bool(containers)
        if depth > max_depth:
            raise refused.JsonTooDeepError(max_depth=max_depth)
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]


# --- base58btc, base64url, multibase ----------------------------------------------------------------------------------

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_BASE58: Final = re.compile(rf"[{_ALPHABET}]+")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


def base58_encode(data: bytes) -> str:
    """Return the base58btc text of data, without a multibase prefix.

    Args:
        data: any bytes; the time grows with the square of the length.

    Spec: draft-msporny-base58-03
    """
    # Four digits at a time, which fit in one limb of a long integer: the library's loop, a digit at a time, takes three
    # times as long, nearly as long as making the signature whose text this is for every write.
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, four = divmod(number, 58**4)
        digits = _PAIRS[four // 58**2] + _PAIRS[four % 58**2] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits.lstrip("1")


def base58_decode(text: str, *, max_chars: int = 128) -> bytes:
    """Return the bytes of base58btc text without a multibase prefix.

    Leading ones are leading zero bytes and the rest is one positional number, so over the pure alphabet no two texts
    have the same bytes: the law ``base58_encode(base58_decode(t)) == t`` needs no second conversion at run time. The
    alphabet and the length are checked first, because the library skips white space and needs quadratic time.

    Args:
        text: 1 to max_chars characters of the base58btc alphabet.
        max_chars: longest text to look at.

    Raises:
        EncodedTooLongError: encoding_too_long.
        Base58Error: base58_invalid.

    Spec: draft-msporny-base58-03
    """
    if len(text) > max_chars:
        raise refused.EncodedTooLongError(max_chars=max_chars)
    if _BASE58.fullmatch(text) is None:
        raise refused.Base58Error
    digits = text.lstrip("1")
    number: int = base58.b58decode_int(digits)
    return bytes(len(text) - len(digits)) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base64url_encode(data: bytes) -> str:
    """Return the base64url text of data, without padding.

    Args:
        data: any bytes.

    Spec: RFC 4648 5
    """
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def base64url_decode(text: str, *, max_chars: int = 65_536) -> bytes:
    """Return the bytes of canonical base64url text without padding.

    Args:
        text: at most max_chars characters; unused bits of the last one must be zero.
        max_chars: longest text to look at.

    Raises:
        EncodedTooLongError: encoding_too_long.
        Base64UrlError: base64url_invalid.

    Spec: RFC 4648 3.5, 5
    """
    if len(text) > max_chars:
        raise refused.EncodedTooLongError(max_chars=max_chars)
    if _BASE64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise refused.Base64UrlError
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url_encode(data) != text:
        raise refused.Base64UrlError
    return data


def multibase_decode(text: str, base: MultibaseCode = "z", *, max_chars: int = 128) -> bytes:
    """Return the bytes of multibase text in the one base asked for.

    Args:
        text: prefix and body.
        base: ``z`` for base58btc, ``u`` for base64url; any other prefix in text is refused.
        max_chars: longest body to look at.

    Raises:
        MultibaseError: multibase_prefix.
        CodecError: encoding_too_long, base58_invalid or base64url_invalid.

    Spec: CID 1.0 2.4
    """
    if not text.startswith(base):
        raise refused.MultibaseError(f"multibase text must begin with {base}")
    if base == "z":
        return base58_decode(text[1:], max_chars=max_chars)
    return base64url_decode(text[1:], max_chars=max_chars)


# --- multikey ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyCodec:
    """How one kind of public key is written: multicodec code, its varint, and the length of the raw key in bytes."""

    code: int
    prefix: bytes
    raw_bytes: int


# Five rows instead of the library's table: it costs 40 ms and 117 modules to load; a test compares the two.
KEY_CODECS: Final[dict[KeyKind, KeyCodec]] = {
    "ed25519": KeyCodec(0xED, b"\xed\x01", 32),
    "x25519": KeyCodec(0xEC, b"\xec\x01", 32),
    "p256": KeyCodec(0x1200, b"\x80\x24", 33),
    "p384": KeyCodec(0x1201, b"\x81\x24", 49),
    "secp256k1": KeyCodec(0xE7, b"\xe7\x01", 33),
}
_KIND_BY_CODE: Final[dict[int, KeyKind]] = {codec.code: kind for kind, codec in KEY_CODECS.items()}
_MAX_VARINT_BYTES: Final = 9


@dataclass(frozen=True, slots=True)
class Multikey:
    """A public key as bytes with its kind; the point itself has not been looked at.

    Args:
        kind: what the key is for.
        raw: the key without prefix; compressed for the NIST curves and secp256k1.
    """

    kind: KeyKind
    raw: bytes


def multikey_encode(kind: KeyKind, raw: bytes) -> str:
    """Return the Multikey text (``z6Mk…`` and the like) of a public key.

    Args:
        kind: one of the five kinds.
        raw: exactly the bytes of that kind.

    Raises:
        KeyLengthError: key_length.

    Spec: CID 1.0 2.2.2
    """
    codec = KEY_CODECS[kind]
    if len(raw) != codec.raw_bytes:
        raise refused.KeyLengthError(kind=kind, expected_bytes=codec.raw_bytes)
    return "z" + base58_encode(codec.prefix + raw)


def multikey_decode(text: str) -> Multikey:
    """Return the key that Multikey text stands for, refusing every second spelling of it.

    Args:
        text: ``z`` and at most 128 characters of base58btc.

    Raises:
        CodecError: multibase_prefix, encoding_too_long, base58_invalid, varint_not_minimal, key_codec_unknown or
            key_length.

    Spec: CID 1.0 2.2.2
    """
    code, raw = read_varint(multibase_decode(text))
    kind = _KIND_BY_CODE.get(code)
    if kind is None:
        raise refused.KeyCodecError(f"key codec {codec_name(code)} is not supported", codec=code)
    if multikey_encode(kind, raw) != text:
        raise refused.Base58Error
    return Multikey(kind, raw)


def read_varint(data: bytes) -> tuple[int, bytes]:
    """Return the unsigned varint at the start of data, and what follows it.

    Args:
        data: at least one byte; the varint has at most nine.

    Raises:
        VarintError: varint_not_minimal.

    Spec: multiformats unsigned-varint
    """
    number = 0
    for index, byte in enumerate(data[:_MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            if byte == 0 and index > 0:
                raise refused.VarintError
            return number, data[index + 1 :]
    raise refused.VarintError("varint is cut off or longer than nine bytes")


@lru_cache(maxsize=64)
def codec_name(code: int) -> str:
    """Return the registered name of a multicodec code, or its hexadecimal digits; for messages only.

    Args:
        code: multicodec code, >= 0.

    Spec: multiformats multicodec table
    """
    # Lazy, because the whole table is needed only to tell a person what was sent instead of a known codec.
    from multiformats import multicodec  # noqa: TID251 - this module is its door

    try:
        return str(multicodec.get(code=code).name)
    except KeyError:
        return hex(code)
