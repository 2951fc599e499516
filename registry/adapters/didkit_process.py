"""The parent's side of the didkit child: what its answers mean.

What the child says is parsed strictly and capped. Documents of DIDs are believed by nobody here: ``did_methods/foreign.py``
checks them. A signature that it calls good is believed, after everything else was checked (``legacy_verify.py``). When the child is started, given up and started again, ``child_process.py`` decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.foreign import (
    ForeignMethodUnsupportedError,
    ForeignNotInstalledError,
    ForeignRefusedError,
    ForeignUnavailableError,
)
from registry.adapters.child_process import (
    ChildAbsentError,
    ChildBusyError,
    ChildLimits,
    ChildNonsenseError,
    ChildOverdueError,
    ChildSupervisor,
    ChildUnavailableError,
)
from registry.credentials.json_ld_errors import JsonLdWorkError
from registry.credentials.legacy_proof import LegacyProof
from registry.credentials.legacy_verify import LegacyNotInstalledError, LegacySignatureError, LegacyUnavailableError

__all__ = ["ChildLimits", "DidkitProcess", "DidkitSignatures"]

_CHILD_MODULE: Final = "didkit_child"
_DOCUMENT_DEPTH: Final = 8


class DidkitProcess:
    """Documents of foreign DIDs from didkit in a child process; a ``ForeignResolver`` for any number of threads.

    Args:
        child_limits: how much time, memory and patience a child gets.
        command: starts the child; the limits that it sets itself are appended. None for this product's own.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        child_limits: ChildLimits | None = None,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisor = ChildSupervisor(_CHILD_MODULE, child_limits or ChildLimits(), command=command, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def resolve(self, did: str) -> dict[str, Any] | None:
        """Return the document that didkit writes for a DID, or None when there is none; blocks.

        Args:
            did: a DID of one of ``FOREIGN_METHODS`` whose syntax was checked.

        Raises:
            ForeignUnavailableError: did_foreign_unavailable.
            ForeignMethodUnsupportedError: did_foreign_unsupported or did_foreign_not_installed.
            ForeignRefusedError: did_foreign_refused.
        """
        try:
            answer = self._supervisor.ask({"op": "resolve", "did": did}, read=_read_document)
        except ChildAbsentError:
            raise ForeignNotInstalledError from None
        except ChildBusyError:
            raise ForeignUnavailableError("too many foreign DIDs are being resolved") from None
        except ChildUnavailableError:
            raise ForeignUnavailableError from None
        match answer:
            case {"document": dict(document)}:
                return document
            case {"error": "not_found"}:
                return None
            case {"error": "unsupported"}:
                raise ForeignMethodUnsupportedError
            case _:
                raise ForeignRefusedError

    def close(self) -> None:
        """End the child, also one that is at work; every later call is unavailable."""
        self._supervisor.close()


class DidkitSignatures:
    """Signatures of the older suites from didkit in a child process; a ``LegacySignatures`` for any number of threads.

    A process apart from the one for documents: a poisoned document that holds it up costs nobody a DID.

    Args:
        child_limits: how much time, memory and patience a child gets.
        command: starts the child; the limits that it sets itself are appended. None for this product's own.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        child_limits: ChildLimits | None = None,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        chosen = child_limits or ChildLimits()
        self._supervisor = ChildSupervisor(_CHILD_MODULE, chosen, command=command, clock=clock, asker_pays=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def verify_signature(self, document: dict[str, Any], proof: LegacyProof) -> None:
        """Return when didkit finds the proof good; blocks.

        Args:
            document: with its one proof, both parsed and checked.
            proof: what was parsed from it.

        Raises:
            LegacySignatureError: legacy_signature_invalid.
            LegacyUnavailableError: legacy_unavailable or legacy_not_installed.
            JsonLdWorkError: json_ld_work_limit.
        """
        options = {
            "checks": ["proof"],
            "proofPurpose": proof.purpose,
            "verificationMethod": proof.verification_method,
            **({"challenge": proof.challenge} if proof.challenge is not None else {}),
            **({"domain": proof.domain} if proof.domain is not None else {}),
        }
        request = {
            "op": "verify",
            "kind": proof.kind,
            "document": canonicalize(document).decode(),
            "options": canonicalize(options).decode(),
        }
        try:
            verified = self._supervisor.ask(request, read=_read_verdict)
        except ChildAbsentError:
            raise LegacyNotInstalledError from None
        except ChildOverdueError:
            raise JsonLdWorkError from None
        except ChildUnavailableError:
            raise LegacyUnavailableError from None
        if not verified:
            raise LegacySignatureError

    def close(self) -> None:
        """End the child, also one that is at work; every later call is unavailable."""
        self._supervisor.close()


def _read_verdict(answer: dict[str, Any]) -> bool:
    match answer:
        case {"verified": True, **rest} if not rest:
            return True
        case {"error": "signature", **rest} if not rest:
            return False
        case _:
            raise ChildNonsenseError


def _read_document(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with its document parsed strictly."""
    match answer:
        case {"error": str(), **rest} if not rest:
            return answer
        case {"document": str(text), **rest} if not rest:
            try:
                return {"document": parse_json_object(text.encode(), max_depth=_DOCUMENT_DEPTH)}
            except JsonError:
                raise ChildNonsenseError from None
        case _:
            raise ChildNonsenseError
