"""`oura-pipeline webserver`."""

from __future__ import annotations

import click

from oura_pipeline.defs.webserver import dagster_ui
from oura_pipeline.settings import load_settings
from oura_pipeline.web.guard import DagsterGuard
from oura_pipeline.web.server import guarded_server, listen, run_until_interrupted


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3000, show_default=True, help="Port to listen on.")
def webserver(host: str, port: int) -> None:
    """Serve Dagster's UI behind a guard.

    It answers only under the names of this machine and that of OURA_DAGSTER_URL, takes nothing from
    pages of other sites, and asks for OURA_DAGSTER_PASSWORD if there is one.
    """
    site = load_settings().site
    try:
        listener = listen(host, port)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise click.ClickException(reason) from None
    with listener, dagster_ui() as ui:
        guard = DagsterGuard(ui, site.dagster_url, site.dagster_password.get_secret_value())
        run_until_interrupted(guarded_server(guard), listener)
