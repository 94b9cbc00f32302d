"""Export all of a person's data: documents as Parquet and as received, views as CSV, ledgers."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.accounts.people import Person
from oura_pipeline.accounts.studies import Participant
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, STORED_TYPES, DocumentType
from oura_pipeline.catalog.fields import walk
from oura_pipeline.exports.person_views import describe_views, write_views
from oura_pipeline.files import replacing
from oura_pipeline.ledger import Fetch
from oura_pipeline.markdown import markdown_table
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.tables import columns

DOCUMENTS, LEDGERS, VIEWS = "documents", "ledgers", "views"
PERSON, README = "person.json", "README.md"
_DOCUMENTS_PER_FETCH = 10_000
# Inside JSON strings line breaks are escaped; raw ones stand between tokens only.
_ONE_LINE = str.maketrans("\n\r", "  ")


class ExportRefused(Exception):
    """The target of the export exists already; the message says where."""


@dataclass(frozen=True, kw_only=True)
class PersonExport:
    """An export that was written.

    Attributes:
        path: the folder, or the zip.
        documents: how many documents there are of each type; types without any are absent.
        files: every file, relative to the folder, in order.
    """

    path: Path
    documents: Mapping[str, int]
    files: tuple[str, ...]


def export_person(pipeline: Pipeline, username: str, folder: Path) -> PersonExport:
    """Write everything there is of a person to a new folder; all of it, or nothing.

    Tokens are never in it, and an e-mail address only where Oura's own `personal_info` has one.

    Raises:
        UnknownPerson: nobody has this username.
        ExportRefused: the folder is there and not empty, or a file.
        WarehouseError: the warehouse cannot be read.
    """
    person = pipeline.accounts.people.get(username)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportRefused(f"{folder} is not empty: name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename works within one file system only.
    with _scratch(folder.parent) as scratch:
        new = scratch / folder.name
        counts = _write(pipeline, person, new)
        files = tuple(sorted(_relative(path, new) for path in new.rglob("*") if path.is_file()))
        new.rename(folder)
    return PersonExport(path=folder, documents=counts, files=files)


def export_zip(pipeline: Pipeline, username: str, path: Path) -> PersonExport:
    """Write everything there is of a person to a zip; replace an old one when the new is complete.

    Raises:
        UnknownPerson: nobody has this username.
        WarehouseError: the warehouse cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two downloads by one person at once must not write into one file.
    with _scratch(path.parent) as scratch, replacing(path, concurrent=True) as packed:
        exported = export_person(pipeline, username, scratch / f"oura-{username}")
        _pack(exported, packed)
    return PersonExport(path=path, documents=exported.documents, files=exported.files)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield a folder beside the target that only its owner can read, and delete it at the end."""
    scratch = Path(tempfile.mkdtemp(prefix=".export.", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(pipeline: Pipeline, person: Person, folder: Path) -> dict[str, int]:
    for part in (DOCUMENTS, LEDGERS, VIEWS):
        (folder / part).mkdir(parents=True)
    # The warehouse is open for this line only: all types are of one moment, and others can land
    # again while the JSON lines are written from the Parquet files.
    counts = pipeline.warehouse.export(person.username, folder / DOCUMENTS)
    fetches = pipeline.accounts.fetches.find(usernames=[person.username])
    with duckdb.connect() as connection:
        for document_type in STORED_TYPES:
            if document_type.name in counts:
                _write_lines(connection, folder / DOCUMENTS / f"{document_type.table}.parquet")
        for name, columns_ in _ledgers(pipeline, person.username, fetches).items():
            _write_columns(connection, columns_, folder / LEDGERS / f"{name}.parquet")
    summary = _summary(pipeline, person, counts, fetches)
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    (folder / PERSON).write_text(text, encoding="utf-8")
    copy = pipeline.settings.storage.analytics_path
    views = write_views(copy, person.username, folder / VIEWS)
    readme = _readme(person.username, counts) + describe_views(views, VIEWS)
    (folder / README).write_text(readme, encoding="utf-8")
    return counts


def _write_lines(connection: duckdb.DuckDBPyConnection, parquet: Path) -> None:
    """Write each document exactly as Oura sent it, a line each, in the Parquet file's order."""
    connection.execute("SELECT document::VARCHAR FROM read_parquet($1)", [str(parquet)])
    with parquet.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
        # Heart rates alone are about a thousand documents a day.
        while rows := connection.fetchmany(_DOCUMENTS_PER_FETCH):
            file.writelines(text.translate(_ONE_LINE) + "\n" for (text,) in rows)


