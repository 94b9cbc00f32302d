"""A data folder, the accounts in it and a token endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import opened
from oura_pipeline_tests.testing.token_server import TokenServer, token_server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "home"


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
