"""The registry's own keys at rest: made at the first start, loaded at every other, one purpose each.

``log-note`` signs checkpoints, ``state-note`` those of the state log, ``registry-did`` what the registry says, ``did-witness``
approvals of other people's DID logs, ``log-witness`` cosignatures of other registries' checkpoints,
``log-heartbeat`` and ``state-heartbeat`` the time under the checkpoints of both logs; ``operator-root`` and
``operator-agent`` are the operator's and may be taken elsewhere after the first start.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from registry.adapters.identity import make_key_identity, make_webvh_identity
from registry.adapters.key_file import KeyRing, load_key_ring, save_key_ring
from registry.errors import DependencyError

_LOG = logging.getLogger(__name__)
_NEEDED = ("log-note", "registry-did")
_LATER = {
    "did-witness": "DID logs that name another are not witnessed",
    "log-witness": "policies that name another fail",
    "state-note": "the state log begins, or cannot go on",
    "log-heartbeat": "whoever keeps another sees no heartbeat",
    "state-heartbeat": "whoever keeps another sees no heartbeat of the state log",
}
_FILES = (*_NEEDED, "operator-root", "operator-agent", *_LATER)


class KeysMissingError(DependencyError):
    """The log exists, but a private key that belongs to it is gone."""

    code = "registry_keys_missing"
    title = "A key of this registry is missing"


def make_registry_keys(
    folder: Path, *, host: str, port: int | None, now_ms: int
) -> tuple[dict[str, KeyRing], dict[str, dict[str, object]]]:
    """Make the registry's identities; keys are on the disk before the first entry names them.

    Args:
        folder: of the key files. Files of an earlier log are put aside, never deleted.
        host: of the public URL.
        port: of the public URL; None for the HTTPS default.
        now_ms: of the first DID entries, milliseconds since the epoch.

    Returns:
        Key rings by name, and the first DID entries of ``registry-did`` and ``operator-agent``.
    """
    if any(_file(folder, name).exists() for name in _FILES):
        # A first start that was killed between writing keys and the first entry. Or the settings name another, empty
        # database, and these are the only keys of a log that exists: so they are put aside, never deleted.
        aside = secrets.token_hex(4)
        for name in _FILES:
            if _file(folder, name).exists():
                _file(folder, name).rename(folder / f"{name}.json.aside-{aside}")
    registry, registry_entry = make_webvh_identity(host, port, (), seeds=_seeds(), now_ms=now_ms)
    operator, operator_entry = make_webvh_identity(host, port, ("agents", "operator"), seeds=_seeds(), now_ms=now_ms)
    rings = {
        "log-note": make_key_identity(secrets.token_bytes(32)),
        "registry-did": registry,
        "operator-root": make_key_identity(secrets.token_bytes(32)),
        "operator-agent": operator,
        **{name: make_key_identity(secrets.token_bytes(32)) for name in _LATER},
    }
    for name, ring in rings.items():
        save_key_ring(_file(folder, name), ring)
    return rings, {"registry-did": registry_entry, "operator-agent": operator_entry}


def load_registry_keys(folder: Path) -> dict[str, KeyRing]:
    """Load the keys that a running registry needs; the operator's may be elsewhere by now.

    A registry from before it was a witness, or had a state map or a heartbeat, gets those keys now: nothing rests on such a key yet.

    Raises:
        KeysMissingError: ``registry_keys_missing``.
        BonafidesError: a damaged key file, or one that others can read.
    """
    missing = [name for name in _NEEDED if not _file(folder, name).exists()]
    if missing:
        raise KeysMissingError(", ".join(missing))
    for name, meaning in _LATER.items():
        if not _file(folder, name).exists():
            save_key_ring(_file(folder, name), make_key_identity(secrets.token_bytes(32)))
            _LOG.warning("there was no key %s: a new one was made, and %s", name, meaning)
    return {name: load_key_ring(_file(folder, name)) for name in (*_NEEDED, *_LATER)}


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _seeds() -> list[bytes]:
    return [secrets.token_bytes(32) for _ in range(3)]
