"""What a notebook gets: the newest copy, frames with honest types, figures of one's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from oura_pipeline.analysis.frames import (
    AnalysisError,
    columns_of,
    connect,
    load,
    plot_night,
    plot_trend,
)
from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, SLEEP
from oura_pipeline.warehouse.publishing import swap_in
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, create_empty_database

SHORT = ["username", "day", "bedtime_start", "bedtime_start_local", "is_finished"]


def night(day: str, start: str, **fields: Any) -> dict[str, Any]:
    """A long sleep that begins at an hour of the evening before, in Kathmandu."""
    begins = f"2026-01-{start}:00+05:45"
    series = {"interval": 300.0, "timestamp": f"2026-01-{start}:00.000+05:45"}
    items = {name: {**series, "items": fields.pop(name, [])} for name in ("heart_rate", "hrv")}
    return {
        "id": f"n-{day}",
        "day": f"2026-01-{day}",
        "bedtime_start": begins,
        "type": "long_sleep",
        **items,
        **fields,
    }


ADAS = [
    night("12", "11T23:30", average_hrv=None, lowest_heart_rate=51),
    night("10", "09T23:00", average_hrv=41, lowest_heart_rate=47, total_sleep_duration=27030),
    night(
        "14",
        "13T22:00",
        bedtime_end="2026-01-13T22:30:00+05:45",
        total_sleep_duration=1200,
        lowest_heart_rate=44,
        average_hrv=60,
        heart_rate=[50, 48, None, 44, 46],
        hrv=[None, 61.5, None, 70, 55],
        sleep_phase_5_min="421334",
    ),
]


NAP = night("15", "14T13:00", heart_rate=[90, 91], hrv=[20, 21], sleep_phase_5_min="44") | {
    "day": "2026-01-14",
    "type": "late_nap",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose published copy has three nights of ada, and one of bob."""
    folder = tmp_path_factory.mktemp("analysis")
    create_empty_database(folder / "warehouse.duckdb")
    database = ViewDatabase(folder / "warehouse.duckdb")
    database.land(SLEEP, [*ADAS, NAP])
    database.land(SLEEP, [night("11", "10T23:45")], username="bob")
    database.land(DAILY_ACTIVITY, [], username="eve")
    database.fill("fetches", [{"username": "eve", "document_type": "sleep", "day": "2026-01-10"}])
    database.warehouse.publish(folder / "analytics.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURA_PIPELINE_HOME", str(folder))
        yield folder


