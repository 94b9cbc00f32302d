"""The invented history: what always holds in it, and that every awkward case is there."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from oura_pipeline.sandbox.catalog import COLLECTIONS
from oura_pipeline.sandbox.people import synthetic_people
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions, create_app
from oura_pipeline_tests.sandbox.conftest import OPTIONS

Document = dict[str, Any]


def documents(sandbox: Sandbox, username: str, collection: str) -> list[Document]:
    """Everything held of one type about one person."""
    return [entry["document"] for entry in sandbox.truth(username, collection)]


def everyones(sandbox: Sandbox, collection: str) -> list[Document]:
    """Everything held of one type."""
    return [d for name in sandbox.usernames for d in documents(sandbox, name, collection)]


@pytest.fixture(scope="module")
def nights(shared: Sandbox) -> list[Document]:
    """Every sleep document whose numbers are known."""
    return [d for d in everyones(shared, "sleep") if d["total_sleep_duration"] is not None]


def seconds(document: Document, name: str) -> datetime:
    """A date-time field."""
    return datetime.fromisoformat(document[name])


def test_sleep_adds_up(nights: list[Document]) -> None:
    for night in nights:
        parts = ("deep_sleep_duration", "light_sleep_duration", "rem_sleep_duration")
        assert night["total_sleep_duration"] == sum(night[part] for part in parts)
        assert night["time_in_bed"] == night["total_sleep_duration"] + night["awake_time"]
        if night["bedtime_end"]:
            lasted = seconds(night, "bedtime_end") - seconds(night, "bedtime_start")
            assert night["time_in_bed"] == lasted.total_seconds()


def test_series_of_sleep_have_the_lengths_of_their_own_rules(nights: list[Document]) -> None:
    for night in nights:
        length = night["time_in_bed"]
        assert len(night["sleep_phase_5_min"]) == math.ceil(length / 300)
        assert len(night["sleep_phase_30_sec"]) == math.ceil(length / 30)
        assert len(night["movement_30_sec"]) == math.ceil(length / 30)
        for name in ("heart_rate", "hrv"):
            assert night[name] is None or len(night[name]["items"]) == length // 300


def test_sleep_counts_to_the_day_of_waking_until_six_in_the_evening(
    nights: list[Document],
) -> None:
    finished = [night for night in nights if night["bedtime_end"]]
    for night in finished:
        assert night["day"] == str((seconds(night, "bedtime_end") + timedelta(hours=6)).date())
    before = [n for n in finished if str(seconds(n, "bedtime_start").date()) < n["day"]]
    assert len(before) > 60


def test_offsets_follow_the_clocks_going_back(shared: Sandbox) -> None:
    nights = {d["day"]: d for d in documents(shared, "runa", "sleep") if d["type"] == "long_sleep"}
    changed = nights["2026-10-25"]
    assert changed["bedtime_start"].endswith("+02:00")
    assert changed["bedtime_end"].endswith("+01:00")
    assert nights["2026-10-26"]["bedtime_start"].endswith("+01:00")


def test_the_other_change_of_the_clocks_too() -> None:
    with running(replace(OPTIONS, end=date(2026, 3, 31))) as sandbox:
        nights = documents(sandbox, "runa", "sleep")
        offsets = {night["bedtime_end"][-6:] for night in nights}
        assert offsets == {"+01:00", "+02:00"}


def test_offsets_of_everyone(shared: Sandbox) -> None:
    found = {
        name: {d["timestamp"][-6:] for d in documents(shared, name, "daily_activity")}
        for name in shared.usernames
    }
    assert found == {
        "runa": {"+01:00", "+02:00"},
        "koa": {"-10:00"},
        "milo": {"-05:00", "+01:00"},
        "asha": {"+05:45"},
        "sione": {"+13:00"},
    }


def test_types_of_sleep_and_many_on_one_day(shared: Sandbox) -> None:
    kinds = Counter(d["type"] for d in everyones(shared, "sleep"))
    assert set(kinds) == {"long_sleep", "sleep", "late_nap", "rest", "deleted", None}
    of_day = defaultdict(list)
    for document in documents(shared, "runa", "sleep"):
        of_day[document["day"]].append(document["type"])
    assert max(map(len, of_day.values())) == 6
    assert ["long_sleep", "long_sleep"] in of_day.values()


def test_an_unfinished_night(shared: Sandbox) -> None:
    [night] = [d for d in everyones(shared, "sleep") if d["bedtime_end"] is None and d["type"]]
    assert (night["day"], night["type"]) == ("2026-10-28", "long_sleep")


def test_all_three_kinds_of_no_oxygen(shared: Sandbox) -> None:
    found = [d["spo2_percentage"] for d in documents(shared, "asha", "daily_spo2")]
    for empty in ({"average": None}, None, {"average": 0.0}):
        assert empty in found


def test_gaps(shared: Sandbox) -> None:
    days = {d["day"] for d in documents(shared, "asha", "daily_readiness")}
    activity = {d["day"]: d for d in documents(shared, "asha", "daily_activity")}
    missing = {str(date(2026, 9, 29) + timedelta(days=n)) for n in range(30)} - days
    assert len(missing) >= 4
    assert len(set(activity) & missing) >= 1
    for day in set(activity) & missing:
        assert activity[day]["score"] is None
        assert activity[day]["non_wear_time"] == 86400


def test_activity_adds_up_and_today_is_not_over(shared: Sandbox) -> None:
    for document in everyones(shared, "daily_activity"):
        parts = ("high_activity", "medium_activity", "low_activity", "sedentary", "resting")
        total = sum(document[f"{part}_time"] for part in parts) + document["non_wear_time"]
        minutes = len(document["met"]["items"])
        assert total == 60 * minutes
        assert minutes == (480 if document["day"] == "2026-10-28" else 1440)
        walked = document["equivalent_walking_distance"]
        assert document["meters_to_target"] == document["target_meters"] - walked
    assert min(d["meters_to_target"] for d in documents(shared, "koa", "daily_activity")) < 0


def test_stress_comes_in_quarters_of_an_hour(shared: Sandbox) -> None:
    known = [d for d in everyones(shared, "daily_stress") if d["stress_high"] is not None]
    assert {d["stress_high"] % 900 + d["recovery_high"] % 900 for d in known} == {0}
    [today] = [d for d in documents(shared, "koa", "daily_stress") if d["day"] == "2026-10-28"]
    assert (today["stress_high"], today["recovery_high"], today["day_summary"]) == (0, 0, None)


def test_a_timestamp_is_not_a_day(shared: Sandbox) -> None:
    differing = [
        d for d in documents(shared, "milo", "daily_readiness") if d["timestamp"][:10] != d["day"]
    ]
    assert differing
    assert {d["timestamp"][10:] for d in documents(shared, "runa", "daily_readiness")} == {
        "T00:00:00+00:00"
    }


def test_heart_rate_is_uneven(shared: Sandbox) -> None:
    entries = shared.truth("koa", "heartrate", "2026-10-10", "2026-10-20")
    per_day = Counter(entry["day"] for entry in entries)
    assert 900 < sum(per_day.values()) / len(per_day) < 2000
    steps: dict[str, Counter[float]] = defaultdict(Counter)
    rows = [entry["document"] for entry in entries]
    for before, row in pairwise(rows):
        if before["source"] == row["source"]:
            steps[row["source"]][(row["timestamp_unix"] - before["timestamp_unix"]) / 1000] += 1
    assert steps["rest"].most_common(1)[0][0] == 300
    assert steps["workout"].most_common(1)[0][0] == 5
    assert set(steps["awake"]) >= {4, 7}


def test_sample_rows_are_in_order_and_agree_with_themselves(shared: Sandbox) -> None:
    for collection in ("heartrate", "ring_battery_level"):
        rows = documents(shared, "milo", collection)
        unix = [row["timestamp_unix"] for row in rows]
        assert unix == sorted(set(unix))
        assert unix == [int(seconds(row, "timestamp").timestamp() * 1000) for row in rows]
        assert {row["timestamp"][-6:] for row in rows} == {"+00:00"}


def test_sessions_with_and_without_series(shared: Sandbox) -> None:
    found = documents(shared, "koa", "session")
    leading = [d["heart_rate"]["items"][:5] for d in found if d["heart_rate"]]
    assert leading[0][:4] == [None] * 4
    assert leading[0][4] is not None
    assert [d for d in found if d["heart_rate"] is None]


def test_tags_rest_and_rings(shared: Sandbox) -> None:
    tags = everyones(shared, "enhanced_tag")
    assert {"custom", None} < {d["tag_type_code"] for d in tags}
    assert {bool(d["end_time"]) for d in tags} == {True, False}
    rests = everyones(shared, "rest_mode_period")
    assert {bool(d["episodes"]) for d in rests} == {True, False}
    assert {bool(d["end_time"]) for d in rests} == {True, False}
    rings = [d["set_up_at"] for d in everyones(shared, "ring_configuration")]
    assert {None, "1970-01-01T00:00:00+00:00"} < set(rings)
    sources = {d["source"] for d in everyones(shared, "workout")}
    assert len(sources) == 6


@pytest.mark.parametrize("row", [r for r in COLLECTIONS if r.nullable], ids=lambda row: row.name)
def test_what_may_be_null_is_null_somewhere_and_known_somewhere(shared: Sandbox, row: Any) -> None:
    """`ring_id` is never known: Oura returns null for it."""
    found = everyones(shared, row.name)
    for path in row.nullable:
        known = {_at(document, path.split(".")) is not None for document in found}
        assert known == ({False} if path == "ring_id" else {True, False}), path


def _at(document: Any, path: list[str]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def test_a_longer_history_leaves_the_days_of_a_shorter_one_alone(shared: Sandbox) -> None:
    with running(replace(OPTIONS, days=60)) as longer:
        for row in COLLECTIONS:
            if row.family in ("day", "instant"):
                short = shared.truth("koa", row.name, "2026-09-30", "2026-10-20")
                assert longer.truth("koa", row.name, "2026-09-30", "2026-10-20") == short


def test_a_seed_decides(shared: Sandbox) -> None:
    with running(OPTIONS) as same, running(replace(OPTIONS, seed=2)) as other:
        here = shared.truth("runa", "daily_sleep")
        assert same.truth("runa", "daily_sleep") == here
        assert other.truth("runa", "daily_sleep") != here
        assert other.usernames == same.usernames


def test_names_are_usable_and_different_for_two_hundred_people() -> None:
    names = [person.username for person in synthetic_people(200, seed=1)]
    assert len(set(names)) == 200
    assert all(3 <= len(name) <= 32 and name.isalnum() and name.islower() for name in names)


def test_a_history_that_ends_today_has_today_and_no_tomorrow() -> None:
    with running(replace(OPTIONS, end=None, days=3)) as sandbox:
        now = sandbox.http.get("/_control/clock").json()["now"]
        for name in sandbox.usernames:
            rows = documents(sandbox, name, "heartrate")
            assert rows == [] or rows[-1]["timestamp_unix"] <= now * 1000
            for activity in documents(sandbox, name, "daily_activity"):
                assert seconds(activity, "timestamp").timestamp() <= now


# What people do repeats after fourteen days at the latest.
@pytest.mark.parametrize("day", range(1, 15))
def test_no_two_documents_share_an_id(day: int) -> None:
    """Whatever the last day is: an id is what makes a document the same one."""
    options = SandboxOptions(people=5, days=35, end=date(2026, 11, day))
    people = create_app(options).state.cloud.people
    stores = {
        (username, collection): held.store(collection)
        for username, held in people.items()
        for collection in ("rest_mode_period", "sleep", "workout", "session", "tag")
    }
    ids = [
        (username, json.loads(body)["id"])
        for (username, _), store in stores.items()
        for body in store.bodies(0, len(store.keys))
    ]
    assert len(ids) > 200
    assert [key for key, count in Counter(ids).items() if count > 1] == []
