"""The numbers of types with a thousand small rows a day, such as heart rate, column by column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import compress
from operator import and_, attrgetter
from typing import Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import FLAG
from oura_pipeline.catalog.metrics import Leaf, Vocabulary
from oura_pipeline.graphite import parse
from oura_pipeline.graphite.aggregate import MetricSamples, all_aligned, all_usable

_SUB_SERIES = re.compile(r"[a-z0-9_-]{1,100}")


class RowReader:
    """Reads the rows of a day at once, as long as each of them is as the table has it.

    One by one, as documents of any type are read, they take ten times as long.
    """

    def __init__(self, document_type: DocumentType, vocabulary: Vocabulary, root: str) -> None:
        """Prepare for one person's rows.

        Args:
            document_type: one that comes in rows: see `comes_in_rows`.
            vocabulary: the fields and metric names that the table has for the type.
            root: the beginning of all of the person's metric names, with the dot at its end.
        """
        self._type = document_type
        self._stem = f"{root}{document_type.series}."
        known = vocabulary.tree.values()
        self._numbers = [leaf for leaf in known if isinstance(leaf, Leaf) and leaf.is_number]
        self._decoder = _decoder(document_type)

    def samples(self, raws: Sequence[bytes]) -> dict[str, MetricSamples] | None:
        """Return the samples of a day's rows by metric; None: a row has to be read by itself.

        Such a row has a field that the table does not know, or a value of another kind.
        """
        try:
            rows = self._decoder.decode(b"[%b]" % b",".join(raws))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        instants = parse.instants(_column(rows, self._type.starts_at or ""))
        stems = self._stems(rows)
        columns = [(leaf, _column(rows, leaf.field.name)) for leaf in self._numbers]
        usable = all(all_usable(list(filter(None, values))) for _, values in columns)
        if instants is None or stems is None or not usable:
            return None
        times = all_aligned(instants, self._type.interval)
        samples: dict[str, MetricSamples] = {}
        for leaf, values in columns:
            present = [value is not None and value not in leaf.field.missing for value in values]
            for stem, of_stem in stems:
                chosen = list(map(and_, present, of_stem))
                if any(chosen):
                    samples[stem + leaf.name] = made = MetricSamples(leaf.field.merge)
                    made.extend(*(compress(column, chosen) for column in (times, values, instants)))
        return samples

    def _stems(self, rows: Sequence[Any]) -> list[tuple[str, list[bool]]] | None:
        """Return the beginnings of metric names, and for which rows; None: a name is unusable."""
        stems = [(self._stem, [True] * len(rows))]
        if not self._type.split_by:
            return stems
        texts = _column(rows, self._type.split_by)
        names = {text: sub_series(text) for text in {*texts} - {None}}
        if None in names.values():
            return None
        of_rows = list(map(names.get, texts))
        for name in {*names.values()}:
            stems.append((f"{self._stem}{name}.", [one == name for one in of_rows]))
        return stems


def comes_in_rows(document_type: DocumentType) -> bool:
    """Return whether a day has many documents, each of a few plain values."""
    return document_type.dated_by_offset and all(map(_is_plain, document_type.fields))


def sub_series(text: str) -> str | None:
    """Return the name of a part of a series; None: Graphite could not store it."""
    name = text.lower()
    return name if _SUB_SERIES.fullmatch(name) else None


def _is_plain(field: Field) -> bool:
    return field.kind.is_number or field.kind is FLAG or (field.kind.is_text and not field.codes)


@cache
def _decoder(document_type: DocumentType) -> msgspec.json.Decoder[list[Any]]:
    tree = Vocabulary(document_type).tree
    members = [(field.name, _type(field, tree[field.name]), None) for field in document_type.fields]
    row = msgspec.defstruct("Row", members, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


def _type(field: Field, known: object) -> Any:
    if known is None:
        return Any  # it is not sent, whatever it holds
    if field.kind.is_number:
        return int | float | None
    return bool | None if field.kind is FLAG else str | None


def _column(rows: Sequence[Any], name: str) -> list[Any]:
    return list(map(attrgetter(name), rows))
