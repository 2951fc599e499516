"""Credentials issued by agents: built from values, signed, and checked before they leave.

Decides the bytes that are signed; whatever a function here returns, `parse_credential` takes. Draws no randomness and
reads no clock: the caller gives the UUID and the time. What the registry and its operator say is in
``issue_registry.py``.

Spec: VC-DATA-MODEL-2.0 4; VC-DI-EDDSA 3.3.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.keys import Signer
from did_methods.timestamp import format_timestamp
from registry.credentials.kinds import CONTEXTS, CREDENTIAL_TYPE, KINDS_BY_NAME, Kind
from registry.credentials.model import parse_credential


def signer_did(signer: Signer) -> str:
    """Return the DID that a signer signs for.

    Args:
        signer: its verification method is a DID URL with a fragment.
    """
    return signer.verification_method.partition("#")[0]


def build_credential(
    kind: Kind,
    *,
    issuer: str,
    subject: Mapping[str, Any],
    uuid: str | None,
    valid_from_ms: int,
    valid_until_ms: int | None = None,
    status_entries: Sequence[Mapping[str, Any]] = (),
    sequence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an unsigned credential of a kind.

    Args:
        kind: a row of the table of kinds.
        issuer: DID.
        subject: the members of ``credentialSubject`` as they stand on the wire; those that are None are left out.
        uuid: version 4 UUID text, 122 random bits drawn by the caller; None for acceptances only.
        valid_from_ms: milliseconds since the epoch.
        valid_until_ms: milliseconds since the epoch; None for no end.
        status_entries: at most two entries of status lists, where the kind may have them.
        sequence: ``{"number"}`` or ``{"number", "previous"}`` of a log statement that its issuer counts.

    Spec: VC-DATA-MODEL-2.0 4
    """
    status: Any = [dict(entry) for entry in status_entries]
    return {
        "@context": list(CONTEXTS),
        **({} if uuid is None else {"id": f"urn:uuid:{uuid}"}),
        "type": [CREDENTIAL_TYPE, kind.type],
        "issuer": issuer,
        "validFrom": format_timestamp(valid_from_ms),
        **({} if valid_until_ms is None else {"validUntil": format_timestamp(valid_until_ms)}),
        **({"credentialStatus": status if len(status) > 1 else status[0]} if status else {}),
        **({} if sequence is None else {"sequence": dict(sequence)}),
        "credentialSubject": {name: value for name, value in subject.items() if value is not None},
    }


