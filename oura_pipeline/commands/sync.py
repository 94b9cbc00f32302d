"""`oura-pipeline sync`: the assets of the `sync` job, in this process, with a progress bar.

What surprises: it is a Dagster run like any other. It stands in the UI afterwards, with the same
partitions, checks and metadata as a run that the daemon started.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any

from dagster import AssetCheckEvaluation, AssetKey, ExecuteInProcessResult
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.definitions import defs
from oura_pipeline.defs.partitions import days, range_tags
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.sync.progress import progress
from oura_pipeline.warehouse.errors import WarehouseError


@dataclass(kw_only=True)
class Synced:
    """What a sync did.

    Attributes:
        success: whether every asset was materialized.
        counts: per asset key, the sums of its partitions' metadata.
        failures: per failed step, why.
        red: the checks that failed.
    """

    success: bool
    counts: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    red: list[AssetCheckEvaluation] = field(default_factory=list)


# What says in one line what to do, or what the system would not do, and holds no document.
SPEAKING = {
    "OSError",
    "PermissionError",
    *(one.__name__ for one in WarehouseError.__subclasses__()),
}

# What a run spent as a whole is written on each of its partitions.
OF_THE_WHOLE_QUESTION = ("requests", "pages", "seconds", "points_sent", "points_withdrawn")


def last_partition() -> date:
    """The newest day that has begun anywhere."""
    key = days().get_last_partition_key()
    assert key, "history starts in the future"
    return date.fromisoformat(key)


def check_range(first_day: date, last_day: date) -> None:
    """Raises ValueError, saying what the days may be, for days without a partition."""
    first, last = date.fromisoformat(days().get_first_partition_key() or ""), last_partition()
    if first_day > last_day:
        raise ValueError(f"--from {first_day} is after --to {last_day}")
    if first_day < first:
        raise ValueError(f"{first_day} is before history, which OURA_HISTORY_START sets to {first}")
    if last_day > last:
        raise ValueError(f"{last_day} has not begun anywhere yet; today is {last} at the latest")


def sync(
    first_day: date,
    last_day: date,
    *,
    usernames: Sequence[str] = (),
    document_types: Sequence[DocumentType] = DOCUMENT_TYPES,
) -> Synced:
    """Run the assets of these document types for a range of days, both included.

    Raises:
        ValueError: a day has no partition.
    """
    check_range(first_day, last_day)
    keys = [
        AssetKey([group, document_type.name])
        for group in ("oura", "graphite")
        for document_type in document_types
    ]
    with project_instance() as instance:
        result = defs.resolve_job_def("sync").execute_in_process(
            instance=instance,
            asset_selection=[*keys, AssetKey(["analytics", "published"])],
            tags=range_tags(first_day, last_day),
            run_config={
                "resources": {"pipeline": {"config": {"people": list(usernames)}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        return _summary(result)


def _summary(result: ExecuteInProcessResult) -> Synced:
    synced = Synced(success=result.success)
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        counts = synced.counts.setdefault(tuple(materialization.asset_key.path), {})
        for name, entry in materialization.metadata.items():
            value = entry.value
            if isinstance(value, int | float):
                whole = name in OF_THE_WHOLE_QUESTION
                counts[name] = value if whole else counts.get(name, 0) + value
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            synced.failures[event.step_key] = reason(event.step_failure_data)
    synced.red = [check for check in result.get_asset_check_evaluations() if not check.passed]
    return synced


def reason(data: object) -> str:
    """Why a step failed; of what nobody foresaw only the kind, because a text may hold data."""
    failure = getattr(data, "user_failure_data", None)
    if text := getattr(failure, "description", None):
        return str(text).strip()
    kinds, error = [], getattr(data, "error", None)
    while error:
        kind = error.cls_name or "unknown"
        message = str(error.message).partition(f"{kind}: ")[2] or str(error.message)
        if kind in SPEAKING:
            return message.strip().partition("\n")[0]
        kinds.append(kind)
        error = error.cause
    # The first is Dagster's own.
    return f"{[*kinds[1:], *kinds, 'unknown'][0]}; Dagster's UI has the whole story"


class Bar:
    """Progress that is drawn: person × type, requests, rows, points."""

    def __init__(self, console: Console) -> None:
        self._lock = Lock()
        self._requests = self._rows = self._points = 0
        self._progress = Progress(
            TextColumn("{task.description:24}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:>4}/{task.total} people × types"),
            TextColumn("{task.fields[requests]:>6} requests"),
            TextColumn("{task.fields[rows]:>9,} rows"),
            TextColumn("{task.fields[points]:>10,} points"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("Starting", total=0, **self._numbers())

    @contextmanager
    def shown(self, total: int) -> Iterator[None]:
        """Draw while the block runs; `total` is how many answers are expected."""
        self._progress.update(self._task, total=total)
        token = progress.set(self)
        try:
            with self._progress:
                yield
        finally:
            progress.reset(token)

    def started(self, document_type: str, people: int) -> None:
        """Show which document type is being asked for."""
        self._progress.update(self._task, description=document_type)

    def page(self, document_type: str, username: str, documents: int) -> None:
        """Count a request and its rows."""
        with self._lock:
            self._requests += 1
            self._rows += documents
        self._progress.update(self._task, **self._numbers())

    def person_done(self, document_type: str, username: str) -> None:
        """Advance."""
        self._progress.advance(self._task)

    def pushed(self, document_type: str, points: int) -> None:
        """Count points."""
        with self._lock:
            self._points += points
        self._progress.update(
            self._task, description=f"{document_type} → Graphite", **self._numbers()
        )

    def _numbers(self) -> dict[str, Any]:
        return {"requests": self._requests, "rows": self._rows, "points": self._points}


def table(synced: Synced) -> Table:
    """What landed and what was sent, a row per document type."""
    columns = {
        "rows": "rows",
        "changed_rows": "changed",
        "requests": "requests",
    }
    drawn = Table(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    drawn.add_column("document type", no_wrap=True)
    for heading in (*columns.values(), "points", "sent"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    totals: dict[str, float] = {}
    for document_type in DOCUMENT_TYPES:
        documents = synced.counts.get(("oura", document_type.name))
        points = synced.counts.get(("graphite", document_type.name), {})
        if documents is None and not points:
            continue
        cells = {name: (documents or {}).get(name, 0) for name in columns}
        cells |= {name: points.get(name, 0) for name in ("points", "points_sent")}
        for name, value in cells.items():
            totals[name] = totals.get(name, 0) + value
        drawn.add_row(document_type.name, *_texts(cells))
    drawn.add_section()
    drawn.add_row("all", *_texts(totals), style="bold")
    return drawn


def _texts(cells: dict[str, float]) -> list[str]:
    return [f"{int(value):,}" for value in cells.values()]
