"""JSON-LD in safe mode: what is refused and by which code, and that nothing of what is accepted is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from registry.credentials import json_ld_errors as errors
from registry.credentials.bundled_contexts import (
    BONAFIDES_V1_URL,
    CREDENTIALS_V1_URL,
    CREDENTIALS_V2_URL,
    DATA_INTEGRITY_V2_URL,
    EXAMPLES_V2_URL,
    context_bytes,
)
from registry.credentials.json_ld import JsonLdLimits, SafeExpander
from registry.credentials.json_ld_rdf import Literal, Quad, to_quads

EXPANDER = SafeExpander()
INLINE = {"a": "urn:x:a", "b": {"@id": "urn:x:b", "@type": "@id"}, "id": "@id", "type": "@type", "T": "urn:x:T"}


def credential(**members: Any) -> dict[str, Any]:
    """Return a sound credential with further or other members."""
    return {
        "@context": [CREDENTIALS_V2_URL],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:subject"},
    } | members


def inline(**members: Any) -> dict[str, Any]:
    """Return a document with a context of its own."""
    return {"@context": INLINE, **members}


def with_context(*contexts: Any, **members: Any) -> dict[str, Any]:
    """Return a credential with these contexts after the first."""
    return credential(**{"@context": [CREDENTIALS_V2_URL, *contexts]}, **members)


SOUND: dict[str, dict[str, Any]] = {
    "v2": credential(),
    "v1": credential(**{"@context": [CREDENTIALS_V1_URL, DATA_INTEGRITY_V2_URL]}) | {"issuanceDate": "2026-01-01T00:00:00Z"},
    "examples": with_context(EXAMPLES_V2_URL, type=["VerifiableCredential", "AlumniCredential"]),
    "a context document in the place of a context": with_context(
        {"@context": {"extension": "urn:x:extension"}},
        credentialSubject={"id": "did:example:subject", "extension": "value"},
    ),
    "ours": with_context(BONAFIDES_V1_URL, type=["VerifiableCredential", "AgentVouchCredential"]),
    "unknown extension defined inline": with_context(
        {"Extension": "urn:x:Extension", "extension": "urn:x:extension"},
        type=["VerifiableCredential", "Extension"],
        credentialSubject={"id": "did:example:subject", "extension": [1, "two", 3.5, True]},
    ),
    "scoped context defined inline": with_context(
        {"outer": {"@id": "urn:x:outer", "@context": {"inner": "urn:x:inner"}}}, outer={"inner": 1}
    ),
    "nested context": credential(credentialSubject={"@context": {"c": "urn:x:c"}, "c": 1}),
    "language and direction": credential(name={"@value": "HTML", "@language": "en-GB", "@direction": "ltr"}),
    "removing a default that is not there": with_context({"@vocab": None, "@language": None, "@direction": None}),
    "null inside a JSON literal": with_context({"j": {"@id": "urn:x:j", "@type": "@json"}}, j={"x": [None, {}, []]}),
    "presentation": {
        "@context": [CREDENTIALS_V2_URL],
        "type": "VerifiablePresentation",
        "verifiableCredential": [credential()],
    },
}  # fmt: skip
del SOUND["v1"]["validFrom"]

REFUSED: dict[str, tuple[type[errors.JsonLdError], dict[str, Any]]] = {
    "undefined term": (errors.JsonLdTermError, credential(undefined=1)),
    "undefined nested term": (errors.JsonLdTermError, credential(credentialSubject={"id": "urn:x:y", "undefined": 1})),
    "undefined term in a list": (errors.JsonLdTermError, credential(credentialSubject=[{"id": "urn:x:y"}, {"no": 1}])),
    "term unmapped": (errors.JsonLdTermError, with_context(EXAMPLES_V2_URL, {"@vocab": None}, some="x")),
    "term mapped to null": (errors.JsonLdTermError, with_context(EXAMPLES_V2_URL, {"some": None}, some="x")),
    "reserved word": (errors.JsonLdTermError, inline(a=1, **{"@future": 1})),
    "undefined type": (errors.JsonLdTypeError, credential(type=["VerifiableCredential", "Undefined"])),
    "undefined nested type": (errors.JsonLdTypeError, credential(credentialSubject={"type": "Undefined"})),
    "type unmapped": (
        errors.JsonLdTypeError,
        with_context(EXAMPLES_V2_URL, {"@vocab": None}, type=["VerifiableCredential", "AlumniCredential"]),
    ),
    "type is a blank node": (errors.JsonLdTypeError, inline(type="_:t", a=1)),
    "type is a keyword": (errors.JsonLdTypeError, inline(type="@json", a=1)),
    "type is relative": (errors.JsonLdTypeError, inline(type="../t", a=1)),
    "type is a number": (errors.JsonLdTypeError, inline(type=5, a=1)),
    "type is an object": (errors.JsonLdTypeError, inline(type={"a": 1}, a=1)),
    "type holds a number": (errors.JsonLdTypeError, credential(type=["VerifiableCredential", 5])),
    "relative type under a base": (errors.JsonLdContextError, {"@context": INLINE | {"@base": "http://x.example/"}, "type": "t"}),
    "id is a number": (errors.JsonLdIdError, credential(id=5)),
    "id is an object": (errors.JsonLdIdError, credential(id={})),
    "id is a list": (errors.JsonLdIdError, credential(id=["urn:x:y"])),
    "id is relative": (errors.JsonLdIdError, credential(id="relative")),
    "id is empty": (errors.JsonLdIdError, credential(id="")),
    "id names a host only": (errors.JsonLdIdError, credential(id="//host.example/x")),
    "id looks like a keyword": (errors.JsonLdIdError, inline(id="@future", a=1)),
    "id is a keyword": (errors.JsonLdIdError, inline(id="@type", a=1)),
    "id has a space": (errors.JsonLdIdError, credential(id="http://x.example/a b")),
    "id has a quote": (errors.JsonLdIdError, credential(id='http://x.example/"')),
    "nested id is relative": (errors.JsonLdIdError, credential(credentialSubject={"id": "subject"})),
    "reference is relative": (errors.JsonLdIdError, credential(issuer="issuer")),
    "id in the scheme of relative ones": (errors.JsonLdIdError, credential(id="bonafides-relative:///document/x")),
    "base": (errors.JsonLdContextError, with_context({"@base": "http://x.example/"}, id="relative")),
    "base null": (errors.JsonLdContextError, with_context({"@base": None}, id="relative")),
    "base in a scoped context": (
        errors.JsonLdContextError,
        with_context({"s": {"@id": "urn:x:s", "@context": {"@base": "http://x.example/"}}}, s={"id": "relative"}),
    ),
    "import": (errors.JsonLdContextError, with_context({"@import": EXAMPLES_V2_URL})),
    "context is a number": (errors.JsonLdContextError, with_context(5)),
    "definition is a number": (errors.JsonLdContextError, with_context({"a": 5})),
    "definition of a keyword": (errors.JsonLdContextError, with_context({"@id": "urn:x:id"})),
    "definition like a keyword": (errors.JsonLdContextError, with_context({"@future": "urn:x:f"})),
    "definition as a reserved word": (errors.JsonLdContextError, with_context({"f": "@future"})),
    "definition reversed as a reserved word": (errors.JsonLdContextError, with_context({"f": {"@reverse": "@future"}})),
    "cyclic definition": (errors.JsonLdContextError, with_context({"c": "d:x", "d": "c:x"})),
    "unknown context": (errors.JsonLdContextUnknownError, with_context("https://x.example/context")),
    "unknown context of a term": (
        errors.JsonLdContextUnknownError,
        with_context({"s": {"@id": "urn:x:s", "@context": "https://x.example/context"}}),
    ),
    "unknown nested context": (
        errors.JsonLdContextUnknownError,
        credential(credentialSubject={"@context": "https://x.example/context"}),
    ),
    "relative context": (errors.JsonLdContextUnknownError, with_context("credentials/v2")),
    "context that only looks bundled": (errors.JsonLdContextUnknownError, with_context(CREDENTIALS_V2_URL + "#")),
    "file context": (errors.JsonLdContextUnknownError, with_context("file:///etc/passwd")),
    "undefined-terms context": (
        errors.JsonLdContextUnknownError,
        with_context("https://www.w3.org/ns/credentials/undefined-terms/v2", undefined=1),
    ),
    "protected term redefined": (errors.JsonLdProtectedError, with_context({"name": "urn:x:name"})),
    "protected type redefined": (errors.JsonLdProtectedError, with_context({"VerifiableCredential": "urn:x:V"})),
    "protected term redefined in a type": (
        errors.JsonLdProtectedError,
        credential(credentialSubject={"@context": {"id": "urn:x:id"}, "id": "urn:x:y"}),
    ),
    "protected terms removed": (errors.JsonLdProtectedError, with_context(None, INLINE)),
    "protected terms removed inside": (errors.JsonLdProtectedError, credential(credentialSubject={"@context": None})),
    "null member": (errors.JsonLdDroppedError, credential(name=None)),
    "null in a list": (errors.JsonLdDroppedError, inline(a=[1, None])),
    "null nested": (errors.JsonLdDroppedError, credential(credentialSubject={"id": None})),
    "null value": (errors.JsonLdDroppedError, inline(a={"@value": None})),
    "null in a set": (errors.JsonLdDroppedError, inline(a={"@set": [1, None]})),
    "null in a language map": (
        errors.JsonLdDroppedError,
        {"@context": {"l": {"@id": "urn:x:l", "@container": "@language"}}, "l": {"en": "x", "de": None}},
    ),
    "empty language": (
        errors.JsonLdDroppedError,
        {"@context": {"l": {"@id": "urn:x:l", "@container": "@language"}}, "l": {"en": "x", "de": []}},
    ),
    "empty list of values": (errors.JsonLdDroppedError, credential(evidence=[])),
    "empty list of types": (errors.JsonLdDroppedError, inline(a=1, type=[])),
    "language without a value": (errors.JsonLdDroppedError, inline(a={"@language": "en"})),
    "only an id": (errors.JsonLdDroppedError, inline(id="urn:x:y")),
    "nothing": (errors.JsonLdDroppedError, inline()),
    "only a value": (errors.JsonLdDroppedError, inline(**{"@value": 1})),
    "scalar in a graph": (errors.JsonLdDroppedError, inline(**{"@graph": ["x", {"a": 1}]})),
    "only an id in a graph": (errors.JsonLdDroppedError, inline(**{"@graph": [{"id": "urn:x:y"}, {"a": 1}]})),
    "credential by its id only": (
        errors.JsonLdDroppedError,
        {"@context": CREDENTIALS_V2_URL, "type": "VerifiablePresentation", "verifiableCredential": "urn:x:y"},
    ),
    "index": (errors.JsonLdDroppedError, inline(a={"@value": 1, "@index": "i"})),
    "index of a node": (errors.JsonLdDroppedError, inline(b={"a": 1, "@index": "i"})),
    "index map": (
        errors.JsonLdDroppedError,
        {"@context": {"i": {"@id": "urn:x:i", "@container": "@index"}}, "i": {"one": 1}},
    ),
    "blank predicate": (errors.JsonLdPredicateError, {"@context": {"p": "_:p"}, "p": 1}),
    "blank predicate unmapped": (errors.JsonLdPredicateError, inline(a=1, **{"_:p": 1})),
    "17 digits": (errors.JsonLdNumberError, inline(a=0.30000000000000004)),
    "17 digits as text": (
        errors.JsonLdNumberError,
        inline(a={"@value": "0.30000000000000004", "@type": "http://www.w3.org/2001/XMLSchema#double"}),
    ),
    "double beyond all": (
        errors.JsonLdNumberError,
        inline(a={"@value": "1e999", "@type": "http://www.w3.org/2001/XMLSchema#double"}),
    ),
    "language with a space": (errors.JsonLdLanguageError, inline(a={"@value": "x", "@language": "e n"})),
    "language of nobody": (
        errors.JsonLdLanguageError,
        {"@context": {"l": {"@id": "urn:x:l", "@container": "@language"}}, "l": {"not a tag": "x"}},
    ),
    "language of a number": (errors.JsonLdError, inline(a={"@value": 1, "@language": "en"})),
    "value with more": (errors.JsonLdError, inline(a={"@value": 1, "a": 2})),
    "colliding ids": (errors.JsonLdError, inline(id="urn:x:y", a=1, **{"@id": "urn:x:z"})),
}  # fmt: skip


@pytest.mark.parametrize("document", SOUND.values(), ids=SOUND)
def test_a_sound_document_is_taken_and_left_as_it_is(document: dict[str, Any]) -> None:
    """Bundled and inline contexts work, and the caller's document is not written into."""
    before = copy.deepcopy(document)
    assert EXPANDER.quads(document)
    assert document == before


