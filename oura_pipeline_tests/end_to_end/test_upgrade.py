"""A data folder of an older version goes on where it was: nothing lost, asked or sent twice."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from oura_pipeline.defs.gaps import due_gaps
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.doctor.checkup import check_everything
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.testing.paths import EXAMPLES
from oura_pipeline_tests.testing.world import World, red_checks, sandbox_tokens, world

# Made by `data_folder.py` with the version before the first migration of the accounts.
ARCHIVE = EXAMPLES.parent / "data_folder.tar.xz"
FIRST, LAST = date(2026, 6, 8), date(2026, 6, 10)
NEXT = date(2026, 6, 11)
PEOPLE = ("koa", "runa")
TYPES = ("daily_sleep", "sleep", "heartrate")

Documents = dict[tuple[str, str], list[tuple[str, Any]]]  # username and type → day and document


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[World]:
    """The older folder, before anything opened it, and an Oura that has what it holds."""
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(tmp_path, filter="data")
    (tmp_path / "data").chmod(0o755)  # as that version left it, whatever the umask is here
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    for (username, name), held in documents(tmp_path / "data").items():
        found = [document for _, document in held]
        found += [a_day_later(document) for day, document in held if day == str(LAST)]
        (recorded / f"{username}.{name}.json").write_text(json.dumps(found), encoding="utf-8")
    with (
        running(SandboxOptions(replay=recorded)) as oura,
        world(tmp_path / "data", oura) as made,
    ):
        yield made


def test_a_folder_of_an_older_version_goes_on(upgraded: World) -> None:
    before, lines = documents(upgraded.home), sent(upgraded)
    assert len(before) == 8
    for username in PEOPLE:  # an Oura of tests knows no tokens of an earlier one
        with upgraded.accounts() as accounts:
            accounts.people.reconnect(username, sandbox_tokens(upgraded.sandbox, username))
    assert due_gaps(load_settings(), datetime.now(UTC)) == []

    again = upgraded.run(FIRST, LAST, types=TYPES)
    assert (again.success, red_checks(again)) == (True, {})
    assert (documents(upgraded.home), sent(upgraded)) == (before, lines)

    assert upgraded.run(NEXT, NEXT, types=TYPES).success
    after, new = documents(upgraded.home), sent(upgraded)[len(lines) :]
    for (username, name), held in before.items():
        later = [a_day_later(document) for day, document in held if day == str(LAST)]
        assert after[username, name] == held + [(str(NEXT), document) for document in later]
    assert sent(upgraded)[: len(lines)] == lines
    assert {line.split()[0] for line in new} < {line.split()[0] for line in lines}
    assert not {tuple(line.split()[::2]) for line in new} & {
        tuple(line.split()[::2]) for line in lines
    }

    assert nights(upgraded) == NIGHTS
    with project_instance() as instance:
        days = {str(FIRST + timedelta(days=n)) for n in range(4)}
        for group in ("oura", "graphite"):
            key = dg.AssetKey([group, "sleep"])
            assert instance.get_materialized_partitions(key) == days
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 3
        assert len(instance.all_logs(runs[-1].run_id)) > 100
    assert [found for found in check_everything() if not found.good] == []


# Username, day, minutes asleep, lowest heart rate, HRV, local time of going to bed, sleep score.
NIGHTS = [
    ("koa", "2026-06-08", 384, 47, 45, "2026-06-07 23:19:31", 65),
    ("koa", "2026-06-09", 365, 50, 45, "2026-06-09 00:07:59", 94),
    ("koa", "2026-06-10", 418, 48, 41, "2026-06-09 21:48:43", 90),
    ("koa", "2026-06-11", 418, 48, 41, "2026-06-10 21:48:43", 40.5),
    ("runa", "2026-06-08", 444, 45, 45, "2026-06-08 00:52:48", 87),
    ("runa", "2026-06-09", 240, 49, 46, "2026-06-09 02:18:20", 55),
    ("runa", "2026-06-10", 389, 45, 41, "2026-06-10 00:41:51", 80),
    ("runa", "2026-06-11", 389, 45, 41, "2026-06-11 00:41:51", 40.5),
]


def documents(home: Path) -> Documents:
    """Everybody's documents, by day and then as they are written."""
    found: Documents = {}
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as connection:
        for name in (*TYPES, "personal_info"):
            rows = connection.execute(
                f"SELECT username, CAST(day AS VARCHAR), document FROM oura.{name} ORDER BY ALL"
            ).fetchall()
            for username, day, document in rows:
                found.setdefault((username, name), []).append((day, json.loads(document)))
    return found


def a_day_later(document: dict[str, Any]) -> dict[str, Any]:
    """The same under another id, with all of its times a day later, and a decimal for a score."""

    def later(found: re.Match[str]) -> str:
        return str(date.fromisoformat(found[0]) + timedelta(days=1))

    moved = json.loads(re.sub(r"\d{4}-\d\d-\d\d", later, json.dumps(document)))
    changed = {"id": f"later-{document.get('id')}", "score": 40.5}
    return moved | {name: value for name, value in changed.items() if name in document}


def sent(made: World) -> list[str]:
    return (made.home / "graphite.log").read_text(encoding="ascii").splitlines()


def nights(made: World) -> list[Any]:
    """The nights as the published copy shows them."""
    with open_pipeline() as pipeline:
        copy = pipeline.settings.storage.analytics_path
        pipeline.warehouse.publish(copy)
    with duckdb.connect(copy, read_only=True) as connection:
        return connection.execute(
            "SELECT username, CAST(day AS VARCHAR), round(n.total_sleep_minutes), "
            "n.lowest_heart_rate_bpm, n.hrv_average_ms, CAST(bedtime_start_local AS VARCHAR), "
            "sleep_score FROM oura.nights n JOIN oura.daily_summary USING (username, day) "
            "ORDER BY ALL"
        ).fetchall()
