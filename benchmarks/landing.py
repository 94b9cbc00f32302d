"""Ways from received documents to typed rows in DuckDB, and what `Warehouse.land` takes in all.

python benchmarks/landing.py [--heart-rates 540000] [--days 450]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, HEARTRATE, SLEEP, DocumentType
from oura_pipeline.warehouse.connection import SETTINGS
from oura_pipeline.warehouse.spool import Spool, open_spool
from oura_pipeline.warehouse.staging import spooled_lines
from oura_pipeline.warehouse.tables import json_schema, quoted, typed_fields
from oura_pipeline.warehouse.warehouse import Warehouse

FIRST = date(2025, 1, 1)
PEOPLE = [f"person{number}" for number in range(5)]
ONE_BY_ONE = 3000  # rows on which executemany is measured; then multiplied
REPEATED = 15  # times that what takes milliseconds is measured


class Document(NamedTuple):
    """A day and the JSON as received."""

    day: date
    raw: bytes


Answer = tuple[DocumentType, list[Document]]
Way = Callable[[duckdb.DuckDBPyConnection, DocumentType, list[Document], Path], None]


def main() -> None:
    """Print one table of ways, and one of landings."""
    parser = argparse.ArgumentParser(description="Ways from documents to typed rows in DuckDB.")
    parser.add_argument("--heart-rates", type=int, default=540_000)
    parser.add_argument("--days", type=int, default=450)
    options = parser.parse_args()
    answers: list[Answer] = [
        (HEARTRATE, heart_rates(options.heart_rates, options.days)),
        (SLEEP, nights(options.days)),
        (DAILY_ACTIVITY, activities(options.days)),
    ]
    print(f"DuckDB {duckdb.__version__}; from documents in memory to committed rows, seconds\n")
    compare_ways(answers)
    time_landings(answers)


def compare_ways(answers: list[Answer]) -> None:
    """Every way on every document type, on an empty database file each time."""
    names = [document_type.name for document_type, _ in answers]
    print(f"{'way':34}" + "".join(f"{name:>16}" for name in names) + f"{'exact':>8}")
    for way in (
        one_by_one,
        pandas_decoded,
        pandas_text,
        pages_unnested,
        wrapped_and_declared,
        wrapped_and_transformed,
        separated_text,
    ):
        cells, exact = [], True
        for document_type, documents in answers:
            seconds, kept = measured(way, document_type, documents)
            cells.append(f"{seconds:16.2f}")
            exact = exact and kept
        label = (way.__doc__ or "").split(".")[0].split("\n")[0]
        print(f"{label:34}" + "".join(cells) + f"{'yes' if exact else 'no':>8}")
    print()


def measured(
    way: Way, document_type: DocumentType, documents: list[Document]
) -> tuple[float, bool]:
    """Seconds, and whether every document is kept to the byte."""
    part = documents[:ONE_BY_ONE] if way is one_by_one else documents
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(str(Path(folder, "x.duckdb")), config=SETTINGS)
        connection.execute("SET TimeZone = 'UTC'")
        declared = ", ".join(f"{quoted(f.name)} {f.sql_type}" for f in typed_fields(document_type))
        connection.execute(
            f"CREATE TABLE landed (username VARCHAR, day DATE, {declared}, document JSON)"
        )
        began = time.perf_counter()
        way(connection, document_type, part, Path(folder))
        seconds = time.perf_counter() - began
        kept = connection.execute("SELECT document::VARCHAR FROM landed").fetchall()
        connection.close()
    exact = sorted(text.encode() for (text,) in kept) == sorted(d.raw for d in part)
    return seconds * len(documents) / len(part), exact


def one_by_one(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """executemany (extrapolated)."""
    rows = [(d.day, d.raw.decode()) for d in documents]
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO landed SELECT '{PEOPLE[0]}', day, {typed(document_type)}, document FROM "
        "(SELECT $1::DATE AS day, $2::JSON AS document, "
        f"{read(document_type, '$2::JSON')} AS typed)",
        rows,
    )
    connection.execute("COMMIT")


def pandas_decoded(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """pandas, decoded in Python."""
    decoded = [json.loads(d.raw) for d in documents]
    # DuckDB guesses the type of nested Python objects from a sample, so they go through JSON.
    frame = pd.DataFrame(
        {
            field.name: [
                json.dumps(found) if isinstance(found := one.get(field.name), dict) else found
                for one in decoded
            ]
            for field in typed_fields(document_type)
        }
    )
    frame["day_"] = [d.day for d in documents]
    frame["document_"] = [d.raw.decode() for d in documents]
    schema = json.loads(json_schema(document_type))
    cast = ", ".join(
        f"from_json({quoted(f.name)}::JSON, '{json.dumps(schema[f.name])}')"
        if f.sql_type.startswith("STRUCT")
        else f"{quoted(f.name)}::{f.sql_type}"
        for f in typed_fields(document_type)
    )
    connection.execute(
        f"INSERT INTO landed SELECT '{PEOPLE[0]}', day_, {cast}, document_ FROM frame"
    )


def pandas_text(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """pandas, text and from_json."""
    frame = pd.DataFrame(
        {"day": [d.day for d in documents], "document": [d.raw.decode() for d in documents]}
    )
    connection.register("frame", frame)
    insert(connection, document_type, "SELECT day, document::JSON AS document FROM frame")


def pages_unnested(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """raw pages of 1000, unnested."""
    path = folder / "pages.ndjson"
    with path.open("wb") as file:
        for start in range(0, len(documents), 1000):
            page = documents[start : start + 1000]
            days = ",".join(f'"{d.day}"' for d in page).encode()
            file.write(b'{"days":[%b],"data":[%b]}\n' % (days, b",".join(d.raw for d in page)))
    insert(
        connection,
        document_type,
        "SELECT unnest(days) AS day, unnest(data) AS document FROM read_json("
        f"'{path}', format = 'newline_delimited', maximum_object_size = 100_000_000, "
        "columns = {'days': 'DATE[]', 'data': 'JSON[]'})",
    )


# The fastest reader, `read_json`, does not keep the text of a document: it drops spaces and
# rewrites escapes and numbers. Only ways with "yes" under "exact" can be used.
def wrapped_and_declared(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """read_json, declared columns."""
    path = wrapped(documents, folder)
    declared = ", ".join(f"{quoted(f.name)} {f.sql_type}" for f in document_type.fields)
    typed_columns = typed(document_type)
    for_document = f"SELECT day, document FROM {objects(path, 'JSON')}"
    for_columns = f"SELECT document AS typed FROM {objects(path, f'STRUCT({declared})')}"
    connection.execute(
        f"INSERT INTO landed SELECT '{PEOPLE[0]}', day, {typed_columns}, document FROM "
        f"({for_document}) POSITIONAL JOIN ({for_columns})"
    )


def wrapped_and_transformed(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """read_json, JSON and from_json."""
    path = wrapped(documents, folder)
    insert(connection, document_type, f"SELECT day, document FROM {objects(path, 'JSON')}")


# Of the exact ways only this one does not hold everything in memory; its figure includes writing
# the file.
def separated_text(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    documents: list[Document],
    folder: Path,
) -> None:
    """separated text and from_json."""
    with open_spool(folder, document_type.table) as spool:
        spool.add(PEOPLE[0], documents, requested=True)
        found = spooled_lines(spool.files([PEOPLE[0]]), spool.longest_document)
        insert(connection, document_type, f"SELECT day, document::JSON AS document FROM {found}")


def wrapped(documents: list[Document], folder: Path) -> Path:
    """A line of JSON per document with its day."""
    path = folder / "wrapped.ndjson"
    with path.open("wb") as file:
        file.writelines(
            b'{"day":"%b","document":%b}\n' % (str(d.day).encode(), d.raw) for d in documents
        )
    return path


def objects(path: Path, sql_type: str) -> str:
    """The relation that `read_json` makes of wrapped documents."""
    declared = f"{{'day': 'DATE', 'document': '{sql_type}'}}"
    return f"read_json('{path}', format = 'newline_delimited', columns = {declared})"


def insert(connection: duckdb.DuckDBPyConnection, document_type: DocumentType, source: str) -> None:
    """Fill the table from a relation of (day, document)."""
    connection.execute(
        f"INSERT INTO landed SELECT '{PEOPLE[0]}', day, {typed(document_type)}, document "
        f"FROM (SELECT day, document, {read(document_type, 'document')} AS typed FROM ({source}))"
    )


def read(document_type: DocumentType, document: str) -> str:
    """The expression that reads a document into a struct of its columns."""
    return f"from_json({document}, '{json_schema(document_type)}')"


def typed(document_type: DocumentType) -> str:
    """The typed columns out of that struct."""
    return ", ".join(f"typed.{quoted(field.name)}" for field in typed_fields(document_type))


def time_landings(answers: list[Answer]) -> None:
    """The whole way with matching, checks and transaction: new, the same again, all different."""
    print(f"{'Warehouse.land':34}{'documents':>12}{'spool':>8}{'land':>8}  new/different/gone")
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder, "warehouse.duckdb"))
        warehouse.query("SELECT 1")  # the first connection of a process imports much
        land(warehouse, *answers[1], label="(warming up)")
        for document_type, documents in answers:
            old, new = (
                (b'"bpm":', b'"bpm":1')
                if document_type is HEARTRATE
                else (b'"score":8', b'"score":9')
            )
            different = [d._replace(raw=d.raw.replace(old, new)) for d in documents]
            land(warehouse, document_type, documents, label=f"{document_type.name}, new")
            land(warehouse, document_type, documents, label=f"{document_type.name}, the same again")
            land(warehouse, document_type, different, label=f"{document_type.name}, different")
        for document_type, documents in answers:
            day = [d for d in documents if d.day == FIRST]
            land(warehouse, document_type, day, label=f"{document_type.name}, one day", last=FIRST)
        time_small(warehouse, answers)
        began = time.perf_counter()
        published = warehouse.publish(Path(folder, "analytics.duckdb"))
        print(f"publish: {published.bytes / 1e6:.0f} MB, {time.perf_counter() - began:.2f} s")


def time_small(warehouse: Warehouse, answers: list[Answer]) -> None:
    """One day that is there already, and what one and five people have of one day; medians."""
    label = f"one day, median of {REPEATED}, ms"
    print(f"\n{label:34}{'the same again':>16}{'read one':>12}{'read five':>12}")
    for document_type, documents in answers:
        day = [d for d in documents if d.day == FIRST]

        def again(document_type: DocumentType = document_type, day: list[Document] = day) -> None:
            with warehouse.spool(document_type) as spool:
                for name in PEOPLE:
                    spool.add(name, day)
                land_one_day(warehouse, document_type, spool)

        def one(document_type: DocumentType = document_type) -> None:
            warehouse.documents(document_type, PEOPLE[0], FIRST, FIRST)

        def five(document_type: DocumentType = document_type) -> None:
            warehouse.documents_of(document_type, PEOPLE, FIRST, FIRST)

        print(
            f"{document_type.name:34}{median(again):16.1f}{median(one):12.1f}{median(five):12.1f}"
        )
    print()


def median(action: Callable[[], None]) -> float:
    """Milliseconds it takes."""
    took = []
    for _ in range(REPEATED):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def land_one_day(warehouse: Warehouse, document_type: DocumentType, spool: Spool) -> None:
    """Land the first day of everybody."""
    warehouse.land(
        document_type,
        spool,
        usernames=PEOPLE,
        first_day=FIRST,
        last_day=FIRST,
        fetched_at=datetime.now(UTC),
        run_id="benchmark",
    )


def land(
    warehouse: Warehouse,
    document_type: DocumentType,
    documents: Iterable[Document],
    *,
    label: str,
    last: date | None = None,
) -> None:
    """Land them, a fifth for each of five people, or (one day) all for everybody."""
    found = list(documents)
    shares = {name: found if last else found[n::5] for n, name in enumerate(PEOPLE)}
    began = time.perf_counter()
    with warehouse.spool(document_type) as spool:
        for name, share in shares.items():
            for start in range(0, len(share), 1000):
                spool.add(name, share[start : start + 1000], requested=True)
        spooled = time.perf_counter()
        landing = warehouse.land(
            document_type,
            spool,
            usernames=PEOPLE,
            first_day=FIRST,
            last_day=last or FIRST + timedelta(days=1000),
            fetched_at=datetime.now(UTC),
            run_id="benchmark",
        )
    ended = time.perf_counter()
    print(
        f"{label:34}{sum(map(len, shares.values())):12,}{spooled - began:8.2f}"
        f"{ended - spooled:8.3f}  {landing.inserted}/{landing.updated}/{landing.deleted}"
    )


def heart_rates(many: int, days: int) -> list[Document]:
    """Rows evenly over the days; one is written with spaces, escapes and an exponent."""
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    step = timedelta(days=days) / many
    rows = []
    for number in range(many):
        at = (start + number * step).replace(microsecond=0)
        fields = {
            "timestamp": at.isoformat(),
            "timestamp_unix": int(at.timestamp() * 1000),
            "bpm": 50 + number % 70,
            "source": ("awake", "rest", "sleep", "workout")[number % 4],
        }
        rows.append(Document(at.date(), compact(fields)))
    odd = rows[-1].raw.replace(b'"source":"', b'"novel": 1.0e-7, "source":"\\u0061\\u0077')
    rows[-1] = rows[-1]._replace(raw=odd.replace(b"\\u0061\\u0077workout", b"\\u0077orkout"))
    return rows


def nights(days: int) -> list[Document]:
    """One long sleep per day, 8 hours."""
    return [
        Document(
            day,
            compact(
                {
                    "id": f"night-{day}",
                    "day": str(day),
                    "bedtime_start": f"{day}T00:00:00+01:00",
                    "bedtime_end": f"{day}T08:00:00+01:00",
                    "type": "long_sleep",
                    "time_in_bed": 28800,
                    "average_breath": 14.125,
                    "readiness": {"score": 80, "contributors": {"hrv_balance": 75}},
                    "heart_rate": series(day, 96, 300),
                    "hrv": series(day, 96, 300),
                    "sleep_phase_5_min": "2" * 96,
                    "sleep_phase_30_sec": "2" * 960,
                    "movement_30_sec": "1" * 960,
                }
            ),
        )
        for day in all_days(days)
    ]


def activities(days: int) -> list[Document]:
    """One activity day per day, a MET value a minute."""
    return [
        Document(
            day,
            compact(
                {
                    "id": f"activity-{day}",
                    "day": str(day),
                    "timestamp": f"{day}T04:00:00+01:00",
                    "score": 81,
                    "steps": 9000,
                    "met": series(day, 1440, 60),
                    "class_5_min": "3" * 288,
                }
            ),
        )
        for day in all_days(days)
    ]


def all_days(days: int) -> list[date]:
    """That many days from the first."""
    return [FIRST + timedelta(days=number) for number in range(days)]


def series(day: date, many: int, interval: int) -> dict[str, Any]:
    """A series object in Oura's form, every seventh item missing."""
    items = [None if n % 7 == 0 else round(1 + n % 83 / 10, 1) for n in range(many)]
    return {"interval": float(interval), "items": items, "timestamp": f"{day}T00:00:00.000+01:00"}


def compact(fields: dict[str, Any]) -> bytes:
    """JSON as Oura sends it."""
    return json.dumps(fields, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
