"""What all pages and machine routes share, opened once for the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from oura_pipeline.oura.http import tls
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.settings import Settings
from oura_pipeline.web.downloads import Downloads
from oura_pipeline.web.metrics import RequestMetrics
from oura_pipeline.web.operator import OperatorAuth
from oura_pipeline.web.sessions import session_key

# The status page waits for Dagster's UI no longer than this; it works without.
DAGSTER_TIMEOUT_SECONDS = 3.0
MAX_DASHBOARDS = 8  # each takes one of the threads that answer requests


# Nothing of a person is kept in here: everything is in the accounts. So the site can be restarted
# at any moment.
@dataclass(frozen=True, kw_only=True)
class Site:
    """A running site.

    Attributes:
        pipeline: accounts, Oura and warehouse.
        session_key: signs the cookies.
        dagster: an HTTP client for Dagster's UI.
        operator_auth: checks the operator's token, for pages and API together.
        downloads: limits concurrent downloads.
        dashboards: limits the dashboards that are drawn at once.
        imports: limits concurrent uploads of what people bring.
        request_metrics: counts requests.
    """

    pipeline: Pipeline
    session_key: str = field(repr=False)
    dagster: httpx.Client
    operator_auth: OperatorAuth
    downloads: Downloads = field(default_factory=Downloads)
    dashboards: Downloads = field(default_factory=lambda: Downloads(MAX_DASHBOARDS))
    imports: Downloads = field(default_factory=Downloads)
    request_metrics: RequestMetrics = field(default_factory=RequestMetrics)

    @property
    def settings(self) -> Settings:
        return self.pipeline.settings


def dagster_client(settings: Settings) -> httpx.Client:
    """Return a client for Dagster's UI, which knows its password."""
    password = settings.site.dagster_password.get_secret_value()
    auth = ("oura-pipeline", password) if password else None
    return httpx.Client(verify=tls(), timeout=DAGSTER_TIMEOUT_SECONDS, auth=auth)


@contextmanager
def open_site(settings: Settings | None = None) -> Iterator[Site]:
    """Open a site with these settings; None: with those of this process.

    Raises:
        SettingsError: a setting, or the file of the session key, cannot be used.
    """
    with open_pipeline(settings) as pipeline, dagster_client(pipeline.settings) as dagster:
        yield Site(
            pipeline=pipeline,
            session_key=session_key(pipeline.settings),
            dagster=dagster,
            operator_auth=OperatorAuth(pipeline.settings.site.operator_token.get_secret_value()),
        )
