"""The traces of fetching and pushing: who and which days each stage is about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process import logs
from oura_pipeline.process.telemetry import Subject
from oura_pipeline.sync.progress import Progress, progress


def subject(
    person_id: str, document_type: DocumentType, first_day: date, last_day: date
) -> Subject:
    """Return what the trace of a person, type and range of days is about."""
    return Subject(
        person=person_id,
        document_type=document_type.name,
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
    )


@dataclass
class TracedPush:
    """The stages of a push, for everybody whose points it flattens and sends.

    Attributes:
        pipeline: the accounts, which know everybody's id, and the telemetry.
        document_type: of the documents.
        days: the first and the last one, and those between them.
    """

    pipeline: Pipeline
    document_type: DocumentType
    days: Sequence[date]
    _flattened: dict[str, list[int]] = field(default_factory=dict)
    # Batches are sent in a thread, which knows neither.
    _run: str = field(default_factory=lambda: str(logs.current("run")))
    _progress: Progress = field(default_factory=progress.get)

    def flattening(self, points: Iterator[DayPoints]) -> Iterator[DayPoints]:
        """Yield points; the time that making them takes is that of whose they are."""
        if not self.pipeline.telemetry.is_on:
            yield from points
            return
        while True:
            began = time.time_ns()
            if (day := next(points, None)) is None:
                return
            times = self._flattened.setdefault(day.username, [began, 0, 0])
            times[1:] = time.time_ns(), times[2] + day.count
            yield day

    @contextmanager
    def sending(self, days: Sequence[DayPoints]) -> Iterator[None]:
        """Time the sending of a batch, for each person who has points in it, and report it."""
        counts: Counter[str] = Counter()
        for day in days:
            counts[day.username] += day.count
        began = time.time_ns()
        try:
            yield
            self._progress.pushed(self.document_type.name, counts.total())
        finally:
            self._record(
                "push", lambda: {who: (began, time.time_ns(), n) for who, n in counts.items()}
            )

    def close(self) -> None:
        """Record what was flattened."""
        self._record(
            "flatten", lambda: {who: (a, b, n) for who, (a, b, n) in self._flattened.items()}
        )

    def _record(self, stage: str, timed: Callable[[], Mapping[str, tuple[int, int, int]]]) -> None:
        if not self.pipeline.telemetry.is_on:
            return
        for username, (began, ended, points) in timed().items():
            if person_id := self._ids.get(username):
                about = subject(person_id, self.document_type, self.days[0], self.days[-1])
                about = replace(about, run=self._run)
                self.pipeline.telemetry.record(stage, about, began, ended, {"points": points})

    @cached_property
    def _ids(self) -> dict[str, str]:
        everybody = self.pipeline.accounts.people.usernames_by_id()
        return {username: person_id for person_id, username in everybody.items()}
