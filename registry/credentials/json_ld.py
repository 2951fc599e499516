"""JSON-LD documents in safe mode: expanded under the bundled contexts, with nothing lost on the way. The only door to PyLD.

Decides whether a document says as RDF all that it says as JSON, and returns its statements. The library expands; it drops
silently what it does not understand, so its every step is watched here, and what it leaves is checked by ``json_ld_rdf.py``.
Fetches nothing, keeps nothing of a document, and canonicalises nothing. Expanding a hostile document may take long: callers
outside tests run it in a process of its own (``json_ld_processor.py``).

Spec: JSON-LD 1.1 API 5.1; VC-DATA-INTEGRITY 2.4; specs/json-ld.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pyld import jsonld  # noqa: TID251 - this module is its door
from pyld.context_resolver import ContextResolver  # noqa: TID251

from did_methods.codec import parse_json_object
from registry import limits
from registry.credentials.bundled_contexts import (
    BONAFIDES_V1_URL,
    CONTEXT_URLS,
    CREDENTIALS_V1_URL,
    CREDENTIALS_V2_URL,
    DATA_INTEGRITY_V2_URL,
    ED25519_2020_URL,
    EXAMPLES_V2_URL,
    context_bytes,
)
from registry.credentials.json_ld_context import ContextGuard
from registry.credentials.json_ld_errors import (
    JsonLdContextError,
    JsonLdContextLimitError,
    JsonLdContextUnknownError,
    JsonLdDroppedError,
    JsonLdError,
    JsonLdIdError,
    JsonLdProtectedError,
    JsonLdTermError,
    JsonLdTypeError,
)
from registry.credentials.json_ld_names import check_names
from registry.credentials.json_ld_rdf import RELATIVE_SCHEME, Quad, root_term, to_quads

_BASE: Final = f"{RELATIVE_SCHEME}:///document/"
# The library's codes (those of the JSON-LD specification) that have a code of ours; all others are json_ld_invalid.
_CODES: Final[dict[str, type[JsonLdError]]] = {
    "loading remote context failed": JsonLdContextUnknownError,
    "loading document failed": JsonLdContextUnknownError,
    "context overflow": JsonLdContextLimitError,
    "protected term redefinition": JsonLdProtectedError,
    "invalid context nullification": JsonLdProtectedError,
    "invalid @id value": JsonLdIdError,
    "invalid type value": JsonLdTypeError,
    "invalid local context": JsonLdContextError,
    "invalid remote context": JsonLdContextError,
    "invalid scoped context": JsonLdContextError,
    "invalid context entry": JsonLdContextError,
    "invalid term definition": JsonLdContextError,
    "invalid IRI mapping": JsonLdContextError,
    "invalid vocab mapping": JsonLdContextError,
    "invalid type mapping": JsonLdContextError,
    "invalid container mapping": JsonLdContextError,
    "invalid keyword alias": JsonLdContextError,
    "invalid @version value": JsonLdContextError,
    "keyword redefinition": JsonLdContextError,
    "cyclic IRI mapping": JsonLdContextError,
}
# What the library trips over where a document is not what it expects: an answer about the document, not about us.
_STUMBLES: Final = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class JsonLdLimits:
    """How much work one document may ask for.

    Args:
        context_terms: most terms looked at or copied while contexts are applied, scoped ones included.
        quads: most statements.
    """

    context_terms: int = limits.JSON_LD_CONTEXT_TERMS
    quads: int = limits.JSON_LD_QUADS


def _warm_up_documents() -> list[dict[str, Any]]:
    """Return documents that touch what most documents touch, and nothing that is not bundled."""
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2026-01-01T00:00:00Z",
        "verificationMethod": "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd#z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
        "proofPurpose": "assertionMethod",
        "proofValue": "z2",
    }
    v2: dict[str, Any] = {
        "@context": [CREDENTIALS_V2_URL],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusListIndex": "0"},
        "credentialSchema": {"id": "https://example.com/schema", "type": "JsonSchema"},
        "credentialSubject": {"id": "did:example:subject"},
    }
    v1 = {
        "@context": [CREDENTIALS_V1_URL, DATA_INTEGRITY_V2_URL],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:subject"},
    }
    legacy = v2 | {"@context": [CREDENTIALS_V2_URL, ED25519_2020_URL]}
    bodies = [
        v2,
        v2 | {"@context": [CREDENTIALS_V2_URL, EXAMPLES_V2_URL]},
        v2 | {"@context": [CREDENTIALS_V2_URL, BONAFIDES_V1_URL]},
        v1,
        legacy,
    ]
    presentation = {
        "@context": [CREDENTIALS_V2_URL],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [v2 | {"proof": proof}],
    }
    options = [{"@context": body["@context"], **proof} for body in bodies]
    return [*bodies, *(body | {"proof": proof} for body in bodies), *options, presentation]


class SafeExpander:
    """Expands documents under the bundled contexts, which are read once; for one thread.

    Args:
        work: how much one document may ask for.
    """

    def __init__(self, work: JsonLdLimits | None = None) -> None:
        self._work = work or JsonLdLimits()
        self._memories = _Memories()
        for document in _warm_up_documents():
            self.quads(document)
        self._memories.warming = False

    def quads(self, document: dict[str, Any]) -> tuple[Quad, ...]:
        """Return the statements of a document; returning at all says that it is sound.

        Args:
            document: a JSON object as the strict reader gives it.

        Raises:
            JsonLdError: the codes of ``json_ld_errors.py``.

        Spec: JSON-LD 1.1 API 5.1, 8.1
        """
        expanded = self.expand(document)
        quads = to_quads(expanded, max_quads=self._work.quads)
        if len(expanded) == 1:  # more are a bare graph, which is no document with members of its own
            check_names(document, quads, root=root_term(expanded))
        return quads

    def expand(self, document: dict[str, Any]) -> list[Any]:
        """Return a document in expanded form, all of its members in it.

        Args:
            document: a JSON object as the strict reader gives it.

        Raises:
            JsonLdError: as ``quads``; what only RDF cannot say is not found here.

        Spec: JSON-LD 1.1 API 5.1
        """
        guard = ContextGuard(self._memories.documents, terms=self._work.context_terms)
        processor = _Processor(guard, self._memories)
        # The resolver is replaced for each context; given here so that the library makes none of its own.
        options = {"base": _BASE, "documentLoader": self._memories.load, "contextResolver": None}
        try:
            expanded: list[Any] = processor.expand(document, options)
        except jsonld.JsonLdError as error:
            raise _refusal(error) from None
        except _STUMBLES:
            raise JsonLdError from None
        if not expanded:
            raise JsonLdDroppedError
        return expanded


class _Memories:
    """What is known of the bundled contexts, filled once; what a document brings is not there for the next."""

    def __init__(self) -> None:
        self.documents = {url: parse_json_object(context_bytes(url)) for url in CONTEXT_URLS}
        self.warming = True
        # Results of applying contexts; each with the context object, because its address is part of the key.
        self.applied: dict[Any, tuple[Any, Any]] = {}
        self._resolved: dict[tuple[bool, bool], dict[str, Any]] = {}

    def keep(self, key: Any, result: Any, local_ctx: Any) -> None:
        """Remember, while warming, what applying a context gave."""
        if self.warming and key[2] is not None:
            self.applied[key] = (result, local_ctx)

    def resolver(self, memory: tuple[bool, bool]) -> ContextResolver:
        """Return a resolver for one document."""
        kept = self._resolved.setdefault(memory, {})
        return ContextResolver(kept if self.warming else _ReadOnly(kept), self.load)

    def load(self, url: str, _options: dict[str, Any]) -> dict[str, Any]:
        """Return a bundled context; the library's document loader."""
        if url not in self.documents:
            raise JsonLdContextUnknownError
        # A fresh copy, because the library writes into what it is given; the tag has it keep what it makes of it.
        document = parse_json_object(context_bytes(url))
        return {"document": document, "documentUrl": url, "contextUrl": None, "tag": "static"}


