"""L: what a person downloads from Oura, imported, pushed to a file and published.

python -m benchmarks.own_export ZIP [--years 1]
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import duckdb

from benchmarks.measuring import use
from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.worlds import COMMAND, SETTINGS
from benchmarks.years import build
from oura_pipeline.catalog.document_types import DAYTIME_STRESS, TEMPERATURE
from oura_pipeline.member_export.file_kinds import FILE_KINDS
from oura_pipeline.warehouse.tables import literal, table_name

LIMIT = 30.0  # s
PERSON = "person01"
# What the API does not have: rows at every so many seconds.
STREAMS = {
    TEMPERATURE.table: (60, "skin_temp", "round(33 + 3 * random(), 2)"),
    DAYTIME_STRESS.table: (900, "stress_value, recovery_value", "(100 * random())::INT, NULL"),
}


def own_export(results: Results, scale: Scale, scratch: Path) -> None:
    """Import a year of a person who never signed in."""
    path = scratch / "data.zip"
    rows = make(path, years=1)
    scaled = f"{sum(rows.values()):,} rows, {path.stat().st_size / 1e6:.0f} MB"
    walls, cpus = [], []
    for number in range(1 if scale.glance else 3):
        settings = {**SETTINGS, "OURA_PIPELINE_HOME": str(scratch / f"home{number}")}
        used = use((COMMAND, "people", "import-export", "ada", path, "--new"), settings)
        walls.append(used.wall)
        cpus.append(used.cpu)
    results.figure("L", "a year's own export", "s", *walls, at_most=LIMIT, scaled=scaled)
    results.figure("L", "CPU of it", "s", *cpus, scaled=scaled)


def make(path: Path, *, years: int) -> dict[str, int]:
    """Write the export of a made-up person; return how many rows each table has."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        warehouse = Path(folder, "warehouse.duckdb")
        build(warehouse, people=1, years=years)
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = {name: _copy(connection, sql, Path(folder, name)) for name, sql in _tables()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in rows:
                archive.write(Path(folder, name), f"App Data/{name}.csv")
    return rows


def _tables() -> list[tuple[str, str]]:
    """Return the name of each file, and the query for its rows."""
    tables = []
    for kind in FILE_KINDS:
        document_type = kind.document_type
        name = document_type.table.replace("_", "")
        if document_type.table in STREAMS:
            every, names, values = STREAMS[document_type.table]
            tables.append(
                (
                    name,
                    "SELECT strftime(make_timestamp(second * 1000000), '%Y-%m-%dT%H:%M:%SZ') AS "
                    f"timestamp, * EXCLUDE (second) FROM (SELECT second, {values} FROM (SELECT "
                    "unnest(range(epoch(min(day))::BIGINT, epoch(max(day))::BIGINT, "
                    f"{every})) AS second FROM oura.sleep)) AS rows(second, {names})",
                )
            )
        elif document_type.ask.name != "NEVER":
            columns = sorted(
                (one.name for one in document_type.fields), key=lambda one: one != "id"
            )
            listed = ", ".join(
                f"json_extract_string(document, '$.{column}') AS {column}" for column in columns
            )
            tables.append((name, f"SELECT {listed} FROM {table_name(document_type)}"))
    return tables


def _copy(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    row = connection.execute(
        f"COPY ({sql}) TO {literal(str(path))} (FORMAT csv, DELIMITER ';', HEADER)"
    ).fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--years", type=int, default=1)
    chosen = parser.parse_args()
    for name, rows in make(chosen.path, years=chosen.years).items():
        print(f"{name:28}{rows:>12,}")


if __name__ == "__main__":
    main()
