"""Which contexts a document may bring along, looked at before the library applies them.

Decides that a context named by URL is a bundled one, that an inline one neither moves the base nor imports, and that all
of them together stay within a budget. Changes one thing: a default that is removed where there is none is left out, because
the library fails on it.

Spec: JSON-LD 1.1 4.1; specs/json-ld.md "Contexts"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from registry.credentials.json_ld_errors import (
    JsonLdContextError,
    JsonLdContextLimitError,
    JsonLdContextUnknownError,
)

# `@base` would make an absolute URL of whatever a document says is relative; `@import` has the library write into the bundled
# context that it keeps for the next document.
_FORBIDDEN: Final = frozenset({"@base", "@import"})
_SCHEMES: Final = frozenset({"did", "urn", "data", "http", "https"})
_SETTINGS: Final = frozenset({"@vocab", "@language", "@direction", "@version", "@protected", "@propagate", "@type"})
_DEFAULTS: Final = ("@vocab", "@language", "@direction")
_KEYWORD_FORM: Final = re.compile(r"@[A-Za-z]+")
_KEYWORDS: Final = frozenset(
    [
        "@container",
        "@context",
        "@default",
        "@direction",
        "@embed",
        "@explicit",
        "@graph",
        "@id",
        "@included",
        "@index",
        "@json",
        "@language",
        "@list",
        "@nest",
        "@none",
        "@omitDefault",
        "@prefix",
        "@preserve",
        "@protected",
        "@requireAll",
        "@reverse",
        "@set",
        "@type",
        "@value",
        "@version",
        "@vocab",
    ]
)


class ContextGuard:
    """Looks at every context that one document applies, scoped ones included.

    Args:
        documents: the bundled contexts by URL.
        terms: how many terms may be looked at or copied, all applications of contexts together.
    """

    def __init__(self, documents: Mapping[str, Any], *, terms: int) -> None:
        self._documents = documents
        self._left = terms

    def admit(self, active: Mapping[str, Any], local: Any) -> Any:
        """Return a context as the library is to apply it.

        Args:
            active: the library's active context.
            local: value of an `@context`: None, URL, object or a list of these.

        Raises:
            JsonLdError: json_ld_context_unknown, json_ld_context_invalid or json_ld_context_limit.
        """
        contexts = [_unwrapped(one) for one in (local if isinstance(local, list | tuple) else [local])]
        set_ones = {name for name in _DEFAULTS if name in active}
        admitted = []
        size = len(active["mappings"])
        for context in contexts:
            size += self._size(context)
            # The library copies all terms for each context that it applies.
            self._charge(size)
            admitted.append(self._admit_one(context, set_ones))
        return admitted

    def _size(self, context: Any) -> int:
        entries = self._documents.get(context, {}).get("@context") if isinstance(context, str) else context
        return len(entries) if isinstance(entries, Mapping) else 0

    def _admit_one(self, context: Any, set_ones: set[str]) -> Any:
        if isinstance(context, str):
            if context not in self._documents:
                raise JsonLdContextUnknownError
            set_ones.update(self._documents[context]["@context"].keys() & set(_DEFAULTS))
            return context
        if context is None or context is False:
            set_ones.clear()
            return context
        if not isinstance(context, Mapping):
            raise JsonLdContextError
        self._check_entries(context)
        void = {name for name in _DEFAULTS if name in context and context[name] is None and name not in set_ones}
        for name in _DEFAULTS:
            if name in context:
                (set_ones.discard if context[name] is None else set_ones.add)(name)
        return {name: value for name, value in context.items() if name not in void} if void else context

    def _check_entries(self, context: Mapping[str, Any]) -> None:
        if context.keys() & _FORBIDDEN or "@context" in context:
            raise JsonLdContextError
        # With a prefix of this name, an identifier in the JSON would be another one in the graph.
        if context.keys() & _SCHEMES:
            raise JsonLdContextError
        for name, value in context.items():
            if name in _SETTINGS:
                continue
            # Both would be ignored by every processor, with a warning that nobody reads.
            if _KEYWORD_FORM.fullmatch(name) or any(_is_reserved(identifier) for identifier in _identifiers(value)):
                raise JsonLdContextError

    def _charge(self, terms: int) -> None:
        self._left -= terms + 1
        if self._left < 0:
            raise JsonLdContextLimitError


def _unwrapped(context: Any) -> Any:
    """Return what a context document holds that stands in the place of a context: every processor reads it so, one level."""
    if isinstance(context, Mapping) and context.keys() == {"@context"} and isinstance(context["@context"], Mapping):
        return context["@context"]
    return context


def _identifiers(definition: Any) -> Iterator[Any]:
    if isinstance(definition, Mapping):
        yield definition.get("@id")
        yield definition.get("@reverse")
    else:
        yield definition


def _is_reserved(identifier: Any) -> bool:
    return (
        isinstance(identifier, str) and _KEYWORD_FORM.fullmatch(identifier) is not None and identifier not in _KEYWORDS
    )
