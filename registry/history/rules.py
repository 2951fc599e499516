"""The rules of the log: what a verified statement changes, or why it is refused at this place.

One function per leaf kind, each checking first and changing the draft last, so a refusal leaves the draft as it was.
The sequencer and the audit both come through `admit`: there is no other place where a leaf changes anything. What
concerns DIDs and their keys is in `rules_did.py`; what is recorded and shown but not counted, in `rules_evidence.py`.

Spec: FORMATS "Genesis", "Registration", "Epoch", "Edges and contexts"; specs/history.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode
from registry.credentials.model import UnverifiedCredential
from registry.history.control import note_act, note_passport
from registry.history.errors import (
    AgentUnknownError,
    EpochCommitmentError,
    GenesisError,
    LogOrderError,
    NothingToRevokeError,
    PassportBindingError,
    SignerRoleError,
    StateTransitionError,
    SubjectStateError,
)
from registry.history.ground import Place, active_agent, check_signer, genesis_of, set_state, standing_agent
from registry.history.live import end_live, replace_live
from registry.history.rules_did import (
    admit_did_operation,
    admit_did_witness,
    admit_key_observation,
    admit_registration,
    check_witnessed_next,
)
from registry.history.rules_evidence import (
    admit_action_record,
    admit_affiliation,
    admit_attestation,
    admit_dispute,
    admit_erasure,
    admit_receipt,
    admit_ruling,
)
from registry.history.state import AgentState, Draft, Epoch, EpochAhead, Genesis, LiveStatement, RootList
from registry.history.statement import (
    CredentialStatement,
    DidOperationStatement,
    DidWitnessStatement,
    RegistrationStatement,
    VerifiedStatement,
)

RULES_VERSION = "1"
_OPENING = ("genesis", "did_operation", "root_list", "epoch")


def admit(draft: Draft, verified: VerifiedStatement, place: Place) -> None:
    """Check a verified statement against the log so far and fold it into the draft.

    Args:
        draft: the state just before the leaf.
        verified: the statement, its signatures verified under keys that are active in `draft`.
        place: the leaf's index and log time.

    Raises:
        BonafidesError: one of the codes of `registry.history.errors` or of the did:webvh rules.
    """
    statement = verified.statement
    _check_genesis_order(statement.kind, place)
    check_witnessed_next(draft, statement)
    match statement:
        case DidOperationStatement():
            admit_did_operation(draft, statement, place)
        case DidWitnessStatement():
            admit_did_witness(draft, statement)
        case RegistrationStatement():
            admit_registration(draft, statement, place)
        case CredentialStatement(credential=credential):
            _CREDENTIAL_RULES[credential.kind.name](draft, credential, place)
            for actor in _actors(credential):
                did = draft.canonical_did(actor)
                note_act(draft, did, place)
                draft.reputation.own_act(did, index=place.index, time_ms=place.time_ms)


def _actors(credential: UnverifiedCredential) -> tuple[str, ...]:
    """Return whose act a credential is: its issuer's, and of a receipt both parties'; the registry's are nobody's."""
    if credential.kind.signer not in ("agent", "any"):
        return ()
    return credential.signers if credential.kind.name == "receipt" else (credential.issuer,)


def _check_genesis_order(kind: str, place: Place) -> None:
    """Entries 0 to 3 are genesis, the registry's DID, the roots and the first epoch; no genesis comes later."""
    if place.index < len(_OPENING):
        if kind != _OPENING[place.index]:
            raise GenesisError(f"entry {place.index} must be {_OPENING[place.index]}", index=place.index)
    elif kind == "genesis":
        raise GenesisError("a log has one genesis", index=place.index)


# ---------------------------------------------------------------- registry statements


