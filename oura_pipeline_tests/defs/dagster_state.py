"""All that Dagster knows of the example assets, as plain values that can be compared."""

from collections.abc import Callable
from typing import Any

import dagster as dg

MADE = dg.DagsterEventType.ASSET_MATERIALIZATION
PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
CHECKS = [
    ("sleep", "every_person_landed"),
    ("heartrate", "every_person_landed"),
    ("sleep_points", "every_person_landed"),
    ("sleep", "fields_known"),
]


def dagster_state(instance: dg.DagsterInstance, runs: list[str]) -> dict[str, Any]:
    """Dagster's answers about every asset, check and run; a run is named by its place in `runs`."""
    picture: dict[str, Any] = {
        name: asset_state(instance, dg.AssetKey(name), runs.index)
        for name in ("heartrate", "sleep", "sleep_points", "snapshot")
    }
    for asset, name in CHECKS:
        key = dg.AssetCheckKey(dg.AssetKey(asset), name)
        picture[f"{asset}:{name}"] = check_state(instance, key, runs.index)
    for place, run_id in enumerate(runs):
        picture[f"run {place}"] = run_events(instance, run_id)
        picture[f"run {place} in numbers"] = run_numbers(instance, run_id)
    found = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    )
    picture["planned checks of all runs"] = sorted(record.storage_id for record in found)
    return picture


def asset_state(
    instance: dg.DagsterInstance, key: dg.AssetKey, place: Callable[[str], int]
) -> dict[str, Any]:
    """The asset's record, its days by every road Dagster has to them, and its history."""
    storage = instance.event_log_storage
    records = instance.get_asset_records([key])
    if not records:
        return {}
    entry = records[0].asset_entry
    newest = entry.last_materialization_record
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations
    return {
        "days": sorted(instance.get_materialized_partitions(key)),
        "last run": place(entry.last_run_id),
        "last": newest and (newest.storage_id, newest.partition_key, place(newest.run_id)),
        "ids": storage.get_latest_storage_id_by_partition(key, MADE),
        "planned ids": storage.get_latest_storage_id_by_partition(key, PLANNED),
        "tagged": sorted(
            (day, sorted(tags))
            for day, tags in storage.get_latest_tags_by_partition(
                key, MADE, tag_keys=["dagster/data_version"]
            ).items()
        ),
        "unfinished": {
            day: (place(run_id), event_id) for day, (run_id, event_id) in attempts(key).items()
        },
        "history": history(instance, key, place),
    }


def history(
    instance: dg.DagsterInstance, key: dg.AssetKey, place: Callable[[str], int]
) -> list[tuple[Any, ...]]:
    """Every materialization, read in pages of three by Dagster's cursor, the oldest first."""
    found: list[tuple[Any, ...]] = []
    cursor = None
    while True:
        page = instance.fetch_materializations(key, limit=3, cursor=cursor, ascending=True)
        for record in page.records:
            metadata = record.asset_materialization.metadata
            values = {name: item.value for name, item in metadata.items()}
            found.append((record.storage_id, record.partition_key, place(record.run_id), values))
        cursor = page.cursor
        if not page.has_more:
            return found


def check_state(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, place: Callable[[str], int]
) -> list[tuple[Any, ...]]:
    """Every planned and done evaluation, the newest first."""
    executions = instance.event_log_storage.get_asset_check_execution_history(key, limit=1000)
    return [
        (item.id, item.partition, item.status, place(item.run_id), item.event.dagster_event_type)
        for item in executions
    ]


def run_events(instance: dg.DagsterInstance, run_id: str) -> list[tuple[Any, ...]]:
    """The run's own log in its order: id, what happened, at which step, for which day."""
    return [
        (record.storage_id, *event_place(record.event_log_entry))
        for record in instance.get_records_for_run(run_id).records
    ]


def run_numbers(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """What Dagster's pages of a run count: days of assets, steps and what each of them made."""
    storage = instance.event_log_storage
    stats = storage.get_stats_for_run(run_id)
    return {
        "days": {
            key.to_user_string(): sorted(str(day) for day in days)
            for key, days in storage.get_asset_partitions_for_run(run_id).items()
        },
        "steps": (stats.steps_succeeded, stats.steps_failed, stats.materializations),
        "made": {
            step.step_key: [entry.dagster_event.partition for entry in step.materialization_events]
            for step in storage.get_step_stats_for_run(run_id)
        },
    }


def event_place(entry: dg.EventLogEntry) -> tuple[str, str | None, str | None]:
    """What happened, at which step, for which day."""
    event = entry.dagster_event
    if event is None:
        return ("log", entry.step_key, None)
    return (event.event_type_value, event.step_key, event.partition)
