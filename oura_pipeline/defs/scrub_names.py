"""A person's name is taken out of Dagster's records: runs, events, checks, ticks, printed logs.

What surprises: nothing is deleted but the name. A run, an event or a check stays what it was, and
where it said whom it was about it says "someone who left". That is no username, so a run that was
for them alone does not become one for everybody when it is launched again. A name may be a word
like `sleep`: what Dagster identifies things by (keys of assets, steps, checks, jobs, partitions,
its own tags) is never touched. And rows that were rewritten leave their old text in free parts of a
SQLite file, so the file is written anew where the name is still to be found in its bytes.

There is no public way to rewrite what Dagster recorded; this goes to its SQLite files, a
transaction per column, waiting for whoever writes.
"""

# ruff: noqa: S608  every piece of SQL is a name of Dagster's own tables; values are parameters

import json
import logging
import mmap
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from oura_pipeline.defs.storage import Kept, kept_files, project_instance
from oura_pipeline.files import replacing

LOG = logging.getLogger(__name__)
LEFT = "someone who left"
PEOPLE = "people"  # in the configuration of `PipelineResource`
PATIENCE = 60.0  # seconds to wait for whoever reads or writes
LONGEST_RUN = timedelta(days=1)  # dagster.yaml ends what takes longer

UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# What things are called, not what is said about them; in Dagster's own spelling.
_IDENTITIES = re.compile(
    r"__\w+__|mode|origin|partition|path|stack|logging_tags|partitions_\w+"
    r"|(?!run_keys?$)\w+_(keys?|names?|ids?|handle|origin|selection|to_execute|value)"
    r"|\.?dagster/(?!run_key$).*"  # its own tags, except the one that a sensor made up
)


class DagsterBusy(Exception):
    """Somebody has been reading one of Dagster's files for too long; nothing is lost by waiting."""


def forget_in_dagster(username: str) -> int:
    """Take a person's name out of the records of this project's Dagster.

    Returns:
        In how many rows and files it stood.

    Raises:
        DagsterBusy: do it again.
    """
    with project_instance() as instance:
        return forget_in(instance, username)


def forget_in(instance: dg.DagsterInstance, username: str) -> int:
    """The same, in the records of one Dagster instance."""
    kept = kept_files(instance)
    if kept.elsewhere:
        LOG.warning(kept.elsewhere)
    name = _Name(username, _spoken(kept))
    return sum(_forget_in_file(path, name) for path in kept.databases) + sum(
        _forget_in_log(path, name) for path in _printed(kept)
    )


def runs_under_way(instance: dg.DagsterInstance, left: datetime, besides: str = "") -> int:
    """How many runs may still be working on somebody who left: they began before.

    Args:
        instance: whose runs.
        left: since when nothing is fetched of the person any more, UTC.
        besides: the run that asks.
    """
    recent = dg.RunsFilter(statuses=UNDER_WAY, created_after=left - LONGEST_RUN)
    records = instance.get_run_records(recent)
    return sum(
        record.dagster_run.run_id != besides and record.create_timestamp < left
        for record in records
    )


class _Name:
    """A name as a whole word, except where it is part of an asset that is spoken of.

    Attributes:
        username: the name.
        encoded: its bytes.
    """

    def __init__(self, username: str, spoken: Iterable[str]) -> None:
        self.username = username
        self.encoded = username.encode()
        word = rf"(?<![\w-]){re.escape(username)}(?![\w-])"
        assets = [re.escape(words) for words in spoken if re.search(word, words)]
        self._pattern = re.compile("|".join([*assets, f"(?P<person>{word})"]))

    def out_of(self, text: str) -> str:
        """The text without the person."""
        return self._pattern.sub(lambda found: LEFT if found["person"] else found[0], text)

    def out_of_json(self, value: Any) -> Any:
        """A document of Dagster's without the person."""
        if isinstance(value, str):
            return self.out_of(value)
        if isinstance(value, list):
            return [self.out_of_json(entry) for entry in value]
        if isinstance(value, dict):
            return {key: self._out_of_entry(key, inner) for key, inner in value.items()}
        return value

    def _out_of_entry(self, key: str, value: Any) -> Any:
        if key == PEOPLE and isinstance(value, list):
            # Whom a run is for: without them; but an empty list would be everybody.
            return [person for person in value if person != self.username] or (value and [LEFT])
        return value if _identifies(key) else self.out_of_json(value)

    def out_of_row(self, key: str | None, text: str) -> str:
        """A value in a table of keys and values or, without a key, a document in a column."""
        document = _document(text)
        if document is not None:
            return json.dumps(self.out_of_json(document))
        return text if key is None or _identifies(key) else self.out_of(text)


