"""What the tests of signing in ask of addresses, sites and an Oura of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from oura_pipeline_tests.testing.http_server import QuietHandler, serving
from oura_pipeline_tests.web.conftest import RunningSite


def query(address: str) -> dict[str, str]:
    """The fields of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def nobody(site: RunningSite) -> bool:
    """Whether nobody was added."""
    return site.accounts.people.all() == []


@contextmanager
def saying(body: dict[str, str], status: int = 200) -> Iterator[str]:
    """An Oura whose every document is this one."""
    text = json.dumps(body).encode()

    class Said(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    with serving(Said) as url:
        yield url
