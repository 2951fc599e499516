"""Times on the wire."""

from __future__ import annotations

import pytest

from did_methods.timestamp import TimestampError, TimestampZoneError, format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-20T09:00:00Z", 1_795_165_200_000),
        ("2026-11-20T09:00:00.123Z", 1_795_165_200_123),
        ("2026-11-20T09:00:00.1Z", 1_795_165_200_100),
        ("2026-11-20T09:00:00.123999999Z", 1_795_165_200_123),
        ("2026-11-20T10:30:00+01:30", 1_795_165_200_000),
        ("2026-11-20T09:00:00-00:00", 1_795_165_200_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_times_parse_to_milliseconds(text: str, time_ms: int) -> None:
    """Each form with a zone gives its milliseconds, fractions rounded down."""
    assert parse_timestamp(text) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T09:00:00",
        "2026-11-20t09:00:00Z",
        "2026-11-20T09:00:00z",
        "2026-11-20 09:00:00Z",
        "2026-11-20T09:00Z",
        "2026-11-20T09:00:00,5Z",
        "2026-11-20T09:00:00.Z",
        "2026-11-20T09:00:00.1234567890123Z",
        "2026-11-20T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-11-31T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "2026-11-20T09:00:00+14:01",
        "2026-11-20T09:00:00+0100",
        "2026-11-20T09:00:00+01:60",
        "2026-11-20T09:00:00Z\n",
        " 2026-11-20T09:00:00Z",
        "2026-W47-5T09:00:00Z",
        "20261120T090000Z",
        "\u0662026-11-20T09:00:00Z",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """Text without a zone, with leap forms, of other standards or with anything around it is no time."""
    with pytest.raises(TimestampError):
        parse_timestamp(text)


def test_utc_can_be_demanded() -> None:
    """Where UTC is demanded, Z and +00:00 pass and every other zone is refused with its own code."""
    assert parse_timestamp("1970-01-01T00:00:00Z", require_utc=True) == 0
    assert parse_timestamp("1970-01-01T00:00:00+00:00", require_utc=True) == 0
    for zone in ("-00:00", "+02:00"):
        with pytest.raises(TimestampZoneError):
            parse_timestamp(f"2026-11-20T09:00:00{zone}", require_utc=True)


def test_times_are_written_as_short_as_they_are_exact() -> None:
    """Whole seconds have no fraction, others three digits."""
    assert format_timestamp(1_795_165_200_000) == "2026-11-20T09:00:00Z"
    assert format_timestamp(1_795_165_200_007) == "2026-11-20T09:00:00.007Z"
    assert format_timestamp(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize("time_ms", [-62_135_596_800_001, 253_402_300_800_000, 10**30])
def test_times_outside_four_digit_years_are_not_written(time_ms: int) -> None:
    """A number outside the years 1 to 9999 has no text."""
    with pytest.raises(TimestampError):
        format_timestamp(time_ms)
