"""Our context beside the standard's: every kind expands without a term dropped, and means what it says as RDF."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyld import jsonld
from pyld.documentloader.frozen import BUNDLED_CONTEXTS, FrozenDocumentLoader

from registry.credentials.json_ld import SafeExpander
from registry.credentials.kinds import BONAFIDES_CONTEXT, CREDENTIALS_CONTEXT
from tests.credentials.builders import VALID, presentation
from tests.credentials.test_kinds import CONTEXT_FILE

LOADER = FrozenDocumentLoader(
    {CREDENTIALS_CONTEXT: BUNDLED_CONTEXTS[CREDENTIALS_CONTEXT], BONAFIDES_CONTEXT: CONTEXT_FILE}
)
DOCUMENTS = {name: build() for name, (_, build) in VALID.items()} | {
    "presentation": presentation(credentials=[VALID["capability"][1](), VALID["delegation"][1]()])
}


def _expand(document: dict[str, Any]) -> list[Any]:
    dropped: list[str | None] = []
    expanded: list[Any] = jsonld.expand(
        document, options={"documentLoader": LOADER}, on_property_dropped=dropped.append
    )
    assert dropped == []
    return expanded


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    if not isinstance(value, dict) or "@value" in value:
        return []
    return [value, *(found for item in value.values() for found in _objects(item))]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_no_term_is_dropped_and_no_word_stays_relative(name: str) -> None:
    """Each member and type of each kind is a full URL after expansion; nothing is left out in silence."""
    for one in _objects(_expand(DOCUMENTS[name])):
        for member, value in one.items():
            assert member.startswith("@") or ":" in member
            for word in value if member == "@type" else ():
                assert "://" in word, word
        assert ":" in one.get("@id", "urn:none")


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_kind_becomes_rdf(name: str) -> None:
    """The canonical graph names the issuer or the holder, and numbers are integers."""
    options = {"documentLoader": LOADER, "algorithm": "URDNA2015", "format": "application/n-quads"}
    quads = jsonld.normalize(DOCUMENTS[name], options)
    assert DOCUMENTS[name].get("issuer", DOCUMENTS[name].get("holder")) in quads
    assert "XMLSchema#double" not in quads


def test_every_kind_is_sound_in_safe_mode() -> None:
    """Our own strict reader, under the contexts that are bundled, takes every document of every kind as it is signed."""
    expander = SafeExpander()
    for document in DOCUMENTS.values():
        assert expander.quads(document)


@pytest.mark.parametrize("name", sorted(VALID))
def test_the_members_of_a_subject_survive_as_they_were(name: str) -> None:
    """Compacted again under the same contexts, each document says of its subject what it said."""
    document = DOCUMENTS[name]
    context = {"@context": document["@context"]}
    again = jsonld.compact(_expand(document), context, options={"documentLoader": LOADER})
    assert _unordered(again["credentialSubject"]) == _unordered(document["credentialSubject"])


def _unordered(value: Any) -> Any:
    """Return a value with lists of one as their item, and other lists in an order of their own: JSON-LD has sets."""
    if isinstance(value, list):
        items = sorted((_unordered(item) for item in value), key=json.dumps)
        return items[0] if len(items) == 1 else items
    return {name: _unordered(item) for name, item in value.items()} if isinstance(value, dict) else value
