"""What the W3C data model refuses of anybody's credential or presentation: one class per code.

Each names the member by ``path``, a JSON pointer of member names of the specification and list positions; never a value,
and never a name that the sender chose. The pinned form of our own kinds has codes of its own (``form_errors.py``).

Spec: VC-DATA-MODEL-2.0 7.2
"""

from __future__ import annotations

from typing import ClassVar

from registry.credentials.problem_types import MALFORMED_VALUE_ERROR, PARSING_ERROR
from registry.errors import ParseError, VerificationError


class DataModelError(ParseError):
    """The document is not one of the W3C data model; catch this for all of them."""

    code = "vc_malformed"
    title = "Not a document of the W3C data model"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


# --- members that credentials and presentations share -----------------------------------------------------------------


class DocumentContextError(DataModelError):
    """`@context` is missing, is no list, names a context twice, or holds what is neither an absolute URL nor an object."""

    code = "vc_context_invalid"
    title = "@context is not a list of URLs and objects"


class BaseContextError(DataModelError):
    """The first context is not the base context of data model 2.0 or 1.1."""

    code = "vc_base_context_missing"
    title = "The first context is not the base context"


class DocumentTypeError(DataModelError):
    """`type` of the document is missing, or is not a list of terms and absolute URLs."""

    code = "vc_type_invalid"
    title = "type is not a list of terms and URLs"


class RequiredTypeError(DataModelError):
    """`type` does not name what the document must be: ``VerifiableCredential`` or ``VerifiablePresentation``."""

    code = "vc_type_missing"
    title = "The required type is missing"


class IdentifierError(DataModelError):
    """An `id` is not a single absolute URL."""

    code = "vc_id_invalid"
    title = "An id is not a single URL"


class EntryError(DataModelError):
    """A member that holds typed objects (`credentialStatus`, `evidence` and the like) is not an object or list of such."""

    code = "vc_entry_invalid"
    title = "Not an object, or a list of objects"


class EntryTypeError(DataModelError):
    """An object that must say its `type` does not, or says it by something else than terms and absolute URLs."""

    code = "vc_entry_type_missing"
    title = "An object without its type"


class EntryIdMissingError(DataModelError):
    """An object that must have an `id` has none."""

    code = "vc_entry_id_missing"
    title = "An object without its id"


class EntryLimitError(DataModelError):
    """A member lists more objects than any honest document."""

    code = "vc_entry_limit"
    title = "Too many objects in a list"


class TextError(DataModelError):
    """`name` or `description` is neither a string nor made of language value objects without other members."""

    code = "vc_text_invalid"
    title = "Not a string or language value object"


# --- credentials ------------------------------------------------------------------------------------------------------


class CredentialIssuerError(DataModelError):
    """`issuer` is missing, or is neither an absolute URL nor an object whose `id` is one."""

    code = "vc_issuer_invalid"
    title = "Issuer is not a URL"


class CredentialSubjectError(DataModelError):
    """`credentialSubject` is missing, empty, or holds what is not an object with at least one member."""

    code = "vc_subject_invalid"
    title = "credentialSubject makes no claim"


class DateTimeError(DataModelError):
    """A time is missing where it is required, or is not an XSD dateTimeStamp."""

    code = "vc_date_time_invalid"
    title = "Not a time with a zone"


class ValidityOrderError(DataModelError):
    """`validUntil` is earlier than `validFrom`."""

    code = "vc_validity_order"
    title = "The credential ends before it begins"


class ResourceRepeatedError(DataModelError):
    """Two objects of `relatedResource` have the same `id`."""

    code = "vc_resource_repeated"
    title = "A related resource is listed twice"


class ResourceDigestMissingError(DataModelError):
    """A related resource has neither `digestSRI` nor `digestMultibase`."""

    code = "vc_resource_digest_missing"
    title = "A related resource without a digest"


class ResourceDigestError(DataModelError):
    """A digest of a related resource is not of its form."""

    code = "vc_resource_digest_invalid"
    title = "A digest is not of its form"


class ResourceMismatchError(VerificationError):
    """A related resource that is known here has another digest than the credential says."""

    code = "vc_resource_mismatch"
    title = "A related resource is not the one that was meant"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


# --- presentations and envelopes --------------------------------------------------------------------------------------


class PresentationHolderError(DataModelError):
    """`holder` is neither an absolute URL nor an object whose `id` is one."""

    code = "vp_holder_invalid"
    title = "Holder is not a URL"


class PresentedCredentialError(DataModelError):
    """`verifiableCredential` is not an object or a list of one or more objects."""

    code = "vp_credential_invalid"
    title = "What is presented is not an object"


class SelfAssertedHolderError(DataModelError):
    """A presented credential has no proof of its own, and the presentation names no holder who could have asserted it."""

    code = "vp_holder_missing"
    title = "A self-asserted credential needs a holder"


class SelfAssertedIssuerError(VerificationError):
    """A presented credential has no proof of its own, and its issuer is not the holder: nobody has signed it."""

    code = "vp_credential_unsecured"
    title = "A presented credential is signed by nobody"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


class EnvelopeError(DataModelError):
    """The object around an enveloped document has another context, type or member than such objects have."""

    code = "vc_envelope_invalid"
    title = "Not an envelope of the data model"


class EnvelopeDataError(DataModelError):
    """`id` of an envelope is not a `data:` URL with a media type."""

    code = "vc_envelope_data_invalid"
    title = "The envelope holds no data URL"
    type_uri: ClassVar[str | None] = PARSING_ERROR
