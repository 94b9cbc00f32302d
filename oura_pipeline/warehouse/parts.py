"""The part that each document of a type with variants plays in its day, as SQL.

Everything that tells nights from naps asks here: the views, what is exported from them, Graphite.
"""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DocumentType, Variants
from oura_pipeline.catalog.parts import Part
from oura_pipeline.warehouse.measured import present
from oura_pipeline.warehouse.tables import literal, quoted, table_name

_SECOND = 1_000_000  # μs
_LONGEST = 86_400  # seconds; no sleep is longer, so what says so has a wrong clock
_USUAL = 28_800  # seconds; how long a sleep is taken to last that says neither its end nor length


def parts(document_type: DocumentType, condition: str = "true", asked: str | None = None) -> str:
    """Return the query for (username, day, row_id, part, mains) of the documents that may count.

    Documents that overlap in time, also by way of others and across days, are one: of these the
    one with the greatest amount counts, but none with a number that was not measured where another
    one measured it; the part of the others is null. The longest main document of a day is the
    day's own; of equals the earliest, then the first by id. On a day without one, the longest
    stand-in takes its place. `mains` is how many main documents the day has.

    Args:
        document_type: one with variants.
        condition: on a document, by its person; days must not be left out, because documents of
            different days can overlap.
        asked: a condition on the day: only documents that fulfil it, and those that overlap with
            them, also by way of others, need be right.

    Raises:
        LookupError: the type has no variants.
    """
    recursive = "" if asked is None else "RECURSIVE "
    return f"""
    WITH {recursive}documents AS ({_documents(document_type, condition)}),
    {_SPANS if asked is None else _spans_near(asked)},
    {_OVERLAPS},
    counted AS ({_counted(variants_of(document_type))})
    SELECT
        username, day, row_id,
        CASE
            WHEN NOT counts THEN NULL
            WHEN rank < 2 AND row_number() OVER of_day = 1 THEN '{Part.MAIN}'
            WHEN is_short AND rank > 0 THEN '{Part.SHORT}'
            ELSE '{Part.OTHER}'
        END AS part,
        count(*) FILTER (counts AND is_main) OVER (
            of_day ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS mains
    FROM counted
    WINDOW of_day AS (
        PARTITION BY username, day
        ORDER BY counts DESC NULLS LAST, rank ASC NULLS LAST, {_LONGEST_FIRST}
    )"""


def with_parts(document_type: DocumentType) -> str:
    """Return the query for all columns of the documents that count, with `part` and `mains`."""
    # The parts are found in a few narrow columns of all days of a person; the wide ones, with the
    # documents and series, are only read of the requested days, which the join hands on.
    return (
        f"SELECT d.*, p.part, p.mains FROM {table_name(document_type)} d "
        f"JOIN ({parts(document_type)}) p "
        f"ON {same_document('p', 'd')} WHERE p.part IS NOT NULL"
    )


def same_document(part: str, document: str) -> str:
    """Return the condition that a row of `parts` is about a document, given their aliases."""
    # By the number of the row, because whether ids are equal depends on the session's collation.
    # Person and day are there for the optimizer: filters on the one side reach the other.
    pairs = (("row_id", "rowid"), ("username", "username"), ("day", "day"))
    return " AND ".join(f"{part}.{one} = {document}.{other}" for one, other in pairs)


def digits_within(document_type: DocumentType, digits: str, seconds: str, alias: str = "") -> str:
    """Return a text of digits without those that would begin when the document ends, or later.

    Args:
        document_type: the type of the document.
        digits: the text, as SQL.
        seconds: between two digits, as SQL.
        alias: of the relation that holds the document, with a dot.
    """
    if document_type.variants is None:
        return digits
    start = f"{alias}{quoted(document_type.starts_at or '')}"
    end = f"{alias}{quoted(document_type.variants.ends_at)}"
    # Oura sends phases beyond the end at times. The last interval may be a part of one.
    most = f"ceil((epoch_us({end}) - epoch_us({start})) / ({seconds} * 1e6))"
    return (
        f"CASE WHEN {end} > {start} THEN left({digits}, CAST({most} AS BIGINT)) ELSE {digits} END"
    )


def variants_of(document_type: DocumentType) -> Variants:
    """Return the variants of a document type.

    Raises:
        LookupError: it has none.
    """
    if document_type.variants is None:
        raise LookupError(f"document type {document_type.name} has no variants")
    return document_type.variants


