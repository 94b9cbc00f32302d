"""Everything numeric as Graphite sees it: one row per point, its SQL made from the document types.

What surprises: nothing is joined, so that a filter by person and day reaches the tables. A day
gives each of its points to the day before as well, as one without a value; where the day before has
a point of its own at that time, the two meet in one group, and the group is dropped: the later day
wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Merge
from oura_pipeline.catalog.kinds import DIGITS, INTEGER, SERIES
from oura_pipeline.catalog.metrics import (
    COUNT,
    DURATION,
    Leaf,
    Tree,
    Vocabulary,
    component,
    path_name,
    sent_at_all,
)
from oura_pipeline.warehouse.tables import literal, table_name
from oura_pipeline.warehouse.views.samples import (
    MIDNIGHT,
    SeriesSource,
    code,
    column,
    digits,
    duration,
    json_number,
    number,
    plain,
    points,
    series,
    series_sources,
    unsplit,
)
from oura_pipeline.warehouse.views.view import Column, View

Path = tuple[str, ...]
Unknown = Mapping[str, Sequence[str]]  # name of a document type: dotted paths

_DEFINITION = (
    "The numbers that are sent to Graphite as `bio.<username>.<series>.<metric>`, by the same "
    "rules. What comes once a day (also the plain numbers of the main night, and the count of "
    "tags) stands at 00:00 UTC of Oura's day. What happens at a time stands at its instant, "
    "rounded down to its interval: heart rate and met 60 s, battery 300 s, single events and naps "
    "60 s, other series their own. Several values in one interval of a day become one: levels "
    "their mean, amounts their sum, codes the last. Where two days that follow each other have the "
    "same metric at the same time, the later day wins. The main night is the longest long_sleep of "
    "the day; other sleeps are in the series nap; rest and deleted are absent. Heart rate is there "
    "twice, as bpm and by its source, for instance awake.bpm. Texts have the codes of the table of "
    "document types; other texts, null and an SpO2 of 0 are absent. Only the newest ring is there. "
    "Plain numbers that the table of document types does not know (see unknown_fields) are read "
    "from the documents; series that it does not know are in Graphite only."
)
_COLUMNS = (
    Column("username", "The person."),
    Column("document_type", "The document type it is from, as Oura calls it."),
    Column("day", "The day that it belongs to, as Oura says, or the local date of its instant."),
    Column("series", "The series in Graphite, the name after the username."),
    Column("metric", "The metric in Graphite, all names after the series, with dots."),
    Column("time", "Begin of its interval, an instant; once a day: 00:00 UTC of the day."),
    Column("value", "The number, in the unit of the field in the document type's table."),
)

# The order is a pause between the parts and whoever reads them: without one DuckDB 1.5 waits for
# itself, for ever, when an answer is large (duckdb/duckdb#22215). A MATERIALIZED would be one too,
# but a stored view loses it. Filters reach the tables all the same.
_IN_ONE = "SELECT * FROM (\n{}\n)\nORDER BY time"


def long_view(unknown: Unknown | None = None) -> View:
    """The view `long`.

    Args:
        unknown: what stands in `oura.unknown_fields`, by document type.
    """
    branches = [
        branch
        for document_type in DOCUMENT_TYPES
        for branch in _branches(document_type, [*(unknown or {}).get(document_type.name, ())])
    ]
    return View(
        name="long",
        description="Every number as Graphite has it.",
        one_row_per="person, series, metric and time",
        definition=_DEFINITION,
        columns=_COLUMNS,
        sql=_IN_ONE.format("\nUNION ALL\n".join(branches)),
    )


def _branches(document_type: DocumentType, unknown: Iterable[str]) -> Iterator[str]:
    """One query for each metric, and one for each metric of the sub-series."""
    vocabulary = Vocabulary(document_type)
    strange = [tuple(path.split(".")) for path in unknown]
    for source in series_sources(document_type):
        for path, leaf in _leaves(vocabulary.tree):
            yield from _known(source, path, leaf, in_json=path in strange)
        for name, paths in _free_names(vocabulary, source, strange):
            value = f"coalesce({', '.join(map(json_number, paths))})"
            yield from points(source, name, plain(source, value), Merge.MEAN)
        if document_type.ends_at and source.series == document_type.series:
            yield from points(unsplit(source), DURATION, duration(source), Merge.SUM)
    if document_type.counted:
        yield _count(document_type)


def _leaves(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    for key, known in tree.items():
        if isinstance(known, Leaf):
            yield (*path, key), known
        elif known is not None:
            yield from _leaves(known, (*path, key))


def _known(source: SeriesSource, path: Path, leaf: Leaf, *, in_json: bool) -> Iterator[str]:
    """The points of a field; of an integer's that holds fractions at times, from the JSON."""
    field = leaf.field
    if field.kind is SERIES:
        samples = series(source, path, field)
    elif field.kind is DIGITS:
        samples = digits(source, path, field)
    elif leaf.is_number:
        value = json_number(path) if in_json and field.kind is INTEGER else column(path)
        samples = plain(source, number(value, field))
    elif field.codes is not None:
        samples = plain(source, code(path, field.codes))
    else:
        return
    yield from points(source, leaf.name, samples, field.merge)


def _free_names(
    vocabulary: Vocabulary, source: SeriesSource, paths: Iterable[Path]
) -> Iterator[tuple[str, list[Path]]]:
    """The names for what is unknown, with their paths: the one spelt like its name first."""
    sent = (path for path in paths if _is_sent(vocabulary.tree, path))
    in_order = sorted(
        sent, key=lambda path: (path_name(path), ".".join(path) != path_name(path), path)
    )
    for name, spellings in groupby(in_order, key=path_name):
        if not vocabulary.is_taken(name, source.series):
            yield name, list(spellings)


def _is_sent(tree: Tree, path: Path) -> bool:
    """Whether a number that the table of document types does not expect at this path is sent."""
    first = _first_unknown(tree, path)
    if first is None:
        return False
    return all(map(sent_at_all, path[first:])) and all(map(component, path))


def _first_unknown(tree: Tree, path: Path) -> int | None:
    """How many names of the path are as the table expects; None: it is known, or never sent."""
    for place, key in enumerate(path):
        if key not in tree:
            return place
        known = tree[key]
        is_last = place == len(path) - 1
        if known is None:
            return None
        if isinstance(known, Leaf):
            if known.field.kind is SERIES:
                return None if is_last else place + 1
            read = known.field.kind is DIGITS or known.field.codes is not None
            return None if read or (known.is_number and is_last) else place
        tree = known
    return len(path) - 1


def _count(document_type: DocumentType) -> str:
    """How many documents a day has, also those that do not say when."""
    return (
        f"SELECT d.username, {literal(document_type.name)}, d.day, "
        f"{literal(document_type.series)}, {literal(COUNT)}, "
        f"make_timestamptz({MIDNIGHT}), CAST(count(*) AS DOUBLE) "
        f"FROM {table_name(document_type)} d GROUP BY d.username, d.day"
    )
