"""Names and origins: by which name a request asks, and which page sent it."""

from __future__ import annotations

import re
from collections.abc import Set
from urllib.parse import urlsplit

from starlette.datastructures import Headers

# A name and perhaps a port, and nothing that would be cut off to make a name of it.
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(url: str) -> str:
    """Return the origin of an address as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_asked_by(headers: Headers, names: Set[str]) -> bool:
    """Return whether a request has one Host header, with one of these names."""
    match [_HOST.fullmatch(host) for host in headers.getlist("host")]:
        case [re.Match() as host]:
            return host[1].strip("[]").lower() in names
    return False


_SCRIPTS = "script-src 'self'; connect-src 'self'; "


def content_policy(authorize_url: str, *, scripts: bool = False) -> str:
    """Return the Content-Security-Policy: no inline styles, forms only to us and Oura, no scripts.

    With `scripts`, those files of ours may run, and ask us.

    Browsers apply `form-action` to every hop of a redirect, and Oura's sign-in redirects between
    its own hosts.
    """
    url = urlsplit(authorize_url)
    allowed = ["'self'", f"{url.scheme}://{url.netloc}"]
    parent = (url.hostname or "").partition(".")[2]
    if url.scheme == "https" and "." in parent:
        allowed.append(f"https://*.{parent}")
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        f"{_SCRIPTS if scripts else ''}"
        f"form-action {' '.join(allowed)}; frame-ancestors 'none'; base-uri 'none'"
    )
