"""Where a hosted DID lives below the registry's public URL."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from registry.history.errors import DidNotHostedError
from registry.history.state import Genesis

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def host_of(public_url: str) -> str:
    """Return host and port of a public URL as a did:webvh spells them, for example ``registry.localhost%3A8000``."""
    return urlsplit(public_url).netloc.replace(":", "%3A")


def is_hosted(did: str, genesis: Genesis) -> bool:
    """Say whether a did:webvh, or its parallel did:web, names this registry's host, whatever its path."""
    match did.split(":"):
        case ["did", "webvh", _, host, *_] | ["did", "web", host, *_]:
            return host.lower() == host_of(genesis.public_url).lower()
        case _:
            return False


def hosted_path(did: str, genesis: Genesis) -> str:
    """Return the path of a hosted did:webvh: ``agents/<slug>``, or the empty string for the registry itself.

    Raises:
        DidNotHostedError: ``did_not_hosted_here``.

    Spec: did:webvh 1.0 "Method-Specific Identifier"; specs/did-method.md.
    """
    parts = did.split(":")[3:]
    if not parts or parts[0].lower() != host_of(genesis.public_url).lower():
        raise DidNotHostedError("the DID names another host")
    path = parts[1:]
    if not path and did == genesis.registry_did:
        return ""
    if len(path) != 2 or path[0] != "agents" or not _SLUG.fullmatch(path[1]):  # noqa: PLR2004 - agents/<slug>
        raise DidNotHostedError("hosted DIDs end in :agents:<slug>, slug [a-z0-9][a-z0-9-]{0,62}")
    return "/".join(path)
