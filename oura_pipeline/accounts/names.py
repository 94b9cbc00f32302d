"""Any number of names in a condition, as one parameter of the statement."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Names(FunctionElement[Any]):
    """The names in a JSON list, as rows."""

    name = "names"
    inherit_cache = True


@compiles(_Names, "sqlite")
def _in_sqlite(names: _Names, compiler: Any, **options: Any) -> str:
    listed = compiler.process(names.clauses, **options)
    return f"(SELECT value FROM json_each({listed}))"  # noqa: S608 - a parameter


@compiles(_Names, "postgresql")
def _in_postgres(names: _Names, compiler: Any, **options: Any) -> str:
    listed = compiler.process(names.clauses, **options)
    return f"(SELECT json_array_elements_text(CAST({listed} AS JSON)))"


def among(column: Column[Any], names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values; of none of them no row."""
    # A parameter for each would make a new statement for each number; SQLite takes 32,766 of them.
    listed = literal(json.dumps(sorted(set(names))), Text)
    return column.bool_op("IN")(_Names(listed))
