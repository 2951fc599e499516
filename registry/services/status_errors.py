"""What is refused about statuses that this registry keeps: one class per code."""

from __future__ import annotations

from registry.errors import ConflictError, DependencyError, NotFoundError, ParseError


class StatusKindError(ParseError):
    """No list of this kind is kept here: another purpose, or messages that are not one for each value."""

    code = "status_kind_unsupported"
    title = "Statuses of this kind are not kept here"


class StatusUpdateError(ParseError):
    """The change does not name a status and a value that it can have."""

    code = "status_update_malformed"
    title = "Not a change of a status"


class StatusNotFoundError(NotFoundError):
    """No such status was given out here, or not to this credential."""

    code = "status_unknown"
    title = "No such status here"


class StatusListNotFoundError(NotFoundError):
    """There is no such status list here."""

    code = "status_list_unknown"
    title = "No such status list"


class StatusIrreversibleError(ConflictError):
    """A revocation is for ever; a credential that is to be good again later is suspended."""

    code = "status_irreversible"
    title = "A revocation cannot be taken back"


class StatusKeyMissingError(DependencyError):
    """The key of the issuer of this list is not here."""

    code = "status_key_missing"
    title = "This status list cannot be signed"


class StatusUnconfirmedError(DependencyError):
    """Another process may have set a status that this one cannot read now, so it signs no list."""

    code = "status_unconfirmed"
    title = "Statuses cannot be confirmed now"
