"""What stands after a landing, and what the landing says about it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from functools import reduce
from operator import add
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_SLEEP,
    ENHANCED_TAG,
    HEARTRATE,
    PERSONAL_INFO,
    RING_CONFIGURATION,
    SLEEP,
    VO2_MAX,
)
from oura_pipeline.warehouse.landing import DayCount, Landing
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    NOON,
    Odd,
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

LATER = NOON + timedelta(hours=1)


def test_every_asked_day_of_everybody_is_counted_also_empty_ones(warehouse: Warehouse) -> None:
    landing = land(
        warehouse, DAILY_SLEEP, {"ada": [score(january(1)), score(january(3))], "bob": []}
    )
    assert landing == Landing(
        days={
            ("ada", january(1)): DayCount(1, 1),
            ("ada", january(2)): DayCount(0, 0),
            ("ada", january(3)): DayCount(1, 1),
            ("bob", january(1)): DayCount(0, 0),
            ("bob", january(2)): DayCount(0, 0),
            ("bob", january(3)): DayCount(0, 0),
        },
        arrived=Counter({("ada", january(1)): 1, ("ada", january(3)): 1}),
    )


def test_landing_twice_leaves_one_copy_with_the_time_it_was_first_said(
    warehouse: Warehouse,
) -> None:
    for at, run_id in ((NOON, "run-1"), (LATER, "run-2")):
        landing = land(warehouse, SLEEP, {"ada": [night(january(2))]}, at=at, run_id=run_id)
    assert landing.days[("ada", january(2))] == DayCount(1, 0)
    assert warehouse.query("SELECT id, run_id, epoch(fetched_at) FROM oura.sleep") == [
        ("night-2026-01-02", "run-1", NOON.timestamp())
    ]


def test_a_document_deleted_at_oura_disappears(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": [night(january(1)), night(january(2))], "bob": []})
    landing = land(warehouse, SLEEP, {"ada": [night(january(1))]})
    assert (landing.inserted, landing.updated, landing.deleted) == (0, 0, 1)
    assert landing.days[("ada", january(2))] == DayCount(0, 1)
    assert [day for _, day, _ in all_documents(warehouse, SLEEP)] == [january(1)]


def test_a_person_without_documents_loses_what_stood_on_those_days_only(
    warehouse: Warehouse,
) -> None:
    for days in ((1, 3), (4, 6)):
        everybody = {name: [score(january(days[0]))] for name in ("ada", "bob")}
        land(warehouse, DAILY_SLEEP, everybody, days=days)
    land(warehouse, DAILY_SLEEP, {"ada": []}, days=(1, 3))
    assert [(name, day) for name, day, _ in all_documents(warehouse, DAILY_SLEEP)] == [
        ("ada", january(4)),
        ("bob", january(1)),
        ("bob", january(4)),
    ]


def test_a_different_document_takes_the_place_and_the_time_of_the_old(
    warehouse: Warehouse,
) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 80), score(january(2), 70)]})
    landing = land(
        warehouse,
        DAILY_SLEEP,
        {"ada": [score(january(1), 81), score(january(2), 70)]},
        at=LATER,
        run_id="run-2",
    )
    assert (landing.inserted, landing.updated, landing.deleted) == (0, 1, 0)
    assert landing.days[("ada", january(1))] == DayCount(1, 1)
    assert landing.days[("ada", january(2))] == DayCount(1, 0)
    assert warehouse.query("SELECT day, score, run_id FROM oura.daily_sleep ORDER BY day") == [
        (january(1), 81, "run-2"),
        (january(2), 70, "run-1"),
    ]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('{"score": 80, "id": "x", "day": "2026-01-01"}', 0),
        ('{"id":"x",\n "day":"2026-01-01",\r\n "score":80.0}', 0),
        ('{"id":"\\u0078","day":"2026-01-01","score":8e1}', 0),
        ('{"id":"x","day":"2026-01-01","score":true}', 1),
        ('{"id":"x","day":"2026-01-01","score":null}', 1),
        ('{"id":"x","day":"2026-01-01"}', 1),
        ('{"id":"x","day":"2026-01-01","score":80,"novel":1}', 1),
        ('{"id":"y","day":"2026-01-01","score":80}', 1),
    ],
)
def test_only_another_meaning_is_a_change(warehouse: Warehouse, text: str, changed: int) -> None:
    before = RawDocument(january(1), b'{"id":"x","day":"2026-01-01","score":80}')
    land(warehouse, DAILY_SLEEP, {"ada": [before]})
    landing = land(warehouse, DAILY_SLEEP, {"ada": [RawDocument(january(1), text.encode())]})
    assert landing.days[("ada", january(1))] == DayCount(1, changed)
    stands = text.encode() if changed else before.raw
    assert warehouse.documents(DAILY_SLEEP, "ada", january(1), january(1)) == [(january(1), stands)]


def test_other_words_and_other_values_are_told_apart(warehouse: Warehouse) -> None:
    """In one answer; what only says it in other words stays as it was first said."""
    first, second, third = (score(january(day), 80) for day in (1, 2, 3))
    reworded = first._replace(raw=first.raw.replace(b": ", b" :  "))
    changed = second._replace(raw=second.raw.replace(b"80", b"81"))
    land(warehouse, DAILY_SLEEP, {"ada": [first, second, third]})
    landing = land(warehouse, DAILY_SLEEP, {"ada": [reworded, changed, third]})
    assert (landing.inserted, landing.updated, landing.deleted) == (0, 1, 0)
    assert warehouse.documents(DAILY_SLEEP, "ada", january(1), january(3)) == [
        first,
        changed,
        third,
    ]


def test_other_words_and_other_values_are_told_apart_among_any_number(
    warehouse: Warehouse,
) -> None:
    """Also where more documents came in other words than are compared at once."""
    rows = [beat(january(1), f"10:{n // 60:02}:{n % 60:02}") for n in range(1200)]
    reworded = [row._replace(raw=row.raw.replace(b": ", b" :  ")) for row in rows]
    changed = beat(january(1), "10:19:59", 61)
    land(warehouse, HEARTRATE, {"ada": rows})
    landing = land(warehouse, HEARTRATE, {"ada": [*reworded[:-1], changed]})
    assert (landing.inserted, landing.updated, landing.deleted) == (0, 1, 0)
    assert warehouse.documents(HEARTRATE, "ada", january(1), january(1)) == [*rows[:-1], changed]


def test_true_is_not_one(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), novel=1)]})
    landing = land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), novel=True)]})
    assert landing.updated == 1


def test_a_night_that_moves_into_the_asked_days_does_not_stand_twice(warehouse: Warehouse) -> None:
    """A bedtime edit can give a sleep another day; its id stays."""
    land(warehouse, SLEEP, {"ada": [night(january(4), id="x")]}, days=(4, 6))
    landing = land(warehouse, SLEEP, {"ada": [night(january(3), id="x")]}, days=(1, 3))
    assert [(day, found["id"]) for _, day, found in all_documents(warehouse, SLEEP)] == [
        (january(3), "x")
    ]
    assert landing.days[("ada", january(3))] == DayCount(1, 1)
    assert landing.elsewhere == {("ada", january(4)): DayCount(0, 1)}
    assert (landing.inserted, landing.updated, landing.deleted) == (0, 1, 0)


def test_a_night_that_moves_out_of_the_asked_days_is_not_lost(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": [night(january(3), id="x")]}, days=(1, 3))
    landing = land(
        warehouse,
        SLEEP,
        {"ada": [night(january(2))]},
        outside={"ada": [night(january(4), id="x"), night(january(5), id="other")]},
        days=(1, 3),
    )
    assert [(day, found["id"]) for _, day, found in all_documents(warehouse, SLEEP)] == [
        (january(2), "night-2026-01-02"),
        (january(4), "x"),
    ]
    assert landing.days[("ada", january(3))] == DayCount(0, 1)
    assert landing.elsewhere == {("ada", january(4)): DayCount(1, 1)}
    assert (landing.inserted, landing.updated, landing.deleted) == (1, 1, 0)


def test_days_beside_those_asked_stay_as_they_are(warehouse: Warehouse) -> None:
    """Where their ids lie between those that came, and where some of them came along."""
    before = [
        night(january(day), id=name) for day, name in ((1, "a"), (4, "b"), (2, "c"), (5, "d"))
    ]
    land(warehouse, SLEEP, {"ada": before}, days=(1, 5))
    came_along = [before[1], night(january(5), id="d", type="rest"), night(january(4), id="new")]
    landing = land(
        warehouse,
        SLEEP,
        {"ada": [before[0], before[2]]},
        outside={"ada": came_along},
        at=LATER,
        run_id="run-2",
    )
    assert (landing.changed, landing.elsewhere) == (0, {})
    assert warehouse.query("SELECT id, run_id FROM oura.sleep ORDER BY id") == [
        (name, "run-1") for name in "abcd"
    ]


def test_a_move_between_asked_days_changes_both(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": [night(january(1), id="x")]})
    landing = land(warehouse, SLEEP, {"ada": [night(january(2), id="x")]})
    assert landing.days == {
        ("ada", january(1)): DayCount(0, 1),
        ("ada", january(2)): DayCount(1, 1),
        ("ada", january(3)): DayCount(0, 0),
    }


def test_the_day_of_heart_rate_is_that_of_the_offsets_whatever_came_with_it(
    warehouse: Warehouse,
) -> None:
    """Only the landing knows where the person was."""
    land(warehouse, SLEEP, {"ada": [night(january(3))]}, days=(3, 3))
    row = beat(january(3), "23:30:00")
    landing = land(warehouse, HEARTRATE, {"ada": [row]}, days=(4, 4))
    assert [day for _, day, _ in all_documents(warehouse, HEARTRATE)] == [january(4)]
    assert landing.days == {("ada", january(4)): DayCount(1, 1)}


def test_the_same_key_of_another_person_is_another_document(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": [night(january(1), id="x")]})
    land(warehouse, SLEEP, {"bob": [night(january(2), id="x")]})
    assert [(name, day) for name, day, _ in all_documents(warehouse, SLEEP)] == [
        ("ada", january(1)),
        ("bob", january(2)),
    ]


def test_of_one_key_in_one_answer_the_last_counts(warehouse: Warehouse) -> None:
    rows = [beat(january(1), "10:00:00", bpm) for bpm in range(60, 90)]
    other = beat(january(1), "10:00:00", 99, source="workout")
    landing = land(warehouse, HEARTRATE, {"ada": [*rows[:20], other, *rows[20:]]})
    assert landing.days[("ada", january(1))] == DayCount(2, 2)
    assert warehouse.query("SELECT source, bpm FROM oura.heartrate ORDER BY source") == [
        ("awake", 89),
        ("workout", 99),
    ]


def test_one_instant_written_in_two_ways_is_one_key(warehouse: Warehouse) -> None:
    texts = ("2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00.000Z", "2026-01-01T12:00:00+02:00")
    rows = [raw_document(january(1), timestamp=text, bpm=60, source="awake") for text in texts]
    assert land(warehouse, HEARTRATE, {"ada": rows}).inserted == 1


def test_a_day_is_enough_where_documents_have_no_id(warehouse: Warehouse) -> None:
    """Documents of daily_cardiovascular_age had none in 2024; a new id is the same day still."""
    old = raw_document(january(1), day="2026-01-01", vascular_age=41)
    new = raw_document(january(1), id="x", day="2026-01-01", vascular_age=41)
    land(warehouse, DAILY_CARDIOVASCULAR_AGE, {"ada": [old]})
    assert land(warehouse, DAILY_CARDIOVASCULAR_AGE, {"ada": [new]}).updated == 1
    assert warehouse.row_counts() == {"daily_cardiovascular_age": 1}


def test_the_day_of_a_tag_is_kept_beside_its_own_field(warehouse: Warehouse) -> None:
    tag = raw_document(
        january(2), id="x", start_day="2026-01-02", start_time="2026-01-02T08:00:00+02:00"
    )
    land(warehouse, ENHANCED_TAG, {"ada": [tag]})
    assert warehouse.query("SELECT day, start_day FROM oura.enhanced_tag") == [
        (january(2), january(2))
    ]


def test_current_states_are_replaced_as_a_whole(warehouse: Warehouse) -> None:
    rings = [raw_document(january(1), id=name, size=9) for name in ("old", "lost")]
    land(warehouse, RING_CONFIGURATION, {"ada": rings, "bob": rings[:1]}, days=(1, 1))
    today = [
        raw_document(january(2), id="old", size=9),
        raw_document(january(2), id="new", size=10),
    ]
    landing = land(
        warehouse, RING_CONFIGURATION, {"ada": today}, days=(2, 2), at=LATER, run_id="run-2"
    )
    assert landing.days == {("ada", january(2)): DayCount(2, 2)}
    assert (landing.inserted, landing.updated, landing.deleted) == (1, 0, 1)
    assert warehouse.query(
        "SELECT username, day, id, run_id FROM oura.ring_configuration ORDER BY ALL"
    ) == [
        ("ada", january(2), "new", "run-2"),
        ("ada", january(2), "old", "run-1"),
        ("bob", january(1), "old", "run-1"),
    ]


def test_an_unchanged_state_moves_to_the_day_of_the_newest_fetch(warehouse: Warehouse) -> None:
    """Its day is when it was last seen; that alone is no change."""
    land(warehouse, PERSONAL_INFO, {"ada": [raw_document(january(1), id="a", age=30)]})
    landing = land(warehouse, PERSONAL_INFO, {"ada": [raw_document(january(2), id="a", age=30)]})
    assert landing == Landing(days={**landing.days, ("ada", january(3)): DayCount(1, 0)})
    assert all_documents(warehouse, PERSONAL_INFO) == [("ada", january(2), {"id": "a", "age": 30})]


def test_there_is_one_profile_per_person(warehouse: Warehouse) -> None:
    for day, age in ((1, 40), (2, 40), (3, 41)):
        profile = raw_document(january(day), id="x", age=age, weight=70.5)
        landing = land(warehouse, PERSONAL_INFO, {"ada": [profile]}, days=(day, day))
    assert landing.days == {("ada", january(3)): DayCount(1, 1)}
    assert warehouse.query("SELECT day, age, weight FROM oura.personal_info") == [
        (january(3), 41, 70.5)
    ]


def test_a_discarded_answer_changes_nothing(warehouse: Warehouse) -> None:
    everybody = {name: [score(january(1), 80)] for name in ("ada", "bob")}
    land(warehouse, DAILY_SLEEP, everybody)
    with warehouse.spool(DAILY_SLEEP) as spool:
        for name in ("ada", "bob"):
            spool.add(name, [score(january(1), 90)], True)
        spool.discard("ada")
        spool.add("ada", [score(january(2), 90)], True)
        landing = warehouse.land(
            DAILY_SLEEP,
            spool,
            usernames=["ada", "bob"],
            first_day=january(1),
            last_day=january(1),
            fetched_at=NOON,
            run_id="run-2",
        )
    assert landing.days == {("bob", january(1)): DayCount(1, 1)}
    assert [(name, found["score"]) for name, _, found in all_documents(warehouse, DAILY_SLEEP)] == [
        ("ada", 80),
        ("bob", 90),
    ]


def test_people_who_were_not_asked_do_not_land(warehouse: Warehouse) -> None:
    with warehouse.spool(DAILY_SLEEP) as spool:
        spool.add("ada", [score(january(1))], True)
        landing = warehouse.land(
            DAILY_SLEEP,
            spool,
            usernames=[],
            first_day=january(1),
            last_day=january(1),
            fetched_at=NOON,
            run_id="run-1",
        )
    assert landing == Landing(days={})
    assert warehouse.row_counts() == {}


def test_documents_come_in_order_of_day_and_key(warehouse: Warehouse) -> None:
    rows = [
        beat(january(2), "10:00:00"),
        beat(january(1), "11:00:00"),
        beat(january(1), "09:00:00"),
    ]
    land(warehouse, HEARTRATE, {"ada": rows, "bob": rows[:1]})
    found = warehouse.documents(HEARTRATE, "ada", january(1), january(2))
    assert [(day, json.loads(raw)["timestamp"][11:13]) for day, raw in found] == [
        (january(1), "09"),
        (january(1), "11"),
        (january(2), "10"),
    ]
    assert warehouse.documents(HEARTRATE, "ada", january(2), january(2)) == [found[2]]


def test_counts_of_what_stands(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": [night(january(1)), night(january(1), id="nap")]})
    land(
        warehouse,
        VO2_MAX,
        {"bob": [raw_document(january(3), id="x", day="2026-01-03", vo2_max=47)]},
    )
    assert warehouse.usernames() == ["ada", "bob"]
    assert warehouse.row_counts() == {"sleep": 2, "vO2_max": 1}
    assert warehouse.query("SELECT vo2_max FROM oura.vo2_max") == [(47,)]


def test_a_warehouse_that_does_not_exist_is_empty(new_warehouse: Warehouse) -> None:
    day = date(2026, 1, 1)
    assert new_warehouse.documents(SLEEP, "ada", day, day) == []
    assert new_warehouse.usernames() == []
    assert new_warehouse.row_counts() == {}
    assert new_warehouse.query("SELECT 1") == []
    assert new_warehouse.forget("ada") == 0
    assert not new_warehouse.path.exists()


def test_forgetting_a_person_leaves_the_others(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {name: [night(january(1))] for name in ("ada", "bob")})
    land(warehouse, DAILY_SLEEP, {name: [score(january(1))] for name in ("ada", "bob")})
    assert warehouse.forget("ada") == 2
    assert warehouse.forget("ada") == 0
    assert warehouse.usernames() == ["bob"]


def test_of_landings_of_neighbouring_days_what_is_said_adds_up() -> None:
    """Of a day in both, the later one knows how many documents it has."""
    first, second, third = (("ada", january(day)) for day in (1, 2, 3))
    earlier = Landing(
        days={first: DayCount(1, 1)},
        elsewhere={second: DayCount(1, 2)},
        arrived=Counter({first: 1}),
        gone=Counter({second: 1}),
        updated=1,
        unknown_fields=["b"],
        odd_values={"x": 1},
        set_aside=Counter({first: 1, second: 2}),
        redated=("heartrate",),
    )
    later = Landing(
        days={second: DayCount(4, 3)},
        elsewhere={third: DayCount(2, 1)},
        arrived=Counter({second: 3}),
        gone=Counter({third: 1}),
        updated=2,
        unknown_fields=["a", "b"],
        odd_values={"a": 1, "x": 2},
        set_aside=Counter({second: 2}),
        redated=("ring_battery_level",),
    )
    assert earlier + later == Landing(
        days={first: DayCount(1, 1), second: DayCount(4, 5)},
        elsewhere={third: DayCount(2, 1)},
        arrived=Counter({first: 1, second: 3}),
        gone=Counter({second: 1, third: 1}),
        updated=3,
        unknown_fields=["a", "b"],
        odd_values={"a": 1, "x": 3},
        set_aside=Counter({first: 1, second: 2}),
        redated=("heartrate", "ring_battery_level"),
    )


def test_people_land_together_or_one_after_the_other(tmp_path: Path) -> None:
    """With the same rows, and the same said of it."""

    def nights(username: str, *days: int, **fields: object) -> list[RawDocument]:
        # As two people, so that one's bedtimes teach only their own offset.
        return [night(january(day), id=f"{username}-{day}", **fields) for day in days]

    first = {name: nights(name, 1, 2, 3) for name in ("ada", "bob", "cyd", "dan")}
    second = {
        "ada": nights("ada", 1, 2, 3, latency=5, unheard_of=1),
        "bob": nights("bob", 3, latency="long"),
        "cyd": [*nights("cyd", 1, 2, new=True), night(january(3), id="cyd-2")],
        "dan": [
            *nights("dan", 1, 2, 3, bedtime_start="2026-01-01T22:00:00-05:00", latency=[]),
            night(january(2), id="dan-nap", type="late_nap"),
        ],
    }
    odd = {"dan": [Odd(january(2), "x"), Odd(None, "y")]}
    outside = {"ada": [night(january(4), id="ada-3")], "dan": [night(january(5), id="dan-5")]}
    beats = {"dan": [beat(january(3), "02:00:00")]}  # on the second, where they are then

    together = Warehouse(tmp_path / "together.duckdb")
    land(together, SLEEP, first)
    land(together, HEARTRATE, beats)
    expected = land(together, SLEEP, second, outside=outside, unusable=odd, at=LATER)

    apart = Warehouse(tmp_path / "apart.duckdb")
    land(apart, SLEEP, first)
    land(apart, HEARTRATE, beats)
    landings = [
        land(
            apart,
            SLEEP,
            {name: second[name]},
            outside={name: outside.get(name, [])},
            unusable={name: odd.get(name, [])},
            at=LATER,
        )
        for name in second
    ]
    assert reduce(add, landings) == expected
    assert all_documents(apart, SLEEP) == all_documents(together, SLEEP)
    assert apart.quarantined() == together.quarantined()
    # None of it is empty.
    assert (expected.inserted, expected.updated, expected.deleted) == (1, 9, 3)
    assert expected.redated == ("heartrate",)
    assert expected.unknown_fields == ["new", "unheard_of"]
    assert expected.odd_values == {"latency": 4}
    counts = (len(expected.lost), sum(expected.set_aside.values()), len(expected.elsewhere))
    assert counts == (2, 4, 1)
