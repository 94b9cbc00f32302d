"""Names and origins: by which name a request asks, and which page sent it."""

from __future__ import annotations

from collections.abc import Set
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(url: str) -> str:
    """Return the origin of an address as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_asked_by(headers: Headers, names: Set[str]) -> bool:
    """Return whether a request has one Host header, with one of these names."""
    hosts = headers.getlist("host")
    try:
        return len(hosts) == 1 and (urlsplit(f"//{hosts[0]}").hostname or "") in names
    except ValueError:
        return False
