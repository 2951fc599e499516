"""Exit codes: which family of error ends the command with which code.

Spec: specs/cli.md.
"""

from __future__ import annotations

from enum import IntEnum

from did_methods.errors import BonafidesError, DidError
from registry.errors import (
    ConflictError,
    DeniedError,
    DependencyError,
    LimitError,
    NotFoundError,
    ParseError,
    VerificationError,
)


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_VERIFIED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    INTERNAL = 70
    INTERRUPTED = 130


_BY_FAMILY: tuple[tuple[type[BonafidesError], ExitCode], ...] = (
    (VerificationError, ExitCode.NOT_VERIFIED),
    (NotFoundError, ExitCode.NOT_FOUND),
    (ConflictError, ExitCode.CONFLICT),
    (DeniedError, ExitCode.REFUSED),
    (LimitError, ExitCode.REFUSED),
    (DependencyError, ExitCode.UNREACHABLE),
    (ParseError, ExitCode.USAGE),
    (DidError, ExitCode.NOT_VERIFIED),
)
_BY_STATUS = {404: ExitCode.NOT_FOUND, 409: ExitCode.CONFLICT, 503: ExitCode.UNREACHABLE}
# To a caller over HTTP a database that another process holds is a 503; to whoever starts a second one, a conflict.
_BY_CODE = {"database_in_use": ExitCode.CONFLICT}


def exit_code_of(error: BonafidesError) -> ExitCode:
    """Return the exit code of an error; what a registry refused counts by its HTTP status."""
    status = error.params.get("status")
    if isinstance(status, int):
        return _BY_STATUS.get(status, ExitCode.REFUSED)
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((code for family, code in _BY_FAMILY if isinstance(error, family)), ExitCode.INTERNAL)


def problem_code_of(error: BonafidesError) -> str:
    """Return the error's stable code; of a refusal by a registry, the registry's code."""
    return str(error.params.get("code", error.code))
