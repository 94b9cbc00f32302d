"""The site as a server: uvicorn on a socket, in this process or in a thread of a test.

What surprises: the socket listens before the server runs. Whoever comes early waits in its queue,
and a test knows the address before there is a site.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from oura_pipeline.settings import Settings, load_settings
from oura_pipeline.web.app import create_app
from oura_pipeline.web.site import Site, open_site


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run until interrupted; port 0 is a free one, and the line printed says which.

    Raises:
        OSError: the address is not to be had.
        SettingsError: a setting cannot be used.
    """
    with listen(host, port) as listener, open_site(_settings(None, listener)) as site:
        here = socket_url(listener)
        people = "" if here == site.settings.site.url else f" (people: {site.settings.site.url})"
        print(f"Site: {here}{people}", flush=True)
        _server(site).run(sockets=[listener])


@contextmanager
def running_site(
    settings: Settings | None = None, *, listener: socket.socket | None = None
) -> Iterator[str]:
    """A site in a thread, for the length of the block; gives its address.

    Args:
        settings: those of the site; None: those of this process.
        listener: a socket that listens already, which is closed at the end; None: on a free port.
    """
    with (
        listener or listen("127.0.0.1", 0) as bound,
        open_site(_settings(settings, bound)) as site,
    ):
        server = _server(site)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [bound]}, name="site", daemon=True
        )
        thread.start()
        try:
            yield socket_url(bound)
        finally:
            server.should_exit = True
            thread.join(15)


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections already."""
    return socket.create_server((host, port), backlog=512)


def socket_url(listener: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  (read, not listened at)
    return f"http://{host}:{port}"


def _settings(settings: Settings | None, listener: socket.socket) -> Settings:
    """Those given, or of this process; without a public address the site is at its own listener."""
    return (settings or load_settings()).served_at(socket_url(listener))


def _server(site: Site) -> uvicorn.Server:
    """Quiet, because the site has its own log; the Host and forwarded headers are never used."""
    config = uvicorn.Config(
        create_app(site),
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="none",
    )
    return uvicorn.Server(config)
