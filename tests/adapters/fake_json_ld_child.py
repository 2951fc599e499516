"""A child that behaves as told by its first argument: a real process in the place of the JSON-LD child.

Knows nothing of the product, so that it can break every rule of the conversation.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def lose(document: dict[str, Any]) -> None:
    """End as the document says."""
    if "hang" in document:
        time.sleep(600)
    if "die" in document:
        os._exit(3)
    while "flood" in document:
        sys.stdout.write("x" * 4_096)


def answer(mode: str, request: dict[str, Any]) -> Any:
    """Return the answer that the mode wants."""
    number, documents = request["id"], request["documents"]
    texts = ["" for _ in documents] if request["op"] == "canonicalize" else []
    if mode == "loses":
        lose(documents[0])
    if mode == "slow":
        time.sleep(0.5)
    answers: dict[str, Any] = {
        "too-few": {"id": number, "canonical": texts[:-1]},
        "numbers": {"id": number, "canonical": [1 for _ in texts]},
        "more-members": {"id": number, "canonical": texts, "more": 1},
        "another-id": {"id": number + 1, "canonical": texts},
        "unknown-code": {"id": number, "error": "leaf_too_large"},
        "text-of-the-document": {"id": number, "error": json.dumps(documents)},
        "refuses": {"id": number, "error": "json_ld_term_undefined"},
        "pid": {"id": number, "canonical": [str(os.getpid()) for _ in texts]},
    }
    return answers.get(mode, {"id": number, "canonical": texts})


def main() -> None:
    """Greet and answer until the input ends."""
    mode = sys.argv[1]
    print(json.dumps({"absent": True} if mode == "absent" else {"ready": "0"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(mode, json.loads(line))), flush=True)


main()
