"""The published copy explains itself: every table, view and column, and what an analyst asks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.warehouse.ledgers import VIEWS_DIGEST
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import january, land, score

NUMBERS = re.compile(r"TINYINT|SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL")
UNIT = re.compile(
    r"\b(s|min|minutes|seconds|ms|m|km|kg|kcal|m/s|ml/kg/min|MET|MET-minutes|hours|years|percent|US"
    r"|beats per minute|breaths per minute|RMSSD|score|scores|0 to 100|counts?|counted|codes?"
    r"|unit of the metric|without a unit)\b|%|°C",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def copy(empty_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published copy of an empty warehouse."""
    with duckdb.connect(empty_home / "analytics.duckdb", read_only=True) as connection:
        yield connection


@pytest.fixture
def described(empty_home: Path, tmp_path: Path) -> Warehouse:
    """A warehouse without documents that was published before."""
    return Warehouse(Path(shutil.copy(empty_home / "warehouse.duckdb", tmp_path)), timeout=20)


def test_everything_in_the_schema_has_a_comment(copy: duckdb.DuckDBPyConnection) -> None:
    """Tables, views and all of their columns."""
    silent = copy.execute(
        "SELECT table_name FROM duckdb_tables() WHERE coalesce(trim(comment), '') = '' UNION ALL "
        "SELECT view_name FROM duckdb_views() "
        "WHERE NOT internal AND coalesce(trim(comment), '') = '' UNION ALL "
        "SELECT table_name || '.' || column_name FROM duckdb_columns() "
        "WHERE NOT internal AND coalesce(trim(comment), '') = ''"
    ).fetchall()
    assert silent == []


def test_views_are_not_made_anew_for_the_next_copy(
    copy: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """They are some hundred statements, and DuckDB plans each of them."""
    digest = f"SELECT digest FROM {VIEWS_DIGEST.full_name}"
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.publish(tmp_path / "analytics.duckdb")
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    assert warehouse.publish(tmp_path / "analytics.duckdb").fresh
    assert warehouse.query(digest) == copy.execute(digest).fetchall()


def test_every_number_names_its_unit_or_scale(copy: duckdb.DuckDBPyConnection) -> None:
    """In the comment, also where the number is inside of a struct or a list."""
    rows = copy.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'oura'"
    ).fetchall()
    numbers = [row for row in rows if NUMBERS.search(row[2])]
    assert len(numbers) > 100
    assert [row for row in numbers if not UNIT.search(row[3] or "")] == []


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("this file", "read-only"),
        ("freshness", "Published at 20"),
        ("days", "A night belongs to the day on which it ends"),
        ("times", "UTC"),
        ("offsets", "nearer one"),
        ("missing values", "Null is not zero"),
        ("scores and contributors", "is no duration"),
        ("HRV", "RMSSD in milliseconds"),
        ("units", "seconds"),
    ],
)
def test_the_readme_answers_what_an_analyst_asks(
    copy: duckdb.DuckDBPyConnection, topic: str, said: str
) -> None:
    lines = copy.execute(
        "SELECT description FROM oura.readme WHERE table_name = ?", [f"about {topic}"]
    ).fetchall()
    assert len(lines) == 1
    assert said in lines[0][0]


def test_the_readme_begins_with_the_topics(copy: duckdb.DuckDBPyConnection) -> None:
    """Who types FROM oura.readme reads these first, then the views, then the tables."""
    names = [name for (name,) in copy.execute("SELECT table_name FROM oura.readme").fetchall()]
    topics = [name for name in names if name.startswith("about ")]
    assert names[: len(topics)] == topics
    assert names.index("daily_summary") < names.index("daily_activity")


def test_the_questions_that_the_readme_names_can_be_asked(
    copy: duckdb.DuckDBPyConnection,
) -> None:
    for (text,) in copy.execute("SELECT description FROM oura.readme").fetchall():
        for question in re.findall(r"(SELECT .*?)\.(?: |$)(?=[A-Z]|$)", text):
            copy.execute(question)


