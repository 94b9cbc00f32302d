"""Files for Apple Health hold exactly what the copy holds, and days without an answer have none."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from oura_pipeline.exports.apple_health import WARNING, ExportedDay, export_hrv, json_schema
from oura_pipeline.exports.views import ViewExportError
from oura_pipeline_tests.testing.published_copies import insert_rows, readable_copy, writable_copy

NIGHT = date(2026, 4, 10)
# Before and after the person's clock changed from +02:00 to +05:30, with a nap later that day.
SAMPLES = [
    (username, NIGHT, sleep, part, f"{time}+00", local, bpm, hrv, 300.0)
    for username, sleep, part, time, local, bpm, hrv in [
        ("ada", "s1", "night", "2026-04-09 22:30:00", "2026-04-10 00:30:00", 61.5, 42.0),
        ("ada", "s1", "night", "2026-04-09 22:35:00", "2026-04-10 00:35:00", None, 40.0),
        ("ada", "s2", "nap", "2026-04-10 12:00:00.25", "2026-04-10 17:30:00.25", 58.0, None),
        ("milo", "s3", "night", "2026-04-10 05:00:00", "2026-04-09 22:00:00", 50.0, 71.0),
    ]
]
COVERAGE = [
    ("ada", "sleep", date(2026, 4, 8), "empty", 0, None, None, 0),
    ("ada", "sleep", date(2026, 4, 9), "failed", 0, None, "Oura was away", 0),
    ("ada", "sleep", NIGHT, "landed", 2, None, None, 0),
    ("ada", "daily_sleep", date(2026, 4, 11), "landed", 1, None, None, 0),
    ("ada", "sleep", date(2026, 4, 11), "never_asked", 0, None, None, 0),
    ("milo", "sleep", NIGHT, "landed", 1, None, None, 0),
    ("milo", "sleep", date(2026, 4, 11), "not_granted", 0, None, None, 0),
]
HEADER = "start,end,value,unit,type,method,part\n"
HEART, HRV = (
    "HKQuantityTypeIdentifierHeartRate",
    "HKQuantityTypeIdentifierHeartRateVariabilityRMSSD",
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A copy with two people's nights."""
    path = tmp_path / "analytics.duckdb"
    with writable_copy(path) as connection:
        insert_rows(connection, "sleep_heart", SAMPLES)
        insert_rows(connection, "coverage", COVERAGE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exports"


def export(published: Path, folder: Path, **how: Any) -> list[ExportedDay]:
    with readable_copy(published) as connection:
        return export_hrv(connection, folder, **how)


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def said(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_a_night_is_written_as_the_person_lived_it(published: Path, folder: Path) -> None:
    """Times with the offset of that moment, Apple's units, nothing for what was not measured."""
    export(published, folder)
    first = {"start": "2026-04-10T00:30:00+02:00", "end": "2026-04-10T00:35:00+02:00"}
    second = {"start": "2026-04-10T00:35:00+02:00", "end": "2026-04-10T00:40:00+02:00"}
    nap = {
        "start": "2026-04-10T17:30:00.250000+05:30",
        "end": "2026-04-10T17:35:00.250000+05:30",
    }
    hrv = {"unit": "ms", "type": HRV, "method": "RMSSD", "part": "night"}
    night = said(folder, "ada/2026-04-10_hrv.json")
    warning = night.pop("warning")
    assert night == {
        "username": "ada",
        "day": "2026-04-10",
        "heart_rate": [
            {**first, "value": 61.5, "unit": "count/min", "type": HEART, "part": "night"},
            {**nap, "value": 58.0, "unit": "count/min", "type": HEART, "part": "nap"},
        ],
        "hrv": [{**first, "value": 42.0, **hrv}, {**second, "value": 40.0, **hrv}],
    }
    assert warning == (
        "The values of hrv are RMSSD as Oura measures it. They are no SDNN, which is what Apple "
        "Watch writes as heart rate variability; neither can be converted into the other."
    )
    assert (folder / "ada/2026-04-10_hrv.csv").read_text(encoding="utf-8") == (
        f"{HEADER}"
        f"2026-04-10T00:30:00+02:00,2026-04-10T00:35:00+02:00,61.5,count/min,{HEART},,night\n"
        f"2026-04-10T00:30:00+02:00,2026-04-10T00:35:00+02:00,42.0,ms,{HRV},RMSSD,night\n"
        f"2026-04-10T00:35:00+02:00,2026-04-10T00:40:00+02:00,40.0,ms,{HRV},RMSSD,night\n"
        "2026-04-10T17:30:00.250000+05:30,2026-04-10T17:35:00.250000+05:30,58.0,count/min,"
        f"{HEART},,nap\n"
    )


def test_only_days_that_were_answered_have_files(published: Path, folder: Path) -> None:
    """An empty one is a header and two empty lists; failed, not granted, never asked: no file."""
    done = export(published, folder)
    assert files(folder) == [
        f"{place}_hrv.{kind}"
        for place in ("ada/2026-04-08", "ada/2026-04-10", "milo/2026-04-10")
        for kind in ("csv", "json")
    ]
    assert (folder / "ada/2026-04-08_hrv.csv").read_text(encoding="utf-8") == HEADER
    assert (folder / "ada/2026-04-08_hrv.json").read_text(encoding="utf-8").splitlines() == [
        "{",
        '  "username": "ada",',
        '  "day": "2026-04-08",',
        f'  "warning": "{WARNING}",',
        '  "heart_rate": [],',
        '  "hrv": []',
        "}",
    ]
    assert done == [
        ExportedDay(username=username, day=day, samples={"heart_rate": a, "hrv": b}, changed=2)
        for username, day, a, b in (
            ("ada", date(2026, 4, 8), 0, 0),
            ("ada", NIGHT, 2, 2),
            ("milo", NIGHT, 1, 1),
        )
    ]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"usernames": ["milo"]}, ["milo/2026-04-10"]),
        ({"usernames": []}, []),
        ({"usernames": ["nobody"]}, []),
        ({"last_day": date(2026, 4, 9)}, ["ada/2026-04-08"]),
        ({"first_day": NIGHT, "usernames": ["ada"]}, ["ada/2026-04-10"]),
    ],
)
def test_people_and_days_can_be_chosen(
    how: dict[str, Any], expected: list[str], published: Path, folder: Path
) -> None:
    export(published, folder, **how)
    assert files(folder) == [f"{name}_hrv.{kind}" for name in expected for kind in ("csv", "json")]


