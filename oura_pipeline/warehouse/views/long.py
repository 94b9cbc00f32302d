"""The view `long`: everything numeric as Graphite has it, one row per point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Merge
from oura_pipeline.catalog.kinds import DIGITS, SERIES
from oura_pipeline.catalog.metrics import (
    COUNT,
    Leaf,
    Tree,
    Vocabulary,
    component,
    path_name,
    sent_at_all,
)
from oura_pipeline.warehouse.parts import parts
from oura_pipeline.warehouse.tables import literal, table_name
from oura_pipeline.warehouse.views.samples import (
    digits,
    duration,
    json_number,
    number,
    plain,
    points,
    series,
)
from oura_pipeline.warehouse.views.series_sources import (
    MIDNIGHT,
    SeriesSource,
    column,
    parts_name,
    series_sources,
    unsplit,
)
from oura_pipeline.warehouse.views.texts import code_of_text
from oura_pipeline.warehouse.views.view import Column, View

Path = tuple[str, ...]
Unknown = Mapping[str, Sequence[str]]  # name of a document type: dotted paths

_DEFINITION = (
    "The numbers that are sent to Graphite as `bio.<username>.<series>.<metric>`, by the same "
    "rules. Values of a whole day (including the plain numbers of the main night, and the count "
    "of tags) are at 00:00 UTC of Oura's day. Values of a moment are at its instant, rounded down "
    "to an interval: heart rate and met 60 s, battery 300 s, single events and naps 60 s, other "
    "series their own. Several values in one interval of a day become one: levels their mean, "
    "amounts their sum, codes the last. If two consecutive days have the same metric at the same "
    "time, the later day wins. The main sleep of a day and naps are those of the views nights and "
    "naps; other sleeps, and naps that are too short, are absent. Heart rate is there twice, as "
    "bpm and by its source, for instance awake.bpm. Texts become the codes of the table of "
    "document types; other texts, null and the numbers that Oura writes for null (0 and 255 in "
    "heart rates, 0 in HRV, breath, SpO2, VO2 max, vascular age and pulse wave velocity) are "
    "absent. Of a person's rings only the newest is there. Plain numbers that the table of "
    "document types does not know (see unknown_fields) are read from the documents; series that it "
    "does not know are in Graphite only."
)
_COLUMNS = (
    Column("username", "The person."),
    Column("document_type", "The document type, in Oura's spelling."),
    Column("day", "The day it belongs to, according to Oura, or the local date of its instant."),
    Column("series", "The series in Graphite, the name after the username."),
    Column("metric", "The metric in Graphite, all names after the series, with dots."),
    Column(
        "time", "Start of its interval, an instant; of values of a whole day: 00:00 UTC of the day."
    ),
    Column("value", "The number, in the unit of the field in the document type's table."),
)

# Without an order between the parts and the reader, DuckDB 1.5 deadlocks when a result is large
# (duckdb/duckdb#22215). MATERIALIZED would help too, but a stored view loses it. Filters reach the
# tables all the same.
_IN_ONE = "WITH {} SELECT * FROM (\n{}\n)\nORDER BY time ASC NULLS LAST"


def long_view(unknown: Unknown | None = None) -> View:
    """Return the view `long`.

    Args:
        unknown: the paths in `oura.unknown_fields`, by document type.
    """
    branches = [
        branch
        for document_type in DOCUMENT_TYPES
        for branch in _branches(document_type, [*(unknown or {}).get(document_type.name, ())])
    ]
    relations = [
        f"{parts_name(document_type)} AS ({parts(document_type)})"
        for document_type in DOCUMENT_TYPES
        if document_type.variants
    ]
    return View(
        name="long",
        description="Every number as Graphite has it.",
        one_row_per="person, series, metric and time",
        definition=_DEFINITION,
        columns=_COLUMNS,
        sql=_IN_ONE.format(", ".join(relations), "\nUNION ALL\n".join(branches)),
    )


def _branches(document_type: DocumentType, unknown: Iterable[str]) -> Iterator[str]:
    """Yield queries for the metrics, and for those of the sub-series."""
    # Nothing is joined, so that a filter by person and day reaches the tables.
    vocabulary = Vocabulary(document_type)
    strange = [tuple(path.split(".")) for path in unknown]
    for source in series_sources(document_type):
        numbers: dict[Merge, dict[str, str]] = defaultdict(dict)
        for path, leaf in _leaves(vocabulary.tree):
            field = leaf.field
            merge = Merge.MEAN if source.alone else field.merge  # of one value they are the same
            if field.kind is SERIES:
                yield from points(source, series(source, path, field, leaf.name), field.merge)
            elif field.kind is DIGITS:
                yield from points(source, digits(source, path, field, leaf.name), field.merge)
            elif leaf.is_number:
                numbers[merge][leaf.name] = number(column(path), field)
            elif field.codes is not None:
                numbers[merge][leaf.name] = code_of_text(column(path), field.codes)
        for merge, values in numbers.items():
            yield from points(source, plain(source, values), merge)
        # Apart from the others, because reading a document takes longer than reading columns.
        free = {
            name: f"coalesce({', '.join(map(json_number, paths))})"
            for name, paths in _free_names(vocabulary, source, strange)
        }
        if free:
            yield from points(source, plain(source, free), Merge.MEAN)
        if document_type.ends_at and source.series == document_type.series:
            yield from points(unsplit(source), duration(source), Merge.SUM)
    if document_type.counted:
        yield _count(document_type)


def _leaves(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    for key, known in tree.items():
        if isinstance(known, Leaf):
            yield (*path, key), known
        elif known is not None:
            yield from _leaves(known, (*path, key))


def _free_names(
    vocabulary: Vocabulary, source: SeriesSource, paths: Iterable[Path]
) -> Iterator[tuple[str, list[Path]]]:
    """Yield the names of unknown fields with their paths, the one spelt like its name first."""
    sent = (path for path in paths if _is_sent(vocabulary.tree, path))
    in_order = sorted(
        sent, key=lambda path: (path_name(path), ".".join(path) != path_name(path), path)
    )
    for name, spellings in groupby(in_order, key=path_name):
        if not vocabulary.is_taken(name, source.series):
            yield name, list(spellings)


def _is_sent(tree: Tree, path: Path) -> bool:
    """Return whether an unknown number at this path is sent."""
    first = _first_unknown(tree, path)
    if first is None:
        return False
    return all(map(sent_at_all, path[first:])) and all(map(component, path))


def _first_unknown(tree: Tree, path: Path) -> int | None:
    """Return how many names of the path are known; None if all are, or if it is never sent."""
    for depth, key in enumerate(path):
        if key not in tree:
            return depth
        known = tree[key]
        is_last = depth == len(path) - 1
        if known is None:
            return None
        if isinstance(known, Leaf):
            if known.field.kind is SERIES:
                return None if is_last else depth + 1
            read = known.field.kind is DIGITS or known.field.codes is not None
            return None if read or (known.is_number and is_last) else depth
        tree = known
    return len(path) - 1


def _count(document_type: DocumentType) -> str:
    """Return the query for the number of documents a day, also of those without a time."""
    return (
        f"SELECT d.username, {literal(document_type.name)}, d.day, "
        f"{literal(document_type.series)}, {literal(COUNT)}, "
        f"make_timestamptz({MIDNIGHT}), CAST(count(*) AS DOUBLE) "
        f"FROM {table_name(document_type)} d GROUP BY d.username, d.day"
    )
