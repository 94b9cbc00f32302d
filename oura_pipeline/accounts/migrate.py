"""The creation of an accounts database, and its upgrade to the schema of this version.

To change the schema: change `schema.py`, add the next file to `migrations/versions/` and set
`REVISION` to it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.errors import DatabaseRefused
from oura_pipeline.accounts.schema import metadata

REVISION = "0015"
SCRIPTS = Path(__file__).parent / "migrations"


def prepare(database: Database) -> None:
    """Create or upgrade the tables where needed; others who open the database meanwhile wait.

    Raises:
        DatabaseRefused: the database was written by a newer version of this project.
    """
    if _revision(database) == REVISION:
        return
    with database.lock("schema"):
        if (found := _revision(database)) == REVISION:
            return
        if found is not None and found > REVISION:
            raise DatabaseRefused(
                f"the accounts database has schema {found} and this version knows {REVISION}; "
                "install the newer version of this project again"
            )
        database.keep_log()
        with database.writing() as connection:
            if found is None and not inspect(connection).get_table_names():
                _create(connection)
            else:
                _upgrade(connection)


def _revision(database: Database) -> str | None:
    with database.reading() as connection:
        if not connection.dialect.has_table(connection, "alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def _create(connection: Connection) -> None:
    # What all migrations, one after the other, come to, without Alembic.
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(
        text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION}
    )


def _upgrade(connection: Connection) -> None:
    from alembic import command  # 0.2 s that nobody needs who finds the schema up to date
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