def test_what_is_the_same_is_not_written_again(published: Path, folder: Path) -> None:
    """Neither the bytes nor the times of the files change, and nothing else is left there."""

    def state() -> dict[str, tuple[int, int, bytes]]:
        paths = {name: folder / name for name in files(folder)}
        return {
            name: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
            for name, path in paths.items()
        }

    export(published, folder)
    before = state()
    assert len(before) == 6
    assert [day.changed for day in export(published, folder)] == [0, 0, 0]
    assert state() == before


def test_a_day_that_changed_is_written_again_and_no_other(published: Path, folder: Path) -> None:
    """Also one that became empty, which is emptied."""
    export(published, folder)
    untouched = (folder / "ada/2026-04-10_hrv.json").stat().st_mtime_ns
    with writable_copy(published) as connection:
        connection.execute("DELETE FROM oura.sleep_heart WHERE username = 'milo'")
        connection.execute("UPDATE oura.coverage SET status = 'empty' WHERE username = 'milo'")
    reader = (folder / "milo/2026-04-10_hrv.csv").open(encoding="utf-8")
    assert [(day.username, day.changed) for day in export(published, folder)] == [
        ("ada", 0),
        ("ada", 0),
        ("milo", 2),
        ("milo", 2),
    ]
    with reader:
        assert len(reader.readlines()) == 3, "whoever has the old file open keeps reading it whole"
    assert (folder / "milo/2026-04-10_hrv.csv").read_text(encoding="utf-8") == HEADER
    assert said(folder, "milo/2026-04-10_hrv.json")["hrv"] == []
    assert (folder / "ada/2026-04-10_hrv.json").stat().st_mtime_ns == untouched


def test_a_day_that_fails_later_keeps_its_files(published: Path, folder: Path) -> None:
    """What Oura said last still stands."""
    export(published, folder)
    before = (folder / "milo/2026-04-10_hrv.json").read_bytes()
    with writable_copy(published) as connection:
        connection.execute("UPDATE oura.coverage SET status = 'failed' WHERE username = 'milo'")
        connection.execute("DELETE FROM oura.sleep_heart WHERE username = 'milo'")
    export(published, folder)
    assert (folder / "milo/2026-04-10_hrv.json").read_bytes() == before


