"""What a did:webvh log answers to a DID URL: versions, invalid and unwitnessed tails, moves, deactivation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from did_methods.timestamp import format_timestamp
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, LogWriter, document
from tests.support.webvh_witness_cases import ONE, approve, witness_file

NEW_HOST = "new.example.com"


@dataclass(frozen=True)
class Asked:
    """A DID URL with the files of its host, and the answer: a version number, or an error keyword with our code."""

    writer: LogWriter
    query: str = ""
    did: str = ""
    witness: bytes | None = None
    version: int = 0
    error: tuple[str, str] | None = None
    deactivated: bool = False
    withheld: bool = False

    @property
    def did_url(self) -> str:
        """The DID URL that is asked for."""
        return (self.did or self.writer.did) + self.query


def three() -> LogWriter:
    """A log of three versions, each with its own key in the document."""
    writer = LogWriter().first()
    for number in (1, 2):
        writer.then({"ttl": 60 * number}, body={"state": document(writer.did, number)})
    return writer


def broken_third() -> LogWriter:
    """The same, but the third entry is signed by a stranger."""
    writer = three()
    last = writer.entries.pop()
    return writer.then(last["parameters"], body={"state": last["state"]}, signers=(9,))


def moved() -> LogWriter:
    """A log of two versions at one host and one more at another."""
    writer = LogWriter().first().then()
    state = document(f"did:webvh:{writer.scid}:{NEW_HOST}") | {"alsoKnownAs": [writer.did]}
    return writer.then(body={"state": state})


def witnessed_once() -> tuple[LogWriter, bytes]:
    """A log of two versions of which the witness approved the first."""
    writer = LogWriter().first(ONE).then()
    return writer, witness_file(writer, {1: approve(writer, 1, 5)})


def ended() -> LogWriter:
    """A log of three versions and a deactivation."""
    return three().then({"deactivated": True, "updateKeys": []})


def _id(writer: LogWriter, number: int) -> str:
    return f"versionId={writer.entries[number - 1]['versionId']}"


def _time(days: int, ms: int = 0) -> str:
    return f"versionTime={format_timestamp(START_MS + days * DAY_MS + ms)}"


def _unwitnessed(query: str = "", *, version: int = 0) -> Asked:
    writer, file = witnessed_once()
    missing = None if version else ("INVALID_DID", "webvh_witness_missing")
    return Asked(writer, query, witness=file, version=version, error=missing)


_ABSENT = ("NOT_FOUND", "webvh_version_not_found")
_BROKEN = ("INVALID_DID", "webvh_proof_key_not_authorized")
_OTHER = ("INVALID_DID", "webvh_did_not_in_log")

RESOLUTIONS: dict[str, Callable[[], Asked]] = {
    "newest": lambda: Asked(three(), version=3),
    "by-id": lambda: Asked(three(), "?" + _id(three(), 2), version=2),
    "by-number": lambda: Asked(three(), "?versionNumber=2", version=2),
    "by-time": lambda: Asked(three(), "?" + _time(1), version=2),
    "by-last-millisecond": lambda: Asked(three(), "?" + _time(2, -1), version=2),
    "by-all-three": lambda: Asked(three(), f"?{_id(three(), 2)}&versionNumber=2&{_time(1)}", version=2),
    "id-unknown": lambda: Asked(three(), "?versionId=2-QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p", error=_ABSENT),
    "id-of-the-right-number-only": lambda: Asked(three(), "?versionId=2", error=_ABSENT),
    "number-too-high": lambda: Asked(three(), "?versionNumber=4", error=_ABSENT),
    "time-before-creation": lambda: Asked(three(), "?" + _time(0, -1), error=_ABSENT),
    "id-and-number-disagree": lambda: Asked(three(), f"?{_id(three(), 1)}&versionNumber=2", error=_ABSENT),
    "id-and-time-disagree": lambda: Asked(three(), f"?{_id(three(), 1)}&{_time(1)}", error=_ABSENT),
    "number-and-time-disagree": lambda: Asked(three(), f"?versionNumber=1&{_time(2)}", error=_ABSENT),
    "invalid-tail-newest": lambda: Asked(broken_third(), error=_BROKEN),
    "invalid-tail-by-number-before": lambda: Asked(broken_third(), "?versionNumber=2", version=2),
    "invalid-tail-by-id-before": lambda: Asked(broken_third(), "?" + _id(broken_third(), 2), version=2),
    "invalid-tail-by-time-before": lambda: Asked(broken_third(), "?" + _time(2, -1), version=2),
    "invalid-tail-by-number-of-it": lambda: Asked(broken_third(), "?versionNumber=3", error=_BROKEN),
    "invalid-tail-by-id-of-it": lambda: Asked(broken_third(), "?" + _id(broken_third(), 3), error=_BROKEN),
    "invalid-tail-by-time-of-it": lambda: Asked(broken_third(), "?" + _time(2), error=_BROKEN),
    "unwitnessed-tail-newest": _unwitnessed,
    "unwitnessed-tail-by-number-before": lambda: _unwitnessed("?versionNumber=1", version=1),
    "unwitnessed-tail-by-time-before": lambda: _unwitnessed("?" + _time(1, -1), version=1),
    "unwitnessed-tail-by-number-of-it": lambda: _unwitnessed("?versionNumber=2"),
    "unwitnessed-tail-by-time-of-it": lambda: _unwitnessed("?" + _time(1)),
    "moved-by-new-did": lambda: Asked(moved(), did=f"did:webvh:{moved().scid}:{NEW_HOST}", version=3),
    "moved-by-old-did": lambda: Asked(moved(), version=3),
    "moved-by-old-did-and-number": lambda: Asked(moved(), "?versionNumber=1", version=1),
    "moved-by-new-did-before-the-move": lambda: Asked(
        moved(), "?versionNumber=2", did=f"did:webvh:{moved().scid}:{NEW_HOST}", version=2
    ),
    "moved-by-a-third-did": lambda: Asked(moved(), did=f"did:webvh:{moved().scid}:other.example.com", error=_OTHER),
    "asked-for-another-scid": lambda: Asked(
        three(), did=three().did.replace(three().scid, moved().scid[:-1] + "x"), error=_OTHER
    ),
    "deactivated": lambda: Asked(ended(), version=4, deactivated=True, withheld=True),
    "deactivated-by-number": lambda: Asked(ended(), "?versionNumber=4", version=4, deactivated=True, withheld=True),
    "deactivated-by-number-before": lambda: Asked(ended(), "?versionNumber=3", version=3, deactivated=True),
    "deactivated-by-time-before": lambda: Asked(ended(), "?" + _time(0), version=1, deactivated=True),
    "option-unknown": lambda: Asked(
        three(), "?transformKeys=jwk", error=("INVALID_OPTIONS", "did_resolution_options_invalid")
    ),
    "option-repeated": lambda: Asked(
        three(), "?versionNumber=1&versionNumber=1", error=("INVALID_OPTIONS", "did_resolution_options_invalid")
    ),
    "no-such-time-after-now": lambda: Asked(three(), f"?versionTime={format_timestamp(NOW_MS)}", version=3),
}
"""Reason to a question and its answer."""
