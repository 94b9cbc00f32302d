"""An event of a batch is stored once, and packed; a run's log has it where it was."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.storage.event_log import SqliteEventLogStorage

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage
from oura_pipeline.defs.event_texts import packed, unpacked
from oura_pipeline.defs.run_events import read_with_index

MADE = dg.DagsterEventType.ASSET_MATERIALIZATION
SLEEP = dg.AssetKey(["oura", "sleep"])
RUN, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
DAYS = [f"2026-01-{day:02}" for day in range(1, 11)]


@pytest.fixture
def storage(tmp_path: Path) -> BatchedSqliteEventLogStorage:
    return BatchedSqliteEventLogStorage(str(tmp_path))


def made(day: str, run_id: str = RUN) -> dg.EventLogEntry:
    """An entry that says that a day was made."""
    metadata = {"rows": 3, "dagster/row_count": 3, "people": dg.MetadataValue.md("█ " * 30)}
    event = dg.AssetMaterialization(SLEEP, partition=day, metadata=metadata)
    return entry(run_id, StepMaterializationData(event))


def entry(run_id: str, data: StepMaterializationData | None = None) -> dg.EventLogEntry:
    """An entry of a run, by default that it began."""
    kind = MADE if data else dg.DagsterEventType.RUN_START
    return dg.EventLogEntry(
        error_info=None,
        level="INFO",
        user_message="",
        run_id=run_id,
        timestamp=1_780_000_000.0,
        dagster_event=DagsterEvent(kind.value, "sync", event_specific_data=data, step_key="sync"),
    )


def days_of(storage: SqliteEventLogStorage, run_id: str = RUN) -> list[str | None]:
    """The days of a run's log, in its order; None: another event."""
    return days(storage.get_records_for_run(run_id).records)


def days(records: Sequence[dg.EventLogRecord]) -> list[str | None]:
    return [
        record.event_log_entry.dagster_event and record.event_log_entry.dagster_event.partition
        for record in records
    ]


def events_in(folder: Path) -> dict[str, int]:
    """How many events each database has."""
    counts = {}
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            [(counts[path.stem],)] = database.execute("SELECT count(*) FROM event_logs")
    return counts


def test_a_batch_is_stored_once(storage: BatchedSqliteEventLogStorage, tmp_path: Path) -> None:
    """Between events that are written by themselves, and read in the order of all."""
    storage.store_event(entry(RUN))
    storage.store_event_batch([made(day) for day in DAYS])
    storage.store_event(entry(RUN))
    assert events_in(tmp_path) == {RUN: 3, "index": 12}
    assert texts_in(tmp_path) == {"blob"}
    records = storage.get_records_for_run(RUN).records
    assert [record.storage_id for record in records] == list(range(1, 13))
    assert days(records) == [None, *DAYS, None]


def texts_in(folder: Path) -> set[str]:
    """As what the texts of events are stored."""
    kinds = set()
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            kinds |= {kind for (kind,) in database.execute("SELECT typeof(event) FROM event_logs")}
    return kinds


@pytest.mark.parametrize("ascending", [True, False])
def test_a_log_is_read_in_pages(storage: BatchedSqliteEventLogStorage, ascending: bool) -> None:
    """From either end, whatever batch the events came in."""
    for batch in (DAYS[:4], DAYS[4:5], DAYS[5:]):
        storage.store_event_batch([made(day) for day in batch])
    found: list[str | None] = []
    cursor = None
    while True:
        page = storage.get_records_for_run(RUN, cursor, MADE, limit=3, ascending=ascending)
        found += days(page.records)
        cursor = page.cursor
        if not page.has_more:
            break
    assert found == (DAYS if ascending else DAYS[::-1])


