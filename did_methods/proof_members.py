"""The members of a Data Integrity proof: each read strictly, or refused with the error that names it.

Spec: VC-DATA-INTEGRITY 2.1
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from did_methods.codec import multibase_decode
from did_methods.codec_errors import CodecError
from did_methods.did import InvalidDidUrlError, parse_did_url
from did_methods.proof_errors import ProofMalformedError, ProofValueError
from did_methods.timestamp import TimestampError, parse_timestamp

MAX_NAMES: Final = 8
MAX_SIGNATURE_CHARS: Final = 140  # the 96 bytes of a P-384 signature are 132


def text_member(raw: dict[str, Any], name: str) -> str | None:
    """Return a member that is a string; None where it is not there."""
    if name not in raw:
        return None
    value = raw[name]
    if not isinstance(value, str):
        raise ProofMalformedError(f"{name} is not a string", member=name)
    return value


def required_member(raw: dict[str, Any], name: str) -> str:
    """Return a member that must be a string with something in it."""
    value = text_member(raw, name)
    if not value:
        raise ProofMalformedError(f"{name} is missing", member=name)
    return value


def time_member(raw: dict[str, Any], name: str) -> int | None:
    """Return a member that is a time with a zone, in milliseconds since the epoch; None where it is not there."""
    value = text_member(raw, name)
    if value is None:
        return None
    try:
        return parse_timestamp(value)
    except TimestampError:
        raise ProofMalformedError(f"{name} is not a time with a zone", member=name) from None


def method_member(raw: dict[str, Any]) -> str:
    """Return the verification method: an absolute DID URL with a fragment."""
    value = required_member(raw, "verificationMethod")
    try:
        fragment = parse_did_url(value).fragment
    except InvalidDidUrlError:
        fragment = None
    if not fragment:
        raise ProofMalformedError("verificationMethod is not a DID URL with a fragment", member="verificationMethod")
    return value


def domain_member(raw: dict[str, Any]) -> str | tuple[str, ...] | None:
    """Return the domain: None, one string, or a tuple for a list."""
    return names_member(raw, "domain") if isinstance(raw.get("domain"), list) else text_member(raw, "domain")


def names_member(raw: dict[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a member that is a string or a short list of strings, as a tuple; None where it is not there."""
    if name not in raw:
        return None
    value = raw[name] if isinstance(raw[name], list) else [raw[name]]
    if not 1 <= len(value) <= MAX_NAMES or not all(isinstance(item, str) for item in value):
        raise ProofMalformedError(f"{name} is not a string or a list of strings", member=name)
    return tuple(value)


def signature_member(raw: dict[str, Any], *, sizes: Collection[int]) -> bytes:
    """Return the bytes of ``proofValue``, whose number is one of sizes."""
    try:
        signature = multibase_decode(required_member(raw, "proofValue"), max_chars=MAX_SIGNATURE_CHARS)
    except CodecError:
        raise ProofValueError from None
    if len(signature) not in sizes:
        raise ProofValueError
    return signature
