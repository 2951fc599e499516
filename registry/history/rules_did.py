"""The rules for DIDs and their keys: hosted did:webvh logs, moves, witnesses, registration, keys observed elsewhere.

An agent is keyed by the DID under which it first came; a moved did:webvh has further names, all of one agent. Each
function checks first and changes the draft last.

Spec: FORMATS "Registration", "Leaf"; specs/history.md; specs/adr 0011, 0012.
"""

from __future__ import annotations

from dataclasses import replace

from did_methods.did import parse_did
from did_methods.timestamp import parse_timestamp
from did_methods.webvh_entry import verify_entry
from did_methods.webvh_state import WebvhState
from did_methods.webvh_witness import check_witnessed
from registry.credentials.model import UnverifiedCredential
from registry.history.control import note_did_operation, note_observation, signing_keys
from registry.history.errors import (
    AgentDeactivatedError,
    AgentExistsError,
    AgentRevokedError,
    DidEntryOrderError,
    DidMethodNotHostedError,
    DidNotHostedError,
    DidNotObservedError,
    DidNotPublishedError,
    DidPathTakenError,
    ObservationSubjectError,
    ObservationTimeError,
    ObservationUnchangedError,
    SignerRoleError,
    WitnessOrderError,
    WitnessThresholdError,
)
from registry.history.ground import Place, check_signer, genesis_of, set_state
from registry.history.observation import Observation, observed_document, parse_observed_keys
from registry.history.paths import hosted_path, is_hosted
from registry.history.records import SELF_CERTIFYING
from registry.history.state import Agent, Draft, WitnessAhead, scid_of
from registry.history.statement import (
    MAX_WITNESS_PROOFS,
    DidOperationStatement,
    DidWitnessStatement,
    RegistrationStatement,
    Statement,
)

# ---------------------------------------------------------------- witnesses


def check_witnessed_next(draft: Draft, statement: Statement) -> None:
    """Check that the leaf after witness proofs is the entry that they approve.

    Raises:
        WitnessOrderError: ``did_witness_out_of_order``.
    """
    ahead = draft.head.witness_ahead
    if ahead is None:
        return
    version = statement.entry["versionId"] if isinstance(statement, DidOperationStatement) else None
    if version != ahead.version_id:
        raise WitnessOrderError("witness proofs are followed by the entry that they approve")


def admit_did_witness(draft: Draft, statement: DidWitnessStatement) -> None:
    """Remember who approved the entry that must come next."""
    draft.head = draft.head._replace(witness_ahead=WitnessAhead(statement.version_id, statement.witnesses))


def _check_witnesses(draft: Draft, state: WebvhState) -> None:
    ahead, required = draft.head.witness_ahead, state.witness_required
    if state.witness is not None and state.witness.threshold > MAX_WITNESS_PROOFS:
        raise WitnessThresholdError(f"at most {MAX_WITNESS_PROOFS}", limit=MAX_WITNESS_PROOFS)
    if required is not None:
        check_witnessed(required, state.version_id, ahead.witnesses if ahead else ())
    elif ahead is not None:
        raise WitnessOrderError("the entry asks for no witnesses")


# ---------------------------------------------------------------- did:webvh logs hosted here


def admit_did_operation(draft: Draft, statement: DidOperationStatement, place: Place) -> None:
    """Take the next entry of a hosted log; its first entry begins it, a new ``state.id`` moves it.

    Raises:
        BonafidesError: the codes of did:webvh, of hosting and of the agent's state.
    """
    if parse_did(statement.did).method != "webvh":
        raise DidMethodNotHostedError("only did:webvh logs are hosted here")
    did = draft.log_did(statement.did)
    agent = draft.find_agent(did)
    if agent is not None and agent.state == "revoked":
        raise AgentRevokedError
    previous = draft.webvh.get(did)
    if previous is None:
        paths = {_first_path(draft, statement, place): did}
    else:
        paths = _moved_path(draft, did, previous, statement.did)
    state = verify_entry(previous, statement.entry, now_ms=place.time_ms)
    _check_witnesses(draft, state)
    document = state.document  # parsed before anything changes
    keys_before = signing_keys(draft.documents.get(did))
    draft.head = draft.head._replace(witness_ahead=None)
    draft.webvh[did] = state
    draft.logs[state.scid] = did
    if state.did != did:
        draft.aliases[state.did] = did
    if state.deactivated:
        del draft.documents[did]
    else:
        draft.documents[did] = document
    for path, owner in paths.items():
        draft.paths[path] = owner
    if agent is None:
        return
    if state.deactivated and agent.state in ("active", "suspended"):
        set_state(draft, agent, "deactivated", place)
    else:
        _touch(draft, agent, place)
        if previous is not None:
            note_did_operation(draft, did, previous, keys_before, place)
    draft.reputation.own_act(did, index=place.index, time_ms=place.time_ms)


