"""What is refused of a JSON-LD document, one class per code; without the processor, so that every layer can name them.

The details never name a term or a value: both are the sender's.
"""

from __future__ import annotations

from typing import ClassVar, Final

from registry.credentials.problem_types import PARSING_ERROR, PROOF_TRANSFORMATION_ERROR
from registry.errors import DependencyError, ParseError


class JsonLdError(ParseError):
    """The document is not sound JSON-LD; catch this for all of them."""

    code = "json_ld_invalid"
    title = "Not sound JSON-LD"
    type_uri: ClassVar[str | None] = PARSING_ERROR


class JsonLdContextUnknownError(JsonLdError):
    """A context is named by a URL that is not bundled; nothing is ever fetched."""

    code = "json_ld_context_unknown"
    title = "Unknown JSON-LD context"


class JsonLdContextError(JsonLdError):
    """A context breaks the rules of contexts, or uses `@base` or `@import`, which documents here may not."""

    code = "json_ld_context_invalid"
    title = "JSON-LD context not allowed"


class JsonLdContextLimitError(JsonLdError):
    """The document lists, defines or applies more contexts than any honest one."""

    code = "json_ld_context_limit"
    title = "Too many JSON-LD contexts"


class JsonLdProtectedError(JsonLdError):
    """A context gives a protected term another meaning, or removes it."""

    code = "json_ld_term_protected"
    title = "Protected term redefined"


class JsonLdTermError(JsonLdError):
    """A member of the document is no defined term, so that no signature over the graph would cover it."""

    code = "json_ld_term_undefined"
    title = "Undefined term"


class JsonLdTypeError(JsonLdError):
    """A value of `type` is of the wrong JSON type, or maps to no absolute URL."""

    code = "json_ld_type_invalid"
    title = "Type without an absolute URL"


class JsonLdIdError(JsonLdError):
    """An `id`, or a value that is one, is of the wrong JSON type or no absolute URL."""

    code = "json_ld_id_invalid"
    title = "Identifier is not an absolute URL"


class JsonLdDroppedError(JsonLdError):
    """A member has a value that leaves no trace in the graph: null, nothing at all, or an index."""

    code = "json_ld_value_dropped"
    title = "Value would not be signed"


class JsonLdNumberError(JsonLdError):
    """A number has more digits than RDF keeps, so that another number would have the same signature."""

    code = "json_ld_number_lossy"
    title = "Number would be rounded"


class JsonLdPredicateError(JsonLdError):
    """A term maps to a blank node, which RDF has no statement for."""

    code = "json_ld_predicate_blank"
    title = "Term maps to a blank node"


class JsonLdDisguisedError(JsonLdError):
    """A member of the data model stands under another name or at another place, where no reader of JSON looks for it."""

    code = "json_ld_member_disguised"
    title = "Member of the data model under another name"


class JsonLdLanguageError(JsonLdError):
    """A language or direction is not one."""

    code = "json_ld_language_invalid"
    title = "Not a language tag"


class JsonLdWorkError(JsonLdError):
    """The graph is larger or more entangled than the processor works on."""

    code = "json_ld_work_limit"
    title = "Document needs too much work"
    type_uri: ClassVar[str | None] = PROOF_TRANSFORMATION_ERROR


class JsonLdBusyError(DependencyError):
    """All processors are at work and as many callers wait as may; to be tried again."""

    code = "json_ld_busy"
    title = "JSON-LD processor is busy"


class JsonLdUnavailableError(DependencyError):
    """The processor does not answer now; it says nothing about the document."""

    code = "json_ld_unavailable"
    title = "JSON-LD processor is not available now"


class JsonLdNotInstalledError(JsonLdUnavailableError):
    """The libraries of the processor are not installed here (extra `credentials`)."""

    code = "json_ld_not_installed"
    title = "JSON-LD processor is not installed"


# What a processor in another process may answer, by code.
REFUSALS: Final = {
    error.code: error
    for error in (
        JsonLdError,
        JsonLdContextUnknownError,
        JsonLdContextError,
        JsonLdContextLimitError,
        JsonLdProtectedError,
        JsonLdTermError,
        JsonLdTypeError,
        JsonLdIdError,
        JsonLdDroppedError,
        JsonLdNumberError,
        JsonLdPredicateError,
        JsonLdDisguisedError,
        JsonLdLanguageError,
        JsonLdWorkError,
    )
}
