"""Which of the sleeps that overlap in time counts, and as what."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, SLEEP
from oura_pipeline.warehouse.parts import parts, same_document
from oura_pipeline.warehouse.tables import ensure_table

COLUMNS = (
    *("username", "day", "id", "type", "bedtime_start", "bedtime_end", "total_sleep_duration"),
    *("time_in_bed", "lowest_heart_rate", "average_hrv"),
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        ensure_table(opened, SLEEP)
        yield opened


def sleep(
    name: str, start: str | None, end: str | None, asleep: float | None, **more: Any
) -> dict[str, Any]:
    """A sleep of 2026-01-10; times are `09T22:00` of January 2026 UTC, or a whole instant."""
    return {
        "username": "ada",
        "day": "2026-01-10",
        "id": name,
        "type": "long_sleep",
        "bedtime_start": _instant(start),
        "bedtime_end": _instant(end),
        "total_sleep_duration": asleep,
        **more,
    }


def _instant(text: str | None) -> str | None:
    return f"2026-01-{text}:00Z" if text and len(text) == 8 else text


def found(
    connection: duckdb.DuckDBPyConnection, *sleeps: dict[str, Any]
) -> dict[str, tuple[str | None, int]]:
    """Return the part of each sleep, and how many long sleeps its day has."""
    connection.execute("DELETE FROM oura.sleep")
    connection.executemany(
        f"INSERT INTO oura.sleep ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})",
        [[one.get(name) for name in COLUMNS] for one in sleeps],
    )
    rows = connection.execute(
        f"SELECT d.id, p.part, p.mains FROM oura.sleep d JOIN ({parts(SLEEP)}) p "
        f"ON {same_document('p', 'd')}"
    ).fetchall()
    return {name: (part, mains) for name, part, mains in rows}


def test_of_a_night_that_comes_twice_the_one_with_the_most_sleep_counts(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Whatever its id, and whichever comes first."""
    for first, second in (("a", "b"), ("b", "a")):
        assert found(
            connection,
            sleep(first, "09T22:00", "10T06:00", 26700),
            sleep(second, "09T22:00", "10T06:00", 26760),
            sleep("nap", "10T06:00", "10T07:00", 1800, type="sleep"),
        ) == {first: (None, 1), second: ("night", 1), "nap": ("nap", 1)}


