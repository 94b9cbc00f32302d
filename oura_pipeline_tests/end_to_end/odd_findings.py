"""What a warehouse and Graphite's file have of an odd cloud, compared with the truth."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import isclose
from typing import TYPE_CHECKING, Any

import duckdb

from oura_pipeline.days import days_between
from oura_pipeline.warehouse.drift.checks import unknown_fields
from oura_pipeline_tests.end_to_end import odd_truth
from oura_pipeline_tests.end_to_end.odd_groups import Group, Row, groups_of

if TYPE_CHECKING:
    from oura_pipeline.catalog.document_types import DocumentType
    from oura_pipeline_tests.end_to_end.odd_cloud import Held, OddCloud

_CODES = (
    ("sleep", "type"),
    ("daily_stress", "day_summary"),
    ("daily_resilience", "level"),
    ("heartrate", "source"),
    ("session", "type"),
    ("workout", "source"),
)
_TWO = ("twice", "twice_different", "day_twice_scored", "day_twice_unscored")


def findings(odd: OddCloud, everything: Sequence[Held], last: date) -> list[str]:
    """Return a line for everything that is not as it should be."""
    groups = list(groups_of(odd, everything, last))
    sleeps = [group for group in groups if group.document_type.name == "sleep"]
    return [*differences(groups), *_views(odd, sleeps), *_unknown_fields(odd, groups)]


def differences(groups: Sequence[Group]) -> list[str]:
    """Return a line for each document and point that is not as it should be."""
    return [
        f"{group}: {wrong}"
        for group in groups
        for wrong in (*_documents(group), *_told(group), *_points(group))
    ]


def _views(odd: OddCloud, sleeps: Sequence[Group]) -> Iterator[str]:
    """Every view can be read whole, and `nights` has the same nights as Graphite."""
    copy = odd.made.home / "odd.duckdb"
    odd.made.warehouse.publish(copy)
    with duckdb.connect(str(copy), read_only=True) as connection:
        listed = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'oura' ORDER BY ALL"
        for (view,) in connection.execute(listed).fetchall():
            try:
                connection.execute(f"SELECT sum(hash(v)) FROM oura.{view} v").fetchall()
            except duckdb.Error as error:
                yield f"view {view}: {error}"
        rows = connection.execute("SELECT username, day, sleep_id FROM oura.nights").fetchall()
    for group in sleeps:
        theirs = [(day, night) for username, day, night in rows if username == group.username]
        wanted, shown = odd_truth.nights_of(_good_rows(group)), dict(theirs)
        if len(shown) != len(theirs):
            yield f"{group}: a day has two nights"
        for day in (wanted.keys() | shown.keys()) - _doubtful_days(group):
            if wanted.get(day) != shown.get(day):
                yield f"{group}: the night of {day} is {shown.get(day)}, not {wanted.get(day)}"


def _unknown_fields(odd: OddCloud, groups: Sequence[Group]) -> Iterator[str]:
    """What no description knows is found by the check of it, and nothing else is."""
    types = {group.document_type.name: group.document_type for group in groups}
    with odd.pipeline.warehouse.kept_open():
        yield from _unknown_fields_of(odd, groups, types)


def _unknown_fields_of(
    odd: OddCloud, groups: Sequence[Group], types: dict[str, DocumentType]
) -> Iterator[str]:
    for name, document_type in types.items():
        theirs = [group for group in groups if group.document_type.name == name]
        days = days_between(theirs[0].first, theirs[0].last)
        sent = {
            str(held.way)
            for group in theirs
            for held in group.spoiled
            if set(days) & _days(group, held)
        }
        found = unknown_fields(odd.pipeline.warehouse, document_type, odd.usernames, days)
        if bool(found) != bool(sent & {"unknown_field", "unknown_object", "deep"}):
            yield f"{name}: unknown fields are {found}"


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
        is_code = held.way == "unknown_code" and (group.document_type.name, held.field) in _CODES
        if row is not None and is_code and not _is_reported(group, held, row):
            yield "is not reported"
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
    # What is not measured is no news, nor is a series of nothing.
    unreported = ("sentinel", "items_null")
    if not _is_reported(group, held, row) and not str(held.way).startswith(unreported):
        yield "is not reported"
    metric = _metric(group, held)
    if metric and (metric, odd_truth.midnight(row["day"])) in group.points:
        yield "Graphite has a value"


def _is_reported(group: Group, held: Held, row: Row) -> bool:
    return any(day == row["day"] and _is_of(path, held.field) for day, path in group.odd_values)


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
    if odd_truth.is_no_metric(held.field):
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
    wanted = odd_truth.points_of(name, _good_rows(group))
    doubt = _doubtful_days(group)
    for key in wanted.keys() | group.points.keys():
        if date(1970, 1, 1) + timedelta(days=key[1] // 86400) in doubt:
            continue
        want, have = wanted.get(key), group.points.get(key)
        if want is None or have is None or not isclose(want, have, rel_tol=1e-9):
            yield f"point {key} is {have}, not {want}"


def _good_rows(group: Group) -> list[tuple[date, Row]]:
    good = {json.dumps(held.document, sort_keys=True): held.document for held in group.good}
    rows = [(row["day"], good.get(_canonical(row["document"]))) for row in group.rows]
    return [(day, document) for day, document in rows if document is not None]


def _doubtful_days(group: Group) -> set[date]:
    """Return the days on which something was spoiled, and those beside them."""
    doubt = set()
    for held in group.spoiled:
        # A series of a day that is twice as long reaches into the day after the next.
        last = 2 if held.way == "series_twice_as_long" else 1
        doubt |= {held.day + timedelta(days=n) for n in range(-1, last + 1) if held.day}
    if any(row["day"] > group.last or row["day"] < group.first for row in group.rows):
        doubt |= {group.first, group.last}
    return doubt
