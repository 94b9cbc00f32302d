"""`oura-pipeline export`: files for other programs, from the published copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import duckdb

from oura_pipeline.analysis.frames import connect
from oura_pipeline.commands.console import counted, print_lines
from oura_pipeline.commands.options import check_order, day_option, last_days, last_days_option
from oura_pipeline.exports.apple_health import ExportedDay, export_hrv, json_schema
from oura_pipeline.exports.views import FileFormat, ViewExportError, export_view
from oura_pipeline.settings import load_settings

EASTERNMOST_OFFSET = timedelta(hours=14)  # where days begin first

first_option = day_option("--from", "first", "First day, YYYY-MM-DD. Default: all days.")
last_option = day_option("--to", "last", "Last day, included.")


@click.group()
def export() -> None:
    """Write files for other programs.

    They are made from the published copy.
    """


@export.command("hrv")
@click.option(
    "--person", "usernames", multiple=True, help="A username; repeatable. Default: everybody."
)
@first_option
@last_option
@last_days_option
@click.option("--into", type=click.Path(path_type=Path), help="A folder; default: OURA_EXPORTS.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the files, and stop.")
def hrv(
    usernames: tuple[str, ...],
    first: date | None,
    last: date | None,
    *,
    count: int | None,
    into: Path | None,
    schema: bool,
) -> None:
    """Export overnight HRV for Apple Health.

    Heart rate and HRV of each night, as a CSV and a JSON file per person and day.
    """
    if schema:
        click.echo(json_schema(), nl=False)
        return
    first_day, last_day = _days(first, last, count)
    folder = into or load_settings().storage.exports_path
    with _published_copy() as connection:
        _check_people(connection, usernames)
        exported = export_hrv(
            connection, folder, usernames=usernames or None, first_day=first_day, last_day=last_day
        )
    print_lines(_summary(exported, folder))


@export.command("view")
@click.argument("name")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "csv", "json"]),
    default="parquet",
    show_default=True,
    help="Format of the files.",
)
@click.option("--into", required=True, type=click.Path(path_type=Path), help="A folder.")
@click.option("--person", "username", help="Only this person's rows.")
@first_option
@last_option
def view(
    name: str,
    format_: str,
    into: Path,
    username: str | None,
    *,
    first: date | None,
    last: date | None,
) -> None:
    """Export a view or table, one file per day."""
    first_day, last_day = _days(first, last)
    with _published_copy() as connection:
        _check_folder(into)
        _check_people(connection, [username] if username else [])
        written = export_view(
            connection,
            name,
            into,
            file_format=FileFormat(format_),
            username=username,
            first_day=first_day,
            last_day=last_day,
        )
    print_lines(
        f"{counted(written.files, 'file')} with {counted(written.rows, 'row')} in "
        f"{written.folder}; {written.changed} of them new or changed."
    )


def _days(first: date | None, last: date | None, count: int | None = None) -> tuple[date, date]:
    """Return the first and the last day that were chosen."""
    newest = (datetime.now(UTC) + EASTERNMOST_OFFSET).date()
    if counted_from := last_days(count, newest, first, last):
        return counted_from, newest
    days = first or date.min, last or date.max
    check_order(*days)
    return days


@contextmanager
def _published_copy() -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with connect() as connection:
            yield connection
    except OSError as error:
        reason = f"cannot write {error.filename}: {error.strerror}"
        raise click.ClickException(reason) from None
    except duckdb.CatalogException:
        # A release may add a view; until a sync publishes again, the copy lacks it.
        raise click.ClickException(
            "the published copy is of an older version: run `oura-pipeline sync` for a new one"
        ) from None


def _check_people(connection: duckdb.DuckDBPyConnection, usernames: Sequence[str]) -> None:
    # Nothing was ever fetched for an unknown name. It is misspelled; no files would hide that.
    known = {name for (name,) in connection.execute("SELECT username FROM fetches").fetchall()}
    if strangers := sorted(set(usernames) - known):
        raise ViewExportError(f"nobody in the published copy is called {', '.join(strangers)}")


def _check_folder(folder: Path) -> None:
    # What `export hrv` wrote for a person is deleted when they leave; a view's file has everybody.
    nights = load_settings().storage.exports_path.resolve()
    if nights in (folder.resolve(), *folder.resolve().parents):
        raise ViewExportError(
            f"{nights} is for `export hrv`, and a person's files in it are deleted when they "
            "leave: choose another folder"
        )


def _summary(exported: Sequence[ExportedDay], folder: Path) -> str:
    people = len({day.username for day in exported})
    # Each day is a CSV and a JSON file.
    changed = sum(day.changed for day in exported)
    return (
        f"{counted(2 * len(exported), 'file')} of {people} {'person' if people == 1 else 'people'} "
        f"in {folder}; {changed} of them new or changed. HRV is RMSSD, not SDNN."
    )
