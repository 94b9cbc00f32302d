"""What need not be kept any more, deleted in pieces; each function yields how much every piece was.

Any of them can be ended after any piece, by a kill too, and goes on from there the next time.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from oura_pipeline.defs import old_records
from oura_pipeline.graphite.compacting import SPILLED, compact
from oura_pipeline.pipeline import open_accounts, open_warehouse
from oura_pipeline.settings import Settings

CUT_OFF_AFTER = timedelta(days=1)  # no download takes so long
_TEMPORARY = (".download.", ".export.", SPILLED)


@dataclass(frozen=True, kw_only=True)
class Tidying:
    """What tidying works with.

    Attributes:
        instance: Dagster's.
        settings: of this process.
        now: the present moment.
        at_leisure: whether nobody waits for it.
    """

    instance: dg.DagsterInstance
    settings: Settings
    now: datetime
    at_leisure: bool = True

    @property
    def before(self) -> datetime:
        """The moment from which on everything is kept."""
        return self.now - timedelta(days=self.settings.retention.runs_days)


def forget_runs(tidying: Tidying) -> Iterator[int]:
    """Take old runs and backfills out of Dagster's lists."""
    at_most = tidying.settings.retention.runs
    yield from old_records.forget_runs(tidying.instance, tidying.before, at_most)
    yield from old_records.forget_backfills(tidying.instance, tidying.before)


def forget_files_of_runs(tidying: Tidying) -> Iterator[int]:
    """Delete the files of runs that are in no list any more."""
    yield from old_records.forget_files(tidying.instance, tidying.now)


def forget_events_of_runs(tidying: Tidying) -> Iterator[int]:
    """Delete what such runs left in the files of all runs, but not that days are materialized."""
    yield from old_records.forget_checks(tidying.instance)
    yield from old_records.forget_events(tidying.instance)


def forget_ticks(tidying: Tidying) -> Iterator[int]:
    """Delete old ticks."""
    yield from old_records.forget_ticks(tidying.instance, tidying.before)


def forget_webhook_events(tidying: Tidying) -> Iterator[int]:
    """Delete webhook events that were dealt with a while ago."""
    days = timedelta(days=tidying.settings.retention.events_days)
    with open_accounts(tidying.settings) as accounts:
        yield accounts.inbox.forget(tidying.now - days)


def forget_spools(tidying: Tidying) -> Iterator[int]:
    """Delete what killed runs have spooled."""
    yield open_warehouse(tidying.settings).remove_abandoned_spools()


def forget_superseded_points(tidying: Tidying) -> Iterator[int]:
    """Rewrite the file of points without those that were written again; yield the bytes."""
    # It is one piece, and takes a second for about ten megabytes.
    if tidying.at_leisure:
        yield compact(tidying.settings.storage.graphite_log_path)


def forget_cut_off(tidying: Tidying) -> Iterator[int]:
    """Delete folders of downloads, and of sorting points, that a kill has cut off."""
    for folder in cut_off(tidying.settings):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < (tidying.now - CUT_OFF_AFTER).timestamp():
                shutil.rmtree(folder, ignore_errors=True)
                yield 1


def cut_off(settings: Settings) -> Iterator[Path]:
    """Return the folders in which downloads are made, and points are sorted."""
    home = settings.storage.home
    return (path for path in home.glob(".*") if path.name.startswith(_TEMPORARY))
