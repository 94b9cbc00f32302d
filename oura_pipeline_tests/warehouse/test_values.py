"""What is in the columns and in the JSON; what is reported of values nobody expects."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_READINESS,
    DAILY_SLEEP,
    HEARTRATE,
    REST_MODE_PERIOD,
    SESSION,
    SLEEP,
    TAG,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.warehouse.errors import UnusableDocuments
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    RawDocument,
    all_documents,
    january,
    land,
    night,
    raw_document,
    score,
)

pytestmark = pytest.mark.usefixtures("kept_open")

TEXTS = [
    '{"id":"x","distance":1e-7}',
    '{ "id" : "x",\t"distance" : 1.0 }',
    '{"id":"x","label":"\\u00e9\\ud83d\\ude00\\/\\n\\"\\\\","activity":"é😀\x7f,;|\'"}',
    '{"id":"x","novel":12345678901234567890123,"other":[0.10,-0.0,1E5]}',
    '{\n "id": "x",\r\n "label": "a"\n}',
    '{"id":"x","label":"' + "long" * 700_000 + '"}',
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_document_is_kept_to_the_byte(warehouse: Warehouse, text: str) -> None:
    land(warehouse, WORKOUT, {"ada": [RawDocument(january(1), text.encode())]})
    assert warehouse.documents(WORKOUT, "ada", january(1), january(1)) == [
        (january(1), text.encode())
    ]


TEMPERATURE = "temperature_deviation"


def test_columns_hold_the_exact_values(warehouse: Warehouse) -> None:
    document = raw_document(
        january(1),
        id="x",
        activity="é😀 \" ' \\ \t",
        calories=1e-7,
        distance=12345.678901234567,
        start_datetime="2026-10-25T02:30:00.000+02:00",
        end_datetime="2026-10-25T02:30:00.123456+01:00",
    )
    landing = land(warehouse, WORKOUT, {"ada": [document]})
    assert (landing.unknown_fields, landing.odd_values) == ([], {})
    assert warehouse.query(
        "SELECT activity, calories, distance, start_datetime, end_datetime, label FROM oura.workout"
    ) == [
        (
            "é😀 \" ' \\ \t",
            1e-7,
            12345.678901234567,
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, 0, 123456, tzinfo=UTC),
            None,
        )
    ]


def test_nested_objects_and_series_are_structs_and_lists(warehouse: Warehouse) -> None:
    document = night(
        january(1),
        readiness={"score": 71, "contributors": {"hrv_balance": None, "recovery_index": 0}},
        hrv={
            "interval": 300.0,
            "items": [None, 41, 0.5],
            "timestamp": "2025-12-31T22:25:28.000-07:00",
        },
        heart_rate=None,
    )
    land(warehouse, SLEEP, {"ada": [document]})
    assert warehouse.query(
        "SELECT readiness.score, readiness.contributors.hrv_balance, "
        "readiness.contributors.recovery_index, hrv.interval, hrv.items, "
        'epoch_ms(hrv."timestamp"), heart_rate FROM oura.sleep'
    ) == [(71, None, 0, 300.0, [None, 41.0, 0.5], 1767245128000, None)]


def test_lists_of_texts_and_of_objects(warehouse: Warehouse) -> None:
    episodes = [{"tags": ["a", "b"], "timestamp": "2026-01-01T10:00:00.000+00:00"}]
    document = raw_document(january(1), id="x", start_day="2026-01-01", episodes=episodes)
    assert land(warehouse, REST_MODE_PERIOD, {"ada": [document]}).odd_values == {}
    assert warehouse.query(
        "SELECT episodes[1].tags, epoch(episodes[1].timestamp) FROM oura.rest_mode_period"
    ) == [(["a", "b"], 1767261600.0)]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("40.5", 40.5),
        ("62", 62),
        ("62.0", 62),
        ("-0.0", 0),
        ('"62"', 62),
        ('"-6.2e1"', -62),
        ("9223372036854775807", 2.0**63),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", 2**64),
        ("1" + 30 * "0", 1e30),
        ("1e308", 1e308),
        ("5e-324", 5e-324),
        ("1.8e308", None),
        ("-1e999999999", None),
        ("1" + 400 * "0", None),
        ("1" + 5000 * "0", None),
        ('"1.8e308"', None),
        ('"many"', None),
        ('" 62"', None),
        ('"1_000"', None),
        ('"nan"', None),
        ('"0x1F"', None),
        ('""', None),
        ("true", None),
        ("[62]", None),
        ('{"value":62}', None),
    ],
)
@pytest.mark.parametrize(
    ("document_type", "path"), [(DAILY_READINESS, "score"), (DAILY_READINESS, TEMPERATURE)]
)
def test_a_number_in_sql_is_the_one_in_graphite(
    warehouse: Warehouse, document_type: DocumentType, path: str, written: str, number: float | None
) -> None:
    """Whatever Oura calls the field; what neither can take is missing in both, and counted."""
    raw = f'{{"id":"x","day":"2026-01-01","{path}":{written}}}'.encode()
    landing = land(warehouse, document_type, {"ada": [RawDocument(january(1), raw)]})
    assert warehouse.query(f"SELECT {path} FROM oura.{document_type.table}") == [(number,)]
    assert landing.odd_values == ({path: 1} if number is None else {})
    [stored] = warehouse.documents_of(document_type, ["ada"], january(1), january(1))["ada"]
    points = flatten(document_type, "ada", [stored], first_day=january(1), last_day=january(1))
    sent = points[0].points.get(f"bio.ada.readiness.{path}", [])
    assert [value for _, value in sent] == ([] if number is None else [number])
    reported = number is None and written not in ("true", '{"value":62}')
    assert bool(points[0].skipped) is reported


def test_items_of_a_series_are_the_same_in_sql_and_graphite(warehouse: Warehouse) -> None:
    items = '[1,"2",true,1.8e308,"x",null,2.5,[1]]'
    raw = (
        '{"id":"x","day":"2026-01-01","bedtime_start":"2025-12-31T23:00:00Z","type":"long_sleep",'
        f'"hrv":{{"interval":"300","timestamp":"2025-12-31T23:00:00Z","items":{items}}}}}'
    ).encode()
    landing = land(warehouse, SLEEP, {"ada": [RawDocument(january(1), raw)]})
    assert warehouse.query("SELECT hrv.interval, hrv.items FROM oura.sleep") == [
        (300, [1, 2, None, None, None, None, 2.5, None])
    ]
    assert landing.odd_values == {"hrv.items": 4}
    [stored] = warehouse.documents_of(SLEEP, ["ada"], january(1), january(1))["ada"]
    [points] = flatten(SLEEP, "ada", [stored], first_day=january(1), last_day=january(1))
    values = [value for _, value in points.points["bio.ada.sleep.hrv"]]
    assert (values, points.skipped) == ([1, 2, 2.5], {"no finite number: hrv": 1})


def test_fields_that_nobody_described_are_kept_and_named(warehouse: Warehouse) -> None:
    documents = [
        score(january(1), novel={"secret": 5}, contributors={"deep_sleep": 5, "foo": 1}),
        score(january(2), contributors={"bar": None}),
        score(january(3)),
    ]
    for _ in range(2):  # also when nothing changed
        landing = land(warehouse, DAILY_SLEEP, {"ada": documents})
        assert landing.unknown_fields == ["contributors.bar", "contributors.foo", "novel"]
        assert landing.odd_values == {}
    assert warehouse.query(
        "SELECT document->>'$.novel.secret', contributors.deep_sleep FROM oura.daily_sleep "
        "ORDER BY day LIMIT 1"
    ) == [("5", 5)]


def test_an_unknown_field_of_a_document_that_does_not_land_is_not_reported(
    warehouse: Warehouse,
) -> None:
    landing = land(
        warehouse, DAILY_SLEEP, {"ada": []}, outside={"ada": [score(january(9), novel=1)]}
    )
    assert landing.unknown_fields == []


def test_odd_values_are_null_in_their_column_and_counted(warehouse: Warehouse) -> None:
    contributors = {"deep_sleep": "12", "rem_sleep": 12.0, "latency": [1], "timing": 70}
    documents = [
        score(january(1), 70.5, contributors=contributors),
        score(january(2), 71.0, timestamp="2026-02-30T00:00:00Z"),
        score(january(3), 72, timestamp="soon", contributors=[1]),
    ]
    landing = land(warehouse, DAILY_SLEEP, {"ada": documents})
    assert landing.odd_values == {
        "contributors": 1,
        "contributors.latency": 1,
        "timestamp": 2,
    }
    assert warehouse.query(
        "SELECT score, timestamp, contributors.deep_sleep, contributors.rem_sleep, "
        "contributors.latency, contributors.timing FROM oura.daily_sleep ORDER BY day"
    ) == [
        (70.5, None, 12, 12, None, 70),
        (71, None, None, None, None, None),
        (72, None, None, None, None, None),
    ]
    raws = [document for _, _, document in all_documents(warehouse, DAILY_SLEEP)]
    assert [raw["score"] for raw in raws] == [70.5, 71.0, 72]


@pytest.mark.parametrize(
    ("document_type", "fields", "odd"),
    [
        (DAILY_READINESS, {"score": True}, {"score": 1}),
        (DAILY_READINESS, {"score": -(2**63) - 1}, {}),
        (DAILY_READINESS, {"temperature_deviation": "0.5"}, {}),
        (DAILY_READINESS, {"temperature_deviation": "half"}, {"temperature_deviation": 1}),
        (SLEEP, {"low_battery_alert": 1}, {"low_battery_alert": 1}),
        (SLEEP, {"type": 5}, {"type": 1}),
        (SLEEP, {"bedtime_end": "2026-01-01T07:00:00"}, {"bedtime_end": 1}),
        (SLEEP, {"bedtime_end": 1767251128}, {"bedtime_end": 1}),
        (SLEEP, {"bedtime_end": "2026-01-01"}, {"bedtime_end": 1}),
        (SLEEP, {"hrv": {"interval": 300, "items": [1, "x", True]}}, {"hrv.items": 2}),
        (SLEEP, {"hrv": {"interval": 300, "items": 5}}, {"hrv.items": 1}),
        (SLEEP, {"hrv": {"timestamp": "now"}}, {"hrv.timestamp": 1}),
        (SLEEP, {"hrv": [1, 2]}, {"hrv": 1}),
        (TAG, {"tags": ["a", 5]}, {"tags": 1}),
        (
            REST_MODE_PERIOD,
            {"episodes": [{"timestamp": "x"}, 5]},
            {"episodes": 1, "episodes.timestamp": 1},
        ),
        (SESSION, {"mood": None, "heart_rate": {}, "motion_count": {"items": []}}, {}),
        (SLEEP, {"readiness": {}, "hrv": {"interval": 5, "items": [None]}}, {}),
        (DAILY_READINESS, {"score": 71.0, "timestamp": "2026-01-01T00:00:00"}, {}),
    ],
)
def test_what_is_odd(
    warehouse: Warehouse,
    document_type: DocumentType,
    fields: dict[str, object],
    odd: dict[str, int],
) -> None:
    landing = land(warehouse, document_type, {"ada": [raw_document(january(1), id="x", **fields)]})
    assert (landing.odd_values, landing.unknown_fields) == (odd, [])


def test_an_instant_without_offset_is_utc_where_oura_speaks_utc(warehouse: Warehouse) -> None:
    row = raw_document(january(1), timestamp="2026-01-01T10:00:00", bpm=60, source="awake")
    land(warehouse, HEARTRATE, {"ada": [row]})
    assert warehouse.query('SELECT epoch("timestamp") FROM oura.heartrate') == [(1767261600.0,)]


@pytest.mark.parametrize("raw", [b'{"id":"\xff"}', b'{"id":"a\x1fb"}', b'{"id":"a\x00b"}'])
def test_what_can_be_no_json_is_refused_before_it_is_spooled(
    warehouse: Warehouse, raw: bytes
) -> None:
    """DuckDB 1.5.5 aborts on broken UTF-8, so it must never see any."""
    with pytest.raises(UnusableDocuments) as caught:
        land(warehouse, SLEEP, {"ada": [RawDocument(january(1), raw)]})
    assert caught.value.usernames == ("ada",)
