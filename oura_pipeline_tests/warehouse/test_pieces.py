"""Years of rows land some days at a time, and as they would at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import HEARTRATE, SLEEP
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.ledgers import ODD_VALUES, QUARANTINE
from oura_pipeline.warehouse.redating import ASKED, MARGIN
from oura_pipeline.warehouse.spool import open_spool
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    NOON,
    RawDocument,
    all_documents,
    beat,
    january,
    land,
    night,
    raw_document,
)

AT_ONCE = [(1, 9)]
IN_PIECES = [(1, 2), (3, 3), (4, 8), (9, 9)]
LONG = "x" * 2_100_000  # longer than a line that DuckDB reads by itself
LEDGERS = (ASKED, MARGIN, ODD_VALUES, QUARANTINE)


def beats(bpm: int) -> list[RawDocument]:
    """A row every two hours, from the evening before to the morning after."""
    begin = datetime(2025, 12, 31, 10, tzinfo=UTC)
    times = [begin + timedelta(hours=2 * n) for n in range(12 * 10)]
    return [beat(at.date(), f"{at:%H:%M:%S}", bpm) for at in times]


def answers() -> list[list[RawDocument]]:
    """What Oura says first, and what it says later: nearly half of it is gone, and some is odd."""
    first = beats(60)
    later = beats(61)[:40] + first[66:]
    odd = {"timestamp": "2026-01-04T11:11:11+00:00", "source": "awake", "bpm": "slow"}
    later += [
        raw_document(january(3), bpm=5),
        beat(january(3), "23:59:30"),
        raw_document(january(4), **odd),
    ]
    return [first, later]


def land_days(
    warehouse: Warehouse, documents: Sequence[RawDocument], pieces: list[tuple[int, int]]
) -> Landing:
    """Land one spool, piece by piece."""
    with warehouse.spool(HEARTRATE) as spool:
        spool.add("ada", documents)
        landings = [
            warehouse.land(
                HEARTRATE,
                spool,
                usernames=["ada"],
                first_day=january(first),
                last_day=january(last),
                fetched_at=NOON,
                run_id="run-1",
                piece=len(pieces) > 1,
            )
            for first, last in pieces
        ]
    return reduce(add, landings)


def outcome(folder: Path, pieces: list[tuple[int, int]]) -> tuple[list[Landing], dict[str, Any]]:
    """Everything that is known after both answers of somebody in Tokyo."""
    warehouse = Warehouse(folder / f"{len(pieces)}.duckdb")
    land(warehouse, SLEEP, {"ada": [night(january(1), bedtime_start="2026-01-01T23:00:00+09:00")]})
    landings = [land_days(warehouse, documents, pieces) for documents in answers()]
    tables = {one.name: warehouse.query(f"FROM {one.full_name} ORDER BY ALL") for one in LEDGERS}
    return landings, tables | {"documents": all_documents(warehouse, HEARTRATE)}


def test_days_that_land_in_pieces_land_as_at_once(tmp_path: Path) -> None:
    expected, tables = outcome(tmp_path, AT_ONCE)
    landings, tables_of_pieces = outcome(tmp_path, IN_PIECES)
    assert tables_of_pieces == tables
    assert landings == expected
    # None of it is empty.
    assert [len(rows) for rows in tables.values()] == [9, 12, 1, 1, 84]
    assert [(one.inserted, one.updated, one.deleted) for one in landings] == [
        (108, 0, 0),
        (2, 37, 26),
    ]
    assert (landings[1].odd_values, sum(landings[1].set_aside.values())) == ({"bpm": 1}, 1)


@pytest.mark.usefixtures("kept_open")
def test_a_day_has_rows_in_the_files_beside_it(warehouse: Warehouse) -> None:
    """Where it begins before the one of UTC, and where it ends after it."""
    zones = {"ada": "+09:00", "bob": "-10:00"}
    there = {
        who: [night(january(2), bedtime_start=f"2026-01-02T12:00:00{offset}")]
        for who, offset in zones.items()
    }
    land(warehouse, SLEEP, there)
    rows = {"ada": beat(january(1), "18:00:00"), "bob": beat(january(3), "05:00:00", source=LONG)}
    for piece in (True, False):
        with warehouse.spool(HEARTRATE) as spool:
            for who, row in rows.items():
                spool.add(who, [row])
            warehouse.land(
                HEARTRATE,
                spool,
                usernames=[*rows],
                first_day=january(2),
                last_day=january(2),
                fetched_at=NOON,
                run_id="run-1",
                piece=piece,
            )
        assert [(who, day) for who, day, _ in all_documents(warehouse, HEARTRATE)] == [
            ("ada", january(2)),
            ("bob", january(2)),
        ]


def test_a_loss_is_judged_by_the_whole_answer(tmp_path: Path) -> None:
    """A day without rows is a loss only if most days are."""
    lost = {}
    for name, kept in (("some", 84), ("most", 24)):
        warehouse = Warehouse(tmp_path / f"{name}.duckdb")
        land_days(warehouse, beats(60), IN_PIECES)
        lost[name] = sorted(
            day for _, day in land_days(warehouse, beats(60)[:kept], IN_PIECES).lost
        )
    assert lost == {"some": [], "most": [january(day) for day in range(2, 10)]}


def test_pieces_are_runs_of_days_of_about_that_size(tmp_path: Path) -> None:
    """A file is begun after 2 MB; two of these days have one together."""
    with open_spool(tmp_path, "heartrate") as spool:
        for day in range(1, 9):
            spool.add("ada", [big(january(day), 1_200_000)])
        assert [(file.first_day.day, file.last_day.day) for file in spool.spooled(["ada"])] == [
            *((1, 2), (3, 4)),
            *((5, 6), (7, 8)),
        ]
        assert spool.bytes_of(["ada"]) == 8 * (1_200_000 + len("ada\x1f2026-01-01\x1f1\x1f\n"))
        days = (january(1), january(20))
        assert spool.pieces(["ada"], *days, heaviest=5_000_000) == [
            (january(1), january(4)),
            (january(5), january(20)),
        ]
        assert spool.pieces(["ada"], *days, heaviest=50_000_000) == [days]
        assert spool.pieces(["bob"], *days, heaviest=1) == [days]


def test_days_in_no_order_are_one_piece_where_they_cannot_be_told_apart(tmp_path: Path) -> None:
    with open_spool(tmp_path, "heartrate") as spool:
        for days in ((1, 9), (2, 8), (3, 7)):
            spool.add("ada", [big(january(day), 1_200_000) for day in days])
        days = (january(1), january(9))
        assert spool.pieces(["ada"], *days, heaviest=1) == [days]


def big(day: date, size: int) -> RawDocument:
    return RawDocument(day, json.dumps("x" * (size - 2)).encode())
