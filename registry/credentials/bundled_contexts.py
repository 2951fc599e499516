"""The JSON-LD contexts that this product knows: package data, never fetched.

Decides which URLs a document may name in `@context`, and which bytes stand behind each. Whoever loads contexts asks here
and nowhere else; a URL that is not here is an error, not a request.

Spec: VC-DATA-MODEL-2.0 B.1; specs/json-ld.md "Bundled contexts"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

CREDENTIALS_V1_URL: Final = "https://www.w3.org/2018/credentials/v1"
CREDENTIALS_V2_URL: Final = "https://www.w3.org/ns/credentials/v2"
EXAMPLES_V2_URL: Final = "https://www.w3.org/ns/credentials/examples/v2"
DATA_INTEGRITY_V1_URL: Final = "https://w3id.org/security/data-integrity/v1"
DATA_INTEGRITY_V2_URL: Final = "https://w3id.org/security/data-integrity/v2"
ED25519_2020_URL: Final = "https://w3id.org/security/suites/ed25519-2020/v1"
BONAFIDES_V1_URL: Final = "https://w3id.org/bonafides/v1"

# The first file of a URL is the one that documents are read with; further ones are earlier editions, for digests only.
_FILES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        CREDENTIALS_V1_URL: ("credentials-v1.jsonld",),
        # The edition of July 2024 stood at this URL until February 2025, and credentials of that time pin its digest. They
        # too are read with the published edition.
        CREDENTIALS_V2_URL: ("credentials-v2.jsonld", "credentials-v2-2024-07-20.jsonld"),
        EXAMPLES_V2_URL: ("credentials-examples-v2.jsonld",),
        DATA_INTEGRITY_V1_URL: ("data-integrity-v1.jsonld",),
        DATA_INTEGRITY_V2_URL: ("data-integrity-v2.jsonld",),
        ED25519_2020_URL: ("ed25519-2020-v1.jsonld",),
        BONAFIDES_V1_URL: ("bonafides-v1.jsonld",),
    }
)

CONTEXT_URLS: Final = tuple(_FILES)


def context_bytes(url: str) -> bytes:
    """Return the bytes that documents naming a context are read with.

    Args:
        url: one of ``CONTEXT_URLS``.

    Raises:
        KeyError: the URL is not one of them.
    """
    return known_bytes()[url][0]


@cache
def known_bytes() -> Mapping[str, tuple[bytes, ...]]:
    """Return, for each URL, every edition of its bytes: what a digest of the URL may be a digest of.

    Spec: VC-DATA-MODEL-2.0 5.3
    """
    folder = resources.files(__package__) / "contexts"
    editions = {url: tuple((folder / name).read_bytes() for name in names) for url, names in _FILES.items()}
    return MappingProxyType(editions)
