"""What is kept of somebody, anywhere: in databases, files and logs; and what a deletion leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.testing.postgres import rows

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Kept:
    """Where something can be kept.

    Attributes:
        settings: they name the databases.
        folder: everything else, by the folders in it.
        logs: files elsewhere, by what they are called.
    """

    settings: Mapping[str, str]
    folder: Path
    logs: Mapping[str, Path] = field(default_factory=dict)

    def holding(self, texts: Collection[str]) -> dict[str, int]:
        """Return how many of these texts stand where; where there is none is absent."""
        wanted = [text.encode() for text in texts]
        found: dict[str, set[bytes]] = {}
        for where, content in self._contents():
            found.setdefault(where, set()).update(text for text in wanted if text in content)
        return {where: len(there) for where, there in sorted(found.items()) if there}

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything that is kept, by where: compressed files also as they read."""
        for where, database in self._databases().items():
            yield from ((where, row) for row in rows(database))
        for name, log in self.logs.items():
            yield name, log.read_bytes()
        for path in (path for path in self.folder.rglob("*") if path.is_file()):
            kind = path.relative_to(self.folder).parts[0]
            yield kind, str(path.relative_to(self.folder)).encode()
            yield kind, path.read_bytes()
            if path.suffix in (".parquet", ".duckdb"):
                yield from ((kind, some) for some in _rows_of_file(path))

    def _databases(self) -> dict[str, str]:
        catalog = self.settings["OURA_WAREHOUSE_URL"].removeprefix("ducklake:postgres:")
        return {
            "accounts": self.settings["OURA_ACCOUNTS_URL"].replace("+psycopg", ""),
            "Dagster": self.settings["DAGSTER_POSTGRES_URL"].replace("+psycopg2", ""),
            "catalog": catalog,
        }


def of_person(
    cloud: Sandbox, who: str, days: tuple[date, date], types: Collection[str]
) -> set[str]:
    """Return what only somebody's data holds: their name, Oura's id of them and of documents."""
    [person] = [one for one in cloud.people() if one["username"] == who]
    documents = [entry["document"] for name in types for entry in cloud.truth(who, name, *days)]
    return {who, person["id"]} | {one["id"] for one in documents if "id" in one}


def remove(who: str) -> None:
    """Delete somebody, as an operator does."""
    command = [sys.executable, "-m", "oura_pipeline.cli", "people", "remove", who, "--yes"]
    subprocess.run(command, check=True)


def _rows_of_file(path: Path) -> Iterator[bytes]:
    """Yield what stands in the tables of a Parquet or DuckDB file, which compresses them."""
    if path.suffix == ".parquet":
        yield from _as_bytes(duckdb.read_parquet(str(path)))
        return
    with duckdb.connect(str(path), read_only=True) as connection:
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall():
            yield from _as_bytes(connection.sql(f'FROM "{schema}"."{table}"'))


def _as_bytes(relation: duckdb.DuckDBPyRelation) -> Iterator[bytes]:
    while some := relation.fetchmany(ROWS_AT_ONCE):
        yield repr(some).encode()
