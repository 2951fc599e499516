"""RDFC-1.0 against an independent implementation, on graphs that are harmless."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyld import jsonld

from registry.adapters.rdf_canonical import canonical_n_quads
from registry.credentials import json_ld_errors as errors
from registry.credentials.json_ld import SafeExpander
from registry.credentials.json_ld_rdf import XSD_STRING, Literal, Quad

EXPANDER = SafeExpander()
CONTEXT = {
    "id": "@id",
    "type": "@type",
    "T": "urn:x:T",
    "one": "urn:x:one",
    "ref": {"@id": "urn:x:ref", "@type": "@id"},
    "list": {"@id": "urn:x:list", "@container": "@list"},
    "graph": {"@id": "urn:x:graph", "@container": "@graph"},
    "json": {"@id": "urn:x:json", "@type": "@json"},
    "lang": {"@id": "urn:x:lang", "@container": "@language"},
    "back": {"@reverse": "urn:x:back"},
}
# Control characters are apart: the older algorithm of the other implementation leaves them as they are.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from('\n\r"\\'),
    max_size=8,
)
SCALARS = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.sampled_from([0.5, 1e21, -2.5e-7, 1e20])
)
IDS = st.sampled_from(["urn:x:1", "urn:x:2", "_:one", "_:two", "http://x.example/é"])


def _nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return nodes with some of every kind of member."""
    optional = {
        "id": IDS,
        "type": st.just("T"),
        "ref": IDS,
        "list": st.lists(st.one_of(SCALARS, children), max_size=3),
        "graph": children,
        "json": st.dictionaries(TEXT, st.one_of(SCALARS, st.none()), max_size=2),
        "lang": st.dictionaries(st.sampled_from(["en", "de-AT"]), TEXT, min_size=1, max_size=2),
        "back": children,
    }
    return st.fixed_dictionaries({"one": st.one_of(SCALARS, children)}, optional=optional)


NODES = st.recursive(st.fixed_dictionaries({"one": SCALARS}), _nodes, max_leaves=6)


@pytest.mark.oracle
@given(node=NODES)
def test_canonical_forms_are_those_of_another_implementation(node: dict[str, Any]) -> None:
    """Conversion to RDF, numbers, JSON literals, lists, graphs and names of blank nodes: all as PyLD alone has them."""
    document = {"@context": CONTEXT, **node}
    quads = EXPANDER.quads(copy.deepcopy(document))
    blank = [[term for term in quad if isinstance(term, str) and term.startswith("_:")] for quad in quads]
    assume(all(len(set(terms)) == len(terms) for terms in blank))  # see below
    ours = canonical_n_quads(quads, digest="sha256", max_twins=500)
    theirs = jsonld.normalize(document, {"algorithm": "URDNA2015", "format": "application/n-quads"})
    # A dataset is a set of statements; PyLD writes one twice where a node has the same empty list twice.
    assert ours.decode().split("\n") == [*sorted(set(theirs.split("\n")) - {""}), ""]


@given(node=NODES, data=st.data())
def test_neither_order_nor_labels_matter(node: dict[str, Any], data: st.DataObject) -> None:
    """Statements in another order and under other labels have the same canonical form, under both hashes."""
    quads = EXPANDER.quads({"@context": CONTEXT, **node})
    shuffled = data.draw(st.permutations(quads))

    def renamed(term: Any) -> Any:
        return f"_:other{len(term)}x{term[2:][::-1]}" if isinstance(term, str) and term.startswith("_:") else term

    relabelled = [Quad(*(renamed(term) for term in quad)) for quad in shuffled]
    for digest in ("sha256", "sha384"):
        assert canonical_n_quads(quads, digest=digest, max_twins=500) == canonical_n_quads(
            relabelled, digest=digest, max_twins=500
        )


