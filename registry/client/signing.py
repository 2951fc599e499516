"""Who signs for an agent: a key ring read from a file, or any signer that never gives its key away.

Spec: specs/key-file.md "Your own signer"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from did_methods.keys import Signer, SigningKey
from did_methods.webvh import WebvhState, next_key_hash
from registry.adapters.identity import NEXT_ROLES
from registry.adapters.key_file import KeyRing
from registry.client.errors import NextKeysWrongError


class Identity(Protocol):
    """An agent's DID and whatever signs for it."""

    @property
    def did(self) -> str:
        """The agent's DID."""

    @property
    def signer(self) -> Signer:
        """Signs as a verification method of that DID."""


@dataclass(frozen=True, slots=True)
class SignerIdentity:
    """An agent whose key is with a signer of its own, for example in a device.

    Args:
        did: the agent's DID.
        signer: signs as a verification method of it.
    """

    did: str
    signer: Signer


def committed_key(state: WebvhState, held: KeyRing, *, recovering: bool) -> tuple[SigningKey, str]:
    """Return the key that may make the next entry, with its role.

    Args:
        state: the newest of the log.
        held: the next keys.
        recovering: take the reserve key too. Elsewhere a next key that is not committed means that somebody else with
            these keys made a change, and going on past it in silence would hide that.

    Raises:
        NextKeysWrongError: ``next_keys_not_committed``.
    """
    later = NEXT_ROLES if recovering else NEXT_ROLES[:1]
    for role in later if state.next_key_hashes else ("update", *later):
        key = held.keys.get(role)
        if key is None:
            continue
        multikey = key.public_key.multikey
        allowed = state.next_key_hashes or state.update_keys
        if (next_key_hash(multikey) if state.next_key_hashes else multikey) in allowed:
            return key, role
    raise NextKeysWrongError
