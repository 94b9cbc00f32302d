"""How Oura reads `start_date`, `end_date`, `start_datetime` and `end_datetime`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from oura_pipeline.sandbox.catalog import Collection
from oura_pipeline.sandbox.responses import Refused, bad_request, unprocessable
from oura_pipeline.sandbox.times import midnight

DAY = 86400
# Clients report 30 days (one 29) for heartrate. Documents have no limit: six years came at once.
LONGEST_SAMPLES = 30 * DAY


@dataclass(frozen=True)
class Window:
    """Instants from `start` to before `end`, in Unix seconds."""

    start: float
    end: float


EVERYTHING = Window(float("-inf"), float("inf"))


@dataclass(frozen=True)
class Bound:
    """One end as it was given."""

    instant: float
    # As pydantic would print it, for error messages.
    text: str

    @property
    def midnight(self) -> float:
        return self.instant // DAY * DAY


def read_bounds(
    collection: Collection, query: Mapping[str, str]
) -> tuple[Bound | None, Bound | None]:
    """Return the two ends of the query. Raise `Refused` (422) when one cannot be read."""
    if collection.family == "whole":
        return None, None
    # `start_date=…T08:00` is fine on documents too: either kind of value was seen to be parsed.
    kind = "datetime" if collection.family == "samples" else "date"
    start, end = f"start_{kind}", f"end_{kind}"
    return _bound(start, query.get(start)), _bound(end, query.get(end))


def window(collection: Collection, start: Bound | None, end: Bound | None, now: float) -> Window:
    """Return the window that two ends mean for this collection, with Oura's defaults.

    Raise `Refused` (400) when the start is after the end or samples of more than 30 days are
    requested.
    """
    if collection.family == "whole":
        return EVERYTHING
    if collection.family == "day":
        return _days(collection, start, end, now)
    # Half-open, and a bare date is midnight UTC wherever the person is: start = end is empty.
    last = end.instant if end else now
    # Without a start, heartrate was measured to give exactly the last 24 hours.
    first = start.instant if start else last - DAY
    if first > last:
        raise _backwards(collection, start, end, now)
    if collection.family == "samples" and last - first > LONGEST_SAMPLES:
        # In our own words: Oura's were never published.
        raise bad_request("The time range is too long: at most 30 days can be requested at once.")
    return Window(first, last)


def _days(collection: Collection, start: Bound | None, end: Bound | None, now: float) -> Window:
    last = end.midnight if end else now // DAY * DAY
    first = start.midnight if start else last - DAY
    if first > last:
        raise _backwards(collection, start, end, now)
    # Both days included: a day stands at its midnight, so the window ends at the next one.
    return Window(first, last + DAY)


def _backwards(
    collection: Collection, start: Bound | None, end: Bound | None, now: float
) -> Refused:
    now_text = str(datetime.fromtimestamp(int(now), UTC))
    # Oura's sentence, word for word, as other clients' tests have it.
    word = "time" if collection.family == "samples" else "date"
    first = start.text if start else "None"
    last = end.text if end else now_text if word == "time" else now_text[:10]
    return bad_request(
        f"Start {word} is greater than end {word}: [start_{word}: {first}; end_{word}: {last}]"
    )


_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# What pydantic takes for a date-time.
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt _](?P<time>\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)"
    r"\s?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?"
)
# `start_date=1&end_date=2` was seen to be a pair of Unix times and no error.
_UNIX = re.compile(r"-?\d+(?:\.\d+)?")
# From here on pydantic takes a number for milliseconds.
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
        return Bound(float(midnight(date.fromisoformat(text))), text)
    if match := _DATE_TIME.fullmatch(text):
        # Without a zone it is UTC, like a bare date.
        zone = (match["zone"] or "Z").upper()
        # Python reads six decimals and no comma.
        clock = match["time"].replace(",", ".")[:15]
        when = datetime.fromisoformat(f"{match['date']}T{clock}{zone}")
        # Not `timestamp()`, which some systems refuse for years such as 0024.
        return Bound((when - _EPOCH).total_seconds(), str(when))
    if _UNIX.fullmatch(text):
        seconds = float(text)
        seconds = seconds / 1000 if abs(seconds) > _MILLISECONDS else seconds
        return Bound(seconds, str(datetime.fromtimestamp(seconds, UTC)))
    raise ValueError(text)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _unreadable(name: str, text: str) -> Refused:
    reason = "invalid character in year"
    error = {
        "type": "datetime_from_date_parsing",
        "loc": ["query", name],
        "msg": f"Input should be a valid datetime or date, {reason}",
        "input": text,
        "ctx": {"error": reason},
    }
    return unprocessable([error])
