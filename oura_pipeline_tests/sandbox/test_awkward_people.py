"""What is odd in real accounts: doubled and broken nights, far journeys, new rings, live rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, data, requester

AWKWARD = replace(OPTIONS, awkward=True, people=1)


@pytest.fixture(scope="module")
def awkward() -> Iterator[Sandbox]:
    with running(AWKWARD) as sandbox:
        yield sandbox


def documents(sandbox: Sandbox, username: str, collection: str) -> list[dict[str, Any]]:
    return [entry["document"] for entry in sandbox.truth(username, collection)]


def test_who_they_are(awkward: Sandbox) -> None:
    assert awkward.usernames == ["runa", "enno", "yuki", "ulla", "ines", "nils"]


def test_some_nights_come_twice(awkward: Sandbox) -> None:
    """Two ids, the same bedtimes, totals a minute apart, and one heart rate of 255."""
    nights = documents(awkward, "enno", "sleep")
    pairs = [(a, b) for a, b in pairwise(nights) if a["bedtime_start"] == b["bedtime_start"]]
    assert len(pairs) == 10
    for first, second in pairs:
        assert first["id"] != second["id"]
        assert first["bedtime_end"] == second["bedtime_end"]
        assert first["total_sleep_duration"] - second["total_sleep_duration"] == 60
        assert first["lowest_heart_rate"] < second["lowest_heart_rate"] == 255
        assert second["time_in_bed"] == second["total_sleep_duration"] + second["awake_time"]


def test_a_journey_to_tokyo_and_back(awkward: Sandbox) -> None:
    offsets = [d["timestamp"][-6:] for d in documents(awkward, "yuki", "daily_activity")]
    assert list(dict.fromkeys(offsets)) == ["+02:00", "+09:00", "+01:00"]


def test_somebody_in_utc(awkward: Sandbox) -> None:
    nights = documents(awkward, "ulla", "sleep")
    assert {night["bedtime_start"][-6:] for night in nights} == {"+00:00"}


def test_sleeps_of_minutes_sleeps_that_overlap_and_days_without_a_long_one(
    awkward: Sandbox,
) -> None:
    sleeps = documents(awkward, "ines", "sleep")
    spans = sorted(
        (datetime.fromisoformat(d["bedtime_start"]), datetime.fromisoformat(d["bedtime_end"]))
        for d in sleeps
    )
    assert sum(later[0] < earlier[1] for earlier, later in pairwise(spans)) >= 8
    short = [d["time_in_bed"] // 60 for d in sleeps if d["time_in_bed"] < 15 * 60]
    assert (len(short) >= 8, min(short) >= 1) == (True, True)
    days = {d["day"] for d in sleeps}
    assert len(days - {d["day"] for d in sleeps if d["type"] == "long_sleep"}) >= 3


def test_a_new_ring(awkward: Sandbox) -> None:
    """Data of three weeks, and two rings whose set-up says nothing."""
    days = [d["day"] for d in documents(awkward, "nils", "daily_activity")]
    assert (days[0], days[-1]) == ("2026-10-08", "2026-10-28")
    set_up = [d["set_up_at"] for d in documents(awkward, "nils", "ring_configuration")]
    assert set_up == [None, "1970-01-01T00:00:00+00:00", "2026-10-08T08:42:00+00:00"]


def test_a_ring_that_begins_when_a_test_says(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.change_person("runa", begins="2026-10-20")
    for collection in ("daily_sleep", "workout", "heartrate", "daily_activity"):
        assert min(entry["day"] for entry in sandbox.truth("runa", collection)) == "2026-10-20"
    # The night before was slept without it.
    assert min(entry["day"] for entry in sandbox.truth("runa", "sleep")) == "2026-10-21"
    wide = {"start_date": "2026-09-01", "end_date": "2026-11-01"}
    assert data(ask("runa", "daily_sleep", **wide))[0]["day"] == "2026-10-20"


def test_a_night_can_be_doubled(sandbox: Sandbox) -> None:
    [night] = sandbox.truth("koa", "sleep", "2026-10-11", "2026-10-11")
    again = sandbox.double("koa", "sleep", day="2026-10-11", fields={"score": 7})
    held = [
        entry["document"] for entry in sandbox.truth("koa", "sleep", "2026-10-11", "2026-10-11")
    ]
    assert held == [night["document"], again]
    assert (again["lowest_heart_rate"], again["score"]) == (255, 7)


@pytest.mark.parametrize("collection", ["heartrate", "ring_battery_level"])
def test_rows_as_they_are_live(collection: str) -> None:
    with running(replace(OPTIONS, live_rows=True, days=3)) as sandbox:
        asked = {
            "start_datetime": "2026-10-26T00:00:00Z",
            "end_datetime": "2026-10-27T00:00:00Z",
        }
        rows = data(requester(sandbox)("runa", collection, **asked))
    assert all(row["timestamp"].endswith(".000Z") for row in rows)
    assert {row.get("timestamp_unix", "absent") for row in rows} <= {0, "absent"}
    for row in rows:
        sent = (
            row["producer_timestamp"] / 1000 - datetime.fromisoformat(row["timestamp"]).timestamp()
        )
        assert timedelta() < timedelta(seconds=sent) <= timedelta(minutes=15)