def copy_that_says(said: int, path: Path) -> Path:
    """A published copy with one table and a view of it."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE SCHEMA oura; CREATE TABLE oura.told AS SELECT {said} AS said; "
            "CREATE VIEW oura.heard AS SELECT said FROM oura.told"
        )
    return path


def said_by(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    return connection.execute("SELECT said FROM heard").fetchall()


def refused(name: str = "nights", **asked: Any) -> str:
    """The line with which `load` refuses."""
    with pytest.raises(AnalysisError) as caught:
        load(name, **asked)
    [line] = str(caught.value).splitlines()
    return line


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))


def test_each_connection_is_to_the_newest_copy(tmp_path: Path) -> None:
    """Who is connected keeps the old copy; who connects meanwhile, in this process, has the new."""
    copy = copy_that_says(1, tmp_path / "analytics.duckdb")
    with closing(connect(copy)) as first, closing(connect(copy)) as second:
        swap_in(copy_that_says(2, tmp_path / "later.duckdb"), copy)
        with closing(connect(copy)) as third:
            assert [said_by(first), said_by(second), said_by(third)] == [[(1,)], [(1,)], [(2,)]]
        assert said_by(first) == [(1,)]


def test_a_view_is_there_with_and_without_its_schema_and_days_are_in_utc(home: Path) -> None:
    """`nights` and `oura.nights` are the same; what is shown is in UTC."""
    with closing(connect()) as connection:
        told = connection.execute(
            "SELECT (SELECT count(*) FROM nights), (SELECT count(*) FROM oura.nights), "
            "(SELECT min(bedtime_start)::VARCHAR FROM nights)"
        ).fetchall()
    assert told == [(4, 4, "2026-01-09 17:15:00+00")]


@pytest.mark.parametrize(
    "sql", ["DELETE FROM sleep", "CREATE TABLE mine AS SELECT 1", "DROP VIEW nights"]
)
def test_nothing_can_be_written_to_it(sql: str, home: Path) -> None:
    """The copy is for reading; the next publishing would take the change away anyhow."""
    with closing(connect()) as connection, pytest.raises(duckdb.Error, match="read-only mode"):
        connection.execute(sql)


def test_a_large_answer_fits_between_duckdb_and_whoever_asks(home: Path) -> None:
    """With the usual megabyte a union of many parts can wait for itself for ever."""
    with closing(connect()) as connection:
        row = connection.execute("SELECT current_setting('streaming_buffer_size')").fetchone()
    assert row == ("931.3 GiB",)


def test_without_a_copy_the_first_thing_to_do_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made, least of all an empty copy."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    with pytest.raises(AnalysisError) as caught:
        connect()
    copy = tmp_path / "analytics.duckdb"
    assert str(caught.value) == f"there is no {copy} yet: `oura-pipeline sync` publishes it"
    assert not copy.exists()


def test_what_is_no_copy_is_refused_in_one_line(tmp_path: Path) -> None:
    """A file of something else, or an empty database."""
    other = tmp_path / "other.duckdb"
    other.write_text("no database at all", encoding="utf-8")
    with pytest.raises(AnalysisError, match=r"^\S+other.duckdb cannot be read by DuckDB .+$"):
        connect(other)
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(AnalysisError, match=r"^\S+empty.duckdb cannot be read by DuckDB .+$"):
        connect(tmp_path / "empty.duckdb")


def test_a_frame_has_person_day_and_time_in_order_and_their_types(home: Path) -> None:
    """Instants are in UTC, what the clock showed is naive, truth is boolean."""
    frame = load("nights", columns=SHORT)
    utc, local = (lambda text: pd.Timestamp(text, tz="UTC")), pd.Timestamp
    assert rows(frame) == [
        ("ada", local("2026-01-10"), utc("2026-01-09 17:15"), local("2026-01-09 23:00"), False),
        ("ada", local("2026-01-12"), utc("2026-01-11 17:45"), local("2026-01-11 23:30"), False),
        ("ada", local("2026-01-14"), utc("2026-01-13 16:15"), local("2026-01-13 22:00"), True),
        ("bob", local("2026-01-11"), utc("2026-01-10 18:00"), local("2026-01-10 23:45"), False),
    ]
    assert [str(dtype) for dtype in frame.dtypes] == [
        "str",
        "datetime64[us]",
        "datetime64[us, UTC]",
        "datetime64[us]",
        "boolean",
    ]


def test_what_is_missing_is_missing_and_whole_numbers_stay_whole(home: Path) -> None:
    """Not 0, not 41.0, not the text None."""
    numbers = ["hrv_average_ms", "total_sleep_minutes", "sleep_algorithm_version", "bedtime_end"]
    frame = load("nights", username="ada", columns=numbers)
    assert [str(dtype) for dtype in frame.dtypes] == [
        "Int64",
        "float64",
        "str",
        "datetime64[us, UTC]",
    ]
    assert frame["hrv_average_ms"].tolist() == [41, pd.NA, 60]
    assert frame["total_sleep_minutes"].tolist()[::2] == [450.5, 20.0]
    assert frame.isna().to_numpy().tolist() == [
        [False, False, True, True],
        [True, True, True, True],
        [False, False, True, False],
    ]


def test_without_rows_the_types_stay(home: Path) -> None:
    """What follows in a notebook works on a day without data too."""
    full, empty = load("nights"), load("nights", start="2031-01-01")
    assert (len(empty), empty.dtypes.to_dict()) == (0, full.dtypes.to_dict())


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ({"username": "ada"}, ["10", "12", "14"]),
        ({"username": ["bob", "ada"]}, ["10", "12", "14", "11"]),
        ({"username": []}, []),
        ({"username": "eve"}, []),
        ({"start": "2026-01-11", "end": "2026-01-12"}, ["12", "11"]),
        ({"start": date(2026, 1, 12)}, ["12", "14"]),
        ({"end": pd.Timestamp("2026-01-11 08:00")}, ["10", "11"]),
        ({"start": datetime(2026, 1, 12, 9), "end": "2026-01-12"}, ["12"]),
    ],
)
def test_people_and_days_are_chosen_the_last_day_included(
    asked: dict[str, Any], days: list[str], home: Path
) -> None:
    """One person, several, nobody; who has nothing gives nothing; a time counts as its day."""
    assert [f"{day:%d}" for day in load("nights", **asked)["day"]] == days


def test_columns_are_those_that_were_asked_for_in_their_order(home: Path) -> None:
    """And the order of the rows does not depend on them."""
    frame = load("nights", columns=["lowest_heart_rate_bpm", "day"], username="ada")
    assert list(frame) == ["lowest_heart_rate_bpm", "day"]
    assert frame["lowest_heart_rate_bpm"].tolist() == [47, 51, 44]


def test_tables_are_loaded_as_well_as_views(home: Path) -> None:
    """Structures and lists are objects, the document is a text."""
    frame = load("sleep", username="ada", start="2026-01-14", columns=["hrv", "document"])
    (series, document), _ = rows(frame)
    assert series["items"] == [None, 61.5, None, 70.0, 55.0]
    assert document.startswith('{"id": "n-14"')
    assert [str(dtype) for dtype in frame.dtypes] == ["object", "str"]


def test_a_wrong_name_is_told_what_there_is(home: Path) -> None:
    """For views, columns and people; a person is known if any table has heard of them."""
    assert refused("nigths").startswith("the published copy has no 'nigths'; it has baselines, ")
    assert refused("offsets", columns=["when"]) == (
        "offsets has no column 'when'; it has username, since, utc_offset_seconds"
    )
    assert refused(username="adda") == (
        "the published copy knows no 'adda'; it knows ada, bob, eve"
    )
    assert refused(username=["ada", "adda"]) == refused(username="adda")


def test_what_cannot_be_asked_is_refused(home: Path) -> None:
    """Days that are none, that are the wrong way round, or of what has no days; no columns."""
    assert refused(start="10.1.2026") == "the start is a date or YYYY-MM-DD, not '10.1.2026'"
    assert refused(end=20260110) == "the end is a date or YYYY-MM-DD, not 20260110"
    assert refused(start="2026-01-11", end="2026-01-10") == (
        "the start, 2026-01-11, is after the end, 2026-01-10: swap them"
    )
    assert refused("readme", start="2026-01-11") == (
        "readme has no column 'day'; it has table_name, description"
    )
    assert refused(columns=[]) == (
        "no column is asked for: name some, or leave `columns` out for all"
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ('nights" WHERE false; --', {}),
        ("nights, oura.sleep", {}),
        ("nights", {"username": "ada' OR 'a' = 'a"}),
        ("nights", {"columns": ['day" FROM oura.sleep; --']}),
    ],
)
def test_a_name_is_a_name_and_never_sql(name: str, asked: dict[str, Any], home: Path) -> None:
    """Whatever stands in it."""
    assert "; it " in refused(name, **asked)


def test_columns_say_what_they_mean(home: Path) -> None:
    """Name, type and comment, from the copy itself."""
    frame = columns_of("nights")
    assert list(frame) == ["column", "type", "comment"]
    assert frame["column"].tolist()[:2] == ["username", "day"]
    assert frame["type"].tolist()[:2] == ["VARCHAR", "DATE"]
    assert not frame["comment"].isna().any()


def test_a_night_is_drawn_on_the_persons_own_clock(home: Path) -> None:
    """Phases, heart rate, HRV; units at the axes; what was not measured interrupts the line."""
    figure = plot_night("ada")
    phases, heart, hrv = figure.axes
    assert phases.get_title(loc="left") == "ada, night to Wednesday 14 January 2026\n"
    assert [text.get_text() for text in phases.texts] == [
        "in bed from 22:00 to 22:30, asleep 0 h 20 min, lowest heart rate 44 bpm, average HRV 60 ms"
    ]
    assert [heart.get_ylabel(), hrv.get_ylabel()] == ["heart rate\nbpm", "HRV (RMSSD)\nms"]
    assert hrv.get_xlabel() == "ada's clock, UTC+05:45"
    assert line(hrv) == [
        ("22:00", None),
        ("22:05", 61.5),
        ("22:15", None),
        ("22:15", 70.0),
        ("22:20", 55.0),
    ]
    assert line(heart)[2:4] == [("22:15", None), ("22:15", 44.0)]


def test_a_night_in_which_the_clocks_change_is_drawn_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From going to bed to getting up, on one clock: put back, it would end an hour early."""
    create_empty_database(tmp_path / "warehouse.duckdb")
    database = ViewDatabase(tmp_path / "warehouse.duckdb")
    times = {
        "bedtime_start": "2026-10-25T01:00:00+02:00",
        "bedtime_end": "2026-10-25T04:00:00+01:00",
    }
    database.land(SLEEP, [night("25", "25T01:00") | {"day": "2026-10-25", **times}])
    database.warehouse.publish(tmp_path / "analytics.duckdb")
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    phases, *_ = plot_night("ada").axes
    assert [f"{num2date(end):%H:%M}" for end in phases.get_xlim()] == ["01:00", "05:00"]
    assert [text.get_text() for text in phases.texts] == ["in bed from 01:00 to 04:00"]


