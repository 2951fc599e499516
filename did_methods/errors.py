"""The root of every error of this product, and the DID errors on top of it.

An error is a class with a stable ``code``: programs branch on the code, people read ``detail``. A detail never holds
payloads, keys or signatures, so that it can be logged and returned as it is. This module knows no HTTP status: the
table from code to status is ``registry/api/problems.py``.
"""

from __future__ import annotations

from typing import ClassVar


class BonafidesError(Exception):
    """Any failure this product names; the base of both error trees.

    Args:
        detail: one safe sentence for people; may be empty.
        **params: short safe values (numbers, names of members) for programs.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    # The problem type of the standard that names this failure; None where none does, and the type is our own.
    type_uri: ClassVar[str | None] = None

    def __init__(self, detail: str = "", **params: str | int) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.params = params


class DidError(BonafidesError):
    """Anything the bottom floor refuses: codecs, keys, proofs, documents, DIDs."""

    code = "did_error"
    title = "DID error"
