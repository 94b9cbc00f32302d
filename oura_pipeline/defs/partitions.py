"""The daily partitions, and the tags of runs."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg

from oura_pipeline.days import days_between
from oura_pipeline.settings import SettingsError, load_settings

# The zone in which every day begins first: last night's sleep carries today's day, and somebody in
# Auckland is a day ahead. A partition exists for every day that has begun anywhere on Earth.
FIRST_ZONE = "Etc/GMT-14"  # UTC+14: POSIX counts the other way round
HISTORY_TAG = "oura_pipeline/history"
HISTORY = "new_people"  # its value, where a run fetches the history of people
TURN_TAG = "oura_pipeline/turn"  # dagster.yaml lets one run of each value work at a time
BETWEEN = "..."  # the days of a range in Dagster's dialogs, and here of what a check is about
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
DAYS_TAG = "oura_pipeline/days"  # for whoever looks at a list of runs
RETRIES_TAG = "oura_pipeline/retries"  # so often a run tried again what failed


class NoDays(Exception):
    """A run of assets with days was started without any."""


class DailyPartitions(dg.DailyPartitionsDefinition):
    """Dagster's daily partitions, listed without a look at a calendar for each day.

    Dagster lists all of them for every check of a run: ten years take it 0.1 s.
    """

    def get_partition_keys(
        self, current_time: datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        """Return the days that have begun by now, or by another time."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_key(), self.get_last_partition_key()
        if first is None or last is None:
            return []
        days = days_between(date.fromisoformat(first), date.fromisoformat(last))
        return [day.isoformat() for day in days]


def daily_partitions(first_day: date | None = None) -> dg.DailyPartitionsDefinition:
    """Return a partition per day, from the first day of history up to today, wherever it is."""
    first_day = first_day or load_settings().oura.history_start
    # Dagster counts a day when it is over; `end_offset` adds the one that has begun.
    return DailyPartitions(start_date=first_day.isoformat(), timezone=FIRST_ZONE, end_offset=1)


def first_and_last_day(partitions: dg.DailyPartitionsDefinition) -> tuple[date, date]:
    """Return the first and the last day that have a partition.

    Raises:
        SettingsError: none has one yet.
    """
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or last is None:
        raise SettingsError(
            "history starts in the future: set OURA_HISTORY_START to an earlier day"
        )
    return date.fromisoformat(first), date.fromisoformat(last)


def run_days(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """Return the days that a run is for: one, or a range without holes.

    Raises:
        NoDays: none was chosen.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise NoDays(
            "choose days: the asset has a partition per day, and the run was started without any. "
            "Select some in the dialog of *Materialize*, or launch the job `sync`"
        )
    return [date.fromisoformat(key) for key in context.partition_keys]


def range_tags(first_day: date, last_day: date) -> dict[str, str]:
    """Return the tags that make a run of assets cover a range of days, both included."""
    return {RANGE_START: first_day.isoformat(), RANGE_END: last_day.isoformat()}


def span_key(days: Sequence[date]) -> str:
    """Return a range of days as Dagster writes it; one day as its partition."""
    first, last = days[0], days[-1]
    return f"{first}{BETWEEN}{last}" if first < last else str(first)


def span_of(key: str) -> tuple[str, str]:
    """Return the first and the last day of what `span_key` returned."""
    first, _, last = key.partition(BETWEEN)
    return first, last or first


def day_span(first_day: date, last_day: date) -> str:
    """Return the days of a run as its tag shows them."""
    return f"{first_day} to {last_day}" if first_day < last_day else str(first_day)
