"""What is read off the shapes of documents, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import DAILY_SLEEP, REST_MODE_PERIOD, SLEEP
from oura_pipeline.warehouse.drift.shapes import (
    may_not_fit,
    same_meaning,
    temporal_paths,
    unknown_fields,
    without_odd_values,
)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ({"id": "VARCHAR", "score": "NULL", "contributors": "JSON"}, set()),
        ({"new": {"a": "VARCHAR"}, "contributors": {"a": "UBIGINT"}}, {"new", "contributors.a"}),
        ("JSON", set()),
    ],
)
def test_unknown_fields(shape: Any, found: set[str]) -> None:
    assert unknown_fields(shape, DAILY_SLEEP.fields) == found


def test_unknown_fields_in_lists_and_series() -> None:
    episodes = {"episodes": [{"tags": ["VARCHAR"], "mood": "VARCHAR"}]}
    assert unknown_fields(episodes, REST_MODE_PERIOD.fields) == {"episodes.mood"}
    series = {"hrv": {"interval": "DOUBLE", "items": ["DOUBLE"], "unit": "VARCHAR"}}
    assert unknown_fields(series, SLEEP.fields) == {"hrv.unit"}


@pytest.mark.parametrize(
    ("shape", "doubtful"),
    [
        ({"score": "UBIGINT", "contributors": {"timing": "NULL"}}, False),
        ({"score": "DOUBLE"}, False),
        ({"score": "UHUGEINT"}, False),
        ({"contributors": {"timing": "VARCHAR"}}, True),
        ({"contributors": "NULL"}, False),
        ({"contributors": ["NULL"]}, True),
        ({"timestamp": "BOOLEAN"}, True),
        ({"unknown": "BOOLEAN"}, False),
    ],
)
def test_doubtful_shapes(shape: Any, doubtful: bool) -> None:
    assert may_not_fit(shape, DAILY_SLEEP.fields) is doubtful


def test_odd_values_become_null_and_keys_stay() -> None:
    document = '{"id": 5, "score": [1.5], "day": "2026-01-01", "novel": [1], "timestamp": null}'
    text, odd = without_odd_values(document, DAILY_SLEEP.fields, keep=("id",))
    assert text == '{"id": 5, "day": "2026-01-01", "timestamp": null, "score": null}'
    assert odd == {"id": 1, "score": 1}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":[1,2]}', '{ "b":[1.0,2e0], "a":1 }', True),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ('{"a":1}', '{"a":true}', False),
        ('{"a":0}', '{"a":null}', False),
        ('{"a":null}', "{}", False),
        ('{"a":"1"}', '{"a":1}', False),
        ('{"a":12345678901234567890123}', '{"a":12345678901234567890124}', False),
        ('{"a":0.1}', '{"a":0.10}', True),
        ('{"a":1e400}', '{"a":1e400 }', True),
        ('{"a":1e400}', '{"a":2e400}', False),
    ],
)
def test_same_meaning(one: str, other: str, same: bool) -> None:
    assert same_meaning(one, other) is same


def test_where_days_and_instants_are() -> None:
    assert temporal_paths(REST_MODE_PERIOD.fields) == {
        kinds.DAY: ['$."start_day"', '$."end_day"'],
        kinds.INSTANT: [],
        kinds.LOCAL: ['$."start_time"', '$."end_time"', '$."episodes"[*]."timestamp"'],
    }
