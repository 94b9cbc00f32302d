"""Filters reach the tables, and the views survive what happens to the file they stand in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, DAILY_SLEEP, HEARTRATE, SLEEP
from oura_pipeline.warehouse.views.catalogue import VIEWS, ensure_views
from oura_pipeline.warehouse.views.view import View
from oura_pipeline_tests.warehouse.views.test_nights import FULL
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied

NAPPED = {
    **FULL,
    "heart_rate": FULL["hrv"],
    "movement_30_sec": "1",
}
MOVED = {
    "id": "x",
    "timestamp": "2026-01-10T04:00:00+00:00",
    "met": {"interval": 60.0, "items": [1.0], "timestamp": "2026-01-10T04:00:00.000+00:00"},
}
BEAT = {"bpm": 60, "source": "rest"}
# They end on the newest day that was fetched of anybody.
OF_EVERYBODY = {"compliance"}
OF_ONE = [view for view in VIEWS if view.name not in OF_EVERYBODY]
EACH = pytest.mark.parametrize("view", OF_ONE, ids=lambda view: view.name)
# Where a row needs other days of the person: of met_1min only the begin of each activity day.
NEEDS_OTHER_DAYS = {
    *("baselines", "coverage", "met_1min", "long"),
    *("heart_rate", "tag_nights", "sleep_regularity", "training_load", "wear"),
}
NO_DAYS = {"people"}
# A day of theirs is a week or a month of others.
LONGER = {"weekly", "wear_monthly"}


# What tells which documents of other days are the same sleep, and which of them counts.
NARROW = {
    *("username", "day", "id", "type", "bedtime_start", "bedtime_end", "time_in_bed"),
    *("total_sleep_duration", "average_breath", "average_heart_rate", "average_hrv"),
    "lowest_heart_rate",
}


def scans(database: ViewDatabase, sql: str) -> list[tuple[str, str, set[str]]]:
    """The tables that a question reads, the filters with which it does, and the columns."""
    with database.open() as connection:
        row = connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchone()
    assert row
    return [
        (
            info["Table"].split(".")[-1].strip('"'),
            # DuckDB leaves some filters in an operator of their own, right above the scan.
            f"{info.get('Filters', '')} {filtered}".replace(" = ", "=").replace(" >= ", ">="),
            {*info.get("Projections", [])},
        )
        for info, filtered in _nodes(json.loads(row[1]))
        if "Table" in info
    ]


def _nodes(plan: Any, above: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    for node in plan:
        info = node.get("extra_info", {})
        yield info, above
        here = str(info.get("Expression", "")) if node["name"].strip() == "FILTER" else ""
        yield from _nodes(node.get("children", []), here)


DAYS = ("2026-01-01", "2026-01-10", "2026-02-01")


@pytest.fixture(scope="module")
def kept(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """Two people's rows in every table: what DuckDB knows to be empty it does not read at all."""
    naps = [{**NAPPED, "id": day, "day": day} for day in DAYS]
    beats = [{**BEAT, "timestamp": f"{day}T09:00:00Z"} for day in DAYS]
    moves = [{**MOVED, "day": day} for day in DAYS]
    with copied(empty_database, tmp_path_factory.mktemp("kept")) as database:
        for document_type, theirs in ((SLEEP, naps), (DAILY_ACTIVITY, moves), (HEARTRATE, beats)):
            database.land_together(document_type, dict.fromkeys(("ada", "ben"), theirs))
        with database.open() as connection:
            for (table,) in connection.execute(
                "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'oura' "
                "AND column_name IN ('username', 'day') AND table_name IN "
                "(SELECT table_name FROM duckdb_tables() WHERE estimated_size = 0) "
                "GROUP BY table_name HAVING count(*) = 2"
            ).fetchall():
                connection.execute(
                    f"INSERT INTO oura.{table} (username, day) "
                    "SELECT unnest(['ada', 'ben']), unnest($1::DATE[])",
                    [DAYS[:2]],
                )
        yield database


@EACH
def test_a_filter_by_person_reaches_every_table(kept: ViewDatabase, view: View) -> None:
    """Nobody's rows are read but theirs."""
    read = scans(kept, f"SELECT * FROM {view.full_name} WHERE username = 'ada'")
    assert read
    assert [table for table, filters, _ in read if "username='ada'" not in filters] == []


