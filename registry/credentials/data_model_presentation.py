"""Anybody's presentations as values, and the envelopes that carry secured documents inside JSON.

Decides whether a JSON object is a presentation of the W3C data model, and what is presented in it; each credential is then
judged alone, so that a bad one tells of itself and not of the others. Looks at no proof: who presents is decided by the
securing mechanism. The pinned form of our own presentations is in ``presentation.py``.

Spec: VC-DATA-MODEL-2.0 4.13; specs/vc-data-model.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from registry import limits
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL
from registry.credentials.data_model import VERSIONS, AnyCredential, Version, parse_any_credential
from registry.credentials.data_model_errors import (
    EnvelopeDataError,
    EnvelopeError,
    PresentationHolderError,
    PresentedCredentialError,
    SelfAssertedHolderError,
    SelfAssertedIssuerError,
)
from registry.credentials.data_model_values import (
    EntryRule,
    check_id,
    is_url,
    objects_of,
    parse_contexts,
    parse_entries,
    parse_types,
)

PRESENTATION_TYPE: Final = "VerifiablePresentation"
EnvelopeType: TypeAlias = Literal["EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation"]
ENVELOPED_CREDENTIAL: Final = "EnvelopedVerifiableCredential"
ENVELOPED_PRESENTATION: Final = "EnvelopedVerifiablePresentation"

_ENVELOPE_MEMBERS: Final = frozenset({"@context", "id", "type"})
_DATA_URL: Final = re.compile(
    r"data:([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)((?:;[a-z0-9!#$&^_.+=-]+)*),([\x21-\x7e]+)", re.IGNORECASE | re.ASCII
)
_TERMS: Final = EntryRule("termsOfUse")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A secured document inside a `data:` URL; nobody has looked into it.

    Attributes:
        type: whether it says to hold a credential or a presentation.
        media_type: in lower case, without parameters; for example ``application/vc+jwt``.
        parameters: of the media type, as they stood, for example ``;base64``; "" for none.
        data: what follows the comma, as it stood.
    """

    type: EnvelopeType
    media_type: str
    parameters: str
    data: str


@dataclass(frozen=True, slots=True)
class AnyPresentation:
    """A presentation of the data model; nobody has looked at what secures it or at what is presented.

    Attributes:
        document: the JSON object, never changed after parsing.
        version: of the data model, by the base context.
        id: absolute URL; "" where there is none.
        holder: absolute URL, whether it stood alone or in an object; "" where there is none.
        types: with ``VerifiablePresentation`` among them, in the order of the document.
        credentials: what is presented, each an object for `parse_presented`.
    """

    document: dict[str, Any]
    version: Version
    id: str
    holder: str
    types: tuple[str, ...]
    credentials: tuple[dict[str, Any], ...]


def parse_any_presentation(document: dict[str, Any]) -> AnyPresentation:
    """Parse a JSON object as a presentation of data model 2.0 or 1.1, secured or not.

    Args:
        document: what `parse_json_object` returned; must not be changed afterwards.

    Raises:
        DataModelError: vc_context_invalid, vc_base_context_missing, vc_type_invalid, vc_type_missing, vc_id_invalid,
            vp_holder_invalid, vp_credential_invalid, vp_holder_missing, vc_entry_invalid, vc_entry_type_missing,
            vc_entry_limit.

    Spec: VC-DATA-MODEL-2.0 4.13
    """
    # Narrowed by the table, whose values are the two versions.
    version = cast("Version", parse_contexts(document, VERSIONS))
    types = parse_types(document, PRESENTATION_TYPE, single_allowed=True)
    identifier = check_id(document, "")
    holder = _holder(document)
    parse_entries(document, _TERMS)
    credentials = objects_of(document, "verifiableCredential", PresentedCredentialError, limits.PRESENTED_CREDENTIALS)
    if not holder and any(_is_self_asserted(credential) for credential in credentials):
        raise SelfAssertedHolderError(path="/holder")
    return AnyPresentation(document, version, identifier, holder, types, credentials)


def parse_presented(presentation: AnyPresentation, position: int) -> AnyCredential | Envelope:
    """Parse one presented credential.

    Args:
        presentation: what `parse_any_presentation` returned.
        position: in its ``credentials``, from 0.

    Returns:
        A credential with a proof of its own, one without that the holder asserts (the presentation's proof is all that
        secures it), or an envelope.

    Raises:
        DataModelError: the codes of `parse_any_credential` and `parse_envelope`.
        SelfAssertedIssuerError: vp_credential_unsecured.

    Spec: VC-DATA-MODEL-2.0 4.13.1, 4.13.3
    """
    document = presentation.credentials[position]
    if is_envelope(document):
        return parse_envelope(document, ENVELOPED_CREDENTIAL)
    credential = parse_any_credential(document)
    if _is_self_asserted(document) and credential.issuer != presentation.holder:
        raise SelfAssertedIssuerError(path=f"/verifiableCredential/{position}")
    return credential


def is_envelope(document: Mapping[str, Any]) -> bool:
    """Tell whether an object says to be an envelope, well formed or not.

    Args:
        document: a JSON object in the place of a credential or presentation.

    Spec: VC-DATA-MODEL-2.0 4.13.1, 4.13.2
    """
    types = document.get("type")
    named = types if isinstance(types, list) else [types]
    return any(name in (ENVELOPED_CREDENTIAL, ENVELOPED_PRESENTATION) for name in named)


def parse_envelope(document: Mapping[str, Any], expected: EnvelopeType) -> Envelope:
    """Parse the object around an enveloped document.

    Its members are not covered by any signature, so it has none but the three that the specification names.

    Args:
        document: a JSON object.
        expected: what it has to hold.

    Raises:
        EnvelopeError: vc_envelope_invalid.
        EnvelopeDataError: vc_envelope_data_invalid.

    Spec: VC-DATA-MODEL-2.0 4.13.1, 4.13.2; RFC 2397 3
    """
    contexts = document.get("@context")
    if contexts != CREDENTIALS_V2_URL and not (isinstance(contexts, list) and contexts[:1] == [CREDENTIALS_V2_URL]):
        raise EnvelopeError(path="/@context")
    if document.get("type") not in (expected, [expected]):
        raise EnvelopeError(path="/type")
    if not document.keys() <= _ENVELOPE_MEMBERS:
        raise EnvelopeError("an envelope has no other members")
    url = document.get("id")
    match = _DATA_URL.fullmatch(url) if isinstance(url, str) and len(url) <= limits.ENVELOPE_CHARS else None
    if match is None:
        raise EnvelopeDataError(path="/id")
    return Envelope(expected, match[1].lower(), match[2], match[3])


def _holder(document: Mapping[str, Any]) -> str:
    if "holder" not in document:
        return ""
    holder = document["holder"]
    identifier = holder.get("id") if isinstance(holder, dict) else holder
    if not is_url(identifier):
        raise PresentationHolderError(path="/holder/id" if isinstance(holder, dict) else "/holder")
    return str(identifier)


def _is_self_asserted(credential: Mapping[str, Any]) -> bool:
    return "proof" not in credential and not is_envelope(credential)