def test_never_one_with_a_number_for_null_where_another_one_has_a_value(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Where no other has a value, the most sleep counts; null is no value."""
    full = sleep("full", "09T22:00", "10T06:00", 26000, lowest_heart_rate=48, average_hrv=40)
    for lacking in ({"lowest_heart_rate": 255}, {"lowest_heart_rate": 0}, {"average_hrv": 0}):
        worse = sleep("more", "09T22:00", "10T06:00", 27000, **lacking)
        assert found(connection, full, worse) == {"full": ("night", 1), "more": (None, 1)}
        nothing = sleep("nothing", "09T22:00", None, None)
        assert found(connection, nothing, worse) == {"more": ("night", 1), "nothing": (None, 1)}
    hrv_only = sleep("hrv", "09T22:00", "10T06:00", 100, lowest_heart_rate=0, average_hrv=40)
    both = sleep("both", "09T22:00", "10T06:00", 200, lowest_heart_rate=0, average_hrv=0)
    assert found(connection, hrv_only, both) == {"hrv": ("night", 1), "both": (None, 1)}


def test_an_hrv_of_255_is_a_value(connection: duckdb.DuckDBPyConnection) -> None:
    """Only hearts do not beat so often."""
    assert found(
        connection,
        sleep("calm", "09T22:00", "10T06:00", 27000, average_hrv=255),
        sleep("less", "09T22:00", "10T06:00", 26000, average_hrv=60),
    ) == {"calm": ("night", 1), "less": (None, 1)}


def test_sleeps_that_overlap_by_way_of_another_one_are_one(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The one in between is the worst and joins the others all the same; touching is no overlap."""
    chain = (
        sleep("a", "09T22:00", "10T02:00", 12000),
        sleep("b", "10T01:59", "10T04:01", 1000),
        sleep("c", "10T04:00", "10T07:00", 10000),
    )
    after = sleep("d", "10T07:00", "10T08:00", 3000)
    assert found(connection, *chain, after) == {
        "a": ("night", 2),
        "b": (None, 2),
        "c": (None, 2),
        "d": ("nap", 2),
    }
    assert found(connection, chain[0], chain[2], after) == {
        "a": ("night", 3),
        "c": ("nap", 3),
        "d": ("nap", 3),
    }


def test_one_that_contains_others_which_do_not_touch_each_other(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The earliest end is not what counts."""
    assert found(
        connection,
        sleep("whole", "09T22:00", "10T08:00", 9000),
        sleep("first", "09T22:30", "09T23:00", 1500, type="sleep"),
        sleep("last", "10T07:00", "10T09:00", 1600, type="sleep"),
    ) == {"whole": ("night", 1), "first": (None, 1), "last": (None, 1)}


def test_days_do_not_separate_what_overlaps(connection: duckdb.DuckDBPyConnection) -> None:
    """A day whose only sleep is another day's has none; people are separate."""
    assert found(
        connection,
        sleep("a", "09T22:00", "10T06:00", 26000, day="2026-01-09"),
        sleep("b", "09T22:00", "10T06:00", 26060, day="2026-01-10"),
        sleep("c", "09T22:00", "10T06:00", 10, username="ben"),
    ) == {"a": (None, 0), "b": ("night", 1), "c": ("night", 1)}


@pytest.mark.parametrize("kind", ["rest", "deleted", "siesta", None])
def test_what_never_counts_hides_nothing(
    connection: duckdb.DuckDBPyConnection, kind: str | None
) -> None:
    """However much sleep it claims."""
    assert found(
        connection,
        sleep("none", "09T22:00", "10T06:00", 28000, type=kind),
        sleep("real", "09T22:00", "10T06:00", 20000),
    ) == {"real": ("night", 1)}


def test_a_night_without_an_end_lasts_as_long_as_it_says_or_eight_hours(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The finished one replaces it, and a later nap or night is another sleep."""
    finished = sleep("finished", "09T22:10", "10T06:00", 26000, time_in_bed=28200)
    nap = sleep("nap", "10T13:00", "10T13:30", 1500, type="sleep")
    unfinished = sleep("unfinished", "09T22:00", None, None)
    assert found(connection, unfinished, finished, nap) == {
        "unfinished": (None, 1),
        "finished": ("night", 1),
        "nap": ("nap", 1),
    }
    short = {**unfinished, "time_in_bed": 600}
    assert found(connection, short, finished)["unfinished"] == ("nap", 2)
    long = {**unfinished, "time_in_bed": 601}
    assert found(connection, long, finished)["unfinished"] == (None, 1)


@pytest.mark.parametrize(
    ("start", "end", "bed"),
    [
        ("1970-01-01T00:00:00Z", "2030-01-01T00:00:00Z", None),
        ("09T22:00", "9999-12-31T23:59:59Z", 2**62),
        ("09T22:00", "1970-01-01T00:00:00Z", -(2**63)),
        (None, "10T06:00", 1),
    ],
)
def test_a_wrong_clock_swallows_no_other_night(
    connection: duckdb.DuckDBPyConnection, start: str | None, end: str, bed: int | None
) -> None:
    """Nor does an absurd amount of sleep make it the one that counts."""
    odd = sleep("odd", start, end, 2**62, time_in_bed=bed, day="2026-01-09")
    others = [
        sleep("night", "09T22:30", "10T06:00", 26000),
        sleep("next", "10T22:30", "11T06:00", 26000, day="2026-01-11"),
    ]
    parts_found = found(connection, odd, *others)
    assert (parts_found["night"], parts_found["next"]) == (("night", 1), ("night", 1))


def test_a_sleep_that_was_just_long_enough_is_a_nap(connection: duckdb.DuckDBPyConnection) -> None:
    """899 seconds asleep are none, for whatever time in bed; an unknown amount is no small one."""
    names = {"899": 899, "900": 900, "unknown": None}
    for kind in ("sleep", "late_nap"):
        sleeps = [
            sleep(name, f"10T1{hour}:00", f"10T1{hour}:30", asleep, type=kind)
            for hour, (name, asleep) in enumerate(names.items())
        ]
        night = sleep("night", "09T22:00", "10T06:00", 10)
        assert found(connection, night, *sleeps) == {
            "night": ("night", 1),
            "899": ("short", 1),
            "900": ("nap", 1),
            "unknown": ("nap", 1),
        }


def test_a_day_that_is_asked_for_knows_what_lies_at_the_end_of_a_chain(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Six sleeps later or before, on a day that is not asked for."""
    hours = range(3, 24, 3)
    chain = [
        sleep(str(hour), f"09T{hour - 3:02}:00", f"09T{hour:02}:01", 1000, day="2026-01-09")
        for hour in hours
    ]
    for one, best in ((chain[0], chain[-1]), (chain[-1], chain[0])):
        others = [other for other in chain if other not in (one, best)]
        asked = {**one, "day": date(2026, 1, 10), "total_sleep_duration": 1500}
        found(connection, *others, {**best, "total_sleep_duration": 2000}, asked)
        some = _parts_by_day(connection, None, "day = DATE '2026-01-10'")
        assert some[date(2026, 1, 10), one["id"]] == (None, 0)


@pytest.mark.parametrize("seed", range(8))
def test_some_days_have_the_same_parts_as_all(
    connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """However the sleeps overlap, and on whatever days they stand."""
    rng = random.Random(seed)
    everything = _parts_by_day(connection, list(_random_sleeps(rng)))
    for first, length in ((rng.randint(1, 10), rng.choice((0, 0, 1, 3))) for _ in range(4)):
        asked = f"day BETWEEN '2026-01-{first:02}' AND DATE '2026-01-{first:02}' + {length}"
        some = _parts_by_day(connection, None, asked)
        days = {date(2026, 1, first) + timedelta(days=n) for n in range(length + 1)}
        assert {key: part for key, part in some.items() if key[0] in days} == {
            key: part for key, part in everything.items() if key[0] in days
        }


def _random_sleeps(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Most overlap with the one before; some end before they begin or never; few are odd."""
    began, quarter = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=15)
    for number in range(24):
        lasted = quarter * rng.choice((2, 8, 16, 32, 90, 200, -8))
        started = began if rng.random() < 0.95 else rng.choice((None, datetime(1970, 1, 1)))
        ended = None if started is None or rng.random() < 0.1 else started + lasted
        doubtful = partial(rng.choice, (None, 40, 40, 255))
        yield {
            **sleep(str(number), started and str(started), ended and str(ended), None),
            "username": rng.choice(("ada", "ada", "ada", "ben")),
            "day": (began + timedelta(days=rng.choice((0, 0, 0, 1, -1, 3)))).date(),
            "type": rng.choice((*["long_sleep"] * 3, "sleep", "late_nap", "rest")),
            "total_sleep_duration": rng.choice((None, 100, *range(20000, 26000, 1000))),
            "time_in_bed": rng.choice((None, 600, 28800, 80000, 2**62)),
            "lowest_heart_rate": doubtful(),
            "average_hrv": doubtful(),
        }
        began += max(lasted, quarter) + quarter * rng.choice((-1, -1, -4, 0, 30))


def _parts_by_day(
    connection: duckdb.DuckDBPyConnection,
    sleeps: list[dict[str, Any]] | None,
    asked: str | None = None,
) -> dict[tuple[date, str], tuple[str | None, int]]:
    if sleeps is not None:
        found(connection, *sleeps)
    rows = connection.execute(
        f"SELECT d.day, d.id, p.part, p.mains FROM oura.sleep d "
        f"JOIN ({parts(SLEEP, asked=asked)}) p ON {same_document('p', 'd')}"
    ).fetchall()
    return {(day, name): (part, mains) for day, name, part, mains in rows}


def test_only_documents_that_can_overlap_have_parts() -> None:
    with pytest.raises(LookupError, match="daily_sleep has no variants"):
        parts(DAILY_SLEEP)
