"""The sandbox's awkward people: what the views say, and what plain Python reads in the documents.

Nothing here shares a line with the views: texts are read by `datetime`, lists are walked.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_SLEEP,
    ENHANCED_TAG,
    SLEEP,
    TAG,
    WORKOUT,
)
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.warehouse.connection import ONE_CORE
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.storing import store_views
from oura_pipeline.warehouse.views.view import View
from oura_pipeline_tests.warehouse.views.sessions import digests
from oura_pipeline_tests.warehouse.views.view_database import Document, ViewDatabase, copied

# Berlin puts its clocks back on 2026-10-25, inside these days; milo flies there and back.
OPTIONS = SandboxOptions(end=date(2026, 10, 28), days=30)
TYPES = (DAILY_ACTIVITY, DAILY_SLEEP, ENHANCED_TAG, SLEEP, TAG, WORKOUT)
PEOPLE = ("runa", "milo", "asha", "sione")  # naps, travels, has gaps, does not finish the night
PHASES = {"1": "deep", "2": "light", "3": "rem", "4": "awake"}

Truth = dict[str, list[Document]]


@pytest.fixture(scope="module")
def told(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ViewDatabase, Any]]:
    """A database with all that the sandbox holds of these people, and the documents themselves."""
    truths: dict[str, Truth] = {}
    with running(OPTIONS) as sandbox:
        for username in PEOPLE:
            truths[username] = {
                document_type.name: [
                    one["document"] for one in sandbox.truth(username, document_type.name)
                ]
                for document_type in TYPES
            }
    with copied(empty_database, tmp_path_factory.mktemp("people")) as database:
        for document_type in TYPES:
            theirs = {username: truth[document_type.name] for username, truth in truths.items()}
            database.land_together(document_type, theirs)
        with database.open() as connection:
            connection.execute(
                "INSERT INTO oura.fetches (username, document_type, day, status) "
                "SELECT unnest($1), name, day::DATE, 'landed' FROM unnest($2) types(name), "
                "generate_series(DATE '2026-09-01', DATE '2026-10-31', INTERVAL 1 DAY) days(day)",
                [PEOPLE, [document_type.name for document_type in TYPES]],
            )
        yield database, truths


def clock(text: str) -> str:
    """What the clock showed."""
    return datetime.fromisoformat(text).replace(tzinfo=None).isoformat()


def instant(text: str, seconds: float = 0) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC) + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def by_day(truth: Truth) -> dict[str, list[Document]]:
    """The sleeps that count, by day: the night first, then the naps as they began."""
    days: dict[str, list[Document]] = defaultdict(list)
    for one in truth["sleep"]:
        if one["type"] in ("long_sleep", "sleep", "late_nap"):
            days[one["day"]].append(one)
    for sleeps in days.values():
        sleeps.sort(key=lambda one: (datetime.fromisoformat(one["bedtime_start"]), one["id"]))
        longs = [one for one in sleeps if one["type"] == "long_sleep"]
        if longs:
            night = max(longs, key=lambda one: one["time_in_bed"])
            sleeps.remove(night)
            sleeps.insert(0, night)
    return days


def night_of(sleeps: list[Document]) -> Document | None:
    return sleeps[0] if sleeps[0]["type"] == "long_sleep" else None


def naps_of(sleeps: list[Document]) -> list[Document]:
    return sleeps[1:] if night_of(sleeps) else sleeps


def is_short(sleep: Document) -> bool:
    return sleep["type"] != "long_sleep" and (sleep["total_sleep_duration"] or 900) < 900


@pytest.mark.parametrize("username", PEOPLE)
def test_nights_are_those_that_the_documents_tell(
    told: tuple[ViewDatabase, Any], username: str
) -> None:
    """The main sleep of every day, when it was on the person's clock, and what it consisted of."""
    database, truths = told
    nights = [night for sleeps in by_day(truths[username]).values() if (night := night_of(sleeps))]
    assert database.query(
        "SELECT day, sleep_id, bedtime_start_local, bedtime_end_local, is_finished, "
        "total_sleep_minutes, awake_minutes, hrv_min_ms, hypnogram_rem_minutes "
        f"FROM oura.nights WHERE username = '{username}' ORDER BY day"
    ) == [
        (
            night["day"],
            night["id"],
            clock(night["bedtime_start"]),
            night["bedtime_end"] and clock(night["bedtime_end"]),
            night["bedtime_end"] is not None,
            _minutes(night["total_sleep_duration"]),
            _minutes(night["awake_time"]),
            min((ms for ms in _items(night["hrv"]) if ms is not None), default=None),
            (night["sleep_phase_30_sec"] or "").count("3") / 2
            if night["sleep_phase_30_sec"]
            else None,
        )
        for night in sorted(nights, key=lambda one: one["day"])
    ]
    assert len(nights) >= 10


