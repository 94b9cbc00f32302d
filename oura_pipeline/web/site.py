"""What every page and every machine address of the site works with, opened once for the process.

What surprises: nothing of a person is kept in here. What a browser may see is in its signed cookie,
everything else in the accounts, so that the site can be restarted at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.settings import Settings
from oura_pipeline.web.downloads import Downloads
from oura_pipeline.web.metrics import Traffic
from oura_pipeline.web.operator import OperatorAuth
from oura_pipeline.web.sessions import session_key

DAGSTER_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """One running site.

    Attributes:
        pipeline: accounts, Oura, warehouse.
        session_key: signs the cookies.
        dagster: asks Dagster's UI, with a short patience.
        operator_auth: checks the operator's token, for pages and API together.
        downloads: lets a few people at once take their data along.
        traffic: counts what happens to requests.
    """

    pipeline: Pipeline
    session_key: str
    dagster: httpx.Client
    operator_auth: OperatorAuth
    downloads: Downloads = field(default_factory=Downloads)
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def settings(self) -> Settings:
        """The settings it was opened from."""
        return self.pipeline.settings

    def __repr__(self) -> str:
        """Without the key."""
        return f"Site({self.settings.site.url})"


@contextmanager
def open_site(settings: Settings | None = None) -> Iterator[Site]:
    """A site for the settings of this process, or for those given.

    Raises:
        SettingsError: a setting, or the file of the session key, cannot be used.
    """
    with open_pipeline(settings) as pipeline, httpx.Client(timeout=DAGSTER_SECONDS) as dagster:
        yield Site(
            pipeline=pipeline,
            session_key=session_key(pipeline.settings),
            dagster=dagster,
            operator_auth=OperatorAuth(pipeline.settings.site.operator_token.get_secret_value()),
        )
