"""The sandbox as a Starlette application, and the blocking way to run it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from oura_pipeline.sandbox import control, oauth, revocation, routes, webhook_routes
from oura_pipeline.sandbox.cloud import Cloud, SandboxOptions
from oura_pipeline.sandbox.responses import json_response

__all__ = ["SandboxOptions", "create_app", "listen", "serve", "uvicorn_server", "variables"]


def create_app(options: SandboxOptions) -> Starlette:
    """Return the application. Raise `ValueError`, `FileNotFoundError` for impossible options."""
    # A proxy of the environment could not reach a callback on this machine; its authorities count.
    http = httpx.AsyncClient(trust_env=False, verify=_tls())
    cloud = Cloud.build(options, http)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with http:
            yield
            await cloud.webhooks.stop()

    app = Starlette(
        routes=[
            *routes.ROUTES,
            *oauth.ROUTES,
            *revocation.ROUTES,
            *webhook_routes.ROUTES,
            *control.ROUTES,
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.state.cloud = cloud
    return app


@cache
def _tls() -> ssl.SSLContext:
    # Reading it takes longer than the rest of a sandbox's start.
    return httpx.create_ssl_context()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_response(request, {"detail": error.detail}, error.status_code, error.headers)


def serve(
    options: SandboxOptions,
    host: str = "127.0.0.1",
    port: int = 8400,
    started: Callable[[uvicorn.Server], object] = lambda server: None,
) -> None:
    """Run until interrupted; port 0 is a free one, and the line printed says which."""
    # Printed when connections are accepted already: whoever reads the line may connect.
    app = create_app(options)
    with listen(host, port) as listener:
        print(banner(app.state.cloud, listener), flush=True)
        print(f"\n{env_lines(app.state.cloud, listener)}\n", flush=True)
        with suppress(KeyboardInterrupt):
            server = uvicorn_server(app)
            started(server)
            server.run(sockets=[listener])


def banner(cloud: Cloud, listener: socket.socket) -> str:
    """Return `Sandbox on http://127.0.0.1:8400: 5 people, 90 days, …`."""
    host, port = listener.getsockname()[:2]
    options, people = cloud.options, len(cloud.people)
    history = f"replay of {options.replay}" if options.replay else f"{options.days} days"
    who = ", ".join(list(cloud.people)[:5])
    return (
        f"Sandbox on http://{host}:{port}: {people} people, {history}, client {options.client_id} "
        f"({options.portal} portal), {who}{', …' if people > 5 else ''}"
    )


def variables(url: str, options: SandboxOptions) -> dict[str, str]:
    """Return the variables that point a pipeline at a sandbox."""
    token = "/oauth/v2/ext/oauth-token" if options.portal == "new" else "/oauth/token"
    return {
        "OURA_CLIENT_ID": options.client_id,
        "OURA_CLIENT_SECRET": options.client_secret,
        "OURA_API_URL": url,
        "OURA_AUTHORIZE_URL": f"{url}/oauth/authorize",
        "OURA_TOKEN_URL": url + token,
        "OURA_REVOKE_URL": f"{url}/oauth/revoke",
    }


def env_lines(cloud: Cloud, listener: socket.socket) -> str:
    """Return lines for the `.env` of a copy that is to use this sandbox, in a folder of its own."""
    options = cloud.options
    host, port = listener.getsockname()[:2]
    last = options.end or datetime.now(UTC).date()
    first = last - timedelta(days=options.days)
    beside = {
        "OURA_PIPELINE_HOME": "data/sandbox",
        # Nobody's history is longer than that.
        **({} if options.replay else {"OURA_HISTORY_START": str(first)}),
    }
    given = variables(f"http://{host}:{port}", options) | beside
    return "\n".join(f"{name}={value}" for name, value in given.items())


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections already; whoever comes early waits in its queue."""
    return socket.create_server((host, port), backlog=512)


def uvicorn_server(app: Starlette) -> uvicorn.Server:
    """Return a quiet server that ends within a second of being told to."""
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        ws="none",
        # Longer than a client's pauses between tries, or their connection would be cut meanwhile.
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        # Nobody's test should depend on which server this is.
        server_header=False,
    )
    return uvicorn.Server(config)
