"""What PostgreSQL's failures mean here: which are the operator's to mend, which end a transaction, which leave a doubt."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from registry.errors import RegistryError
from registry.storage.engine import (
    CommitUnknownError,
    DatabaseLockError,
    DatabaseLoginError,
    DatabaseMissingError,
    DatabaseUnavailableError,
    DatabaseUrlError,
)

_LOCK_TIMEOUT: Final = "55P03"
_STOOD_STILL: Final = "25P03"
_CANCELLED: Final = "57014"
# Connection, transaction rollback, resources, object not in the state, operator intervention, system error.
_UNAVAILABLE: Final = ("08", "40", "53", "55", "57", "58")
_NOT_COMMITTED: Final = ("23", "40", "25")
# A server does not send its error code before a connection stands, so its words are all there is; they may be in another
# language, and then the failure is told in general terms.
_LOGIN: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed",
)


def translate(error: DBAPIError, *, committing: bool = False) -> Exception:
    """Return what a failure within a transaction means; what a store has to judge itself comes back as it is.

    Args:
        error: of the driver, as SQLAlchemy wraps it.
        committing: it met the COMMIT itself.

    Spec: PostgreSQL, Appendix A "Error Codes"
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state == _LOCK_TIMEOUT:
        return DatabaseLockError("it was not free in time")
    if state == _STOOD_STILL:
        return DatabaseUnavailableError("the transaction stood still for too long and was ended")
    if committing and not state.startswith(_NOT_COMMITTED):
        return CommitUnknownError("the connection was lost during the commit")
    if state == _CANCELLED:
        return DatabaseUnavailableError("a statement took too long")
    if error.connection_invalidated or state.startswith(_UNAVAILABLE):
        return DatabaseUnavailableError(f"the server ended the transaction ({state or 'no code'})")
    return error


def refusal_of(error: SQLAlchemyError, url: URL) -> RegistryError:
    """Return why no connection could be opened, without the password.

    Args:
        error: of the pool or of the driver.
        url: that was to be opened.
    """
    told = str(error.orig) if isinstance(error, DBAPIError) else ""
    where = f"{url.host or 'the local server'}{f':{url.port}' if url.port else ''}"
    if "invalid connection option" in told or "invalid value for parameter" in told or "invalid integer value" in told:
        return DatabaseUrlError("an option in the URL is not one of PostgreSQL's")
    if any(words in told for words in _LOGIN):
        return DatabaseLoginError(f"user {url.username or '(none named)'} at {where}")
    if "FATAL" in told and "does not exist" in told:
        kind = DatabaseLoginError if "role" in told else DatabaseMissingError
        return kind(f"user {url.username or '(none named)'}, database {url.database or '(none named)'} at {where}")
    if not isinstance(error, DBAPIError):
        return DatabaseUnavailableError("every connection of this process is in use")
    return DatabaseUnavailableError(f"no connection to {where}: is the server running, and does it take connections?")