def test_a_night_without_an_offset_is_drawn_without_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the person's clock showed is unknown then; that there was a night is not."""
    create_empty_database(tmp_path / "warehouse.duckdb")
    database = ViewDatabase(tmp_path / "warehouse.duckdb")
    database.land(SLEEP, [night("25", "24T22:00") | {"bedtime_start": "2026-01-24T22:00:00"}])
    database.warehouse.publish(tmp_path / "analytics.duckdb")
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    figure = plot_night("ada")
    figure.canvas.draw()
    assert figure.axes[2].get_xlabel() == "ada's clock, offset unknown"


def line(axes: Any) -> list[tuple[str, float | None]]:
    """The points of a line, at the times of the clock."""
    times, values = axes.lines[0].get_data(orig=True)
    return [
        (f"{pd.Timestamp(time):%H:%M}", None if np.isnan(value) else float(value))
        for time, value in zip(times, values, strict=True)
    ]


def test_a_phase_is_told_by_its_height_and_by_a_colour_that_everybody_tells_apart(
    home: Path,
) -> None:
    """Awake is on top, deep at the bottom; a bar lasts as long as the phase."""
    axes = plot_night("ada", "2026-01-14").axes[0]
    bars = [bar for container in axes.containers for bar in container]
    drawn = [(bar.get_y() + bar.get_height() / 2, to_hex(bar.get_facecolor())) for bar in bars]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "deep",
        "light",
        "REM",
        "awake",
    ]
    assert drawn == [
        (0, "#0b2f52"),
        (1, "#0072b2"),
        (2, "#56b4e9"),
        (2, "#56b4e9"),
        (3, "#e69f00"),
        (3, "#e69f00"),
    ]
    assert [round(bar.get_width() * 24 * 60, 6) for bar in bars] == [5] * 6


