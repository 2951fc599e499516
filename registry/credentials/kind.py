"""What a kind of credential is, and the parts that several kinds share. The rows are in the modules ``kinds_*.py``.

Decides nothing about any one kind. A row says how a document of the kind looks, member by member, who signs it and how it is
bound to a log; anything not listed is refused.

Spec: VC-DATA-MODEL-2.0 4; FORMATS "Signed statements"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from registry.credentials.members import (
    DID,
    DID_KEY,
    DIGEST,
    NAME,
    ORIGIN,
    TIMESTAMP,
    URN_UUID,
    VERIFICATION_METHOD,
    Check,
    Const,
    Either,
    Integer,
    ListOf,
    Member,
    Object,
    OneOf,
    Text,
)

CREDENTIALS_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
BONAFIDES_CONTEXT: Final = "https://w3id.org/bonafides/v1"
CONTEXTS: Final = (CREDENTIALS_CONTEXT, BONAFIDES_CONTEXT)
CREDENTIAL_TYPE: Final = "VerifiableCredential"
CRYPTOSUITE: Final = "eddsa-jcs-2022"

SignerRole: TypeAlias = Literal["agent", "registry", "operator", "any"]
SubjectRule: TypeAlias = Literal["self", "other", "any"]
Validity: TypeAlias = Literal["required", "optional", "forbidden"]

_URL: Final = r"https?://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]{1,64}){0,8}"

COMMITMENTS: Final = ListOf(DIGEST, 64)
CONTEXT: Final = Const(CONTEXTS)
NUMBER: Final = Integer(1)
INDEX: Final = Integer(0)
LOG_KEY: Final = Text(r"[!-*,-~]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}", 309, "C2SP verifier key, Ed25519")
RULES: Final = Text(r"[1-9][0-9]{0,3}", 4, "version of the score's rules")
PUBLIC_URL: Final = Text(_URL, 512, "public URL without a trailing slash")
VERSION_ID: Final = Text(r"[1-9][0-9]{0,8}-[1-9A-HJ-NP-Za-km-z]{46}", 56, "did:webvh versionId")
ACTION: Final = Text(r"[a-z0-9._:-]{1,64}", 64, "action name")
ACTIONS: Final = ListOf(Text(r"(?:[a-z0-9._:-]{1,64}\*?|\*)", 65, "action name, or its beginning and an asterisk"), 32)
_RESOURCE_ID: Final = Text(r"(?:[!-)+-~]{1,256}\*?|\*)", 257, "resource id, or its beginning and an asterisk")
RESOURCES: Final = ListOf(Object({"type": NAME, "id": _RESOURCE_ID}), 32, distinct=False)
MODEL: Final = Either(Object({"provider": NAME, "name": NAME}), Object({"digest": DIGEST}))
_PROOF_VALUE: Final = Text(r"z[1-9A-HJ-NP-Za-km-z]{64,88}", 89, "Ed25519 signature, multibase base58btc")

_STATUS_ENTRY: Final = Object(
    {
        "type": Const("BitstringStatusListEntry"),
        "statusPurpose": OneOf(("revocation", "suspension")),
        "statusListIndex": Text(r"(?:0|[1-9][0-9]{0,9})", 10, "position in the list"),
        "statusListCredential": Text(_URL, 512, "URL of the list"),
    },
    {"id": Text(_URL + r"#[A-Za-z0-9._~-]{1,64}", 577, "URL of the entry")},
)
STATUS: Final = Either(_STATUS_ENTRY, ListOf(_STATUS_ENTRY, 2, distinct=False))
"""``credentialStatus`` of kinds that may have one: an entry, or a list of at most two."""


SEQUENCE: Final = Object({"number": NUMBER}, {"previous": DIGEST})
"""``sequence`` of log statements: which one of its issuer's counted statements it is, and the event id of the one before."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of credential.

    Attributes:
        type: the second value of the credential's ``type``.
        name: the leaf kind, for example ``vouch``.
        logged: false for kinds that are presented or answered only.
        log_statement: its proof names the log's origin as ``domain``, and is made within the window around log time.
        signer: the role that issues it; ``any`` where every DID may.
        proofs: how many proofs it may have; two where somebody counter-signs.
        countersigner: the member of the subject that names who counter-signs; None where nobody does.
        subjects: the members of the subject that name the DIDs it is about, ``id`` first.
        subject_rule: whether issuer and subject are the same DID, two different ones, or either.
        valid_until: whether a ``validUntil`` stands in it.
        proof_expires: whether a proof may have ``expires``.
        has_status: whether a ``credentialStatus`` may stand in it.
        subject: the members of ``credentialSubject``.
        document: all members, from the top.
        is_well_formed: the fast checker of ``document``.
    """

    type: str
    name: str
    logged: bool
    log_statement: bool
    signer: SignerRole
    proofs: tuple[int, ...]
    countersigner: str | None
    subjects: tuple[str, ...]
    subject_rule: SubjectRule
    valid_until: Validity
    proof_expires: bool
    has_status: bool
    subject: Object
    document: Object
    is_well_formed: Check


def proof_members(
    *, purpose: str, required: Mapping[str, Member] | None = None, optional: Mapping[str, Member] | None = None
) -> Object:
    """Return the specification of a proof of our pinned form.

    Args:
        purpose: the one ``proofPurpose``.
        required: members needed besides those of every proof.
        optional: members allowed besides.

    Spec: VC-DATA-INTEGRITY 2.1; VC-DI-EDDSA 3.3
    """
    always: dict[str, Member] = {
        "type": Const("DataIntegrityProof"),
        "cryptosuite": Const(CRYPTOSUITE),
        "created": TIMESTAMP,
        "verificationMethod": VERIFICATION_METHOD,
        "proofPurpose": Const(purpose),
        "proofValue": _PROOF_VALUE,
    }
    return Object({**always, **(required or {})}, {"@context": CONTEXT, **(optional or {})})


def _proof(*, log_statement: bool, expires: bool, proofs: tuple[int, ...]) -> Member:
    domain: dict[str, Member] = {"domain": ORIGIN}
    expiry: dict[str, Member] = {"expires": TIMESTAMP} if expires else {}
    if log_statement:
        one = proof_members(purpose="assertionMethod", required=domain, optional=expiry)
    else:
        one = proof_members(purpose="assertionMethod", optional={**domain, **expiry})
    several = ListOf(one, max(proofs), 2, distinct=False)
    return several if min(proofs) > 1 else one if proofs == (1,) else Either(one, several)


def make_kind(
    type_name: str,
    name: str,
    subject: Object,
    *,
    signer: SignerRole,
    logged: bool = True,
    log_statement: bool = True,
    proofs: tuple[int, ...] = (1,),
    countersigner: str | None = None,
    subjects: tuple[str, ...] = ("id",),
    subject_rule: SubjectRule = "any",
    valid_until: Validity = "forbidden",
    proof_expires: bool = True,
    has_status: bool = False,
    has_id: bool = True,
) -> Kind:
    """Return the row of a kind; the arguments are the attributes of `Kind`, and whether it has an ``id``."""
    required: dict[str, Member] = {
        "@context": CONTEXT,
        **({"id": URN_UUID} if has_id else {}),
        "type": Const((CREDENTIAL_TYPE, type_name)),
        "issuer": DID_KEY if signer == "operator" else DID,
        "validFrom": TIMESTAMP,
        **({"validUntil": TIMESTAMP} if valid_until == "required" else {}),
        "credentialSubject": subject,
        "proof": _proof(log_statement=log_statement, expires=proof_expires, proofs=proofs),
    }
    optional: dict[str, Member] = {"validUntil": TIMESTAMP} if valid_until == "optional" else {}
    if logged and log_statement and signer != "operator":
        optional["sequence"] = SEQUENCE
    document = Object(required, {**optional, **({"credentialStatus": STATUS} if has_status else {})})
    return Kind(
        type=type_name,
        name=name,
        logged=logged,
        log_statement=log_statement,
        signer=signer,
        proofs=proofs,
        countersigner=countersigner,
        subjects=subjects,
        subject_rule=subject_rule,
        valid_until=valid_until,
        proof_expires=proof_expires,
        has_status=has_status,
        subject=subject,
        document=document,
        is_well_formed=document.compile(),
    )
