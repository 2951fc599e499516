"""Private keys at rest: one JSON file per identity, readable by its owner alone.

Format ``bonafides/keys/1``: {"format", "did", "verificationMethod", "keys": {role: base64url seed of 32 bytes}}. Roles of a
did:webvh identity: ``signing`` (authentication and assertion), ``update`` (its DID log) and ``nextUpdate`` (the key that
pre-rotation has committed to). A did:key identity has ``signing`` only. A passphrase comes with a later version.

Spec: specs/key-file.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.errors import DidError
from did_methods.keys import KeySigner, SigningKey
from registry.errors import ConflictError, DependencyError, ParseError

FORMAT = "bonafides/keys/1"
MAX_BYTES = 16_384


class KeyFileExistsError(ConflictError):
    """There is a key file already; keys are never overwritten."""

    code = "key_file_exists"
    title = "The key file exists already"


class KeyFileUnreadableError(DependencyError):
    """The key file is not there or cannot be read."""

    code = "key_file_unreadable"
    title = "The key file cannot be read"


class KeyFileExposedError(DependencyError):
    """Others than the owner can read the key file."""

    code = "key_file_exposed"
    title = "The key file is readable by others (chmod 600 it)"


class KeyFileFormatError(ParseError):
    """The file is not a key file of this version."""

    code = "key_file_malformed"
    title = "Not a key file"


@dataclass(frozen=True)
class KeyRing:
    """One identity's private keys.

    Attributes:
        did: whose keys these are.
        verification_method: the id of the signing key in the DID document.
        keys: role to signing key; never printed.
    """

    did: str
    verification_method: str
    keys: Mapping[str, SigningKey]

    def __repr__(self) -> str:
        return f"KeyRing(did={self.did!r}, roles={sorted(self.keys)})"

    @property
    def signer(self) -> KeySigner:
        """The signer of this identity's credentials and presentations."""
        return KeySigner(self.keys["signing"], self.verification_method)


def encode_key_ring(ring: KeyRing) -> bytes:
    """Encode a key ring as a key file's content."""
    keys = {role: base64url_encode(key.seed) for role, key in ring.keys.items()}
    document = {"format": FORMAT, "did": ring.did, "verificationMethod": ring.verification_method, "keys": keys}
    return canonicalize(document) + b"\n"


def parse_key_ring(data: bytes) -> KeyRing:
    """Parse a key file's content.

    Raises:
        KeyFileFormatError: ``key_file_malformed``.
    """
    try:
        document = parse_json_object(data, max_bytes=MAX_BYTES)
    except JsonError as error:
        raise KeyFileFormatError(f"{KeyFileFormatError.title}: {error.detail}") from error
    keys, did, method = document.get("keys"), document.get("did"), document.get("verificationMethod")
    if document.get("format") != FORMAT or not isinstance(keys, dict) or "signing" not in keys:
        raise KeyFileFormatError
    if not isinstance(did, str) or not isinstance(method, str):
        raise KeyFileFormatError
    try:
        return KeyRing(did, method, {role: SigningKey(base64url_decode(str(seed))) for role, seed in keys.items()})
    except DidError as error:
        raise KeyFileFormatError(f"{KeyFileFormatError.title}: a key is not 32 bytes in base64url") from error


def save_key_ring(path: Path, ring: KeyRing, *, replace: bool = False) -> None:
    """Write a key file with mode 0600, durably.

    Args:
        path: where; its folder is made with mode 0700.
        ring: the keys.
        replace: swap an existing file in one step (after a rotation) instead of refusing.

    Raises:
        KeyFileExistsError: ``key_file_exists``.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and not replace:
        raise KeyFileExistsError(path.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode_key_ring(ring))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    except FileExistsError as error:
        raise KeyFileExistsError(path.name) from error
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_key_ring(path: Path, *, mounted: bool = False) -> KeyRing:
    """Read a key file.

    Args:
        path: the file.
        mounted: the file is a mounted secret, whose mode its platform decides.

    Raises:
        KeyFileUnreadableError: ``key_file_unreadable``.
        KeyFileExposedError: ``key_file_exposed`` when group or others may read it.
        KeyFileFormatError: ``key_file_malformed``.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileUnreadableError(f"{path.name}: {error.strerror}") from error
    if not mounted and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileExposedError(path.name)
    return parse_key_ring(data)
