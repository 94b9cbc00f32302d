"""The days of rows without one are those of the nearest offset, whenever that is learned."""

from __future__ import annotations

import itertools
import json
import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import duckdb
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_SLEEP,
    ENHANCED_TAG,
    HEARTRATE,
    REST_MODE_PERIOD,
    RING_BATTERY_LEVEL,
    SESSION,
    SLEEP,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.warehouse.connection import ONE_CORE, SETTINGS
from oura_pipeline.warehouse.redating import DayCount
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    RawDocument,
    all_documents,
    beat,
    january,
    land,
    night,
    raw_document,
    score,
)

pytestmark = pytest.mark.usefixtures("kept_open")

BERLIN, TOKYO = timedelta(hours=1), timedelta(hours=9)
HOUR = timedelta(hours=1)
BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
FLIGHT = datetime(2026, 1, 6, 15, tzinfo=UTC)
LAST = 9

Documents = Mapping[DocumentType, list[RawDocument]]
Orders = Mapping[str, tuple[DocumentType, ...]]
Observation = tuple[datetime, timedelta]


def there(instant: datetime) -> datetime:
    """The instant as the traveller's clock showed it."""
    return instant.astimezone(timezone(BERLIN if instant < FLIGHT else TOKYO))


def traveller() -> dict[DocumentType, list[RawDocument]]:
    """Somebody who flies from Berlin to Tokyo; a row of heart rate every hour."""
    days = [date(2025, 12, 31) + timedelta(days=n) for n in range(LAST + 1)]
    hours = [BIRTH - 15 * HOUR + n * HOUR for n in range(24 * LAST + 28)]
    return {
        SLEEP: [
            night(there(up).date(), bedtime_start=local(up - 7 * HOUR), bedtime_end=local(up))
            for up in (datetime(day.year, day.month, day.day, 5, tzinfo=UTC) for day in days)
        ],
        WORKOUT: [
            raw_document(
                there(at).date(),
                id=f"workout-{at}",
                day=there(at).date().isoformat(),
                start_datetime=local(at),
                end_datetime=local(at + HOUR),
            )
            for at in (BIRTH + n * 31 * HOUR for n in range(8))
        ],
        HEARTRATE: [beats(at) for at in hours],
        RING_BATTERY_LEVEL: [
            raw_document(at.date(), timestamp=at.isoformat(), level=50) for at in hours[::3]
        ],
    }


def local(instant: datetime) -> str:
    return there(instant).isoformat()


def beats(instant: datetime) -> RawDocument:
    return beat(instant.date(), f"{instant:%H:%M:%S}")


def land_all(
    warehouse: Warehouse,
    document_type: DocumentType,
    documents: Iterable[RawDocument],
    last: int,
    people: Iterable[str] = ("ada",),
) -> None:
    """Land what is of the first days of January, and offer the rest as other days'."""
    dated = document_type.dated_by_offset
    inside = [one for one in documents if dated or january(1) <= one.day <= january(last)]
    land(warehouse, document_type, dict.fromkeys(people, inside), days=(1, last))


def in_every_order(types: Iterable[DocumentType]) -> Orders:
    """People who get these types in every order that there is, each named after theirs."""
    orders = itertools.permutations(types)
    return {", ".join(one.name for one in order): order for order in orders}


def turns(
    people: Orders, types: Iterable[DocumentType]
) -> Iterator[list[tuple[DocumentType, list[str]]]]:
    """Yield for each turn which type is landed for whom: nobody's clock is anybody else's."""
    for turn in range(len([*types])):
        yield [(one, [who for who, order in people.items() if order[turn] is one]) for one in types]


def expected_day(instant: datetime, observed: list[Observation]) -> date:
    """The local date by the nearest observation, found in the plainest way."""
    if not observed:
        return instant.date()
    place = bisect_left(observed, (instant,))
    near = observed[max(0, place - 1) : place + 1]
    return (instant + min(near, key=lambda one: abs(one[0] - instant))[1]).date()


