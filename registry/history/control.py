"""From a leaf to a change of identity: gathers the public facts, has them judged, and carries standing over.

The rules call it for each DID operation, passport and key observation of a registered agent, after the change is folded
and before the act is counted: silence is measured up to the act before.

Spec: specs/continuity.md; specs/adr 0013.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from did_methods.document import DidDocument
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_state import WebvhState, parse_webvh_did
from registry.credentials.model import UnverifiedCredential
from registry.history.ground import Place
from registry.history.records import Agent
from registry.history.state import Draft
from registry.reputation.continuity import IdentityChange, judge, next_reserve, note_sign_of_life

INSTANCE_PREFIX: Final = "instance-"
"""Fragments of keys that an agent gives to its instances; they are its own to give and take."""
_SPEAKING: Final = ("assertionMethod", "authentication")


def instance_name(verification_method: str) -> str:
    """Return the name of the instance whose key a verification method is; empty for a main key.

    Args:
        verification_method: DID URL with a fragment.
    """
    fragment = verification_method.partition("#")[2]
    return fragment.removeprefix(INSTANCE_PREFIX) if fragment.startswith(INSTANCE_PREFIX) else ""


def signing_keys(document: DidDocument | None) -> tuple[str, ...]:
    """Return the Multikeys with which an identity speaks, sorted; keys of instances are left out.

    Args:
        document: its document; None where there is none.
    """
    if document is None:
        return ()
    listed = {one for purpose in _SPEAKING for one in document.relationships.get(purpose, ())}
    found = {
        method.public_key.multikey
        for method in document.methods
        if method.public_key is not None and method.id in listed and not instance_name(method.id)
    }
    return tuple(sorted(found))


def note_act(draft: Draft, did: str, place: Place) -> None:
    """Keep in mind that a long silence ended, by an act of the agent's own or a vouch for it."""
    agent, row = draft.agents.get(did), draft.reputation.agents.get(did)
    if agent is None or row is None:
        return
    control = note_sign_of_life(agent.control, alive_ms=row.alive_ms, time_ms=place.time_ms)
    if control is not agent.control:
        draft.agents[did] = replace(agent, control=control)


def note_did_operation(draft: Draft, did: str, before: WebvhState, keys_before: tuple[str, ...], place: Place) -> None:
    """Judge a later entry of a hosted log.

    Args:
        draft: with the entry folded.
        did: the agent's canonical DID.
        before: the log before the entry.
        keys_before: its signing keys then.
        place: of the leaf.
    """
    agent, after = draft.agents.get(did), draft.webvh.get(did)
    if agent is None or after is None or after.deactivated:
        return
    hashes = {next_key_hash(key) for key in after.update_keys if key not in before.update_keys}
    committed = bool(before.next_key_hashes)
    change = IdentityChange(
        index=place.index,
        time_ms=place.time_ms,
        source="did_operation",
        alive_ms=_alive(draft, did),
        keys_before=keys_before,
        keys_after=signing_keys(draft.documents.get(did)),
        committed=committed,
        update_keys_replaced=not set(before.update_keys) & set(after.update_keys),
        reserve_used=committed and not hashes.isdisjoint(agent.control.reserve),
        moved=parse_webvh_did(before.did).location.host != parse_webvh_did(after.did).location.host,
    )
    reserve = next_reserve(before.next_key_hashes, after.next_key_hashes)
    _apply(draft, replace(agent, control=replace(agent.control, reserve=reserve)), change, place)


def note_passport(draft: Draft, did: str, credential: UnverifiedCredential, place: Place) -> None:
    """Judge a new passport."""
    agent, subject = draft.agents.get(did), credential.subject
    if agent is None:
        return
    keys = signing_keys(draft.documents.get(did))
    owner = str(subject.get("owner", ""))
    change = IdentityChange(
        index=place.index,
        time_ms=place.time_ms,
        source="passport",
        alive_ms=_alive(draft, did),
        keys_before=keys,
        keys_after=keys,
        committed=True,  # no key changes by a passport
        owner=owner,
        code=str(subject["codeDigest"]),
        model=_model_text(subject["model"]),
        owner_signed=bool(owner) and owner in credential.signers and owner != credential.issuer,
    )
    _apply(draft, agent, change, place)


def note_observation(draft: Draft, did: str, before: DidDocument | None, place: Place) -> None:
    """Judge a change of keys that was observed elsewhere: nothing could have committed to it.

    Args:
        draft: with the observation folded.
        did: the agent.
        before: its document before.
        place: of the leaf.
    """
    agent = draft.agents.get(did)
    if agent is None:
        return
    change = IdentityChange(
        index=place.index,
        time_ms=place.time_ms,
        source="key_observation",
        alive_ms=_alive(draft, did),
        keys_before=signing_keys(before),
        keys_after=signing_keys(draft.documents.get(did)),
    )
    _apply(draft, agent, change, place)


def _apply(draft: Draft, agent: Agent, change: IdentityChange, place: Place) -> None:
    known = note_sign_of_life(agent.control, alive_ms=change.alive_ms, time_ms=change.time_ms)
    verdict = judge(known, change)
    agent = replace(agent, control=verdict.control)
    if verdict.carry_over == "suspected_transfer":
        if change.source == "passport":  # a change of keys has voided already what was cached about the holder
            agent = replace(agent, authority_epoch=agent.authority_epoch + 1, changed_index=place.index)
        draft.reputation.reset_continuity(agent.did, index=place.index, time_ms=place.time_ms)
    elif verdict.carry_over == "recovery":
        draft.reputation.halve_continuity(agent.did, index=place.index, time_ms=place.time_ms)
    draft.agents[agent.did] = agent


def _alive(draft: Draft, did: str) -> int:
    row = draft.reputation.agents.get(did)
    return 0 if row is None else row.alive_ms


def _model_text(model: Mapping[str, Any]) -> str:
    return f"digest:{model['digest']}" if "digest" in model else f"{model['provider']}/{model['name']}"
