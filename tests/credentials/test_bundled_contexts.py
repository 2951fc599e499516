"""The bundled JSON-LD contexts: which bytes they are, and that they are shipped."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from registry.credentials.bundled_contexts import (
    BONAFIDES_V1_URL,
    CONTEXT_URLS,
    CREDENTIALS_V1_URL,
    CREDENTIALS_V2_URL,
    DATA_INTEGRITY_V1_URL,
    DATA_INTEGRITY_V2_URL,
    ED25519_2020_URL,
    EXAMPLES_V2_URL,
    context_bytes,
    known_bytes,
)

FOLDER = Path(__file__).resolve().parents[2] / "registry" / "credentials" / "contexts"
# As published: VC-DATA-MODEL-2.0 B.1, VC-DATA-INTEGRITY 2.4; the others as their publishers' packages carry them.
DIGESTS = {
    CREDENTIALS_V1_URL: "ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc",
    CREDENTIALS_V2_URL: "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    EXAMPLES_V2_URL: "57393fbc69d6efb9b9b5dc9cb6b9880b0944360abfe2eaf459c9e58cf2279d7c",
    DATA_INTEGRITY_V1_URL: "b5d829bd09aa7c42abc6efa0c8ed7635313b5487f37ccfce3ecd149ca9418554",
    DATA_INTEGRITY_V2_URL: "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",
    ED25519_2020_URL: "b9e1ab971fd8bf2c7553e0c4a9438e0b9450afde1ea1ca5b2492368b9f549588",
}


@pytest.mark.parametrize("url", DIGESTS)
def test_a_foreign_context_has_its_published_bytes(url: str) -> None:
    """Nobody has edited or reformatted a context: its digest is the one published, or that of its publisher's package."""
    assert hashlib.sha256(context_bytes(url)).hexdigest() == DIGESTS[url]


def test_only_our_own_context_has_no_published_digest() -> None:
    """Every bundled context is either pinned here or ours."""
    assert set(CONTEXT_URLS) == {*DIGESTS, BONAFIDES_V1_URL}


def test_the_earlier_edition_of_the_v2_context_is_known_for_digests_only() -> None:
    """A credential that pins the digest of July 2024 is about bytes we know; documents are read with the published ones."""
    published, earlier = known_bytes()[CREDENTIALS_V2_URL]
    assert context_bytes(CREDENTIALS_V2_URL) == published
    assert hashlib.sha256(earlier).hexdigest() == "24a18c90e9856d526111f29376e302d970b2bd10182e33959995b0207d7043b9"
    assert hashlib.sha384(earlier).hexdigest().startswith("35239c36999d")


def test_no_other_url_is_known() -> None:
    """An unknown URL is an error of the caller's, not an empty context."""
    with pytest.raises(KeyError):
        context_bytes("https://www.w3.org/ns/credentials/undefined-terms/v2")


def test_every_context_file_is_in_the_table_and_in_the_list_of_sources() -> None:
    """No file lies about that nobody can name the source of, and no listed digest is wrong."""
    sources = (FOLDER / "SOURCES.md").read_text("utf-8")
    files = {path.name: path.read_bytes() for path in FOLDER.glob("*.jsonld")}
    assert sorted(files.values()) == sorted(edition for editions in known_bytes().values() for edition in editions)
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})`", sources, flags=re.MULTILINE))
    for name, data in files.items():
        assert f"`{name}`" in sources
        if name != "bonafides-v1.jsonld":
            assert rows[name] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("url", CONTEXT_URLS)
def test_a_context_names_no_other_document(url: str) -> None:
    """Bundled contexts import nothing and move no base, so the rules for documents cost them nothing."""
    context = json.loads(context_bytes(url))["@context"]
    assert isinstance(context, dict)
    assert not {"@base", "@import"} & context.keys()
    assert "http" not in json.dumps([value["@context"] for value in context.values() if isinstance(value, dict)
                                     and isinstance(value.get("@context"), str)])  # fmt: skip
