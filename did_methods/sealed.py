"""Bytes sealed under a passphrase or a key: Argon2id stretches the one, XChaCha20-Poly1305 seals with what it belongs to.

Decides the algorithms and how much work a stranger's file may ask for. Salt and nonce are arguments: nothing is drawn
here. A wrong passphrase and an altered file are one error, because nobody can tell them apart.

Spec: RFC 9106 (Argon2id), draft-irtf-cfrg-xchacha-03
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nacl import bindings  # noqa: TID251 - the second door: only here is anything encrypted
from nacl.exceptions import CryptoError  # noqa: TID251 - as above

from did_methods.errors import DidError

SALT_BYTES: Final = bindings.crypto_pwhash_SALTBYTES
NONCE_BYTES: Final = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
KEY_BYTES: Final = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
OPERATIONS: Final = 3
MEMORY_BYTES: Final = 67_108_864
"""64 MiB and three passes, about a fifth of a second; RFC 9106 4's second choice."""
MOST_OPERATIONS: Final = 16
MOST_MEMORY_BYTES: Final = 1_073_741_824
LEAST_MEMORY_BYTES: Final = 8_388_608
MAX_PASSPHRASE_BYTES: Final = 1_024


class SealError(DidError):
    """The passphrase (or key) is not the one, or the sealed bytes or what they belong to were altered."""

    code = "seal_broken"
    title = "Wrong passphrase, or the file was altered"


class SealParametersError(DidError):
    """The sealed bytes ask for less work than is safe, or for more than is reasonable."""

    code = "seal_parameters"
    title = "The file asks for another amount of work than is allowed"


class PassphraseError(DidError):
    """The passphrase is empty or longer than 1024 bytes."""

    code = "passphrase_invalid"
    title = "A passphrase has 1 to 1024 bytes"


@dataclass(frozen=True, slots=True)
class SealParameters:
    """How a passphrase is stretched.

    Args:
        salt: 16 random bytes.
        operations: passes of Argon2id, 1 to 16.
        memory_bytes: 8 MiB to 1 GiB.
    """

    salt: bytes
    operations: int = OPERATIONS
    memory_bytes: int = MEMORY_BYTES


def seal(data: bytes, passphrase: str, *, parameters: SealParameters, nonce: bytes, belongs_to: bytes) -> bytes:
    """Return data sealed under a passphrase.

    Args:
        data: what is secret.
        passphrase: text, 1 to 1024 bytes in UTF-8.
        parameters: with a fresh salt.
        nonce: 24 random bytes, never used twice.
        belongs_to: public bytes that the sealed ones cannot be moved away from.

    Raises:
        DidError: passphrase_invalid, seal_parameters.
    """
    return seal_under(_stretch(passphrase, parameters), data, nonce=nonce, belongs_to=belongs_to)


def unseal(sealed: bytes, passphrase: str, *, parameters: SealParameters, nonce: bytes, belongs_to: bytes) -> bytes:
    """Return what was sealed; arguments as for ``seal``.

    Raises:
        DidError: seal_broken, passphrase_invalid, seal_parameters.
    """
    return unseal_under(_stretch(passphrase, parameters), sealed, nonce=nonce, belongs_to=belongs_to)


def seal_under(key: bytes, data: bytes, *, nonce: bytes, belongs_to: bytes) -> bytes:
    """Return data sealed under a key.

    Args:
        key: 32 bytes.
        data: what is secret.
        nonce: 24 random bytes, never used twice.
        belongs_to: public bytes that the sealed ones cannot be moved away from.
    """
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(data, belongs_to, nonce, key)


def unseal_under(key: bytes, sealed: bytes, *, nonce: bytes, belongs_to: bytes) -> bytes:
    """Return what was sealed; arguments as for ``seal_under``.

    Raises:
        DidError: seal_broken.
    """
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, belongs_to, nonce, key)
    except (CryptoError, ValueError, TypeError):
        raise SealError from None


def _stretch(passphrase: str, parameters: SealParameters) -> bytes:
    text = passphrase.encode("utf-8")
    if not 1 <= len(text) <= MAX_PASSPHRASE_BYTES:
        raise PassphraseError
    reasonable = (
        len(parameters.salt) == SALT_BYTES
        and 1 <= parameters.operations <= MOST_OPERATIONS
        and LEAST_MEMORY_BYTES <= parameters.memory_bytes <= MOST_MEMORY_BYTES
    )
    if not reasonable:
        raise SealParametersError
    return bindings.crypto_pwhash_alg(
        KEY_BYTES,
        text,
        parameters.salt,
        parameters.operations,
        parameters.memory_bytes,
        bindings.crypto_pwhash_ALG_ARGON2ID13,
    )
