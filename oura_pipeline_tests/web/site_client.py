"""How the tests of what machines ask open a site, and speak to it like Oura does."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.oura.http import tls
from oura_pipeline.oura.webhooks import signature
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import Settings
from oura_pipeline.web.server import running_site
from oura_pipeline_tests.testing.settings import settings_with

SECRET = "a client secret"
TOKEN = "the operator's token"
EVENT = {
    "event_type": "update",
    "data_type": "daily_sleep",
    "object_id": "object-7f3a",
    "event_time": "2026-03-10T11:59:30+00:00",
    "user_id": "id-ada",
}


def site_settings(home: Path, **values: Any) -> Settings:
    """The settings of a site in a folder."""
    given = {"oura_client_id": "client", "oura_client_secret": SECRET} | values
    return settings_with(oura_pipeline_home=home, **given)


@contextmanager
def site_client(home: Path, **values: Any) -> Iterator[httpx.Client]:
    """A client of a site that runs in a folder."""
    with (
        running_site(site_settings(home, **values)) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False, verify=tls()) as client,
    ):
        yield client


@contextmanager
def open_accounts_in(home: Path) -> Iterator[Accounts]:
    """The accounts of that folder, as another process would see them."""
    with open_accounts(site_settings(home)) as accounts:
        yield accounts


def add_person(accounts: Accounts, username: str, **values: Any) -> None:
    """Somebody who signed in; Oura calls them `id-` and their name."""
    accounts.people.add(
        username, SignIn(**{"refresh_token": "refresh", "oura_id": f"id-{username}", **values})
    )


def event_body(**changes: Any) -> bytes:
    """The body of an event."""
    return json.dumps(EVENT | changes).encode()


def signed_headers(body: bytes, *, secret: str = SECRET, age: float = 0.0) -> dict[str, str]:
    """What Oura sends along with a body, some seconds ago."""
    stamp = str(int((time.time() - age) * 1000))
    return {"x-oura-timestamp": stamp, "x-oura-signature": signature(secret, stamp, body)}


def deliver(client: httpx.Client, body: bytes, **how: Any) -> int:
    """The status that Oura gets for a signed delivery."""
    return client.post("/webhook", content=body, headers=signed_headers(body, **how)).status_code


def numbered_event(part: int, number: int) -> bytes:
    """One of many different events."""
    return event_body(object_id=f"{part}-{number}")


def deliver_many(url: str, count: int, part: int) -> dict[int, int]:
    """Deliver so many different events over eight connections; how often which status came."""
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def some(first: int) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
        for number in range(first, count, 8):
            body = numbered_event(part, number)
            connection.request("POST", "/webhook", body, signed_headers(body))
            answer = connection.getresponse()
            answer.read()
            with lock:
                statuses[answer.status] += 1
        connection.close()

    threads = [threading.Thread(target=some, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(statuses)
