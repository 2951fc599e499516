"""What can be wrong with a did:webvh log entry or log: one class per rule, so that a caller can say which.

The rules on ``parameters`` have their errors beside them in ``webvh_parameters.py``.
"""

from __future__ import annotations

from did_methods.errors import DidError


class WebvhError(DidError):
    """Any rule of did:webvh that a log or an entry breaks."""

    code = "webvh_error"
    title = "The did:webvh log is not valid"


class DidMalformedError(WebvhError):
    """The text is not a bare did:webvh DID."""

    code = "webvh_did_malformed"
    title = "Not a did:webvh DID"


class EntryMembersError(WebvhError):
    """An entry has other members than the five of the specification, or is no object."""

    code = "webvh_entry_members"
    title = "Entry must have exactly versionId, versionTime, parameters, state and proof"


class VersionIdMalformedError(WebvhError):
    """``versionId`` is not a number without leading zeros, one dash and a SHA-256 multihash."""

    code = "webvh_version_id_malformed"
    title = "versionId is malformed"


class VersionNumberError(WebvhError):
    """The version number does not follow the one before."""

    code = "webvh_version_number"
    title = "Version numbers must count up by one from 1"


class VersionTimeMalformedError(WebvhError):
    """``versionTime`` is not a timestamp."""

    code = "webvh_version_time_malformed"
    title = "versionTime is not a timestamp"


class VersionTimeNotUtcError(WebvhError):
    """``versionTime`` is stated in another zone than UTC."""

    code = "webvh_version_time_not_utc"
    title = "versionTime must be stated in UTC"


class VersionTimeNotLaterError(WebvhError):
    """``versionTime`` is not after that of the entry before."""

    code = "webvh_version_time_not_later"
    title = "versionTime must be later than in the previous entry"


class VersionTimeInFutureError(WebvhError):
    """``versionTime`` lies too far ahead of the verifier's clock."""

    code = "webvh_version_time_in_future"
    title = "versionTime lies in the future"


class DeactivatedError(WebvhError):
    """An entry follows the one that deactivated the DID."""

    code = "webvh_deactivated"
    title = "The DID is deactivated; no entry may follow"


class ScidMismatchError(WebvhError):
    """The SCID is not the hash of the first entry."""

    code = "webvh_scid_mismatch"
    title = "SCID does not match the first entry"


class EntryHashMismatchError(WebvhError):
    """The entry hash is not the hash of the entry chained to its predecessor."""

    code = "webvh_entry_hash_mismatch"
    title = "Entry hash does not match"


class StateMalformedError(WebvhError):
    """``state`` is not an object whose ``id`` is a bare did:webvh DID."""

    code = "webvh_state_malformed"
    title = "state is not a document of a did:webvh DID"


class StateScidMismatchError(WebvhError):
    """``state.id`` carries another SCID than the log."""

    code = "webvh_state_scid_mismatch"
    title = "SCID of the document is not that of the log"


class NotPortableError(WebvhError):
    """``state.id`` changed in a log that is not portable."""

    code = "webvh_not_portable"
    title = "The DID moved although it is not portable"


class MoveUnlinkedError(WebvhError):
    """``state.id`` changed and the document does not name the DID before in ``alsoKnownAs``."""

    code = "webvh_move_unlinked"
    title = "The DID moved without naming its previous form"


class MoveElsewhereError(WebvhError):
    """The DID to move to has another SCID, or is the DID that there is."""

    code = "webvh_move_elsewhere"
    title = "A DID moves to another place with its own SCID"


class ProofPurposeError(WebvhError):
    """A proof is for another purpose than assertionMethod."""

    code = "webvh_proof_purpose"
    title = "Proof purpose must be assertionMethod"


class ProofMethodError(WebvhError):
    """``verificationMethod`` of a proof is not ``did:key:K#K`` with one and the same K."""

    code = "webvh_proof_method"
    title = "Proof must name a did:key whose fragment equals its body"


class ProofKeyNotAuthorizedError(WebvhError):
    """A proof is by a key that is not among the active update keys."""

    code = "webvh_proof_key_not_authorized"
    title = "Proof is not by an active update key"


class StateSnapshotError(WebvhError):
    """A stored state is not of the form that ``WebvhState.to_wire`` writes."""

    code = "webvh_state_snapshot_malformed"
    title = "Stored did:webvh state is malformed"


class LogNotFoundError(WebvhError):
    """There is no log where the DID says."""

    code = "webvh_log_not_found"
    title = "There is no log at the place that the DID names"


class LogEmptyError(WebvhError):
    """The log has no entry."""

    code = "webvh_log_empty"
    title = "The log is empty"


class LogTooLargeError(WebvhError):
    """The log has more bytes or entries than the resolver reads."""

    code = "webvh_log_too_large"
    title = "The log is too large"


class DidNotInLogError(WebvhError):
    """No entry of the log is of the DID that was asked for."""

    code = "webvh_did_not_in_log"
    title = "The log is of another DID"


class VersionNotFoundError(WebvhError):
    """No entry fits the version asked for."""

    code = "webvh_version_not_found"
    title = "There is no such version"


class LogShorterError(WebvhError):
    """The log ends before a version that was seen earlier: somebody took entries back."""

    code = "webvh_log_shorter"
    title = "The log is shorter than one seen before"


class LogForkedError(WebvhError):
    """The log has another entry where an earlier reading had one: two logs are shown to two readers."""

    code = "webvh_log_forked"
    title = "The log contradicts one seen before"


class WitnessRuleError(WebvhError):
    """The ``witness`` parameter is malformed; it is refused, never read as no witnesses."""

    code = "webvh_witness_rule_malformed"
    title = "witness parameter is malformed"


class WitnessMissingError(WebvhError):
    """Fewer than the threshold of distinct listed witnesses approved an entry."""

    code = "webvh_witness_missing"
    title = "Not enough witnesses approved the entry"


class WitnessProofMethodError(WebvhError):
    """A witness proof does not name ``did:key:K#K`` with one and the same K."""

    code = "webvh_witness_proof_method"
    title = "Witness proof must name a did:key whose fragment equals its body"


class WitnessProofPurposeError(WebvhError):
    """A witness proof is for another purpose than assertionMethod."""

    code = "webvh_witness_proof_purpose"
    title = "Purpose of a witness proof must be assertionMethod"


class WitnessFileMalformedError(WebvhError):
    """``did-witness.json`` is not a list of objects with a versionId and proofs."""

    code = "webvh_witness_file_malformed"
    title = "did-witness.json is malformed"


class WitnessFileTooLargeError(WebvhError):
    """``did-witness.json`` lists more versions or proofs than the resolver reads."""

    code = "webvh_witness_file_too_large"
    title = "did-witness.json is too large"