Columns = Mapping[str, tuple[str, Sequence[Any]]]  # name: DuckDB type, values


def _ledgers(pipeline: Pipeline, username: str, fetches: Sequence[Fetch]) -> dict[str, Columns]:
    """Return what was fetched, sent to Graphite and set aside, and the person's UTC offsets."""
    pushes = [
        push
        for document_type in STORED_TYPES
        for push in pipeline.accounts.pushes.find(document_type.name, usernames=[username])
    ]
    offsets = pipeline.warehouse.offsets(username)
    aside = pipeline.warehouse.quarantined([username])
    return {
        "fetches": {
            "document_type": ("VARCHAR", [fetch.document_type for fetch in fetches]),
            "day": ("DATE", [fetch.day for fetch in fetches]),
            "status": ("VARCHAR", [fetch.status.value for fetch in fetches]),
            "documents": ("BIGINT", [fetch.documents for fetch in fetches]),
            "changed": ("BIGINT", [fetch.changed for fetch in fetches]),
            "error": ("VARCHAR", [fetch.error for fetch in fetches]),
            "asked_at": ("TIMESTAMPTZ", [fetch.at for fetch in fetches]),
        },
        "pushes": {
            "document_type": ("VARCHAR", [push.document_type for push in pushes]),
            "day": ("DATE", [push.day for push in pushes]),
            "points": ("BIGINT", [push.points for push in pushes]),
            "state": ("VARCHAR", [push.state.value for push in pushes]),
            "sent_at": ("TIMESTAMPTZ", [push.at for push in pushes]),
        },
        "quarantine": {
            "document_type": ("VARCHAR", [one.document_type for one in aside]),
            "day": ("DATE", [one.day for one in aside]),
            "id": ("VARCHAR", [one.id for one in aside]),
            "reason": ("VARCHAR", [one.reason for one in aside]),
            "first_seen": ("TIMESTAMPTZ", [one.first_seen for one in aside]),
            "last_seen": ("TIMESTAMPTZ", [one.last_seen for one in aside]),
            "document": ("VARCHAR", [one.document for one in aside]),
        },
        "offsets": {
            "since": ("TIMESTAMPTZ", [since for since, _ in offsets]),
            "seconds": ("BIGINT", [seconds for _, seconds in offsets]),
        },
    }


def _write_columns(connection: duckdb.DuckDBPyConnection, columns_: Columns, parquet: Path) -> None:
    listed = ", ".join(
        # Typed, because a ledger without rows must have the same columns.
        f"unnest(${name}::{sql_type}[]) AS {name}"
        for name, (sql_type, _) in columns_.items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE ledger AS SELECT {listed}",
        {name: list(values) for name, (_, values) in columns_.items()},
    )
    connection.table("ledger").write_parquet(str(parquet), compression="zstd")


def _summary(
    pipeline: Pipeline, person: Person, counts: Mapping[str, int], fetches: Sequence[Fetch]
) -> dict[str, Any]:
    """Return the content of `person.json`."""
    return {
        "username": person.username,
        "oura_id": person.oura_id,
        "name": person.name,
        # Not known differs from nothing granted.
        "scopes": None if person.scopes is None else sorted(person.scopes),
        "state": person.state.value,
        "joined_at": person.joined_at.isoformat(),
        "connected_since": person.connected_since.isoformat(),
        "studies": list(map(_participation, pipeline.accounts.studies.of_person(person.username))),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "graphite": f"{pipeline.settings.graphite.prefix}.{person.username}",
        "document_types": {
            document_type.name: {
                "documents": counts.get(document_type.name, 0),
                **_asked(document_type, fetches),
            }
            for document_type in _listed(counts)
        },
    }


