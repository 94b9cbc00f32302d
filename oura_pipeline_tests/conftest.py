"""What holds for every test: order, workers, where files are, what is quick or was skipped."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadFileScheduling

from oura_pipeline.files import keep_private
from oura_pipeline_tests.testing.postgres import running_postgres
from oura_pipeline_tests.testing.requirements import require_graphite

if TYPE_CHECKING:
    from oura_pipeline_tests.tools.dashboards.people_in_graphite import PeopleInGraphite

# What takes longest stands first and is begun first: otherwise one worker is left alone with it at
# the end. Everything else is quick and fills the gaps.
LONG = (
    *("end_to_end/", "sync/test_random_webhook_events.py", "sync/test_webhook_events.py"),
    *("browser/", "tools/", "analysis/", "backups/", "commands/", "people/", "exports/"),
    *("attack/", "deploy/test_readme.py"),
    *("defs/", "graphite/readback/", "graphite/test_local.py", "graphite/test_removal.py"),
    *(
        "graphite/test_extremes.py",
        "graphite/test_victoriametrics.py",
        "warehouse/views/test_extremes.py",
        "warehouse/views/test_long.py",
    ),
    "warehouse/lake/",
    *("warehouse/test_redating.py", "warehouse/test_publishing.py", "warehouse/test_forgetting.py"),
    *("sync/test_redating.py", "web/pages/test_me_extremes.py"),
    # Not long, and half of the work of all the rest.
    *("member_export/test_importing.py", "cookbook/", "test_modes.py"),
    *(
        "warehouse/views/test_awkward_people.py",
        "warehouse/views/test_sessions.py",
        "warehouse/views/test_declarations.py",
        "warehouse/views/test_days.py",
        "warehouse/test_processes.py",
        "warehouse/test_values.py",
        "warehouse/test_quarantine.py",
        "warehouse/test_landing.py",
        "warehouse/test_kept_open.py",
    ),
    *("web/pages/test_me.py", "web/pages/test_me_charts.py", "web/test_middleware.py"),
    *("sync/test_subscriptions.py", "sync/test_fetch.py", "sync/test_publish.py"),
    *("sandbox/test_spoils.py", "sandbox/test_history.py", "oura/test_against_sandbox.py"),
)

# What shares something dear stays on one worker: a Chromium and the pages that it has checked, a
# Graphite with everybody's points, a Postgres with a prepared lake.
TOGETHER = (
    ("browser/",),
    ("tools/dashboards/test_in_graphite.py", "graphite/test_dashboard_image.py"),
    ("warehouse/lake/", "defs/test_postgres_storage.py", "accounts/test_tokens.py"),
    ("graphite/readback/", "graphite/test_carbon.py", "graphite/test_schemas.py"),
)

# Fixtures, and what they are given, that start a program: nothing that needs them is quick.
POSTGRES = {"postgres", "postgres_server"}
PROGRAMS = {"browser", "graphite", "graphite_people", *POSTGRES}

# What is kept or done elsewhere than usual is for `make test-engines`: Postgres, a lake,
# VictoriaMetrics, shards. Of each of these something stays with the rest.
ENGINES = ("warehouse/lake/", "graphite/test_victoriametrics.py", "defs/test_shards_job.py")
OF_EACH_ENGINE = (
    "accounts/test_tokens.py",
    "defs/test_postgres_storage.py::test_a_batch_",
    "defs/test_shards_job.py::test_shards_tell_together_",
    "graphite/test_victoriametrics.py::test_what_arrived_",
    "warehouse/lake/test_whole.py",
)

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 * 1024**3  # several times what the tests leave until their end


@pytest.fixture(scope="session")
def graphite_people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleInGraphite]:
    """Ten days of five people in a Graphite of their own; no test writes to it."""
    from oura_pipeline_tests.tools.dashboards.people_in_graphite import shown

    require_graphite()
    with shown(tmp_path_factory.mktemp("shown") / "data", days=10) as people:
        yield people


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a Postgres of our own: `name@host:port`."""
    with running_postgres() as address:
        yield address


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy, in which is nobody and nothing landed yet; all tables are there.

    To create them, and the views of the published copy, takes more than a second.
    """
    # They import Dagster, which most of the quick tests do without.
    from oura_pipeline.defs.storage import project_instance
    from oura_pipeline.pipeline import open_pipeline

    folder = tmp_path_factory.mktemp("empty")
    keep_private(folder)  # as every data folder is
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURA_PIPELINE_HOME", str(folder))
        patch.setenv("DAGSTER_HOME", "")
        with open_pipeline() as pipeline, project_instance(captures_output=False):
            pipeline.warehouse.publish(folder / "analytics.duckdb")
    return folder


def pytest_configure() -> None:
    """Keep the files of tests in memory; let Ctrl-C and a closed terminal end what they start."""
    if _may_hold_files(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    # A shell lets its background jobs ignore the one, `nohup` the other, and whatever they start
    # inherits that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _may_hold_files(memory: Path) -> bool:
    """Return whether a folder is there, has room enough, and programs in it may be run."""
    # The project waits for the disk after everything it writes, so that nothing is lost when the
    # power is. Tests cannot cut the power, and would spend a third of their time on waiting.
    return (
        os.access(memory, os.W_OK)
        and shutil.disk_usage(memory).free > MEMORY_NEEDED
        and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Give each worker whole files, and what they share with others, where `loadfile` was asked."""
    return _Together(config, log) if config.getoption("dist") == "loadfile" else None