def test_a_statement_of_a_node_about_itself_counts_once() -> None:
    """By the standard a statement is in the list of a node once; PyLD counts it per mention, and names the nodes otherwise."""
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    empty = Literal("", XSD_STRING)
    quads = [
        Quad("_:x", "urn:x:list", "_:l", None),
        Quad("_:x", "urn:x:one", empty, None),
        Quad("_:x", "urn:x:ref", "_:x", None),
        Quad("_:l", rdf + "first", empty, None),
        Quad("_:l", rdf + "rest", rdf + "nil", None),
    ]
    # First-degree hashes by hand: 7a515a1d… for the list, b5a1893a… for the other; rdf-canonize 5 agrees.
    assert canonical_n_quads(quads, digest="sha256", max_twins=0).decode().splitlines() == [
        f'_:c14n0 <{rdf}first> "" .',
        f"_:c14n0 <{rdf}rest> <{rdf}nil> .",
        "_:c14n1 <urn:x:list> _:c14n0 .",
        '_:c14n1 <urn:x:one> "" .',
        "_:c14n1 <urn:x:ref> _:c14n1 .",
    ]


def test_nodes_alike_in_a_named_graph_are_named_as_the_standard_says() -> None:
    """Two list items that look alike: rdf-canonize 5 and PyLD agree on these names, pyoxigraph alone has others."""
    node = {"one": "", "graph": {"one": "", "list": [{"one": ""}, {"one": ""}]}}
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    quads = EXPANDER.quads({"@context": CONTEXT, **node})
    assert canonical_n_quads(quads, digest="sha256", max_twins=2).decode().splitlines() == [
        f"_:c14n0 <{rdf}first> _:c14n6 _:c14n2 .",
        f"_:c14n0 <{rdf}rest> _:c14n3 _:c14n2 .",
        "_:c14n1 <urn:x:list> _:c14n0 _:c14n2 .",
        '_:c14n1 <urn:x:one> "" _:c14n2 .',
        f"_:c14n3 <{rdf}first> _:c14n5 _:c14n2 .",
        f"_:c14n3 <{rdf}rest> <{rdf}nil> _:c14n2 .",
        "_:c14n4 <urn:x:graph> _:c14n2 .",
        '_:c14n4 <urn:x:one> "" .',
        '_:c14n5 <urn:x:one> "" _:c14n2 .',
        '_:c14n6 <urn:x:one> "" _:c14n2 .',
    ]


def test_orders_are_tried_up_to_a_number_of_steps() -> None:
    """Nine nodes that all know one another have more orders than are tried, though fewer twins than are allowed."""
    names = [f"_:n{number}" for number in range(9)]
    quads = [Quad(one, "urn:x:knows", other, None) for one in names for other in names if one != other]
    with pytest.raises(errors.JsonLdWorkError):
        canonical_n_quads(quads, digest="sha256", max_twins=500)


def test_control_characters_are_escaped_as_the_standard_says() -> None:
    """Seven characters have short escapes, what XML does not take long ones, and everything else stands for itself."""
    text = '\0\7\b\t\n\v\f\r\x1f"\\\x7f\x80\ufffe\U0010ffff'
    expected = r"\u0000\u0007\b\t\n\u000B\f\r\u001F\"\\\u007F" + "\x80" + r"\uFFFE" + "\U0010ffff"
    quads = [Quad("urn:x:s", "urn:x:p", Literal(text, XSD_STRING), None)]
    line = canonical_n_quads(quads, digest="sha256", max_twins=0).decode()
    assert line == f'<urn:x:s> <urn:x:p> "{expected}" .\n'


def test_twins_are_counted_by_what_is_said_of_them() -> None:
    """Only blank nodes with the same statements are alike; those that differ in a literal are not."""
    alike = [Quad("urn:x:s", "urn:x:p", f"_:n{number}", None) for number in range(5)]
    different = [Quad("urn:x:s", "urn:x:p", f"_:n{number}", f"urn:x:{number}") for number in range(5)]
    assert canonical_n_quads(alike, digest="sha256", max_twins=5)
    with pytest.raises(errors.JsonLdWorkError):
        canonical_n_quads(alike, digest="sha256", max_twins=4)
    assert canonical_n_quads(different, digest="sha256", max_twins=0)
    assert canonical_n_quads([], digest="sha256", max_twins=0) == b""


def test_what_is_no_iri_by_its_own_grammar_is_refused() -> None:
    """The library's stricter grammar of IRIs is an answer about the document."""
    with pytest.raises(errors.JsonLdIdError):
        canonical_n_quads([Quad("http://[x/", "urn:x:p", "urn:x:o", None)], digest="sha256", max_twins=0)