@pytest.mark.parametrize("username", ["../ada", "..", "/etc", "a/b", ""])
def test_no_username_leads_out_of_the_folder(username: str, tmp_path: Path) -> None:
    """Even if somebody wrote one into the database that no person can have."""
    published, folder = tmp_path / "odd.duckdb", tmp_path / "deep" / "exports"
    with writable_copy(published) as connection:
        insert_rows(connection, "coverage", [(username, "sleep", NIGHT, "empty", 0, None, None, 0)])
    with pytest.raises(ViewExportError, match="cannot be the name of a file"):
        export(published, folder)
    assert files(tmp_path) == ["odd.duckdb"]


def test_every_file_is_valid_and_reads_back_as_the_copy(published: Path, folder: Path) -> None:
    """Both kinds, sample by sample, against the rows they were made of."""
    export(published, folder)
    validator = Draft202012Validator(
        json.loads(json_schema()), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    with readable_copy(published) as connection:
        for name in [name for name in files(folder) if name.endswith(".json")]:
            night = said(folder, name)
            validator.validate(night)
            held = connection.execute(
                "FROM oura.sleep_heart WHERE username = ? AND day = ? ORDER BY time",
                [night["username"], night["day"]],
            ).fetchall()
            for kind, column in (("heart_rate", 6), ("hrv", 7)):
                assert [
                    (datetime.fromisoformat(one["start"]), one["value"], one["part"])
                    for one in night[kind]
                ] == [(row[4], row[column], row[3]) for row in held if row[column] is not None]
            table = (folder / name).with_suffix(".csv").read_text(encoding="utf-8")
            lines = list(csv.DictReader(io.StringIO(table)))
            assert sorted(map(_as_text, lines)) == sorted(
                _as_text({"method": "", **one}) for one in night["heart_rate"] + night["hrv"]
            )


def _as_text(sample: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in sample.items())


def set_at(*path: Any, to: Any) -> Callable[[Any], None]:
    """A change of one place in a document."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = to

    return change


def without(*path: Any) -> Callable[[Any], None]:
    """The removal of one place in a document."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (set_at("more", to=1), "Additional properties are not allowed"),
        (set_at("hrv", 0, "more", to=1), "Additional properties are not allowed"),
        (set_at("heart_rate", 0, "method", to="RMSSD"), "Additional properties are not allowed"),
        (without("warning"), "'warning' is a required property"),
        (set_at("warning", to="None."), "was expected"),
        (without("hrv", 0, "method"), "'method' is a required property"),
        (set_at("hrv", 0, "method", to="SDNN"), "'RMSSD' was expected"),
        (set_at("hrv", 0, "unit", to="s"), "'ms' was expected"),
        (set_at("hrv", 0, "type", to=HEART), "was expected"),
        (set_at("hrv", 0, "value", to="42"), "is not of type 'number'"),
        (set_at("hrv", 0, "value", to=None), "is not of type 'number'"),
        (set_at("hrv", 0, "value", to=-1), "is less than the minimum"),
        (set_at("heart_rate", 0, "value", to=301), "is greater than the maximum"),
        (set_at("heart_rate", 0, "unit", to="bpm"), "'count/min' was expected"),
        (set_at("heart_rate", 0, "part", to="rest"), "is not one of"),
        (set_at("heart_rate", 0, "start", to="2026-04-10T00:30:00"), "does not match"),
        (set_at("heart_rate", 0, "start", to="2026-04-10T00:30:00Z"), "does not match"),
        (set_at("heart_rate", 0, "end", to="2026-04-10T25:30:00+02:00"), "does not match"),
        (set_at("day", to="2026-4-10"), "does not match"),
        (set_at("username", to="../ada"), "does not match"),
        (set_at("hrv", to={}), "is not of type 'array'"),
    ],
)
def test_the_schema_restricts(
    change: Callable[[Any], None], complaint: str, published: Path, folder: Path
) -> None:
    """A file that is not as described is not valid, and one thing is wrong with it."""
    schema = json.loads(json_schema())
    Draft202012Validator.check_schema(schema)
    export(published, folder, usernames=["ada"])
    document = copy.deepcopy(said(folder, "ada/2026-04-10_hrv.json"))
    change(document)
    messages = [error.message for error in Draft202012Validator(schema).iter_errors(document)]
    assert len(messages) == 1
    assert complaint in messages[0]
