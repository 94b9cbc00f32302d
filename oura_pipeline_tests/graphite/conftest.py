"""One real Graphite for all tests of this package, and a ledger for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.oura.http import tls
from oura_pipeline_tests.testing.requirements import require_graphite


@pytest.fixture(scope="session")
def graphite() -> Iterator[LocalGraphite]:
    """A running Graphite; each test takes metrics of its own."""
    require_graphite()
    with LocalGraphite() as running:
        yield running


@pytest.fixture
def render(graphite: LocalGraphite) -> Iterator[RenderClient]:
    """Reads from that Graphite."""
    with httpx.Client(timeout=60, verify=tls()) as http:
        yield RenderClient(http, graphite.render_url)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Pushes]:
    """A ledger that knows ada, bob and eve."""
    url = f"sqlite:///{tmp_path / 'accounts.sqlite'}"
    with Accounts.open(url, key_path=tmp_path / "token.key") as accounts:
        for username in ("ada", "bob", "eve"):
            accounts.people.add(username, SignIn(refresh_token=f"of {username}"))
        yield accounts.pushes