def _participation(one: Participant) -> dict[str, Any]:
    """Return what is known of somebody's part in a study, as the export has it."""
    days = (one.first_day, one.last_day, one.consented_on, one.withdrawn_on)
    first_day, last_day, consented_on, withdrawn_on = (day and day.isoformat() for day in days)
    return {
        "study": one.study,
        "code": one.code,
        "arm": one.arm,
        "first_day": first_day,
        "last_day": last_day,
        "consent_version": one.consent_version,
        "consented_on": consented_on,
        "document_types": one.document_types,
        "withdrawn_on": withdrawn_on,
    }


def _listed(counts: Mapping[str, int]) -> list[DocumentType]:
    """Return the types of the API, and of those in members' own exports the ones that are there."""
    return [one for one in STORED_TYPES if one in DOCUMENT_TYPES or one.name in counts]


def _asked(document_type: DocumentType, fetches: Sequence[Fetch]) -> dict[str, Any]:
    """Return which days were fetched, and how many of them had which outcome."""
    theirs = [fetch for fetch in fetches if fetch.document_type == document_type.name]
    if not theirs:
        return {"asked": None}
    days = [fetch.day for fetch in theirs]
    status = Counter(fetch.status.value for fetch in theirs)
    return {
        "asked": {"first_day": min(days).isoformat(), "last_day": max(days).isoformat()},
        "days": dict(sorted(status.items())),
    }


def _readme(username: str, counts: Mapping[str, int]) -> str:
    """Return the content of `README.md`: each file, with every field and its unit."""
    lines = [_OPENING.format(username=username, documents=DOCUMENTS, ledgers=LEDGERS, views=VIEWS)]
    for document_type in _listed(counts):
        lines += [f"## {document_type.name}", "", document_type.description, ""]
        # Listed all the same: that there is nothing is an answer too.
        if document_type.name not in counts:
            lines += ["none", ""]
            continue
        path = f"{DOCUMENTS}/{document_type.table}"
        files = f"`{path}.parquet`, `{path}.jsonl`"
        lines += [
            f"{counts[document_type.name]} documents: {files}",
            "",
            _field_table(document_type),
        ]
    return "\n".join(lines)


def _field_table(document_type: DocumentType) -> str:
    inside = {field.name: field.fields for field in document_type.fields}
    lines: list[tuple[str, str, str]] = []
    for column in columns(document_type):
        nested = inside.get(column.name, ())
        sql_type = "STRUCT" if nested else column.sql_type
        lines.append((f"`{column.name}`", sql_type, column.comment))
        for path, field in walk(nested):
            sql_type = "STRUCT" if field.fields else field.sql_type
            lines.append((f"`{'.'.join((column.name, *path))}`", sql_type, field.description))
    return markdown_table(("column", "type", "what it is"), lines)


def _pack(exported: PersonExport, path: Path) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as packed:
        for name in exported.files:
            # Parquet is compressed already.
            method = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
            packed.write(exported.path / name, f"{exported.path.name}/{name}", method)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


_OPENING = """\
# The Oura data of {username}

| file | what it is |
| --- | --- |
| `person.json` | who this is, what was granted, which documents there are, which days were asked |
| `{documents}/*.parquet` | a table per document type: a row per document, a column per field |
| `{documents}/*.jsonl` | the same documents exactly as Oura sent them, a JSON object per line |
| `{views}/*.csv` | nights, days, weeks, workouts and more, for a spreadsheet; see the end |
| `{ledgers}/fetches.parquet` | per day and document type: when Oura was asked and what came of it |
| `{ledgers}/pushes.parquet` | per day and document type: how many points were sent to Graphite |
| `{ledgers}/quarantine.parquet` | what Oura sent and could not be landed, as received |
| `{ledgers}/offsets.parquet` | since when the person's clock was how many seconds ahead of UTC |

All times are UTC. What is empty is not known, which is not the same as 0. Times of `{documents}`
as the clock showed them, with their offset, are in the column `document`.

With DuckDB:

    duckdb -c "SELECT * FROM '{documents}/daily_sleep.parquet' ORDER BY day"

With pandas (which needs `pyarrow` for Parquet; JSON lines need nothing):

    import pandas as pd
    pd.read_parquet("{documents}/daily_sleep.parquet")
    pd.read_json("{documents}/daily_sleep.jsonl", lines=True)
"""
