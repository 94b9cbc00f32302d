"""A command of `oura-pipeline` that counts what it does, twice, in a process of its own.

Python tells a profile function of every call of a C function: a statement of SQLite or DuckDB is
one. So nothing is replaced, and the same work gives the same counts on every machine.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from types import BuiltinFunctionType, FrameType
from typing import Any

from oura_pipeline.cli import main as command

SQLITE = ("Connection.execute", "Cursor.execute", "Cursor.executemany")
DUCKDB = ("execute", "executemany", "sql", "query", "begin", "commit")
COUNTED = {*DUCKDB, "connect"}  # the last parts of all of these names

Calls = Counter[str]


def main() -> None:
    """Run a command twice, and print as JSON what each run did."""
    name, *arguments = sys.argv[1:]
    # Its help loads its modules, which are not what is counted.
    run(name, "--help")
    results = [counted(name, *arguments) for _ in range(2)]
    sys.stdout.write(json.dumps(results))


def counted(*arguments: str) -> dict[str, int]:
    """Run a command; returns what it did."""
    calls, before = Calls(), bytes_written()

    def look(_frame: FrameType, event: str, function: Any) -> None:
        # This is asked a million times, mostly of something else.
        if event != "c_call" or function.__name__ not in COUNTED:
            return
        if isinstance(function, BuiltinFunctionType):
            # DuckDB's functions and `connect` have a module, methods of SQLite's objects none.
            module, name = function.__module__, function.__qualname__
            calls[f"{module}.{name.rpartition('.')[2]}" if module else name] += 1

    threading.setprofile(look)
    sys.setprofile(look)
    run(*arguments)
    sys.setprofile(None)
    threading.setprofile(None)
    return {
        "SQLite statements": sum(calls[name] for name in SQLITE),
        "SQLite opens": calls["_sqlite3.connect"],
        "DuckDB statements": sum(calls[f"_duckdb.{name}"] for name in DUCKDB),
        "DuckDB opens": calls["_duckdb.connect"],
        "kB written": (bytes_written() - before) // 1000,
        "modules": len(sys.modules),
    }


def run(*arguments: str) -> None:
    """Run a command, which has to succeed; what it prints goes to standard error."""
    sys.argv[1:] = arguments
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        command()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.stdout = out


def bytes_written() -> int:
    """The bytes that this process has written so far, to files and elsewhere; 0: nobody says."""
    counts = Path("/proc/self/io")
    text = counts.read_text(encoding="ascii") if counts.exists() else "wchar: 0"
    return int(text.partition("wchar:")[2].split()[0])


if __name__ == "__main__":
    main()
