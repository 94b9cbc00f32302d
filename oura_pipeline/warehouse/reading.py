"""What a push reads: digests that tell which days changed, and the documents of chosen days."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.parts import Part, StoredDay
from oura_pipeline.warehouse.parts import parts, same_document
from oura_pipeline.warehouse.tables import quoted, table_name

PersonAndDay = tuple[str, date]  # username, day

# Control characters, which no JSON has.
_AFTER_PART, _BETWEEN_DOCUMENTS = "\x1f", "\x1e"


class DayDigest(NamedTuple):
    """The documents of a person and day, in short.

    Attributes:
        size: of their JSON, in bytes.
        digest: of their JSON, and of the part that each of them plays.
    """

    size: int
    digest: str


def day_digests(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    days: Collection[PersonAndDay],
) -> dict[PersonAndDay, DayDigest]:
    """Return a digest of each of these days that has documents."""
    rows = _select(connection, document_type, days, "NULL")
    return {key: digest for key, _, digest in rows}


def stored_days(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    days: Collection[PersonAndDay],
) -> dict[PersonAndDay, StoredDay]:
    """Return each of these days that has documents."""
    # A row per day: handing a hundred thousand rows over to Python takes longer than sorting them.
    order = ", ".join(f"d.{quoted(name)}" for name in ("day", *document_type.key))
    one = _with_part(document_type)
    together = f"string_agg({one}, '{_BETWEEN_DOCUMENTS}' ORDER BY {order})"
    rows = _select(connection, document_type, days, together)
    return {key: _stored_day(document_type, text, digest.digest) for key, text, digest in rows}


def _select(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    days: Collection[PersonAndDay],
    together: str,
) -> list[tuple[PersonAndDay, str, DayDigest]]:
    """Return each day that has documents, what `together` makes of them, and their digest."""
    if not days:
        return []
    usernames, dates = zip(*dict.fromkeys(days), strict=True)
    # Sums, which need no order.
    one = _with_part(document_type)
    rows = connection.execute(
        f"SELECT d.username, d.day, {together}, sum(strlen(d.document))::BIGINT, count(*), "
        f"sum(hash({one})), bit_xor(hash({one})) {_chosen(document_type)}",
        [usernames, dates, min(dates), max(dates)],
    ).fetchall()
    return [
        ((username, day), text, DayDigest(size, f"{count} {total:x} {parity:x}"))
        for username, day, text, size, count, total, parity in rows
    ]


def _with_part(document_type: DocumentType) -> str:
    """Return the JSON of a document, after the part it plays where the type has variants."""
    document = "d.document::VARCHAR"
    if not document_type.variants:
        return document
    return f"coalesce(p.part, '') || '{_AFTER_PART}' || {document}"


def _stored_day(document_type: DocumentType, text: str, digest: str) -> StoredDay:
    documents = text.encode().split(_BETWEEN_DOCUMENTS.encode())
    if not document_type.variants:
        return StoredDay(documents, [None] * len(documents), digest)
    parts, raws = zip(*(one.split(_AFTER_PART.encode(), 1) for one in documents), strict=True)
    return StoredDay(raws, [Part(part.decode()) if part else None for part in parts], digest)


def _chosen(document_type: DocumentType) -> str:
    """Return the end of a query: from the documents of the days, by person and day."""
    joined = ""
    if document_type.variants:
        of_people = "username IN (SELECT unnest($1::VARCHAR[]))"
        of_days = parts(document_type, of_people, "day BETWEEN $3 AND $4")
        joined = f"LEFT JOIN ({of_days}) p ON {same_document('p', 'd')} "
    # First and last day beside the days themselves: other blocks of the file are not even read.
    return (
        f"FROM {table_name(document_type)} d "
        "JOIN (SELECT unnest($1::VARCHAR[]) AS username, unnest($2::DATE[]) AS day) c "
        f"ON c.username = d.username AND c.day = d.day {joined}"
        "WHERE d.day BETWEEN $3 AND $4 GROUP BY d.username, d.day"
    )
