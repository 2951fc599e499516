"""What every rule stands on: the place of a leaf, the genesis, and agents in their states. Changes nothing but a state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from registry.credentials.model import UnverifiedCredential
from registry.history.errors import (
    AgentDeactivatedError,
    AgentRevokedError,
    AgentSuspendedError,
    AgentUnknownError,
    GenesisError,
    LogOrderError,
    SignerRoleError,
)
from registry.history.state import Agent, AgentState, Draft, Genesis


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the log a statement stands: its leaf index and its log time in ms."""

    index: int
    time_ms: int


def genesis_of(draft: Draft) -> Genesis:
    """Return what entry 0 pins.

    Raises:
        GenesisError: ``genesis_invalid`` before entry 0.
    """
    genesis = draft.head.genesis
    if genesis is None:
        raise GenesisError("the log has no genesis yet")
    return genesis


def active_agent(draft: Draft, did: str) -> Agent:
    """Return the agent if it is registered and active.

    Raises:
        AgentUnknownError, AgentSuspendedError, AgentDeactivatedError, AgentRevokedError: its state.
    """
    agent = draft.find_agent(did)
    if agent is None:
        raise AgentUnknownError
    match agent.state:
        case "active":
            return agent
        case "suspended":
            raise AgentSuspendedError
        case "deactivated":
            raise AgentDeactivatedError
        case "revoked":
            raise AgentRevokedError


def standing_agent(draft: Draft, did: str) -> Agent:
    """Return the agent if its identity has not ended: a suspended one may still defend itself and take back what it said.

    Raises:
        AgentUnknownError, AgentDeactivatedError, AgentRevokedError: its state.
    """
    agent = draft.find_agent(did)
    return agent if agent is not None and agent.state == "suspended" else active_agent(draft, did)


def set_state(draft: Draft, agent: Agent, state: AgentState, place: Place) -> None:
    """Move an agent to a state; its voice is on in `active` only."""
    draft.silence(agent.did, silenced=state != "active")
    draft.agents[agent.did] = replace(
        agent, state=state, authority_epoch=agent.authority_epoch + 1, changed_index=place.index
    )


def check_signer(draft: Draft, credential: UnverifiedCredential) -> None:
    """Check that the registry, or the operator, signed what only it may sign.

    Raises:
        SignerRoleError: ``signer_not_entitled``.
        LogOrderError: ``registry_statement_out_of_order`` for a root list or an epoch about another registry.
    """
    genesis = genesis_of(draft)
    expected = genesis.operator_did if credential.kind.signer == "operator" else genesis.registry_did
    if credential.issuer != expected:
        raise SignerRoleError(f"only the {credential.kind.signer} signs this kind")
    if credential.kind.name in ("root_list", "epoch") and credential.subject_id != genesis.registry_did:
        raise LogOrderError("root lists and epochs are about this registry")
