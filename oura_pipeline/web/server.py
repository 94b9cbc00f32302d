"""The site as a server: uvicorn on a socket, in this process or in a thread."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import uvicorn

from oura_pipeline.process import interrupts
from oura_pipeline.settings import Settings, is_this_machine, load_settings
from oura_pipeline.web.app import create_app
from oura_pipeline.web.guard import DagsterGuard
from oura_pipeline.web.limits import ImpatientProtocol
from oura_pipeline.web.site import Site, open_site


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until interrupted and print the address; port 0 picks a free port.

    Raises:
        OSError: cannot listen on the address.
        SettingsError: a setting cannot be used.
    """
    # The socket listens before the site is open: early requests wait in its queue, and a free
    # port is known in time for the addresses in the settings.
    with listen(host, port) as listener, open_site(_settings(None, listener)) as site:
        url = local_url(listener)
        public = "" if url == site.settings.site.url else f" (public: {site.settings.site.url})"
        print(f"Site: {url}{public}", flush=True)
        run_until_interrupted(_server(site), listener)


def run_until_interrupted(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve in a thread of a command, to which no signal comes."""
    stop = partial(server.handle_exit, signal.SIGTERM, None)
    with interrupts.interruptible(requested=stop):
        server.run(sockets=[listener])


@contextmanager
def running_site(
    settings: Settings | None = None, *, listener: socket.socket | None = None
) -> Iterator[str]:
    """Run a site in a thread for the length of the block; yield its address.

    Args:
        settings: of the site; None: those of this process.
        listener: a listening socket, closed at the end; None: a new one on a free port.
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
            yield _by_name(bound, site.settings.site.url)
        finally:
            server.should_exit = True
            thread.join(15)  # longer than the graceful shutdown takes


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket."""
    return socket.create_server((host, port), backlog=512)


def socket_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  (compared, not bound)
    return f"http://{host}:{port}"


def local_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket as Oura's portals accept it: by the name `localhost`."""
    url = socket_url(listener)
    return f"http://localhost:{_port(listener)}" if is_this_machine(url) else url


def guarded_server(guard: DagsterGuard) -> uvicorn.Server:
    """Return a server of Dagster's UI behind its guard."""
    config = uvicorn.Config(
        guard,
        log_level="warning",
        # uvicorn would believe the addresses in X-Forwarded-For; nothing here needs them.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        http=ImpatientProtocol,
    )
    return uvicorn.Server(config)


def _by_name(listener: socket.socket, url: str) -> str:
    """Return the URL of a socket, by the name of this machine that the site's address has."""
    if not is_this_machine(url):
        return socket_url(listener)
    return urlsplit(url)._replace(netloc=f"{urlsplit(url).hostname}:{_port(listener)}").geturl()


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _settings(settings: Settings | None, listener: socket.socket) -> Settings:
    """Return the settings; without a public address the site's address is that of its socket."""
    return (settings or load_settings()).served_at(local_url(listener))


def _server(site: Site) -> uvicorn.Server:
    config = uvicorn.Config(
        create_app(site),
        access_log=False,  # it would log query strings; the site has its own log
        log_level="warning",
        proxy_headers=False,  # addresses come from the settings, never from a request's headers
        server_header=False,
        timeout_graceful_shutdown=1,  # who asks to end wants an end
        ws="none",
        http=ImpatientProtocol,
    )
    return uvicorn.Server(config)