@pytest.mark.parametrize(("refusal", "document"), REFUSED.values(), ids=REFUSED)
def test_what_a_signature_would_not_cover_is_refused_by_its_code(
    refusal: type[errors.JsonLdError], document: dict[str, Any]
) -> None:
    """Each way to say something in JSON that the graph does not say, or says otherwise, has its code."""
    with pytest.raises(errors.JsonLdError) as caught:
        EXPANDER.quads(document)
    assert caught.value.code == refusal.code


def test_a_scoped_context_does_not_open_the_door_for_the_same_text_beside_it() -> None:
    """The library remembers a context that was allowed to redefine protected terms, and would apply it where it is not."""
    evil = {"name": "urn:x:evil"}
    contexts = [CREDENTIALS_V2_URL, {"s": {"@id": "urn:x:s", "@context": evil}, "z": "urn:x:z"}]
    allowed = {"@context": contexts, "s": {"name": "a"}}
    attack = allowed | {"z": {"@context": evil, "name": "b"}}
    assert EXPANDER.quads(allowed)
    with pytest.raises(errors.JsonLdProtectedError):
        EXPANDER.quads(attack)

    def load(url: str, _options: Any) -> dict[str, Any]:
        return {"document": json.loads(context_bytes(url)), "documentUrl": url, "contextUrl": None}

    alone = jsonld.expand(attack, {"documentLoader": load})
    assert "urn:x:evil" in json.dumps(alone[0]["urn:x:z"])  # the library alone lets it pass


