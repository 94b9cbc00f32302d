"""SQL for the points of a metric: which values, at which time, merged how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from oura_pipeline.catalog.fields import Field, Merge
from oura_pipeline.catalog.kinds import JSON_NUMBERS, NUMBER
from oura_pipeline.catalog.metrics import DURATION, UNKNOWN_INTERVAL
from oura_pipeline.warehouse.measured import measured, measured_items
from oura_pipeline.warehouse.parts import digits_within
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.adding import mean, total
from oura_pipeline.warehouse.views.clock import within_time
from oura_pipeline.warehouse.views.series_sources import (
    MICRO,
    MIDNIGHT,
    SeriesSource,
    column,
    instant_in,
    ordered_key,
    start_field,
    unsplit,
)

_NUMBERS = ", ".join(map(literal, sorted(JSON_NUMBERS)))
_MERGED = {
    Merge.MEAN: mean("value"),
    Merge.SUM: total("value"),
    Merge.LAST: "arg_max(value, turn)",
}


@dataclass(frozen=True)
class UnmergedValues:
    """Queries for values before they are merged: `metric`, `slot`, `turn` and `value`.

    Attributes:
        own: the values of the day.
        following: those of the next day that can have the time of one of them; None: none can.
        single: whether a metric never has more than one at a time.
    """

    own: str
    following: str | None = None
    single: bool = False


def number(value: str, field: Field) -> str:
    """Return a number if it is finite, and not one that means null; else null."""
    if field.kind is NUMBER:
        value = f"CASE WHEN isfinite({value}) THEN {value} END"
    return measured(value, field)


def json_number(path: tuple[str, ...]) -> str:
    """Return the number at a path of the document; null if it is something else."""
    json_path = literal("$" + "".join(f'."{key}"' for key in path))
    text = f"TRY_CAST(json_extract_string(d.document, {json_path}) AS DOUBLE)"
    return (
        # "12" would be cast as well, but is a text, which is never sent.
        f"CASE WHEN json_type(d.document, {json_path}) IN ({_NUMBERS}) "
        f"AND isfinite({text}) THEN {text} END"
    )


def plain(source: SeriesSource, values: Mapping[str, str]) -> UnmergedValues:
    """Return the values of metrics, by their names, that each document has once."""
    step = source.document_type.interval * MICRO
    slot = aligned(source.instant, str(step)) if source.instant else MIDNIGHT
    columns = [
        *_split_columns(source),
        f"{slot} AS slot",
        f"{_turn(source, source.instant or MIDNIGHT)} AS turn",
        f"[{', '.join(f'CAST({value} AS DOUBLE)' for value in values.values())}] AS items",
    ]
    own = _unnested(values, source.query(columns, "true"))
    if source.instant is None:
        return UnmergedValues(own, single=source.alone)
    near, end = f"{source.instant} < end_before", f"{source.instant} + {step}"
    return UnmergedValues(own, _unnested(values, source.query_of_following(columns, near, end)))


def duration(source: SeriesSource) -> UnmergedValues:
    """Return the duration of each document, seconds."""
    end, start = (
        instant_in(source.document_type.ends_at or ""),
        instant_in(start_field(source.document_type)),
    )
    value = f"CASE WHEN {end} >= {start} THEN ({end} - {start}) / {MICRO} END"
    return plain(unsplit(source), {DURATION: value})


def series(source: SeriesSource, path: tuple[str, ...], field: Field, name: str) -> UnmergedValues:
    """Return the items of a series as values of a metric, each at its own instant."""
    whole = column(path)
    start, items = f"{whole}.timestamp", measured_items(f"{whole}.items", field)
    end = f"epoch({start}) + len({whole}.items) * {whole}.interval"
    # Inside CASE, because an absurd interval would overflow.
    step = (
        f"CASE WHEN {within_time(start, f'{whole}.items', f'{whole}.interval')} "
        f"THEN CAST(round({whole}.interval * {MICRO}) AS BIGINT) END"
    )
    spread = _EvenlySpaced(f"epoch_us({start})", step, f"({end}) * {MICRO}", items)
    return _spread(source, spread, field, name)


def digits(source: SeriesSource, path: tuple[str, ...], field: Field, name: str) -> UnmergedValues:
    """Return the digits of a text as values of a metric, the first at the document's instant."""
    start = instant_in(start_field(source.document_type))
    seconds = str(field.interval or UNKNOWN_INTERVAL)
    text = digits_within(source.document_type, column(path), seconds, "d.")
    numbers = (
        f"list_transform(string_split({text}, ''), lambda one: "
        "CASE WHEN one BETWEEN '0' AND '9' THEN CAST(ascii(one) - 48 AS DOUBLE) END)"
    )
    end = f"{start} + length({text}) * {_stored(field)}"
    spread = _EvenlySpaced(start, str(_stored(field)), end, numbers)
    return _spread(source, spread, field, name)