def test_runas_naps_are_counted_and_her_second_long_sleep_is_one(
    told: tuple[ViewDatabase, Any],
) -> None:
    """Every sleep that counts is a night or a nap; the summary counts the naps."""
    database, truths = told
    days = sorted(by_day(truths["runa"]).items())
    naps = [(day, n, one) for day, own in days for n, one in enumerate(naps_of(own), start=1)]
    assert database.query(
        "SELECT day, nap, type, sleep_id, bedtime_start_local, total_sleep_minutes "
        "FROM oura.naps WHERE username = 'runa' ORDER BY day, nap"
    ) == [
        (
            *(day, n, one["type"], one["id"], clock(one["bedtime_start"])),
            _minutes(one["total_sleep_duration"]),
        )
        for day, n, one in naps
    ]
    assert {"sleep", "late_nap", "long_sleep"} == {one["type"] for _, _, one in naps}
    assert database.query(
        "SELECT day, nap_count, round(nap_minutes, 6) FROM oura.daily_summary "
        "WHERE username = 'runa' AND nap_count > 0 ORDER BY day"
    ) == [
        (
            day,
            len(own),
            round(sum(nap["total_sleep_duration"] for nap in own) / 60, 6),
        )
        for day, sleeps in days
        if (own := [nap for nap in naps_of(sleeps) if not is_short(nap)])
    ]


def test_siones_unfinished_nights_have_no_end(told: tuple[ViewDatabase, Any]) -> None:
    """There is at least one, and it is not finished."""
    database, truths = told
    unfinished = [one for one in truths["sione"]["sleep"] if one["bedtime_end"] is None]
    assert unfinished
    assert database.query(
        "SELECT sleep_id, bedtime_end, bedtime_end_local FROM oura.nights "
        "WHERE username = 'sione' AND NOT is_finished ORDER BY day"
    ) == [(one["id"], None, None) for one in unfinished]


@pytest.mark.parametrize("username", PEOPLE)
def test_hearts_and_phases_stand_at_their_time(
    told: tuple[ViewDatabase, Any], username: str
) -> None:
    """Every item and every character of every sleep that counts."""
    database, truths = told
    hearts, phases = [], []
    for sleeps in by_day(truths[username]).values():
        for sleep in sleeps:
            part = "short" if is_short(sleep) else "nap"
            part = "night" if sleep is night_of(sleeps) else part
            hearts += [(sleep["id"], part, *row) for row in _hearts(sleep)]
            phases += [(sleep["id"], part, *row) for row in _phases(sleep)]
    of_person = f"WHERE username = '{username}' ORDER BY sleep_id, time"
    assert database.query(
        f"SELECT sleep_id, part, time, time_local, bpm, hrv_ms FROM oura.sleep_heart {of_person}"
    ) == sorted(hearts, key=lambda row: (row[0], row[2]))
    assert database.query(
        f"SELECT sleep_id, part, time, time_local, phase FROM oura.hypnogram {of_person}"
    ) == sorted(phases, key=lambda row: (row[0], row[2]))


@pytest.mark.parametrize("username", ["runa", "milo"])
def test_every_minute_is_there_once_and_the_later_day_wins(
    told: tuple[ViewDatabase, Any], username: str
) -> None:
    """Milo's activity days overlap when he has flown east."""
    database, truths = told
    minutes: dict[str, tuple[str, str, float]] = {}
    for document in sorted(truths[username]["daily_activity"], key=lambda one: one["day"]):
        met = document["met"] or {"items": []}
        for n, value in enumerate(met["items"]):
            if value is not None:
                shown = datetime.fromisoformat(met["timestamp"]) + timedelta(minutes=n)
                row = (document["day"], shown.replace(tzinfo=None).isoformat(), value)
                minutes[instant(met["timestamp"], 60 * n)] = row
    total = sum(len(_items(one["met"])) for one in truths[username]["daily_activity"])
    assert (total > len(minutes)) is (username == "milo")
    assert database.query(
        "SELECT time, day, time_local, met FROM oura.met_1min "
        f"WHERE username = '{username}' ORDER BY time"
    ) == [(time, *row) for time, row in sorted(minutes.items())]


@pytest.mark.parametrize("username", ["runa", "milo"])
def test_the_views_agree_with_what_graphite_is_told(
    told: tuple[ViewDatabase, Any], username: str
) -> None:
    """`long` is made in another way: the same nights, and the same minutes where days overlap."""
    database, _ = told
    points = f"FROM oura.long WHERE username = '{username}' AND series"
    assert database.query(
        f"SELECT time, met FROM oura.met_1min WHERE username = '{username}' ORDER BY 1"
    ) == (database.query(f"SELECT time, value {points} = 'activity' AND metric = 'met' ORDER BY 1"))
    assert database.query(
        "SELECT day, hrv_average_ms::DOUBLE FROM oura.nights "
        f"WHERE username = '{username}' AND hrv_average_ms IS NOT NULL ORDER BY 1"
    ) == database.query(
        f"SELECT day, value {points} = 'sleep' AND metric = 'average_hrv' ORDER BY 1"
    )


