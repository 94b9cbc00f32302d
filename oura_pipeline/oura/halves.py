"""Long questions that Oura answers with no page, asked again in halves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.days import ONE_DAY, days_between
from oura_pipeline.oura.errors import UnusablePage
from oura_pipeline.oura.pages import Page

# One bad day in ten years takes some thirty; Oura's limit is shared by everybody.
MAX_FAILURES = 60
MAX_FAILURES_IN_A_ROW = 8  # then the days are not what it depends on

_Parts = deque[tuple[date, date]]


@dataclass(frozen=True)
class Unanswered:
    """Days, both ends included, that Oura did not answer with pages, and the error."""

    first_day: date
    last_day: date
    error: OuraError

    @property
    def days(self) -> list[date]:
        """All of them, in order."""
        return days_between(self.first_day, self.last_day)


@dataclass
class Halving:
    """A question about days that is asked again in halves until what fails is small.

    Attributes:
        ask: yields the pages of days, both ends included; the third argument says whether an
            answer that is not JSON is worth asking again for.
        unanswered: the days that failed; pages of them may have been yielded all the same.
    """

    ask: Callable[[date, date, bool], Iterator[Page]]
    unanswered: list[Unanswered] = field(default_factory=list)
    _answered: int = 0
    _failures: int = 0
    _failures_in_a_row: int = 0

    def pages(self, first_day: date, last_day: date) -> Iterator[Page]:
        """Yield the pages of all days that are answered with pages.

        Raises:
            OuraError: no day was answered.
        """
        parts = deque([(first_day, last_day)])
        while parts:
            first, last = parts.popleft()
            try:
                yield from self.ask(first, last, not self._failures)
            except OuraError as error:
                parts = self._next_parts(first, last, parts, error)
            else:
                self._answered, self._failures_in_a_row = self._answered + 1, 0
        if self.unanswered and not self._answered:
            raise self.unanswered[-1].error

    def _next_parts(self, first: date, last: date, parts: _Parts, error: OuraError) -> _Parts:
        """Return what to ask for after a failure."""
        self._failures += 1
        self._failures_in_a_row += 1
        may_be_the_days = (
            isinstance(error, UnusablePage)
            and self._failures <= MAX_FAILURES
            and self._failures_in_a_row <= MAX_FAILURES_IN_A_ROW
        )
        if may_be_the_days and first < last:
            middle = first + (last - first) // 2
            # Behind all others: long parts that can be answered come first.
            return deque([*parts, (first, middle), (middle + ONE_DAY, last)])
        given_up = [(first, last)] if may_be_the_days else [(first, last), *parts]
        self.unanswered += [Unanswered(*part, error) for part in given_up]
        return parts if may_be_the_days else deque()