class _Together(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        path = file.partition("/")[2]
        return next((together[0] for together in TOGETHER if path.startswith(together)), file)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each worker import all tests from another place on, and so compile a part of them."""
    # No garbage is collected until everything is imported, nearly all of which stays.
    gc.disable()
    # In a fresh clone each worker would compile everything otherwise, all at the same time.
    worker, workers = (os.environ.get(f"PYTEST_XDIST_WORKER{end}", "") for end in ("", "_COUNT"))
    if worker and session.config.args == session.config.getini("testpaths"):
        root = session.config.rootpath
        ignored = [root / path for path in session.config.getoption("ignore") or ()]
        found = sorted((root / "oura_pipeline_tests").rglob("test_*.py"))
        files = [file for file in found if not {file, *file.parents} & {*ignored}]
        turned = int(worker.removeprefix("gw")) * len(files) // int(workers)
        for file in files[turned:] + files[:turned]:
            # What cannot be imported is told when it is collected.
            with suppress(Exception, pytest.skip.Exception):
                import_module(".".join(file.relative_to(root).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Spare what is there by now from being searched for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is quick or of other engines, and put the long ones first."""
    for item in items:
        needs, path = _needs(item), item.nodeid.partition("/")[2]
        if _turn(item) == len(LONG) and not needs & PROGRAMS:
            item.add_marker(pytest.mark.quick)
        of_engine = needs & POSTGRES or path.startswith(ENGINES)
        if of_engine and not path.startswith(OF_EACH_ENGINE):
            item.add_marker(pytest.mark.engines)
    items.sort(key=_turn)


def _needs(item: pytest.Item) -> set[str]:
    """Return the fixtures of a test, and the texts that they are given."""
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {*getattr(item, "fixturenames", ()), *(one for one in given if isinstance(one, str))}


def _turn(item: pytest.Item) -> int:
    """Return the place in `LONG`, or its length for what is quick."""
    path = item.nodeid.partition("/")[2]
    return next((turn for turn, long in enumerate(LONG) if path.startswith(long)), len(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once per reason how many tests were skipped; pytest itself says it once per place."""
    for reason, count in sorted(_reasons(terminalreporter.stats.get("skipped", ())).items()):
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{count} {tests} skipped: {reason}")


def _reasons(reports: Iterable[pytest.TestReport]) -> Counter[str]:
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)  # type: ignore[index]
