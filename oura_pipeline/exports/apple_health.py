"""Export overnight heart rate and HRV to files that Apple's Shortcuts and other tools import."""

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
from oura_pipeline.exports.views import child_path
from oura_pipeline.files import write_if_changed

SCHEMA_FILE = Path(__file__).with_name("apple_health.schema.json")
# In every file, and required by the schema: docs/apple-health.md says more.
WARNING = (
    "The values of hrv are RMSSD as Oura measures it. They are no SDNN, which is what Apple Watch "
    "writes as heart rate variability; neither can be converted into the other."
)
COLUMNS = ("start", "end", "value", "unit", "type", "method", "part")
# Both are answers; on any other day there may be samples that nobody has fetched.
_ANSWERED = ("landed", "empty")

Sample = Mapping[str, str | float]
Night = Mapping[str, Sequence[Sample]]  # the samples of each measure, by time


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A kind of sample.

    Attributes:
        name: the name of its list in the JSON file.
        unit: as Apple spells it.
        identifier: Apple's.
        method: how it is calculated; None: it is as it was measured.
    """

    name: str
    unit: str
    identifier: str
    method: str | None = None


HEART_RATE = Measure(
    name="heart_rate", unit="count/min", identifier="HKQuantityTypeIdentifierHeartRate"
)
HRV = Measure(
    name="hrv",
    unit="ms",
    # Not ...SDNN, the one that Apple Watch fills: an import into it would falsify both.
    identifier="HKQuantityTypeIdentifierHeartRateVariabilityRMSSD",
    method="RMSSD",
)
MEASURES = (HEART_RATE, HRV)


@dataclass(frozen=True, kw_only=True)
class ExportedDay:
    """The outcome for a person's day.

    Attributes:
        username: the person.
        day: Oura's day.
        samples: how many there are of each measure, by its name.
        changed: how many of the two files were written; the others had the content already.
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
    """Write `<folder>/<username>/<day>_hrv.csv` and `.json` for the days that Oura answered.

    A night without HRV becomes a file without rows. A day that failed or was never fetched gets no
    files, and files that it has stay as they are.

    Args:
        connection: to the published copy.
        folder: where to write.
        usernames: whose days; None: everybody's.
        first_day: the first day.
        last_day: the last one, included.

    Raises:
        ViewExportError: a username cannot be the name of a folder.
    """
    answered = _answered_days(connection, usernames, first_day, last_day)
    return [
        _export_day(child_path(folder, username), username, day, night)
        for username, days in answered
        # A person at a time: the nights of everybody need not fit into memory.
        for day, night in _nights(connection, username, days).items()
    ]


def json_schema() -> str:
    """Return the JSON Schema of the JSON files."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def to_csv(night: Night) -> str:
    """Return a line per sample, by time; of two at the same time the heart rate comes first."""
    text = io.StringIO()
    # csv's own line ends are \r\n, which would show as changes in a folder under git.
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    samples = [sample for measure in MEASURES for sample in night[measure.name]]
    table.writerows(sorted(samples, key=lambda one: datetime.fromisoformat(str(one["start"]))))
    return text.getvalue()


def to_json(username: str, day: date, night: Night) -> str:
    """Return a dictionary with a list of flat dictionaries per measure; Shortcuts can repeat those.

    Each sample is a line, so that a changed sample is a changed line.
    """
    head = {"username": username, "day": day.isoformat(), "warning": WARNING}
    entries = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
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
    """Yield each person's days on which Oura or their own export answered, if only with nothing."""
    rows = connection.execute(
        "SELECT username, day FROM oura.coverage "
        "WHERE document_type = $1 AND (list_contains($2, status) OR brought > 0) "
        "AND day BETWEEN $3 AND $4 "
        "AND ($5::VARCHAR[] IS NULL OR list_contains($5::VARCHAR[], username)) "
        "ORDER BY username, day",
        [SLEEP.name, _ANSWERED, first_day, last_day, usernames and list(usernames)],
    ).fetchall()
    for username, found in groupby(rows, key=lambda row: row[0]):
        yield username, [day for _, day in found]


def _nights(
    connection: duckdb.DuckDBPyConnection, username: str, days: Sequence[date]
) -> Mapping[date, Night]:
    """Return a person's samples of these days; a day without samples has empty lists."""
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
        # The query takes a range, in which days without an answer lie too.
        if day in nights:
            times = _times(instant, ahead, seconds)
            for measure, value in zip(MEASURES, values, strict=True):
                if value is not None:
                    nights[day][measure.name].append(_sample(measure, times, value, part))
    return nights


def _times(instant: int, ahead: int, seconds: float) -> dict[str, str]:
    """Return start and end on the person's clock, which is `ahead` μs ahead of UTC."""
    began = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    start = began.astimezone(timezone(timedelta(microseconds=ahead)))
    return {"start": start.isoformat(), "end": (start + timedelta(seconds=seconds)).isoformat()}


def _sample(measure: Measure, times: Mapping[str, str], value: Any, part: str) -> Sample:
    method = {"method": measure.method} if measure.method else {}
    described = {"unit": measure.unit, "type": measure.identifier, **method, "part": part}
    return {**times, "value": value, **described}


def _export_day(folder: Path, username: str, day: date, night: Night) -> ExportedDay:
    contents = {f"{day}_hrv.csv": to_csv(night), f"{day}_hrv.json": to_json(username, day, night)}
    return ExportedDay(
        username=username,
        day=day,
        samples={name: len(samples) for name, samples in night.items()},
        changed=sum(
            # Untouched files keep their time, so that syncing tools and Shortcuts leave them alone.
            write_if_changed(folder / name, text.encode())
            for name, text in contents.items()
        ),
    )