def _admit_genesis(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    subject = credential.subject
    if not credential.issuer.startswith("did:key:"):
        raise GenesisError("the operator root is a did:key")
    if place.time_ms != 0 and subject["profile"] == "replay":
        raise GenesisError("a replay registry begins at log time 0")
    if subject["rules"] != RULES_VERSION:
        raise GenesisError("this version knows the score's rules version 1 only")
    genesis = Genesis(
        origin=subject["origin"],
        public_url=subject["publicUrl"],
        profile=subject["profile"],
        log_key=subject["logKey"],
        registry_did=subject["registryDid"],
        operator_did=credential.issuer,
        rules=subject["rules"],
    )
    draft.head = draft.head._replace(genesis=genesis)


def _admit_root_list(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    check_signer(draft, credential)
    previous = draft.head.root_lists[-1].number if draft.head.root_lists else 0
    if credential.subject["number"] != previous + 1:
        raise LogOrderError(f"the next root list is number {previous + 1}")
    # By the names known now: a later move must not change what an epoch over earlier leaves comes to.
    named = tuple(dict.fromkeys(map(draft.canonical_did, credential.subject["roots"])))
    roots = RootList(place.index, previous + 1, named, credential.event_id)
    draft.head = draft.head._replace(root_lists=(*draft.head.root_lists, roots))


def preview_epoch(draft: Draft, *, tree_size: int) -> dict[str, Any]:
    """Compute the next epoch over the leaves below tree_size; the draft's scores change only when its leaf is admitted.

    The caller signs what is returned and sequences it next in the same draft; then nothing is computed twice.

    Returns:
        The members of the epoch credential's subject but ``id``.

    Raises:
        LogOrderError: ``registry_statement_out_of_order`` when tree_size lies outside the allowed range.

    Spec: FORMATS "Epoch".
    """
    last = draft.head.epoch
    root_list = draft.root_list_below(tree_size)
    if root_list is None or not (last.index if last else 0) < tree_size <= draft.head.size:
        raise LogOrderError("an epoch covers more than the last one and nothing beyond itself")
    number = last.number + 1 if last else 1
    scores = draft.reputation.draft()
    result = scores.epoch(
        number,
        tree_size=tree_size,
        index=draft.head.size,
        time_ms=draft.time_of(tree_size - 1),
        roots=root_list.roots,
        silenced=draft.silenced_below(tree_size),
    )
    draft.epoch_ahead = EpochAhead(number, tree_size, result.commitment, scores)
    return {
        "number": number,
        "treeSize": tree_size,
        "rules": genesis_of(draft).rules,
        "rootList": base64url_encode(root_list.event_id),
        "commitment": base64url_encode(result.commitment),
    }


def _admit_epoch(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    check_signer(draft, credential)
    subject = credential.subject
    number = draft.head.epoch.number + 1 if draft.head.epoch else 1
    if subject["number"] != number or subject["rules"] != genesis_of(draft).rules:
        raise LogOrderError(f"the next epoch is number {number}")
    root_list = draft.root_list_below(subject["treeSize"])
    if root_list is None or subject["rootList"] != base64url_encode(root_list.event_id):
        raise LogOrderError("the epoch names another root list than the one in force")
    if draft.epoch_ahead is None or draft.epoch_ahead.tree_size != subject["treeSize"]:
        preview_epoch(draft, tree_size=subject["treeSize"])
    ahead = draft.epoch_ahead
    assert ahead is not None
    if subject["commitment"] != (expected := base64url_encode(ahead.commitment)):
        raise EpochCommitmentError(f"epoch {number}", number=number, expected=expected)
    ahead.scores.commit()
    size, instant = subject["treeSize"], draft.time_of(subject["treeSize"] - 1)
    epoch = Epoch(number, place.index, size, instant, root_list.index, ahead.commitment, place.time_ms)
    draft.head = draft.head._replace(epoch=epoch, live_vouches_changed=0)
    draft.forget_before(place.index)


def _admit_agent_state(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Quarantine, release and revocation: signed by the registry or by the operator, never by an agent."""
    check_signer(draft, credential)
    agent = draft.find_agent(credential.subject_id)
    if agent is None:
        raise AgentUnknownError
    allowed, state = _TRANSITIONS[credential.kind.name]
    if agent.state not in allowed:
        raise StateTransitionError(f"an agent that is {agent.state} cannot become {state}")
    set_state(draft, agent, state, place)


_TRANSITIONS: dict[str, tuple[tuple[AgentState, ...], AgentState]] = {
    "quarantine": (("active",), "suspended"),
    "release": (("suspended",), "active"),
    "agent_revocation": (("active", "suspended", "deactivated"), "revoked"),
}


# ---------------------------------------------------------------- agents


def _admit_edge(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """A vouch or a report: replaces the live one of the same pair and context."""
    kind, issuer = credential.kind.name, active_agent(draft, credential.issuer).did
    target = draft.find_agent(credential.subject_id)
    if target is None:
        raise AgentUnknownError("the subject is not registered")
    if target.did == issuer:
        raise SignerRoleError("nobody speaks about itself under another of its names")
    if target.state in ("revoked", "deactivated") or (kind == "vouch" and target.state != "active"):
        raise SubjectStateError
    context = credential.subject.get("context")
    if kind == "vouch":
        note_act(draft, target.did, place)
    apply_edge = draft.reputation.vouch if kind == "vouch" else draft.reputation.report
    apply_edge(issuer, target.did, context=context, index=place.index, time_ms=place.time_ms)
    replaced = replace_live(draft, credential.event_id, _live_of(draft, credential))
    if kind == "vouch":
        draft.head = draft.head._replace(
            live_vouches=draft.head.live_vouches + (0 if replaced else 1),
            live_vouches_changed=draft.head.live_vouches_changed + 1,
        )


def _admit_passport(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    agent = active_agent(draft, credential.issuer)
    if credential.subject_id != credential.issuer:
        raise SignerRoleError("a passport is issued by the agent about itself")
    published = draft.webvh.get(agent.did) or draft.observations.get(agent.did)
    version = None if published is None else published.version_id
    if version is not None and credential.subject.get("versionId") != version:
        raise PassportBindingError
    replace_live(draft, credential.event_id, _live_of(draft, credential))
    draft.agents[agent.did] = replace(agent, passport_index=place.index, passport_event=credential.event_id)
    note_passport(draft, agent.did, credential, place)


def _live_of(draft: Draft, credential: UnverifiedCredential) -> LiveStatement:
    issuer, subject = draft.canonical_did(credential.issuer), draft.canonical_did(credential.subject_id)
    return LiveStatement(credential.kind.name, issuer, subject, credential.subject.get("context"))


def _admit_revocation(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """An issuer ends its own live statement; a suspended issuer may still take back what it said."""
    agent = standing_agent(draft, credential.issuer)
    revoked = base64url_decode(credential.subject["event"])
    live, index = draft.live.get(revoked), draft.events.get(revoked)
    if (
        live is None
        or index is None
        or live.issuer != agent.did
        or live.subject != draft.canonical_did(credential.subject_id)
    ):
        raise NothingToRevokeError
    match live.kind:
        case "passport":
            draft.agents[agent.did] = replace(agent, passport_index=None, passport_event=None)
        case "vouch" | "report":
            draft.reputation.withdraw(
                "vouch" if live.kind == "vouch" else "report",
                live.issuer,
                target=live.subject,
                context=live.context,
                edge_index=index,
                index=place.index,
                time_ms=place.time_ms,
            )
        case _:  # a badge, an attestation, an open dispute: nothing counted it
            pass
    end_live(draft, revoked, live)
    if live.kind == "vouch":
        draft.head = draft.head._replace(
            live_vouches=draft.head.live_vouches - 1,
            live_vouches_changed=draft.head.live_vouches_changed + 1,
        )


_CREDENTIAL_RULES: dict[str, Callable[[Draft, UnverifiedCredential, Place], None]] = {
    "genesis": _admit_genesis,
    "root_list": _admit_root_list,
    "epoch": _admit_epoch,
    "quarantine": _admit_agent_state,
    "release": _admit_agent_state,
    "agent_revocation": _admit_agent_state,
    "vouch": _admit_edge,
    "report": _admit_edge,
    "passport": _admit_passport,
    "revocation": _admit_revocation,
    "key_observation": admit_key_observation,
    "affiliation": admit_affiliation,
    "dispute": admit_dispute,
    "ruling": admit_ruling,
    "receipt": admit_receipt,
    "action_record": admit_action_record,
    "attestation": admit_attestation,
    "erasure": admit_erasure,
}