def observed_in(documents: Documents) -> list[Observation]:
    """Every time with an offset in documents of the landed days, one for each instant."""
    texts = [
        json.loads(one.raw)[name]
        for document_type, names in TIMES.items()
        for one in documents.get(document_type, ())
        for name in names
        if january(1) <= one.day <= january(LAST)
    ]
    said: dict[datetime, Counter[timedelta]] = {}
    for time in map(datetime.fromisoformat, texts):
        said.setdefault(time.astimezone(UTC), Counter())[time.utcoffset() or timedelta()] += 1
    return sorted(
        # The one that is said most often, and of those the westernmost.
        (at, min(offsets, key=lambda offset: (-offsets[offset], offset)))
        for at, offsets in said.items()
    )


TIMES = {
    SLEEP: ("bedtime_start", "bedtime_end"),
    WORKOUT: ("start_datetime", "end_datetime"),
}


def assert_days_are_true(warehouse: Warehouse, everybodys: Mapping[str, Documents]) -> None:
    for document_type in (HEARTRATE, RING_BATTERY_LEVEL):
        found: dict[str, list[tuple[date, object]]] = defaultdict(list)
        for username, day, row in all_documents(warehouse, document_type):
            found[username].append((day, row))
        for username, landed in everybodys.items():
            asked = asked_days(landed, landed.get(document_type, []))
            assert sorted(found[username], key=str) == sorted(asked, key=str), username


def asked_days(landed: Documents, rows: Iterable[RawDocument]) -> list[tuple[date, object]]:
    """The rows of the days that were asked for, by what these documents tell."""
    observed = observed_in(landed)
    truth = [
        (expected_day(datetime.fromisoformat(row["timestamp"]), observed), row)
        for row in (json.loads(one.raw) for one in rows)
    ]
    return [(day, row) for day, row in truth if january(1) <= day <= january(LAST)]


def test_the_order_of_types_does_not_matter(warehouse: Warehouse) -> None:
    """After each landing every row stands under the day that is known then; none is lost."""
    documents = traveller()
    people = in_every_order(documents)
    assert len(people) == 24
    for turn, landings in enumerate(turns(people, documents), start=1):
        for document_type, theirs in landings:
            land_all(warehouse, document_type, documents[document_type], LAST, theirs)
        landed = {who: {one: documents[one] for one in people[who][:turn]} for who in people}
        assert_days_are_true(warehouse, landed)


@pytest.mark.parametrize("seed", range(2))
def test_revisions_leave_every_row_under_its_day(warehouse: Warehouse, seed: int) -> None:
    """Documents that teach an offset change, go and come, and ranges of days are fetched again."""
    dice = random.Random(seed)
    everything = traveller()
    now = {document_type: list(documents) for document_type, documents in everything.items()}
    for document_type in dice.sample(list(now), len(now)):
        land_all(warehouse, document_type, now[document_type], LAST)
    for _ in range(5):
        revised = dice.choice([SLEEP, WORKOUT])
        kept = [one for one in everything[revised] if dice.random() < 0.8]
        now[revised] = [revise(one, dice) if dice.random() < 0.2 else one for one in kept]
        land_all(warehouse, revised, now[revised], LAST)
        assert_days_are_true(warehouse, {"ada": now})
        if dice.random() < 0.3:
            land_all(warehouse, HEARTRATE, now[HEARTRATE], LAST)
            assert_days_are_true(warehouse, {"ada": now})


def revise(document: RawDocument, dice: random.Random) -> RawDocument:
    """The document with its times an hour or a day elsewhere, or seen from another zone."""
    fields = json.loads(document.raw)
    zone = timezone(dice.choice([BERLIN, TOKYO, timedelta(hours=-10), timedelta(hours=14)]))
    move = dice.choice([timedelta(), HOUR, -9 * HOUR])
    for name in ("bedtime_start", "bedtime_end", "start_datetime", "end_datetime"):
        if name in fields:
            moved = datetime.fromisoformat(fields[name]) + move
            fields[name] = moved.astimezone(zone).isoformat()
    return document._replace(raw=json.dumps(fields).encode())


