"""The compact serialisation of signed tokens: three parts, decoded in one way, under a header that is acceptable.

The only door to joserfc, which judges the serialisation and the types of header parameters beside our own codecs. Decides
nothing about keys or signatures, and of the payload only that it is strict JSON (``jose_claims.py``, ``jose.py``).

Spec: RFC 7515 4, 5.2, 7.1; RFC 7518 3; RFC 8037 3.1; RFC 9864 2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from did_methods.codec import KeyKind, base64url_decode, parse_json_object
from did_methods.codec_errors import CodecError, JsonError
from registry import limits
from registry.credentials.jose_errors import (
    JoseAlgorithmError,
    JoseCriticalError,
    JoseHeaderError,
    JoseKeyHeaderError,
    JoseSerializationError,
    JoseTooLargeError,
)

Algorithm: TypeAlias = Literal["EdDSA", "Ed25519", "ES256", "ES384"]

# Both names of Ed25519: RFC 9864 deprecates the first, and nearly every token in the wild has it.
KEY_KINDS: Final[Mapping[str, KeyKind]] = MappingProxyType(
    {"EdDSA": "ed25519", "Ed25519": "ed25519", "ES256": "p256", "ES384": "p384"}
)
_SIGNATURE_BYTES: Final = {"ed25519": 64, "p256": 64, "p384": 96}
_KEY_HEADERS: Final = ("jwk", "jku", "x5u", "x5c")
_CRITICAL_HEADERS: Final = ("crit", "b64")


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart; nobody has looked at what it says.

    Attributes:
        header: the JOSE header.
        payload: a JSON object.
        algorithm: value of `alg`, one that is accepted.
        signing_input: the bytes that are signed.
        signature: as many bytes as the algorithm makes.
    """

    header: dict[str, Any]
    payload: dict[str, Any]
    algorithm: Algorithm
    signing_input: bytes
    signature: bytes


def parse_compact(text: str) -> CompactToken:
    """Take a token apart.

    Args:
        text: compact serialisation.

    Raises:
        JoseError: jose_serialization_invalid, jose_too_large, jose_header_invalid, jose_algorithm_unsupported,
            jose_key_in_header, jose_critical_extension.
        JsonError: the codes of `parse_json_object`, for the payload.

    Spec: RFC 7515 5.2, 7.1
    """
    parts = text.split(".", 3)
    if len(parts) != 3 or not all(parts) or not text.isascii():  # noqa: PLR2004 - header, payload, signature
        raise JoseSerializationError
    sizes = (limits.JOSE_HEADER_CHARS, limits.ENVELOPE_CHARS, limits.JOSE_SIGNATURE_CHARS)
    if any(len(part) > most for part, most in zip(parts, sizes, strict=True)):
        raise JoseTooLargeError
    try:
        head, body, signature = (base64url_decode(part, max_chars=limits.ENVELOPE_CHARS) for part in parts)
    except CodecError:
        raise JoseSerializationError from None
    try:
        header = parse_json_object(head, max_bytes=limits.JOSE_HEADER_CHARS)
    except JsonError:
        raise JoseHeaderError from None
    _check_unwelcome(header)
    _check_by_library(text)
    algorithm = _algorithm(header)
    if len(signature) != _SIGNATURE_BYTES[KEY_KINDS[algorithm]]:
        raise JoseSerializationError("the signature has not the length of its algorithm")
    payload = parse_json_object(body, max_bytes=limits.JSON_BYTES)
    return CompactToken(header, payload, algorithm, text.rpartition(".")[0].encode("ascii"), signature)


def _check_by_library(text: str) -> None:
    """Check serialisation and types of header parameters by the library's rules, with our sizes.

    Unknown parameters are ignored, as the specification demands; those that are known and unwelcome were refused before.
    """
    # Lazy, because the library takes its time to load, and who only makes proofs never needs it.
    from joserfc import jws  # noqa: TID251 - this module is its door
    from joserfc.errors import JoseError as LibraryError  # noqa: TID251

    rules = jws.JWSRegistry(algorithms=tuple(KEY_KINDS), strict_check_header=False)
    rules.max_header_length = limits.JOSE_HEADER_CHARS
    rules.max_payload_length = limits.ENVELOPE_CHARS
    try:
        rules.check_header(jws.extract_compact(text.encode("ascii"), registry=rules).headers())
    except LibraryError:
        raise JoseHeaderError from None


def _check_unwelcome(header: Mapping[str, Any]) -> None:
    for parameter in _KEY_HEADERS:
        if parameter in header:
            raise JoseKeyHeaderError(parameter=parameter)
    for parameter in _CRITICAL_HEADERS:
        if parameter in header:
            raise JoseCriticalError(parameter=parameter)


def _algorithm(header: Mapping[str, Any]) -> Algorithm:
    algorithm = header["alg"]
    if algorithm not in KEY_KINDS:
        raise JoseAlgorithmError
    # Narrowed by the table.
    return cast("Algorithm", algorithm)
