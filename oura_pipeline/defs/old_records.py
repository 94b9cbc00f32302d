"""Dagster's records that are old enough to be deleted, in pieces.

Dagster itself deletes ticks only; and with a run that somebody deletes, it forgets that its days
were materialized. Here those days stay: the newest materialization of each asset and day, the
newest result of each check, and every failed run whose days nobody has materialized since.

Each function yields the number of rows or files of every piece. It can be ended after any of them,
also by a kill: first a run goes out of the list of runs, then whatever belongs to no run there.
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import (
    BackfillTagsTable,
    BulkActionsTable,
    RunsTable,
    RunTagsTable,
)
from dagster._core.storage.schedules.schema import JobTickTable
from sqlalchemy.engine import Connection

from oura_pipeline.days import batched
from oura_pipeline.defs.check_days import days_of

Opener = Callable[[], AbstractContextManager[Connection]]

PIECE = 500  # rows of a transaction: who writes meanwhile waits for milliseconds
RUNS_AT_ONCE = 50  # whose events are looked for by one statement
# A file without a run may be about to get one: other versions of Dagster may create it first.
ORPHAN_SECONDS = 86_400
_MADE = dg.DagsterEventType.ASSET_MATERIALIZATION.value
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def forget_runs(instance: dg.DagsterInstance, before: datetime, at_most: int) -> Iterator[int]:
    """Take finished runs out of the list of runs: those that ended before, and the oldest."""
    runs = RunsTable.c
    finished = runs.status.in_([status.value for status in FINISHED_STATUSES])
    newest_beyond = db.select(runs.id).where(finished).order_by(runs.id.desc())
    old = db.or_(
        runs.update_timestamp < _naive(before),
        runs.id <= newest_beyond.offset(at_most).limit(1).scalar_subquery(),
    )
    found = _rows(_runs(instance), db.select(runs.run_id).where(finished, old))
    for piece in batched((row.run_id for row in found), PIECE):
        gone = set(piece) - _still_failed(instance, piece)
        with _runs(instance)() as connection:
            # SQLite does not look after the tags by itself: Dagster leaves its foreign keys off.
            connection.execute(db.delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(gone)))
            deleted = connection.execute(db.delete(RunsTable).where(runs.run_id.in_(gone)))
        yield deleted.rowcount


def forget_backfills(instance: dg.DagsterInstance, before: datetime) -> Iterator[int]:
    """Delete backfills that ended, and were started before."""
    backfills = BulkActionsTable.c
    ended = backfills.status.in_([status.value for status in BULK_ACTION_TERMINAL_STATUSES])
    old = db.select(backfills.key).where(ended, backfills.timestamp < _naive(before))
    found = _rows(_runs(instance), old)
    for piece in batched((row.key for row in found), PIECE):
        with _runs(instance)() as connection:
            of_these = BackfillTagsTable.c.backfill_id.in_(piece)
            connection.execute(db.delete(BackfillTagsTable).where(of_these))
            these = backfills.key.in_(piece)
            deleted = connection.execute(db.delete(BulkActionsTable).where(these))
        yield deleted.rowcount


def forget_events(instance: dg.DagsterInstance) -> Iterator[int]:
    """Delete events of runs that are gone, but the newest materialization of an asset and day."""
    connect, events = _index(instance), SqlEventLogStorageTable.c
    recorded = _rows(connect, db.select(events.run_id).distinct())
    gone = _gone(instance, [row.run_id for row in recorded])
    newest = db.select(db.func.max(events.id)).scalar_subquery()
    for runs in batched(gone, RUNS_AT_ONCE):
        old = db.select(events.id).where(
            events.run_id.in_(runs),
            db.or_(events.dagster_event_type.is_distinct_from(_MADE), ~_is_newest(_MADE)),
            events.id < newest,  # SQLite would give the id of the last row to the next one
        )
        for piece in batched((row.id for row in _rows(connect, old)), PIECE):
            with connect() as connection:
                of_these = AssetEventTagsTable.c.event_id.in_(piece)
                connection.execute(db.delete(AssetEventTagsTable).where(of_these))
                deleted = connection.execute(
                    db.delete(SqlEventLogStorageTable).where(events.id.in_(piece))
                )
            yield deleted.rowcount
        yield 0


def forget_checks(instance: dg.DagsterInstance) -> Iterator[int]:
    """Delete what checks found in runs that are gone, but the newest result of each, and failures.

    A failure of days stays until the check has spoken of all of them again.
    """
    connect, checks = _index(instance), AssetCheckExecutionsTable.c
    columns = (checks.asset_key, checks.check_name, checks.id, checks.partition)
    order = (checks.asset_key, checks.check_name, checks.id.desc())
    every = db.select(*columns, checks.execution_status, checks.run_id).order_by(*order)
    rows = _rows(connect, every)
    gone = set(_gone(instance, {row.run_id for row in rows}))
    for _, of_check in groupby(rows, key=lambda row: (row.asset_key, row.check_name)):
        yield from _delete(connect, AssetCheckExecutionsTable, _outdated([*of_check], gone))


def _outdated(newest_first: Sequence[db.Row[Any]], gone: Collection[str]) -> list[int]:
    """Return the ids of what can go of a check; it goes at once, so no failure outlives a pass."""
    status = AssetCheckExecutionRecordStatus
    # Dagster plans a check for each day of a run, and what was only planned has no result.
    results = [one for one in newest_first if one.execution_status != status.PLANNED.value]
    keep, spoken_of, red = {one.id for one in results[:1]}, set[str](), dict[int, set[str]]()
    for one in results:
        days = set(days_of(one.partition)) if one.partition else set()
        if one.execution_status == status.FAILED.value and (
            days - spoken_of or one.run_id not in gone
        ):
            red[one.id] = days
        spoken_of |= days
    # And what was said of such days since: or that they failed would be the newest word again.
    red_days = set().union(*red.values())
    keep |= {
        one.id
        for one in results
        if one.partition and red and one.id >= min(red) and red_days & {*days_of(one.partition)}
    }
    return [one.id for one in newest_first if one.run_id in gone and one.id not in keep]


def forget_ticks(instance: dg.DagsterInstance, before: datetime) -> Iterator[int]:
    """Delete ticks from before, also of sensors that there are no more, but the last of each."""
    storage: Any = instance.schedule_storage
    ticks = JobTickTable.c
    # The scheduler goes on from it: without one it would make up for what it has done already.
    last = db.select(db.func.max(ticks.id)).group_by(ticks.job_origin_id, ticks.selector_id)
    old = db.select(ticks.id).where(ticks.timestamp < _naive(before), ticks.id.not_in(last))
    yield from _delete(
        storage.connect, JobTickTable, [row.id for row in _rows(storage.connect, old)]
    )


def forget_files(instance: dg.DagsterInstance, now: datetime) -> Iterator[int]:
    """Delete the events, output and values that runs that are gone left in files of their own."""
    storage, outputs = instance.event_log_storage, Path(instance.storage_directory())
    shards = storage if isinstance(storage, SqliteEventLogStorage) else None
    found = set(shards.get_all_run_ids()) if shards else set()
    if outputs.is_dir():
        found |= {path.name for path in outputs.iterdir() if _RUN_ID.fullmatch(path.name)}
    for run_id in _gone(instance, found):
        paths = [outputs / run_id]
        if shards:
            # The database last: as long as it is there, a kill leaves something to be found.
            database = shards.path_for_shard(run_id)
            paths += [Path(f"{database}{suffix}") for suffix in ("-wal", "-shm", "")]
        yield sum(_remove(path, now.timestamp() - ORPHAN_SECONDS) for path in paths)


def _remove(path: Path, before: float) -> bool:
    """Remove a file or folder that was changed before; return whether."""
    try:
        if path.stat().st_mtime >= before:
            return False
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except FileNotFoundError:  # somebody else was faster
        return False
    return True


def _gone(instance: dg.DagsterInstance, run_ids: Collection[str | None]) -> list[str]:
    """Return those of them that are not in the list of runs; read them before it."""
    there = {row.run_id for row in _rows(_runs(instance), db.select(RunsTable.c.run_id))}
    # What belongs to no run was reported by hand.
    return sorted(run_id for run_id in run_ids if run_id and run_id not in there)


def _still_failed(instance: dg.DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Return the runs by which an asset, or a day of it, counts as failed to this day."""
    runs, events = RunsTable.c, SqlEventLogStorageTable.c
    failed = db.select(runs.run_id).where(
        runs.run_id.in_(run_ids), runs.status == dg.DagsterRunStatus.FAILURE.value
    )
    these = [row.run_id for row in _rows(_runs(instance), failed)]
    last = db.select(events.run_id).where(
        events.run_id.in_(these), events.dagster_event_type == _PLANNED, _is_newest(_PLANNED, _MADE)
    )
    found = _rows(_index(instance), last.distinct())
    return {row.run_id for row in found}