def _document(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None: it is none. Columns of names hold texts and lists."""
    if not text.startswith("{"):
        return None
    try:
        return dict(json.loads(text))
    except ValueError:
        return None


def _identifies(key: str) -> bool:
    return _IDENTITIES.fullmatch(key) is not None


def _spoken(kept: Kept) -> list[str]:
    """How Dagster's messages and ours speak of assets, which may be called as a person is."""
    keys: list[str] = []
    for path in kept.databases:
        with closing(_opened(path)) as connection:
            if "asset_keys" in _tables(connection):
                keys += [key for (key,) in connection.execute("SELECT asset_key FROM asset_keys")]
    return [words for key in keys for words in _spellings(json.loads(key))]


def _spellings(path: list[str]) -> tuple[str, ...]:
    last = path[-1]
    ours = (f"{last} failed for everybody", f"Oura refuses {last}", f"{last}, not sent")
    return (" ".join(path), "/".join(path), json.dumps(path), *ours)


def _forget_in_file(path: Path, name: _Name) -> int:
    try:
        with closing(_opened(path)) as connection:
            connection.execute("PRAGMA secure_delete=ON").close()  # what is replaced becomes zeros
            changed = sum(
                _forget_in_column(connection, table, column, name)
                for table in _tables(connection)
                for column in _columns(connection, table)
            )
            _empty_log(connection, path)
            # What Dagster itself replaced or deleted before is not zeros.
            if changed or _has_bytes(path, name.encoded):
                connection.execute("VACUUM")
                _empty_log(connection, path)
    except sqlite3.OperationalError as error:
        if not path.exists():  # a run that was deleted meanwhile
            return 0
        raise DagsterBusy(f"{path.name} of Dagster cannot be rewritten now: {error}") from error
    return changed


def _forget_in_column(connection: sqlite3.Connection, table: str, column: str, name: _Name) -> int:
    """Rewrite the rows of a column that name the person; all of them, or none."""
    theirs = f"""typeof("{column}") = 'text' AND instr("{column}", ?)"""
    key = "key" if column == "value" and "key" in _columns(connection, table) else "NULL"
    place = f'FROM "{table}" WHERE {theirs}'
    word = (name.username,)
    if connection.execute(f"SELECT 1 {place} LIMIT 1", word).fetchone() is None:
        return 0
    changed = 0
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for (row,) in connection.execute(f"SELECT rowid {place}", word).fetchall():
            key_and_text = f'SELECT {key}, "{column}" FROM "{table}" WHERE rowid = ?'
            about, text = connection.execute(key_and_text, (row,)).fetchone()
            without = name.out_of_row(about, text)
            if without != text:
                update = f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?'
                connection.execute(update, (without, row))
                changed += 1
    return changed


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there, without transactions of its own making."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\'"
    )
    return [table for (table,) in rows]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return [column for (column,) in rows]


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Move what is in the write-ahead log into the file: old pages are in it until then."""
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise DagsterBusy(f"somebody has been reading {path.name} of Dagster for too long")


def _has_bytes(path: Path, wanted: bytes) -> bool:
    if path.stat().st_size == 0:  # a run that begins at this moment; there is no map of nothing
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return whole.find(wanted) >= 0


def _printed(kept: Kept) -> list[Path]:
    """What steps and sensors printed."""
    if kept.printed is None:
        return []
    return sorted(path for path in kept.printed.rglob("*") if path.is_file())


def _forget_in_log(path: Path, name: _Name) -> int:
    """Replace a printed log by one without the person; it is whole at any time."""
    said = path.read_bytes()
    if name.encoded not in said:
        return 0
    text = said.decode(errors="surrogateescape")
    without = name.out_of(text)
    if without == text:
        return 0
    with replacing(path, keep_mode=True) as new:
        new.write_bytes(without.encode(errors="surrogateescape"))
    return 1
