"""How Dagster reads of which days a check speaks, where one evaluation is about many of them.

Dagster itself would record an evaluation per day and check. Here one stands for a range of days, so
that a sync records as many as there are checks; what is the newest word on a day is worked out when
somebody looks.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as db
from dagster import AssetCheckKey, AssetKey
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from oura_pipeline.days import days_between
from oura_pipeline.defs.partitions import BETWEEN, span_of

_CHECKS = AssetCheckExecutionsTable.c
_FIRST = db.func.substr(_CHECKS.partition, 1, 10)
_LAST = db.func.substr(_CHECKS.partition, db.func.length(_CHECKS.partition) - 9, 10)


class ChecksOfRanges(SqlEventLogStorage):
    """An event log in which the partition of an evaluated check may be a range of days."""

    def get_latest_asset_check_execution_by_key(
        self,
        check_keys: Sequence[AssetCheckKey],
        partition_filter: PartitionKeyFilter | None = None,
    ) -> Mapping[AssetCheckKey, AssetCheckExecutionRecord]:
        """Return the latest execution of each; of a check of days, that of its newest day."""
        found = dict(super().get_latest_asset_check_execution_by_key(check_keys, partition_filter))
        if partition_filter is None:
            for day, keys in self._newest_days([*found]).items():
                newest = PartitionKeyFilter(key=day)
                found |= super().get_latest_asset_check_execution_by_key(keys, newest)
        return found

    def _newest_days(self, keys: Sequence[AssetCheckKey]) -> dict[str, list[AssetCheckKey]]:
        wanted = {(key.asset_key.to_string(), key.name): key for key in keys}
        check = (_CHECKS.asset_key, _CHECKS.check_name)
        newest = (
            db.select(*check, db.func.max(_LAST).label("day"))
            .where(
                _CHECKS.asset_key.in_({asset for asset, _ in wanted}),
                _CHECKS.partition.is_not(None),
            )
            .group_by(*check)
        )
        by_day: dict[str, list[AssetCheckKey]] = {}
        with self.index_connection() as connection:
            for asset, name, day in connection.execute(newest):
                if key := wanted.get((asset, name)):
                    by_day.setdefault(day, []).append(key)
        return by_day

    def _get_asset_check_partition_filter_clause(
        self, partition_filter: PartitionKeyFilter | None
    ) -> Any:
        clause = super()._get_asset_check_partition_filter_clause(partition_filter)
        if partition_filter is None or partition_filter.key is None:
            return clause
        day = partition_filter.key
        of_range = _CHECKS.partition.contains(BETWEEN, autoescape=True)
        return db.or_(clause, db.and_(of_range, day >= _FIRST, day <= _LAST))

    def _get_asset_check_partition_info_for_key(
        self,
        check_key: AssetCheckKey,
        after_storage_id: int | None,
        partition_keys: Sequence[str] | None,
        latest_unpartitioned_materialization_storage_ids: Mapping[AssetKey, int],
    ) -> Sequence[AssetCheckPartitionInfo]:
        newest = self._newest_of_each_day(check_key)
        if not newest:
            return super()._get_asset_check_partition_info_for_key(
                check_key,
                after_storage_id,
                partition_keys,
                latest_unpartitioned_materialization_storage_ids,
            )
        return [
            _info(check_key, day, row)
            for day, row in newest.items()
            if (partition_keys is None or day in partition_keys)
            and row.evaluation_event_storage_id > (after_storage_id or 0)
        ]

    def _newest_of_each_day(self, key: AssetCheckKey) -> dict[str, Any]:
        rows = (
            db.select(
                _CHECKS.partition,
                _CHECKS.run_id,
                _CHECKS.execution_status,
                _CHECKS.evaluation_event_storage_id,
            )
            .where(
                _CHECKS.asset_key == key.asset_key.to_string(),
                _CHECKS.check_name == key.name,
                _CHECKS.partition.is_not(None),
                _CHECKS.evaluation_event_storage_id.is_not(None),
            )
            .order_by(_CHECKS.id)
        )
        with self.index_connection() as connection:
            found = connection.execute(rows).all()
        return {day: row for row in found for day in days_of(row.partition)}


def days_of(partition: str) -> list[str]:
    """Return the days, or the day, that the partition of a check says."""
    first, last = span_of(partition)
    if first == last:
        return [first]
    return [str(day) for day in days_between(date.fromisoformat(first), date.fromisoformat(last))]


def _info(key: AssetCheckKey, day: str, row: Any) -> AssetCheckPartitionInfo:
    return AssetCheckPartitionInfo(
        check_key=key,
        partition_key=day,
        latest_execution_status=AssetCheckExecutionRecordStatus(row.execution_status),
        latest_planned_run_id=row.run_id,
        latest_check_event_storage_id=row.evaluation_event_storage_id,
        # The day may have landed anew for somebody since; what was said of it holds until the check
        # speaks of it again.
        latest_materialization_storage_id=None,
        latest_target_materialization_storage_id=None,
    )
