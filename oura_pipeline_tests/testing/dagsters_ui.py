"""Dagster's UI of this environment's instance, on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from oura_pipeline.defs.webserver import dagster_ui
from oura_pipeline.web.server import listen, socket_url
from oura_pipeline_tests.testing.child_processes import wait_for_dagster_children

Ask = Callable[..., Any]


@contextmanager
def running_dagster() -> Iterator[str]:
    """Serve it in a thread for the length of the block; yield its address."""
    with wait_for_dagster_children(), dagster_ui() as app, listen("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield socket_url(bound)
        finally:
            server.should_exit = True
            thread.join(15)


@contextmanager
def dagsters_answers() -> Iterator[Ask]:
    """Yield what asks it a GraphQL query with variables, and returns the data."""
    with running_dagster() as url, httpx.Client(base_url=url, timeout=60) as client:

        def ask(query: str, **variables: Any) -> Any:
            answer = client.post("/graphql", json={"query": query, "variables": variables})
            body = answer.json()
            assert "errors" not in body, body["errors"]
            return body["data"]

        yield ask
