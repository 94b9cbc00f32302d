"""How the tests open accounts and start processes."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.inbox import ReceivedEvent
from oura_pipeline.accounts.schema import metadata
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import Fetch, FetchStatus

# Processes of their own that share nothing with the tests' process, and start in milliseconds.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["oura_pipeline_tests.accounts.preloaded"])
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


ADDRESS = "accounts.url"
ON_SQLITE = pytest.mark.parametrize("home", ["sqlite"], indirect=True)
"""For tests of what is in the file, or of whose it is."""


def opened(home: Path, keys: Sequence[str] = ()) -> Accounts:
    """The accounts of a data folder."""
    return Accounts.open(address_of(home), keys=keys, key_path=home / "token.key")


def address_of(home: Path) -> str:
    """The address of the accounts of a data folder: a file in it, or what it says."""
    elsewhere = home / ADDRESS
    if elsewhere.exists():
        return elsewhere.read_text(encoding="utf-8")
    return f"sqlite:///{home / 'accounts.sqlite'}"


def rows_of(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, as the database holds it."""
    database = Database(address_of(home))
    with database.reading() as connection:
        rows = {
            name: [tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]
            for name in [*metadata.tables, "alembic_version"]
        }
    database.close()
    return rows


def change(home: Path, statement: str) -> None:
    """Change something behind the accounts' back."""
    database = Database(address_of(home))
    with database.writing() as connection:
        connection.exec_driver_sql(statement)
    database.close()


def looks_like_an_id(text: str) -> bool:
    """Whether this is an id of a person, like `p-7f3k2m`."""
    return re.fullmatch("p-[a-hjkmnp-z2-9]{6}", text) is not None


def at_once(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(*arguments, number)` returns in so many processes that begin together.

    An exception becomes its repr.
    """
    barrier, results = FRESH.Barrier(count), FRESH.SimpleQueue()
    processes = [
        FRESH.Process(target=_part, args=(barrier, results, work, arguments, number))
        for number in range(count)
    ]
    for process in processes:
        process.start()
    found = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
        process.close()
    results.close()
    return [found[number] for number in range(count)]


def alone(work: Callable[..., Any], *arguments: Any) -> int | None:
    """The exit code of a process that does nothing but `work(*arguments)`."""
    process = FRESH.Process(target=work, args=arguments)
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    return code


def fetch(username: str = "ada", **changes: Any) -> Fetch:
    """A row of the ledger of fetches."""
    row = {
        "document_type": "sleep",
        "day": date(2026, 1, 1),
        "status": FetchStatus.LANDED,
        "documents": 2,
        "changed": 1,
        "run_id": "run",
        "at": AT,
    }
    return Fetch(username=username, **row | changes)


def content(home: Path) -> bytes:
    """Every byte in every file of a data folder, the names of the files, and rows elsewhere."""
    elsewhere = repr(rows_of(home)).encode() if (home / ADDRESS).exists() else b""
    return elsewhere + b"\n".join(
        part for path in sorted(home.iterdir()) for part in (path.name.encode(), path.read_bytes())
    )


def incoming(body: bytes, oura_id: str | None = "id-ada", **changes: Any) -> ReceivedEvent:
    """An event that is being received."""
    event = {"data_type": "sleep", "known_type": True} | changes
    return ReceivedEvent(body=body, oura_id=oura_id, **event)


def _part(barrier: Any, results: Any, work: Any, arguments: Iterable[Any], number: int) -> None:
    barrier.wait(60)
    try:
        result = work(*arguments, number)
    except Exception as error:
        result = repr(error)
    results.put((number, result))
