"""Dagster's records hold no username: not after runs, failures, a backfill, checks and ticks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline import definitions
from oura_pipeline.defs.partitions import range_tags
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.people.leave import leave
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.dagster_daemon import (
    ended,
    launch_backfill,
    open_workspace,
    start_backfills,
    start_runs,
    tick_sensors,
)
from oura_pipeline_tests.testing.readable_files import readable
from oura_pipeline_tests.testing.world import World, sandbox_tokens, world

LAST = date(2026, 4, 10)
FIRST = LAST - timedelta(days=2)
WELL, LAPSED, REVOKED, LEFT = "zebulon-q", "quixote_x", "wilhelmina-y", "ferdinand-w"
AT_OURA = {WELL: "runa", LAPSED: "koa", REVOKED: "milo", LEFT: "asha"}
TYPES = ("daily_sleep", "sleep", "personal_info")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]


@dataclass(frozen=True, kw_only=True)
class Records:
    """What Dagster kept of a life in which everything happened.

    Attributes:
        home: the data folder, in which Dagster's is one of several.
        ids: by username.
        runs: jobs and how their runs ended.
    """

    home: Path
    ids: dict[str, str]
    runs: set[tuple[str, str]]

    def files_with(self, text: str) -> set[str]:
        """The files of Dagster's that hold a text, in their bytes or their names."""
        dagster = self.home / "dagster"
        return {
            str(path.relative_to(dagster))
            for path in dagster.rglob("*")
            if text in path.name or (path.is_file() and text.encode() in readable(path))
        }


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    home = tmp_path_factory.mktemp("names") / "data"
    settings = {
        "OURA_EXPORTS": str(home / "exports"),
        "OURA_HISTORY_START": (LAST - timedelta(days=400)).isoformat(),
        "GRAPHITE_HOST": "127.0.0.1",
        "GRAPHITE_PORT": "1",  # nobody listens there
    }
    with (
        running(SandboxOptions(people=4, days=5, end=LAST)) as cloud,
        world(home, cloud, settings=settings) as made,
    ):
        for username in AT_OURA:
            sign_in(made, username)
        ids = dict(zip(AT_OURA, made.ids(*AT_OURA), strict=True))
        cloud.change_person(AT_OURA[LAPSED], membership=False)
        cloud.change_person(AT_OURA[REVOKED], revoke="all")
        runs_and_failures(made)
        unexpected_failures(made)
        backfill_and_ticks(made)
        with project_instance() as instance:
            runs = {(run.job_name, run.status.value) for run in instance.get_runs()}
        yield Records(home=home, ids=ids, runs=runs)


def sign_in(made: World, username: str) -> None:
    """Let somebody of the sandbox sign in under a name that stands nowhere else."""
    with made.accounts() as accounts:
        accounts.people.add(username, sandbox_tokens(made.sandbox, AT_OURA[username]))


def runs_and_failures(made: World) -> None:
    """Checks fail for two people, a run fails for one, points are not taken, tokens are lost."""
    made.run(FIRST, LAST, types=TYPES)
    made.run(LAST, LAST, types=["personal_info"], people=[WELL])
    made.run(LAST, LAST, types=TYPES, people=[LAPSED])
    execute(made, "renew_tokens")


def unexpected_failures(made: World) -> None:
    """What the operating system says holds paths, and they hold names."""
    exports = made.home / "exports"
    exports.mkdir()
    (exports / WELL).write_text("in the way of a folder", encoding="utf-8")
    execute(made, "export", tags=range_tags(FIRST, LAST))
    shutil.rmtree(exports / LEFT)
    (exports / LEFT).symlink_to(made.home, target_is_directory=True)
    with open_pipeline() as pipeline:
        leave(pipeline, LEFT)
    execute(made, "retire_people")


def execute(made: World, job: str, tags: dict[str, str] | None = None) -> None:
    with project_instance() as instance:
        made.definitions.resolve_job_def(job).execute_in_process(
            instance=instance, tags=tags, raise_on_error=False
        )


def backfill_and_ticks(made: World) -> None:
    """As the UI launches it and the daemon runs it, in a process that prints into logs."""
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    with made.accounts() as accounts:
        accounts.people.request_sync(WELL, datetime.now(UTC))
        gap = Fetch(
            username=WELL,
            document_type="sleep",
            day=FIRST,
            status=FetchStatus.FAILED,
            run_id="a run",
            at=hour_ago,
            error="Oura was away",
        )
        accounts.fetches.record([gap])
    with open_workspace(definitions) as (instance, workspace):
        days = [(FIRST + timedelta(days=number)).isoformat() for number in range(3)]
        before = {run.run_id for run in instance.get_runs()}
        launch_backfill(workspace, [["oura", "daily_sleep"], ["graphite", "daily_sleep"]], days)
        start_backfills(workspace)
        start_runs(workspace)
        for run in instance.get_runs():
            if run.run_id not in before:
                ended(instance, run.run_id)
        tick_sensors(workspace)


def test_no_name_is_in_any_file_of_dagsters(records: Records) -> None:
    """Runs, events, checks, cursors, ticks, and what processes printed."""
    assert {name: found for name in AT_OURA if (found := records.files_with(name))} == {}


def test_the_search_would_have_found_them(records: Records) -> None:
    """Everything happened, and the ids are where the names would be."""
    assert {
        ("sync", "FAILURE"),
        ("renew_tokens", "SUCCESS"),
        ("export", "FAILURE"),
        ("retire_people", "FAILURE"),
        ("__ASSET_JOB", "FAILURE"),  # the backfill: nobody takes its points
    } <= records.runs
    for username in (LAPSED, REVOKED):
        assert "history/runs/index.db" in records.files_with(records.ids[username])
    well = records.files_with(records.ids[WELL])
    assert {"history/runs.db", "schedules/schedules.db"} <= well
    assert records.files_with(records.ids[LEFT])
    logs = [path for path in (records.home / "dagster").rglob("*.err") if path.stat().st_size]
    assert logs
    # Outside of Dagster's records names are where they belong.
    accounts = (records.home / "accounts.sqlite").read_bytes()
    assert all(re.search(name.encode(), accounts) for name in AT_OURA)


def test_an_unexpected_error_keeps_its_class_and_its_place(records: Records) -> None:
    """Though not its text, which names somebody."""
    assert records.files_with("TextWithheld: FileExistsError: File exists") or records.files_with(
        "TextWithheld: NotADirectoryError: Not a directory"
    )
    assert records.files_with("is a symbolic link: delete it and their files behind it")
