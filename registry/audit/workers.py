"""What an audit needs from other processes: signatures verified beside the fold, entries looked at ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from registry.audit.reader import Portion

T = TypeVar("T")


class SignatureJob(NamedTuple):
    """A signature to be verified: leaf index, Ed25519 key, signature and message."""

    leaf: int
    public_key: bytes
    signature: bytes
    message: bytes


class SignatureVerifier(Protocol):
    """Verifies signatures beside the fold, in other processes."""

    def submit(self, jobs: Sequence[SignatureJob]) -> None:
        """Take signatures to verify."""
        ...

    def first_failure(self, *, wait: bool) -> int | None:
        """Return the lowest index whose signature failed so far; wait for all that was submitted if asked to."""
        ...


class AuditWorkers(SignatureVerifier, Protocol):
    """Verifies signatures, and looks at entries."""

    def ahead(
        self, look: Callable[[int, Sequence[bytes]], T], portions: Iterable[Portion]
    ) -> Iterator[tuple[Portion, T | None]]:
        """Yield portions in order, each with what `look` makes of its start and entries; None where it was not looked at."""
        ...
