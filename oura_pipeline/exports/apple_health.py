"""Overnight heart rate and HRV as files that Apple's Shortcuts and other tools import.

What surprises: a day gets files only when Oura was asked for it and answered. A night without HRV
is a file without rows; a day that failed or was never asked has none, and files that it had before
stay as they are. And there is no SDNN: Oura measures RMSSD, and neither can be converted into the
other (docs/apple-health.md).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.exports.views import inside
from oura_pipeline.files import write_if_changed

SCHEMA_FILE = Path(__file__).with_name("apple_health.schema.json")
WARNING = (
    "The values of hrv are RMSSD as Oura measures it. They are no SDNN, which is what Apple Watch "
    "writes as heart rate variability; neither can be converted into the other."
)
COLUMNS = ("start", "end", "value", "unit", "type", "method", "part")
_ANSWERED = ("landed", "empty")

Sample = Mapping[str, str | float]
Night = Mapping[str, Sequence[Sample]]  # by the name of a measure; by time


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What there are samples of.

    Attributes:
        name: of its list in the JSON file.
        unit: as Apple spells it.
        type: Apple's identifier of it.
        method: how it is calculated; None: it is as it was measured.
    """

    name: str
    unit: str
    type: str
    method: str | None = None


HEART_RATE = Measure(name="heart_rate", unit="count/min", type="HKQuantityTypeIdentifierHeartRate")
HRV = Measure(
    name="hrv",
    unit="ms",
    type="HKQuantityTypeIdentifierHeartRateVariabilityRMSSD",
    method="RMSSD",
)
MEASURES = (HEART_RATE, HRV)


@dataclass(frozen=True, kw_only=True)
class ExportedDay:
    """What became of a person's day.

    Attributes:
        username: whose.
        day: Oura's day.
        samples: how many, by the name of a measure.
        changed: how many of the two files were written; the others were like that already.
    """

    username: str
    day: date
    samples: Mapping[str, int]
    changed: int


def export_hrv(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    usernames: Collection[str] | None = None,
    first_day: date = date.min,
    last_day: date = date.max,
) -> list[ExportedDay]:
    """Write `<folder>/<username>/<day>_hrv.csv` and `.json` for the days that were answered.

    Args:
        connection: to the published copy.
        folder: where to.
        usernames: of whom; None: everybody.
        first_day: the first day.
        last_day: the last one, included.

    Raises:
        FilesRefused: a username cannot be the name of a folder.
    """
    answered = _answered_days(connection, usernames, first_day, last_day)
    return [
        _export_day(inside(folder, username), username, day, night)
        for username, days in answered
        for day, night in _nights(connection, username, days).items()
    ]


def json_schema() -> str:
    """The JSON Schema of the JSON files."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def as_csv(night: Night) -> str:
    """A line per sample, by time; of two at the same time the heart rate comes first."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    samples = [sample for measure in MEASURES for sample in night[measure.name]]
    table.writerows(sorted(samples, key=lambda one: datetime.fromisoformat(str(one["start"]))))
    return text.getvalue()


def as_json(username: str, day: date, night: Night) -> str:
    """A dictionary with a list of flat dictionaries per measure, to be repeated over.

    Each sample is a line, so that a change of one is a change of one line.
    """
    said = {"username": username, "day": day.isoformat(), "warning": WARNING}
    entries = [f'"{name}": {json.dumps(value)}' for name, value in said.items()]
    entries += [f'"{name}": {_lines(samples)}' for name, samples in night.items()]
    return "{\n  " + ",\n  ".join(entries) + "\n}\n"


def _lines(samples: Sequence[Sample]) -> str:
    listed = ",\n    ".join(json.dumps(sample) for sample in samples)
    return f"[\n    {listed}\n  ]" if samples else "[]"


def _answered_days(
    connection: duckdb.DuckDBPyConnection,
    usernames: Collection[str] | None,
    first_day: date,
    last_day: date,
) -> Iterator[tuple[str, list[date]]]:
    """By person the days for which Oura said what sleep there was, or that there was none."""
    rows = connection.execute(
        "SELECT username, day FROM oura.coverage "
        "WHERE document_type = $1 AND list_contains($2, status) AND day BETWEEN $3 AND $4 "
        "AND ($5::VARCHAR[] IS NULL OR list_contains($5::VARCHAR[], username)) "
        "ORDER BY username, day",
        [SLEEP.name, _ANSWERED, first_day, last_day, usernames and list(usernames)],
    ).fetchall()
    for username, found in groupby(rows, key=lambda row: row[0]):
        yield username, [day for _, day in found]


def _nights(
    connection: duckdb.DuckDBPyConnection, username: str, days: Sequence[date]
) -> Mapping[date, Night]:
    """A person's samples of those days."""
    rows = connection.execute(
        "SELECT day, epoch_us(time), epoch_us(time_local) - epoch_us(time), interval_seconds, "
        "part, bpm, hrv_ms FROM oura.sleep_heart WHERE username = $1 AND day BETWEEN $2 AND $3 "
        "ORDER BY day, time, part, sleep_id",
        [username, days[0], days[-1]],
    ).fetchall()
    nights: dict[date, dict[str, list[Sample]]] = {
        day: {measure.name: [] for measure in MEASURES} for day in days
    }
    for day, instant, ahead, seconds, part, *values in rows:
        if day in nights:
            times = _times(instant, ahead, seconds)
            for measure, value in zip(MEASURES, values, strict=True):
                if value is not None:
                    nights[day][measure.name].append(_sample(measure, times, value, part))
    return nights


def _times(instant: int, ahead: int, seconds: float) -> dict[str, str]:
    """Start and end on the person's clock; an instant and how far it is ahead, microseconds."""
    began = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    start = began.astimezone(timezone(timedelta(microseconds=ahead)))
    return {"start": start.isoformat(), "end": (start + timedelta(seconds=seconds)).isoformat()}


def _sample(measure: Measure, times: Mapping[str, str], value: Any, part: str) -> Sample:
    method = {"method": measure.method} if measure.method else {}
    described = {"unit": measure.unit, "type": measure.type, **method, "part": part}
    return {**times, "value": value, **described}


def _export_day(folder: Path, username: str, day: date, night: Night) -> ExportedDay:
    """Write the two files of a person's day where they are not like that already."""
    contents = {
        f"{day}_hrv.csv": as_csv(night),
        f"{day}_hrv.json": as_json(username, day, night),
    }
    return ExportedDay(
        username=username,
        day=day,
        samples={name: len(samples) for name, samples in night.items()},
        changed=sum(
            write_if_changed(folder / name, text.encode()) for name, text in contents.items()
        ),
    )