def test_a_night_without_anything_inside_is_drawn_empty_and_a_night_that_is_none_refused(
    home: Path,
) -> None:
    """Absence is drawn; to draw nothing at all would hide a mistake."""
    figure = plot_night("ada", "2026-01-12")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "in bed from 23:30, lowest heart rate 51 bpm"
    ]
    figure.canvas.draw()
    begin, end = figure.axes[2].get_xlim()
    assert round((end - begin) * 24, 6) == 1  # hours: it has not ended
    with pytest.raises(AnalysisError) as caught:
        plot_night("ada", "2026-01-13")
    assert str(caught.value) == "ada has no night to 2026-01-13; `nights` has those there are"


def test_a_trend_has_gaps_where_there_are_no_values(home: Path) -> None:
    """The days between are there, without a value and without a mean."""
    figure = plot_trend("resting_heart_rate_bpm", username="ada", end="2026-01-15")
    [axes] = figure.axes
    lines = {one.get_label(): one.get_ydata().tolist() for one in axes.lines}
    nan = pytest.approx(np.nan, nan_ok=True)
    assert lines == {
        "mean of 28 days": [47, nan, 49, nan, pytest.approx(142 / 3), nan],
        "mean of 7 days": [47, nan, 49, nan, pytest.approx(142 / 3), nan],
        "day": [47, nan, 51, nan, 44, nan],
    }
    assert axes.get_title(loc="left") == "ada, resting heart rate\n"
    assert axes.get_ylabel() == "bpm"
    assert [text.get_text() for text in axes.texts] == [
        "10 January 2026 to 15 January 2026, 3 of 6 days have a value"
    ]


