"""An exported study has what was agreed to, and nothing that says whose it is."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.accounts.studies import Participant
from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    ENHANCED_TAG,
    EXPORTED_TYPES,
    SLEEP,
    WORKOUT,
)
from oura_pipeline.exports.study import Dates, StudyExport, StudyExportRefused, export_study
from oura_pipeline.exports.study_sources import SOURCES, kept_columns, sources
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

SECRETS = (
    "wolfgang",
    "yvette",
    "Vienna",
    "with Yvo",
    "after the exam",
    "w@example.org",
    "s-wolfgang",
)


def participant(code: str, username: str, **changed: Any) -> Participant:
    known = {
        "study": "nap",
        "username": username,
        "person_id": f"p-{username}00",
        "state": "connected",
        "code": code,
        "first_day": date(2026, 3, 2),
        "consent_version": "1.0",
        "consented_on": date(2026, 2, 20),
        "shift_days": 14,
    }
    return Participant(**{**known, **changed})


PEOPLE = ("wolfgang", "yvette")
BROUGHT = [one for one in EXPORTED_TYPES if one.table in {source.name for source in SOURCES}]
WOLFGANG = participant("A1", "wolfgang", arm="early", last_day=date(2026, 3, 3))
YVETTE = participant("B1", "yvette", document_types=("sleep",), shift_days=-7)


def of_day(day: str, username: str) -> dict[str, Any]:
    return {
        "id": f"s-{username}-{day}",
        "day": day,
        "type": "long_sleep",
        "bedtime_start": f"{day}T00:10:00+02:00",
        "bedtime_end": f"{day}T07:10:00+02:00",
        "time_in_bed": 25_200,
        "total_sleep_duration": 24_000,
        "average_heart_rate": 52.5,
        "average_hrv": 61,
    }


@pytest.fixture(scope="module")
def database(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ViewDatabase:
    """Four days of two people, the first and the last outside of Ada's part in the study."""
    folder = tmp_path_factory.mktemp("study")
    made = ViewDatabase(Path(shutil.copy(empty_home / "warehouse.duckdb", folder)))
    days = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]
    made.land_together(SLEEP, {who: [of_day(day, who) for day in days] for who in PEOPLE})
    steps = [{"id": f"d-{day}", "day": day, "steps": 9000} for day in days]
    made.land_together(DAILY_ACTIVITY, {"wolfgang": steps, "yvette": steps})
    contributors = {"hrv_balance": 80, "sleep_balance": None}
    made.land(
        DAILY_READINESS,
        [{"id": "r", "day": days[1], "score": 70, "contributors": contributors}],
        "wolfgang",
    )
    workout = {
        "id": "w",
        "day": days[1],
        "activity": "running",
        "label": "with Yvo",
        "start_datetime": "2026-03-02T18:00:00+01:00",
        "end_datetime": "2026-03-02T18:30:00+01:00",
    }
    made.land(WORKOUT, [workout], "wolfgang")
    tag = {
        "id": "t",
        "tag_type_code": "tag_generic_alcohol",
        "custom_name": "Vienna",
        "comment": "after the exam",
        "start_day": days[1],
        "start_time": "2026-03-02T21:00:00+01:00",
    }
    made.land(ENHANCED_TAG, [tag], "wolfgang")
    # What only members' own exports have; Yvette agreed to none of it.
    for document_type in BROUGHT:
        document = {field.name: number for number, field in enumerate(document_type.fields, 60)}
        placed = {"id": "b", "day": days[1], "day_window_start": days[0]}
        placed |= {"timestamp": "2026-03-02T20:30:00Z"}
        known = {name: value for name, value in placed.items() if name in document}
        made.land_together(document_type, {who: [document | known] for who in PEOPLE})
    info = {"username": "wolfgang", "day": "2026-07-01", "age": 34, "email": "w@example.org"}
    made.fill("personal_info", [info])
    return made


@pytest.fixture(scope="module")
def published(database: ViewDatabase) -> Iterator[duckdb.DuckDBPyConnection]:
    with database.open() as connection:
        yield connection


def export(
    published: duckdb.DuckDBPyConnection, folder: Path, *who: Participant, **how: Any
) -> StudyExport:
    return export_study(published, "nap", who, folder, **how)


