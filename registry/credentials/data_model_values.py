"""Values of the W3C data model: URLs, types, times, texts, lists of typed objects.

Decides whether one value has the form that the data model asks for, and names its place when it has not. Knows no
document as a whole (``data_model.py``); whether terms are defined and contexts sound is JSON-LD's business.

Spec: VC-DATA-MODEL-2.0 4.4 to 4.6, 5.8, 11.1; XSD 1.1 part 2, 3.4.28
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from did_methods.did import InvalidDidUrlError, parse_did_url
from did_methods.timestamp import TimestampError, parse_timestamp
from registry import limits
from registry.credentials.data_model_errors import (
    BaseContextError,
    DataModelError,
    DateTimeError,
    DocumentContextError,
    DocumentTypeError,
    EntryError,
    EntryIdMissingError,
    EntryLimitError,
    EntryTypeError,
    IdentifierError,
    RequiredTypeError,
    TextError,
)

# Absolute: a scheme and something after it. The characters are those that no URL has unescaped; letters of other scripts
# are allowed, as in the URL standard, but no script's blanks, which nobody sees. Web addresses need a host.
_URL: Final = re.compile(r"(?!(?i:https?):(?!//[^/?#]))[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20<>\"{}|\\^`\x7f-\xa0]+")
_TYPE: Final = re.compile(r"[^\s@\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_TEXT_MEMBERS: Final = frozenset({"@value", "@language", "@direction"})
# Whole numbers of seconds of a day that XSD also writes as the end of the day before, and fractions longer than needed.
_END_OF_DAY: Final = re.compile(r"T24:00:00(?:\.0+)?(?=Z|[+-])")
_LONG_FRACTION: Final = re.compile(r"(\.[0-9]{12})[0-9]+(?=Z|[+-])")
_NO_ZONE: Final = re.compile(r"[^T]+T[0-9:.]+")
_DAY_MS: Final = 86_400_000


class EntryRule(NamedTuple):
    """How a member that holds typed objects is checked.

    Attributes:
        member: its name.
        id_required: whether each object must have an `id`; where it has one, it is a URL in any case.
        most: how many objects there may be.
    """

    member: str
    id_required: bool = False
    most: int = limits.TYPED_ENTRIES


def is_url(value: Any) -> bool:
    """Tell whether a value is one absolute URL.

    Args:
        value: any JSON value.

    Spec: VC-DATA-MODEL-2.0 4.4; URL standard 4.3
    """
    if not isinstance(value, str) or len(value) > limits.URL_CHARS or _URL.fullmatch(value) is None:
        return False
    if not value.startswith("did:"):
        return True
    try:
        parse_did_url(value)
    except InvalidDidUrlError:
        return False
    return True


def check_id(holder: Mapping[str, Any], path: str) -> str:
    """Return the `id` of an object, "" where it has none.

    Args:
        holder: a JSON object.
        path: JSON pointer of the object.

    Raises:
        IdentifierError: vc_id_invalid.

    Spec: VC-DATA-MODEL-2.0 4.4
    """
    if "id" not in holder:
        return ""
    identifier = holder["id"]
    if not is_url(identifier):
        raise IdentifierError(path=f"{path}/id")
    return str(identifier)


def parse_contexts(document: Mapping[str, Any], bases: Mapping[str, str]) -> str:
    """Return what the base context says the document is.

    Args:
        document: a credential or presentation.
        bases: URL of each base context to what it stands for, for example a version.

    Raises:
        DocumentContextError: vc_context_invalid.
        BaseContextError: vc_base_context_missing.

    Spec: VC-DATA-MODEL-2.0 4.3
    """
    contexts = document.get("@context")
    if not isinstance(contexts, list) or not contexts:
        raise DocumentContextError(path="/@context")
    if len(contexts) > limits.CONTEXTS_PER_DOCUMENT:
        raise EntryLimitError(path="/@context")
    for position, context in enumerate(contexts):
        if not (isinstance(context, dict) or is_url(context)):
            raise DocumentContextError(path=f"/@context/{position}")
    urls = [context for context in contexts if isinstance(context, str)]
    if len(set(urls)) != len(urls):  # an ordered set
        raise DocumentContextError("a context is named twice", path="/@context")
    first = contexts[0]
    if not isinstance(first, str) or first not in bases:
        raise BaseContextError(path="/@context/0")
    return bases[first]


def parse_types(document: Mapping[str, Any], required: str, *, single_allowed: bool = False) -> tuple[str, ...]:
    """Return the types of a credential or presentation.

    Args:
        document: a credential or presentation.
        required: the type that must be among them.
        single_allowed: whether one type may stand without a list.

    Raises:
        DocumentTypeError: vc_type_invalid.
        RequiredTypeError: vc_type_missing.

    Spec: VC-DATA-MODEL-2.0 4.5
    """
    types = document.get("type")
    if single_allowed and isinstance(types, str):
        types = [types]
    if not isinstance(types, list) or not types or not all(_is_type(item) for item in types):
        raise DocumentTypeError(path="/type")
    if required not in types:
        raise RequiredTypeError(path="/type")
    return tuple(types)


def entry_types(entry: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Return the types of an object inside a document: one, or a list.

    Args:
        entry: a JSON object that must say its type.
        path: JSON pointer of the object.

    Raises:
        EntryTypeError: vc_entry_type_missing.

    Spec: VC-DATA-MODEL-2.0 4.5
    """
    types = entry.get("type")
    if isinstance(types, str):
        types = [types]
    if not isinstance(types, list) or not types or not all(_is_type(item) for item in types):
        raise EntryTypeError(path=f"{path}/type")
    return tuple(types)


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= limits.URL_CHARS and _TYPE.fullmatch(value) is not None