def test_one_document_leaves_nothing_for_the_next() -> None:
    """What a document defines, under whatever context, is undefined again in the next one."""
    before = EXPANDER.quads(SOUND["v2"])
    assert EXPANDER.quads(with_context({"undefined": "urn:x:undefined"}, undefined=1))
    for _, document in REFUSED.values():
        with pytest.raises(errors.JsonLdError):
            EXPANDER.quads(document)
    with pytest.raises(errors.JsonLdTermError):
        EXPANDER.quads(credential(undefined=1))
    assert EXPANDER.quads(SOUND["v2"]) == before
    assert EXPANDER.quads(SOUND["v2"]) == SafeExpander().quads(SOUND["v2"])


def test_contexts_stay_within_their_budget() -> None:
    """Many contexts, or many nodes that each bring one, are refused before they cost more than honest documents do."""
    expander = SafeExpander(JsonLdLimits(context_terms=3_000))
    assert expander.quads(SOUND["v2"])
    for document in (
        with_context(*({f"t{number}": "urn:x:t"} for number in range(80))),
        inline(a=[{"@context": {"c": "urn:x:c"}, "c": number} for number in range(700)]),
    ):
        with pytest.raises(errors.JsonLdContextLimitError):
            expander.quads(document)


def test_documents_stay_within_their_statements() -> None:
    """Statements and blank nodes are counted while they are made."""
    expander = SafeExpander(JsonLdLimits(quads=50))
    assert len(expander.quads(inline(a=list(range(50))))) == 50
    for document in (inline(a=list(range(51))), inline(a={"@list": list(range(30))}), inline(b=[{}] * 51)):
        with pytest.raises(errors.JsonLdWorkError):
            expander.quads(document)


