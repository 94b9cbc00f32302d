"""The metrics that panels can show: those of the table of document types, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field, Merge
from oura_pipeline.catalog.metrics import COUNT, DAY, DURATION, known_metrics, leaves
from tools.dashboards.units import Unit, codes_of, unit_of

_SPELLINGS = {"hrv": "HRV", "rem": "REM", "met": "MET", "vo2": "VO2", "spo2": "SpO2"}
# Derived from documents rather than found in them.
_DERIVED = {
    COUNT: Field(COUNT, kinds.INTEGER, "How many there are that day, count.", merge=Merge.SUM),
    DURATION: Field(DURATION, kinds.NUMBER, "From its begin to its end, s.", merge=Merge.SUM),
}


class UnknownMetric(LookupError):
    """A metric that the table of document types does not have."""


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """A metric and what the table says of it.

    Attributes:
        path: series and name, joined by dots.
        interval: seconds between its points.
        field: the field that it shows.
        document_type: the document type.
    """

    path: str
    interval: int
    field: Field
    document_type: DocumentType

    @property
    def daily(self) -> bool:
        """Return whether it has one value per day, at 00:00 UTC."""
        return self.interval == DAY

    @property
    def unit(self) -> Unit:
        return unit_of(self.field)

    @property
    def codes(self) -> dict[int, str]:
        """Return the meaning of its numbers, where they are codes."""
        return codes_of(self.field)

    @property
    def title(self) -> str:
        words = self.path.rpartition(".")[2].split("_")
        text = " ".join(_SPELLINGS.get(word, word) for word in words)
        return text[:1].upper() + text[1:]


def metric_info(path: str) -> MetricInfo:
    """Return a metric of the table, like `sleep.contrib.deep_sleep`.

    Raises:
        UnknownMetric: the table has none of that name.
    """
    try:
        return _all()[path]
    except KeyError:
        raise UnknownMetric(f"{path!r} is no metric of the table of document types") from None


def below(path: str) -> list[str]:
    """Return the metrics below a path, like `sleep.contrib`, in the table's order."""
    return [name for name in _all() if name.startswith(f"{path}.")]


@cache
def _all() -> dict[str, MetricInfo]:
    found = {}
    for document_type in DOCUMENT_TYPES:
        fields = dict(leaves(document_type.fields))
        for metric in known_metrics(document_type):
            path = f"{metric.series}.{metric.name}"
            field = fields.get(metric.name) or _DERIVED[metric.name]
            found[path] = MetricInfo(
                path=path, interval=metric.interval, field=field, document_type=document_type
            )
    return found