@pytest.mark.parametrize(
    "view",
    [view for view in OF_ONE if view.name not in NEEDS_OTHER_DAYS | NO_DAYS | LONGER],
    ids=lambda view: view.name,
)
def test_a_filter_by_day_reaches_every_table(kept: ViewDatabase, view: View) -> None:
    """Where no other day of the person is needed."""
    asked = f"SELECT * FROM {view.full_name} WHERE username = 'ada' AND day >= DATE '2026-01-10'"
    read = [one for one in scans(kept, asked) if one[0] != "offsets"]
    assert read
    unfiltered = [one for one in read if "day>='2026-01-10'" not in one[1]]
    # Sleeps of neighbouring days can be the same; of them nothing wide is read.
    assert [one for one in unfiltered if one[0] != "sleep" or not one[2] <= NARROW] == []


def test_whoever_asks_for_scores_reads_no_series(kept: ViewDatabase) -> None:
    """Of the tables with documents and series, only the columns that are asked for."""
    with kept.open() as connection:
        row = connection.execute(
            "EXPLAIN (FORMAT json) SELECT day, sleep_score, steps FROM oura.daily_summary"
        ).fetchone()
    assert row
    read = {name for info, _ in _nodes(json.loads(row[1])) for name in info.get("Projections", [])}
    assert not read & {"document", "met", "hrv", "heart_rate", "class_5_min", "movement_30_sec"}
    assert {"score", "steps"} <= read


def test_landing_goes_on_under_the_views(database: ViewDatabase) -> None:
    """A table that gets a column back keeps its views, and what lands shows up in them."""
    with database.open() as connection:
        connection.execute("ALTER TABLE oura.daily_sleep DROP COLUMN score")
        connection.execute("ALTER TABLE oura.sleep DROP COLUMN latency")
    database.land(DAILY_SLEEP, [{"id": "x", "day": "2026-01-10", "score": 81}])
    database.land(SLEEP, [FULL])
    assert database.query("SELECT sleep_score, latency_minutes FROM oura.daily_summary") == [
        (81, 1.5)
    ]


@pytest.fixture
def closed(empty_database: ViewDatabase, tmp_path: Path) -> ViewDatabase:
    """A database whose file nobody has open."""
    return ViewDatabase(Path(shutil.copy(empty_database.warehouse.path, tmp_path)))


def test_the_views_outlive_the_forgetting_of_a_person(closed: ViewDatabase) -> None:
    """The file is written anew then; views and comments go with it, the person does not."""
    closed.land(SLEEP, [FULL])
    closed.land(SLEEP, [FULL], "ben")
    closed.warehouse.forget("ada")
    assert closed.query("SELECT username, sleep_id FROM oura.nights") == [("ben", "n1")]
    assert closed.query(
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'oura' "
        "AND table_name = 'nights' AND column_name = 'latency_minutes'"
    ) == [("Time until asleep, minutes.",)]


def test_a_copy_can_be_attached_under_any_name(closed: ViewDatabase) -> None:
    """Views name their tables by schema only, so they work in whatever database they are."""
    closed.land(SLEEP, [FULL])
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{closed.warehouse.path}' AS theirs (READ_ONLY)")
        rows = connection.execute("SELECT username, sleep_id FROM theirs.oura.nights").fetchall()
    assert rows == [("ada", "n1")]


def test_making_the_views_again_brings_an_old_one_up_to_date(database: ViewDatabase) -> None:
    """A view of an earlier version is replaced, whatever its columns were."""
    with database.open() as connection:
        connection.execute("CREATE OR REPLACE VIEW oura.nights AS SELECT 1 AS one")
        ensure_views(connection)
    assert database.query("FROM oura.nights") == []
    assert database.query("FROM oura.daily_summary") == []


def test_long_is_whole_before_it_is_read(kept: ViewDatabase) -> None:
    """Its parts end in an order: read as they come, DuckDB waits for ever on large answers."""
    with kept.open() as connection:
        row = connection.execute("EXPLAIN (FORMAT json) SELECT * FROM oura.long").fetchone()
    assert row
    operators = [name for name in _names(json.loads(row[1])) if name in ("ORDER_BY", "UNION")]
    assert operators[:2] == ["ORDER_BY", "UNION"]


def _names(nodes: list[dict[str, Any]]) -> Iterator[str]:
    """The operators, from the one that is read to those that read."""
    for node in nodes:
        yield node["name"].strip()
        yield from _names(node.get("children", []))