@pytest.fixture(scope="module")
def exported(
    published: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> StudyExport:
    folder = tmp_path_factory.mktemp("exports") / "nap"
    return export(published, folder, WOLFGANG, YVETTE, fhir=True)


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_night_keeps_its_clock_and_loses_its_date(exported: StudyExport) -> None:
    nights = table(exported.folder, "data/nights")
    assert [(row["participant"], row["study_day"], row["day"]) for row in nights] == [
        ("A1", "1", "2000-01-01"),
        ("A1", "2", "2000-01-02"),
        ("B1", "1", "2000-01-01"),
        ("B1", "2", "2000-01-02"),
        ("B1", "3", "2000-01-03"),
    ]
    assert nights[0]["bedtime_start_local"] == "2000-01-01 00:10:00"
    assert nights[0]["total_sleep_minutes"] == "400.0"
    assert nights[0]["rem_minutes"] == ""
    assert exported.rows["nights"] == 5
    assert exported.rows["participants"] == exported.participants == 2


def test_only_what_was_agreed_to_is_there(exported: StudyExport) -> None:
    """Bob agreed to sleep alone."""
    activity = table(exported.folder, "data/daily_activity")
    assert {row["participant"] for row in activity} == {"A1"}
    readiness = table(exported.folder, "data/daily_readiness")
    assert (readiness[0]["contributors_hrv_balance"], readiness[0]["score"]) == ("80.0", "70.0")
    assert readiness[0]["contributors_sleep_balance"] == ""
    assert table(exported.folder, "data/personal_info")[0]["age"] == "34.0"
    assert (exported.rows["workouts"], exported.rows["enhanced_tag"]) == (1, 1)


def test_no_name_no_id_and_no_word_of_theirs_is_in_any_file(exported: StudyExport) -> None:
    """Nor a date of the study, an instant or a zone."""
    for path in sorted(path for path in exported.folder.rglob("*") if path.is_file()):
        content = _content(path)
        for secret in (*SECRETS, "2026-0", "+02", "+01"):
            assert secret not in content, (path.name, secret)
    tag = table(exported.folder, "data/enhanced_tag")[0]
    assert (tag["tag_type_code"], tag["time_local"]) == (
        "tag_generic_alcohol",
        "2000-01-01 21:00:00",
    )


def test_what_members_exports_have_is_there_by_the_clock(exported: StudyExport) -> None:
    """Of who agreed to it; of a copy that lacks it there is no file."""
    assert {one.name for one in BROUGHT} >= {"temperature", "daytime_stress", "blood_glucose"}
    for document_type in BROUGHT:
        [row] = table(exported.folder, f"data/{document_type.table}")
        assert (row["participant"], row["study_day"], row["day"]) == ("A1", "1", "2000-01-01")
        if document_type.day_field is None:
            assert (
                row["time_local"] == "2000-01-01 21:30:00"
            )  # an hour ahead, as in the workout before
    assert table(exported.folder, "data/temperature")[0]["skin_temp"] == "61.0"


def test_a_copy_without_members_exports_has_no_files_of_them(
    empty_home: Path, tmp_path: Path
) -> None:
    copy = empty_home / "analytics.duckdb"
    with duckdb.connect(str(copy), read_only=True) as connection:
        made = export(connection, tmp_path / "nap", WOLFGANG)
    assert "temperature" not in made.rows
    assert (made.rows["nights"], made.rows["participants"]) == (0, 1)


def _content(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8")
    with duckdb.connect() as connection:  # it is compressed
        return str(connection.sql(f"FROM '{path}'").fetchall())


def test_each_column_that_leaves_is_a_number_a_local_time_or_a_word_of_ouras(
    published: duckdb.DuckDBPyConnection,
) -> None:
    texts = {
        (source.name, column.name)
        for source in sources(published)
        for column in kept_columns(published, source)
        if column.sql_type not in {"DOUBLE", "BIGINT", "INTEGER", "BOOLEAN", "DATE", "TIMESTAMP"}
    }
    assert texts == {(source.name, word) for source in SOURCES for word in source.words}
    assert not {name for _, name in texts} & {"id", "comment", "custom_name", "label", "text"}


def test_no_column_tells_a_zone(published: duckdb.DuckDBPyConnection) -> None:
    """Two have such a name: seconds from midnight, by the clock."""
    names = {
        column.name for source in sources(published) for column in kept_columns(published, source)
    }
    assert {name for name in names if re.search("offset|tz|utc|zone", name)} == {
        "optimal_bedtime_start_offset",
        "optimal_bedtime_end_offset",
    }


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (Dates.SHIFTED, ["2026-03-16", "2026-03-17", "2026-02-23", "2026-02-24", "2026-02-25"]),
        (Dates.KEPT, ["2026-03-02", "2026-03-03", "2026-03-02", "2026-03-03", "2026-03-04"]),
    ],
)
def test_dates_are_shifted_or_kept_where_that_is_chosen(
    dates: Dates, days: list[str], published: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    export(published, tmp_path / "nap", WOLFGANG, YVETTE, dates=dates)
    nights = table(tmp_path / "nap", "data/nights")
    assert [row["day"] for row in nights] == days
    assert nights[0]["bedtime_start_local"] == f"{days[0]} 00:10:00"


def test_who_took_their_consent_back_is_named_by_code_and_not_there(
    published: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    gone = participant("B1", "yvette", withdrawn_on=date(2026, 3, 9))
    exported = export(published, tmp_path / "nap", WOLFGANG, gone)
    assert (exported.participants, exported.withdrawn) == (1, ("B1",))
    assert {row["participant"] for row in table(tmp_path / "nap", "data/nights")} == {"A1"}
    text = (tmp_path / "nap" / "README.md").read_text(encoding="utf-8")
    assert "because they took their consent back: B1." in text


def test_the_same_study_is_the_same_bytes(
    exported: StudyExport, database: ViewDatabase, tmp_path: Path
) -> None:
    """Whoever makes it, and when; and the digests are those of the files."""
    with database.open() as other:
        second = export(other, tmp_path / "second", WOLFGANG, YVETTE, fhir=True)
    assert second.digest == exported.digest
    lines = (exported.folder / "SHA256SUMS").read_text().splitlines()
    names = [line.partition("  ")[2] for line in lines]
    assert names == sorted(
        path.relative_to(exported.folder).as_posix()
        for path in exported.folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    )
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((tmp_path / "second" / name).read_bytes()).hexdigest() == digest


def test_csv_and_parquet_have_the_same_rows_and_the_dictionary_all_columns(
    exported: StudyExport,
) -> None:
    described: dict[str, list[str]] = {}
    for row in table(exported.folder, "dictionary"):
        described.setdefault(row["file"], []).append(row["column"])
        assert row["meaning"].strip(), row
    for name in exported.rows:
        place = name if name == "participants" else f"data/{name}"
        with duckdb.connect() as connection:
            read = connection.sql(f"FROM '{exported.folder / place}.parquet'")
            columns, rows = read.columns, read.fetchall()
        assert columns == described[place]
        assert len(rows) == exported.rows[name] == len(table(exported.folder, place))


def test_a_bundle_has_each_nights_sleep_heart_and_hrv_and_each_days_steps(
    exported: StudyExport,
) -> None:
    found = {
        code: [
            (one["code"]["text"], one["effectiveDateTime"], float(one["valueQuantity"]["value"]))
            for one in _resources(exported.folder / "fhir" / f"{code}.json")
            if one["resourceType"] == "Observation"
        ]
        for code in ("A1", "B1")
    }
    assert found["A1"] == [
        ("Sleep duration", "2000-01-01", 400.0),
        ("Sleep duration", "2000-01-02", 400.0),
        ("Mean heart rate asleep", "2000-01-01", 52.5),
        ("Mean heart rate asleep", "2000-01-02", 52.5),
        ("Mean heart rate variability asleep (RMSSD)", "2000-01-01", 61.0),
        ("Mean heart rate variability asleep (RMSSD)", "2000-01-02", 61.0),
        ("Steps in a day", "2000-01-01", 9000.0),
        ("Steps in a day", "2000-01-02", 9000.0),
    ]
    assert {text for text, *_ in found["B1"]} == {text for text, *_ in found["A1"][:6]}


def _resources(path: Path) -> list[dict[str, Any]]:
    bundle = json.loads(path.read_text(encoding="utf-8"))
    return [entry["resource"] for entry in bundle["entry"]]


def test_a_folder_with_files_and_a_study_of_nobody_are_refused(
    published: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Nothing is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(StudyExportRefused, match="name a new folder"):
        export(published, tmp_path / "full", WOLFGANG)
    gone = participant("A1", "wolfgang", withdrawn_on=date(2026, 3, 9))
    with pytest.raises(StudyExportRefused, match="nobody takes part in nap"):
        export(published, tmp_path / "nap", gone)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine"]
