"""How the tests go back in time: to earlier schemas, and to rows that are older."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.migrate import SCRIPTS
from oura_pipeline.accounts.schema import metadata
from oura_pipeline_tests.accounts.homes import address_of


def age(home: Path, table: str, column: str, by: timedelta) -> None:
    """Every instant in a column was so much earlier."""
    of_table = metadata.tables[table]
    key = list(of_table.primary_key)
    database = Database(address_of(home))
    with database.writing() as connection:
        for *values, at in connection.execute(select(*key, of_table.c[column])).all():
            same = [one == value for one, value in zip(key, values, strict=True)]
            connection.execute(of_table.update().where(*same).values({column: at - by}))
    database.close()


def upgrade(connection: Connection, revision: str) -> None:
    """Bring a database to the schema of an earlier version."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, revision)


def migrated(url: str) -> str:
    """The address of an empty database, after all migrations from the first one on."""
    database = Database(url)
    with database.writing() as connection:
        upgrade(connection, "head")
    database.close()
    return url


def schema_of(url: str) -> dict[str, Any]:
    """What a database says of its tables, by table, and wherein the code's tables differ."""
    database = Database(url)
    with database.reading() as connection:
        found, name = inspect(connection), _by_name
        tables = {
            table: {
                "columns": [
                    {**column, "type": str(column["type"])} for column in found.get_columns(table)
                ],
                "primary key": found.get_pk_constraint(table),
                "foreign keys": sorted(found.get_foreign_keys(table), key=name),
                "unique": sorted(found.get_unique_constraints(table), key=name),
                "indexes": sorted(map(_in_words, found.get_indexes(table)), key=name),
                "options": found.get_table_options(table),
            }
            for table in found.get_table_names()
        }
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    database.close()
    return {**tables, "differences": differences}


def _in_words(index: Any) -> dict[str, Any]:
    """An index, with its condition as text."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def _by_name(constraint: Any) -> str:
    return str(constraint["name"])
