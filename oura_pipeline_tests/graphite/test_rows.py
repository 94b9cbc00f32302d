"""Rows have the same points whether they are read at once or, for one odd row, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, HEARTRATE, SESSION
from oura_pipeline.catalog.metrics import Vocabulary
from oura_pipeline.graphite.rows import RowReader, comes_in_rows
from oura_pipeline_tests.graphite.flattening import flattened, readable, skipped, stored

ROWS: list[dict[str, Any]] = [
    {"timestamp": "2026-05-01T04:00:10Z", "bpm": 60, "source": "rest"},
    {"timestamp": "2026-05-01T04:00:50.250Z", "bpm": 61, "source": "Rest"},
    {"timestamp": "2026-05-01T06:01:00+02:00", "bpm": 70.0, "source": "awake"},
    {"timestamp": "2026-05-01T04:02:59.9999999Z", "bpm": 0, "source": "awake"},
    {"timestamp": "2026-05-01T04:03:00Z", "bpm": None, "source": "awake"},
    {"timestamp": "2026-05-01T04:04:00Z", "bpm": 255, "source": "live", "timestamp_unix": 0},
    {"timestamp": "2026-05-01T04:05:00Z", "bpm": 52, "source": None, "producer_timestamp": "x"},
    {"timestamp": "2026-05-01T04:06:00Z", "bpm": 53, "timestamp_unix": {"odd": 1}},
    {"timestamp": "2026-05-01T03:59:59Z", "bpm": 54, "source": "session"},
]
POINTS = {
    "hr.awake.bpm": [("05-01 04:01", 70.0)],
    "hr.bpm": [
        ("05-01 03:59", 54),
        ("05-01 04:00", 60.5),
        ("05-01 04:01", 70.0),
        ("05-01 04:05", 52),
        ("05-01 04:06", 53),
    ],
    "hr.rest.bpm": [("05-01 04:00", 60.5)],
    "hr.session.bpm": [("05-01 03:59", 54)],
}
LATER = "2026-05-01T05:00:00Z"
NOT_STORED = "name that Graphite cannot store: source"
ODD: list[tuple[dict[str, Any], dict[str, int]]] = [
    ({"timestamp": LATER, "mood": "a field that the table does not know"}, {}),
    ({"timestamp": LATER, "bpm": True}, {}),
    ({"timestamp": LATER, "bpm": "fast"}, {"no number: bpm": 1}),
    ({"timestamp": LATER, "source": "an other"}, {NOT_STORED: 1}),
    ({"timestamp": LATER, "source": False}, {NOT_STORED: 1}),
    ({"timestamp": "2026-05-01T05:00:00", "bpm": 60}, {"no instant: timestamp": 1}),
    ({"timestamp": "1850-05-01T05:00:00Z", "bpm": 60}, {"no instant: timestamp": 1}),
    ({"bpm": 60}, {"no instant: timestamp": 1}),
]


def at_once(*rows: dict[str, Any]) -> bool:
    """Whether these rows can be read at once."""
    reader = RowReader(HEARTRATE, Vocabulary(HEARTRATE), "bio.ada.")
    return reader.samples([one.raw for one in stored(HEARTRATE, map(of_day, rows))]) is not None


def of_day(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A row with its day."""
    return "2026-05-01", row


def test_usual_rows_are_read_at_once() -> None:
    """An integer stays one, a mean is none; what the table does not send may be anything."""
    assert at_once(*ROWS)
    result = flattened(HEARTRATE, *map(of_day, ROWS))
    # As text: 70 and 70.0 are equal.
    assert str(readable(result)) == str({"2026-05-01": POINTS})
    assert skipped(result) == {}


@pytest.mark.parametrize(("odd", "reasons"), ODD)
def test_one_odd_row_changes_nothing_about_the_others(
    odd: dict[str, Any], reasons: dict[str, int]
) -> None:
    """They are read one by one then, and what is odd is reported."""
    assert not at_once(*ROWS, odd)
    result = flattened(HEARTRATE, *map(of_day, [*ROWS, odd]))
    assert str(readable(result)) == str({"2026-05-01": POINTS})
    assert skipped(result) == reasons


def test_a_number_that_no_double_holds_exactly_is_rounded() -> None:
    """It is sent as carbon stores it."""
    row = {"timestamp": LATER, "bpm": 2**53 + 1, "source": "rest"}
    assert not at_once(row)
    points = [("05-01 05:00", float(2**53))]
    assert readable(flattened(HEARTRATE, of_day(row))) == {
        "2026-05-01": {"hr.bpm": points, "hr.rest.bpm": points}
    }


def test_only_plain_values_come_in_rows() -> None:
    """A type that is asked for by the instant, but has a series, is read document by document."""
    assert [one.name for one in DOCUMENT_TYPES if comes_in_rows(one)] == [
        "heartrate",
        "ring_battery_level",
    ]
    assert not comes_in_rows(replace(HEARTRATE, fields=SESSION.fields))