def _touch(draft: Draft, agent: Agent, place: Place) -> None:
    """Void what was cached about an agent whose keys changed."""
    draft.agents[agent.did] = replace(agent, authority_epoch=agent.authority_epoch + 1, changed_index=place.index)


def _first_path(draft: Draft, statement: DidOperationStatement, place: Place) -> str:
    """Check that a DID may be published here for the first time; return its path."""
    genesis = genesis_of(draft)
    if not str(statement.entry["versionId"]).startswith("1-"):
        raise DidEntryOrderError("the first entry of this DID is not published here")
    if draft.log_did(statement.did) != statement.did:
        raise AgentExistsError("the log lies elsewhere, and its keys were observed there")
    path = hosted_path(statement.did, genesis)
    if path in draft.paths:
        raise DidPathTakenError
    if (place.index == 1) != (statement.did == genesis.registry_did):
        raise DidNotHostedError("entry 1, and only it, is the registry's own first DID entry")
    return path


def _moved_path(draft: Draft, did: str, previous: WebvhState, new_did: str) -> dict[str, str]:
    """Check that a log may take a new name; return the path here that comes with it, if any.

    The rules of the move itself are did:webvh's; here it is about names and paths that others hold.
    """
    if new_did == previous.did:
        return {}
    genesis = genesis_of(draft)
    if did == genesis.registry_did:
        raise DidNotHostedError("the registry's own DID does not move")
    other = draft.find_agent(new_did)
    if other is not None and other.did != did:
        raise AgentExistsError
    if not is_hosted(new_did, genesis):
        return {}
    path = hosted_path(new_did, genesis)
    if draft.paths.get(path) not in (None, did):
        raise DidPathTakenError
    return {path: did}


# ---------------------------------------------------------------- registration


def admit_registration(draft: Draft, statement: RegistrationStatement, place: Place) -> None:
    """Make an agent of a DID whose keys this log knows.

    Raises:
        BonafidesError: ``agent_exists``, ``did_not_published``, ``did_not_observed``, ``agent_deactivated``,
            ``signer_not_entitled``.
    """
    did = draft.canonical_did(statement.presentation.holder)  # a log may have moved before its agent registers
    if draft.find_agent(did) is not None:
        raise AgentExistsError
    genesis = genesis_of(draft)
    published = draft.webvh.get(did)
    method = parse_did(did).method
    if published is None and is_hosted(did, genesis):
        if method != "webvh":
            raise DidMethodNotHostedError("the DIDs of this host register as did:webvh")
        raise DidNotPublishedError
    if published is not None and published.deactivated:
        raise AgentDeactivatedError
    if published is None and method not in SELF_CERTIFYING and did not in draft.observations:
        raise DidNotObservedError
    if did in (genesis.registry_did, genesis.operator_did):
        raise SignerRoleError("the registry and the operator root are not agents")
    draft.agents[did] = Agent(did, "active", place.index, place.time_ms, 1, place.index)
    draft.reputation.register(did, index=place.index, time_ms=place.time_ms)


# ---------------------------------------------------------------- keys observed elsewhere


def admit_key_observation(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Take what the registry saw of a DID whose document lies elsewhere: from now on these are its keys here.

    Raises:
        SignerRoleError: ``signer_not_entitled``.
        ObservationSubjectError: ``observation_subject`` for a DID whose keys follow from the log or from the DID.
        ObservationUnchangedError: ``observation_unchanged``.
        ObservationTimeError: ``observation_out_of_order``: a slow look must not bring back keys that were rotated out.
        DidError: a key or an id that no document may hold.
    """
    check_signer(draft, credential)
    did, subject = credential.subject_id, credential.subject
    genesis = genesis_of(draft)
    if parse_did(did).method in SELF_CERTIFYING or is_hosted(did, genesis) or draft.log_did(did) in draft.webvh:
        raise ObservationSubjectError
    keys = parse_observed_keys(subject["keys"])
    observation = Observation(
        index=place.index,
        time_ms=place.time_ms,
        observed_ms=parse_timestamp(subject["observed"]),
        source=subject["source"],
        document_digest=subject["documentDigest"],
        version_id=subject.get("versionId"),
        keys=keys,
    )
    before = draft.observations.get(did)
    if observation.observed_ms > credential.created_ms:
        raise ObservationTimeError("nobody has looked yet when this was signed")
    if before is not None and before.says_the_same(observation):
        raise ObservationUnchangedError
    if before is not None and not before.precedes(observation):
        raise ObservationTimeError
    document, document_before = observed_document(did, keys), draft.documents.get(did)
    draft.observations[did] = observation
    draft.documents[did] = document
    if before is None and scid_of(did) and draft.log_did(did) == did:
        draft.logs[scid_of(did)] = did
    agent = draft.find_agent(did)
    if agent is not None:
        _touch(draft, agent, place)
        note_observation(draft, did, document_before, place)
