"""What is held of an odd cloud, what landed and what was sent, by person and document type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.graphite.points import unpack
from oura_pipeline_tests.end_to_end import odd_truth

if TYPE_CHECKING:
    from oura_pipeline_tests.end_to_end.odd_cloud import Held, OddCloud

Row = dict[str, Any]
Points = odd_truth.Points
Pair = tuple[str, str]  # username and name of a document type


@dataclass(frozen=True, kw_only=True)
class Group:
    """One person's documents of one type: what is held, what landed, what was sent."""

    document_type: DocumentType
    username: str
    good: Sequence[Held]
    spoiled: Sequence[Held]
    rows: Sequence[Row]
    points: Points
    aside: Sequence[str]
    # Day and path of what `oura.odd_values` reports.
    odd_values: Sequence[tuple[date, str]]
    # Of all good documents of the person.
    offsets: list[tuple[float, float]]
    doubtful: list[tuple[float, float]]
    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.username} {self.document_type.name}"


def groups_of(odd: OddCloud, everything: Sequence[Held], last: date) -> Iterator[Group]:
    """Return a group for each person and document type with days."""
    held: dict[Pair, list[Held]] = defaultdict(list)
    for one in everything:
        held[one.username, one.collection.name].append(one)
    sent, rows, today = _sent(odd), _rows(odd), datetime.now(UTC).date()
    aside = odd.pipeline.warehouse.quarantined(odd.usernames)
    odd_values = _odd_values(odd)
    for username in odd.usernames:
        theirs = [one for key, found in held.items() if key[0] == username for one in found]
        offsets = _offsets(one for one in theirs if not one.way)
        for document_type in odd.document_types:
            pair = username, document_type.name
            found, first, until = held[pair], odd.first, last
            if not document_type.partitioned:  # its day is that of the last fetch
                first = until = max((row["day"] for row in rows[pair]), default=today)
                found = [replace(one, day=first) for one in found]
            yield Group(
                document_type=document_type,
                username=username,
                good=[one for one in found if not one.way],
                spoiled=[one for one in found if one.way],
                rows=rows[pair],
                points=sent[pair],
                aside=[one.document for one in aside if (one.username, one.document_type) == pair],
                odd_values=odd_values[pair],
                offsets=offsets,
                doubtful=_offsets(theirs),
                first=first,
                last=until,
            )


def _offsets(held: Iterable[Held]) -> list[tuple[float, float]]:
    return sorted(
        pair for one in held for pair in odd_truth.offsets_of(one.collection.name, one.document)
    )


def _rows(odd: OddCloud) -> dict[Pair, list[Row]]:
    found: dict[Pair, list[Row]] = defaultdict(list)
    with duckdb.connect(str(odd.made.warehouse.path), read_only=True) as connection:
        for document_type in odd.document_types:
            result = connection.execute(f"SELECT * FROM oura.{document_type.table}")
            names = [column[0] for column in result.description]
            for row in result.fetchall():
                values = dict(zip(names, row, strict=True))
                found[values["username"], document_type.name].append(values)
    return found


def _odd_values(odd: OddCloud) -> dict[Pair, list[tuple[date, str]]]:
    found: dict[Pair, list[tuple[date, str]]] = defaultdict(list)
    with duckdb.connect(str(odd.made.warehouse.path), read_only=True) as connection:
        exists = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'odd_values'"
        if connection.execute(exists).fetchone():
            sql = "SELECT username, document_type, day, path FROM oura.odd_values"
            for username, name, day, path in connection.execute(sql).fetchall():
                found[username, name].append((day, path))
    return found


def _sent(odd: OddCloud) -> dict[Pair, Points]:
    """Return the points that stand: those that the ledger has not withdrawn."""
    values = odd.values()
    found: dict[Pair, Points] = defaultdict(dict)
    for document_type in odd.document_types:
        for push in odd.pipeline.accounts.pushes.find(document_type.name):
            points = found[push.username, document_type.name]
            for metric, times in unpack(push.index).items():
                _, _, name = metric.split(".", 2)
                points |= {
                    (name, when): values[metric, when] for when in times if (metric, when) in values
                }
    return found


def values_in(path: Path) -> Points:
    """Return the last value of every point in a file of points, by metric and time."""
    values: Points = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            name, value, at = line.split(" ")
            values[name, int(at)] = float(value)
    return values
