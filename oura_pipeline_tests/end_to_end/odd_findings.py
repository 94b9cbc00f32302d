"""What a warehouse and Graphite's file have of an odd cloud, compared with the truth."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isclose
from typing import TYPE_CHECKING, Any

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.graphite.points import unpack
from oura_pipeline_tests.end_to_end import odd_truth

if TYPE_CHECKING:
    from oura_pipeline_tests.end_to_end.odd_cloud import Held, OddCloud

Row = dict[str, Any]
Points = odd_truth.Points


_TWO = ("twice", "twice_different", "day_twice_scored", "day_twice_unscored")


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


def findings(odd: OddCloud, everything: Sequence[Held], last: date) -> list[str]:
    """Return a line for everything that is not as it should be."""
    return [
        f"{group}: {wrong}"
        for group in _groups(odd, everything, last)
        for wrong in (*_documents(group), *_told(group), *_points(group))
    ]


def _groups(odd: OddCloud, everything: Sequence[Held], last: date) -> Iterator[Group]:
    held: dict[tuple[str, str], list[Held]] = defaultdict(list)
    for one in everything:
        held[one.username, one.collection.name].append(one)
    sent, rows = _sent(odd), _rows(odd)
    aside = odd.pipeline.warehouse.quarantined(odd.usernames)
    odd_values = _odd_values(odd)
    for username in odd.usernames:
        theirs = [one for key, found in held.items() if key[0] == username for one in found]
        offsets = _offsets(one for one in theirs if not one.way)
        for document_type in DOCUMENT_TYPES:
            if not document_type.partitioned:
                continue
            found = held[username, document_type.name]
            yield Group(
                document_type=document_type,
                username=username,
                good=[one for one in found if not one.way],
                spoiled=[one for one in found if one.way],
                rows=rows[username, document_type.name],
                points=sent[username, document_type.name],
                aside=[
                    one.document
                    for one in aside
                    if (one.username, one.document_type) == (username, document_type.name)
                ],
                odd_values=odd_values[username, document_type.name],
                offsets=offsets,
                doubtful=_offsets(theirs),
                first=odd.first,
                last=last,
            )


def _offsets(held: Any) -> list[tuple[float, float]]:
    return sorted(
        pair for one in held for pair in odd_truth.offsets_of(one.collection.name, one.document)
    )


def _rows(odd: OddCloud) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    with duckdb.connect(str(odd.made.warehouse.path), read_only=True) as connection:
        for document_type in DOCUMENT_TYPES:
            result = connection.execute(f"SELECT * FROM oura.{document_type.table}")
            names = [column[0] for column in result.description]
            for row in result.fetchall():
                values = dict(zip(names, row, strict=True))
                found[values["username"], document_type.name].append(values)
    return found


def _odd_values(odd: OddCloud) -> dict[tuple[str, str], list[tuple[date, str]]]:
    found: dict[tuple[str, str], list[tuple[date, str]]] = defaultdict(list)
    with duckdb.connect(str(odd.made.warehouse.path), read_only=True) as connection:
        exists = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'odd_values'"
        if connection.execute(exists).fetchone():
            sql = "SELECT username, document_type, day, path FROM oura.odd_values"
            for username, name, day, path in connection.execute(sql).fetchall():
                found[username, name].append((day, path))
    return found


def _sent(odd: OddCloud) -> dict[tuple[str, str], Points]:
    """Return the points that stand: those that the ledger has not withdrawn."""
    values: dict[tuple[str, int], float] = {}
    with (odd.made.home / "graphite.log").open(encoding="utf-8") as lines:
        for line in lines:
            name, value, at = line.split(" ")
            values[name, int(at)] = float(value)
    found: dict[tuple[str, str], Points] = defaultdict(dict)
    for document_type in DOCUMENT_TYPES:
        for push in odd.pipeline.accounts.pushes.find(document_type.name):
            points = found[push.username, document_type.name]
            for metric, times in unpack(push.index).items():
                _, _, name = metric.split(".", 2)
                points |= {(name, when): values[metric, when] for when in times}
    return found


def _documents(group: Group) -> Iterator[str]:
    """Every good document stands once, whole; every spoiled one as it should; and nothing else."""
    by_text: dict[str, list[Row]] = defaultdict(list)
    for stored in group.rows:
        by_text[_canonical(stored["document"])].append(stored)
    for held in group.good:
        days = _days(group, held)
        if not any(group.first <= day <= group.last for day in days):
            continue
        same = by_text[json.dumps(held.document, sort_keys=True)]
        row = same.pop() if same else None
        if row is None:
            if all(group.first <= day <= group.last for day in days):
                yield f"{held.day} {held.name} is missing"
        elif row["day"] not in days:
            yield f"{held.name} is of {row['day']}, not of {sorted(map(str, days))}"
        else:
            yield from (f"{held.day} {held.name}: {wrong}" for wrong in _nulls(held.document, row))
    left = [row for rows in by_text.values() for row in rows]
    for held in group.spoiled:
        if held.day and group.first <= held.day <= group.last:
            yield from (
                f"{held.day} {held.name} {held.way} {held.field}: {wrong}"
                for wrong in _spoiled(group, held, left)
            )
    for row in left:
        if group.first <= row["day"] <= group.last and not _is_in_doubt(group, row):
            yield f"{row['day']} {row['document'][:60]} should not be there"


def _is_in_doubt(group: Group, row: Row) -> bool:
    """Return whether a row stands on a day where only a document beyond the edge would place it."""
    document = json.loads(row["document"])
    return any(document == held.document for held in group.good)


def _days(group: Group, held: Held) -> set[date]:
    if held.collection.family != "samples":
        assert held.day is not None
        return {held.day}
    near = odd_truth.nearest_days
    return near(held.document, group.offsets) | near(held.document, group.doubtful)


def _taken(left: list[Row], texts: Sequence[bytes]) -> Row | None:
    """Take the row out whose document is one of these, and return it."""
    for number, row in enumerate(left):
        if any(_is_same(row["document"], text) for text in texts):
            return left.pop(number)
    return None


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _is_same(document: str, text: bytes) -> bool:
    if document.encode() == text:
        return True
    try:
        return bool(json.loads(document) == json.loads(text))
    except (ValueError, RecursionError):
        return False


def _nulls(document: Row, row: Row, path: str = "") -> Iterator[str]:
    """Yield the paths of what is in a document and not in its columns."""
    for name, value in document.items():
        if name not in row or value is None:
            continue
        column = row[name]
        if isinstance(value, dict) and isinstance(column, dict):
            yield from _nulls(value, column, f"{path}{name}.")
        elif column is None:
            yield f"{path}{name} is null"
        elif isinstance(value, (int, float)) and not isclose(float(column), float(value)):
            yield f"{path}{name} is another number"


def _told(group: Group) -> Iterator[str]:
    """What is set aside or reported is what was spoiled, and nothing else."""
    for document in group.aside:
        if not any(_is_kept(document, held.sent) for held in group.spoiled):
            yield f"{document[:80]} is set aside and should not be"
    touched = {(day, held.field) for held in group.spoiled for day in _days(group, held)}
    for day, path in group.odd_values:
        if not any(day == other and _is_of(path, field) for other, field in touched):
            yield f"{day} {path} is reported and should not be"


def _is_of(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.")


def _spoiled(group: Group, held: Held, left: list[Row]) -> Iterator[str]:
    good = json.dumps(held.document).encode()
    row = _taken(left, held.sent)
    if held.fate == "quarantined" and row is not None and _is_same(row["document"], good):
        # What it said before, which is the same to who reads the last of two values.
        row = None
    is_aside = any(_is_kept(document, held.sent) for document in group.aside)
    if held.fate in ("lands", "value missing"):
        if row is None:
            yield f"did not land{' and is set aside' if is_aside else ''}"
        elif held.fate == "value missing":
            yield from _still_there(group, held, row)
        if row is not None and held.way in _TWO:
            # The other of the two is set aside.
            if not _is_same(row["document"], good):
                yield "the wrong one of two landed"
        elif row is not None and is_aside:
            yield "landed and is set aside"
        if row is not None:
            yield from _disagreement(group, held, row)
        return
    if row is not None and (held.fate == "quarantined" or row["day"] == held.day):
        yield f"landed ({held.fate})"
    if held.fate == "quarantined" and not is_aside:
        yield "is not set aside"
    # What it said before may stand until it is known to be gone.
    _taken(left, [good])


def _is_kept(document: str, sent: Sequence[bytes]) -> bool:
    readable = [text.decode(errors="backslashreplace") for text in sent]
    return document in readable or any(_is_same(document, text) for text in sent)


def _still_there(group: Group, held: Held, row: Row) -> Iterator[str]:
    value = _at(row, held.field)
    # Tables keep what means "not measured"; views and Graphite do not show it.
    if isinstance(value, (int, float)) and "sentinel" not in str(held.way):
        yield f"the column has {value!r}"
    is_reported = any(
        day == row["day"] and _is_of(path, held.field) for day, path in group.odd_values
    )
    # What is not measured is no news, and a series that has no place in time is not looked at.
    unreported = ("sentinel", "interval", "series_no", "items_null")
    if not is_reported and not str(held.way).startswith(unreported):
        yield "is not reported"
    metric = _metric(group, held)
    if metric and (metric, odd_truth.midnight(row["day"])) in group.points:
        yield "Graphite has a value"


def _disagreement(group: Group, held: Held, row: Row) -> Iterator[str]:
    """SQL and Graphite say the same of a number."""
    metric, column = _metric(group, held), _at(row, held.field)
    if metric is None or "sentinel" in str(held.way):
        return
    point = group.points.get((metric, odd_truth.midnight(row["day"])))
    if (column is None) != (point is None) or (point and not isclose(float(column), point)):
        yield f"SQL has {column!r} and Graphite {point!r}"


def _metric(group: Group, held: Held) -> str | None:
    """Return the metric of a spoiled number that stands at 00:00 UTC of its day, if it does."""
    series = odd_truth.DAILY.get(group.document_type.name)
    good = _at(held.document, held.field) if held.field else None
    if series is None or isinstance(good, bool) or not isinstance(good, (int, float)):
        return None
    path = held.field.replace("contributors", "contrib").lower()
    return odd_truth.renamed(f"{series}.{path}")


def _at(value: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _points(group: Group) -> Iterator[str]:
    """Every point of a good document was sent, and no other, but near spoiled ones."""
    name = group.document_type.name
    good = {json.dumps(held.document, sort_keys=True): held.document for held in group.good}
    by_rows = [(row["day"], good.get(_canonical(row["document"]))) for row in group.rows]
    documents = [(day, document) for day, document in by_rows if document is not None]
    wanted = odd_truth.points_of(name, documents)
    doubt = {held.day for held in group.spoiled if held.day}
    doubt |= {day + timedelta(days=n) for day in doubt for n in (-1, 1)}
    if any(row["day"] > group.last or row["day"] < group.first for row in group.rows):
        doubt |= {group.first, group.last}
    for key in wanted.keys() | group.points.keys():
        if date(1970, 1, 1) + timedelta(days=key[1] // 86400) in doubt:
            continue
        want, have = wanted.get(key), group.points.get(key)
        if want is None or have is None or not isclose(want, have, rel_tol=1e-9):
            yield f"point {key} is {have}, not {want}"
