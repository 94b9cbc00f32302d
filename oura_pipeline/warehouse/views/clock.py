"""SQL for local times, and for instants some seconds after others."""

from __future__ import annotations

from oura_pipeline.catalog.kinds import END_OF_TIME, LOCAL_PATTERN


def text_of(path: str) -> str:
    """Return the text at a path of the document, as Oura sent it."""
    return f"json_extract_string(document, '$.{path}')"


def local_time(path: str) -> str:
    """Return what the clock showed (TIMESTAMP) at the instant at a path of the document.

    Null if there is no text, no offset in it, or no such time.
    """
    # The typed columns hold instants in UTC, without the offset, so the text is read. An instant
    # inside a series gets the offset of the series' text, even if the clocks changed in between.
    return f"TRY_CAST(regexp_extract({text_of(path)}, '^{LOCAL_PATTERN}$', 1) AS TIMESTAMP)"


def later(instant: str, seconds: str) -> str:
    """Return the instant (TIMESTAMPTZ) some seconds after another, whatever the session's zone."""
    # As numbers: TIMESTAMPTZ plus INTERVAL would depend on the zone of the session.
    return f"make_timestamptz(epoch_us({instant}) + {_micros(seconds)})"


def later_local(local: str, seconds: str) -> str:
    """Return the local time (TIMESTAMP) some seconds after another."""
    return f"make_timestamp(epoch_us({local}) + {_micros(seconds)})"


def within_time(start: str, items: str, seconds: str) -> str:
    """Return the condition that a series has an interval and ends before the year 2200."""
    # An absurd interval would overflow, and Python cannot hold a time beyond the year 9999: one
    # document would break the view for everybody.
    # A series without items ends when it starts, whatever its interval.
    return (
        f"{seconds} >= 1e-6 AND {seconds} < {END_OF_TIME} "
        f"AND epoch({start}) + len({items}) * {seconds} < {END_OF_TIME}"
    )


def minutes_between(start: str, end: str) -> str:
    """Return the minutes (DOUBLE) between two instants; null if the end is before the start."""
    # A clock that was set back between start and end makes it negative, which is no duration.
    return f"CASE WHEN {end} >= {start} THEN (epoch_us({end}) - epoch_us({start})) / 6e7 END"


def _micros(seconds: str) -> str:
    return f"CAST(round(({seconds}) * 1e6) AS BIGINT)"