def test_a_readme_of_before_is_brought_up_to_date(warehouse: Warehouse, tmp_path: Path) -> None:
    """A warehouse of an earlier version has one without comments, topics and views."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with duckdb.connect(warehouse.path) as old:
        old.execute("CREATE TABLE oura.readme (table_name VARCHAR, description VARCHAR)")
        old.execute("INSERT INTO oura.readme VALUES ('readme', 'old'), ('daily_sleep', 'old')")
    warehouse.publish(tmp_path / "analytics.duckdb")
    lines = dict(warehouse.query("FROM oura.readme"))
    assert lines["daily_sleep"] == f"{DAILY_SLEEP.description} One row per person and day."
    assert "Published at" in lines["about freshness"]
    assert "old" not in lines.values()


def test_a_view_that_was_dropped_or_replaced_comes_back(
    described: Warehouse, tmp_path: Path
) -> None:
    """Views are not made again for nothing, so what is wrong with them has to be seen."""
    target = tmp_path / "analytics.duckdb"
    land(described, DAILY_SLEEP, {"ada": [score(january(1))]})
    described.publish(target)
    with duckdb.connect(described.path) as connection:
        connection.execute("DROP VIEW oura.baselines")
        connection.execute("CREATE OR REPLACE VIEW oura.daily_summary AS SELECT 1 AS username")
        connection.execute("DELETE FROM oura.readme")
    described.publish(target)
    assert described.query("SELECT DISTINCT username FROM oura.baselines") == [("ada",)]
    assert described.query("SELECT username, sleep_score FROM oura.daily_summary") == [("ada", 80)]
    assert described.query("SELECT count(*) FROM oura.readme WHERE table_name = 'nights'") == [(1,)]


def test_a_table_changes_under_its_views(described: Warehouse, tmp_path: Path) -> None:
    """A column that an older version lacked arrives while views stand that use the table."""
    land(described, DAILY_SLEEP, {"ada": [score(january(1))]})
    described.publish(tmp_path / "analytics.duckdb")
    with duckdb.connect(described.path) as connection:
        connection.execute("ALTER TABLE oura.daily_sleep DROP COLUMN score")
    land(described, DAILY_SLEEP, {"ada": [score(january(2), 90)]}, days=(2, 2))
    described.publish(tmp_path / "analytics.duckdb")
    scores = "SELECT day, sleep_score FROM oura.daily_summary ORDER BY day"
    assert described.query(scores) == [(january(1), 80), (january(2), 90)]


def test_who_is_forgotten_is_in_no_ledger_and_the_views_stay(
    described: Warehouse, tmp_path: Path
) -> None:
    """Views have a column of usernames too, and nothing can be deleted from them."""
    target = tmp_path / "analytics.duckdb"
    land(described, DAILY_SLEEP, {name: [score(january(1))] for name in ("ada", "zebediah")})
    described.publish(target)
    with duckdb.connect(described.path) as connection:
        for name in ("ada", "zebediah"):
            connection.execute(
                "INSERT INTO oura.fetches "
                "VALUES (?, 'sleep', '2026-01-01', 'landed', 1, NULL, now())",
                [name],
            )
            connection.execute("INSERT INTO oura.offsets VALUES (?, now(), 3600)", [name])
            connection.execute(
                "INSERT INTO bookkeeping.observations "
                "VALUES (?, 'sleep', '2026-01-01', '$', 1, 3600)",
                [name],
            )
        connection.execute("CREATE MACRO oura.twice(number) AS number * 2")
    assert described.forget("zebediah") == 1
    assert b"zebediah" not in described.path.read_bytes()
    assert described.query("SELECT username, sleep_score FROM oura.daily_summary") == [("ada", 80)]
    assert described.query("SELECT username FROM oura.fetches") == [("ada",)]
    assert described.query("SELECT oura.twice(4)") == [(8,)]
    described.publish(target)
    assert b"zebediah" not in target.read_bytes()
