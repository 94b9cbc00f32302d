"""Connections to the newest published copy, and frames from it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from oura_pipeline.analysis import AnalysisError, columns_of, connect, load
from oura_pipeline.warehouse.publishing import swap_in

if TYPE_CHECKING:
    import pandas as pd

SHORT = ["username", "day", "bedtime_start", "bedtime_start_local", "is_finished"]


def copy_with_number(number: int, path: Path) -> Path:
    """A published copy with one table and a view of it."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE SCHEMA oura; CREATE TABLE oura.numbers AS SELECT {number} AS number; "
            "CREATE VIEW oura.viewed AS SELECT number FROM oura.numbers"
        )
    return path


def number_in(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    return connection.execute("SELECT number FROM viewed").fetchall()


def refused(name: str = "nights", **asked: Any) -> str:
    """The line with which `load` refuses."""
    with pytest.raises(AnalysisError) as caught:
        load(name, **asked)
    [line] = str(caught.value).splitlines()
    return line


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))


def test_an_analyst_has_all_cores(tmp_path: Path) -> None:
    """As DuckDB itself would take them, however few a landing needs."""
    copy = copy_with_number(1, tmp_path / "analytics.duckdb")
    cores = "SELECT current_setting('threads')"
    with closing(connect(copy)) as ours, duckdb.connect() as plain:
        assert ours.execute(cores).fetchall() == plain.execute(cores).fetchall()


def test_each_connection_is_to_the_newest_copy(tmp_path: Path) -> None:
    """Who is connected keeps the old copy; who connects meanwhile, in this process, has the new."""
    copy = copy_with_number(1, tmp_path / "analytics.duckdb")
    with closing(connect(copy)) as first, closing(connect(copy)) as second:
        swap_in(copy_with_number(2, tmp_path / "later.duckdb"), copy)
        with closing(connect(copy)) as third:
            assert [number_in(first), number_in(second), number_in(third)] == [
                [(1,)],
                [(1,)],
                [(2,)],
            ]
        assert number_in(first) == [(1,)]


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
    import pandas as pd

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


def test_what_is_missing_is_missing(home: Path) -> None:
    """Not 0, not the text None; what Oura calls an integer may have decimals."""
    numbers = ["hrv_average_ms", "total_sleep_minutes", "sleep_algorithm_version", "bedtime_end"]
    frame = load("nights", username="ada", columns=numbers)
    assert [str(dtype) for dtype in frame.dtypes] == [
        "float64",
        "float64",
        "str",
        "datetime64[us, UTC]",
    ]
    assert frame["hrv_average_ms"].tolist()[::2] == [41, 60]
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
        ({"start": datetime(2026, 1, 12, 9), "end": "2026-01-12"}, ["12"]),
    ],
)
def test_people_and_days_are_chosen_the_last_day_included(
    asked: dict[str, Any], days: list[str], home: Path
) -> None:
    """One person, several, nobody; who has nothing gives nothing; a time counts as its day."""
    assert [f"{day:%d}" for day in load("nights", **asked)["day"]] == days


def test_a_time_of_pandas_counts_as_its_day(home: Path) -> None:
    import pandas as pd

    found = load("nights", end=pd.Timestamp("2026-01-11 08:00"))["day"]
    assert [f"{day:%d}" for day in found] == ["10", "11"]


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
        "the published copy has no person 'adda'; it has ada, bob, eve"
    )
    assert refused(username=["ada", "adda"]) == refused(username="adda")
    for nobody in ("o'x", "a\0b", "\ud800"):
        assert refused(username=nobody).startswith(f"the published copy has no person {nobody!r};")


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
    assert refused(columns=[]) == "`columns` is empty: name some, or leave it out for all"


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


def run_python(code: str) -> str:
    """Return what Python prints when it runs this."""
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
    assert run_python(code).splitlines() == ["[]", "['pandas']", "['pandas', 'matplotlib']"]


def test_without_matplotlib_it_is_said_how_to_get_it(home: Path) -> None:
    """Everything else works without."""
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from oura_pipeline.analysis import *\n"
        "print(len(load('nights')))\n"
        "try: plot_night('ada')\n"
        "except AnalysisError as error: print(error)"
    )
    assert run_python(code).splitlines() == [
        "4",
        "plots need matplotlib: pip install 'oura_pipeline[analysis]'",
    ]