def test_a_document_that_is_too_deep_for_the_library_is_refused() -> None:
    """Running out of stack inside the library is an answer about the document."""
    document: dict[str, Any] = {"a": 1}
    for _ in range(2_000):
        document = {"a": document}
    with pytest.raises(errors.JsonLdError):
        EXPANDER.expand({"@context": INLINE, "a": document})


def test_numbers_and_texts_become_the_literals_of_the_specification() -> None:
    """Integers stay integers, doubles take their canonical form, and JSON its canonical bytes."""
    xsd = "http://www.w3.org/2001/XMLSchema#"
    cases: list[tuple[Any, Literal]] = [
        (5, Literal("5", xsd + "integer")),
        (5.0, Literal("5", xsd + "integer")),
        (-0.0, Literal("0", xsd + "integer")),
        (2**53 - 1, Literal("9007199254740991", xsd + "integer")),
        (1e20, Literal("100000000000000000000", xsd + "integer")),
        (1e21, Literal("1.0E21", xsd + "double")),
        (0.1, Literal("1.0E-1", xsd + "double")),
        (-12.5, Literal("-1.25E1", xsd + "double")),
        (5e-324, Literal("4.940656458412465E-324", xsd + "double")),
        ({"@value": 5, "@type": xsd + "double"}, Literal("5.0E0", xsd + "double")),
        ({"@value": "05.0", "@type": xsd + "double"}, Literal("5.0E0", xsd + "double")),
        ({"@value": "1_0", "@type": xsd + "double"}, Literal("1_0", xsd + "double")),
        ({"@value": 1.5, "@type": xsd + "decimal"}, Literal("1.5E0", xsd + "decimal")),
        (False, Literal("false", xsd + "boolean")),
        ("text", Literal("text", xsd + "string")),
        ({"@value": "t", "@language": "EN-gb"}, Literal("t", "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString", "en-gb")),
        ({"@value": "t", "@direction": "rtl"}, Literal("t", "https://www.w3.org/ns/i18n#_rtl")),
        ({"@value": "t", "@language": "ar", "@direction": "rtl"}, Literal("t", "https://www.w3.org/ns/i18n#ar_rtl")),
        ({"@value": {"b": [1.0, None], "a": "\u20ac"}, "@type": "@json"},
         Literal('{"a":"\u20ac","b":[1,null]}', "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON")),
    ]  # fmt: skip
    for value, literal in cases:
        assert [quad.object for quad in EXPANDER.quads(inline(a=value))] == [literal]