def points(source: SeriesSource, samples: UnmergedValues, merge: Merge) -> Iterator[str]:
    """Yield the queries for the points of metrics: for the series, and for its sub-series."""
    yield _points(source, samples, merge)
    if source.split:
        yield _points(source, samples, merge, by_split=True)


def aligned(instant: str, step: str) -> str:
    """Return the start of the step (μs) that holds an instant (μs), also before 1970."""
    return f"({instant} - (({instant}) % {step} + {step}) % {step})"


def _points(
    source: SeriesSource, samples: UnmergedValues, merge: Merge, *, by_split: bool = False
) -> str:
    """Return one point per person, day, metric and slot, unless the next day has one there too."""
    # The next day gives its values to this day as well, without a value. A group that holds one of
    # them is dropped: the later day wins.
    metric = "sub_series || '.' || metric AS metric" if by_split else "metric"
    named = (
        f"SELECT username, {literal(source.document_type.name)} AS document_type, day, "
        f"{literal(source.series)} AS series, {metric}, make_timestamptz(slot) AS time"
    )
    if samples.single:
        return f"{named}, value FROM ({samples.own})"
    columns = f"username, day, {'sub_series, ' if by_split else ''}metric, slot"
    rows = f"SELECT {columns}, turn, value FROM ({samples.own})"
    if samples.following:
        rows += f" UNION ALL SELECT {columns}, NULL, NULL FROM ({samples.following})"
    there = "WHERE sub_series IS NOT NULL " if by_split else ""
    return (
        f"{named}, {_MERGED[merge]} AS value FROM ({rows}) {there}"
        f"GROUP BY {columns} HAVING count(value) = count(*) AND {_MERGED[merge]} IS NOT NULL"
    )


@dataclass(frozen=True)
class _EvenlySpaced:
    """SQL for a list of values at equal distances: first, step and end in μs."""

    start: str
    step: str
    end: str
    values: str


def _unnested(values: Iterable[str], lists: str) -> str:
    """Return a row per metric that has a value."""
    # All of a document's metrics in one part of the view: a part for each took long to read. One
    # alone is a constant, by which DuckDB leaves out the part where another is asked for.
    names = list(map(literal, values))
    metric = names[0] if len(names) == 1 else f"unnest([{', '.join(names)}])"
    return (
        f"SELECT * FROM (SELECT *, {metric} AS metric, unnest(items) AS value "
        f"FROM ({lists})) WHERE value IS NOT NULL"
    )


def _spread(source: SeriesSource, spread: _EvenlySpaced, field: Field, name: str) -> UnmergedValues:
    stored = _stored(field)
    columns = [
        *_split_columns(source),
        f"{literal(name)} AS metric",
        f"{spread.start} AS start",
        f"{spread.step} AS step",
        f"{spread.values} AS items",
        *_keys(source),
    ]
    there = f"{spread.start} IS NOT NULL"
    near, end = f"{spread.start} < end_before", f"{spread.end} + {stored}"
    return UnmergedValues(
        _spread_items(source, source.query(columns, there), stored),
        _spread_items(source, source.query_of_following(columns, near, end), stored),
    )


def _spread_items(source: SeriesSource, lists: str, stored: int) -> str:
    # Aligned to their own step if it is a multiple of Graphite's, else to Graphite's.
    bucket = f"(CASE WHEN step % {stored} = 0 THEN step ELSE {stored} END)"
    return (
        f"SELECT *, {aligned('instant', bucket)} AS slot, {_turn_of_item(source)} AS turn FROM ("
        "SELECT *, start + nth * step AS instant FROM ("
        "SELECT *, unnest(items) AS value, generate_subscripts(items, 1) - 1 AS nth "
        f"FROM ({lists}) WHERE step > 0)) WHERE value IS NOT NULL AND isfinite(value)"
    )


def _split_columns(source: SeriesSource) -> list[str]:
    return [f"{source.split} AS sub_series"] if source.split else []


def _keys(source: SeriesSource) -> list[str]:
    # What tells the documents of a day apart, in the order in which they are pushed.
    if source.alone:
        return []
    return [f"{key} AS key_{i}" for i, key in enumerate(ordered_key(source.document_type))]


def _turn(source: SeriesSource, instant: str) -> str:
    # The last of several values is the one with the greatest turn: by instant, then by key.
    if source.alone:
        return instant
    return f"row({', '.join([instant, *ordered_key(source.document_type)])})"


def _turn_of_item(source: SeriesSource) -> str:
    if source.alone:
        return "instant"
    keys = (f"key_{i}" for i in range(len(source.document_type.key)))
    return f"row({', '.join(['instant', *keys])})"


def _stored(field: Field) -> int:
    """Return the microseconds between two values in Graphite."""
    return (field.interval or UNKNOWN_INTERVAL) * MICRO
