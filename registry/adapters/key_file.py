"""Private keys at rest: JSON files, readable by their owner alone, sealed under a passphrase where the owner wants it.

Format ``bonafides/keys/2``: {"format", "did", "verificationMethod", "keys": {role: base64url seed of 32 bytes}}, or with
``sealed`` in place of ``keys``. Format ``bonafides/keys/3`` is the same where a signing key lies on a NIST curve: its value
is {"kind", "secret"}, the secret scalar in base64url; keys of Ed25519 alone are written as format 2. Roles of a did:webvh identity: ``signing`` (authentication and assertion), ``update`` (its
DID log), ``nextUpdate`` (the key that pre-rotation has committed to) and ``reserve`` (a committed key kept for the day that
the next one is lost). A did:key identity and an instance have ``signing`` only. Format 1, never sealed, is read too.

Spec: specs/key-file.md.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import DidError
from did_methods.keys import KeySigner, SigningKey
from did_methods.sealed import NONCE_BYTES, SALT_BYTES, SealParameters, seal, unseal
from registry.durable_file import make_folder, write_durably
from registry.errors import ConflictError, DependencyError, ParseError

FORMAT = "bonafides/keys/2"
CURVES_FORMAT = "bonafides/keys/3"
FORMER_FORMAT = "bonafides/keys/1"
MAX_BYTES = 16_384
_FORMATS = frozenset({FORMAT, FORMER_FORMAT, CURVES_FORMAT})
_SEAL_MEMBERS = {"kdf", "operations", "memory", "salt", "nonce", "ciphertext"}
_KDF = "argon2id"
_SIGNING = "signing"
EC_KINDS = ("p256", "p384")

Passphrase = Callable[[], str]
"""Gives the passphrase when it is needed: from a terminal, the environment or a file."""


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


class PassphraseMissingError(DependencyError):
    """The key file is sealed, and nobody gave a passphrase."""

    code = "passphrase_missing"
    title = "The key file is sealed; give its passphrase"


@dataclass(frozen=True)
class KeyRing:
    """One identity's private keys.

    Attributes:
        did: whose keys these are.
        verification_method: the id of the signing key in the DID document.
        keys: role to Ed25519 key; never printed.
        curve_keys: role to key on a NIST curve; the role ``signing`` is in one of both.
    """

    did: str
    verification_method: str
    keys: Mapping[str, SigningKey]
    curve_keys: Mapping[str, EcSigningKey] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"KeyRing(did={self.did!r}, roles={sorted({*self.keys, *self.curve_keys})})"

    @property
    def signer(self) -> KeySigner:
        """The signer of this identity's credentials and presentations."""
        return KeySigner(self.curve_keys.get(_SIGNING) or self.keys[_SIGNING], self.verification_method)


def encode_key_ring(ring: KeyRing, *, passphrase: str | None = None) -> bytes:
    """Encode a key ring as a key file's content.

    Args:
        ring: the keys.
        passphrase: what to seal them under; None leaves them open.
    """
    keys: dict[str, Any] = {role: base64url_encode(key.seed) for role, key in ring.keys.items()}
    for role, curve_key in ring.curve_keys.items():
        keys[role] = {"kind": curve_key.kind, "secret": base64url_encode(curve_key.secret)}
    written = CURVES_FORMAT if ring.curve_keys else FORMAT
    head: dict[str, Any] = {"format": written, "did": ring.did, "verificationMethod": ring.verification_method}
    if passphrase is None:
        return canonicalize({**head, "keys": keys}) + b"\n"
    parameters, nonce = SealParameters(secrets.token_bytes(SALT_BYTES)), secrets.token_bytes(NONCE_BYTES)
    sealed = {
        "kdf": _KDF,
        "operations": parameters.operations,
        "memory": parameters.memory_bytes,
        "salt": base64url_encode(parameters.salt),
        "nonce": base64url_encode(nonce),
    }
    bound = canonicalize({**head, "sealed": sealed})
    ciphertext = seal(canonicalize(keys), passphrase, parameters=parameters, nonce=nonce, belongs_to=bound)
    return canonicalize({**head, "sealed": {**sealed, "ciphertext": base64url_encode(ciphertext)}}) + b"\n"


def is_sealed(data: bytes) -> bool:
    """Say whether a key file's content is sealed; what is no key file is not."""
    try:
        return "sealed" in parse_json_object(data, max_bytes=MAX_BYTES)
    except JsonError:
        return False


def parse_key_owner(data: bytes) -> str:
    """Return the DID of a key file's content, which stands open in a sealed one too.

    Raises:
        KeyFileFormatError: ``key_file_malformed``.
    """
    return _parse_head(data)[0]


