"""`oura-pipeline web`."""

from __future__ import annotations

import click

from oura_pipeline.process import logs
from oura_pipeline.settings import LogFormat, load_settings
from oura_pipeline.web.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
def web(host: str, port: int) -> None:
    """Serve the site, webhooks and API."""
    logs.set_up(as_json=load_settings().logs.format is LogFormat.JSON)
    try:
        serve(host, port)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise click.ClickException(reason) from None
