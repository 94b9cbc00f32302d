"""How Oura reads `start_date`, `end_date` and their date-time cousins.

The surprise is that there are two families. Day-valued collections include both ends; collections
that stand at an instant are half-open, and there a bare date is midnight UTC wherever the person
is, so `start_date == end_date` finds nothing. Values are parsed as pydantic does: digits are Unix
time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from oura_pipeline.sandbox.catalog import Collection
from oura_pipeline.sandbox.responses import Refused, bad_request, unprocessable
from oura_pipeline.sandbox.times import midnight

DAY = 86400
LONGEST_SAMPLES = 30 * DAY


@dataclass(frozen=True)
class Window:
    """Instants from `start` to before `end`, in Unix seconds."""

    start: float
    end: float


EVERYTHING = Window(float("-inf"), float("inf"))


@dataclass(frozen=True)
class Bound:
    """One end as it was given: its instant, its text for error messages."""

    instant: float
    text: str
    bare_date: bool

    @property
    def midnight(self) -> float:
        """The midnight (UTC) of the day this bound lies on."""
        return self.instant // DAY * DAY


def names(collection: Collection) -> tuple[str, str]:
    """The two parameters that a collection's range has."""
    if collection.family == "samples":
        return "start_datetime", "end_datetime"
    return "start_date", "end_date"


def given(collection: Collection, query: Mapping[str, str]) -> tuple[Bound | None, Bound | None]:
    """The two ends as they stand in the query.

    Raises `Refused` (422, in pydantic's form) when one cannot be read.
    """
    if collection.family == "whole":
        return None, None
    first, last = names(collection)
    return _bound(first, query.get(first)), _bound(last, query.get(last))


def window(collection: Collection, start: Bound | None, end: Bound | None, now: float) -> Window:
    """The window that two ends mean for this collection, with Oura's defaults for missing ones.

    Raises `Refused` (400) when the start is after the end, or sample rows are asked for more than
    30 days.
    """
    if collection.family == "whole":
        return EVERYTHING
    if collection.family == "day":
        return _days(collection, start, end, now)
    last = end.instant if end else now
    first = start.instant if start else last - DAY
    if first > last:
        raise _backwards(collection, start, end, now)
    if collection.family == "samples" and last - first > LONGEST_SAMPLES:
        raise bad_request("The time range is too long: at most 30 days can be requested at once.")
    return Window(first, last)


def _days(collection: Collection, start: Bound | None, end: Bound | None, now: float) -> Window:
    last = end.midnight if end else now // DAY * DAY
    first = start.midnight if start else last - DAY
    if first > last:
        raise _backwards(collection, start, end, now)
    return Window(first, last + DAY)


def _backwards(
    collection: Collection, start: Bound | None, end: Bound | None, now: float
) -> Refused:
    today = datetime.fromtimestamp(now, UTC)
    first = start.text if start else "None"
    if collection.family == "samples":
        last = end.text if end else str(today.replace(microsecond=0))
        return bad_request(
            f"Start time is greater than end time: [start_time: {first}; end_time: {last}]"
        )
    last = end.text if end else str(today.date())
    return bad_request(
        f"Start date is greater than end date: [start_date: {first}; end_date: {last}]"
    )


_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt _](?P<time>\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)"
    r"\s?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?"
)
_UNIX = re.compile(r"-?\d+(?:\.\d+)?")
_MILLISECONDS = 2e10


def _bound(name: str, text: str | None) -> Bound | None:
    if text is None:
        return None
    try:
        return _read(text)
    except (ValueError, OverflowError):
        raise _unreadable(name, text) from None


def _read(text: str) -> Bound:
    if _DATE.fullmatch(text):
        return Bound(float(midnight(date.fromisoformat(text))), text, True)
    if moment := _MOMENT.fullmatch(text):
        zone = (moment["zone"] or "Z").upper()
        clock = moment["time"].replace(",", ".")[:15]
        when = datetime.fromisoformat(f"{moment['date']}T{clock}{zone}")
        return Bound((when - _EPOCH).total_seconds(), str(when), False)
    if _UNIX.fullmatch(text):
        seconds = float(text)
        seconds = seconds / 1000 if abs(seconds) > _MILLISECONDS else seconds
        return Bound(seconds, str(datetime.fromtimestamp(seconds, UTC)), False)
    raise ValueError(text)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _unreadable(name: str, text: str) -> Refused:
    message = "Input should be a valid datetime or date, invalid character in year"
    found = {"type": "datetime_from_date_parsing", "loc": ["query", name], "msg": message}
    return unprocessable([{**found, "input": text, "ctx": {"error": "invalid character in year"}}])
