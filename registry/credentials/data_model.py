"""Anybody's credentials as values: the W3C data model 2.0, and 1.1 as it stood, checked member by member.

Decides whether a JSON object is a credential of the data model, whoever made it and whatever secures it: every requirement
of the specification that needs neither a key nor a clock, a network or a context. ``proof`` is not looked at (that is the
suites' business), nor are terms (JSON-LD's). What passes here says nothing yet, and never feeds score or policy: those take
the pinned kinds of ``model.py`` only.

Spec: VC-DATA-MODEL-2.0 4, 5; VC-DATA-MODEL-1.1 4, 5; specs/vc-data-model.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from registry import limits
from registry.credentials.bundled_contexts import CREDENTIALS_V1_URL, CREDENTIALS_V2_URL
from registry.credentials.data_model_errors import (
    CredentialIssuerError,
    CredentialSubjectError,
    DateTimeError,
    ValidityOrderError,
)
from registry.credentials.data_model_resources import RelatedResource, parse_related_resources
from registry.credentials.data_model_values import (
    EntryRule,
    check_id,
    check_text,
    entry_types,
    is_url,
    objects_of,
    parse_contexts,
    parse_date_time,
    parse_entries,
    parse_types,
    place,
)
from registry.credentials.errors import ExpiredError, NotYetValidError

Version = Literal["2.0", "1.1"]

CREDENTIAL_TYPE: Final = "VerifiableCredential"
VERSIONS: Final[Mapping[str, Version]] = MappingProxyType({CREDENTIALS_V2_URL: "2.0", CREDENTIALS_V1_URL: "1.1"})

_STATUS: Final = EntryRule("credentialStatus", most=limits.STATUS_ENTRIES_PER_CREDENTIAL)
_SCHEMA: Final = EntryRule("credentialSchema", id_required=True, most=limits.SCHEMAS_PER_CREDENTIAL)
_OTHER_ENTRIES: Final = (EntryRule("termsOfUse"), EntryRule("evidence"), EntryRule("refreshService"))
# Reserved by 2.0 and unknown to 1.1, where other contexts may mean something else by them.
_RESERVED_ENTRIES: Final = (EntryRule("confidenceMethod"), EntryRule("renderMethod"))
_TEXTS: Final = ("name", "description")


@dataclass(frozen=True, slots=True)
class CredentialSchema:
    """One entry of ``credentialSchema``.

    Attributes:
        id: absolute URL of the schema; never fetched.
        types: for example ``JsonSchema``.
    """

    id: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyCredential:
    """A credential of the data model; nobody has looked at what secures it.

    Attributes:
        document: the JSON object, never changed after parsing.
        version: of the data model, by the base context.
        id: absolute URL; "" where there is none.
        issuer: absolute URL, whether it stood alone or in an object.
        types: with ``VerifiableCredential`` among them, in the order of the document.
        subjects: one or more objects, each with at least one member.
        valid_from_ms: milliseconds since the epoch (``issuanceDate`` in 1.1); None where it is not said.
        valid_until_ms: milliseconds since the epoch (``expirationDate`` in 1.1), the last valid instant; None for no end.
        status_entries: objects with a type; their content is the status type's business.
        schemas: what ``credentialSchema`` lists.
        related_resources: what ``relatedResource`` lists; empty in 1.1, which does not know it.
    """

    document: dict[str, Any]
    version: Version
    id: str
    issuer: str
    types: tuple[str, ...]
    subjects: tuple[dict[str, Any], ...]
    valid_from_ms: int | None
    valid_until_ms: int | None
    status_entries: tuple[dict[str, Any], ...]
    schemas: tuple[CredentialSchema, ...]
    related_resources: tuple[RelatedResource, ...]


def parse_any_credential(document: dict[str, Any]) -> AnyCredential:
    """Parse a JSON object as a credential of data model 2.0 or 1.1, secured or not.

    Args:
        document: what `parse_json_object` returned; must not be changed afterwards.

    Returns:
        A credential each of whose members has the form that the data model asks for.

    Raises:
        DataModelError: vc_context_invalid, vc_base_context_missing, vc_type_invalid, vc_type_missing, vc_id_invalid,
            vc_issuer_invalid, vc_subject_invalid, vc_date_time_invalid, vc_validity_order, vc_entry_invalid,
            vc_entry_type_missing, vc_entry_id_missing, vc_entry_limit, vc_text_invalid, vc_resource_repeated,
            vc_resource_digest_missing, vc_resource_digest_invalid.

    Spec: VC-DATA-MODEL-2.0 4, 5
    """
    # Narrowed by the table, whose values are the two versions.
    version = cast("Version", parse_contexts(document, VERSIONS))
    # A list even for one type: interfaces that credentials travel through (VCALM) ask for it, and a second spelling of the
    # same document is refused.
    types = parse_types(document, CREDENTIAL_TYPE)
    identifier = check_id(document, "")
    issuer = _issuer(document)
    valid_from_ms, valid_until_ms = _validity(document, version)
    credential = AnyCredential(
        document=document,
        version=version,
        id=identifier,
        issuer=issuer,
        types=types,
        subjects=_subjects(document),
        valid_from_ms=valid_from_ms,
        valid_until_ms=valid_until_ms,
        status_entries=parse_entries(document, _STATUS),
        schemas=_schemas(document),
        related_resources=parse_related_resources(document) if version == "2.0" else (),
    )
    for rule in _OTHER_ENTRIES:
        parse_entries(document, rule)
    if version == "2.0":
        _check_second_version(document)
    return credential


def check_validity(credential: AnyCredential, *, now_ms: int, skew_ms: int = 0) -> None:
    """Check that an instant lies within the validity of a credential; both ends belong to it.

    Args:
        credential: what `parse_any_credential` returned.
        now_ms: the instant of use, milliseconds since the epoch.
        skew_ms: how far ahead `validFrom` may lie.

    Raises:
        VerificationError: credential_not_yet_valid, credential_expired.

    Spec: VC-DATA-MODEL-2.0 4.9, A.5
    """
    if credential.valid_from_ms is not None and credential.valid_from_ms > now_ms + skew_ms:
        raise NotYetValidError
    if credential.valid_until_ms is not None and credential.valid_until_ms < now_ms:
        raise ExpiredError


def _issuer(document: Mapping[str, Any]) -> str:
    issuer = document.get("issuer")
    identifier = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not is_url(identifier):
        raise CredentialIssuerError(path="/issuer/id" if isinstance(issuer, dict) else "/issuer")
    return str(identifier)


def _subjects(document: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    subjects = objects_of(document, "credentialSubject", CredentialSubjectError, limits.SUBJECTS_PER_CREDENTIAL)
    if not subjects:
        raise CredentialSubjectError(path="/credentialSubject")
    for position, subject in enumerate(subjects):
        path = place(document["credentialSubject"], "credentialSubject", position)
        if not subject:
            raise CredentialSubjectError(path=path)
        check_id(subject, path)
    return subjects


def _validity(document: Mapping[str, Any], version: Version) -> tuple[int | None, int | None]:
    if version == "2.0":
        start, end = parse_date_time(document, "validFrom"), parse_date_time(document, "validUntil")
    else:
        # 1.1 asks for a combined date and time only; one without a zone is read as UTC, as 2.0 says of such slips.
        start = parse_date_time(document, "issuanceDate", zone_required=False)
        end = parse_date_time(document, "expirationDate", zone_required=False)
        if start is None:
            raise DateTimeError(path="/issuanceDate")
    if start is not None and end is not None and end < start:
        raise ValidityOrderError(path="/validUntil" if version == "2.0" else "/expirationDate")
    return start, end


def _schemas(document: Mapping[str, Any]) -> tuple[CredentialSchema, ...]:
    entries = parse_entries(document, _SCHEMA)
    return tuple(CredentialSchema(str(entry["id"]), entry_types(entry, "/credentialSchema")) for entry in entries)


def _check_second_version(document: Mapping[str, Any]) -> None:
    for rule in _RESERVED_ENTRIES:
        parse_entries(document, rule)
    issuer = document["issuer"]
    for member in _TEXTS:
        check_text(document, member, "")
        if isinstance(issuer, dict):
            check_text(issuer, member, "/issuer")
