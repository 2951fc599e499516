"""What is refused of credentials and presentations secured as JSON Web Tokens: one class per code.

Details name header parameters and claims of the specifications, never a value.
"""

from __future__ import annotations

from typing import ClassVar

from registry.credentials.problem_types import CRYPTOGRAPHIC_SECURITY_ERROR, MALFORMED_VALUE_ERROR, PARSING_ERROR
from registry.errors import ParseError, VerificationError


class JoseError(ParseError):
    """The text is no JWT of a credential or presentation; catch this for every refusal of form."""

    code = "jose_malformed"
    title = "Not a secured credential or presentation"
    type_uri: ClassVar[str | None] = PARSING_ERROR


class JoseSerializationError(JoseError):
    """The text is not three parts of canonical base64url, for example a JSON serialisation or a detached payload."""

    code = "jose_serialization_invalid"
    title = "Not the compact serialisation"


class JoseTooLargeError(JoseError):
    """Header, payload or signature is longer than any honest one."""

    code = "jose_too_large"
    title = "JWT too large"


class JoseHeaderError(JoseError):
    """The header is no JSON object of parameters with the right types; ``parameter`` names the one that is wrong."""

    code = "jose_header_invalid"
    title = "Malformed JOSE header"


class JoseAlgorithmError(JoseError):
    """`alg` is none of those that are accepted: `none`, a symmetric one, or any that is not known here."""

    code = "jose_algorithm_unsupported"
    title = "Signature algorithm not accepted"


class JoseKeyHeaderError(JoseError):
    """The header brings a key or says where to fetch one; a key counts only for whom it is found."""

    code = "jose_key_in_header"
    title = "The header brings its own key"


class JoseCriticalError(JoseError):
    """The header has `crit` or `b64`: extensions that change what is signed, none of which is known here."""

    code = "jose_critical_extension"
    title = "Critical extension not understood"


class JoseTypeError(JoseError):
    """`typ` or `cty` names another thing than the payload is, or than was asked for."""

    code = "jose_type_mismatch"
    title = "typ or cty is not that of the payload"


class JoseKeyIdError(JoseError):
    """`kid` is missing or is not the DID URL of a verification method, alone or together with `iss`."""

    code = "jose_key_id_invalid"
    title = "kid names no verification method"


class JoseWrapperClaimError(JoseError):
    """There is a `vc` or `vp` claim: the older form, in which credential and token could disagree."""

    code = "jose_wrapper_claim"
    title = "The payload wraps the document in a claim"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


class JoseClaimError(JoseError):
    """`iss`, `sub` or `jti` says otherwise than the document, or a claim is of the wrong type; ``claim`` names it."""

    code = "jose_claim_conflict"
    title = "A claim contradicts the document"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


class JoseVersionError(JoseError):
    """The document is of data model 1.1, which has no such tokens."""

    code = "jose_version_unsupported"
    title = "Only data model 2.0 is secured in this way"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


class JosePresentedError(JoseError):
    """A presentation in this form holds a credential that is not enveloped."""

    code = "jose_credential_not_enveloped"
    title = "A presented credential is not enveloped"
    type_uri: ClassVar[str | None] = MALFORMED_VALUE_ERROR


class JoseMediaTypeError(JoseError):
    """The envelope holds something else than a JWT of the kind that it says to hold."""

    code = "jose_media_type_unsupported"
    title = "Media type of the envelope not accepted"


class JoseKeyKindError(VerificationError):
    """The key is not of the kind that `alg` is for."""

    code = "jose_key_kind"
    title = "Key and algorithm do not fit"
    type_uri: ClassVar[str | None] = CRYPTOGRAPHIC_SECURITY_ERROR


class JoseSignatureError(VerificationError):
    """The signature is not that of the key over header and payload."""

    code = "jose_signature_invalid"
    title = "The token's signature does not verify"
    type_uri: ClassVar[str | None] = CRYPTOGRAPHIC_SECURITY_ERROR


class JoseTimeError(VerificationError):
    """`iat`, `nbf` or `exp` is no number of seconds, or lies on the wrong side of now; ``claim`` names it."""

    code = "jose_time_refused"
    title = "The token is not valid at this time"
