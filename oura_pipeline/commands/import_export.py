"""`oura-pipeline people import-export`: what a member's own export holds, landed and pushed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from oura_pipeline.commands.console import console, counted, print_lines, table_with
from oura_pipeline.days import days_between
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.member_export.importing import Imported, ImportedType, import_export
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process.imports import without_pandas
from oura_pipeline.sync.publish import publish
from oura_pipeline.sync.push import push_documents


def run_import(pipeline: Pipeline, username: str, path: Path) -> None:
    """Import an export with a progress bar, push and publish it, and print what came of it."""
    with without_pandas(), _Bar(console).shown() as bar:
        with pipeline.warehouse.kept_open(), _Pushing(pipeline, username).started() as pushing:
            imported = import_export(pipeline, username, path, bar, pushing.add)
            unsent = pushing.finish(bar)
        bar.says("Publishing")
        if imported.changed:
            publish(pipeline)
    console.print(_table(imported))
    print_lines(*_remarks(imported))
    if unsent:
        print_lines(f"Graphite has not got all of it yet, which waits for the next sync: {unsent}")


class _Pushing:
    """Sends what has landed to Graphite, while what comes next is read and lands."""

    def __init__(self, pipeline: Pipeline, username: str) -> None:
        self._pipeline, self._username = pipeline, username
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="push")
        self._sent: list[tuple[ImportedType, Future[None]]] = []

    @contextmanager
    def started(self) -> Iterator[_Pushing]:
        """Send until the block ends; what was not sent by then waits for the next sync."""
        try:
            yield self
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, one: ImportedType) -> None:
        """Send the days of a type that have changed."""
        if one.days:
            self._sent.append((one, self._pool.submit(self._push, one)))

    def finish(self, bar: _Bar) -> str:
        """Wait until everything was sent; return why not, where it cannot be."""
        bar.began(sum(one.landed for one, _ in self._sent))
        done = 0
        try:
            for one, sent in self._sent:
                bar.read(f"{one.document_type.name} → Graphite", done)
                sent.result()
                done += one.landed
        except GraphiteUnavailable as error:
            return str(error)
        return ""

    def _push(self, one: ImportedType) -> None:
        days = days_between(one.days[0], one.days[-1])
        # The state of another day is not that of today.
        for some in [days] if one.document_type.partitioned else [[day] for day in one.days]:
            push_documents(self._pipeline, one.document_type, [self._username], some)


def _table(imported: Imported) -> Table:
    table = table_with(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("file")
    for heading in ("rows", "landed", "already known", "kept aside"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in imported.types:
        names = ", ".join(Path(name).name for name in one.files)
        table.add_row(names, *(f"{n:,}" for n in (one.rows, one.landed, one.known, one.aside)))
    return table


def _remarks(imported: Imported) -> Iterator[str]:
    """Yield what is to be known besides the rows."""
    contents = imported.contents
    for name, why in sorted(contents.unusable.items()):
        yield f"Not read: {name}: {why}."
    if contents.unknown:
        names = ", ".join(sorted(Path(name).name for name in contents.unknown))
        yield f"Not read, since nobody has described them: {names}."
    if contents.personal:
        yield f"Never read: {counted(contents.personal, 'file')} about the account or places."
    if any(one.aside for one in imported.types):
        yield "What was kept aside is in oura.quarantine, with the reason of each row."


class _Bar:
    """A progress bar of the bytes that are read, and then of the documents that are pushed."""

    def __init__(self, out: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:34}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=out,
            transient=True,  # the table of the result takes its place
        )
        self._task = self._progress.add_task("Looking into it", total=None)

    @contextmanager
    def shown(self) -> Iterator[_Bar]:
        with self._progress:
            yield self

    def says(self, what: str) -> None:
        """Show what is done now."""
        self._progress.update(self._task, description=what)

    def began(self, total: int) -> None:
        self._progress.update(self._task, total=total, completed=0)

    def read(self, document_type: str, done: int) -> None:
        self._progress.update(self._task, description=document_type, completed=done)

    def landing(self, document_type: str) -> None:
        self.says(f"{document_type} → warehouse")
