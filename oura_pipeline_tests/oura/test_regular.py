"""What counts as regular holds nothing odd, however a document is changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import msgspec
import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import DAY, FLAG, TEMPORAL
from oura_pipeline.oura.regular import is_regular
from oura_pipeline.warehouse.drift.scan import find_odd_documents

Document = dict[str, Any]
Path = tuple[str | int, ...]
VALUES = (
    *(None, True, 0, -1.5, 7, 10**20, 10**40, [], {}, [None], [[]], [1, "a"], [{}], {"more": 1}),
    *("", "7", "abc", "2026-01-31", "2026-02-30", "2024-02-29", "0000-01-01", "26-01-01"),
    *("2026-01-31T10:00:00+01:00", "2026-01-31t10:00:00z", "2026-01-31 10:00:00Z"),
    *("2026-01-31T10:00:00", "2026-01-31T10:00:00+01:00\n", "1899-01-31T10:00:00Z"),
    *("2200-01-31T10:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T10:00:60Z"),
    *(
        "2026-04-31",
        "2026-04-31T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2026-01-31T10:00:00+24:00",
        "2026-01-31T10:00:00.1234567Z",
        "2026-01-31\n2026-01-31",
        "2026-01-31T10:00:00Z\n2026-01-31T10:00:00Z",
        "20२६-01-31",
        "20२६-01-31T10:00:00Z",
    ),
)


def document_of(fields: Iterable[Field]) -> Document:
    return {field.name: value_of(field) for field in fields}


def value_of(field: Field) -> Any:
    if field.item:
        return [value_of(field.item), None]
    if field.inside:
        return document_of(field.inside)
    if field.kind in TEMPORAL:
        return "2026-01-31" if field.kind is DAY else "2026-01-31T10:00:00.5+01:00"
    if field.kind.is_number:
        return 7.5
    return True if field.kind is FLAG else "abc"


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in inside:
        yield (*path, name)
        if isinstance(part, dict | list):
            yield from paths(part, (*path, name))


def changed(document: Document, path: Path, value: Any) -> Document:
    made = copy.deepcopy(document)
    inside: Any = made
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    return made


def texts(document_type: DocumentType) -> Iterator[str]:
    document = document_of(document_type.fields)
    yield json.dumps(document)
    for path in paths(document):
        yield from (json.dumps(changed(document, path, value)) for value in VALUES)
        for number in ("1e308", "-1e400", "9" * 320):
            yield json.dumps(changed(document, path, "number")).replace('"number"', number)
        if isinstance(path[-1], str):
            yield json.dumps(changed(document, (*path[:-1], "unheard_of"), 1))


@pytest.mark.parametrize("document_type", DOCUMENT_TYPES, ids=lambda one: one.name)
def test_nothing_odd_is_regular(document_type: DocumentType) -> None:
    tried = list(texts(document_type))
    regular = [text for text in tried if is_regular(document_type, f'{{"data":[{text}]}}'.encode())]
    assert regular[0] == tried[0]
    assert len(regular) < len(tried) / 2
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE tried AS SELECT unnest($1::VARCHAR[])::JSON AS document", [regular]
        )
        source = "(SELECT rowid AS row_id, document FROM tried)"
        scan = find_odd_documents(connection, source, document_type)
        cleaned = connection.execute(
            "SELECT document::VARCHAR, cleaned FROM odd_documents o JOIN tried t "
            "ON t.rowid = o.row_id"
        ).fetchall()
    assert (scan.odd, scan.unknown, scan.paths) == ({}, set(), set())
    # Some are looked at more closely, and come out as they are.
    assert [text for text, clean in cleaned if json.loads(text) != json.loads(clean)] == []


def test_a_page_is_regular_only_if_all_its_documents_are() -> None:
    document_type = next(one for one in DOCUMENT_TYPES if one.name == "daily_sleep")
    good = document_of(document_type.fields)
    pages = ([good, good], [good, good | {"score": "high"}], [], [good | {"more": 1}], [[]])
    bodies = [msgspec.json.encode({"data": page, "next_token": None}) for page in pages]
    assert [is_regular(document_type, body) for body in bodies] == [True, False, True, False, False]
