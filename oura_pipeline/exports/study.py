"""Export a study: what its participants agreed to, under codes, without names and their dates."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import duckdb

from oura_pipeline.accounts.studies import Participant
from oura_pipeline.exports.fhir import write_bundles
from oura_pipeline.exports.study_readme import readme
from oura_pipeline.exports.study_sources import COMMENTS, Source, kept_columns, sources
from oura_pipeline.exports.views import FileFormat
from oura_pipeline.warehouse.tables import literal, quoted

DATA, DICTIONARY, PEOPLE, README, SUMS = (
    *("data", "dictionary.csv", "participants", "README.md", "SHA256SUMS"),
)
DAY_ONE = date(2000, 1, 1)
"""What the first day of everybody is in an export with relative dates."""


class Dates(StrEnum):
    """What the dates of an export are."""

    RELATIVE = "relative"
    SHIFTED = "shifted"
    KEPT = "kept"

    def shift(self, participant: Participant) -> int:
        """Return by how many days the dates of somebody move."""
        if self is Dates.RELATIVE:
            return (DAY_ONE - participant.first_day).days
        return participant.shift_days if self is Dates.SHIFTED else 0


class StudyExportRefused(Exception):
    """An export that cannot be made; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class StudyExport:
    """An export that was written.

    Attributes:
        folder: where it is.
        rows: how many rows each file of data has, by its name.
        participants: how many people are in it.
        withdrawn: the codes of those who took their consent back, and are not.
        digest: of all files; the same where all of them are.
    """

    folder: Path
    rows: dict[str, int]
    participants: int
    withdrawn: tuple[str, ...]
    digest: str


def export_study(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    participants: Sequence[Participant],
    folder: Path,
    *,
    dates: Dates = Dates.RELATIVE,
    fhir: bool = False,
) -> StudyExport:
    """Write a study to a new folder; all of it, or nothing.

    Of the same data and participants each file is the same, byte by byte: rows have one order, and
    nothing says when it was written.

    Args:
        connection: to the published copy.
        name: of the study.
        participants: everybody who takes or took part.
        folder: where to; it must not be there, or be empty.
        dates: what takes the place of the dates.
        fhir: whether to add a FHIR bundle of each participant.

    Raises:
        StudyExportRefused: the folder is not empty, or nobody takes part.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyExportRefused(f"{folder} is not empty: name a new folder")
    present = [one for one in participants if one.withdrawn_on is None]
    if not present:
        raise StudyExportRefused(f"nobody takes part in {name}: `study enroll` adds people")
    withdrawn = tuple(one.code for one in participants if one.withdrawn_on is not None)
    with _new_folder(folder) as new:
        # Threads write row groups in the order in which they come to an end.
        connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
        _make_participants(connection, present, dates)
        rows = {PEOPLE: _write(connection, new, PEOPLE, _PARTICIPANTS)}
        for source in sources(connection):
            query = _selected(connection, source)
            rows[source.name] = _write(connection, new / DATA, source.name, query)
        _write_dictionary(connection, new)
        if fhir:
            write_bundles(connection, new, present)
        text = readme(name, present, withdrawn, rows, dates=dates.value, fhir=fhir)
        (new / README).write_text(text, encoding="utf-8")
        digest = _write_sums(new)
    return StudyExport(
        folder=folder, rows=rows, participants=len(present), withdrawn=withdrawn, digest=digest
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that takes this name after the block."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename works within one file system only.
    scratch = Path(tempfile.mkdtemp(prefix=".study.", dir=folder.parent))
    try:
        new = scratch / folder.name
        (new / DATA).mkdir(parents=True)
        yield new
        new.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_PARTICIPANTS = """
    SELECT code AS participant, arm, first_day + shift AS first_day, last_day + shift AS last_day,
        consent_version, array_to_string(document_types, ' ') AS consented_to
    FROM temp.participants
"""


def _make_participants(
    connection: duckdb.DuckDBPyConnection, participants: Sequence[Participant], dates: Dates
) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE participants (code VARCHAR, username VARCHAR, arm VARCHAR, "
        "first_day DATE, last_day DATE, shift INTEGER, consent_version VARCHAR, "
        "document_types VARCHAR[])"
    )
    connection.executemany(
        "INSERT INTO temp.participants VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(one.code, one.username, one.arm, one.first_day, one.last_day),
                *(dates.shift(one), one.consent_version),
                None if one.document_types is None else list(one.document_types),
            )
            for one in participants
        ],
    )


def _selected(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    """Return the query of a file: the rows of who agreed to them, with their dates moved."""
    needed = ", ".join(literal(name) for name in source.document_types)
    moved = [
        f"s.{quoted(column.name)} + {_MOVED[column.sql_type]} AS {quoted(column.name)}"
        if column.sql_type in _MOVED
        else f"{column.value} AS {quoted(column.name)}"
        for column in kept_columns(connection, source)
    ]
    study_day, inside = (_STUDY_DAY, _INSIDE) if source.dated else ("", "")
    return (
        f"SELECT p.code AS participant, {study_day}{', '.join(moved)} FROM ({source.rows}) s "
        f"JOIN temp.participants p ON s.username = p.username {inside}"
        f"WHERE p.document_types IS NULL OR list_has_all(p.document_types, [{needed}])"
    )


_STUDY_DAY = "s.day - p.first_day + 1 AS study_day, "
_INSIDE = "AND s.day >= p.first_day AND s.day <= coalesce(p.last_day, DATE '9999-12-31') "
_MOVED = {"DATE": "p.shift", "TIMESTAMP": "to_days(p.shift)"}


def _write(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, query: str) -> int:
    """Write a file of each format; return the rows."""
    rows = 0
    for file_format in (FileFormat.CSV, FileFormat.PARQUET):
        path = folder / f"{name}.{file_format}"
        found = connection.execute(
            f"COPY (FROM ({query}) ORDER BY ALL) TO {literal(str(path))} ({file_format.options})"
        ).fetchone()
        rows = int(found[0]) if found else 0
    return rows


def _write_dictionary(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write what each column of each file means, with its unit."""
    lines = [
        (f"{PEOPLE if source is None else f'{DATA}/{source.name}'}", *line)
        for source in (None, *sources(connection))
        for line in _described(connection, source)
    ]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE dictionary "
        '(file VARCHAR, place INTEGER, "column" VARCHAR, type VARCHAR, meaning VARCHAR)'
    )
    connection.executemany(
        "INSERT INTO temp.dictionary VALUES (?, ?, ?, ?, ?)",
        [(file, place, *rest) for place, (file, *rest) in enumerate(lines)],
    )
    connection.execute(
        'COPY (SELECT file, "column", type, meaning FROM temp.dictionary ORDER BY place) '
        f"TO {literal(str(folder / DICTIONARY))} ({FileFormat.CSV.options})"
    )


def _described(
    connection: duckdb.DuckDBPyConnection, source: Source | None
) -> Iterator[tuple[str, str, str]]:
    query = _PARTICIPANTS if source is None else _selected(connection, source)
    meanings = dict(COMMENTS)
    if source is not None:
        meanings |= {one.name: one.comment for one in kept_columns(connection, source)}
    for name, sql_type, *_ in connection.execute(f"DESCRIBE {query}").fetchall():
        yield name, sql_type, meanings[name]


def _write_sums(folder: Path) -> str:
    """Write the SHA-256 of every file, as `sha256sum --check` reads it; return that of the list."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    ]
    text = "".join(lines)
    (folder / SUMS).write_text(text, encoding="ascii")
    return hashlib.sha256(text.encode("ascii")).hexdigest()
