"""The packages for Node.js behind a pipe: one request a line, one answer a line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).parent / "node" / "partner.mjs"
INSTALLED = Path(sys.prefix) / "partners" / "node"
"""Where scripts/test --full installs them."""


class PartnerError(RuntimeError):
    """The partner refused to do what it was asked, with its own words."""


class Partner:
    """One running process of the partner; a context manager."""

    def __init__(self) -> None:
        assert (INSTALLED / "node_modules").is_dir(), "the partners are installed by scripts/test --full"
        shutil.copyfile(SCRIPT, INSTALLED / SCRIPT.name)  # packages are looked for beside the script
        self._process = subprocess.Popen(
            ["node", SCRIPT.name],
            cwd=INSTALLED,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def ask(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return the answer to one request.

        Raises:
            PartnerError: it could not do it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": operation, **members}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "failed" in answer:
            raise PartnerError("; ".join([answer["failed"], *answer["causes"]]))
        return answer
