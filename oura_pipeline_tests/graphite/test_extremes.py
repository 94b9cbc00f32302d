"""Absurd values of one person, in every field of every type: landed, flattened and pushed.

Nothing of another person changes by a byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field, walk
from oura_pipeline.graphite.carbon import FileSender
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.push import push
from oura_pipeline.oura.pages import Page, PageReader
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline.warehouse.warehouse import Warehouse

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = [date(2016, 3, 10) + timedelta(days=n) for n in range(3000)]
WHEN = "T10:00:00+00:00"
NUMBERS = (
    *("1.7976931348623157e308", "-1.7976931348623157e308", "1e308", "1.8e308", "-1.8e308"),
    *("1e999999999", "-9223372036854775808", "9223372036854775807", "18446744073709551616"),
    *("1" + 30 * "0", "1" + 400 * "0", "1" + 5000 * "0", "5e-324", "-0.0", "1e-999", "0", "255"),
    *("40.5", "NaN", "Infinity", "true", '"62"', '"many"', '""', "[]", "[1e308]", "{}", "null"),
)
TEXTS = ('"\\u0000"', '"\\ud800"', '"\xff"', '"' + "x" * 100_000 + '"', "7", "1e308", "[]", "{}")
TIMES = (
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-12:00"', '"2026-02-30T00:00:00Z"'),
    *('"1970-01-01T00:00:00Z"', '"2199-12-31T23:59:59Z"', '"2026-03-10T10:00:00"', '"0000-00-00"'),
    *('"2026-03-10T10:00:00.123456789+23:59"', '"2026-13-45T25:61:61Z"', "1e308", "null", "[]"),
)
SERIES = (
    '{"interval":1e-300,"items":[1],"timestamp":"2026-03-10T10:00:00Z"}',
    '{"interval":1e300,"items":[1,2],"timestamp":"2026-03-10T10:00:00Z"}',
    '{"interval":1.7e308,"items":[1.7e308,1.7e308],"timestamp":"9999-12-31T23:59:59Z"}',
    '{"interval":-5,"items":[1,2],"timestamp":"0001-01-01T00:00:00Z"}',
    '{"interval":0,"items":[1,2],"timestamp":"2026-03-10T10:00:00Z"}',
    '{"interval":1,"items":[1.7e308,1.7e308,1.7e308],"timestamp":"2026-03-10T10:00:00Z"}',
    '{"interval":1e-6,"items":[1.7e308,1.7e308,-1.7e308],"timestamp":"2026-03-10T10:00:00Z"}',
    '{"interval":300,"items":[1.8e308,NaN,"x",true,[1],{"a":1e308}],"timestamp":7}',
    '{"interval":300,"items":{"0":1},"timestamp":null}',
    "[1e308]",
    "1e308",
    '"1e308"',
)


def extremes(field: Field) -> Sequence[str]:
    """What is tried in a field, as JSON."""
    if field.kind is kinds.SERIES:
        return SERIES
    if field.kind in (kinds.DAY, kinds.INSTANT, kinds.LOCAL):
        return TIMES
    return NUMBERS if field.kind.is_number else (*TEXTS, *NUMBERS[:8])


def usual(field: Field, day: date) -> Any:
    """What is expected in a field."""
    if field.kind is kinds.SERIES:
        return {"interval": 300, "items": [1, None, 2.5], "timestamp": f"{day}{WHEN}"}
    if field.item:
        return [usual(field.item, day)]
    if field.inside:
        return {inner.name: usual(inner, day) for inner in field.inside}
    if field.kind is kinds.DAY:
        return day.isoformat()
    if field.kind in (kinds.INSTANT, kinds.LOCAL):
        return f"{day}{WHEN}"
    if field.known_words:
        return field.known_words[0]
    return {"BOOLEAN": True, "DOUBLE": 50}.get(field.kind.sql_type, "1234")


def document(document_type: DocumentType, day: date, number: int) -> dict[str, Any]:
    """A document as it should be; several have one minute, so that their numbers meet."""
    made = {field.name: usual(field, day) for field in document_type.fields}
    made["id"] = f"id-{number}"
    if document_type.day_field is None and document_type.starts_at:
        made[document_type.starts_at] = f"{day}T10:00:{number % 60:02}+00:00"
    return made


def absurd(document_type: DocumentType) -> Iterator[bytes]:
    """Every extreme in every field; where numbers can meet, three times: their sums overflow."""
    times = 1 if document_type.daily else 3
    numbers = count()
    for path, field in walk(document_type.fields, lists=False):
        for text in extremes(field):
            for _ in range(times):
                number = next(numbers)
                place = number // times
                made = document(document_type, DAYS[place], number)
                *above, name = path
                inside = made
                for part in above:
                    inside = inside[part]
                inside[name] = "@"
                # Bytes like these are no UTF-8.
                yield json.dumps(made).replace('"@"', text).encode("latin-1")
    # A pair that is worse together than each alone.
    whole = json.dumps(document(document_type, DAYS[0], next(numbers)))
    yield whole.replace("50", "1.7e308").replace("2.5", "-1.7e308").encode()


def read(document_type: DocumentType, documents: Iterable[bytes]) -> Page:
    """What is made of an answer with these documents."""
    reader = PageReader(
        document_type,
        wanted=lambda day: DAYS[0] <= day <= DAYS[-1],
        today=DAYS[0],
    )
    body = b'{"data":[' + b",".join(documents) + b"]}"
    page, _ = reader.page(body, DateRangeQuery())
    return page


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Warehouse]]:
    """One of bob alone and one where ada is beside him; each test lands another document type."""
    folder = tmp_path_factory.mktemp("extremes")
    alone, beside = (Warehouse(folder / f"{name}.duckdb") for name in ("alone", "beside"))
    with alone.kept_open(), beside.kept_open():
        yield alone, beside


def stored(
    warehouse: Warehouse,
    log: Path,
    ledger: Pushes,
    document_type: DocumentType,
    pages: dict[str, Page],
) -> tuple[list[Any], list[str]]:
    """Land, flatten and push everybody's pages; return bob's rows and lines."""
    with warehouse.spool(document_type) as spool:
        for username, page in pages.items():
            spool.add(username, page.documents)
            spool.add(username, page.outside, requested=False)
            spool.set_aside(username, page.unusable)
        warehouse.land(
            document_type,
            spool,
            usernames=list(pages),
            first_day=DAYS[0],
            last_day=DAYS[-1],
            fetched_at=NOW,
            run_id="run",
        )
    found = warehouse.documents_of(document_type, list(pages), date.min, date.max)
    days = [
        points
        for username, documents in found.items()
        for points in flatten(
            document_type, username, documents, first_day=DAYS[0], last_day=DAYS[-1]
        )
    ]
    push(days, sender=FileSender(log), ledger=ledger, now=NOW, even_unchanged=True)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "inf" in line or "nan" in line.lower()]
    rows = warehouse.query(
        f"SELECT * FROM oura.{document_type.table} WHERE username = 'bob' ORDER BY ALL"
    )
    return rows, [line for line in lines if line.startswith("bio.bob.")]


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_absurd_values_stop_at_their_owner(
    warehouses: tuple[Warehouse, Warehouse],
    document_type: DocumentType,
    tmp_path: Path,
    ledger: Pushes,
) -> None:
    usual_documents = [
        json.dumps(document(document_type, day, number)).encode()
        for number, day in enumerate(DAYS[:40])
    ]
    bob = read(document_type, usual_documents)
    assert (len(bob.documents), bob.unusable) == (40, [])
    ada = read(document_type, absurd(document_type))
    assert ada.documents
    alone, beside = (
        stored(warehouse, tmp_path / warehouse.path.name, ledger, document_type, pages)
        for warehouse, pages in zip(
            warehouses, ({"bob": bob}, {"ada": ada, "bob": bob}), strict=True
        )
    )
    assert alone[0]
    assert beside == alone
    assert not document_type.partitioned or alone[1]
