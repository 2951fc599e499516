"""How far an entry must have come before a write is answered: ``wait=durable|signed|published|witnessed``.

Durable is the answer's own level: it is given after the commit, with a signed acceptance. From `signed` on the answer holds
a proof file against the checkpoint that was waited for. Whoever has waited long enough is answered with what was
reached (202); nothing is lost, and the same request sent again waits on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from registry.api.state import ApiState
from registry.errors import DependencyError, ParseError
from registry.limits import WAIT_MOST_MS, WAITING_ANSWERS
from registry.log.proof import ProofFile, encode_proof_file
from registry.services.log import NotSignedYetError
from registry.services.signing import SignedHead
from registry.services.submission import Accepted, OverloadedError

LEVELS = ("durable", "signed", "published", "witnessed")
_LOOK_S = 0.02


class WaitLevelError(ParseError):
    """No such level, or one that this log never reaches: without a quorum in its policy nothing is witnessed."""

    code = "wait_level_invalid"
    title = "This cannot be waited for here"


class ProofNotMadeError(DependencyError):
    """The checkpoint that was waited for is not there any more in this process."""

    code = "wait_proof_missing"
    title = "The proof could not be made; ask for it at /v1/log/proof/inclusion"


def wait_level(api: ApiState, request: Request) -> str:
    """Return the level that a request asks for.

    Raises:
        WaitLevelError: ``wait_level_invalid``.
    """
    if not request.scope["query_string"]:  # as of nearly every write; taking nothing apart is not free
        return LEVELS[0]
    level = request.query_params.get("wait", LEVELS[0])
    if level not in LEVELS:
        raise WaitLevelError(f"wait is one of {', '.join(LEVELS)}")
    if level == "witnessed" and api.registry.witnessing.publisher.policy.is_open:
        raise WaitLevelError("this log's policy asks for no witnesses")
    return level


async def waited(api: ApiState, level: str, accepted: Sequence[Accepted]) -> tuple[dict[str, Any], bool]:
    """Wait until the last of some entries has come as far as asked.

    Returns:
        (members of the answer, whether the level was reached).

    Raises:
        OverloadedError: ``overloaded``, too many wait already; the entries are durable.
    """
    if level == LEVELS[0] or not accepted:
        return {}, True
    newest = max(one.index for one in accepted)
    head = await _head_over(api, level, newest)
    if head is None:
        return {"reached": await run_in_threadpool(_reached, api, newest)}, False
    members: dict[str, Any] = {"reached": level}
    if len(accepted) == 1:
        members["proof"] = await run_in_threadpool(_proof, api, newest, head)
    else:
        members["checkpoint"] = (await run_in_threadpool(_note, api, head)).decode()
    return members, True


async def _head_over(api: ApiState, level: str, index: int) -> SignedHead | None:
    if api.waiting >= WAITING_ANSWERS:
        raise OverloadedError("too many requests wait for a checkpoint", retry_after_s=1)
    api.waiting += 1
    until = time.monotonic() + WAIT_MOST_MS / 1_000
    try:
        while (head := _newest(api, level)) is None or head.size <= index:
            if time.monotonic() >= until:
                return None
            await asyncio.sleep(_LOOK_S)
        return head
    finally:
        api.waiting -= 1


def _newest(api: ApiState, level: str) -> SignedHead | None:
    try:
        return api.registry.log.signed_head if level == "signed" else api.registry.log.published_head
    except NotSignedYetError:
        return None


def _reached(api: ApiState, index: int) -> str:
    published, signed = _newest(api, "published"), _newest(api, "signed")
    if published is not None and published.size > index:
        return "published" if api.registry.witnessing.publisher.policy.is_open else "witnessed"
    return "signed" if signed is not None and signed.size > index else LEVELS[0]


def _note(api: ApiState, head: SignedHead) -> bytes:
    note = api.registry.witnessing.publisher.note_at(head.size)
    if note is None:
        raise ProofNotMadeError
    return note


def _proof(api: ApiState, index: int, head: SignedHead) -> str:
    _, path = api.registry.log.inclusion(index, head.size)
    return encode_proof_file(ProofFile(index, tuple(path), _note(api, head))).decode()
