"""The one table of credential kinds: who signs each, how it is bound to a log, and which members it has.

Decides what a document of a kind looks like, member by member; anything not listed is refused. Public members hold no
free text: only DIDs, digests, slugs, numbers and closed lists, so that nothing personal can be logged for ever. What a
kind does to state and score is decided where the log is folded, and read in ``specs/credential-profile.md``.

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
    SLUG,
    TIMESTAMP,
    URN_UUID,
    VERIFICATION_METHOD,
    AnyObject,
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
PRESENTATION_TYPE: Final = "VerifiablePresentation"
CRYPTOSUITE: Final = "eddsa-jcs-2022"

SignerRole: TypeAlias = Literal["agent", "registry", "operator", "any"]
SubjectRule: TypeAlias = Literal["self", "other", "any"]
Validity: TypeAlias = Literal["required", "optional", "forbidden"]

COMMITMENTS: Final = ListOf(DIGEST, 64)
_CONTEXT: Final = Const(CONTEXTS)
_SLUGS: Final = ListOf(SLUG, 16)
_NUMBER: Final = Integer(1)
_INDEX: Final = Integer(0)
_RULES: Final = Text(r"[1-9][0-9]{0,3}", 4, "version of the score's rules")
_PUBLIC_URL: Final = Text(
    r"https?://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]{1,64}){0,8}",
    512,
    "public URL without a trailing slash",
)
_LOG_KEY: Final = Text(r"[!-*,-~]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}", 309, "C2SP verifier key, Ed25519")
_ACTION: Final = Text(r"(?:[a-z0-9._:-]{1,64}\*?|\*)", 65, "action name, or its beginning and an asterisk")
_RESOURCE_ID: Final = Text(r"(?:[!-)+-~]{1,256}\*?|\*)", 257, "resource id, or its beginning and an asterisk")
_VERSION_ID: Final = Text(r"[1-9][0-9]{0,8}-[1-9A-HJ-NP-Za-km-z]{46}", 56, "did:webvh versionId")
_MULTIKEY: Final = Text(r"z[1-9A-HJ-NP-Za-km-z]{40,120}", 121, "Multikey")
_PROOF_VALUE: Final = Text(r"z[1-9A-HJ-NP-Za-km-z]{64,88}", 89, "Ed25519 signature, multibase base58btc")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of credential.

    Attributes:
        type: the second value of the credential's ``type``.
        name: the leaf kind, for example ``vouch``.
        logged: false for kinds that are presented or answered only.
        log_statement: its proof names the log's origin as ``domain``, and is made within the window around log time.
        signer: the role that issues it; ``any`` where every DID may.
        proofs: how many proofs it may have; two where an owner counter-signs.
        subject_rule: whether issuer and subject are the same DID, two different ones, or either.
        valid_until: whether a ``validUntil`` stands in it.
        proof_expires: whether a proof may have ``expires``.
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
    subject_rule: SubjectRule
    valid_until: Validity
    proof_expires: bool
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
    return Object({**always, **(required or {})}, {"@context": _CONTEXT, **(optional or {})})


def _proof(*, log_statement: bool, expires: bool, proofs: tuple[int, ...]) -> Member:
    domain: dict[str, Member] = {"domain": ORIGIN}
    expiry: dict[str, Member] = {"expires": TIMESTAMP} if expires else {}
    if log_statement:
        one = proof_members(purpose="assertionMethod", required=domain, optional=expiry)
    else:
        one = proof_members(purpose="assertionMethod", optional={**domain, **expiry})
    return one if proofs == (1,) else Either(one, ListOf(one, max(proofs), 2, distinct=False))


def _kind(
    type_name: str,
    name: str,
    subject: Object,
    *,
    signer: SignerRole,
    logged: bool = True,
    log_statement: bool = True,
    proofs: tuple[int, ...] = (1,),
    subject_rule: SubjectRule = "any",
    valid_until: Validity = "forbidden",
    proof_expires: bool = True,
    has_id: bool = True,
) -> Kind:
    required: dict[str, Member] = {
        "@context": _CONTEXT,
        **({"id": URN_UUID} if has_id else {}),
        "type": Const((CREDENTIAL_TYPE, type_name)),
        "issuer": DID_KEY if signer == "operator" else DID,
        "validFrom": TIMESTAMP,
        **({"validUntil": TIMESTAMP} if valid_until == "required" else {}),
        "credentialSubject": subject,
        "proof": _proof(log_statement=log_statement, expires=proof_expires, proofs=proofs),
    }
    document = Object(required, {"validUntil": TIMESTAMP} if valid_until == "optional" else {})
    return Kind(
        type=type_name,
        name=name,
        logged=logged,
        log_statement=log_statement,
        signer=signer,
        proofs=proofs,
        subject_rule=subject_rule,
        valid_until=valid_until,
        proof_expires=proof_expires,
        subject=subject,
        document=document,
        is_well_formed=document.compile(),
    )


_MODEL: Final = Either(Object({"provider": NAME, "name": NAME}), Object({"digest": DIGEST}))
_RESOURCE: Final = Object({"type": NAME, "id": _RESOURCE_ID})
_ACCEPTED: Final = Object({"event": DIGEST, "index": _INDEX, "leafHash": DIGEST, "time": _INDEX})
_PURPOSE: Final = OneOf(
    ("assertionMethod", "authentication", "capabilityDelegation", "capabilityInvocation", "keyAgreement")
)
_OBSERVED_KEY: Final = Object(
    {"id": VERIFICATION_METHOD, "publicKeyMultibase": _MULTIKEY, "purposes": ListOf(_PURPOSE, 5)}
)
_AGENT_AND_REASON: Final = Object({"id": DID, "reason": SLUG})

KINDS: Final[tuple[Kind, ...]] = (
    _kind(
        "AgentPassportCredential",
        "passport",
        Object(
            {
                "id": DID,
                "purpose": SLUG,
                "capabilities": _SLUGS,
                "codeDigest": DIGEST,
                "model": _MODEL,
                "runtime": SLUG,
            },
            {"owner": DID, "scope": _SLUGS, "versionId": _VERSION_ID, "commitments": COMMITMENTS},
        ),
        signer="agent",
        log_statement=False,
        proofs=(1, 2),
        subject_rule="self",
        valid_until="optional",
    ),
    _kind(
        "AgentCapabilityCredential",
        "capability",
        Object(
            {"id": DID, "actions": ListOf(_ACTION, 32)},
            {"resources": ListOf(_RESOURCE, 32, distinct=False), "context": SLUG},
        ),
        signer="any",
        logged=False,
        log_statement=False,
        valid_until="required",
    ),
    _kind(
        "AgentVouchCredential",
        "vouch",
        Object({"id": DID, "strength": Integer(1, 100)}, {"context": SLUG, "commitments": COMMITMENTS}),
        signer="agent",
        subject_rule="other",
        proof_expires=False,
    ),
    _kind(
        "AgentReportCredential",
        "report",
        Object(
            {"id": DID, "severity": Integer(1, 100)},
            {"context": SLUG, "category": SLUG, "commitments": COMMITMENTS},
        ),
        signer="agent",
        subject_rule="other",
        proof_expires=False,
    ),
    _kind("AgentRevocationCredential", "revocation", Object({"id": DID, "event": DIGEST}), signer="agent"),
    _kind(
        "RegistryGenesisCredential",
        "genesis",
        Object(
            {
                "id": DID,
                "origin": ORIGIN,
                "publicUrl": _PUBLIC_URL,
                "profile": OneOf(("live", "replay")),
                "logKey": _LOG_KEY,
                "registryDid": DID,
                "rules": _RULES,
            }
        ),
        signer="operator",
        # It states the origin itself, and in a replay its log time is 0.
        log_statement=False,
    ),
    _kind(
        "RegistryRootListCredential",
        "root_list",
        Object({"id": DID, "number": _NUMBER, "roots": ListOf(DID, 64)}),
        signer="operator",
    ),
    _kind(
        "RegistryEpochCredential",
        "epoch",
        Object(
            {
                "id": DID,
                "number": _NUMBER,
                "treeSize": _NUMBER,
                "rules": _RULES,
                "rootList": DIGEST,
                "commitment": DIGEST,
            }
        ),
        signer="registry",
        subject_rule="self",
    ),
    _kind("RegistryQuarantineCredential", "quarantine", _AGENT_AND_REASON, signer="registry"),
    _kind("RegistryReleaseCredential", "release", _AGENT_AND_REASON, signer="registry"),
    _kind("RegistryAgentRevocationCredential", "agent_revocation", _AGENT_AND_REASON, signer="operator"),
    _kind(
        "RegistryKeyObservationCredential",
        "key_observation",
        Object(
            {
                "id": DID,
                "keys": ListOf(_OBSERVED_KEY, 16, 0, distinct=False),
                "documentDigest": DIGEST,
                "source": SLUG,
                "observed": TIMESTAMP,
            },
            {"versionId": _VERSION_ID},
        ),
        signer="registry",
    ),
    _kind(
        "RegistryAcceptanceCredential",
        "acceptance",
        Object({"origin": ORIGIN, "accepted": ListOf(_ACCEPTED, 1_000, distinct=False)}),
        signer="registry",
        logged=False,
        log_statement=False,
        has_id=False,  # nothing random: the same request gets the same bytes again
    ),
)

KINDS_BY_TYPE: Final[Mapping[str, Kind]] = {kind.type: kind for kind in KINDS}
KINDS_BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}

_PRESENTATION_PROOF: Final = proof_members(
    purpose="authentication",
    required={"domain": ORIGIN},
    optional={"challenge": Text(r"[!-~]{1,128}", 128, "challenge"), "expires": TIMESTAMP},
)
PRESENTATION: Final = Object(
    {"@context": _CONTEXT, "type": Const((PRESENTATION_TYPE,)), "holder": DID, "proof": _PRESENTATION_PROOF},
    {
        "id": URN_UUID,
        "verifiableCredential": ListOf(AnyObject(), 8, distinct=False),
    },
)
