"""THE TABLE of what grows: where it is, how long it is kept, by whom, and what would free its room.

The job that tidies, `doctor` and the documents are drawn from it: a new thing that grows is a row.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.defs import tidying
from oura_pipeline.defs.tidying import Tidying
from oura_pipeline.pipeline import open_accounts, open_warehouse
from oura_pipeline.process.log_file import LARGEST
from oura_pipeline.settings import RetentionSettings, Settings, dagster_home
from oura_pipeline.warehouse.errors import WarehouseError

JOB = "tidy"
_KEEP_RUNS = ("OURA_KEEP_RUNS_DAYS", "OURA_KEEP_RUNS")
_FEWER_RUNS = "fewer OURA_KEEP_RUNS_DAYS; the room is used again, but the file does not shrink"
_BY_NATURE = "as long as the person is here"
_USUAL = RetentionSettings()


@dataclass(frozen=True, kw_only=True)
class Growing:
    """Something that grows.

    Attributes:
        name: what it is.
        where: the files, as Markdown, in the data folder.
        kept: its limit, or how long what is kept.
        settings: the variables that say so.
        by: what keeps it within that, where that is not the job that tidies.
        frees: what an operator can do to have more room.
        files: its files and folders.
        size: its bytes where they are a part of a file; None: they cannot be told now.
        tidy: deletes what need not be kept, in pieces of which it yields the number.
    """

    name: str
    where: str
    kept: str
    settings: tuple[str, ...] = ()
    by: str = f"the job `{JOB}`"
    frees: str
    files: Callable[[Settings], Iterable[Path]] = lambda settings: ()
    size: Callable[[Settings], int | None] | None = None
    tidy: Callable[[Tidying], Iterable[int]] | None = None

    def bytes(self, settings: Settings) -> int | None:
        """Return how much room it takes; None: that cannot be told now."""
        return self.size(settings) if self.size else sum(map(_bytes, self.files(settings)))


def _bytes(path: Path) -> int:
    with suppress(FileNotFoundError):  # files come and go
        if path.is_dir():
            return sum(map(_bytes, path.iterdir()))
        return path.stat().st_size
    return 0


def _database(path: Path) -> Iterator[Path]:
    """Return a database with its log, and the folder to which DuckDB spills."""
    return path.parent.glob(f"{path.name}*")


def _history(settings: Settings) -> Path:
    return (dagster_home() or settings.storage.home / "dagster") / "history"


def _events_of_runs(settings: Settings) -> Iterator[Path]:
    files = (_history(settings) / "runs").glob("*.db*")
    return (path for path in files if not path.name.startswith("index.db"))


def _accounts(settings: Settings) -> Iterator[Path]:
    url = make_url(settings.storage.accounts_url)
    return _database(Path(url.database or "")) if url.get_backend_name() == "sqlite" else iter(())


def _documents(settings: Settings) -> Iterator[Path]:
    path = settings.storage.warehouse_path
    if path:
        return _database(path)
    # What is in object storage takes no room here.
    data = settings.storage.warehouse_data
    return iter(()) if "://" in data else iter((Path(data),))


def _webhook_events(settings: Settings) -> int | None:
    with suppress(AccountsError), open_accounts(settings) as accounts:
        return accounts.inbox.size()
    return None


def _set_aside(settings: Settings) -> int | None:
    with suppress(WarehouseError), open_warehouse(settings).at_once() as opened:
        return sum(len(one.document.encode()) for one in opened.quarantined())
    return None


# In the order in which they are tidied: first a run goes out of the list.
GROWING = (
    Growing(
        name="list of runs",
        where="`dagster/history/runs.db`",
        kept=f"the runs of the last {_USUAL.runs_days} days, {_USUAL.runs} at most; failed ones "
        "until their days are materialized",
        settings=_KEEP_RUNS,
        frees=_FEWER_RUNS,
        files=lambda settings: _database(_history(settings) / "runs.db"),
        tidy=tidying.forget_runs,
    ),
    Growing(
        name="events of runs",
        where="`dagster/history/runs/`, a file per run",
        kept="as long as their run",
        settings=_KEEP_RUNS,
        frees="fewer OURA_KEEP_RUNS_DAYS",
        files=_events_of_runs,
        tidy=tidying.forget_files_of_runs,
    ),
    Growing(
        name="output of runs",
        where="`dagster/storage/`, a folder per run",
        kept="as long as their run",
        settings=_KEEP_RUNS,
        frees="fewer OURA_KEEP_RUNS_DAYS",
        files=lambda settings: [_history(settings).with_name("storage")],
    ),
    Growing(
        name="days and checks",
        where="`dagster/history/runs/index.db`",
        kept="of runs that are gone: the newest materialization of every asset and day, the newest "
        "result of every check",
        settings=_KEEP_RUNS,
        frees=_FEWER_RUNS,
        files=lambda settings: _database(_history(settings) / "runs" / "index.db"),
        tidy=tidying.forget_events_of_runs,
    ),
    Growing(
        name="ticks",
        where="`dagster/schedules/schedules.db`",
        kept=f"{_USUAL.runs_days} days, those that did nothing 2 days; the last one of every "
        "sensor and schedule",
        settings=("OURA_KEEP_RUNS_DAYS",),
        by=f"the job `{JOB}`, and Dagster's daemon by `retention` of `dagster.yaml`",
        frees=_FEWER_RUNS,
        files=lambda settings: [_history(settings).with_name("schedules")],
        tidy=tidying.forget_ticks,
    ),
    Growing(
        name="locks of runs",
        where="`runs/`, a file per run",
        kept="as long as the run's process lives",
        by="the sensor `dead_runs` and the start of every `sync`",
        frees="nothing: they are empty",
        files=lambda settings: [settings.storage.home / "runs"],
    ),
    Growing(
        name="webhook events",
        where="in `accounts.sqlite`",
        kept=f"until they are dealt with, and {_USUAL.events_days} days more",
        settings=("OURA_KEEP_EVENTS_DAYS",),
        by=f"the jobs `{JOB}` and `webhook_events`",
        frees="fewer OURA_KEEP_EVENTS_DAYS",
        size=_webhook_events,
        tidy=tidying.forget_webhook_events,
    ),
    Growing(
        name="spool",
        where="`spool/`",
        kept="as long as the run that fetches lives",
        by=f"every run, and the job `{JOB}`",
        frees="nothing: it is needed by runs in progress",
        files=lambda settings: [settings.storage.spool_path],
        tidy=tidying.forget_spools,
    ),
    Growing(
        name="downloads",
        where="`.download.*`, `.export.*`, `.spilled.*`",
        kept="as long as the download lasts; a day if it was cut off by a kill",
        frees="nothing: they are needed by downloads in progress",
        files=tidying.cut_off,
        tidy=tidying.forget_cut_off,
    ),
    Growing(
        name="accounts",
        where="`accounts.sqlite`",
        kept="a row of fetches and of pushes per person, document type and day, replaced by the "
        f"next answer, {_BY_NATURE}; sign-ins and sessions until they are over",
        by="the site, which deletes what is over when the next one begins",
        frees="nothing: it is what was asked, landed and pushed",
        files=_accounts,
    ),
    Growing(
        name="documents",
        where="`warehouse.duckdb`",
        kept=f"Oura's documents once, {_BY_NATURE}",
        by="the landing, which replaces",
        frees="nothing: they are the data",
        files=_documents,
    ),
    Growing(
        name="set aside",
        where="`oura.quarantine` in `warehouse.duckdb`",
        kept="a document that cannot be landed until Oura sends it right, or no longer",
        by="the landing; nothing else, as they stand nowhere else",
        frees="`sync --from` of their days, once Oura has mended them",
        size=_set_aside,
    ),
    Growing(
        name="published copy",
        where="`analytics.duckdb`",
        kept="the newest one, as long as the warehouse",
        by="the publishing, which replaces",
        frees="nothing: it is made anew",
        files=lambda settings: _database(settings.storage.analytics_path),
    ),
    Growing(
        name="points",
        where="`graphite.log`, only without a Graphite",
        kept="every point, as it was written last; what was written again goes when the file is "
        "twice as long as after the last time, and has 16 MB",
        frees="a Graphite: `graphite ingest` sends the file there; then set GRAPHITE_HOST, and "
        "delete it",
        files=lambda settings: _database(settings.storage.graphite_log_path),
        tidy=tidying.forget_superseded_points,
    ),
    Growing(
        name="exports",
        where="`exports/`, or the folder of `OURA_EXPORTS`",
        kept=f"two files per person and night, {_BY_NATURE}",
        by="the export, which replaces",
        frees="delete what you do not need: a backfill of the job `export` writes it again",
        files=lambda settings: [settings.storage.exports_path],
    ),
    Growing(
        name="log",
        where="`dev.log`, only of `oura-pipeline dev`",
        kept=f"what was said since its start; at {LARGEST // 1_000_000} MB it begins anew",
        by="`oura-pipeline dev`",
        frees="nothing",
        files=lambda settings: [settings.storage.home / "dev.log"],
    ),
    Growing(
        name="budget",
        where="`budget.sqlite`",
        kept="as many requests as the limit allows",
        settings=("OURA_RATE_LIMIT",),
        by="every request",
        frees="nothing",
        files=lambda settings: _database(settings.storage.home / "budget.sqlite"),
    ),
)
