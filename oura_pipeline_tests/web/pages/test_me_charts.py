"""What the published copy tells of a person, from documents that were landed and published."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    DAILY_SLEEP,
    SLEEP,
    DocumentType,
)
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline.web.charts.night import HeartSample, Nap, Night, PhaseSpan, night_chart
from oura_pipeline.web.charts.trend import METRICS, Reading, Trend
from oura_pipeline.web.pages.me_charts import PageData, page_data
from oura_pipeline_tests.warehouse.documents import NOON, RawDocument, raw_document, score

DAY = date(2026, 3, 30)  # in the night to the day before, clocks went forward in Europe


def sleep(day: date, began: str, ended: str | None, /, **fields: Any) -> RawDocument:
    """A sleep of a day, with the least that Oura says of one."""
    name = f"sleep-{began}"
    times = {"bedtime_start": began, "bedtime_end": ended, "time_in_bed": 600}
    return raw_document(day, **{"id": name, "day": str(day), "type": "long_sleep"} | times | fields)


def series(began: str, *items: float | None) -> dict[str, Any]:
    return {"interval": 300.0, "items": list(items), "timestamp": began}


BEGAN = "2026-03-29T23:00:00+02:00"
NIGHT = sleep(
    DAY,
    BEGAN,
    "2026-03-29T23:10:00+02:00",
    total_sleep_duration=480,
    awake_time=120,
    rem_sleep_duration=0,
    light_sleep_duration=300,
    deep_sleep_duration=180,
    lowest_heart_rate=47,
    average_heart_rate=52.5,
    average_hrv=48,
    heart_rate=series(BEGAN, 60, None),
    hrv=series("2026-03-29T22:50:00+02:00", 33, None, None),  # begins before the night does
    sleep_phase_30_sec="44442222222222111111",
)
NAP = "2026-03-30T13:05:00+02:00"
SLEEPS = {
    "ada": [
        NIGHT,
        sleep(DAY, NAP, "2026-03-30T13:45:00+02:00", type="late_nap", total_sleep_duration=2400),
        # Seven hours by the clocks, six of them slept through: the clocks went forward.
        sleep(DAY - timedelta(days=1), "2026-03-28T23:00:00+01:00", "2026-03-29T06:00:00+02:00"),
        # Somebody who travels; five-minute phases only, the last of which nobody knows.
        sleep(
            DAY - timedelta(days=40),
            "2026-02-17T22:00:00-09:30",
            None,
            sleep_phase_5_min="42x",
        ),
        sleep(DAY - timedelta(days=41), "2026-02-16T22:00:00-09:30", "2026-02-17T06:00:00-09:30"),
    ],
    "koa": [sleep(DAY, "2026-03-30T00:00:00+05:30", None, average_hrv=99, lowest_heart_rate=99)],
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse of ada, koa and milo."""
    made_up = Warehouse(tmp_path_factory.mktemp("home") / "warehouse.duckdb", timeout=20)
    land(made_up, SLEEP, SLEEPS)
    scores = {
        "ada": [score(DAY - timedelta(days=back), 60 + back % 7 * 3) for back in range(0, 80, 3)],
        "koa": [score(DAY, 99)],
        "milo": [score(DAY, None)],
    }
    land(made_up, DAILY_SLEEP, scores)
    land(made_up, DAILY_READINESS, {"ada": [score(DAY, 71)]})
    land(made_up, DAILY_ACTIVITY, {"ada": [raw_document(DAY, **activity(DAY))]})
    return made_up


def land(
    warehouse: Warehouse, document_type: DocumentType, asked: Mapping[str, Sequence[RawDocument]]
) -> None:
    """Let these be the documents of the 90 days up to the last one."""
    with warehouse.spool(document_type) as spool:
        for username, documents in asked.items():
            spool.add(username, documents, True)
        warehouse.land(
            document_type,
            spool,
            usernames=list(asked),
            first_day=DAY - timedelta(days=90),
            last_day=DAY,
            fetched_at=NOON,
            run_id="run",
        )


def activity(day: date) -> Mapping[str, Any]:
    return {"id": f"a-{day}", "day": str(day), "timestamp": f"{day}T04:00:00+02:00", "score": 0}


@pytest.fixture(scope="module")
def copy(warehouse: Warehouse) -> Path:
    """What was published of it."""
    return published(warehouse, warehouse.path.with_name("analytics.duckdb"))


def published(warehouse: Warehouse, target: Path) -> Path:
    warehouse.publish(target)
    return target


def test_the_newest_nights_are_read_as_published(copy: Path) -> None:
    """Intervals become stretches, items with nulls stay as they are, naps go with their day."""
    first, second, third = page_data(copy, "ada", DAY).nights
    assert first == Night(
        day=DAY,
        bedtime=datetime(2026, 3, 29, 23, 0),
        wake_time=datetime(2026, 3, 29, 23, 10),
        seconds=600,
        utc_offset=120,
        asleep=8,
        in_bed=10,
        minutes={"awake": 2, "rem": 0, "light": 5, "deep": 3},
        lowest_bpm=47,
        average_bpm=52.5,
        hrv=48,
        phases=[
            PhaseSpan(0, 120, "awake"),
            PhaseSpan(120, 420, "light"),
            PhaseSpan(420, 600, "deep"),
        ],
        heart=[HeartSample(0, 300, 60, None)],
        naps=[Nap(datetime(2026, 3, 30, 13, 5), 40)],
    )
    assert (second.times, second.seconds) == ("In bed from 23:00 to 06:00 (UTC+01:00).", 6 * 3600)
    assert night_chart("bare", second) is None
    assert third.times == "In bed since 22:00 (UTC−09:30). This night has not ended yet."
    assert third.phases == [PhaseSpan(0, 300, "awake"), PhaseSpan(300, 600, "light")]