def test_rows_beside_the_days_asked_for_come_in_when_they_belong(warehouse: Warehouse) -> None:
    """Heart rate of one day, alone: the night that is told afterwards was in Tokyo, or was not."""
    row = beat(january(2), "18:00:00")
    land(warehouse, HEARTRATE, {"ada": [row]}, days=(3, 3))
    assert all_documents(warehouse, HEARTRATE) == []
    tokyo = night(january(3), bedtime_start="2026-01-03T00:30:00+09:00")
    landing = land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert landing.redated == ("heartrate",)
    with warehouse.redated(HEARTRATE) as days:
        assert days == {("ada", january(3)): DayCount(1, 1)}
    assert all_documents(warehouse, HEARTRATE) == [("ada", january(3), json.loads(row.raw))]
    assert warehouse.query("SELECT bpm, source FROM oura.heartrate") == [(60, "awake")]
    landing = land(warehouse, SLEEP, {"ada": []}, days=(3, 3))
    assert landing.redated == ("heartrate",)
    with warehouse.redated(HEARTRATE) as days:
        assert days == {("ada", january(3)): DayCount(0, 1)}
    assert all_documents(warehouse, HEARTRATE) == []
    land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert [day for _, day, _ in all_documents(warehouse, HEARTRATE)] == [january(3)]


@pytest.mark.parametrize("odd", ["1e999999999", '"many"', "[60]"])
def test_a_row_from_beside_loses_its_odd_value_and_nothing_else(
    warehouse: Warehouse, odd: str
) -> None:
    """What is no number is null in the column, as it is of a row that was asked for."""
    row = beat(january(2), "18:00:00")
    row = RawDocument(row.day, row.raw.replace(b"60", odd.encode()))
    land(warehouse, HEARTRATE, {"ada": [row]}, days=(3, 3))
    tokyo = night(january(3), bedtime_start="2026-01-03T00:30:00+09:00")
    land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert warehouse.query("SELECT day, bpm, source FROM oura.heartrate") == [
        (january(3), None, "awake")
    ]


def test_a_row_that_oura_withdrew_does_not_come_back_from_beside(warehouse: Warehouse) -> None:
    """Each answer replaces what an earlier one said of the same time."""
    land(warehouse, HEARTRATE, {"ada": [beat(january(2), "18:00:00")]}, days=(3, 3))
    land(warehouse, HEARTRATE, {"ada": [beat(january(2), "18:00:00", 61)]}, days=(3, 3))
    tokyo = night(january(3), bedtime_start="2026-01-03T00:30:00+09:00")
    land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert warehouse.query("SELECT bpm FROM oura.heartrate") == [(61,)]
    land(warehouse, HEARTRATE, {"ada": []}, days=(3, 3))
    land(warehouse, SLEEP, {"ada": []}, days=(3, 3))
    land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert all_documents(warehouse, HEARTRATE) == []


def test_what_was_redated_is_told_until_it_is_recorded(warehouse: Warehouse) -> None:
    """A run that dies in between leaves it to the next one, whatever that lands."""
    land(warehouse, HEARTRATE, {"ada": [beat(january(2), "18:00:00")]}, days=(2, 3))
    tokyo = night(january(3), bedtime_start="2026-01-03T00:30:00+09:00")
    land(warehouse, SLEEP, {"ada": [tokyo]}, days=(3, 3))
    assert land(warehouse, WORKOUT, {"bob": []}).redated == ("heartrate",)
    counts = {("ada", january(2)): DayCount(0, 1), ("ada", january(3)): DayCount(1, 1)}
    with suppress(InterruptedError), warehouse.redated(HEARTRATE):
        raise InterruptedError
    with warehouse.redated(HEARTRATE) as days:
        assert days == counts
        land(warehouse, SLEEP, {"ada": []}, days=(3, 3))
    # Those of the last landing came after they were told.
    with warehouse.redated(HEARTRATE) as days:
        assert days == {("ada", january(2)): DayCount(1, 2), ("ada", january(3)): DayCount(0, 2)}
    with warehouse.redated(HEARTRATE) as days:
        assert days == {}


def test_a_field_that_says_utc_wherever_one_is_teaches_nothing(warehouse: Warehouse) -> None:
    """Tags and the series of a night in UTC, between nights that say where it was."""
    evening = beat(january(2), "15:40:00")  # half past midnight in Tokyo
    people = [*itertools.product(("Z", "+00:00"), (2, 9))]
    for document_type, documents in (
        (HEARTRATE, {str(one): [evening] for one in people}),
        (ENHANCED_TAG, {str(one): tags_in_utc(*one) for one in people}),
        (SLEEP, {str(one): nights_in_tokyo(*one) for one in people}),
    ):
        land(warehouse, document_type, documents, days=(1, 10))
    found = {(username, day) for username, day, _ in all_documents(warehouse, HEARTRATE)}
    assert found == {(str(one), january(3)) for one in people}
    for one in people:
        assert warehouse.offsets(str(one)) == [(datetime(1900, 1, 1, tzinfo=UTC), 32400)]


