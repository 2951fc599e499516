"""What the log's rules refuse: one class per code.

These are semantic refusals: the statement parsed and its signatures hold, but it does not fit what the log says so far.
"""

from __future__ import annotations

from registry.errors import ConflictError, DeniedError, LimitError, NotFoundError, ParseError, VerificationError


class StatementKindError(ParseError):
    """The document is none of the statements that this log takes."""

    code = "kind_unknown"
    title = "Not a statement that this log takes"


class KindNotLoggedError(ParseError):
    """The credential is of a kind that is presented, not logged."""

    code = "kind_not_logged"
    title = "This kind of credential is presented, not logged"


class SignerRoleError(DeniedError):
    """The kind may only be signed by the registry or by the operator root."""

    code = "signer_not_entitled"
    title = "This signer may not make this statement"


class AgentUnknownError(NotFoundError):
    """The DID is not registered."""

    code = "agent_unknown"
    title = "No such agent"


class AgentExistsError(ConflictError):
    """The DID is registered already, by another presentation."""

    code = "agent_exists"
    title = "The agent is registered already"


class AgentSuspendedError(DeniedError):
    """The agent is under quarantine."""

    code = "agent_suspended"
    title = "The agent is suspended"


class AgentDeactivatedError(DeniedError):
    """The agent ended its own identity."""

    code = "agent_deactivated"
    title = "The agent is deactivated"


class AgentRevokedError(DeniedError):
    """The operator revoked the agent."""

    code = "agent_revoked"
    title = "The agent is revoked"


class NothingToEraseError(NotFoundError):
    """No event of that id is in the log, or the agent is no party to it."""

    code = "nothing_to_erase"
    title = "There is no such event of this agent"


class ErasureRepeatedError(ConflictError):
    """The openings of this event, or of this agent, were erased before."""

    code = "erasure_repeated"
    title = "These openings were erased before"


class StateTransitionError(ConflictError):
    """The agent's state does not allow this change."""

    code = "state_transition_invalid"
    title = "The agent's state does not allow this change"


class SubjectStateError(DeniedError):
    """The subject of the statement is not active."""

    code = "subject_not_active"
    title = "The subject is not active"


class KeyNotActiveError(VerificationError):
    """The key that signed is not (or no longer) a key of the signer."""

    code = "key_not_active"
    title = "The signing key is not active for this DID"


class DidMethodNotHostedError(ParseError):
    """This registry cannot learn the keys of this DID."""

    code = "did_method_not_hosted"
    title = "This DID method is not supported here"


class DidNotPublishedError(NotFoundError):
    """The did:webvh log has not been published here."""

    code = "did_not_published"
    title = "The DID's log is not published here"


class DidNotObservedError(NotFoundError):
    """The DID's document lies elsewhere, and the registry has not logged what it saw there."""

    code = "did_not_observed"
    title = "The keys of this DID are not known here"


class ObservationSubjectError(ConflictError):
    """The keys of this DID follow from the log or from the DID itself."""

    code = "observation_subject"
    title = "The keys of this DID are not a matter of observation"


class ObservationUnchangedError(ConflictError):
    """The newest logged observation says the same."""

    code = "observation_unchanged"
    title = "Nothing has changed since the last observation"


class ObservationTimeError(ConflictError):
    """The registry looked before the newest logged observation, or says that it will have looked."""

    code = "observation_out_of_order"
    title = "The observation is not newer than the newest one"


class WitnessThresholdError(ParseError):
    """The rule asks for more witnesses than an entry of this log has room for."""

    code = "did_witness_threshold"
    title = "The DID asks for more witnesses than this log takes"


class WitnessOrderError(ConflictError):
    """Witness proofs and the entry that they approve stand directly one after the other."""

    code = "did_witness_out_of_order"
    title = "Witness proofs do not stand before the entry that they approve"


class DidNotHostedError(ParseError):
    """The did:webvh does not lie below this registry's public URL."""

    code = "did_not_hosted_here"
    title = "The DID does not belong to this registry's address"


class DidPathTakenError(ConflictError):
    """Another agent's DID log is already served at that path."""

    code = "did_path_taken"
    title = "The path of this DID is taken"


class DidEntryOrderError(ConflictError):
    """The entry does not follow the newest published entry."""

    code = "did_entry_out_of_order"
    title = "The DID log entry does not follow the newest one"


class NothingToRevokeError(NotFoundError):
    """The event named is not a live statement of this issuer about this subject."""

    code = "nothing_to_revoke"
    title = "There is no live statement to revoke"


class NothingToDisputeError(NotFoundError):
    """The event named is not a live report by that agent about this one."""

    code = "nothing_to_dispute"
    title = "There is no live report to dispute"


class DisputeRepeatedError(ConflictError):
    """The report is disputed already, or was and has been ruled on."""

    code = "dispute_repeated"
    title = "The report is disputed already"


class DisputeNotOpenError(NotFoundError):
    """The event named is not an open dispute between these two agents."""

    code = "dispute_not_open"
    title = "There is no such open dispute"


class AttestationNonceError(ConflictError):
    """The nonce is that of this issuer's last attestation of this agent: nothing fresh was asked."""

    code = "attestation_nonce_repeated"
    title = "The attestation answers the same nonce again"


class PassportBindingError(VerificationError):
    """The passport names another version of the DID than the current one."""

    code = "passport_version_mismatch"
    title = "The passport is bound to another version of the DID"


class LogOrderError(ConflictError):
    """A registry statement does not follow the one before it."""

    code = "registry_statement_out_of_order"
    title = "The registry statement does not follow the log"


class GenesisError(ConflictError):
    """The first entries are not what the format asks for."""

    code = "genesis_invalid"
    title = "The log's first entries are not a genesis"


class EpochCommitmentError(VerificationError):
    """The epoch commits to other values than the log gives."""

    code = "epoch_commitment_mismatch"
    title = "The epoch does not commit to what the log gives"


class LogTimeError(ConflictError):
    """Log time would go back."""

    code = "log_time_backwards"
    title = "Log time would go back"


class ReplayTimeError(VerificationError):
    """In a replay, log time is what the statement itself says."""

    code = "replay_time_mismatch"
    title = "In a replay registry log time is the statement's own"


class LeafMismatchError(VerificationError):
    """The leaf is not what the log's state demands at this place."""

    code = "leaf_mismatch"
    title = "The leaf does not follow from the log before it"


class EventRepeatedError(ConflictError):
    """The event is in the log already."""

    code = "event_repeated"
    title = "The event is in the log already"


class LeafBudgetError(LimitError):
    """The DID has used up the entries that it may add in a day."""

    code = "leaf_budget_exhausted"
    title = "The daily budget of log entries is used up"
