"""The log of the catalog's Postgres, where statements that fail stand with names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oura_pipeline.warehouse.lake import locks
from oura_pipeline.warehouse.lake.address import LakeAddress

if TYPE_CHECKING:
    import psycopg

# DuckLake says the least and greatest value of each column when it writes, before a trigger takes
# them out; whenever two write at once, the statement of one of them fails.
_SILENT = {
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
}


def silence(connection: psycopg.Connection[Any]) -> None:
    """Let the server log no statement on the catalog, where it lets us: a superuser may."""
    from psycopg.errors import InsufficientPrivilege

    for statement in _statements(connection.info.dbname):
        try:
            connection.execute(statement.encode())
        except InsufficientPrivilege:
            return


def advice(address: LakeAddress) -> str:
    """Return what a superuser is to do so that nothing is logged; empty: nothing is."""
    connection = locks.connect(address)
    try:
        found = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(_SILENT)]
        ).fetchall()
        name = connection.info.dbname
    finally:
        connection.close()
    if dict(found) == _SILENT:
        return ""
    return (
        "Postgres writes statements on the catalog into its log, with names and values that stay "
        f"there when somebody is deleted. Let a superuser say: {'; '.join(_statements(name))}"
    )


def _statements(database: str) -> list[str]:
    quoted = '"' + database.replace('"', '""') + '"'
    return [f"ALTER DATABASE {quoted} SET {name} = '{value}'" for name, value in _SILENT.items()]
