"""Sandboxes for the tests: one that nobody changes, and a fresh one for everyone else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions

# Berlin puts its clocks back on 2026-10-25, inside these days.
END = date(2026, 10, 28)
OPTIONS = SandboxOptions(end=END, days=30)

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A sandbox that is only read."""
    with running(OPTIONS) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of one's own."""
    with running(OPTIONS) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def read(shared: Sandbox) -> Ask:
    """`read(username, collection, **query)` against the still sandbox."""
    return requester(shared)


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """`ask(username, collection, **query)` against one's own sandbox."""
    return requester(sandbox)


def requester(sandbox: Sandbox) -> Ask:
    """A function that asks as a person who granted everything."""
    tokens: dict[str, str] = {}

    def ask(username: str, path: str, **query: Any) -> httpx.Response:
        if username not in tokens:
            tokens[username] = sandbox.sign_in(username)["access_token"]
        return get(sandbox, tokens[username], path, **query)

    return ask


def get(sandbox: Sandbox, token: str, path: str, **query: Any) -> httpx.Response:
    """One request with an access token."""
    headers = {"authorization": f"Bearer {token}"}
    return sandbox.http.get(f"/v2/usercollection/{path}", params=query, headers=headers)


def data(response: httpx.Response) -> list[dict[str, Any]]:
    """The documents of a good answer."""
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


def days(response: httpx.Response) -> list[str]:
    """The days of the documents of a good answer."""
    return [document["day"] for document in data(response)]
