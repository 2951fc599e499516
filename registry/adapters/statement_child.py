"""The child process in which statements are parsed and verified, beside the process that writes them.

Started by ``statement_pool.py`` for batches, for single ones by ``statement_pipe.py``. A request is eight bytes of length
(big-endian) and a marshalled ``(lines, origin, now_ms)``; the answer, in the order of requests, another such frame with what
`pack_lines` returns. The first request has no lines, and its answer is `SPEECH`: a child is started from what is on the disk,
which an upgrade may have changed since its parent was. Ends at the end of its input, which is also the end of its parent,
whatever it is doing then.
"""

from __future__ import annotations

import marshal
import os
import queue
import sys
import threading
from typing import IO, Any, Final

from registry.adapters.interpreter import settle_interpreter
from registry.history.packed_statement import SPEECH, PackedStatement, pack_lines

LENGTH_BYTES: Final = 8
FIRST_REQUEST: Final[tuple[tuple[bytes, ...], str, None]] = ((), "", None)
_READ_AHEAD: Final = 4


class UnfitAnswerError(Exception):
    """A child's answer is none; its text goes on where the child's name ends. Never leaves the adapters."""


def main() -> None:
    """Answer requests until the input ends; does not return."""
    # What anything here may print must not be read as an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    settle_interpreter()
    requests: queue.Queue[bytes] = queue.Queue(_READ_AHEAD)
    threading.Thread(target=_read_ahead, args=(sys.stdin.buffer, requests), daemon=True).start()
    requests.get()
    write_frame(answers, SPEECH)
    while True:
        lines, origin, now_ms = marshal.loads(requests.get())  # noqa: S302 - the parent's own words
        write_frame(answers, pack_lines(lines, origin=origin, now_ms=now_ms))


def _read_ahead(source: IO[bytes], requests: queue.Queue[bytes]) -> None:
    """Keep the parent's pipe empty, so that neither waits for the other to read; end the process with the input."""
    while (data := read_frame(source)) is not None:
        requests.put(data)
    os._exit(0)


def write_frame(target: IO[bytes], message: Any) -> None:
    """Write one message of plain values.

    Raises:
        OSError: nobody reads any more.
    """
    target.write(frame_of(message))
    target.flush()


def frame_of(message: Any) -> bytes:
    """Return the frame of one message of plain values."""
    data = marshal.dumps(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def read_frame(source: IO[bytes]) -> bytes | None:
    """Return the next message, marshalled; None at the end, also at one in its midst."""
    head = source.read(LENGTH_BYTES)
    size = int.from_bytes(head, "big")
    data = source.read(size) if len(head) == LENGTH_BYTES else b""
    return data if len(head) == LENGTH_BYTES and len(data) == size else None


def read_answer(data: bytes | bytearray, count: int | None) -> list[PackedStatement | None]:
    """Return what a child made of so many lines, in their order.

    Args:
        data: a message of the child, marshalled.
        count: of lines; None for its first answer, of which nothing is returned.

    Raises:
        UnfitAnswerError: it is not believed any further.
    """
    try:
        message = marshal.loads(data)  # noqa: S302 - our own child's words
    except (ValueError, EOFError, TypeError) as error:
        raise UnfitAnswerError("talks nonsense") from error
    if count is None:
        if message != SPEECH:
            raise UnfitAnswerError("has other code than this one, which an upgrade asks to be started again")
        return []
    if not isinstance(message, list) or len(message) != count:
        raise UnfitAnswerError("answers something else than it was asked")
    return message


if __name__ == "__main__":
    main()
