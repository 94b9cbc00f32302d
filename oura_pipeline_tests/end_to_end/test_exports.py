"""Whatever the published copy of a whole world has can be taken out, as files and by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.exports.views import FileFormat, export_view, view_names
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.publish import publish
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.testing.world import World, world
from oura_pipeline_tests.web.site_client import TOKEN, site_client

LAST = date(2026, 4, 10)
FIRST = LAST - timedelta(days=1)
READERS = {
    FileFormat.PARQUET: "read_parquet",
    FileFormat.CSV: "read_csv",
    FileFormat.JSON: "read_json",
}


@pytest.fixture(scope="module")
def published(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two days of one person, every document type, published."""
    home = tmp_path_factory.mktemp("exports") / "data"
    with (
        running(SandboxOptions(people=1, days=4, end=LAST, thin=10)) as cloud,
        world(home, cloud, begun=empty_home) as made,
    ):
        for username in cloud.usernames:
            made.sign_in(username)
        made.fetch(FIRST, LAST)
        with open_pipeline() as pipeline:
            publish(pipeline)
        yield made


@pytest.fixture
def copy(published: World) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


def test_every_view_and_table_can_be_written(
    copy: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The rows of all files of a name are those of the view; formats take turns."""
    held, written, read = {}, {}, {}
    with duckdb.connect() as reader:
        for name, file_format in zip(view_names(copy), cycle(FileFormat), strict=False):
            held[name] = _count(copy, f"oura.{name}")
            written[name] = export_view(copy, name, tmp_path, file_format=file_format).rows
            files = [
                *tmp_path.glob(f"{name}/*.{file_format}"),
                *tmp_path.glob(f"{name}.{file_format}"),
            ]
            read[name] = sum(_rows(reader, path, file_format) for path in files)
    assert {view.name for view in VIEWS} | {
        document_type.table for document_type in DOCUMENT_TYPES
    } < held.keys()
    assert (written, read) == (held, held)
    assert sum(many > 0 for many in held.values()) > 25


def _count(copy: duckdb.DuckDBPyConnection, rows: str) -> int:
    [(many,)] = copy.execute(f"SELECT count(*) FROM {rows}").fetchall()
    return int(many)


def _rows(reader: duckdb.DuckDBPyConnection, path: Path, file_format: FileFormat) -> int:
    if file_format is FileFormat.JSON:
        return len(json.loads(path.read_text(encoding="utf-8")))
    return _count(reader, f"{READERS[file_format]}('{path}')")


def test_every_day_is_told_as_the_view_has_it(
    published: World, copy: duckdb.DuckDBPyConnection
) -> None:
    """All four kinds of record, and each metric a number."""
    expected: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for username, day, kind, source, metrics in copy.execute(
        "SELECT username, day, metric_type, source, metrics FROM daily_records ORDER BY ALL"
    ).fetchall():
        record = {"metric_type": kind, "source": source, "metrics": json.loads(metrics)}
        expected.setdefault((username, str(day)), []).append(record)
    with site_client(published.home, oura_operator_token=TOKEN) as client:
        told = {
            (username, day): client.get(
                f"/api/people/{username}/daily",
                params={"date": day},
                headers={"authorization": f"Bearer {TOKEN}"},
            ).json()["records"]
            for username, day in expected
        }
    assert told == expected
    assert {record["metric_type"] for records in told.values() for record in records} == {
        *("activity", "hrv", "readiness", "sleep")
    }