class _ReadOnly(dict[str, Any]):
    """A cache that serves what it was made with, and forgets what is put in with the document that did."""

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__()
        self._kept = kept

    def get(self, key: str, default: Any = None) -> Any:
        return self._kept.get(key, default)


class _Processor(jsonld.JsonLdProcessor):  # type: ignore[misc]
    """The library's processor, watched: whatever it would drop is an error, and each context passes the guard."""

    def __init__(self, guard: ContextGuard, memories: _Memories) -> None:
        super().__init__(on_property_dropped=_refuse_term)
        self._guard = guard
        self._memories = memories
        self._resolvers: dict[tuple[bool, bool], ContextResolver] = {}

    def _expand(self, active_ctx: Any, active_property: Any, element: Any, *more: Any, **options: Any) -> Any:
        if isinstance(element, dict) and any(value is None and name != "@context" for name, value in element.items()):
            raise JsonLdDroppedError
        expanded = super()._expand(active_ctx, active_property, element, *more, **options)
        if expanded is None:
            raise JsonLdDroppedError
        return expanded

    def _prepare_nested_context(self, active_ctx: Any, element: Any, options: Any) -> Any:
        prepared = super()._prepare_nested_context(active_ctx, element, options)
        for name, value in element.items():
            if value == [] and self._expand_iri(prepared[0], name, vocab=True) == "@type":
                raise JsonLdDroppedError
        return prepared

    def _expand_language_map(self, active_ctx: Any, language_map: Any, direction: Any) -> Any:
        for values in language_map.values():
            if values is None or values == [] or (isinstance(values, list) and None in values):
                raise JsonLdDroppedError
        return super()._expand_language_map(active_ctx, language_map, direction)

    def _process_context(self, active_ctx: Any, local_ctx: Any, options: Any, *more: Any, **flags: Any) -> Any:
        # The library remembers a context by what stands in it and where it was applied, not by whether it was allowed to
        # redefine protected terms there: a scoped context would open the door for the same text beside it. So a memory for each.
        memory = (bool(flags.get("override_protected")), flags.get("propagate", True) is not False)
        key = (*memory, active_ctx.get("_uuid"), _context_key(local_ctx))
        known = self._memories.applied.get(key)
        if known is not None:
            return known[0]
        admitted = self._guard.admit(active_ctx, local_ctx)
        if memory not in self._resolvers:
            self._resolvers[memory] = self._memories.resolver(memory)
        options = {**options, "contextResolver": self._resolvers[memory]}
        result = super()._process_context(active_ctx, admitted, options, *more, **flags)
        self._memories.keep(key, result, local_ctx)
        return result


def _context_key(local_ctx: Any) -> tuple[str, ...] | int:
    """Return what tells one context from another: its URLs, or which object it is."""
    if isinstance(local_ctx, str):
        return (local_ctx,)
    if isinstance(local_ctx, list) and all(isinstance(url, str) for url in local_ctx):
        return tuple(local_ctx)
    return id(local_ctx)


def _refuse_term(_name: Any) -> NoReturn:
    raise JsonLdTermError


def _refusal(error: jsonld.JsonLdError) -> JsonLdError:
    """Return what a failure of the library is called here: by the innermost cause that has a name."""
    named = JsonLdError()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, JsonLdError):
            return cause
        code = getattr(cause, "code", None)
        if isinstance(code, str) and code in _CODES:
            named = _CODES[code]()
        cause = cause.__cause__
    return named