def _parse_head(data: bytes) -> tuple[str, str, dict[str, Any]]:
    try:
        document = parse_json_object(data, max_bytes=MAX_BYTES)
    except JsonError as error:
        raise KeyFileFormatError(f"{KeyFileFormatError.title}: {error.detail}") from error
    did, method = document.get("did"), document.get("verificationMethod")
    if document.get("format") not in _FORMATS or not isinstance(did, str) or not isinstance(method, str):
        raise KeyFileFormatError
    return did, method, document


def parse_key_ring(data: bytes, *, passphrase: Passphrase | None = None) -> KeyRing:
    """Parse a key file's content.

    Args:
        data: the content.
        passphrase: asked only for a sealed file.

    Raises:
        KeyFileFormatError: ``key_file_malformed``.
        PassphraseMissingError: ``passphrase_missing``.
        DidError: ``seal_broken``, ``seal_parameters``, ``passphrase_invalid``.
    """
    did, method, document = _parse_head(data)
    keys = _unsealed(document, passphrase) if "sealed" in document else document.get("keys")
    if not isinstance(keys, dict) or not keys:
        raise KeyFileFormatError
    curves = keys if document["format"] == CURVES_FORMAT else {}
    on_curves = {role: value for role, value in curves.items() if isinstance(value, dict)}
    try:
        plain = {role: SigningKey(base64url_decode(str(keys[role]))) for role in keys.keys() - on_curves.keys()}
        return KeyRing(did, method, plain, {role: _curve_key(value) for role, value in on_curves.items()})
    except DidError as error:
        raise KeyFileFormatError(f"{KeyFileFormatError.title}: a key is not one in base64url") from error


def _curve_key(value: dict[str, Any]) -> EcSigningKey:
    if value.keys() != {"kind", "secret"} or value["kind"] not in EC_KINDS:
        raise KeyFileFormatError
    return EcSigningKey(value["kind"], base64url_decode(str(value["secret"])))


def _unsealed(document: dict[str, Any], passphrase: Passphrase | None) -> dict[str, Any]:
    sealed = document["sealed"]
    if not isinstance(sealed, dict) or sealed.keys() != _SEAL_MEMBERS or sealed["kdf"] != _KDF:
        raise KeyFileFormatError(f"{KeyFileFormatError.title}: not sealed in a way that is known here")
    if type(sealed["operations"]) is not int or type(sealed["memory"]) is not int:
        raise KeyFileFormatError
    if passphrase is None:
        raise PassphraseMissingError
    try:
        salt, nonce, ciphertext = (base64url_decode(str(sealed[name])) for name in ("salt", "nonce", "ciphertext"))
    except DidError as error:
        raise KeyFileFormatError from error
    head = {name: document[name] for name in ("format", "did", "verificationMethod")}
    bound = canonicalize({**head, "sealed": {name: sealed[name] for name in sealed if name != "ciphertext"}})
    parameters = SealParameters(salt, sealed["operations"], sealed["memory"])
    opened = unseal(ciphertext, passphrase(), parameters=parameters, nonce=nonce, belongs_to=bound)
    return parse_json_object(opened, max_bytes=MAX_BYTES)


def save_key_ring(path: Path, ring: KeyRing, *, replace: bool = False, passphrase: str | None = None) -> None:
    """Write a key file with mode 0600, durably.

    Args:
        path: where; its folder is made with mode 0700.
        ring: the keys.
        replace: swap an existing file in one step (after a rotation) instead of refusing.
        passphrase: what to seal the keys under; None leaves them open.

    Raises:
        KeyFileExistsError: ``key_file_exists``.
    """
    if path.exists() and not replace:
        raise KeyFileExistsError(path.name)
    make_folder(path.parent, mode=0o700)
    try:
        write_durably(path, encode_key_ring(ring, passphrase=passphrase), replace=replace)
    except FileExistsError as error:
        raise KeyFileExistsError(path.name) from error


def load_key_ring(path: Path, *, mounted: bool = False, passphrase: Passphrase | None = None) -> KeyRing:
    """Read a key file.

    Args:
        path: the file.
        mounted: the file is a mounted secret, whose mode its platform decides.
        passphrase: asked only for a sealed file.

    Raises:
        KeyFileUnreadableError: ``key_file_unreadable``.
        KeyFileExposedError: ``key_file_exposed`` when group or others may read it.
        KeyFileFormatError: ``key_file_malformed``, and the errors of a sealed file as in `parse_key_ring`.
    """
    return parse_key_ring(read_key_file(path, mounted=mounted), passphrase=passphrase)


def read_key_file(path: Path, *, mounted: bool = False) -> bytes:
    """Read a key file's content.

    Args:
        path: the file.
        mounted: the file is a mounted secret, whose mode its platform decides.

    Raises:
        KeyFileUnreadableError: ``key_file_unreadable``.
        KeyFileExposedError: ``key_file_exposed`` when group or others may read it.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileUnreadableError(f"{path.name}: {error.strerror}") from error
    if not mounted and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileExposedError(path.name)
    return data