def tags_in_utc(zero: str, last: int) -> list[RawDocument]:
    return [
        raw_document(
            january(day),
            id=f"tag-{day}",
            start_day=str(january(day)),
            start_time=f"{january(day)}T15:35:00{zero}",
        )
        for day in range(1, last + 1)
    ]


def nights_in_tokyo(zero: str, last: int) -> list[RawDocument]:
    """Nights whose series are in UTC."""
    return [
        night(
            january(day),
            bedtime_start=f"{january(day)}T01:30:00+09:00",
            bedtime_end=f"{january(day)}T08:30:00+09:00",
            heart_rate={
                "interval": 300,
                "items": [50],
                "timestamp": f"{january(day - 1)}T16:30:00.000{zero}",
            },
        )
        for day in range(2, last + 2)
    ]


def test_one_time_in_utc_among_others_that_are_not_teaches_nothing(warehouse: Warehouse) -> None:
    """Also the first or the last one that is known, and of a field that says more."""
    people = {
        f"{field} of {day}": nights_with_one_in_utc(field, day)
        for field in ("bedtime_start", "bedtime_end")
        for day in (2, 3, 4)
    }
    land(warehouse, SLEEP, people, days=(1, 10))
    for username in people:
        assert warehouse.offsets(username) == [(datetime(1900, 1, 1, tzinfo=UTC), 32400)]


def nights_with_one_in_utc(field: str, day: int) -> list[RawDocument]:
    nights = [
        night(
            january(number),
            bedtime_start=f"{january(number)}T01:30:00+09:00",
            bedtime_end=f"{january(number)}T08:30:00+09:00",
        )
        for number in (2, 3, 4)
    ]
    spoiled = json.loads(nights[day - 2].raw)
    instant = datetime.fromisoformat(spoiled[field]).astimezone(UTC)
    spoiled[field] = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
    nights[day - 2] = raw_document(january(day), **spoiled)
    return nights


def test_somebody_at_utc_is_believed(warehouse: Warehouse) -> None:
    """From Berlin to London for good: zeros count, also those of a field that says nothing else."""
    there = [
        night(
            january(day),
            bedtime_start=f"{january(day - 1)}T23:00:00{offset}",
            bedtime_end=f"{january(day)}T07:00:00{offset}",
        )
        for day, offset in ((2, "+01:00"), (3, "+00:00"), (4, "+00:00"), (5, "Z"))
    ]
    tag = raw_document(
        january(2), id="tag", start_day=str(january(2)), start_time="2026-01-02T15:00:00+00:00"
    )
    land(warehouse, ENHANCED_TAG, {"ada": [tag]}, days=(1, 10))
    land(warehouse, SLEEP, {"ada": there}, days=(1, 10))
    assert warehouse.offsets("ada") == [
        (datetime(1900, 1, 1, tzinfo=UTC), 3600),
        (datetime(2026, 1, 2, 10, 30, 0, 1, tzinfo=UTC), 0),
    ]


def test_a_night_at_utc_between_two_elsewhere_is_believed(warehouse: Warehouse) -> None:
    """Its fields say something else on other days."""
    nights = [
        night(
            january(day),
            bedtime_start=f"{january(day - 1)}T23:00:00{offset}",
            bedtime_end=f"{january(day)}T07:00:00{offset}",
        )
        for day, offset in ((2, "+01:00"), (3, "+00:00"), (4, "+01:00"))
    ]
    land(warehouse, SLEEP, {"ada": nights}, days=(1, 10))
    assert [seconds for _, seconds in warehouse.offsets("ada")] == [3600, 0, 3600]


def test_a_time_of_no_place_or_age_teaches_nothing(warehouse: Warehouse) -> None:
    """No clock shows it, RFC 3339 calls it unknown, or nobody wore a ring."""
    texts = (
        "2026-01-02T23:00:00+15:00",
        "2026-01-02T23:00:00-12:30",
        "2026-01-02T23:00:00-00:00",
        "0001-01-01T00:00:00+14:00",
        "2200-01-02T00:00:00+09:00",
    )
    # Each in the name of a person of its own.
    land(warehouse, SLEEP, {text: [night(january(3), bedtime_start=text)] for text in texts})
    assert len(all_documents(warehouse, SLEEP)) == len(texts)
    assert [text for text in texts if warehouse.offsets(text)] == []


