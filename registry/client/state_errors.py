"""What can be wrong with an answer of the state map, or with a proof of age."""

from __future__ import annotations

from registry.errors import ParseError, VerificationError


class StateAnswerError(ParseError):
    """The answer has not the members of one."""

    code = "state_answer_malformed"
    title = "Malformed answer of the state map"


class StateCheckpointError(VerificationError):
    """The state log's entry is about another tree than the log's checkpoint beside it."""

    code = "state_checkpoint_mismatch"
    title = "The state map is of another tree"


class StateRulesError(VerificationError):
    """The map was made by another version of the rules than this verifier knows."""

    code = "state_rules_unknown"
    title = "The state map follows other rules"


class StateRecordError(VerificationError):
    """The state shown is not the one that the map commits to."""

    code = "state_record_mismatch"
    title = "The state is not the one in the map"


class StateOldError(VerificationError):
    """The answer was true once: something newer is known, or nobody says that it still is the newest."""

    code = "state_answer_old"
    title = "The answer is too old"


class StateAbsentError(VerificationError):
    """The map holds nothing of the subject: the DID is unknown to the log, or the statement does not stand."""

    code = "state_absent"
    title = "The state map holds nothing of this subject"


class StatePresentError(VerificationError):
    """The map holds a state of the subject that was said to be absent."""

    code = "state_present"
    title = "The state map holds a state of this subject"


class KeyNotCurrentError(VerificationError):
    """The key does not speak for the DID, or not for that purpose, or not any more."""

    code = "key_not_current"
    title = "This is not a current key"


class ChainIncompleteError(VerificationError):
    """The entries are not the whole chain: one is missing, foreign, altered or out of place."""

    code = "chain_incomplete"
    title = "These are not all entries"


class AgeProofError(VerificationError):
    """The entry is not the registration of that agent, or the checkpoints do not belong together."""

    code = "age_proof_invalid"
    title = "The proof of age does not hold"


class StateLogUnboundError(VerificationError):
    """The registry's signed word does not name this state log with this key."""

    code = "state_log_unbound"
    title = "The key of the state log is not vouched for"


class ReplayStatementError(VerificationError):
    """The document is no auditor's statement about a replay of this log, or not one of an auditor who is trusted."""

    code = "log_replay_invalid"
    title = "Not a replay of this log by a trusted auditor"


class MapDisputedError(VerificationError):
    """An auditor replayed the log to the same size and came to another map or tree than the state log commits to."""

    code = "state_map_disputed"
    title = "An auditor came to another state map"
