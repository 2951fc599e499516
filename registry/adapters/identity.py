"""Making an identity: keys and, for did:webvh, the first entry of its log. Everybody makes theirs the same way.

Nothing is drawn, stored or sent here: random bytes and the time are arguments, and the caller keeps the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from did_methods.key import key_signer
from did_methods.keys import SigningKey
from did_methods.webvh_create import create_entry, did_template, document_template
from did_methods.webvh_parameters import next_key_hash
from registry.adapters.key_file import KeyRing

WEBVH_SEEDS = 4
"""Seeds that an agent's did:webvh identity needs: signing, update, next update, reserve."""

NEXT_ROLES = ("nextUpdate", "reserve")
"""Roles of the keys that only the next change of the DID needs; kept apart from the others."""


def make_webvh_identity(
    host: str, port: int | None, path: Sequence[str], *, seeds: Sequence[bytes], now_ms: int
) -> tuple[KeyRing, dict[str, Any]]:
    """Make a did:webvh identity with pre-rotation on: its keys and its first log entry.

    Args:
        host: of the registry's public URL.
        port: of the registry's public URL; None for the HTTPS default.
        path: ``()`` for the registry itself, else ``("agents", slug)``.
        seeds: 32 random bytes each for the signing, the update and the next update key, and a reserve key if there is
            to be one: committed to in every entry, for the day that the next key is lost.
        now_ms: the entry's time, milliseconds since the epoch.

    Raises:
        DidError: the host or the path cannot stand in a DID.

    Spec: did:webvh 1.0 Create (Register)
    """
    signing, update, *following = (SigningKey(seed) for seed in seeds)
    template = document_template(did_template(host, port=port, path=path), [signing.public_key])
    entry, state = create_entry(
        template,
        update_key=update,
        next_key_hashes=[next_key_hash(key.public_key.multikey) for key in following],
        version_time_ms=now_ms,
    )
    keys = {"signing": signing, "update": update, **dict(zip(NEXT_ROLES, following, strict=False))}
    return KeyRing(state.did, f"{state.did}#key-1", keys), entry


def make_key_identity(seed: bytes) -> KeyRing:
    """Make a did:key identity out of 32 random bytes.

    Spec: did:key 3.1.1
    """
    signing = SigningKey(seed)
    signer = key_signer(signing)
    return KeyRing(signer.verification_method.partition("#")[0], signer.verification_method, {"signing": signing})


def split_ring(ring: KeyRing) -> tuple[KeyRing, KeyRing]:
    """Return an agent's keys in two: those of every day, and those that only the next change of its DID needs."""
    main = {role: key for role, key in ring.keys.items() if role not in NEXT_ROLES}
    later = {role: key for role, key in ring.keys.items() if role in NEXT_ROLES}
    return replace(ring, keys=main), replace(ring, keys=later)
