"""Sandboxes for the tests: a shared one that nobody changes, and a fresh one per test."""

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
    """A sandbox for one test alone."""
    with running(OPTIONS) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def read(shared: Sandbox) -> Ask:
    """`read(username, collection, **query)` against the shared sandbox."""
    return requester(shared)


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """`ask(username, collection, **query)` against the own sandbox of a test."""
    return requester(sandbox)


def requester(sandbox: Sandbox) -> Ask:
    """Return a function that sends requests as people who granted everything."""
    tokens: dict[str, str] = {}

    def ask(username: str, path: str, **query: Any) -> httpx.Response:
        if username not in tokens:
            tokens[username] = sandbox.sign_in(username)["access_token"]
        return get(sandbox, tokens[username], path, **query)

    return ask


def get(sandbox: Sandbox, token: str, path: str, **query: Any) -> httpx.Response:
    """Send one request with an access token."""
    headers = {"authorization": f"Bearer {token}"}
    return sandbox.http.get(f"/v2/usercollection/{path}", params=query, headers=headers)


def data(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the documents of a response, which must be 200."""
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


def days(response: httpx.Response) -> list[str]:
    """Return the days of the documents of a response, which must be 200."""
    return [document["day"] for document in data(response)]
