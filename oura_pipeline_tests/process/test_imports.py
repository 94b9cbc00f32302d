"""What is left out when modules are imported, each time in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def output_of(code: str) -> str:
    """Return what a program prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_alembic_comes_without_highlighters_and_garbage_is_collected_again() -> None:
    code = """
import gc, sys
from oura_pipeline.process.imports import lean_imports
with lean_imports():
    with lean_imports():
        import alembic.command
    inside = gc.isenabled()
print(inside, gc.isenabled(), gc.get_freeze_count() > 10_000)
print("pygments" in sys.modules, "mako.ext.pygmentplugin" in sys.modules)
"""
    assert output_of(code) == "False True True\nFalse False\n"


def test_duckdb_does_without_pandas_for_the_length_of_a_block() -> None:
    code = """
import sys
import duckdb
from oura_pipeline.process.imports import without
with without("pandas"):
    print(duckdb.execute("SELECT ?, unnest(?)", ["a", [1.5, None]]).fetchall())
print("numpy" in sys.modules, "pandas" in sys.modules)
import pandas
with without("pandas"):
    print(duckdb.execute("SELECT ?", [pandas.NaT]).fetchall())
print(sys.modules["pandas"] is pandas)
"""
    assert output_of(code) == "[('a', 1.5), ('a', None)]\nFalse False\n[(None,)]\nTrue\n"
