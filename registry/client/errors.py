"""What can go wrong for whoever talks to a registry."""

from __future__ import annotations

from registry.client.decision import Decision
from registry.errors import (
    ConflictError,
    DeniedError,
    DependencyError,
    NotFoundError,
    ParseError,
    RegistryError,
    VerificationError,
)


class RegistryUnreachableError(DependencyError):
    """The registry did not answer, or could not at present; a statement that was sent may have been taken."""

    code = "registry_unreachable"
    title = "The registry did not answer"


class RegistryRefusedError(RegistryError):
    """The registry refused the request and said why; ``problem_code`` is its own stable code."""

    code = "registry_refused"
    title = "The registry refused"

    def __init__(self, problem_code: str, detail: str, *, status: int) -> None:
        super().__init__(detail, code=problem_code, status=status)
        self.problem_code = problem_code
        self.status = status


class RegistryUrlError(ParseError):
    """A registry's URL begins with http:// or https:// and names a host."""

    code = "registry_url_invalid"
    title = "This is not a registry's URL"


class BearerKeyFormatError(ParseError):
    """A bearer key is one word of printable ASCII; what was given is something else, perhaps a whole file."""

    code = "bearer_key_malformed"
    title = "This is not a bearer key"


class RegistryAnswerError(VerificationError):
    """The answer is not one that a registry gives; another program may be listening there."""

    code = "registry_answer_invalid"
    title = "This is not a registry's answer"


class RegistryChangedError(VerificationError):
    """The log or the registry's DID is another one than this agent has dealt with before."""

    code = "registry_changed"
    title = "This is another registry than before"


class AcceptanceError(VerificationError):
    """The registry's signed acceptance is missing, is not its own, or does not name what was sent."""

    code = "acceptance_invalid"
    title = "The registry's acceptance does not hold"


class LogProofError(VerificationError):
    """The log does not prove what it says."""

    code = "log_proof_invalid"
    title = "The log's proof does not hold"


class LogEntryMissingError(NotFoundError):
    """No signed checkpoint covers the entry: it is not in the log, or not yet."""

    code = "log_entry_missing"
    title = "The newest checkpoint does not cover this entry"


class AgentKeyMissingError(NotFoundError):
    """There is no key of an agent where it was looked for."""

    code = "agent_key_missing"
    title = "No agent key found"


class CounterPlaceError(ParseError):
    """A counter has to be kept beside the keys, and these keys lie in no file that can be written beside."""

    code = "counter_needs_key_file"
    title = "Counted statements need a key file"


class CounterFileError(ParseError):
    """The counter beside the keys cannot be read; beginning again would give numbers twice."""

    code = "counter_file_malformed"
    title = "Not a counter's file"


class AgentNameError(ParseError):
    """An agent's name becomes a part of its DID."""

    code = "agent_name_invalid"
    title = "A name is a-z, 0-9 and hyphens, at most 63 characters"


class AgentMethodError(ParseError):
    """Agents make a did:webvh or a did:key."""

    code = "agent_method_invalid"
    title = "The method is webvh or key"


class RegistryNotChosenError(ParseError):
    """The agent does not know which registry is meant."""

    code = "registry_not_chosen"
    title = "Name the registry: give its URL"


class PresentationArgumentsError(ParseError):
    """A presentation is for an action or for a challenge, not both and not neither."""

    code = "presentation_arguments_invalid"
    title = "Give action and resource, or challenge"


class FirstEntryMissingError(NotFoundError):
    """The first entry of the agent's DID is not beside its keys, so the DID cannot be published."""

    code = "did_entry_missing"
    title = "The first entry of the DID is missing"


class ActionDeniedError(DeniedError):
    """A guarded function was not called; ``decision`` says why."""

    code = "action_denied"
    title = "The action was denied"

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{decision.reason}: {decision.detail}" if decision.detail else decision.reason)
        self.decision = decision


class ArgumentsNotBindableError(ParseError):
    """A guarded function was called with something that has no JSON form, so it cannot be bound to a decision."""

    code = "arguments_not_bindable"
    title = "The arguments cannot be bound"


class CoroutineUnsupportedError(ParseError):
    """`guard` is for plain functions; guarding a coroutine would let the call run before the answer is there."""

    code = "guard_coroutine_unsupported"
    title = "Coroutine functions cannot be guarded yet"


class KeysReadOnlyError(DeniedError):
    """Keys of the environment or a mounted secret: what a change of the DID makes anew could not be kept."""

    code = "keys_read_only"
    title = "These keys cannot be replaced from here; change the DID where its key file lies"


class NextKeysMissingError(NotFoundError):
    """The keys that the next change of the DID needs are not where they are looked for."""

    code = "next_keys_missing"
    title = "The next keys are not here"


class NextKeysWrongError(VerificationError):
    """None of the next keys is one that the newest version of the DID has committed to."""

    code = "next_keys_not_committed"
    title = "The DID has not committed to these keys"


class DidLogContradictsError(VerificationError):
    """The log that the registry shows is shorter than, or another one than, the agent's own record."""

    code = "did_log_contradicts_record"
    title = "The registry shows another DID log than the agent has recorded"


class ChangeSupersededError(ConflictError):
    """A change that was begun here was overtaken by another one; its keys were never published and are forgotten."""

    code = "did_change_superseded"
    title = "Another change of the DID came first"


class DidMethodFixedError(ParseError):
    """The agent's DID cannot change: it is its key."""

    code = "did_cannot_change"
    title = "Only a did:webvh can change"


class InstanceNameError(ParseError):
    """An instance's name is a slug, and names an instance that is there, or is not there yet."""

    code = "instance_name_invalid"
    title = "The instance cannot be named so"


class PassportMissingError(NotFoundError):
    """The agent has no passport in the log."""

    code = "passport_missing"
    title = "The agent has no passport yet"


class OwnerSignatureError(ParseError):
    """The passport names an owner, whose proof it needs as well."""

    code = "owner_signature_needed"
    title = "The owner has to counter-sign the passport"


class ReceiptContentError(VerificationError):
    """A receipt that was offered is not about what this agent knows, or not for its log."""

    code = "receipt_content_mismatch"
    title = "The receipt does not say what happened"


class StandingError(VerificationError):
    """The registry's signed standing does not verify, or is another one than was asked for."""

    code = "standing_invalid"
    title = "The signed standing is not valid"
