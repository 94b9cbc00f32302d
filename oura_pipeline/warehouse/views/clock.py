"""Times as SQL: what a person's clock showed, and instants a number of seconds later.

What surprises: the columns of documents hold instants in UTC, the offset is gone. What the clock
showed is read from the text of the document itself; an instant inside a document (an item of a
series) has the offset of the document's text, also when the clocks changed in between.
"""

from __future__ import annotations

END_OF_TIME = 253_402_300_800  # year 10000, seconds
_LOCAL_AND_OFFSET = "^(.+T[0-9:.]+)(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"


def text_of(path: str) -> str:
    """The text that stands at a path of the document, as Oura sent it."""
    return f"json_extract_string(document, '$.{path}')"


def local_time(path: str) -> str:
    """What the clock showed (TIMESTAMP) at the instant that stands at a path of the document.

    Null where there is no text, no offset in it, or no such time.
    """
    return f"TRY_CAST(regexp_extract({text_of(path)}, '{_LOCAL_AND_OFFSET}', 1) AS TIMESTAMP)"


def later(instant: str, seconds: str) -> str:
    """The instant (TIMESTAMPTZ) some seconds after another one, whatever the session's zone."""
    return f"make_timestamptz(epoch_us({instant}) + {_micros(seconds)})"


def later_local(local: str, seconds: str) -> str:
    """The local time (TIMESTAMP) some seconds after another one."""
    return f"make_timestamp(epoch_us({local}) + {_micros(seconds)})"


def within_time(start: str, items: str, seconds: str) -> str:
    """Whether a series of items goes on, and ends before the year 10000.

    An absurd interval would overflow, and one document would spoil the view for everybody.
    """
    return f"{seconds} > 0 AND epoch({start}) + len({items}) * {seconds} < {END_OF_TIME}"


def minutes_between(start: str, end: str) -> str:
    """The minutes (DOUBLE) from one instant to another; null where the end is before the start."""
    return f"CASE WHEN {end} >= {start} THEN (epoch_us({end}) - epoch_us({start})) / 6e7 END"


def _micros(seconds: str) -> str:
    return f"CAST(round(({seconds}) * 1e6) AS BIGINT)"
