"""What the table knows of a document type, in the shape in which documents ask for it.

What surprises: a name in Graphite can be taken by another type. `daily_sleep` and `sleep` share a
series, so an unknown `score` in a night must not overwrite the day's score.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oura_pipeline.documents import DocumentType
from oura_pipeline.fields import Field, Kind
from oura_pipeline.graphite.names import known_metrics, path_name, sent_at_all, taken_by_others

_NUMBERS = (Kind.INTEGER, Kind.NUMBER)
_TEXTS = (Kind.TEXT, Kind.DAY, Kind.INSTANT, Kind.LOCAL)


@dataclass(frozen=True)
class Leaf:
    """A field that may be sent.

    Attributes:
        name: its name in the series.
        field: its row in the table.
        is_number: whether it is a plain number.
        is_text: whether it is a text that is never sent.
    """

    name: str
    field: Field
    is_number: bool
    is_text: bool


Tree = dict[str, "Leaf | Tree | None"]


class Vocabulary:
    """What the table knows of a type, in the shape in which documents ask for it."""

    def __init__(self, type: DocumentType) -> None:
        self.tree = _tree(type.fields, ())
        self.names = frozenset(metric.name for metric in known_metrics(type))
        self._taken = taken_by_others(type)
        self._split = type.split_by is not None

    def is_taken(self, name: str, series: str) -> bool:
        """Whether a known metric, of this type or of another in the series, has the name."""
        if self._split and name.partition(".")[2] in self.names:
            return True
        return name in self.names or name in self._taken.get(series, ())


def _tree(fields: Iterable[Field], path: tuple[str, ...]) -> Tree:
    """The fields by Oura's names; None: known, and nothing to send."""
    tree: Tree = {}
    for field in fields:
        here = (*path, field.name)
        if field.kind is Kind.OBJECT:
            tree[field.name] = _tree(field.fields, here)
        elif field.sent and sent_at_all(field.name):
            tree[field.name] = Leaf(
                name=field.metric or path_name(here),
                field=field,
                is_number=field.kind in _NUMBERS,
                is_text=field.kind in _TEXTS and field.codes is None,
            )
        else:
            tree[field.name] = None
    return tree
