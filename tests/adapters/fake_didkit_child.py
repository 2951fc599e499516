"""A child that behaves as told by its first argument: a real process in the place of the didkit child.

Knows nothing of the product, so that it can break every rule of the conversation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def say(message: Any) -> None:
    """Write one line."""
    text = message if isinstance(message, str) else json.dumps(message)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def flood(text: str) -> None:
    """Write for ever."""
    while True:
        sys.stdout.write(text)


def document(did: str) -> str:
    """Return the least of documents."""
    return json.dumps({"id": did})


def start(mode: str) -> None:
    """Greet as the mode wants."""
    if mode == "dies-at-start":
        os._exit(1)
    if mode == "hangs-at-start":
        time.sleep(600)
    if mode == "floods-at-start":
        flood("x" * 4_096)
    greetings = {
        "absent": {"absent": True},
        "greets-wrongly": {"hello": 1},
        "greets-in-prose": "ready when you are",
    }
    say(greetings.get(mode, {"ready": "0"}))


def answer(mode: str, number: int, did: str) -> None:
    """Answer one request as the mode wants."""
    good = {"id": number, "document": document(did)}
    if mode == "hangs":
        time.sleep(600)
    if mode == "hangs-with-a-child":
        # The grandchild keeps the pipe open: killing the child alone would leave its parent waiting.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).wait()
    if mode == "dies" or (mode == "dies-when-told" and did.endswith("die")):
        os._exit(3)
    if mode == "floods":
        flood("x" * 4_096)
    answers: dict[str, Any] = {
        "garbage": "}{",
        "bytes": "\udcff",
        "list": [1],
        "another-id": good | {"id": number + 1},
        "refused-another-id": {"id": number + 1, "error": "refused"},
        "text-id": good | {"id": str(number)},
        "no-id": {"document": document(did)},
        "more-members": good | {"more": 1},
        "both": good | {"error": "refused"},
        "duplicate": f'{{"id":{number},"id":{number},"error":"refused"}}',
        "document-as-object": {"id": number, "document": {"id": did}},
        "document-not-json": {"id": number, "document": "<html>"},
        "document-list": {"id": number, "document": "[]"},
        "document-duplicate": {"id": number, "document": '{"id":"a","id":"b"}'},
        "document-deep": {"id": number, "document": '{"a":' * 40 + "1" + "}" * 40},
        "too-long": {"id": number, "document": json.dumps({"id": did, "x": "x" * 100_000})},
        "refused": {"id": number, "error": "refused"},
        "not_found": {"id": number, "error": "not_found"},
        "unsupported": {"id": number, "error": "unsupported"},
        "pid": {"id": number, "document": json.dumps({"id": did, "pid": os.getpid()})},
        "environment": {
            "id": number,
            "document": json.dumps({"environment": sorted(os.environ), "folder": str(Path.cwd())}),
        },
        "files": {"id": number, "document": json.dumps({"files": open_files()})},
    }
    say(answers.get(mode, good))
    if mode == "answers-twice":
        say(good)


def open_files() -> list[int]:
    """Return the numbers of the files that this process has open, the folder read for it left out."""
    folder = Path("/proc/self/fd")
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.exists()) if folder.exists() else [0, 1, 2]


def main() -> None:
    """Greet and answer until the input ends."""
    mode = sys.argv[1]
    start(mode)
    if mode == "absent":
        return
    for line in sys.stdin:
        request = json.loads(line)
        answer(mode, request["id"], request["did"])


main()
