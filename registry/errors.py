"""The error families of the registry; each room defines its own leaves in the module that raises them.

Families decide the HTTP status in ``registry/api/problems.py``; leaves carry the stable ``code``.
"""

from __future__ import annotations

from did_methods.errors import BonafidesError


class RegistryError(BonafidesError):
    """Any failure of the registry's own rules."""

    code = "registry_error"
    title = "Registry error"


class ParseError(RegistryError):
    """The input is not of the form asked for (HTTP 400)."""

    code = "malformed"
    title = "Malformed input"


class VerificationError(RegistryError):
    """The input is well formed but does not verify (HTTP 400)."""

    code = "verification_failed"
    title = "Verification failed"


class DeniedError(RegistryError):
    """The caller may not do this (HTTP 401 or 403)."""

    code = "denied"
    title = "Not allowed"


class NotFoundError(RegistryError):
    """There is no such thing (HTTP 404)."""

    code = "not_found"
    title = "Not found"


class ConflictError(RegistryError):
    """The input contradicts what stands already (HTTP 409)."""

    code = "conflict"
    title = "Conflict"


class LimitError(RegistryError):
    """A size, count or rate limit was reached (HTTP 413 or 429)."""

    code = "limit_reached"
    title = "Limit reached"


class DependencyError(RegistryError):
    """Something this process needs is not there (HTTP 503)."""

    code = "unavailable"
    title = "Temporarily unavailable"
