"""Nights of a whole world as files: as Oura sent them, daily only when wanted, gone with people."""

from __future__ import annotations

import json
import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from jsonschema import Draft202012Validator

from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.definitions import definitions
from oura_pipeline.defs.apple_health import KEY
from oura_pipeline.defs.partitions import range_tags
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.exports.apple_health import json_schema
from oura_pipeline.people.leave import delete_everything, leave
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.testing.world import World, metadata, world
from oura_pipeline_tests.testing.worlds import cloud_with

LAST = date(2026, 4, 10)
FIRST = LAST - timedelta(days=3)
DAYS = [(FIRST + timedelta(days=many)).isoformat() for many in range(4)]
PEOPLE = ("koa", "runa")


cloud = cloud_with(people=3, days=8, end=LAST, thin=10)


@pytest.fixture(scope="module")
def synced(
    cloud: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Two people whose sleep of four days landed, and nothing was exported; no test changes it."""
    home = tmp_path_factory.mktemp("synced") / "data"
    with world(home, cloud, begun=empty_home) as made:
        for username in PEOPLE:
            made.sign_in(username)
        made.fetch(FIRST, LAST, types=["sleep"])
        yield made


@pytest.fixture
def made(synced: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it, with a folder for the files that is not in the data folder."""
    shutil.copytree(synced.home, tmp_path / "data")
    settings = {"OURA_EXPORTS": str(tmp_path / "synced")}
    with world(tmp_path / "data", synced.sandbox, settings=settings) as made:
        yield made


def export(made: World, first: date = FIRST, last: date = LAST) -> dg.ExecuteInProcessResult:
    """The job, as the daemon runs it."""
    with project_instance() as instance:
        return made.definitions.resolve_job_def("export").execute_in_process(
            instance=instance,
            tags=range_tags(first, last),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def held(cloud: Sandbox, username: str, day: str, series: str) -> list[tuple[datetime, float]]:
    """What the sandbox holds of a person's day, item by item, without what no night or nap has."""
    items = []
    for entry in cloud.truth(username, SLEEP.name, date.fromisoformat(day)):
        document = entry["document"]
        values = document[series]
        if entry["day"] != day or values is None or document["type"] in ("rest", "deleted"):
            continue
        start = datetime.fromisoformat(values["timestamp"])
        items += [
            (start + timedelta(seconds=place * values["interval"]), value)
            for place, value in enumerate(values["items"])
            if value is not None
        ]
    return sorted(items)


def test_nights_are_as_oura_sent_them(made: World, tmp_path: Path) -> None:
    """Instants, values and the offset of the document; the copy was published for it."""
    export(made)
    validator = Draft202012Validator(json.loads(json_schema()))
    exported = {}
    for username in PEOPLE:
        for day in DAYS:
            path = tmp_path / "synced" / username / f"{day}_hrv.json"
            night = json.loads(path.read_text(encoding="utf-8"))
            validator.validate(night)
            for series in ("heart_rate", "hrv"):
                found = [(datetime.fromisoformat(s["start"]), s["value"]) for s in night[series]]
                exported[username, day, series] = found
    assert exported == {
        (username, day, series): held(made.sandbox, username, day, series)
        for username, day, series in exported
    }
    assert sum(map(len, exported.values())) > 500
    offsets = {at.utcoffset() for found in exported.values() for at, _ in found}
    assert offsets == {
        datetime.fromisoformat(entry["document"]["bedtime_start"]).utcoffset()
        for username in PEOPLE
        for entry in made.sandbox.truth(username, SLEEP.name, FIRST, LAST)
    }


def test_the_files_add_up_to_the_view(made: World, tmp_path: Path) -> None:
    """No sample of the published copy is missing, and the counts of the days say the same."""
    result = export(made)
    with connect() as copy:
        counted = {
            str(day): (people, beats, hrv)
            for day, people, beats, hrv in copy.execute(
                "SELECT day, count(DISTINCT username), count(bpm), count(hrv_ms) "
                "FROM sleep_heart GROUP BY day"
            ).fetchall()
        }
    assert counted.keys() == set(DAYS)
    names = ("people", "heart_rate_samples", "hrv_samples", "files_written")
    told = {name: metadata(result, KEY.path, name) for name in names}
    assert {day: tuple(told[name][day] for name in names[:3]) for day in DAYS} == counted
    assert told["files_written"] == dict.fromkeys(DAYS, 4)
    assert len(files(tmp_path / "synced")) == 16
    again = export(made)
    assert metadata(again, KEY.path, "files_written") == dict.fromkeys(DAYS, 0)


def test_only_the_days_of_the_run_are_written(made: World, tmp_path: Path) -> None:
    day = FIRST + timedelta(days=1)
    export(made, day, day)
    assert files(tmp_path / "synced") == [
        f"{username}/{day}_hrv.{kind}" for username in PEOPLE for kind in ("csv", "json")
    ]


def test_who_left_is_not_written_and_leaves_nothing(made: World, tmp_path: Path) -> None:
    """Not even by a run between their leaving and the end of their data."""
    export(made)
    with open_pipeline() as pipeline:
        leave(pipeline, "koa")
        for path in (tmp_path / "synced" / "koa").iterdir():
            path.unlink()
        export(made)
        assert files(tmp_path / "synced" / "koa") == []
        (tmp_path / "synced" / "koa" / "a night").write_text("koa", encoding="utf-8")
        deleted = delete_everything(pipeline, "koa")
    assert deleted.files == 1
    export(made)
    left = [path for path in (tmp_path / "synced").rglob("*") if "koa" in str(path)]
    assert left == []
    assert not any(b"koa" in path.read_bytes() for path in (tmp_path / "synced").rglob("*.*"))
    assert len(files(tmp_path / "synced" / "runa")) == 8


def test_nothing_is_written_while_somebodys_files_are_deleted(made: World, tmp_path: Path) -> None:
    """Or the files of who has just left would come back."""
    begun, seen = threading.Event(), []

    def delete() -> None:
        with open_pipeline() as pipeline, pipeline.exporting():
            begun.set()
            time.sleep(4)  # longer than an export takes that does not wait
            seen.append(files(tmp_path / "synced" / "koa"))

    deletion = threading.Thread(target=delete)
    deletion.start()
    begun.wait(30)
    assert export(made).success
    deletion.join()
    assert seen == [[]]
    assert len(files(tmp_path / "synced" / "koa")) == 8


def loaded() -> dg.Definitions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return definitions()


@pytest.mark.parametrize(
    ("exports", "status"),
    [("", dg.DefaultScheduleStatus.STOPPED), ("/srv/nights", dg.DefaultScheduleStatus.RUNNING)],
)
def test_it_runs_by_itself_only_when_somebody_said_where(
    exports: str, status: dg.DefaultScheduleStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour after the last days were asked for, and for the same days."""
    monkeypatch.setenv("OURA_EXPORTS", exports)
    location = loaded()
    schedule: Any = location.resolve_schedule_def("daily_export")
    assert (schedule.default_status, schedule.cron_schedule) == (status, "30 10 * * *")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 6, 10, 10, 30, tzinfo=UTC),
            repository_def=location.get_repository_def(),
        )
        with context:
            [request] = schedule.evaluate_tick(context).run_requests
    days = {name: day for name, day in request.tags.items() if "partition_range" in name}
    assert days == range_tags(date(2026, 6, 5), date(2026, 6, 11))
    assert request.run_key == "daily_export 2026-06-10T10:30:00+00:00"


def test_a_sync_writes_no_files() -> None:
    """Whoever asks for documents has not asked for files beside them."""
    assert [node.name for node in loaded().resolve_job_def("sync").nodes] == ["sync_documents"]
    keys = loaded().resolve_job_def("export").asset_layer.selected_asset_keys
    assert set(keys) == {KEY}
