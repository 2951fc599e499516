"""Credentials of any kind issued in one suite, with one key: what is checked before it is signed, and in which order.

Decides which documents an issuer puts its name under: sound by the data model and as JSON-LD, whatever the suite, and with
itself as issuer. Our own kinds for the log are made in ``issue.py``; what is issued here never enters it. Draws nothing and
reads no clock.

Spec: VC-DATA-MODEL-2.0 4; VC-DATA-INTEGRITY 4.2; VCALM 3.2; specs/vc-api.md
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.keys import Signer
from did_methods.proof_errors import ProofExistsError
from registry.credentials.bundled_contexts import CREDENTIALS_V1_URL, DATA_INTEGRITY_V2_URL
from registry.credentials.data_model import AnyCredential, parse_any_credential
from registry.credentials.data_model_resources import check_related_resources
from registry.credentials.jose import envelope, sign_vc_jwt
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR
from registry.credentials.proof_set import add_proof
from registry.credentials.tools import Bundle
from registry.credentials.verification import check_schemas
from registry.errors import ParseError


class IssuerForeignError(ParseError):
    """The credential names another issuer than the one that is asked to sign it."""

    code = "issuer_foreign"
    title = "This issuer signs for itself only"
    type_uri = MALFORMED_VALUE_ERROR


class IssuerAbsentError(ParseError):
    """The credential names no issuer; nobody is put in silently."""

    code = "issuer_absent"
    title = "The credential names no issuer"
    type_uri = MALFORMED_VALUE_ERROR


@dataclass(frozen=True, slots=True)
class SuiteIssuer:
    """Whoever issues in one suite.

    Attributes:
        name: for example ``ecdsa-rdfc-2019-p256``.
        did: the issuer, and controller of the key.
        cryptosuite: of its proofs; None for an issuer of tokens (``vc+jwt``).
        signer: has the key.
        purposes: of the statuses that it gives each credential, unasked.
    """

    name: str
    did: str
    cryptosuite: str | None
    signer: Signer
    purposes: tuple[str, ...] = ()


def check_unsigned(document: dict[str, Any], *, issuer: str) -> None:
    """Check what can be told before anything is allocated or computed: who is to sign, and that nobody has.

    Args:
        document: JSON object.
        issuer: DID.

    Raises:
        DidError: proof_exists.
        IssuerAbsentError: issuer_absent.
        IssuerForeignError: issuer_foreign.

    Spec: VC-DATA-MODEL-2.0 4.7
    """
    if "proof" in document:
        raise ProofExistsError
    if "issuer" not in document:
        raise IssuerAbsentError
    named = document["issuer"]
    if (named.get("id") if isinstance(named, dict) else named) != issuer:
        raise IssuerForeignError


def with_securing_context(document: dict[str, Any]) -> dict[str, Any]:
    """Return a 1.1 credential with the context that defines its proof; any other as it is.

    Args:
        document: JSON object.

    Spec: VC-DATA-INTEGRITY 2.4
    """
    contexts = document.get("@context")
    if not isinstance(contexts, list) or CREDENTIALS_V1_URL not in contexts[:1] or DATA_INTEGRITY_V2_URL in contexts:
        return document
    return {**document, "@context": [*contexts, DATA_INTEGRITY_V2_URL]}


def with_statuses(document: dict[str, Any], entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a credential with status entries beside those that it has.

    Args:
        document: JSON object.
        entries: members of `credentialStatus`; may be empty.

    Spec: VC-DATA-MODEL-2.0 4.10
    """
    if not entries:
        return document
    own = document.get("credentialStatus", [])
    listed = [*(own if isinstance(own, list) else [own]), *entries]
    return {**document, "credentialStatus": listed if len(listed) > 1 else listed[0]}


def check_issuable(document: dict[str, Any], *, json_ld: JsonLdProcessor | None, bundle: Bundle) -> AnyCredential:
    """Check that a document is a credential worth a signature.

    1. It is one by the data model of its version, its validity not upside down.
    2. Every term means something, under bundled contexts alone; for every suite, not only those that need it.
    3. The digests of the related resources that are bundled are right.

    Args:
        document: without proof.
        json_ld: None where there is no processor; the second step is then the caller's loss.
        bundle: documents known here.

    Raises:
        ParseError, VerificationError: the codes of the data model, of JSON-LD and of resources.
        DependencyError: the processor is busy or not there.

    Spec: VC-DATA-MODEL-2.0 4, 5.3
    """
    credential = parse_any_credential(document)
    if json_ld is not None:
        json_ld.check(document)
    check_related_resources(credential, known=bundle.resources)
    return credential


def sign_any_credential(
    document: dict[str, Any], *, issuer: SuiteIssuer, json_ld: JsonLdProcessor | None, now_ms: int
) -> dict[str, Any]:
    """Return a credential with the issuer's proof, or in an envelope with its signature; the document is not changed.

    Args:
        document: what `check_issuable` took; an issuer of tokens takes data model 2.0 only.
        issuer: whoever signs.
        json_ld: needed by the RDF suites.
        now_ms: milliseconds since the epoch, for the proof's `created`.

    Raises:
        DidError, ParseError: the codes of the suite.
        SchemaMismatchError: credential_schema_mismatch, for a credential that does not fit a bundled schema it names.
        DependencyError: the processor is busy or not there.

    Spec: VC-DATA-INTEGRITY 4.2; VC-JOSE-COSE 3.1.1
    """
    if issuer.cryptosuite is None:
        check_schemas(parse_any_credential(document))
        return envelope(sign_vc_jwt(document, signer=issuer.signer, algorithm="EdDSA", issued_ms=now_ms), "vc")
    signed = add_proof(
        copy.deepcopy(document),
        cryptosuite=issuer.cryptosuite,
        signer=issuer.signer,
        created_ms=now_ms,
        json_ld=json_ld,
    )
    # Schemas describe the whole credential, its proof included.
    check_schemas(parse_any_credential(signed))
    return signed


DEFAULT_SUITE: Final = "eddsa-jcs-2022"
STATUS_SUITE: Final = "status"
JWT_SUITE: Final = "vc-jwt"