def test_lists_graphs_and_reversed_terms_become_their_statements() -> None:
    """Lists are linked from their head, members of a graph stand in it, and a reversed term turns around."""
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    listed = EXPANDER.quads(inline(id="urn:x:s", a={"@list": [{"id": "urn:x:1"}, {"id": "urn:x:2"}]}))
    assert {Quad("_:b2", rdf + "first", "urn:x:1", None), Quad("_:b2", rdf + "rest", "_:b1", None),
            Quad("_:b1", rdf + "first", "urn:x:2", None), Quad("_:b1", rdf + "rest", rdf + "nil", None),
            Quad("urn:x:s", "urn:x:a", "_:b2", None)} == set(listed)  # fmt: skip
    assert EXPANDER.quads(inline(id="urn:x:s", a={"@list": []})) == (Quad("urn:x:s", "urn:x:a", rdf + "nil", None),)
    graph = EXPANDER.quads(inline(id="urn:x:g", **{"@graph": [{"id": "urn:x:s", "b": "urn:x:o"}]}))
    assert graph == (Quad("urn:x:s", "urn:x:b", "urn:x:o", "urn:x:g"),)
    back = EXPANDER.quads(
        {"@context": INLINE | {"r": {"@reverse": "urn:x:r"}}, "id": "urn:x:s", "r": {"id": "urn:x:o"}}
    )
    assert back == (Quad("urn:x:o", "urn:x:r", "urn:x:s", None),)


@pytest.mark.parametrize("expanded", [["text"], [{"@value": 1}], [{"@list": []}], [{"urn:x:a": [{"@value": []}]}],
                                      [{"@id": None, "urn:x:a": [{"@value": 1}]}], [{"urn:x:a": [{"@value": 1.5, "@language": "en"}]}],
                                      [{"urn:x:a": [{"@list": [], "@index": "i"}]}], [{"relative": [{"@value": 1}]}],
                                      [{"urn:x:a": [{"@type": "relative", "@value": "x"}]}],
                                      [{"urn:x:a": [{"@type": "@json", "@value": 2**53}]}]])  # fmt: skip
def test_what_no_expansion_makes_is_refused_too(expanded: list[Any]) -> None:
    """The second half does not rely on the first: whatever it cannot say as statements it refuses."""
    with pytest.raises(errors.JsonLdError):
        to_quads(expanded, max_quads=10)


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key != "@context":
                yield (key,)
                yield from ((key, *rest) for rest in _paths(item))


@given(name=st.sampled_from(sorted(SOUND)), data=st.data())
def test_every_member_counts(name: str, data: st.DataObject) -> None:
    """Removing any member or value of a sound document changes its statements, or the document is sound no more."""
    document = copy.deepcopy(SOUND[name])
    *path, last = data.draw(st.sampled_from(sorted(_paths(document), key=repr)))
    if "j" in path:
        return  # inside a literal, which is compared as a whole elsewhere
    parent: Any = document
    for key in path:
        parent = parent[key]
    before = _bare(EXPANDER.quads(document))
    del parent[last]
    try:
        after = _bare(EXPANDER.quads(document))
    except errors.JsonLdError:
        return
    assert after != before


def _bare(quads: tuple[Quad, ...]) -> str:
    return json.dumps(sorted(json.dumps(quad) for quad in quads))


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_two_numbers_never_share_a_literal(value: float) -> None:
    """A double either is refused or can be read back from its literal, so that no other number has the same signature."""
    try:
        quads = EXPANDER.quads(inline(a=value))
    except errors.JsonLdNumberError:
        return
    literal = quads[0].object
    assert isinstance(literal, Literal)
    assert float(literal.value) == value


def test_the_library_alone_would_have_dropped_it() -> None:
    """Why the watch is there: the library expands an undefined term, a null and a lone index to nothing, without a word."""
    silent = jsonld.expand(inline(a=[1, None], undefined=2))
    assert silent == [{"urn:x:a": [{"@value": 1}]}]
