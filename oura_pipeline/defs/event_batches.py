"""What is written of many of Dagster's events at once, whatever the database."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.events import ASSET_CHECK_EVENTS, BATCH_WRITABLE_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy.engine import Connection

from oura_pipeline.defs.check_days import ChecksOfRanges
from oura_pipeline.defs.event_rows import Row, each_day, rows_of, tags

_CHECKED = {kind.value for kind in ASSET_CHECK_EVENTS}
_WRITTEN_AT_ONCE = {kind.value for kind in BATCH_WRITABLE_EVENTS} | _CHECKED


class BatchedEventLog(ChecksOfRanges):
    """An event log of Dagster's that writes many events in one transaction.

    A batch is written whole or not at all. What Dagster reads is the same, in the same order and
    under the same ids.
    """

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write all events, or none."""
        if not _is_one_batch(events):
            # Events of several runs or of other kinds are written one by one, as Dagster does.
            for event in events:
                self.store_event(event)
            return
        events = list(each_day(events))
        self._write(events, list(rows_of(events)))

    def store_event(self, event: EventLogEntry) -> None:
        """Write an event, or one for each day of those that it plans."""
        if event.dagster_event and event.dagster_event.partitions_subset:
            self.store_event_batch([event])
        else:
            super().store_event(event)

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        # Dagster would make an event for each day of each asset of a run.
        return True

    def _write(self, events: Sequence[EventLogEntry], rows: Sequence[Row]) -> None:
        """Write a batch of events of one run; these are their rows."""
        raise NotImplementedError

    def _store_beside(
        self,
        index: Connection,
        events: Sequence[EventLogEntry],
        rows: Sequence[Row],
        event_ids: Sequence[int],
    ) -> None:
        """Write what the other tables have of these events."""
        self._store_tags(index, events, event_ids)
        self._store_assets(index, events, rows, event_ids)
        _store_checks(index, events, rows, event_ids)

    def _store_tags(
        self, index: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]
    ) -> None:
        tagged = [(event, id_) for event, id_ in zip(events, event_ids, strict=True) if tags(event)]
        if tagged:
            self._store_asset_event_tags(index, *zip(*tagged, strict=True))

    def _store_assets(
        self,
        index: Connection,
        events: Sequence[EventLogEntry],
        rows: Sequence[Row],
        event_ids: Sequence[int],
    ) -> None:
        # An asset has one row; only the newest event of a kind leaves a trace in it.
        newest = {
            (row["asset_key"], row["dagster_event_type"]): (event, event_id)
            for event, row, event_id in zip(events, rows, event_ids, strict=True)
            if row["asset_key"]
        }
        # By asset: two runs that write the same ones in different orders may deadlock on Postgres.
        for _, (event, event_id) in sorted(newest.items(), key=lambda it: (it[0][0], it[1][1])):
            self._store_asset_event(index, event, event_id)

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        with self.index_connection() as index:
            row = _check_row(event, self._event_to_row(event), event_id)
            index.execute(AssetCheckExecutionsTable.insert(), [row])

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        row = _check_row(event, self._event_to_row(event), event_id)
        columns = AssetCheckExecutionsTable.c
        planned = AssetCheckExecutionsTable.update().where(
            *(columns[name] == row[name] for name in ("asset_key", "check_name", "run_id")),
            columns.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value,
        )
        if row["partition"]:  # of a run of one day
            with self.index_connection() as index:
                index.execute(planned.values(partition=row["partition"]))
        super()._update_asset_check_evaluation(event, event_id)


def _store_checks(
    index: Connection,
    events: Sequence[EventLogEntry],
    rows: Sequence[Row],
    event_ids: Sequence[int],
) -> None:
    # Only an op reports evaluations in a batch, and nothing has planned those.
    checks = [
        _check_row(event, row, event_id)
        for event, row, event_id in zip(events, rows, event_ids, strict=True)
        if row["dagster_event_type"] in _CHECKED
    ]
    if checks:
        index.execute(AssetCheckExecutionsTable.insert(), checks)


def _check_row(event: EventLogEntry, row: Row, event_id: int | None) -> Row:
    check: Any = event.get_dagster_event().event_specific_data
    status = AssetCheckExecutionRecordStatus
    if row["dagster_event_type"] == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value:
        execution_status = status.PLANNED
    else:
        execution_status = status.SUCCEEDED if check.passed else status.FAILED
    return {
        "asset_key": check.asset_key.to_string(),
        "check_name": check.check_name,
        "run_id": event.run_id,
        "execution_status": execution_status.value,
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": event_id,
        "materialization_event_storage_id": None,
        "partition": _partition(check),
    }


def _partition(check: Any) -> str | None:
    """Return the day, or the range of days, that a check speaks of."""
    # Dagster plans a check for each day of a run, also one that has no days. It is evaluated once,
    # and what was planned for a day would stay planned for ever.
    return check.partition if isinstance(check, dg.AssetCheckEvaluation) else None


def _is_one_batch(events: Sequence[EventLogEntry]) -> bool:
    return len({event.run_id for event in events}) == 1 and all(
        event.dagster_event and event.dagster_event.event_type_value in _WRITTEN_AT_ONCE
        for event in events
    )