def test_of_several_offsets_at_one_instant_the_same_counts_in_every_order(
    warehouse: Warehouse,
) -> None:
    """The one that is said most often, and of those the westernmost."""
    noon = datetime(2026, 1, 3, 6, tzinfo=UTC)

    def said(hours: int) -> str:
        return noon.astimezone(timezone(timedelta(hours=hours))).isoformat()

    times = {"start_datetime": said(5), "end_datetime": said(3)}
    documents = {
        WORKOUT: raw_document(january(3), id="a", day="2026-01-03", **times),
        REST_MODE_PERIOD: raw_document(
            january(3), id="b", start_day="2026-01-03", start_time=said(5), end_time=said(3)
        ),
        DAILY_ACTIVITY: raw_document(january(3), id="c", day="2026-01-03", timestamp=said(7)),
    }
    people = in_every_order(documents)
    for landings in turns(people, documents):
        for document_type, theirs in landings:
            land(warehouse, document_type, {who: [documents[document_type]] for who in theirs})
    assert len(people) == 6
    for username in people:
        assert warehouse.offsets(username) == [(datetime(1900, 1, 1, tzinfo=UTC), 3 * 3600)]


def test_times_teach_wherever_they_stand(warehouse: Warehouse) -> None:
    """In the document, in its objects, at the beginning of its series; odd ones hide no others."""
    period = raw_document(
        january(1),
        id="a",
        start_day="2026-01-01",
        start_time="2026-01-01T08:00:00+05:45",
        end_time=7,
        episodes=[
            {"tags": None, "timestamp": "2026-01-01T09:00:00.000-03:30"},
            {"tags": []},
            "odd",
        ],
    )
    session = raw_document(
        january(2),
        id="b",
        day="2026-01-02",
        start_datetime="2026-01-02T08:00:00+05:45",
        end_datetime="2026-01-02T08:00:00",
        heart_rate=[1],
        motion_count={"items": ["x"], "timestamp": "2026-01-02T09:00:00.500-0330"},
    )
    land(warehouse, REST_MODE_PERIOD, {"ada": [period]})
    land(warehouse, SESSION, {"ada": [session]})
    seen = "SELECT document_type, make_timestamptz(instant), seconds FROM bookkeeping.observations"
    east, west = 5 * 3600 + 45 * 60, -3 * 3600 - 30 * 60
    assert warehouse.query(f"{seen} ORDER BY ALL") == [
        ("rest_mode_period", datetime(2026, 1, 1, 2, 15, tzinfo=UTC), east),
        ("rest_mode_period", datetime(2026, 1, 1, 12, 30, tzinfo=UTC), west),
        ("session", datetime(2026, 1, 2, 2, 15, tzinfo=UTC), east),
        ("session", datetime(2026, 1, 2, 12, 30, 0, 500_000, tzinfo=UTC), west),
    ]


def test_other_instants_teach_nothing(warehouse: Warehouse) -> None:
    """Oura writes some of them in UTC for everyone."""
    time = "2026-01-01T00:00:00+05:45"
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), timestamp=time)]})
    row = raw_document(january(1), timestamp=time, bpm=60, source="rest")
    land(warehouse, HEARTRATE, {"ada": [row]})
    assert warehouse.query("FROM bookkeeping.observations") == []


def test_days_without_an_answer_keep_their_rows(warehouse: Warehouse) -> None:
    """Their rows go by the offsets all the same, and what comes beside them waits."""
    land(warehouse, HEARTRATE, {"ada": [beat(january(2), "12:00:00")]})
    rows = [beat(january(2), "23:30:00"), beat(january(3), "12:00:00")]
    land(warehouse, HEARTRATE, {"ada": rows}, unanswered=[("ada", january(2))])
    assert [row["timestamp"][:13] for _, _, row in all_documents(warehouse, HEARTRATE)] == [
        "2026-01-02T12",
        "2026-01-03T12",
    ]
    land(warehouse, SLEEP, {"ada": [night(january(3))]})
    assert [
        (day, row["timestamp"][:13]) for _, day, row in all_documents(warehouse, HEARTRATE)
    ] == [
        (january(2), "2026-01-02T12"),
        (january(3), "2026-01-02T23"),
        (january(3), "2026-01-03T12"),
    ]


