"""The fields of documents: name, kind, unit, and what becomes of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

from oura_pipeline.catalog.kinds import Kind


class Merge(Enum):
    """How two values that fall into one interval become one."""

    MEAN = "mean"  # levels: bpm, ms, met, score, temperature, percent
    SUM = "sum"  # amounts: durations, calories, distances, counts
    LAST = "last"  # codes: phases, movement, class


@dataclass(frozen=True)
class Field:
    """One field of a document, under Oura's own name.

    Attributes:
        name: Oura's name.
        kind: what it holds.
        description: what it means, with its unit; becomes the column's comment.
        required: a document in which it is absent, null or of another kind is set aside; so are
            those without their key or their day.
        merge: how two values in one interval become one.
        sent: False for numbers that mean nothing on their own: a copy, a zone, a raw form.
        metric: its whole name within the series in Graphite, where that is not its path.
        codes: the texts that are sent as numbers.
        missing: the numbers that Oura writes where it means null, in a series too.
        interval: seconds between the items of a series or the characters of digits, and so the
            interval at which Graphite stores them.
        words: the texts that are known to occur, where these are not `codes`.
        low: the lowest number that can be true, in the unit of the description.
        high: the highest.
        fields: what an object, or each of several objects, holds.
    """

    name: str
    kind: Kind
    description: str
    _: KW_ONLY
    required: bool = False
    merge: Merge = Merge.MEAN
    sent: bool = True
    metric: str | None = None
    codes: Mapping[str, int] | None = None
    missing: tuple[int, ...] = ()
    interval: int | None = None
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    fields: tuple[Field, ...] = ()

    @cached_property
    def item(self) -> Field | None:
        """The field of each item, where this is a list; else None."""
        # Items inherit the rest, such as the fields of an object, from their list.
        return replace(self, kind=self.kind.item) if self.kind.item else None

    @cached_property
    def inside(self) -> tuple[Field, ...]:
        """The fields of an object, of each of several, or of a series; else none."""
        return self.fields or tuple(Field(*member) for member in self.kind.members)

    @property
    def known_words(self) -> tuple[str, ...]:
        """The texts that are known to occur; none: any text may."""
        return tuple(self.codes or self.words)

    @property
    def sql_type(self) -> str:
        """The DuckDB type of its column."""
        if self.item:
            return f"{self.item.sql_type}[]"
        if self.inside:
            inner = ", ".join(f'"{field.name}" {field.sql_type}' for field in self.inside)
            return f"STRUCT({inner})"
        return self.kind.sql_type

    @property
    def json_type(self) -> Any:
        """What DuckDB's `from_json` needs to read it: a type, a list of one, or an object."""
        if self.item:
            return [self.item.json_type]
        if self.inside:
            return {field.name: field.json_type for field in self.inside}
        return self.kind.sql_type

    @property
    def tells_offset(self) -> bool:
        """Whether it, or something inside it, tells the person's offset from UTC."""
        return self.kind.tells_offset or any(field.tells_offset for field in self.fields)


def walk(fields: Iterable[Field], *, lists: bool = True) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Yield the path and the row of every field and of those inside it, outer ones first.

    Args:
        fields: where to begin.
        lists: whether to go into lists of objects too, whose fields are no parts of a column.
    """
    for field in fields:
        yield (field.name,), field
        if lists or not field.item:
            for path, inner in walk(field.fields, lists=lists):
                yield (field.name, *path), inner
