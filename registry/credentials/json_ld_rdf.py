"""From expanded JSON-LD to RDF: every member becomes a statement, or the document is refused.

Decides what a value says as RDF, and refuses whatever would say nothing or something else: relative identifiers, blank
predicates, empty lists of values, indexes, numbers with more digits than the canonical double has. Knows neither contexts
nor canonicalisation, and does not care how blank nodes are called.

Spec: JSON-LD 1.1 API 8.1, 8.2
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, NoReturn

from did_methods.canonical import CanonicalizationError, canonicalize
from registry.credentials.json_ld_errors import (
    JsonLdDroppedError,
    JsonLdError,
    JsonLdIdError,
    JsonLdLanguageError,
    JsonLdNumberError,
    JsonLdPredicateError,
    JsonLdTypeError,
    JsonLdWorkError,
)

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
RDF_TYPE: Final = _RDF + "type"
RDF_FIRST: Final = _RDF + "first"
RDF_REST: Final = _RDF + "rest"
RDF_NIL: Final = _RDF + "nil"
RDF_JSON: Final = _RDF + "JSON"
RDF_LANG_STRING: Final = _RDF + "langString"
XSD_STRING: Final = _XSD + "string"
XSD_BOOLEAN: Final = _XSD + "boolean"
XSD_INTEGER: Final = _XSD + "integer"
XSD_DOUBLE: Final = _XSD + "double"
# Where a string has a direction: as the other implementations of the Data Integrity suites write it.
I18N: Final = "https://www.w3.org/ns/i18n#"
# Expansion resolves relative identifiers against this, so that they are found; no honest document has such an URL.
RELATIVE_SCHEME: Final = "bonafides-relative"

_BLANK: Final = "_:"
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`\x7f]*")
_LANGUAGE: Final = re.compile(r"[a-z]{1,8}(-[a-z0-9]{1,8})*")
_DOUBLE_TEXT: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DOUBLE_DIGITS: Final = re.compile(r"(\d)0*E\+?(-)?0*(\d)")
_INTEGER_BELOW: Final = 1e21


class Literal(NamedTuple):
    """A literal: its text, its datatype, and its language where the datatype is ``rdf:langString``."""

    value: str
    datatype: str
    language: str | None = None


class Quad(NamedTuple):
    """A statement; terms are absolute IRIs or ``_:`` labels, the object also a literal, the graph None for the default."""

    subject: str
    predicate: str
    object: str | Literal
    graph: str | None


def to_quads(expanded: list[Any], *, max_quads: int) -> tuple[Quad, ...]:
    """Return the statements of a document, in no order that means anything, some perhaps twice.

    Args:
        expanded: a document in expanded form.
        max_quads: most statements.

    Raises:
        JsonLdError: json_ld_value_dropped, json_ld_id_invalid, json_ld_type_invalid, json_ld_predicate_blank,
            json_ld_number_lossy, json_ld_language_invalid, json_ld_work_limit; json_ld_invalid for what no expansion makes.

    Spec: JSON-LD 1.1 API 8.1
    """
    writer = _Writer(max_quads)
    for node in expanded:
        writer.node(node, None)
    return tuple(writer.quads)


def root_term(expanded: list[Any]) -> str:
    """Return the term that `to_quads` gives the node of a document.

    Args:
        expanded: a document in expanded form, one node.
    """
    identifier = expanded[0].get("@id")
    # A blank node at the root is the first that is labelled.
    return identifier if is_absolute(identifier) else f"{_BLANK}b1"


def is_absolute(identifier: Any) -> bool:
    """Tell whether a value is an absolute IRI by the grammar of N-Quads, and none that was relative in the document."""
    return (
        isinstance(identifier, str)
        and _ABSOLUTE.fullmatch(identifier) is not None
        and not identifier.startswith(RELATIVE_SCHEME)
    )


class _Writer:
    """Collects the statements of one document."""

    def __init__(self, max_quads: int) -> None:
        self.quads: list[Quad] = []
        self._max_quads = max_quads
        self._labels: dict[str, str] = {}
        self._count = 0

    def node(self, node: Any, graph: str | None) -> str:
        """Write the statements of a node object and return its term."""
        if not isinstance(node, dict) or "@value" in node or "@list" in node:
            raise JsonLdDroppedError
        subject = self._subject(node.get("@id"), given="@id" in node)
        for name, values in node.items():
            if name != "@id":
                self._member(subject, name, values, graph)
        return subject

    def _member(self, subject: str, name: str, values: Any, graph: str | None) -> None:
        if not values:
            raise JsonLdDroppedError
        if name.startswith("@"):
            self._keyword_member(subject, name, values, graph)
            return
        predicate = _predicate(name)
        for value in values:
            self._add(subject, predicate, self._object(value, graph), graph)

    def _keyword_member(self, subject: str, name: str, values: Any, graph: str | None) -> None:
        match name:
            case "@type":
                for value in values:
                    self._add(subject, RDF_TYPE, _type(value), graph)
            case "@graph" | "@included":
                for item in values:
                    self._described(item, subject if name == "@graph" else graph)
            case "@reverse":
                for property_, items in values.items():
                    for item in items:
                        self._add(self.node(item, graph), _predicate(property_), subject, graph)
            case _:  # an index, which RDF has no place for
                raise JsonLdDroppedError

    def _described(self, item: Any, graph: str | None) -> None:
        """Write a node that nothing refers to, so that it must say something itself."""
        if isinstance(item, dict) and not item.keys() - {"@id"}:
            raise JsonLdDroppedError
        self.node(item, graph)

    def _object(self, value: Any, graph: str | None) -> str | Literal:
        if isinstance(value, dict):
            if "@value" in value:
                return _literal(value)
            if "@list" in value:
                if value.keys() != {"@list"}:
                    raise JsonLdDroppedError
                return self._list(value["@list"], graph)
        return self.node(value, graph)

    def _list(self, items: list[Any], graph: str | None) -> str:
        head = RDF_NIL
        # From its end, because each cell names the next.
        for item in reversed([self._object(item, graph) for item in items]):
            cell = self._new_blank()
            self._add(cell, RDF_FIRST, item, graph)
            self._add(cell, RDF_REST, head, graph)
            head = cell
        return head

    def _subject(self, identifier: Any, *, given: bool) -> str:
        if not given:
            return self._new_blank()
        if isinstance(identifier, str) and identifier.startswith(_BLANK):
            if identifier not in self._labels:
                self._labels[identifier] = self._new_blank()
            return self._labels[identifier]
        if not is_absolute(identifier):
            raise JsonLdIdError
        checked: str = identifier
        return checked

    def _new_blank(self) -> str:
        # A blank node without a statement of its own is the object of one, so this bounds nodes as well.
        if self._count > self._max_quads:
            raise JsonLdWorkError
        self._count += 1
        return f"{_BLANK}b{self._count}"

    def _add(self, subject: str, predicate: str, object_: str | Literal, graph: str | None) -> None:
        if len(self.quads) >= self._max_quads:
            raise JsonLdWorkError
        self.quads.append(Quad(subject, predicate, object_, graph))


def _predicate(name: Any) -> str:
    if isinstance(name, str) and name.startswith(_BLANK):
        raise JsonLdPredicateError
    if not is_absolute(name):
        raise JsonLdIdError
    checked: str = name
    return checked


def _type(value: Any) -> str:
    if not is_absolute(value):
        raise JsonLdTypeError
    checked: str = value
    return checked


def _literal(item: dict[str, Any]) -> Literal:
    if "@index" in item:
        raise JsonLdDroppedError
    value, datatype = item["@value"], item.get("@type")
    if datatype == "@json":
        return Literal(_canonical_json(value), RDF_JSON)
    if datatype is not None:
        _type(datatype)
    if isinstance(value, str):
        return _text(value, datatype, item)
    if item.keys() & {"@language", "@direction"}:
        _refuse()
    if isinstance(value, bool):
        return Literal("true" if value else "false", datatype or XSD_BOOLEAN)
    if not isinstance(value, int | float):
        _refuse()
    return _number(value, datatype)


def _text(value: str, datatype: str | None, item: dict[str, Any]) -> Literal:
    language, direction = item.get("@language"), item.get("@direction")
    if language is not None and (not isinstance(language, str) or not _LANGUAGE.fullmatch(language)):
        raise JsonLdLanguageError
    if direction is not None:
        if direction not in ("ltr", "rtl"):
            raise JsonLdLanguageError
        return Literal(value, f"{I18N}{language or ''}_{direction}")
    if language is not None:
        return Literal(value, RDF_LANG_STRING, language)
    if datatype == XSD_DOUBLE and _DOUBLE_TEXT.fullmatch(value):
        return Literal(_double(float(value)), XSD_DOUBLE)
    return Literal(value, datatype or XSD_STRING)


def _number(value: float, datatype: str | None) -> Literal:
    if datatype != XSD_DOUBLE and abs(value) < _INTEGER_BELOW and float(value).is_integer():
        return Literal(str(int(value)), datatype or XSD_INTEGER)
    return Literal(_double(float(value)), datatype or XSD_DOUBLE)


def _double(value: float) -> str:
    """Return the canonical text of a double, which has 16 digits where some doubles need 17.

    Spec: JSON-LD 1.1 API 8.2.2, "canonical double"
    """
    text = _DOUBLE_DIGITS.sub(r"\1E\2\3", f"{value:1.15E}")
    # Comparing is the point: also false for what is not finite.
    if float(text) != value or "INF" in text:
        raise JsonLdNumberError
    return text


def _canonical_json(value: Any) -> str:
    try:
        return canonicalize(value).decode("utf-8")
    except CanonicalizationError:
        _refuse()


def _refuse() -> NoReturn:
    raise JsonLdError