def test_the_band_is_a_deviation_to_both_sides_of_the_mean(home: Path) -> None:
    """Of 47 and 51 the mean is 49 and the sample's deviation is the root of 8."""
    [axes] = plot_trend("resting_heart_rate_bpm", username="ada", end="2026-01-12").axes
    [band] = axes.collections
    corners = {round(float(y), 3) for path in band.get_paths() for y in path.vertices[:, 1]}
    assert corners == {round(49 - 8**0.5, 3), round(49 + 8**0.5, 3)}


def test_a_trend_without_values_is_drawn_and_one_without_meaning_refused(home: Path) -> None:
    """A person may not have it; a metric that nobody has is a typing error."""
    figure = plot_trend("vo2_max", username="eve", start="2026-01-01", end="2026-01-31")
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["no day has a value"]
    plot_trend("vo2_max", username="eve").canvas.draw()
    for metric in ("steps_per_day", "username", "stress_summary"):
        with pytest.raises(AnalysisError, match=rf"^there is no metric '{metric}'; there are "):
            plot_trend(metric, username="ada")


def in_a_process(code: str) -> str:
    """What Python prints when it runs this."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_nothing_is_imported_before_it_is_needed(home: Path) -> None:
    """Neither Dagster nor pandas nor matplotlib to connect; never pyplot, which keeps figures."""
    code = (
        "import sys; from oura_pipeline import analysis as a; a.connect()\n"
        "names = ('dagster', 'pandas', 'matplotlib')\n"
        "print([name for name in names if name in sys.modules])\n"
        "a.load('nights'); print([name for name in names if name in sys.modules])\n"
        "a.plot_night('ada'); print([name for name in (*names, 'matplotlib.pyplot')"
        " if name in sys.modules])"
    )
    assert in_a_process(code).splitlines() == ["[]", "['pandas']", "['pandas', 'matplotlib']"]


def test_without_matplotlib_it_is_said_how_to_get_it(home: Path) -> None:
    """Everything else works without."""
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from oura_pipeline.analysis.frames import *\n"
        "print(len(load('nights')))\n"
        "try: plot_night('ada')\n"
        "except AnalysisError as error: print(error)"
    )
    assert in_a_process(code).splitlines() == [
        "4",
        "drawing needs matplotlib: pip install 'oura_pipeline[analysis]'",
    ]
