"""A data folder, the accounts in it and a token endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.schema import metadata
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import ADDRESS, opened
from oura_pipeline_tests.testing.postgres import new_database
from oura_pipeline_tests.testing.token_server import TokenServer, token_server


@pytest.fixture(params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder: one that does not exist yet, or one with its accounts on Postgres."""
    home = tmp_path / "home"
    if request.param == "postgres":
        home.mkdir(mode=0o700)
        address = request.getfixturevalue("emptied_postgres")
        (home / ADDRESS).write_text(address, encoding="utf-8")
    return home


@pytest.fixture(scope="session")
def prepared_postgres(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Accounts on Postgres, prepared once: creating a database takes longer than most tests."""
    url = f"postgresql+psycopg://{new_database(postgres_server)}"
    Accounts.open(url, key_path=tmp_path_factory.mktemp("prepared") / "token.key").close()
    return url


@pytest.fixture
def emptied_postgres(prepared_postgres: str) -> str:
    """The same for every test, without what the one before it left."""
    database = Database(prepared_postgres)
    with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(text("ALTER SEQUENCE webhook_inbox_id_seq RESTART"))
    database.close()
    return prepared_postgres


@pytest.fixture
def accounts(home: Path) -> Iterator[Accounts]:
    """The accounts in that folder."""
    with opened(home) as accounts:
        yield accounts


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """A token endpoint."""
    with token_server() as state:
        yield state
