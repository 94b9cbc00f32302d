"""The pieces of SQL that turn documents into points: where they go, which values, merged how.

What surprises: times are whole microseconds since 1970 (UTC) until the very end, because an
instant that is grouped and divided as a number needs no time zone and no extension of DuckDB.
Where the later day must win, a day is joined with the documents of the day after it that begin
before it ends: hardly any, and DuckDB reads no other days for it.
"""

# ruff: noqa: S608  every piece of SQL is a name of ours; values are literals made by `literal`

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from oura_pipeline.documents import DocumentType, Variants
from oura_pipeline.fields import Field, Kind, Merge
from oura_pipeline.metrics import UNKNOWN_INTERVAL, is_event
from oura_pipeline.warehouse.shapes import NUMBERS
from oura_pipeline.warehouse.tables import literal, quoted, table_name

MICRO = 1_000_000  # microseconds in a second
MIDNIGHT = "epoch_us(CAST(d.day AS TIMESTAMP))"  # 00:00 UTC of the day, μs

_END_OF_TIME = 253_402_300_800  # year 10000, seconds
_NUMBERS = ", ".join(map(literal, sorted(NUMBERS)))
_NAME = "[a-z0-9_-]{1,100}"
_MERGED = {
    Merge.MEAN: "favg(value)",
    Merge.SUM: "fsum(value)",
    Merge.LAST: "arg_max(value, turn)",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Documents of one type whose numbers go to one series.

    Attributes:
        type_: the row of the document type.
        series: the series in Graphite.
        chosen: which documents, as the end of a query; empty: all.
        instant: where their plain numbers happen, μs; None: once a day.
        alone: whether a day of a person has at most one of them.
        split: the text that names a sub-series that gets the values as well; None: nothing.
    """

    type_: DocumentType
    series: str
    chosen: str = ""
    instant: str | None = None
    alone: bool = False
    split: str | None = None

    @property
    def documents(self) -> str:
        """The documents, a relation called `d`."""
        return f"(SELECT * FROM {table_name(self.type_)} {self.chosen}) d"

    def following(self, end: str) -> str:
        """The documents of the day after, under the day before, with `end_before`: where that ends.

        Args:
            end: where a document `d` ends, μs.
        """
        table = table_name(self.type_)
        ends = f"SELECT username, day, max({end}) AS end_before FROM {table} d GROUP BY ALL"
        return (
            f"(SELECT * FROM (SELECT n.* REPLACE (e.day AS day), e.end_before FROM {table} n "
            f"JOIN ({ends}) e ON n.username = e.username AND n.day = e.day + 1) {self.chosen}) d"
        )


@dataclass(frozen=True)
class Samples:
    """Values before they are merged, with the columns of their place, `slot`, `turn` and `value`.

    Attributes:
        own: those of the day, a query.
        following: those of the day after that may stand where the day has one; None: none can.
        single: whether there is never more than one at a time.
    """

    own: str
    following: str | None = None
    single: bool = False


def places(type_: DocumentType) -> tuple[Place, ...]:
    """Where the documents of a type go: one place, or one for the main ones and one for others."""
    if type_.variants:
        return _places_of_variants(type_, type_.variants)
    if not is_event(type_):
        alone = type_.daily or not type_.key or type_.newest is not None
        return (Place(type_=type_, series=type_.series, chosen=_newest(type_), alone=alone),)
    there = f"WHERE {quoted(_start(type_))} IS NOT NULL" if _needs_start(type_) else ""
    return (
        Place(
            type_=type_,
            series=type_.series,
            chosen=there,
            instant=_instant(type_),
            split=_split(type_.split_by) if type_.split_by else None,
        ),
    )


def unsplit(place: Place) -> Place:
    """The same place without sub-series."""
    return replace(place, split=None)


def column(path: tuple[str, ...]) -> str:
    """The column, or the part of one, that holds a field."""
    return ".".join(["d", *map(quoted, path)])


def number(value: str, field: Field) -> str:
    """A number as it counts: finite, and not 0 where that means that there is none."""
    if field.kind is Kind.NUMBER:
        value = f"CASE WHEN isfinite({value}) THEN {value} END"
    return f"nullif({value}, 0)" if field.zero_is_missing else value


def json_number(path: tuple[str, ...]) -> str:
    """The number that stands at a path of the document; null where there is something else."""
    place = literal("$" + "".join(f'."{key}"' for key in path))
    text = f"TRY_CAST(json_extract_string(d.document, {place}) AS DOUBLE)"
    return (
        f"CASE WHEN json_type(d.document, {place}) IN ({_NUMBERS}) "
        f"AND isfinite({text}) THEN {text} END"
    )


def code(path: tuple[str, ...], codes: Mapping[str, int]) -> str:
    """The number for a text; null for a text without one."""
    cases = " ".join(f"WHEN {literal(text)} THEN {number}" for text, number in codes.items())
    return f"CASE {column(path)} {cases} END"


def plain(place: Place, value: str) -> Samples:
    """One value per document."""
    columns = ", ".join(_columns(place))
    step = place.type_.interval * MICRO
    slot = aligned(place.instant, str(step)) if place.instant else MIDNIGHT
    turn = _turn(place, place.instant or MIDNIGHT)
    selected = f"SELECT {columns}, {slot} AS slot, {turn} AS turn, CAST({value} AS DOUBLE) AS value"
    own = f"{selected} FROM {place.documents} WHERE {value} IS NOT NULL"
    if place.instant is None:
        return Samples(own, single=place.alone)
    after = place.following(f"{place.instant} + {step}")
    near = f"{place.instant} < end_before AND {value} IS NOT NULL"
    return Samples(own, f"{selected} FROM {after} WHERE {near}")


def duration(place: Place) -> Samples:
    """How long each document took, in seconds."""
    end, start = _instant_in(place.type_.ends_at or ""), _instant_in(_start(place.type_))
    value = f"CASE WHEN {end} >= {start} THEN ({end} - {start}) / {MICRO} END"
    return plain(unsplit(place), value)


def series(place: Place, path: tuple[str, ...], field: Field) -> Samples:
    """The items of a series, each at its own instant."""
    whole = column(path)
    start, items = f"{whole}.timestamp", f"{whole}.items"
    end = f"epoch({start}) + len({items}) * {whole}.interval"
    # Inside of CASE, because an absurd interval would overflow.
    step = (
        f"CASE WHEN {whole}.interval > 0 AND {end} < {_END_OF_TIME} "
        f"THEN CAST(round({whole}.interval * {MICRO}) AS BIGINT) END"
    )
    return _spread(place, _Spread(f"epoch_us({start})", step, f"({end}) * {MICRO}", items), field)


def digits(place: Place, path: tuple[str, ...], field: Field) -> Samples:
    """The digits of a text, the first at the document's instant."""
    start, text = _instant_in(_start(place.type_)), column(path)
    numbers = (
        f"list_transform(string_split({text}, ''), lambda one: "
        "CASE WHEN one BETWEEN '0' AND '9' THEN CAST(ascii(one) - 48 AS DOUBLE) END)"
    )
    end = f"{start} + length({text}) * {_stored(field)}"
    return _spread(place, _Spread(start, str(_stored(field)), end, numbers), field)


def points(place: Place, name: str, samples: Samples, merge: Merge) -> Iterator[str]:
    """The queries for the points of a metric: one for the series, one for its sub-series."""
    yield _points(place, literal(name), samples, merge)
    if place.split:
        yield _points(place, f"sub_series || {literal('.' + name)}", samples, merge, by_split=True)


def aligned(instant: str, step: str) -> str:
    """The begin of the step (μs) that holds an instant (μs), before 1970 too."""
    return f"({instant} - (({instant}) % {step} + {step}) % {step})"


def _points(
    place: Place, metric: str, samples: Samples, merge: Merge, *, by_split: bool = False
) -> str:
    """One point per person, day, metric and slot, unless the day after has one there too."""
    named = (
        f"SELECT username, {literal(place.type_.name)} AS document_type, day, "
        f"{literal(place.series)} AS series, {metric} AS metric, make_timestamptz(slot) AS time"
    )
    if samples.single:
        return f"{named}, value FROM ({samples.own})"
    columns = "username, day, sub_series, slot" if by_split else "username, day, slot"
    rows = f"SELECT {columns}, turn, value FROM ({samples.own})"
    if samples.following:
        rows += f" UNION ALL SELECT {columns}, NULL, NULL FROM ({samples.following})"
    there = "WHERE sub_series IS NOT NULL " if by_split else ""
    return (
        f"{named}, {_MERGED[merge]} AS value FROM ({rows}) {there}"
        f"GROUP BY {columns} HAVING count(value) = count(*)"
    )


@dataclass(frozen=True)
class _Spread:
    """SQL for values at equal distances: μs of the first, between two, behind the last; a list."""

    start: str
    step: str
    end: str
    values: str


def _spread(place: Place, spread: _Spread, field: Field) -> Samples:
    stored = _stored(field)
    after = place.following(f"{spread.end} + {stored}")
    return Samples(
        _spread_of(place, spread, stored, place.documents, "step > 0"),
        _spread_of(place, spread, stored, after, "step > 0 AND start < end_before"),
    )


def _spread_of(place: Place, spread: _Spread, stored: int, documents: str, near: str) -> str:
    """Values, aligned to their own distance where Graphite's fits into it, to Graphite's if not."""
    bucket = f"(CASE WHEN step % {stored} = 0 THEN step ELSE {stored} END)"
    end_before = ", end_before" if "end_before" in near else ""
    return (
        f"SELECT *, {aligned('instant', bucket)} AS slot, {_turn_of_item(place)} AS turn FROM ("
        "SELECT *, start + nth * step AS instant FROM ("
        "SELECT *, unnest(items) AS value, generate_subscripts(items, 1) - 1 AS nth FROM ("
        f"SELECT {', '.join(_columns(place))}, {spread.start} AS start, {spread.step} AS step, "
        f"{spread.values} AS items{_keys(place)}{end_before} FROM {documents}) "
        f"WHERE {near})) WHERE value IS NOT NULL AND isfinite(value)"
    )


def _columns(place: Place) -> list[str]:
    split = [f"{place.split} AS sub_series"] if place.split else []
    return ["d.username", "d.day", *split]


def _keys(place: Place) -> str:
    """What tells the documents of a day apart, in the order in which they are read."""
    if place.alone:
        return ""
    names = place.type_.key
    return "".join(f", {column((name,))} AS key_{i}" for i, name in enumerate(names))


def _turn(place: Place, instant: str) -> str:
    """What the last of several has the most of: its instant, then its place in line."""
    if place.alone:
        return instant
    return f"row({', '.join([instant, *(column((name,)) for name in place.type_.key)])})"


def _turn_of_item(place: Place) -> str:
    if place.alone:
        return "instant"
    return f"row({', '.join(['instant', *(f'key_{i}' for i in range(len(place.type_.key)))])})"


def _newest(type_: DocumentType) -> str:
    """Of documents that describe a state the newest of the day; of equals the last by their key."""
    if not type_.newest:
        return ""
    keys = "".join(f", {quoted(name)} DESC" for name in type_.key)
    age = f"coalesce(epoch_us({quoted(type_.newest)}), 0)"
    return f"QUALIFY row_number() OVER (PARTITION BY username, day ORDER BY {age} DESC{keys}) = 1"


def _places_of_variants(type_: DocumentType, variants: Variants) -> tuple[Place, ...]:
    """The longest main document of a day (of equals the earliest, then by id), and others."""
    kind, main = quoted(variants.field), literal(variants.main)
    length, start = quoted(variants.length), quoted(_start(type_))
    others = ", ".join(map(literal, sorted({variants.main, *variants.others})))
    is_main = (
        f"row_number() OVER (PARTITION BY username, day ORDER BY {kind} <> {main}, "
        f"coalesce(-{length}, 1), {start} NULLS LAST, id) = 1 AND {kind} = {main}"
    )
    there = f" AND {start} IS NOT NULL" if _needs_start(type_) else ""
    known = f"WHERE {kind} IN ({others}) QUALIFY"
    return (
        Place(type_=type_, series=type_.series, chosen=f"{known} {is_main}", alone=True),
        Place(
            type_=type_,
            series=variants.other_series,
            chosen=f"{known} NOT ({is_main}){there}",
            instant=_instant(type_),
        ),
    )


def _start(type_: DocumentType) -> str:
    return type_.starts_at or ""


def _needs_start(type_: DocumentType) -> bool:
    return any(field.name == type_.starts_at and field.required for field in type_.fields)


def _instant_in(name: str) -> str:
    return f"epoch_us({column((name,))})"


def _instant(type_: DocumentType) -> str:
    """Where a document happens, μs; midnight where it need not say when."""
    start = _instant_in(_start(type_))
    return start if _needs_start(type_) else f"coalesce({start}, {MIDNIGHT})"


def _split(split_by: str) -> str:
    name = f"lower({column((split_by,))})"
    return f"CASE WHEN regexp_full_match({name}, {literal(_NAME)}) THEN {name} END"


def _stored(field: Field) -> int:
    """Microseconds between the values as Graphite keeps them."""
    return (field.interval or UNKNOWN_INTERVAL) * MICRO
