"""Credentials issued by the registry and by its operator, through the same door as everybody's.

Decides the bytes that are signed. Genesis, root lists and revocations of agents are signed by the operator root (a
did:key that stays offline), everything else by the registry's own DID.

Spec: FORMATS "Genesis", "Epoch", "Acceptance"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.keys import Signer
from registry.credentials.issue import build_credential, issue_credential, signer_did
from registry.credentials.kinds import KINDS_BY_NAME
from registry.credentials.model import parse_credential


def issue_genesis(
    *,
    signer: Signer,
    origin: str,
    public_url: str,
    profile: Literal["live", "replay"],
    log_key: str,
    registry_did: str,
    uuid: str,
    now_ms: int,
    rules: str = "1",
) -> dict[str, Any]:
    """Issue entry 0 of a log.

    Args:
        signer: the operator root, a did:key.
        origin: of the log.
        public_url: without a trailing slash.
        profile: ``live``, or ``replay`` (then now_ms is 0).
        log_key: C2SP verifier key whose name is the origin.
        registry_did: the registry's own DID.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        rules: version of the score's rules.

    Raises:
        ParseError: issuer_invalid, genesis_log_key_mismatch and the other codes of `parse_credential`.

    Spec: FORMATS "Genesis"
    """
    members = {
        "id": registry_did,
        "origin": origin,
        "publicUrl": public_url,
        "profile": profile,
        "logKey": log_key,
        "registryDid": registry_did,
        "rules": rules,
    }
    return issue_credential("genesis", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=origin)


def issue_root_list(
    *, signer: Signer, registry_did: str, number: int, roots: Sequence[str], uuid: str, now_ms: int, domain: str
) -> dict[str, Any]:
    """Issue the list of roots that voices come from.

    Args:
        signer: the operator root, a did:key.
        registry_did: the registry it is for.
        number: from 1, without gaps.
        roots: 1 to 64 distinct DIDs.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: FORMATS "Genesis"
    """
    members = {"id": registry_did, "number": number, "roots": list(roots)}
    return issue_credential("root_list", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_epoch(
    *,
    signer: Signer,
    number: int,
    tree_size: int,
    rules: str,
    root_list: bytes,
    commitment: bytes,
    uuid: str,
    now_ms: int,
    domain: str,
) -> dict[str, Any]:
    """Issue an epoch.

    Args:
        signer: the registry DID, which is the subject too.
        number: from 1, without gaps.
        tree_size: the leaves below it are covered.
        rules: version of the score's rules.
        root_list: event id of the root list in force, 32 bytes.
        commitment: root over the canonical lines, 32 bytes.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: FORMATS "Epoch"
    """
    members = {
        "id": signer_did(signer),
        "number": number,
        "treeSize": tree_size,
        "rules": rules,
        "rootList": base64url_encode(root_list),
        "commitment": base64url_encode(commitment),
    }
    return issue_credential("epoch", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_quarantine(
    *, signer: Signer, subject: str, reason: str, uuid: str, now_ms: int, domain: str
) -> dict[str, Any]:
    """Issue a quarantine: the agent is suspended until released.

    Args:
        signer: the registry DID.
        subject: DID of the agent.
        reason: slug.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/registry.md
    """
    members = {"id": subject, "reason": reason}
    return issue_credential("quarantine", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_release(*, signer: Signer, subject: str, reason: str, uuid: str, now_ms: int, domain: str) -> dict[str, Any]:
    """Issue a release from quarantine; arguments, errors and form as `issue_quarantine`.

    Spec: specs/kinds/registry.md
    """
    members = {"id": subject, "reason": reason}
    return issue_credential("release", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_key_observation(
    *, signer: Signer, subject: Mapping[str, Any], uuid: str, now_ms: int, domain: str
) -> dict[str, Any]:
    """Issue what the registry saw of a DID whose document lies elsewhere.

    Args:
        signer: the registry DID.
        subject: what `registry.history.observation.observation_subject` returns.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/registry.md
    """
    return issue_credential(
        "key_observation", signer=signer, subject=dict(subject), uuid=uuid, now_ms=now_ms, domain=domain
    )


def issue_agent_revocation(
    *, signer: Signer, subject: str, reason: str, uuid: str, now_ms: int, domain: str
) -> dict[str, Any]:
    """Issue the operator's revocation of an agent; it is final.

    Args:
        signer: the operator root, a did:key.
        subject: DID of the agent.
        reason: slug.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.

    Raises:
        ParseError: issuer_invalid and the other codes of `parse_credential`.

    Spec: specs/kinds/registry.md
    """
    members = {"id": subject, "reason": reason}
    return issue_credential("agent_revocation", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_ruling(
    *,
    signer: Signer,
    subject: str,
    reporter: str,
    dispute: bytes,
    ruling: Literal["upheld", "dismissed"],
    reason: str,
    uuid: str,
    now_ms: int,
    domain: str,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue a ruling: the registry ends a dispute about a report.

    Args:
        signer: the registry DID.
        subject: DID of the agent that disputes.
        reporter: DID of the agent whose report is disputed.
        dispute: event id of the dispute, 32 bytes.
        ruling: ``upheld`` where the dispute is right, ``dismissed`` where the report is.
        reason: slug.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: ruling_parties_same and the other codes of `parse_credential`.

    Spec: specs/kinds/ruling.md
    """
    members = {
        "id": subject,
        "reporter": reporter,
        "event": base64url_encode(dispute),
        "ruling": ruling,
        "reason": reason,
        "commitments": sorted(commitments) or None,
    }
    return issue_credential("ruling", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_erasure(
    *, signer: Signer, subject: str, openings: int, uuid: str, now_ms: int, domain: str, event: bytes | None = None
) -> dict[str, Any]:
    """Issue an erasure: the openings of one event, or all that an agent is a party to, are destroyed for good.

    Args:
        signer: the registry DID.
        subject: DID of the agent.
        openings: how many there were.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        event: event id, 32 bytes; None for all of the agent's.

    Raises:
        ParseError: subject_is_issuer and the other codes of `parse_credential`.

    Spec: specs/erasure.md
    """
    members = {"id": subject, "openings": openings, "event": None if event is None else base64url_encode(event)}
    return issue_credential("erasure", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


@dataclass(frozen=True, slots=True)
class StandingFigures:
    """What a standing says, as the log gives it.

    Attributes:
        state: ``active``, ``suspended``, ``deactivated`` or ``revoked``.
        score_micros: 0 to 100 points, in micro-points.
        record_micros: the same without clocks.
        confidence_micros: how much evidence is in it, in millionths.
        rules: version of the score's rules.
        tree_size: leaves of the log that it follows from.
        root_hash: root of the tree of that size, 32 bytes.
        time_ms: the instant, milliseconds since the epoch.
        context: capability domain, a slug; None overall.
    """

    state: str
    score_micros: int
    record_micros: int
    confidence_micros: int
    rules: str
    tree_size: int
    root_hash: bytes
    time_ms: int
    context: str | None = None


def issue_standing(
    *,
    signer: Signer,
    subject: str,
    origin: str,
    figures: StandingFigures,
    uuid: str,
    created_ms: int,
    valid_until_ms: int,
    status_entries: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Issue a standing: an agent's score at one instant, to be shown elsewhere and recomputed by whoever has the log.

    Args:
        signer: the registry DID.
        subject: DID of the agent.
        origin: of the log.
        figures: what the log gives.
        uuid: version 4 UUID text.
        created_ms: when it is signed, milliseconds since the epoch.
        valid_until_ms: milliseconds since the epoch.
        status_entries: at most two entries of status lists.

    Raises:
        ParseError: standing_time_mismatch and the other codes of `parse_credential`.

    Spec: specs/kinds/standing.md
    """
    members = {
        "id": subject,
        "origin": origin,
        "state": figures.state,
        "scoreMicros": figures.score_micros,
        "recordMicros": figures.record_micros,
        "confidenceMicros": figures.confidence_micros,
        "rules": figures.rules,
        "treeSize": figures.tree_size,
        "rootHash": base64url_encode(figures.root_hash),
        "time": figures.time_ms,
        "context": figures.context,
    }
    document = build_credential(
        KINDS_BY_NAME["standing"],
        issuer=signer_did(signer),
        subject=members,
        uuid=uuid,
        valid_from_ms=figures.time_ms,
        valid_until_ms=valid_until_ms,
        status_entries=status_entries,
    )
    signed = sign_document(document, signer=signer, created=created_ms)
    parse_credential(signed)
    return signed
