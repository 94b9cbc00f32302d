"""Events that are alike become the same rows as those that Dagster makes of each."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    DagsterEvent,
    StepMaterializationData,
)
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import serialize_value

from oura_pipeline.defs.event_rows import each_day, rows_of

KINDS = dg.DagsterEventType
PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2027-01-01")
SLEEP, HEART = dg.AssetKey(["oura", "sleep"]), dg.AssetKey(["oura", "heartrate"])
METADATA = [
    {},
    {"rows": 3, "seconds": 0.1 + 0.2, "people": dg.MetadataValue.md("| █ | \n\\")},
    {"rows": 10**30, "seconds": -0.0, "people": dg.MetadataValue.md("| ░ |")},
    {"rows": True, "seconds": float("inf"), "people": dg.MetadataValue.text('"value": 7')},
    {"seconds": 7.5, "rows": 7, "7.5": 7, '"label": 7': 7.5},
    {"url": dg.MetadataValue.url("https://example.org"), "list": [1, {"a": None}], "none": None},
    {"rows": dg.IntMetadataValue(None), "seconds": dg.FloatMetadataValue(None)},
]
TAGS = [None, {"z": "1", "a": "2"}, {"dagster/data_version": "3"}]


def entry(kind: KINDS, data: Any, **changes: Any) -> dg.EventLogEntry:
    """An entry about an asset."""
    of_event = {name: changes.pop(name) for name in ("message", "pid") if name in changes}
    event = DagsterEvent(kind.value, "sync", event_specific_data=data, step_key="step", **of_event)
    fields = {
        "error_info": None,
        "level": "INFO",
        "user_message": "",
        "run_id": "a-run",
        "timestamp": 1_780_000_000.123456,
        "step_key": "step",
        "job_name": "sync",
    }
    return dg.EventLogEntry(**fields | changes, dagster_event=event)


def made(
    day: str | None = "2026-01-01",
    metadata: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    *,
    key: dg.AssetKey = SLEEP,
    description: str | None = None,
    **changes: Any,
) -> dg.EventLogEntry:
    event = dg.AssetMaterialization(
        key, partition=day, metadata=metadata, tags=tags, description=description
    )
    return entry(KINDS.ASSET_MATERIALIZATION, StepMaterializationData(event), **changes)


def planned(day: str | None, key: dg.AssetKey = SLEEP, **changes: Any) -> dg.EventLogEntry:
    data = AssetMaterializationPlannedData(key, partition=day)
    return entry(KINDS.ASSET_MATERIALIZATION_PLANNED, data, **changes)


def checked(passed: bool) -> dg.EventLogEntry:
    data = dg.AssetCheckEvaluation(check_name="landed", passed=passed, asset_key=SLEEP)
    return entry(KINDS.ASSET_CHECK_EVALUATION, data)


def observed(day: str) -> dg.EventLogEntry:
    data = AssetObservationData(dg.AssetObservation(SLEEP, partition=day))
    return entry(KINDS.ASSET_OBSERVATION, data)


@pytest.mark.parametrize(
    "events",
    [
        [made(day, metadata) for metadata in METADATA for day in ("2026-01-01", 'a\0"b', None)],
        [made(tags=tags, timestamp=at) for tags in TAGS for at in (0.0, 1e9, 1_780_000_000.1)],
        [made(), made(key=HEART), made(), made(description="x"), made(), made(user_message="x")],
        [made(), made(run_id="b"), made(level=10), made(step_key=None), made(job_name="b")],
        [made(), made(message="x"), made(message="y"), made(pid=1), made(pid=2)],
        [planned("2026-01-01"), planned("2026-01-02"), planned(None), planned("x", HEART)],
        [planned("2026-01-01"), made("2026-01-01"), planned("2026-01-02"), made("2026-01-02")],
        [checked(True), checked(False), made(), observed("2026-01-01"), observed("2026-01-02")],
    ],
)
def test_rows_are_those_of_dagster(events: list[dg.EventLogEntry], tmp_path: Path) -> None:
    """Whatever differs from one event to the next: texts to the letter, and every column."""
    dagsters = SqliteEventLogStorage(str(tmp_path))
    rows = list(rows_of(events))
    assert rows == [dagsters._event_to_row(event) for event in events]


def test_a_set_of_days_is_planned_as_each_of_them() -> None:
    """What Dagster plans at once becomes the events that it would have made of each day."""
    subset = PARTITIONS.subset_with_partition_keys(["2026-01-01", "2026-01-02", "2026-05-09"])
    data = AssetMaterializationPlannedData(SLEEP, partitions_subset=subset)
    events = [
        planned(None),
        entry(KINDS.ASSET_MATERIALIZATION_PLANNED, data),
        made(),
        checked(True),
    ]
    expected = [
        planned(None),
        planned("2026-01-01"),
        planned("2026-01-02"),
        planned("2026-05-09"),
        made(),
        checked(True),
    ]
    found = [serialize_value(event) for event in each_day(events)]
    assert found == [serialize_value(event) for event in expected]
