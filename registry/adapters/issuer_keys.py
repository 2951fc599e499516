"""The keys of this registry's issuers at rest: one did:key for each suite, made when it is first needed, never shared.

An issuer's DID is its key, so a lost file is a lost issuer: what it signed still verifies, and a new one signs from then on
under another DID.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

from did_methods.ec_keys import EcSigningKey
from did_methods.key import key_signer
from did_methods.keys import InvalidKeyError
from registry.adapters.identity import make_key_identity
from registry.adapters.key_file import KeyFileExistsError, KeyRing, load_key_ring, save_key_ring

IssuerKeyKind: TypeAlias = Literal["ed25519", "p256", "p384"]

_LOG = logging.getLogger(__name__)
_SECRET_BYTES: Final[dict[str, int]] = {"p256": 32, "p384": 48}
# A random number of that length is no key with a probability of 2^-32 at most; a few tries are for that one.
_TRIES: Final = 8


def load_issuer_keys(folder: Path, kinds: dict[str, IssuerKeyKind]) -> dict[str, KeyRing]:
    """Load the key of each issuer; one that is not there is made now, and on the disk before anybody sees its DID.

    Args:
        folder: of the registry's keys; the issuers' lie below it.
        kinds: name of each issuer to the kind of its key.

    Raises:
        BonafidesError: a damaged key file, or one that others can read.
    """
    rings = {}
    for name, kind in kinds.items():
        path = folder / "issuers" / f"{name}.json"
        if not path.exists():
            with suppress(KeyFileExistsError):  # another process that shares the folder was quicker: its key counts
                save_key_ring(path, _make(kind))
            _LOG.info("a new key was made for the issuer %s", name)
        rings[name] = load_key_ring(path)
    return rings


def _make(kind: IssuerKeyKind) -> KeyRing:
    if kind == "ed25519":
        return make_key_identity(secrets.token_bytes(32))
    return make_curve_identity(kind, random_bytes=secrets.token_bytes(_TRIES * _SECRET_BYTES[kind]))


def make_curve_identity(kind: Literal["p256", "p384"], *, random_bytes: bytes) -> KeyRing:
    """Make a did:key identity on a NIST curve.

    Args:
        kind: of the key.
        random_bytes: several times as many as the secret has; the first part that is a key becomes it.

    Raises:
        InvalidKeyError: no part of the random bytes is a key, which honest ones never do.

    Spec: did:key 3.1.1; FIPS 186-5 A.2.2
    """
    size = _SECRET_BYTES[kind]
    parts = [random_bytes[begin : begin + size] for begin in range(0, len(random_bytes), size)]
    for part in parts[:-1]:
        try:
            return _ring(EcSigningKey(kind, part))
        except InvalidKeyError:
            continue
    return _ring(EcSigningKey(kind, parts[-1]))


def _ring(key: EcSigningKey) -> KeyRing:
    signer = key_signer(key)
    return KeyRing(signer.verification_method.partition("#")[0], signer.verification_method, {}, {"signing": key})