def test_a_run_of_an_older_version_goes_on(
    storage: BatchedSqliteEventLogStorage, tmp_path: Path
) -> None:
    """What stands in both databases is in the log once, and before what came later."""
    older = SqliteEventLogStorage(str(tmp_path))
    for day in DAYS[:5]:
        older.store_event(made(day))
    assert days_of(storage) == DAYS[:5]
    storage.store_event_batch([made(day) for day in DAYS[5:]])
    assert events_in(tmp_path) == {RUN: 6, "index": 10}
    assert days_of(storage) == DAYS
    assert storage.get_materialized_partitions(SLEEP) == set(DAYS)


def test_a_log_has_no_events_of_another_run(
    storage: BatchedSqliteEventLogStorage, tmp_path: Path
) -> None:
    """SQLite gives the ids of events that are gone to the next ones."""
    storage.store_event_batch([made(day) for day in DAYS])
    storage.wipe_asset(SLEEP)
    storage.store_event_batch([made(day, OTHER) for day in DAYS])
    assert days_of(storage) == DAYS[-1:]
    assert days_of(storage, OTHER) == DAYS
    # Dagster asks for events of a kind without saying of which run.
    with closing(sqlite3.connect(tmp_path / f"{RUN}.db")) as database:
        read_with_index(database, None)
        runs = database.execute("SELECT run_id, partition FROM event_logs").fetchall()
    assert runs == [(RUN, DAYS[-1])]


def test_a_log_has_an_event_once_after_a_wipe(storage: BatchedSqliteEventLogStorage) -> None:
    """That a run began or ended is in both databases, here at the id of an event that is gone."""
    storage.store_event_batch([made(day) for day in DAYS])
    storage.wipe_asset(SLEEP)
    storage.store_event(entry(RUN))
    assert days_of(storage) == [DAYS[-1], None]


def test_the_events_of_a_run_are_deleted(
    storage: BatchedSqliteEventLogStorage, tmp_path: Path
) -> None:
    storage.store_event_batch([made(day) for day in DAYS])
    storage.store_event_batch([made(day, OTHER) for day in DAYS[:2]])
    storage.delete_events(RUN)
    assert events_in(tmp_path) == {RUN: 0, OTHER: 1, "index": 2}
    assert days_of(storage) == []
    assert days_of(storage, OTHER) == DAYS[:2]


def test_what_was_wiped_is_written_anew(storage: BatchedSqliteEventLogStorage) -> None:
    storage.store_event_batch([made(day) for day in DAYS])
    storage.wipe()
    assert days_of(storage) == []
    storage.store_event_batch([made(day) for day in DAYS])
    assert days_of(storage) == DAYS


def test_a_day_takes_few_bytes(storage: BatchedSqliteEventLogStorage, tmp_path: Path) -> None:
    """The text of an event, a row and an entry in each of Dagster's five indexes."""

    def size() -> int:
        return sum(path.stat().st_size for path in tmp_path.glob("*.db"))

    storage.store_event_batch([made(day) for day in DAYS])
    before = size()
    storage.store_event_batch([made(f"2025-{n // 28 + 1:02}-{n % 28 + 1:02}") for n in range(300)])
    assert (size() - before) / 300 < 700


def test_a_packed_text_stays_readable() -> None:
    """What was packed by an earlier version, with words that therefore never change."""
    text = '{"__class__": "EventLogEntry", "label": "people_landed"}, "żółw █"'
    assert (
        unpacked(bytes.fromhex("58660102aaad23d400c55dae2a1ddd7378f3d1a6728547d33a940073731a82"))
        == text
    )
    assert unpacked(packed(text)) == text
    assert len(packed(text * 100)) < len(text) * 3


def test_a_run_that_made_nothing_takes_little(
    storage: BatchedSqliteEventLogStorage, tmp_path: Path
) -> None:
    """Of Dagster's twelve tables one is used in a run's own database."""
    storage.store_event(entry(RUN))
    assert (tmp_path / f"{RUN}.db").stat().st_size < 50_000
    assert days_of(storage) == [None]
