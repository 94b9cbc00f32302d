"""Recorded answers served instead of invented people."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.sandbox.catalog import BY_NAME
from oura_pipeline.sandbox.running import running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, data, days, requester
from oura_pipeline_tests.testing.paths import EXAMPLES

IGNORED = {"errors", "oauth", "webhook", "sandbox", "interbeat_interval"}


def write(folder: Path, name: str, content: Any) -> None:
    """One recorded answer."""
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def score(day: str, document_id: str, value: int) -> dict[str, Any]:
    """A daily_sleep document with the fewest fields."""
    return {"id": document_id, "day": day, "score": value, "contributors": {}}


def test_envelopes_and_documents_of_several_people(tmp_path: Path) -> None:
    """Files of one collection are joined; a document that comes twice is served once, the later."""
    envelope = {"data": [score("2026-10-12", "b", 2), score("2026-10-11", "a", 1)]}
    write(tmp_path, "daily_sleep.json", envelope)
    write(tmp_path, "daily_sleep.single.json", score("2026-10-12", "b", 3))
    write(tmp_path, "western.daily_sleep.json", {"data": [score("2026-10-12", "c", 9)]})
    write(tmp_path, "errors.json", {"anything": {"status": 500}})
    write(tmp_path, "sandbox.daily_sleep.json", {"data": [score("2026-10-12", "no", 0)]})
    write(tmp_path, "interbeat_interval.json", {"data": [{"ibi": 900}]})
    with running(replace(OPTIONS, replay=tmp_path)) as sandbox:
        ask, asked = requester(sandbox), {"start_date": "2026-10-11", "end_date": "2026-10-12"}
        assert sandbox.usernames == ["recorded", "western"]
        assert [d["score"] for d in data(ask("recorded", "daily_sleep", **asked))] == [1, 3]
        assert [d["score"] for d in data(ask("western", "daily_sleep", **asked))] == [9]
        assert ask("recorded", "daily_sleep/a").json() == score("2026-10-11", "a", 1)
        assert data(ask("western", "workout", **asked)) == []
        assert ask("western", "personal_info").json() == {"id": sandbox.people()[1]["id"]}


def test_rows_of_older_answers_are_served_as_they_were(tmp_path: Path) -> None:
    row = {"bpm": 60, "source": "rest", "timestamp": "2026-10-11T10:00:00+00:00"}
    write(tmp_path, "heartrate.json", {"data": [row]})
    with running(replace(OPTIONS, replay=tmp_path)) as sandbox:
        ends = {"start_datetime": "2026-10-11T10:00:00Z", "end_datetime": "2026-10-11T10:00:01Z"}
        assert data(requester(sandbox)("recorded", "heartrate", **ends)) == [row]
        assert sandbox.truth("recorded", "heartrate") == [{"day": "2026-10-11", "document": row}]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "errors.json", {})
    options = replace(OPTIONS, replay=tmp_path)
    with pytest.raises(FileNotFoundError, match="no recorded collection"), running(options):
        pass


def test_every_example_is_served() -> None:
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in EXAMPLES.glob("*.json"):
        first, *rest = path.stem.split(".")
        if first in IGNORED or first == "personal_info":
            continue
        username, name = ("western", rest[0]) if first == "western" else ("recorded", first)
        content = json.loads(path.read_text(encoding="utf-8"))
        name = {"spo2": "daily_spo2"}.get(name, name)
        for document in content.get("data", [content]):
            expected[username, name].add(_identity(document))
    with running(replace(OPTIONS, replay=EXAMPLES)) as sandbox:
        ask = requester(sandbox)
        served = {key: set(map(_identity, _everything(ask, *key))) for key in expected}
    assert served == expected


def test_examples_keep_the_two_families_of_ranges() -> None:
    with running(replace(OPTIONS, replay=EXAMPLES)) as sandbox:
        ask = requester(sandbox)
        asked = {"start_date": "2026-04-06", "end_date": "2026-04-07"}
        assert days(ask("recorded", "daily_sleep", **asked)) == ["2026-04-06", "2026-04-07"]
        assert days(ask("recorded", "daily_activity", **asked)) == ["2026-04-06"]
        night = {"start_date": "2025-12-20", "end_date": "2025-12-21"}
        assert days(ask("western", "sleep", **night)) == ["2025-12-20"]


def _identity(document: dict[str, Any]) -> str:
    return document.get("id") or str([document.get("timestamp"), document.get("day")])


def _everything(ask: Any, username: str, name: str) -> list[dict[str, Any]]:
    if BY_NAME[name].family != "samples":
        return data(ask(username, name, start_date="2015-01-01", end_date="2030-01-01"))
    rows: list[dict[str, Any]] = []
    for month in range(12 * 2021, 12 * 2027):
        start = date(month // 12, month % 12 + 1, 1)
        middle = start.replace(day=16)
        following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
        for first, last in ((start, middle), (middle, following)):
            ends = {"start_datetime": f"{first}T00:00:00Z", "end_datetime": f"{last}T00:00:00Z"}
            rows += data(ask(username, name, **ends))
    return rows
