"""A process that commits more than it may write.

In a module of its own: it imports what this stands in, and that of the test brings Dagster.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.sync.storage_failures import storage_failure
from oura_pipeline.warehouse.connection import ExclusiveFile, transaction


def commit_too_much(home: Path, answers: Any) -> None:
    """Put into a queue what DuckDB says of it, and what we make of that."""
    os.environ["OURA_PIPELINE_HOME"] = str(home)
    file = ExclusiveFile(home / "warehouse.duckdb", timeout=5)
    with file.opened() as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(10)")
    limit = file.path.stat().st_size + 10_000
    sys.dont_write_bytecode = True  # a module's would be cut off
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # as full as a disk
    try:
        with file.opened() as connection, transaction(connection):
            connection.execute("INSERT INTO t SELECT hash(range) // 3 FROM range(100000)")
    except duckdb.Error as error:
        answers.put([str(error).splitlines()[0], storage_failure(error) or ""])
