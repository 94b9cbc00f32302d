"""Under which names the site answers, and whom it believes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from oura_pipeline.oura.http import tls
from oura_pipeline.settings import SettingsError, read_settings
from oura_pipeline.web.server import running_site
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.web.conftest import OpenSite


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site of https://ring.example listens."""
    settings = settings_with(
        oura_pipeline_home=tmp_path_factory.mktemp("hosts") / "data",
        oura_public_url="https://ring.example",
        oura_allowed_hosts="site, Monitor.internal",
    )
    with running_site(settings) as address:
        yield address


@pytest.mark.parametrize(
    "host",
    ["ring.example", "RING.example:443", "127.0.0.1:8000", "[::1]:1", "site:8", "monitor.internal"],
)
def test_own_names_are_answered(url: str, host: str) -> None:
    assert httpx.get(f"{url}/health", headers={"Host": host}, verify=tls()).status_code == 200


@pytest.mark.parametrize("path", ["/", "/me", "/metrics", "/webhook", "/api/openapi.json"])
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "ring.example.evil.example", "a@evil", "[", "", "a@ring.example"),
        *("ring.example/x", "ring.example#x", "ring.example:x", "ring.example:999999"),
    ],
)
def test_foreign_names_are_not(url: str, host: str, path: str) -> None:
    """Neither a page nor what machines ask."""
    answer = httpx.get(f"{url}{path}", headers={"Host": host}, verify=tls())
    assert (answer.status_code, "set-cookie" in answer.headers) == (421, False)


def test_the_browser_says_nothing_of_what_was_granted(open_site: OpenSite) -> None:
    """Where Oura's tokens name no scopes, nothing is known, whatever stands in the address."""
    site = open_site()
    site.sandbox.change_options(token_scope=False)
    try:
        browser = site.browser()
        browser.begin()
        address = browser.consent("runa", ["daily"])
        assert "scope=" in address
        browser.go(address)
        browser.send("/welcome", username="runa")
    finally:
        site.sandbox.change_options(token_scope=True)
    assert site.accounts.people.get("runa").scopes is None


@pytest.mark.parametrize("secret", ["", "15 characters.."])
def test_the_header_of_the_proxy_needs_a_secret(tmp_path: Path, secret: str) -> None:
    given = {
        "OURA_PIPELINE_HOME": str(tmp_path),
        "OURA_OPERATOR_HEADER": "X-Auth-Request-Email",
        "OURA_OPERATORS": "ada@example.org",
        "OURA_PROXY_SECRET": secret,
    }
    with pytest.raises(SettingsError, match="OURA_PROXY_SECRET"):
        read_settings(given)
    read_settings(given | {"OURA_PROXY_SECRET": "16 characters..."})
