"""The documents behind each series of Graphite, as SQL: which ones, and at which time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from oura_pipeline.catalog.document_types import DocumentType, Variants
from oura_pipeline.catalog.metrics import is_event
from oura_pipeline.catalog.parts import Part
from oura_pipeline.warehouse.parts import same_document
from oura_pipeline.warehouse.tables import literal, quoted, table_name

# Times are whole microseconds since 1970 (UTC) until the very end: instants that are grouped and
# divided as numbers need no time zone and no extension of DuckDB.
MICRO = 1_000_000  # microseconds in a second
MIDNIGHT = "epoch_us(CAST(d.day AS TIMESTAMP))"  # 00:00 UTC of the day, μs

_NAME = "[a-z0-9_-]{1,100}"


@dataclass(frozen=True, kw_only=True)
class SeriesSource:
    """The documents of one type whose numbers go to one series.

    Attributes:
        document_type: the document type.
        series: the series in Graphite.
        where: a condition on a document `d`.
        chosen: another one that ranks the documents of a day; `$day` is the day's column.
        instant: the instant of their plain numbers, μs; None: values of a whole day.
        alone: whether a person has at most one of them a day.
        split: SQL for the name of a sub-series to which the values go as well; None: there is none.
        part: the part in their day that the documents must have; None: their type has none.
    """

    document_type: DocumentType
    series: str
    where: str = "true"
    chosen: str = ""
    instant: str | None = None
    alone: bool = False
    split: str | None = None
    part: Part | None = None

    def query(self, columns: Iterable[str], condition: str) -> str:
        """Return a query for columns of the documents `d` that fulfil a condition."""
        table = f"{table_name(self.document_type)} d"
        return self._query("d.day", columns, table, condition)

    def query_of_following(self, columns: Iterable[str], condition: str, end: str) -> str:
        """Return the same query for the documents of the next day, under the day before it.

        Args:
            columns: as SQL.
            condition: may use `end_before`, the end of the day before, μs.
            end: SQL for the end of a document `d`, μs.
        """
        # Where the later day must win, a day is joined with the documents of the next day that
        # begin before it ends: hardly any, and DuckDB reads no other days for it.
        table = f"{table_name(self.document_type)} d"
        joined = (
            f"{table} JOIN (SELECT d.username, d.day, max({end}) AS end_before FROM {table} "
            "GROUP BY ALL) e ON d.username = e.username AND d.day = e.day + 1"
        )
        return self._query("e.day", columns, joined, condition)

    def _query(self, day: str, columns: Iterable[str], tables: str, condition: str) -> str:
        listed = ", ".join(["d.username", f"{day} AS day", *columns])
        chosen = f" QUALIFY {self.chosen.replace('$day', day)}" if self.chosen else ""
        # After the ranking, in which documents without a value take part.
        rest = f"{chosen} AND {condition}"
        if self.part:
            name = parts_name(self.document_type)
            tables += (
                f" JOIN {name} p ON {same_document('p', 'd')} AND p.part = {literal(self.part)}"
            )
        return f"SELECT {listed} FROM {tables} WHERE {self.where}{rest}"


def series_sources(document_type: DocumentType) -> tuple[SeriesSource, ...]:
    """Return the sources of a document type: one, or one for main documents and one for others."""
    if document_type.variants:
        return _sources_of_variants(document_type, document_type.variants)
    if not is_event(document_type):
        alone = document_type.daily or not document_type.key or document_type.newest is not None
        return (
            SeriesSource(
                document_type=document_type,
                series=document_type.series,
                chosen=_newest(document_type),
                alone=alone,
            ),
        )
    return (
        SeriesSource(
            document_type=document_type,
            series=document_type.series,
            where=_has_required_start(document_type),
            instant=_instant(document_type),
            split=_split(document_type.split_by) if document_type.split_by else None,
        ),
    )


def parts_name(document_type: DocumentType) -> str:
    """Return the name of the relation that has the parts of the documents of a type."""
    return f"{document_type.table}_parts"


def unsplit(source: SeriesSource) -> SeriesSource:
    """Return the same source without sub-series."""
    return replace(source, split=None)


def column(path: tuple[str, ...]) -> str:
    """Return the column, or the part of one, that holds a field."""
    return ".".join(["d", *map(quoted, path)])


def ordered_key(document_type: DocumentType) -> list[str]:
    """Return the parts of a document's key, such that their order is the same in every session."""
    return [
        # As bytes: the order of texts depends on the session's collation.
        f"encode({column((field.name,))})" if field.sql_type == "VARCHAR" else column((field.name,))
        for name in document_type.key
        for field in document_type.fields
        if field.name == name
    ]


def instant_in(name: str) -> str:
    """Return the instant in a field, μs."""
    return f"epoch_us({column((name,))})"


def start_field(document_type: DocumentType) -> str:
    """Return the name of the field with a document's time, empty if there is none."""
    return document_type.starts_at or ""


def _newest(document_type: DocumentType) -> str:
    """Return the condition for the newest document of a day; of equals the last by key."""
    if not document_type.newest:
        return ""
    newest = f"coalesce({instant_in(document_type.newest)}, 0)"
    return _is_first(
        ", ".join(f"{one} DESC NULLS LAST" for one in (newest, *ordered_key(document_type)))
    )


def _sources_of_variants(
    document_type: DocumentType, variants: Variants
) -> tuple[SeriesSource, ...]:
    """Return the source of main documents, and the source of others."""
    return (
        SeriesSource(
            document_type=document_type, series=document_type.series, part=Part.MAIN, alone=True
        ),
        SeriesSource(
            document_type=document_type,
            series=variants.other_series,
            part=Part.OTHER,
            where=_has_required_start(document_type),
            instant=_instant(document_type),
        ),
    )


def _is_first(order: str) -> str:
    return f"row_number() OVER (PARTITION BY d.username, $day ORDER BY {order}) = 1"


def _has_required_start(document_type: DocumentType) -> str:
    """Return the condition that a document has the time that its type requires."""
    if not _needs_start(document_type):
        return "true"
    return f"{column((start_field(document_type),))} IS NOT NULL"


def _needs_start(document_type: DocumentType) -> bool:
    return any(
        field.name == document_type.starts_at and field.required for field in document_type.fields
    )


def _instant(document_type: DocumentType) -> str:
    """Return the instant of a document, μs; midnight if its type requires none."""
    start = instant_in(start_field(document_type))
    return start if _needs_start(document_type) else f"coalesce({start}, {MIDNIGHT})"


def _split(split_by: str) -> str:
    name = f"lower({column((split_by,))})"
    return f"CASE WHEN regexp_full_match({name}, {literal(_NAME)}) THEN {name} END"