def test_trends_are_what_the_view_says(copy: Path) -> None:
    """The same values and means as `baselines`, which reads the whole history for them."""
    sleep_score, readiness, active, hrv, resting = page_data(copy, "ada", DAY).trends
    assert [readiness, active, hrv, resting] == [
        Trend(metric, DAY, [Reading(DAY, value, None, None)])
        for metric, value in zip(METRICS[1:], (71, 0, 48, 47), strict=True)
    ]
    query = (
        "SELECT day, value, mean_7d, mean_28d FROM oura.baselines "
        "WHERE username = 'ada' AND metric = 'sleep_score' ORDER BY day"
    )
    with duckdb.connect(str(copy), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    assert sleep_score == Trend(METRICS[0], DAY, [Reading(*row) for row in rows])
    assert len(rows) == 27


def test_the_means_of_the_first_days_know_the_days_before(copy: Path) -> None:
    """A picture that begins later has the same numbers."""
    everything = page_data(copy, "ada", DAY).trends[0].readings
    later = page_data(copy, "ada", DAY + timedelta(days=30)).trends[0].readings
    assert later == [row for row in everything if row.day > DAY - timedelta(days=60)]


def test_nobody_sees_anybody_else(copy: Path) -> None:
    """Koa has one night that has not ended; nothing of theirs is in ada's and the other way."""
    koa = page_data(copy, "koa", DAY)
    assert [(one.hrv, one.phases, one.heart, one.naps) for one in koa.nights] == [(99, [], [], [])]
    assert [(trend.metric.name, trend.last.value) for trend in koa.trends] == [
        ("sleep_score", 99),
        ("hrv_average_ms", 99),
        ("resting_heart_rate_bpm", 99),
    ]
    ada = page_data(copy, "ada", DAY)
    assert 99 not in [row.value for trend in ada.trends for row in trend.readings]
    assert 99 not in [night.hrv for night in ada.nights]


def test_an_unknown_person_has_no_data(copy: Path) -> None:
    """Nulls only, unknown, or a name that would like to be SQL."""
    for username in ("milo", "nobody", "' OR '1'='1"):
        known = page_data(copy, username, DAY)
        assert (known.profile, known.nights, known.trends) == ([], [], [])


def test_infinite_numbers_are_not_drawn(warehouse: Warehouse, tmp_path: Path) -> None:
    """JSON can hold 1e999, which no column can."""
    day = DAY - timedelta(days=10)
    endless = sleep(day, BEGAN, None, average_heart_rate=1, heart_rate=series(BEGAN, 1, 50))
    raw = endless.raw.replace(b"[1, 50]", b"[1e999, 50]").replace(b'te": 1,', b'te": 1e999,')
    land(warehouse, SLEEP, {"sol": [RawDocument(day, raw)]})
    land(
        warehouse,
        DAILY_SLEEP,
        {"sol": [RawDocument(day, score(day, 1).raw.replace(b" 1}", b" 1e999}"))]},
    )
    known = page_data(published(warehouse, tmp_path / "endless.duckdb"), "sol", DAY)
    assert [night.average_bpm for night in known.nights] == [None]
    assert [night.heart for night in known.nights] == [[HeartSample(300, 300, 50, None)]]
    assert known.trends == []


def test_without_a_copy_there_is_nothing(tmp_path: Path) -> None:
    """Not published yet; or what lies there is no database."""
    assert page_data(tmp_path / "analytics.duckdb", "ada", DAY) == PageData()
    (tmp_path / "analytics.duckdb").write_bytes(b"no database")
    assert page_data(tmp_path / "analytics.duckdb", "ada", DAY) == PageData()


def test_an_older_copy_gives_what_it_has(warehouse: Warehouse, tmp_path: Path) -> None:
    """Without views, and with views that lack a column; it is said when it was written."""
    old = published(warehouse, tmp_path / "old.duckdb")
    with duckdb.connect(str(old)) as connection:
        connection.execute("DROP VIEW oura.baselines; DROP VIEW oura.daily_records")
        connection.execute("DROP VIEW oura.daily_summary; DROP VIEW oura.nights")
        connection.execute("DROP TABLE oura.brought")
    hour_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    os.utime(old, (hour_ago.timestamp(), hour_ago.timestamp()))
    assert page_data(old, "ada", DAY) == PageData(published_at=hour_ago, profile=[])
    with duckdb.connect(str(old)) as connection:
        connection.execute("CREATE VIEW oura.nights AS SELECT username, day FROM oura.sleep")
    assert page_data(old, "ada", DAY).nights == ()


def test_a_new_copy_is_seen_while_the_old_one_is_open(warehouse: Warehouse, tmp_path: Path) -> None:
    """Whoever else reads the old one in this process at the moment."""
    target = tmp_path / "analytics.duckdb"
    target.write_bytes(published(warehouse, tmp_path / "one.duckdb").read_bytes())
    newer = published(warehouse, tmp_path / "two.duckdb")
    with duckdb.connect(str(newer)) as connection:
        connection.execute("DELETE FROM oura.sleep")
    with duckdb.connect(str(target), read_only=True) as old:
        old.execute("SELECT count(*) FROM oura.sleep").fetchone()
        assert days(page_data(target, "ada", DAY).nights) != []
        newer.replace(target)
        assert days(page_data(target, "ada", DAY).nights) == []


def days(nights: Sequence[Night]) -> list[date]:
    return [night.day for night in nights]