def issue_credential(
    kind_name: str,
    *,
    signer: Signer,
    subject: Mapping[str, Any],
    uuid: str | None,
    now_ms: int,
    domain: str | None = None,
    valid_until_ms: int | None = None,
    expires_ms: int | None = None,
    status_entries: Sequence[Mapping[str, Any]] = (),
    sequence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Issue a credential of any kind with one proof; the functions below call this with named members.

    Args:
        kind_name: leaf kind, for example ``vouch``.
        signer: a key of the issuer; its DID becomes the issuer.
        subject: wire members of ``credentialSubject``; those that are None are left out.
        uuid: version 4 UUID text drawn by the caller; None for acceptances only.
        now_ms: milliseconds since the epoch, for ``validFrom`` and ``created``.
        domain: the log's origin; needed for log statements.
        valid_until_ms: milliseconds since the epoch, where the kind has an end.
        expires_ms: milliseconds since the epoch for the proof, where the kind allows it.
        status_entries: at most two entries of status lists, where the kind may have them.
        sequence: as in `build_credential`.

    Raises:
        ParseError: the codes of `parse_credential`, where the values do not make a credential of the kind.

    Spec: VC-DI-EDDSA 3.3.1
    """
    document = build_credential(
        KINDS_BY_NAME[kind_name],
        issuer=signer_did(signer),
        subject=subject,
        uuid=uuid,
        valid_from_ms=now_ms,
        valid_until_ms=valid_until_ms,
        status_entries=status_entries,
        sequence=sequence,
    )
    signed = sign_document(document, signer=signer, created=now_ms, domain=domain, expires=expires_ms)
    parse_credential(signed)
    return signed


def issue_vouch(
    *,
    signer: Signer,
    subject: str,
    strength: int,
    uuid: str,
    now_ms: int,
    domain: str,
    context: str | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue a vouch: the signer stakes its standing on another agent.

    Args:
        signer: a key of the agent that vouches.
        subject: DID of the agent vouched for, another one.
        strength: 1 to 100, recorded and shown.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        context: capability domain, a slug; None counts overall only.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: self_vouch, subject_member_invalid and the other codes of `parse_credential`.

    Spec: specs/kinds/vouch.md
    """
    members = {"id": subject, "strength": strength, "context": context, "commitments": sorted(commitments) or None}
    return issue_credential("vouch", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_report(
    *,
    signer: Signer,
    subject: str,
    severity: int,
    uuid: str,
    now_ms: int,
    domain: str,
    context: str | None = None,
    category: str | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue a report: the signer says that another agent did wrong.

    Args:
        signer: a key of the agent that reports.
        subject: DID of the agent reported, another one.
        severity: 1 to 100, recorded and shown.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        context: capability domain, a slug; None counts overall only.
        category: what kind of wrong, a slug; particulars go into commitments.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: self_report, subject_member_invalid and the other codes of `parse_credential`.

    Spec: specs/kinds/report.md
    """
    members = {
        "id": subject,
        "severity": severity,
        "context": context,
        "category": category,
        "commitments": sorted(commitments) or None,
    }
    return issue_credential("report", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_revocation(
    *, signer: Signer, subject: str, event: bytes, uuid: str, now_ms: int, domain: str
) -> dict[str, Any]:
    """Issue a revocation: the signer takes back a statement of its own.

    Args:
        signer: a key of the revoked statement's issuer.
        subject: DID of the revoked statement's subject.
        event: event id of the revoked statement, 32 bytes.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/revocation.md
    """
    members = {"id": subject, "event": base64url_encode(event)}
    return issue_credential("revocation", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_capability(
    *,
    signer: Signer,
    subject: str,
    actions: Sequence[str],
    uuid: str,
    now_ms: int,
    valid_until_ms: int,
    resources: Sequence[Mapping[str, str]] = (),
    context: str | None = None,
    status_entries: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Issue a capability: the signer says that an agent may do these actions; presented, not logged.

    Args:
        signer: a key of whoever grants.
        subject: DID of the agent.
        actions: action names, each may end in an asterisk.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        valid_until_ms: milliseconds since the epoch.
        resources: ``{"type", "id"}`` each, the id may end in an asterisk; none means any.
        context: capability domain, a slug.
        status_entries: at most two entries of status lists.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/capability.md
    """
    members = {
        "id": subject,
        "actions": list(actions),
        "resources": [dict(each) for each in resources] or None,
        "context": context,
    }
    return issue_credential(
        "capability",
        signer=signer,
        subject=members,
        uuid=uuid,
        now_ms=now_ms,
        valid_until_ms=valid_until_ms,
        status_entries=status_entries,
    )


def issue_passport(
    *,
    signer: Signer,
    purpose: str,
    capabilities: Sequence[str],
    code_digest: bytes,
    model: Mapping[str, str],
    runtime: str,
    uuid: str,
    now_ms: int,
    scope: Sequence[str] = (),
    owner: str | None = None,
    version_id: str | None = None,
    valid_until_ms: int | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue an agent's passport; with an owner it is complete only after `countersign_passport`.

    Args:
        signer: a key of the agent.
        purpose: slug.
        capabilities: 1 to 16 slugs.
        code_digest: SHA-256 of the code, 32 bytes.
        model: ``{"digest": …}`` or ``{"provider": …, "name": …}``.
        runtime: slug.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        scope: slugs of what the agent confines itself to.
        owner: pseudonymous DID that counter-signs.
        version_id: the did:webvh version that the passport is bound to; needed for a did:webvh agent, else refused.
        valid_until_ms: milliseconds since the epoch; None for no end.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/passport.md
    """
    agent, passport = signer_did(signer), KINDS_BY_NAME["passport"]
    subject = {
        "id": agent,
        "purpose": purpose,
        "capabilities": list(capabilities),
        "codeDigest": base64url_encode(code_digest),
        "model": dict(model),
        "runtime": runtime,
        "scope": list(scope) or None,
        "owner": owner,
        "versionId": version_id,
        "commitments": sorted(commitments) or None,
    }
    document = build_credential(
        passport, issuer=agent, subject=subject, uuid=uuid, valid_from_ms=now_ms, valid_until_ms=valid_until_ms
    )
    signed = sign_document(document, signer=signer, created=now_ms, append=owner is not None)
    if owner is None:
        parse_credential(signed)
    return signed


def countersign_passport(document: dict[str, Any], *, signer: Signer, now_ms: int) -> dict[str, Any]:
    """Add the owner's proof to a passport that names it.

    Args:
        document: what `issue_passport` returned.
        signer: a key of the owner.
        now_ms: milliseconds since the epoch.

    Raises:
        ParseError: proof_signers_invalid where the signer is not the owner named, and the codes of
            `parse_credential`.

    Spec: VC-DATA-INTEGRITY 2.1.1
    """
    signed = sign_document(document, signer=signer, created=now_ms, append=True)
    parse_credential(signed)
    return signed
