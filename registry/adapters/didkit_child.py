"""The child process that holds didkit: documents of foreign DIDs, and signatures of the suites before Data Integrity.

Started by ``didkit_process.py``. The only module that imports didkit. No DID makes it reach out: when it answers, it can
open nothing (``child_side.py``). What it says of a signature is what the library says, and is judged by nobody here.

Requests: ``{"op": "resolve", "did": "did:pkh:…"}`` is answered by ``{"document": "<JSON text>"}`` or
``{"error": "<word>"}``; ``{"op": "verify", "kind": "credential", "document": "<JSON text>", "options": "<JSON text>"}`` by
``{"verified": true}`` or ``{"error": "signature"}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from did_methods.foreign_ids import FOREIGN_METHODS
from registry import limits
from registry.adapters import child_side

_PREFIXES: Final = tuple(f"did:{method}:" for method in FOREIGN_METHODS)
# Resolved once at the start: the library makes its threads and its event queue with the first call.
_WARM_UP_DID: Final = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd"
_ERROR_WORDS: Final = {"methodNotSupported": "unsupported", "notFound": "not_found"}
_NO_OPTIONS: Final = "{}"
_VERIFIED: Final[dict[str, list[str]]] = {"checks": ["proof"], "warnings": [], "errors": []}


class _Didkit:
    """The library, and the one event loop its calls run in."""

    def __init__(self) -> None:
        import didkit  # noqa: TID251 - this module is its door; an ImportError is an answer

        # Any, because its types are there on some machines only, and wrong.
        self._library: Any = didkit
        self._loop = asyncio.new_event_loop()
        self.version = str(self._library.get_version())
        self._loop.run_until_complete(self._resolve(_WARM_UP_DID))

    async def _resolve(self, did: str) -> str:
        return str(await self._library.resolve_did(did, _NO_OPTIONS))

    def resolve(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the document of a DID as the library wrote it, or one word on why there is none."""
        did = request["did"]
        if not did.startswith(_PREFIXES):
            return {"error": "unsupported"}
        try:
            return {"document": self._loop.run_until_complete(self._resolve(did))}
        except self._library.DIDKitException as error:
            return {"error": _ERROR_WORDS.get(str(error), "refused")}

    def verify(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether the library finds the proof of a document good; it looks at little else."""
        kinds = {"credential": self._library.verify_credential, "presentation": self._library.verify_presentation}
        try:
            call = self._call(kinds[request["kind"]], request["document"], request["options"])
            result = json.loads(self._loop.run_until_complete(call))  # noqa: TID251 - written by the library beside us
        except self._library.DIDKitException:
            return {"error": "signature"}
        # Nothing but this one answer is a yes: a warning or a check left out is a no.
        return {"verified": True} if result == _VERIFIED else {"error": "signature"}

    async def _call(self, function: Any, document: str, options: str) -> str:
        # The library wants a running loop when it is called, not when it is awaited.
        return str(await function(document, options))


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer requests until the input ends; does not return.

    Args:
        arguments: words of the command line without the program; None for those of this process.
    """
    child_side.run(_load, max_request_bytes=limits.FOREIGN_REQUEST_BYTES, arguments=arguments)


def _load() -> tuple[str, Mapping[str, child_side.Operation]]:
    didkit = _Didkit()
    return didkit.version, {"resolve": didkit.resolve, "verify": didkit.verify}


if __name__ == "__main__":
    main()
