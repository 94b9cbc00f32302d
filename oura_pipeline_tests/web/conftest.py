"""A site on a port that is known beforehand, with a sandbox in Oura's place."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline.settings import Settings, read_settings
from oura_pipeline.web.server import listen, running_site, socket_url
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.testing.world import environment
from oura_pipeline_tests.web.html_browser import HtmlBrowser

OPERATOR = "an operator's long password"


@dataclass
class RunningSite:
    """A running site.

    Attributes:
        url: its address.
        settings: its settings.
        sandbox: the Oura that it talks to.
        pipeline: the same accounts and files, as another process has them.
    """

    url: str
    settings: Settings
    sandbox: Sandbox
    pipeline: Pipeline
    _stack: ExitStack = field(repr=False)

    @property
    def accounts(self) -> Accounts:
        """The accounts of the site."""
        return self.pipeline.accounts

    def browser(self) -> HtmlBrowser:
        """A new browser, without any cookie."""
        return self._stack.enter_context(HtmlBrowser(self.url))


OpenSite = Callable[..., RunningSite]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """An Oura with twelve people."""
    with running(SandboxOptions(people=12, days=3)) as cloud:
        yield cloud


@pytest.fixture
def oura(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The same, whole again afterwards."""
    yield sandbox
    sandbox.clear_faults()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which everything was made and nothing happened."""
    home = tmp_path_factory.mktemp("fresh") / "data"
    settings = settings_with(oura_pipeline_home=home)
    with open_pipeline(settings):
        return home


@pytest.fixture
def open_site(oura: Sandbox, fresh: Path, tmp_path: Path) -> Iterator[OpenSite]:
    """A function that opens a site; its arguments are settings."""
    shutil.copytree(fresh, tmp_path / "data")
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(site_in(tmp_path / "data", oura, **values))


@pytest.fixture
def described(open_site: OpenSite, empty_home: Path, tmp_path: Path) -> None:
    """A warehouse and its copy, without documents, in the data folder."""
    for file in empty_home.glob("*.duckdb"):  # the accounts are there, perhaps already open
        shutil.copy(file, tmp_path / "data")


@contextmanager
def site_in(home: Path, cloud: Sandbox, **values: Any) -> Iterator[RunningSite]:
    listener = listen("127.0.0.1", 0)
    url = socket_url(listener)
    given = environment(home, cloud) | {
        "OURA_AUTHORIZE_URL": f"{cloud.url}/oauth/authorize",
        "OURA_PUBLIC_URL": url,
        "OURA_SIGNUP": "open",
        "OURA_OPERATOR_TOKEN": OPERATOR,
    }
    settings = read_settings(given | {name.upper(): value for name, value in values.items()})
    with (
        running_site(settings, listener=listener) as url,
        open_pipeline(settings) as pipeline,
        ExitStack() as stack,
    ):
        yield RunningSite(url, settings, cloud, pipeline, stack)
