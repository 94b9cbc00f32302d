"""A folder of daily files adds up to its view, and is written only where something changed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from oura_pipeline.exports.views import (
    FileFormat,
    ViewExport,
    ViewExportError,
    child_path,
    export_view,
)
from oura_pipeline_tests.testing.published_copies import insert_rows, readable_copy, writable_copy

if TYPE_CHECKING:
    import pandas as pd

FIRST, LAST = date(2026, 4, 9), date(2026, 4, 10)
PARTS = {"a": 1, "b": [0.5, None]}
STEPS = [
    ("milo", LAST, 7, None),
    ("ada", LAST, None, PARTS),
    ("ada", FIRST, 100, PARTS),
    ("ada", date(2026, 3, 1), 5, PARTS),
]
README = [("b", "second"), ("a", "first, with a comma")]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A copy with a few days of steps."""
    path = tmp_path / "analytics.duckdb"
    with writable_copy(path) as connection:
        insert_rows(connection, "steps", STEPS)
        insert_rows(connection, "readme", README)
        insert_rows(connection, "offsets", [("ada", "1900-01-01 00:00:00+00", 7200)])
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def export(published: Path, name: str, folder: Path, **how: Any) -> ViewExport:
    with readable_copy(published) as connection:
        return export_view(connection, name, folder, **how)


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def rows(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def in_pandas(path: Path, file_format: FileFormat) -> pd.DataFrame:
    import pandas as pd

    if file_format is FileFormat.PARQUET:  # as a pandas that has no pyarrow reads it
        with duckdb.connect() as connection:
            return connection.execute(f"FROM '{path}'").df()
    return {FileFormat.CSV: pd.read_csv, FileFormat.JSON: pd.read_json}[file_format](path)


@pytest.mark.parametrize("file_format", FileFormat)
def test_the_days_add_up_to_the_view(
    file_format: FileFormat, published: Path, folder: Path
) -> None:
    """A file per day; DuckDB reads all of them as the view, pandas the same number of rows."""
    written = export(published, "steps", folder, file_format=file_format)
    days = ["2026-03-01", "2026-04-09", "2026-04-10"]
    assert files(folder) == [f"steps/{day}.{file_format}" for day in days]
    assert written == ViewExport(folder=folder / "steps", files=3, changed=3, rows=4)
    held = rows(
        "SELECT username, day, steps "
        f"FROM read_{file_format}('{folder}/steps/*.{file_format}') ORDER BY day, username"
    )
    assert held == [
        ("ada", date(2026, 3, 1), 5),
        ("ada", FIRST, 100),
        ("ada", LAST, None),
        ("milo", LAST, 7),
    ]
    frames = [in_pandas(folder / "steps" / f"{day}.{file_format}", file_format) for day in days]
    assert [len(frame) for frame in frames] == [1, 1, 2]
    assert list(frames[2].columns) == ["username", "day", "steps", "parts"]
    assert frames[2]["steps"].isna().tolist() == [True, False]


def test_months_add_up_like_a_week(published: Path, folder: Path) -> None:
    """However many days there are, each of them is in one file, in its own."""
    with writable_copy(published) as connection:
        connection.execute(
            "INSERT INTO oura.steps SELECT 'eda', DATE '2025-01-01' + day::INTEGER, day, NULL "
            "FROM range(0, 70) AS days(day) WHERE day % 9 <> 0"
        )
    written = export(published, "steps", folder, username="eda")
    assert (written.files, written.rows) == (62, 62)
    held = rows(
        "SELECT parse_filename(filename, true), day, steps "
        f"FROM read_parquet('{folder}/steps/eda/*.parquet', filename = true) ORDER BY day"
    )
    assert held == [
        (str(day), day, steps)
        for steps in range(70)
        if steps % 9
        for day in [date(2025, 1, 1) + timedelta(days=steps)]
    ]


def test_who_has_a_file_open_keeps_reading_it_whole(published: Path, folder: Path) -> None:
    """A changed file takes the place of the old one, which is not written into."""
    export(published, "steps", folder, file_format=FileFormat.CSV)
    with (folder / "steps/2026-04-09.csv").open(encoding="utf-8") as old:
        with writable_copy(published) as connection:
            connection.execute("UPDATE oura.steps SET steps = 101 WHERE steps = 100")
        assert export(published, "steps", folder, file_format=FileFormat.CSV).changed == 1
        assert ",100," in old.read()
    assert ",101," in (folder / "steps/2026-04-09.csv").read_text(encoding="utf-8")


def test_parquet_keeps_the_types_of_the_view(published: Path, folder: Path) -> None:
    export(published, "steps", folder)
    with readable_copy(published) as connection:
        of_view = connection.execute("DESCRIBE oura.steps").fetchall()
    file = f"'{folder}/steps/2026-04-10.parquet'"
    assert rows(f"DESCRIBE FROM {file}") == of_view
    assert rows(f"SELECT parts FROM {file} WHERE username = 'ada'") == [(PARTS,)]


@pytest.mark.parametrize(
    ("how", "expected", "many"),
    [
        ({"first_day": FIRST}, ["steps/2026-04-09.csv", "steps/2026-04-10.csv"], 3),
        ({"last_day": FIRST}, ["steps/2026-03-01.csv", "steps/2026-04-09.csv"], 2),
        ({"username": "milo"}, ["steps/milo/2026-04-10.csv"], 1),
        ({"username": "ada", "first_day": LAST}, ["steps/ada/2026-04-10.csv"], 1),
        ({"username": "nobody"}, [], 0),
        ({"first_day": date(2027, 1, 1)}, [], 0),
    ],
)
def test_people_and_days_can_be_chosen(
    how: dict[str, Any], expected: list[str], many: int, published: Path, folder: Path
) -> None:
    """One person's rows stand in a folder of theirs: everybody's are not overwritten."""
    written = export(published, "steps", folder, file_format=FileFormat.CSV, **how)
    assert files(folder) == expected
    assert written.rows == many


@pytest.mark.parametrize(
    ("file_format", "content"),
    [
        (FileFormat.CSV, 'table_name,description\na,"first, with a comma"\nb,second\n'),
        (
            FileFormat.JSON,
            '[\n\t{"table_name":"a","description":"first, with a comma"},\n'
            '\t{"table_name":"b","description":"second"}\n]\n',
        ),
    ],
)
def test_what_has_no_days_is_one_file(
    file_format: FileFormat, content: str, published: Path, folder: Path
) -> None:
    """In an order that does not depend on how the rows lie in the copy."""
    written = export(published, "readme", folder, file_format=file_format)
    assert files(folder) == [f"readme.{file_format}"]
    assert (folder / f"readme.{file_format}").read_text(encoding="utf-8") == content
    assert written == ViewExport(folder=folder, files=1, changed=1, rows=2)


def test_what_is_of_people_but_has_no_days_can_be_one_persons(
    published: Path, folder: Path
) -> None:
    export(published, "offsets", folder, file_format=FileFormat.CSV, username="ada")
    assert files(folder) == ["offsets/ada/offsets.csv"]
    assert (folder / "offsets/ada/offsets.csv").read_text(encoding="utf-8") == (
        "username,since,utc_offset_seconds\nada,1900-01-01 00:00:00+00,7200\n"
    )


@pytest.mark.parametrize("file_format", FileFormat)
def test_only_what_changed_is_written(
    file_format: FileFormat, published: Path, folder: Path
) -> None:
    """The same rows in another order of rows are the same file, with its time."""
    export(published, "steps", folder, file_format=file_format)
    paths = {name: folder / name for name in files(folder)}
    before = {name: path.stat().st_mtime_ns for name, path in paths.items()}
    with writable_copy(published) as connection:
        connection.execute("DELETE FROM oura.steps")
        insert_rows(connection, "steps", STEPS[::-1])
    assert export(published, "steps", folder, file_format=file_format).changed == 0
    assert {name: path.stat().st_mtime_ns for name, path in paths.items()} == before
    with writable_copy(published) as connection:
        connection.execute("UPDATE oura.steps SET steps = 8 WHERE username = 'milo'")
    assert export(published, "steps", folder, file_format=file_format).changed == 1
    after = {name: path.stat().st_mtime_ns for name, path in paths.items()}
    assert {name for name in after if after[name] != before[name]} == {
        f"steps/2026-04-10.{file_format}"
    }
    assert files(folder) == sorted(paths)


@pytest.mark.parametrize(
    ("file_format", "content"),
    [
        (FileFormat.CSV, b"username,day,steps,parts\n"),
        (FileFormat.JSON, b"[\n\t\n]\n"),
        (FileFormat.PARQUET, None),
    ],
)
def test_a_day_that_became_empty_is_emptied(
    file_format: FileFormat, content: bytes | None, published: Path, folder: Path
) -> None:
    """Its file stays with no rows; days outside of what was asked for are left alone."""
    export(published, "steps", folder, file_format=file_format)
    (folder / "steps" / f"2026-99-99.{file_format}").write_text("not ours", encoding="utf-8")
    with writable_copy(published) as connection:
        connection.execute("DELETE FROM oura.steps")
    written = export(published, "steps", folder, file_format=file_format, first_day=LAST)
    assert (written.files, written.changed, written.rows) == (1, 1, 0)
    emptied = folder / "steps" / f"2026-04-10.{file_format}"
    assert rows(f"SELECT count(*) FROM '{emptied}'") == [(0,)]
    assert content is None or emptied.read_bytes() == content
    assert rows(f"SELECT steps FROM '{folder}/steps/2026-04-09.{file_format}'") == [(100,)]


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        (
            "stairs",
            {},
            "there is no view or table 'stairs'; there are coverage, daily_records, fetches, "
            "offsets, readme, sleep_heart, steps",
        ),
        ("../steps", {}, "there is no view or table '../steps'"),
        ("readme", {"username": "ada"}, "readme is not about people: leave --person out"),
        ("offsets", {"first_day": FIRST}, "offsets has no days: leave --from and --to out"),
        ("steps", {"username": "../../ada"}, "'../../ada' cannot be the name of a file"),
    ],
)
def test_what_cannot_be_written_is_said(
    name: str, how: dict[str, Any], message: str, published: Path, folder: Path
) -> None:
    """And nothing is."""
    with pytest.raises(ViewExportError) as refused:
        export(published, name, folder, **how)
    assert str(refused.value).startswith(message)
    assert files(folder) == []


@pytest.mark.parametrize("name", ["", ".", "..", "/etc", "a/b", "..\\a", "a\0"])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(ViewExportError):
        child_path(tmp_path, name)
