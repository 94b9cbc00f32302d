"""`oura-pipeline export …`: files for other programs, from the published copy.

What surprises: views go anywhere but into the folder of the Apple Health files. What is in there
of a person is deleted when they leave, and the file of a view has everybody in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import duckdb

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.exports.apple_health import ExportedDay, export_hrv
from oura_pipeline.exports.views import FilesRefused, Format, export_view
from oura_pipeline.settings import load_settings

AHEAD = timedelta(hours=14)  # where days begin first


@dataclass(frozen=True, kw_only=True)
class Days:
    """A range of days, both included; without ends it is all of them."""

    first: date = date.min
    last: date = date.max


def chosen_days(first: datetime | None, last: datetime | None, count: int | None = None) -> Days:
    """The days from the options of a command; the last so many end with the newest anywhere."""
    if count:
        today = (datetime.now(UTC) + AHEAD).date()
        return Days(first=today - timedelta(days=count - 1), last=today)
    days = Days(
        first=first.date() if first else date.min,
        last=last.date() if last else date.max,
    )
    if days.first > days.last:
        raise click.ClickException(f"--from {days.first} is after --to {days.last}")
    return days


def hrv(usernames: Sequence[str], days: Days, into: Path | None) -> str:
    """Write nights for Apple Health; says what."""
    folder = into or load_settings().storage.exports_path
    with _reading() as connection:
        _must_know(connection, usernames)
        exported = export_hrv(
            connection,
            folder,
            usernames=usernames or None,
            first_day=days.first,
            last_day=days.last,
        )
    return _told(exported, folder)


def view(name: str, format_: Format, into: Path, username: str | None, *, days: Days) -> str:
    """Write a view or table, a file per day; says what."""
    with _reading() as connection:
        _not_among_the_nights(into)
        _must_know(connection, [username] if username else [])
        written = export_view(
            connection,
            name,
            into,
            format_=format_,
            username=username,
            first_day=days.first,
            last_day=days.last,
        )
    return (
        f"{_many(written.files, 'file')} with {_many(written.rows, 'row')} in {written.folder}; "
        f"{written.changed} of them new or changed."
    )


@contextmanager
def _reading() -> Iterator[duckdb.DuckDBPyConnection]:
    """The published copy; what cannot be done with it is told in one line."""
    try:
        with connect() as connection:
            yield connection
    except (AnalysisError, FilesRefused) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        reason = f"{error.filename} cannot be written: {error.strerror}"
        raise click.ClickException(reason) from None
    except duckdb.CatalogException:
        raise click.ClickException(
            "the published copy is of an older version: `oura-pipeline sync` makes a new one"
        ) from None


def _must_know(connection: duckdb.DuckDBPyConnection, usernames: Sequence[str]) -> None:
    """Refuse whom nobody ever asked Oura about: it is a typing error, not an absence."""
    known = {name for (name,) in connection.execute("SELECT username FROM fetches").fetchall()}
    if strangers := sorted(set(usernames) - known):
        raise FilesRefused(f"the published copy knows nobody called {', '.join(strangers)}")


def _not_among_the_nights(folder: Path) -> None:
    nights = load_settings().storage.exports_path.resolve()
    if nights in (folder.resolve(), *folder.resolve().parents):
        raise FilesRefused(
            f"{nights} is for `export hrv`, and what is in it of a person goes when they leave: "
            "name another folder"
        )


def _told(exported: Sequence[ExportedDay], folder: Path) -> str:
    people = len({day.username for day in exported})
    changed = sum(day.changed for day in exported)
    return (
        f"{_many(2 * len(exported), 'file')} of {people} {'person' if people == 1 else 'people'} "
        f"in {folder}; {changed} of them new or changed. HRV is RMSSD, not SDNN."
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
