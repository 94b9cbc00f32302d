"""Send a file of plaintext lines to carbon."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.catalog.metrics import known_metrics
from oura_pipeline.days import batched
from oura_pipeline.graphite.aggregate import Value
from oura_pipeline.graphite.carbon import Sender
from oura_pipeline.graphite.push import send
from oura_pipeline.graphite.validate import PointValidator, is_name

_LINES_PER_BATCH = 100_000
_MAX_EXAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """The outcome of sending a file.

    Attributes:
        points: how many lines were sent.
        bad: how many lines were not, because carbon could not store them.
        examples: the first bad lines: number (from 1) and reason.
    """

    points: int
    bad: int
    examples: tuple[tuple[int, str], ...]


def ingest(
    path: Path, sender: Sender, *, prefix: str, usernames: Collection[str], now: datetime
) -> IngestResult:
    """Send every valid line of a file.

    Args:
        path: a file of lines `metric value seconds`, as `FileSender` writes them.
        sender: sends the points to carbon.
        prefix: the beginning of all metric names.
        usernames: whose points may be sent; those of anybody else would stay in Graphite for ever.
        now: the present, aware; decides which times carbon can store.

    Raises:
        OSError: the file cannot be read.
        GraphiteUnavailable: after several tries; it is safe to send the whole file again, because
            a point overwrites itself.
    """
    reader = _LineReader(prefix, usernames, now)
    sent = bad = 0
    examples: list[tuple[int, str]] = []
    for batch in _numbered_lines(path):
        # Of two lines for one metric and time the later one counts. Carbon would let them overwrite
        # each other in whatever order it writes them.
        metrics: dict[str, dict[int, Value]] = {}
        for number, line in batch:
            try:
                metric, time, value = reader.read(line)
            except ValueError as error:
                bad += 1
                if len(examples) < _MAX_EXAMPLES:
                    examples.append((number, str(error)))
            else:
                metrics.setdefault(metric, {})[time] = value
                sent += 1
        if metrics:
            send(sender, [(name, list(points.items())) for name, points in metrics.items()])
    return IngestResult(points=sent, bad=bad, examples=tuple(examples))


class _LineReader:
    """Reads lines, and refuses those that carbon must not get."""

    def __init__(self, prefix: str, usernames: Collection[str], now: datetime) -> None:
        self._prefix, self._usernames = f"{prefix}.", usernames
        self._validator = PointValidator(now)
        # What a killed process left of a line may be followed by another one: `bio.ada.slbio.ada.…`
        known = {metric.series for each in STORED_TYPES for metric in known_metrics(each)}
        series = "|".join(sorted(known))
        self._second_name = re.compile(rf"(?!^){re.escape(self._prefix)}[^.]+\.({series})\.")

    def read(self, line: bytes) -> tuple[str, int, Value]:
        """Return metric, time and value, or raise ValueError with the reason to leave it out."""
        try:
            metric, text, seconds = line.decode("ascii").split()
            time, value = int(seconds), _number(text)
        except ValueError:
            raise ValueError("not `metric value seconds`") from None
        if problem := self._problem_of_name(metric) or self._validator.problem(time, value):
            raise ValueError(problem)
        return metric, time, value

    def _problem_of_name(self, metric: str) -> str | None:
        if not is_name(metric):
            return "name that Graphite cannot store"
        if not metric.startswith(self._prefix):
            return f"name that does not begin with {self._prefix}"
        username = metric.removeprefix(self._prefix).partition(".")[0]
        if username not in self._usernames:
            return f"nobody here has the username {username}"
        if self._second_name.search(metric):
            return "two lines run together"
        return None


def _number(text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _numbered_lines(path: Path) -> Iterator[list[tuple[int, bytes]]]:
    with path.open("rb") as file:
        yield from batched(enumerate(file, start=1), _LINES_PER_BATCH)