def _is_newest(*types: str) -> db.ColumnElement[bool]:
    """Return whether no later event of these types is about the same asset and day."""
    events, later = SqlEventLogStorageTable.c, SqlEventLogStorageTable.alias()
    return ~db.exists().where(
        later.c.asset_key == events.asset_key,
        later.c.dagster_event_type.in_(types),
        later.c.partition.is_not_distinct_from(events.partition),
        later.c.id > events.id,
    )


def _delete(connect: Opener, table: db.Table, ids: Iterable[int]) -> Iterator[int]:
    for piece in batched(ids, PIECE):
        with connect() as connection:
            deleted = connection.execute(db.delete(table).where(table.c.id.in_(piece)))
        yield deleted.rowcount


def _runs(instance: dg.DagsterInstance) -> Opener:
    storage: Any = instance.run_storage  # in SQL, as all that Dagster brings
    opener: Opener = storage.connect
    return opener


def _index(instance: dg.DagsterInstance) -> Opener:
    """Return what opens the events of all runs: in SQLite those of assets and checks."""
    storage: Any = instance.event_log_storage
    opener: Opener = storage.index_connection
    return opener


def _rows(connect: Opener, query: db.Select[Any]) -> Sequence[db.Row[Any]]:
    # Read before anything is written, and in a transaction of its own: a SQLite that reads first
    # and then writes is refused when somebody else wrote in between.
    with connect() as connection:
        return connection.execute(query).all()


def _naive(at: datetime) -> datetime:
    """Return an instant as Dagster's tables have it: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)
