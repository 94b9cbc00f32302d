"""What the views say of themselves is what they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from oura_pipeline.warehouse.readme import write_readme
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.view import Column, View
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied

EACH = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
# The end of a column's name, and what its comment must say.
UNITS = {
    "_minutes": "minutes",
    "_seconds": "seconds",
    "_bpm": "beats per minute",
    "bpm": "beats per minute",
    "bpm_mean": "beats per minute",
    "bpm_min": "beats per minute",
    "bpm_max": "beats per minute",
    "_ms": "ms",
    "_percent": "percent",
    "_c": "°C",
    "_kcal": "kcal",
    "_m": "metres",
    "_years": "years",
    "_m_s": "m/s",
    "_score": "score",
    "_count": "count",
    "_code": "ode",
    "_local": "the person's clock showed it",
    "met": "MET",
}
SAID = (
    "minutes",
    "hours",
    "seconds",
    "beats per minute",
    "ms",
    "percent",
    "°C",
    "kcal",
    "metres",
    "kg",
    "years",
    "m/s",
    "score",
    "count",
    "code",
    "MET",
    "ml/kg/min",
    "breaths per minute",
    "unit",
)


@EACH
def test_a_view_has_the_columns_that_it_declares(empty_database: ViewDatabase, view: View) -> None:
    """The list of columns and the SQL are written apart; here they meet."""
    described = empty_database.query(f"DESCRIBE {view.full_name}")
    assert [row[0] for row in described] == [column.name for column in view.columns]


@EACH
def test_the_file_says_what_every_view_and_column_is(
    empty_database: ViewDatabase, view: View
) -> None:
    """Whoever opens the file with any tool sees the comments."""
    told = empty_database.query(
        "SELECT '', comment FROM duckdb_views() WHERE schema_name = 'oura' "
        f"AND view_name = '{view.name}' UNION ALL "
        "(SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'oura' "
        f"AND table_name = '{view.name}' ORDER BY column_index)"
    )
    assert told == [("", view.description), *((one.name, one.comment) for one in view.columns)]


@pytest.fixture(scope="module")
def lines(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What the file's readme says of each view, after it was written twice."""
    with copied(empty_database, tmp_path_factory.mktemp("readme")) as database:
        with database.open() as connection:
            for _ in range(2):
                write_readme(connection, datetime(2026, 6, 1, tzinfo=UTC))
        found: dict[str, list[str]] = {}
        for name, line in database.query("SELECT table_name, description FROM oura.readme"):
            found.setdefault(name, []).append(line)
        return found


@EACH
def test_the_readme_has_a_line_for_every_view_and_one_only(
    lines: dict[str, list[str]], view: View
) -> None:
    """Also after it was written twice."""
    assert lines[view.name] == [view.line]
    assert view.one_row_per in view.line
    assert view.definition in view.line


@EACH
def test_every_number_tells_its_unit(empty_database: ViewDatabase, view: View) -> None:
    """A unit, a scale, a count or a code: a number without any says nothing."""
    kinds = {row[0]: row[1] for row in empty_database.query(f"DESCRIBE {view.full_name}")}
    numeric = {"DOUBLE", "BIGINT", "INTEGER"}
    silent = [
        column.name
        for column in view.columns
        if kinds[column.name] in numeric and not any(word in column.comment for word in SAID)
    ]
    assert silent == []


@EACH
def test_a_unit_in_a_name_is_in_the_comment(view: View) -> None:
    """The longest end of the name counts: `_m_s` is no `_s`."""
    contradicted = [column.name for column in view.columns if not _agrees(column)]
    assert contradicted == []


@EACH
def test_whatever_is_called_hrv_says_by_which_method(view: View) -> None:
    """Oura's is RMSSD; who takes it for SDNN compares apples with pears."""
    silent = [one.name for one in view.columns if "hrv" in one.name and "RMSSD" not in one.comment]
    assert silent == []


@EACH
def test_an_empty_warehouse_has_every_view_and_no_row(
    empty_database: ViewDatabase, view: View
) -> None:
    """Nobody signed in yet, and every question can be asked."""
    assert empty_database.query(f"FROM {view.full_name}") == []


def _agrees(column: Column) -> bool:
    ends = [end for end in UNITS if column.name.endswith(end)]
    return not ends or UNITS[max(ends, key=len)] in column.comment