def test_a_day_without_an_answer_is_one_of_its_person(warehouse: Warehouse) -> None:
    """Of both the days are those of Tokyo."""
    tokyo = night(january(2), bedtime_start="2026-01-02T00:30:00+09:00")
    land(warehouse, SLEEP, {"ada": [tokyo], "bob": [tokyo]}, days=(2, 2))
    first = [beat(january(1), "18:00:00", 60)]
    land(warehouse, HEARTRATE, {"ada": first, "bob": first}, days=(2, 2))
    then = [beat(january(1), "18:00:00", 61), beat(january(1), "19:00:00", 62)]
    unanswered = [("ada", january(2))]
    land(warehouse, HEARTRATE, {"ada": then, "bob": then}, days=(2, 2), unanswered=unanswered)
    assert [(who, day, row["bpm"]) for who, day, row in all_documents(warehouse, HEARTRATE)] == [
        ("ada", january(2), 60),
        ("bob", january(2), 61),
        ("bob", january(2), 62),
    ]


def test_a_warehouse_of_before_is_dated_by_what_it_holds(warehouse: Warehouse) -> None:
    """It has neither observations nor a memory of what was asked; its rows were never moved."""
    documents = traveller()
    for document_type in documents:
        land_all(warehouse, document_type, documents[document_type], LAST)
    wrong = "UPDATE {} SET day = (timestamp + INTERVAL 1 HOUR)::DATE WHERE day BETWEEN $1 AND $2"
    with duckdb.connect(warehouse.path, config=SETTINGS | ONE_CORE) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in ("asked_days", "margin", "observations", "redated"):
            connection.execute(f"DROP TABLE bookkeeping.{table}")
        connection.execute("DROP TABLE oura.brought")
        for table in ("oura.heartrate", "oura.ring_battery_level"):
            connection.execute(wrong.format(table), [january(2), january(LAST - 1)])
        connection.execute("UPDATE oura.offsets SET utc_offset_seconds = 3600")
        connection.execute("CREATE TABLE bookkeeping.observed_offsets (username VARCHAR)")
    landing = land(warehouse, WORKOUT, {"bob": []})
    assert landing.redated == ("heartrate", "ring_battery_level")
    assert_days_are_true(warehouse, {"ada": documents})


def test_nobody_else_moves(warehouse: Warehouse) -> None:
    """Each has a clock of their own."""
    row = beat(january(2), "18:00:00")
    land(warehouse, HEARTRATE, {"ada": [row], "bob": [row]})
    tokyo = night(january(3), bedtime_start="2026-01-03T00:30:00+09:00")
    land(warehouse, SLEEP, {"ada": [tokyo], "bob": []})
    assert [(who, day) for who, day, _ in all_documents(warehouse, HEARTRATE)] == [
        ("ada", january(3)),
        ("bob", january(2)),
    ]


def test_nothing_is_written_where_nothing_changed(warehouse: Warehouse) -> None:
    """Or every fetch would make a new copy of the whole file."""
    documents = traveller()
    for document_type in documents:
        land_all(warehouse, document_type, documents[document_type], LAST - 2)
    copy = warehouse.path.with_name("copy.duckdb")
    warehouse.publish(copy)
    for document_type in documents:
        land_all(warehouse, document_type, documents[document_type], LAST - 2)
    assert not warehouse.publish(copy).fresh


def test_whoever_is_forgotten_leaves_no_whereabouts(warehouse: Warehouse) -> None:
    """Neither in the file nor beside the days that were asked for."""
    for document_type, documents in traveller().items():
        land(warehouse, document_type, {"zebediah": documents}, days=(3, 5))
    assert b"zebediah" in written(warehouse)
    warehouse.forget("zebediah")
    assert b"zebediah" not in written(warehouse)


def written(warehouse: Warehouse) -> bytes:
    """The file, and the log of what is not in it yet."""
    files = warehouse.path.parent.glob(f"{warehouse.path.name}*")
    return b"".join(file.read_bytes() for file in files)
