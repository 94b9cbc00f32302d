"""One person's absurd numbers are nobody else's business."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.exports.apple_health import export_hrv
from oura_pipeline.exports.views import FileFormat, export_view
from oura_pipeline.warehouse.views.catalogue import VIEWS, ensure_views
from oura_pipeline.warehouse.views.view import View
from oura_pipeline_tests.warehouse.views.equal_days import DAYS
from oura_pipeline_tests.warehouse.views.extremes import extremes, types_with_days
from oura_pipeline_tests.warehouse.views.view_database import Row, ViewDatabase, copied

ODD = "odd"
EXPORTED = (("nights", "ada"), ("daily_summary", "ben"), ("sleep_heart", "ada"))
# Twice as many days as the others have, so that every value comes in nearly every field.
ODD_DAYS = (*(f"2026-03-{day:02}" for day in range(8, 20)), *DAYS)


@pytest.fixture(scope="module")
def ordinary(
    equal_days: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """Ada and ben, whose documents are as they should be."""
    with copied(equal_days, tmp_path_factory.mktemp("ordinary")) as database:
        yield database


@pytest.fixture(scope="module")
def shared(
    equal_days: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """The same, and somebody whose every value is at the end of what there is."""
    with copied(equal_days, tmp_path_factory.mktemp("shared")) as database:
        for document_type in types_with_days():
            database.land(document_type, extremes(document_type, ODD_DAYS, 0), ODD)
        with database.open() as connection:
            for ledger in ("oura.fetches", "oura.participants"):
                connection.execute(
                    f"INSERT INTO {ledger} SELECT * REPLACE ('odd' AS username) FROM {ledger} "
                    "WHERE username = 'ada'"
                )
            ensure_views(connection)
        yield database


def rows(database: ViewDatabase, view: View, condition: str = "true") -> list[Row]:
    """Return rows in one order; every one of them reaches Python."""
    columns = " AND ".join(
        f"({column.name} IS NULL OR {column.name} IS NOT NULL)" for column in view.columns
    )
    found = database.query(f"FROM {view.full_name} WHERE {condition} AND {columns}")
    return sorted(found, key=repr)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_everybody_elses_rows_are_what_they_were(
    ordinary: ViewDatabase, shared: ViewDatabase, view: View
) -> None:
    """Whether a question is for them, for everybody, or for whoever has the numbers."""
    before = rows(ordinary, view)
    everybody = rows(shared, view)
    assert before
    who = [column.name for column in view.columns].index("username")
    assert [row for row in everybody if row[who] != ODD] == before
    assert rows(shared, view, "username <> 'odd'") == before
    assert rows(shared, view, "username = 'odd'") == [row for row in everybody if row[who] == ODD]


def test_what_reaches_graphite_and_other_systems_is_finite(shared: ViewDatabase) -> None:
    """JSON has no infinity."""
    values = shared.query("SELECT count(*) FROM oura.long WHERE NOT isfinite(value)")
    assert values == [(0,)]
    for (metrics,) in shared.query("SELECT metrics FROM oura.daily_records"):
        json.loads(metrics, parse_constant=pytest.fail)


def test_everybody_elses_exports_are_byte_for_byte_the_same(
    ordinary: ViewDatabase, shared: ViewDatabase, tmp_path: Path
) -> None:
    """Files for other programs, of each person and of everybody."""
    written = []
    for name, database in (("ordinary", ordinary), ("shared", shared)):
        folder = tmp_path / name
        with database.open() as connection:
            export_hrv(connection, folder / "hrv")
            for view, username in EXPORTED:
                export_view(connection, view, folder / "one", username=username)
        files = (path for path in folder.rglob("*") if path.is_file())
        written.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    with shared.open() as connection:
        for view, _ in EXPORTED:  # which can be written at all
            export_view(connection, view, tmp_path / "all", file_format=FileFormat.JSON)
    before, after = written
    assert before
    assert {name: raw for name, raw in after.items() if f"/{ODD}/" not in name} == before
