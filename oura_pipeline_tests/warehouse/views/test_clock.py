"""Local times are what the text of a document says, whatever the session's zone."""

from __future__ import annotations

import json

import duckdb
import pytest

from oura_pipeline.warehouse.views.clock import later, later_local, local_time, minutes_between
from oura_pipeline_tests.warehouse.views.view_database import SESSION_ZONE, as_text

TEXTS = {
    "2026-03-29T23:41:10+02:00": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10.000+02:00": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10.250-07:00": "2026-03-29T23:41:10.250000",
    "2026-03-29T23:41:10Z": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10-03:30": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10+05:45": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10+0545": "2026-03-29T23:41:10",
    "2026-03-29T23:41:10-11": "2026-03-29T23:41:10",
    "2026-03-29T23:41+13:00": "2026-03-29T23:41:00",
    "2026-03-29T02:30:00+01:00": "2026-03-29T02:30:00",  # that Berlin skips this hour is no matter
    "2026-03-29T23:41:10": None,
    "2026-03-29": None,
    "2026-02-30T23:41:10+01:00": None,
    "soon": None,
    "": None,
    None: None,
}


def value(sql: str, document: object = None) -> object:
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{SESSION_ZONE}'")
        row = connection.execute(
            f"SELECT {sql} FROM (SELECT $1::JSON AS document)",
            [json.dumps(document)],
        ).fetchone()
    return as_text(row[0]) if row else None


@pytest.mark.parametrize(("text", "shown"), TEXTS.items())
def test_the_clock_showed_what_stands_before_the_offset(
    text: str | None, shown: str | None
) -> None:
    """With and without milliseconds, seconds and colons; without an offset it is no local time."""
    assert value(local_time("when"), {"when": text}) == shown


def test_a_text_inside_an_object_is_found() -> None:
    """Series carry their own timestamp."""
    document = {"timestamp": "none", "met": {"timestamp": "2026-01-01T04:00:00.000-08:00"}}
    assert value(local_time("met.timestamp"), document) == "2026-01-01T04:00:00"
    assert value(local_time("hrv.timestamp"), document) is None


def test_later_is_counted_in_seconds_that_pass() -> None:
    """Whole and broken seconds, forward and back."""
    instant = "TIMESTAMPTZ '2026-03-29 00:59:30+00'"
    assert value(later(instant, "2 * 30")) == "2026-03-29T01:00:30Z"
    assert value(later(instant, "2.5")) == "2026-03-29T00:59:32.500000Z"
    assert value(later(instant, "-30")) == "2026-03-29T00:59:00Z"
    assert value(later_local("TIMESTAMP '2026-03-29 00:59:30'", "3600")) == "2026-03-29T01:59:30"


def test_an_offset_in_an_integer_does_not_overflow() -> None:
    """Microseconds of five hours do not fit into 32 bits."""
    local = "TIMESTAMP '2026-03-29 00:00:00'"
    assert value(later_local(local, "(-18000)::INTEGER")) == "2026-03-28T19:00:00"


def test_minutes_between_are_none_when_the_end_comes_first() -> None:
    """Also over the change of clocks it is what passed."""
    start = "TIMESTAMPTZ '2026-03-29 01:30:00+01'"
    assert value(minutes_between(start, "TIMESTAMPTZ '2026-03-29 03:45:30+02'")) == 75.5
    assert value(minutes_between(start, start)) == 0.0
    assert value(minutes_between(start, "TIMESTAMPTZ '2026-03-29 00:30:00+01'")) is None
    assert value(minutes_between(start, "NULL::TIMESTAMPTZ")) is None