def objects_of(document: Mapping[str, Any], member: str, error: type[DataModelError], most: int) -> tuple[Any, ...]:
    """Return the objects of a member that is one object or a list of one or more; none where the member is missing.

    Args:
        document: a credential or presentation.
        member: name of the member.
        error: what is raised where it is something else.
        most: how many objects there may be.

    Raises:
        DataModelError: the code of `error`, or vc_entry_limit.
    """
    if member not in document:
        return ()
    value = document[member]
    entries = value if isinstance(value, list) else [value]
    if len(entries) > most:
        raise EntryLimitError(path=f"/{member}")
    if not entries:
        raise error(path=f"/{member}")
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise error(path=place(value, member, position))
    return tuple(entries)


def place(value: Any, member: str, position: int) -> str:
    """Return the JSON pointer of one object of a member, which has a position only where there is a list."""
    return f"/{member}/{position}" if isinstance(value, list) else f"/{member}"


def parse_entries(document: Mapping[str, Any], rule: EntryRule) -> tuple[dict[str, Any], ...]:
    """Return the typed objects of a member, each with its type, and with a URL for its `id`.

    Args:
        document: a credential or presentation.
        rule: which member, and what it needs.

    Raises:
        DataModelError: vc_entry_invalid, vc_entry_limit, vc_entry_type_missing, vc_entry_id_missing, vc_id_invalid.

    Spec: VC-DATA-MODEL-2.0 4.5
    """
    entries = objects_of(document, rule.member, EntryError, rule.most)
    for position, entry in enumerate(entries):
        path = place(document[rule.member], rule.member, position)
        entry_types(entry, path)
        if not check_id(entry, path) and rule.id_required:
            raise EntryIdMissingError(path=path)
    return entries


def check_text(holder: Mapping[str, Any], member: str, path: str) -> None:
    """Check that a member, where there is one, is a string, a language value object, or a list of these.

    Args:
        holder: a JSON object.
        member: ``name`` or ``description``.
        path: JSON pointer of the object.

    Raises:
        TextError: vc_text_invalid.

    Spec: VC-DATA-MODEL-2.0 4.6, 11.1
    """
    if member not in holder:
        return
    value = holder[member]
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(_is_text(text) for text in texts):
        raise TextError(path=f"{path}/{member}")


def _is_text(value: Any) -> bool:
    if isinstance(value, str):
        return True
    if not isinstance(value, dict) or not value.keys() <= _TEXT_MEMBERS or not isinstance(value.get("@value"), str):
        return False
    language = value.get("@language", "en")
    direction = value.get("@direction", "ltr")
    return isinstance(language, str) and _LANGUAGE.fullmatch(language) is not None and direction in ("ltr", "rtl")


def parse_date_time(document: Mapping[str, Any], member: str, *, zone_required: bool = True) -> int | None:
    """Return a time in milliseconds since the epoch, rounded down; None where there is none.

    Args:
        document: a credential.
        member: name of the member.
        zone_required: whether a time without a zone is refused; otherwise it is read as UTC.

    Raises:
        DateTimeError: vc_date_time_invalid; also for years outside 1 to 9999.

    Spec: VC-DATA-MODEL-2.0 4.9, 5.8; XSD 1.1 part 2, 3.4.28
    """
    if member not in document:
        return None
    text = document[member]
    if not isinstance(text, str) or len(text) > limits.URL_CHARS:
        raise DateTimeError(path=f"/{member}")
    if not zone_required and _NO_ZONE.fullmatch(text):
        text += "Z"
    midnight, next_day = _END_OF_DAY.subn("T00:00:00", text)
    try:
        return parse_timestamp(_LONG_FRACTION.sub(r"\1", midnight)) + next_day * _DAY_MS
    except TimestampError:
        raise DateTimeError(path=f"/{member}") from None
