"""The days.

What surprises: a partition exists for every day that has begun anywhere on Earth. Last night's
sleep carries today's day, and someone in Auckland is a day ahead, so the zone of the partitions is
the one in which every day begins first.
"""

from datetime import date

import dagster as dg

from oura_pipeline.settings import load_settings

FIRST_ZONE = "Etc/GMT-14"  # UTC+14: POSIX counts the other way round
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def days(first_day: date | None = None) -> dg.DailyPartitionsDefinition:
    """The daily partitions from the first day of history up to today, wherever today is."""
    first_day = first_day or load_settings().oura.history_start
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(), timezone=FIRST_ZONE, end_offset=1
    )


def asked_days(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """The days that a run is for: one, or a range without holes."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def range_tags(first_day: date, last_day: date) -> dict[str, str]:
    """The tags with which a run is for a range of days, both included."""
    return {RANGE_START: first_day.isoformat(), RANGE_END: last_day.isoformat()}
