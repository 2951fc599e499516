"""Related resources: what a credential says of other documents, by digest.

Decides whether `relatedResource` is well formed and whether a resource that is known here is the one that was meant.
Fetches nothing: a resource that is not among the known ones is named as not evaluated.

Spec: VC-DATA-MODEL-2.0 5.3; SRI 3.5; VC-DATA-INTEGRITY 2.6
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from did_methods.codec import multibase_decode, read_varint
from did_methods.codec_errors import CodecError
from registry import limits
from registry.credentials.data_model_errors import (
    EntryError,
    EntryIdMissingError,
    ResourceDigestError,
    ResourceDigestMissingError,
    ResourceMismatchError,
    ResourceRepeatedError,
)
from registry.credentials.data_model_values import check_id, objects_of, place

_MAX_DIGESTS: Final = 8
_MAX_SRI_CHARS: Final = 2_048
_SRI: Final = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]+={0,2})(?:\?[\x21-\x7e]*)?")
_MULTIHASHES: Final[Mapping[int, str]] = {0x12: "sha256", 0x20: "sha384", 0x13: "sha512"}
_HASHES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha384": lambda data: hashlib.sha384(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
_STRENGTH: Final = ("sha512", "sha384", "sha256")
_SIZES: Final[Mapping[str, int]] = {"sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest that somebody states.

    Attributes:
        algorithm: ``sha256``, ``sha384`` or ``sha512``; "" for a hash function that is not known here.
        value: the bytes, as many as the algorithm makes.
    """

    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class RelatedResource:
    """One entry of ``relatedResource``.

    Attributes:
        id: absolute URL.
        sri: the digests of ``digestSRI``; alternatives where they are of one algorithm.
        multibase: the digests of ``digestMultibase``; each must hold.
    """

    id: str
    sri: tuple[Digest, ...]
    multibase: tuple[Digest, ...]


class _WithResources(Protocol):
    @property
    def related_resources(self) -> tuple[RelatedResource, ...]: ...


def parse_related_resources(document: Mapping[str, Any]) -> tuple[RelatedResource, ...]:
    """Return what ``relatedResource`` of a credential lists.

    Args:
        document: a credential of data model 2.0.

    Raises:
        DataModelError: vc_entry_invalid, vc_entry_limit, vc_entry_id_missing, vc_id_invalid, vc_resource_repeated,
            vc_resource_digest_missing, vc_resource_digest_invalid.

    Spec: VC-DATA-MODEL-2.0 5.3
    """
    member = "relatedResource"
    resources: list[RelatedResource] = []
    for position, entry in enumerate(objects_of(document, member, EntryError, limits.RELATED_RESOURCES)):
        path = place(document[member], member, position)
        identifier = check_id(entry, path)
        if not identifier:
            raise EntryIdMissingError(path=path)
        if any(resource.id == identifier for resource in resources):
            raise ResourceRepeatedError(path=path)
        if "digestSRI" not in entry and "digestMultibase" not in entry:
            raise ResourceDigestMissingError(path=path)
        sri = _digests(entry, "digestSRI", path, _parse_sri)
        resources.append(RelatedResource(identifier, sri, _digests(entry, "digestMultibase", path, _parse_multibase)))
    return tuple(resources)


def check_related_resources(credential: _WithResources, *, known: Mapping[str, Sequence[bytes]]) -> tuple[str, ...]:
    """Compare the related resources of a credential with those that are known here.

    A resource may have been published in several editions; the digests stated must all be of one of them. Among digests in
    ``digestSRI`` only those of the strongest algorithm count, and they are alternatives, as in that specification.

    Args:
        credential: what `parse_any_credential` returned.
        known: URL to every edition of the resource; `known_bytes` of the bundled contexts.

    Returns:
        The ids that were not evaluated, in the order of the credential: not known here, or by no hash function known here.

    Raises:
        ResourceMismatchError: vc_resource_mismatch.

    Spec: VC-DATA-MODEL-2.0 5.3; SRI 3.3.4
    """
    not_evaluated = []
    for position, resource in enumerate(credential.related_resources):
        digests = [digest for digest in (*resource.sri, *resource.multibase) if digest.algorithm]
        editions = known.get(resource.id)
        if editions is None or not digests:
            not_evaluated.append(resource.id)
        elif not any(_is_edition(resource, edition) for edition in editions):
            raise ResourceMismatchError(path=f"/relatedResource/{position}")
    return tuple(not_evaluated)


def _is_edition(resource: RelatedResource, edition: bytes) -> bool:
    strongest = next((name for name in _STRENGTH if any(digest.algorithm == name for digest in resource.sri)), "")
    alternatives = [digest for digest in resource.sri if digest.algorithm == strongest]
    if alternatives and not any(_holds(digest, edition) for digest in alternatives):
        return False
    return all(_holds(digest, edition) for digest in resource.multibase if digest.algorithm)


def _holds(digest: Digest, data: bytes) -> bool:
    return _HASHES[digest.algorithm](data) == digest.value


def _digests(
    entry: Mapping[str, Any], member: str, path: str, parse: Callable[[str], tuple[Digest, ...]]
) -> tuple[Digest, ...]:
    if member not in entry:
        return ()
    stated = entry[member] if isinstance(entry[member], list) else [entry[member]]
    if not 0 < len(stated) <= _MAX_DIGESTS or not all(isinstance(text, str) for text in stated):
        raise ResourceDigestError(path=f"{path}/{member}")
    try:
        return tuple(digest for text in stated for digest in parse(text))
    except (CodecError, ValueError):
        raise ResourceDigestError(path=f"{path}/{member}") from None


def _parse_sri(text: str) -> tuple[Digest, ...]:
    expressions = text.split() if len(text) <= _MAX_SRI_CHARS else []
    matches = [_SRI.fullmatch(expression) for expression in expressions]
    if not 0 < len(matches) <= _MAX_DIGESTS:
        raise ValueError
    digests = []
    for match in matches:
        if match is None:
            raise ValueError
        value = base64.b64decode(match[2], validate=True)
        if len(value) != _SIZES[match[1]] or base64.b64encode(value).decode("ascii") != match[2]:
            raise ValueError
        digests.append(Digest(match[1], value))
    return tuple(digests)


def _parse_multibase(text: str) -> tuple[Digest, ...]:
    """Return the one digest of a multihash in base64url or base58btc.

    32 bytes alone are read as SHA-256 too: that is how the specification's own test suite writes a digest, and no multihash
    of a hash function that is known here has this length.
    """
    data = multibase_decode(text, "u" if text.startswith("u") else "z")
    if len(data) == _SIZES["sha256"]:
        return (Digest("sha256", data),)
    code, rest = read_varint(data)
    size, value = read_varint(rest)
    if len(value) != size:
        raise ValueError
    algorithm = _MULTIHASHES.get(code, "")
    if algorithm and _SIZES[algorithm] != size:
        raise ValueError
    return (Digest(algorithm, value),)
