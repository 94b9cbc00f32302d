"""`oura-pipeline web`."""

from __future__ import annotations

import logging

import click

from oura_pipeline.web.server import serve

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
def web(host: str, port: int) -> None:
    """Serve the site, webhooks and API."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for noisy in ("alembic", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        serve(host, port)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise click.ClickException(reason) from None