_BY_START = "PARTITION BY username ORDER BY start ASC NULLS LAST, id ASC NULLS LAST"
_LONGEST_FIRST = "length DESC NULLS LAST, start ASC NULLS LAST, id ASC NULLS LAST"
_SPANS = f"""spans AS (
        SELECT *, greatest(start + 1, CASE
            WHEN stop >= start AND stop - start <= {_LONGEST * _SECOND} THEN stop
            ELSE start + CAST(coalesce(length, {_USUAL}) * {_SECOND} AS BIGINT)
        END) AS until
        FROM documents
    )"""
# Numbers the stretches of documents that overlap, and counts what each of them did not measure
# though another one of its stretch did.
_OVERLAPS = f"""beginnings AS (
        SELECT *, (start < max(until) OVER (
            {_BY_START} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )) IS NOT TRUE AS begins
        FROM spans
    ),
    numbered AS (
        SELECT *, sum(CAST(begins AS INTEGER)) OVER (
            {_BY_START} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS number
        FROM beginnings
    ),
    judged AS (
        SELECT *, bit_count(
            written_for_null & bit_or(measured) OVER (PARTITION BY username, number)
        ) AS unmeasured
        FROM numbered
    )"""


def _spans_near(asked: str) -> str:
    """Return the queries for the spans of some days and of all that overlaps with them.

    From the first beginning to the last end of a person's documents of these days, and as long as
    something overlaps with that, from its beginning and to its end: nothing inside overlaps with
    anything outside.
    """
    overlaps = "s.start < r.high AND s.until > r.low"
    return f"""{_SPANS.replace("spans AS", "all_spans AS", 1)},
    reach(username, low, high) AS (
        SELECT username, min(start), max(until) FROM all_spans WHERE ({asked}) GROUP BY username
        UNION ALL
        SELECT r.username, min(s.start), max(s.until)
        FROM reach r JOIN all_spans s ON s.username = r.username AND {overlaps}
        GROUP BY r.username, r.low, r.high
        HAVING min(s.start) < r.low OR max(s.until) > r.high
    ),
    whole AS (SELECT username, min(low) AS low, max(high) AS high FROM reach GROUP BY username),
    spans AS (
        SELECT s.* FROM all_spans s JOIN whole r ON s.username = r.username
        WHERE ({asked}) OR ({overlaps})
    )"""


def _documents(document_type: DocumentType, condition: str) -> str:
    """Return the query for the few narrow columns by which documents are compared."""
    variants = variants_of(document_type)
    # Neither the session's zone nor its collation is involved: instants are whole microseconds,
    # and ids are compared as bytes.
    return f"""
        SELECT
            username, day,
            rowid AS row_id,
            encode(id) AS id,
            {quoted(variants.field)} AS kind,
            {quoted(variants.field)} = {literal(variants.main)} AS is_main,
            epoch_us({quoted(document_type.starts_at or "")}) AS start,
            epoch_us({quoted(variants.ends_at)}) AS stop,
            {_believable(variants.length)} AS length,
            {_believable(variants.amount)} AS amount,
            {_bits(document_type, "IS TRUE")} AS measured,
            {_bits(document_type, "IS FALSE")} AS written_for_null
        FROM {table_name(document_type)}
        WHERE {quoted(variants.field)} IN ({_kinds(variants)}) AND ({condition})"""


def _counted(variants: Variants) -> str:
    """Return the query that says which document of a stretch counts, and its rank in the day."""
    return f"""
        SELECT *,
            row_number() OVER (
                PARTITION BY username, number
                ORDER BY
                    unmeasured ASC NULLS LAST, amount DESC NULLS LAST,
                    is_main DESC NULLS LAST, {_LONGEST_FIRST}
            ) = 1 AS counts,
            (amount < {variants.least}) IS TRUE AS is_short,
            CASE
                WHEN is_main THEN 0
                WHEN kind = {literal(variants.stand_in)} AND NOT is_short THEN 1
                ELSE 2
            END AS rank
        FROM judged"""


def _kinds(variants: Variants) -> str:
    return ", ".join(map(literal, sorted({variants.main, *variants.others})))


def _believable(name: str) -> str:
    """Return seconds of a sleep; null if no sleep has so many."""
    # An absurd number must win neither the night nor years of other nights.
    return f"CASE WHEN {quoted(name)} BETWEEN 0 AND {_LONGEST} THEN {quoted(name)} END"


def _bits(document_type: DocumentType, is_so: str) -> str:
    """Return a bit for each number that Oura may write for null: whether it was measured or not."""
    doubtful = [field for field in document_type.fields if field.missing and field.kind.is_number]
    # One integer is carried through all windows at a fraction of what a list costs.
    bits = (
        f"CAST(({present(quoted(field.name), field)}) {is_so} AS INTEGER) * {1 << position}"
        for position, field in enumerate(doubtful)
    )
    return " + ".join(bits)
