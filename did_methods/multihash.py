"""SHA-256 multihashes: what did:webvh hashes and related resources are written in; no other hash function is read."""

from __future__ import annotations

import hashlib
from typing import Final

from did_methods import codec_errors as refused
from did_methods.codec import codec_name, read_varint

_SHA256: Final = b"\x12\x20"


def multihash_sha256(data: bytes) -> bytes:
    """Return the SHA-256 multihash of data: two bytes of prefix and 32 bytes of digest.

    Args:
        data: what is hashed.

    Spec: multiformats multihash
    """
    return _SHA256 + hashlib.sha256(data).digest()


def multihash_decode(multihash: bytes) -> bytes:
    """Return the 32 bytes of digest in a SHA-256 multihash.

    Args:
        multihash: exactly 34 bytes.

    Raises:
        MultihashError: multihash_invalid.
        VarintError: varint_not_minimal.

    Spec: multiformats multihash
    """
    code, rest = read_varint(multihash)
    if code != _SHA256[0]:
        raise refused.MultihashError(f"hash function {codec_name(code)} is not supported", codec=code)
    size, digest = read_varint(rest)
    if size != hashlib.sha256().digest_size or len(digest) != size:
        raise refused.MultihashError("a SHA-256 digest has 32 bytes")
    return digest