@pytest.mark.parametrize("username", PEOPLE)
def test_what_a_day_counts_is_what_there_is(told: tuple[ViewDatabase, Any], username: str) -> None:
    """Workouts with their minutes, and tags of both kinds."""
    database, truths = told
    truth = truths[username]
    workouts: dict[str, list[float]] = defaultdict(list)
    for one in truth["workout"]:
        start, end = (datetime.fromisoformat(one[f"{edge}_datetime"]) for edge in ("start", "end"))
        workouts[one["day"]].append((end - start).total_seconds() / 60)
    tags: dict[str, int] = defaultdict(int)
    for one in truth["enhanced_tag"]:
        tags[one["start_day"]] += 1
    for one in truth["tag"]:
        tags[one["day"]] += max(1, len(one["tags"] or []))
    rows = database.query(
        "SELECT day, workout_count, round(workout_minutes, 6), tag_count FROM oura.daily_summary "
        f"WHERE username = '{username}' AND (workout_count > 0 OR tag_count > 0) ORDER BY day"
    )
    assert rows == [
        (day, len(workouts[day]), round(sum(workouts[day]), 6), tags[day])
        for day in sorted({*workouts, *tags})
    ]


def _items(series: Document | None) -> list[Any]:
    return series["items"] if series else []


def _minutes(seconds: int | None) -> float | None:
    return None if seconds is None else seconds / 60


def _hearts(sleep: Document) -> Iterator[tuple[Any, ...]]:
    rates, variability = _items(sleep["heart_rate"]), _items(sleep["hrv"])
    if not rates and not variability:
        return
    begin = sleep["heart_rate"]["timestamp"]
    assert sleep["hrv"]["timestamp"] == begin
    for n, (bpm, ms) in enumerate(zip(rates, variability, strict=True)):
        if bpm is not None or ms is not None:
            shown = datetime.fromisoformat(begin) + timedelta(seconds=300 * n)
            yield instant(begin, 300 * n), shown.replace(tzinfo=None).isoformat(), bpm, ms


def _phases(sleep: Document) -> Iterator[tuple[Any, ...]]:
    begin = sleep["bedtime_start"]
    for n, letter in enumerate(sleep["sleep_phase_30_sec"] or ""):
        shown = datetime.fromisoformat(begin) + timedelta(seconds=30 * n)
        yield instant(begin, 30 * n), shown.replace(tzinfo=None).isoformat(), PHASES[letter]


def test_a_table_of_a_copy_has_the_rows_and_comments_of_its_view(
    told: tuple[ViewDatabase, Any], tmp_path: Path
) -> None:
    """Also of views that find tables where there were views, computed for a person at a time."""
    copy = told[0].warehouse.publish(tmp_path / "analytics.duckdb").path
    stored = {view.name for view in VIEWS if view.stored}
    names = [view.name for view in VIEWS if view.name in stored or stored & used(view)]
    before, described = digests(copy, names), comments(copy)
    copy.chmod(0o600)
    with duckdb.connect(copy, config=ONE_CORE) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        store_views(connection, people=1)
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert stored <= {name for (name,) in tables}
    assert all(before[name][0] > 0 for name in stored)
    assert digests(copy, names) == before
    assert comments(copy) == described


def used(view: View) -> set[str]:
    """The tables and views that a view asks."""
    return set(re.findall(r"oura\.(\w+)", view.sql))


def test_a_view_that_cannot_be_computed_stays_one(
    empty_database: ViewDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = shutil.copy(empty_database.warehouse.path, tmp_path)
    with duckdb.connect(copy, config=ONE_CORE) as connection:
        connection.execute("DROP TABLE oura.daily_spo2")
        store_views(connection)
        views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        left = {name for (name,) in views.fetchall()} & {v.name for v in VIEWS if v.stored}
    assert left == {"daily_summary", "weekly"}
    assert "daily_summary is not stored in the copy: CatalogException" in caplog.messages


def comments(copy: Path) -> list[tuple[str, str, str]]:
    with duckdb.connect(copy, read_only=True) as connection:
        return connection.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() UNION ALL "
            "SELECT view_name, '', comment FROM duckdb_views() WHERE NOT internal UNION ALL "
            "SELECT table_name, '', comment FROM duckdb_tables() ORDER BY ALL"
        ).fetchall()
