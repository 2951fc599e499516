"""Times on the wire and inside: XSD dateTimeStamp text and integer milliseconds since the epoch.

Decides what text is a time, and refuses text without a zone, leap seconds and hour 24. Reads no clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from did_methods.errors import DidError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,12})?"
    r"(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
)


class TimestampError(DidError):
    """Text is not a time with a zone, or a number is outside the years 1 to 9999."""

    code = "timestamp_invalid"
    title = "Invalid timestamp"


class TimestampZoneError(TimestampError):
    """A time that must be stated in UTC has another zone."""

    code = "timestamp_not_utc"
    title = "Timestamp not in UTC"


def parse_timestamp(text: str, *, require_utc: bool = False) -> int:
    """Return the time that text states, in milliseconds since the epoch, rounded down.

    Args:
        text: XSD dateTimeStamp, for example ``2026-11-20T09:00:00Z``; upper-case T and Z, at most 12 digits of
            fraction, offset at most 14 hours, no leap second, no hour 24.
        require_utc: refuse every zone but ``Z`` and ``+00:00``.

    Raises:
        TimestampError: timestamp_invalid.
        TimestampZoneError: timestamp_not_utc.

    Spec: XSD 1.1 part 2, 3.4.28
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise TimestampError
    if require_utc and match[1] not in {"Z", "+00:00"}:
        raise TimestampZoneError
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):  # 30 February, year 0
        raise TimestampError from None


def format_timestamp(time_ms: int) -> str:
    """Return a time as UTC text: whole seconds as ``…:00Z``, others with three digits of fraction.

    Args:
        time_ms: milliseconds since the epoch, within the years 1 to 9999.

    Raises:
        TimestampError: timestamp_invalid.

    Spec: RFC 3339 5.6
    """
    try:
        moment = _EPOCH + time_ms * _MILLISECOND
    except OverflowError:
        raise TimestampError from None
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
