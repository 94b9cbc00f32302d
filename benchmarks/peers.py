"""What we are compared with: dlt, and plain requests whose pages are thrown away.

Programs that their environment tells whom to ask:

    python -m benchmarks.peers dlt 2026-01-01 2026-03-31
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

API = "/v2/usercollection"
ROWS = timedelta(days=30)  # the longest range that Oura allows for rows
# By what a document is known to be the same again, where it has no id.
KEYS = {"heartrate": ("timestamp", "source"), "ring_battery_level": ("timestamp",)}
# Those whose queries are without days.
WITHOUT_DAYS = ("personal_info", "ring_configuration")
BY_DAY = (
    *("daily_activity", "daily_cardiovascular_age", "daily_readiness", "daily_resilience"),
    *("daily_sleep", "daily_spo2", "daily_stress", "enhanced_tag", "rest_mode_period", "session"),
    *("sleep", "sleep_time", "tag", "vO2_max", "workout"),
)
Page = list[dict[str, Any]]


def main() -> None:
    """Do what the command line says."""
    way, first, last = sys.argv[1:]
    with httpx.Client(base_url=os.environ["PEER_URL"], timeout=60, trust_env=False) as http:
        WAYS[way](http, date.fromisoformat(first), date.fromisoformat(last))


def plain(http: httpx.Client, first: date, last: date) -> None:
    """Ask for everything and keep nothing; tells how many documents came."""
    rows = sum(
        len(page)
        for token in tokens()
        for name in names()
        for page in pages(http, token, name, first, last)
    )
    print(json.dumps({"rows": rows}))


def dlt(http: httpx.Client, first: date, last: date) -> None:
    """Load everything with dlt, by Parquet files merged into DuckDB; what is nested stays JSON."""
    # What it takes longest over are small files: 5,000 rows by default.
    os.environ |= {"DATA_WRITER__BUFFER_MAX_ITEMS": "50000", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt as library

    def resource(name: str) -> Any:
        found = (page for token in tokens() for page in pages(http, token, name, first, last))
        return library.resource(
            found,
            name=name,
            primary_key=KEYS.get(name, ("id",)),
            write_disposition="merge",
            max_table_nesting=0,
        )

    home = Path(os.environ["PEER_HOME"])
    pipeline = library.pipeline(
        "peer",
        pipelines_dir=str(home / "state"),
        destination=library.destinations.duckdb(str(home / "peer.duckdb")),
        dataset_name="oura",
    )
    info = pipeline.run([resource(name) for name in names()], loader_file_format="parquet")
    info.raise_on_failed_jobs()


WAYS: dict[str, Callable[[httpx.Client, date, date], None]] = {"dlt": dlt, "plain": plain}


def tokens() -> list[str]:
    """The access token of each person."""
    return os.environ["PEER_TOKENS"].split()


def names() -> tuple[str, ...]:
    """The collections, in no order that matters."""
    return (*BY_DAY, *KEYS, *WITHOUT_DAYS)


def pages(http: httpx.Client, token: str, name: str, first: date, last: date) -> Iterator[Page]:
    """The documents of some days, a page at a time."""
    headers = {"authorization": f"Bearer {token}"}
    for query in queries(name, first, last):
        following: str | None = ""
        while following is not None:
            asked = query | ({"next_token": following} if following else {})
            answer = http.get(f"{API}/{name}", params=asked, headers=headers).raise_for_status()
            body = answer.json()
            yield body.get("data", [body])
            following = body.get("next_token")


def queries(name: str, first: date, last: date) -> Iterator[dict[str, str]]:
    """The parameters of the queries, a day wider than asked: no zone is ahead or behind more."""
    low, end = first - timedelta(days=1), last + timedelta(days=1)
    if name in BY_DAY:
        yield {"start_date": str(low), "end_date": str(end)}
    elif name in KEYS:
        start, stop = (datetime.combine(day, datetime.min.time()) for day in (low, end))
        while start < stop:
            until = min(start + ROWS, stop)
            yield {
                f"{which}_datetime": f"{at.isoformat()}Z"
                for which, at in (("start", start), ("end", until))
            }
            start = until
    else:
        yield {}


if __name__ == "__main__":
    main()
