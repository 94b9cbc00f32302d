"""The dashboards that the site draws: whose they are, and that each of their panels is full."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from oura_pipeline.graphite.dashboards import (
    UIDS,
    dashboards_folder,
    panel_start,
    read_dashboard,
)
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.people.leave import leave
from oura_pipeline_tests.testing.dashboard_points import send_points
from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser


@pytest.fixture(scope="module")
def graphite() -> Iterator[LocalGraphite]:
    """Two people's points."""
    require_graphite()
    with LocalGraphite() as running:
        send_points(running)
        yield running


@pytest.fixture
def site(open_site: OpenSite, graphite: LocalGraphite) -> RunningSite:
    """A site that reads from it, where both people are."""
    return open_site(graphite_render_url=graphite.render_url)


def joined(site: RunningSite, username: str) -> HtmlBrowser:
    browser = site.browser()
    browser.join(username)
    return browser


def operator(site: RunningSite) -> HtmlBrowser:
    browser = site.browser()
    browser.go("/operator")
    browser.send("/operator", token=OPERATOR)
    return browser


def test_the_dashboards_of_people_are_those_of_graphite() -> None:
    """All that are committed, but the one that asks Prometheus."""
    committed = {path.stem for path in dashboards_folder().glob("*.json")}
    assert committed - {*UIDS} == {"oura-pipeline"}


def test_a_panel_may_have_a_range_of_its_own() -> None:
    """Longer or shorter than the dashboard's, as in Grafana."""
    two_weeks, hours = {"timeFrom": "14d"}, {"timeFrom": "6h"}
    end = 1_700_000_000
    assert panel_start({}, end - 1000, end) == end - 1000
    assert panel_start(two_weeks, end - 1000, end) == end - 1_209_600
    assert panel_start(hours, end - 100_000, end) == end - 21_600


def test_every_panel_is_full(site: RunningSite) -> None:
    """The operator sees them of both people; none is empty, and none fails."""
    for username in ("koa", "runa"):
        joined(site, username)
    browser = operator(site)
    for uid in UIDS:
        page = browser.go(f"/dashboards/{uid.removeprefix('oura-')}?person=runa")
        panels = [one for one in read_dashboard(uid)["panels"] if one["type"] != "row"]
        gauges = [one for one in panels if one["type"] == "gauge"]
        # There stands a row of gauges for each of both.
        more = len(gauges) if uid == "oura-leaderboard" else 0
        assert (uid, page.status, page.html.count("<article")) == (uid, 200, len(panels) + more)
        for missing in ("No values", "–</p>", "does not answer", "cannot be drawn"):
            assert (uid, missing in page.html) == (uid, False)


def test_somebody_sees_their_own_and_nobody_elses(site: RunningSite) -> None:
    """Whatever they ask for; what is not theirs looks like what is not there."""
    joined(site, "koa")
    runa = joined(site, "runa")
    own = runa.go("/dashboards/sleep")
    assert own.status == 200
    assert re.findall(r"each day: (\d)", own.html)[0] == "7"  # koa's are from 50 to 56
    asked = ["koa", "nobody", "*", "{runa,koa}", "runa.sleep.score,1),alias(bio.koa", ""]
    refused = [runa.go(f"/dashboards/sleep?person={person}") for person in asked]
    assert {page.status for page in refused} == {404}
    assert len({page.text for page in refused}) == 1
    for name in ("leaderboard", "pipeline", "oura-sleep", "..%2fsleep", ""):
        page = runa.go(f"/dashboards/{name}?person=runa")
        assert (page.status, "koa" in page.html) == (404, False)


def test_nobody_in_particular_sees_nothing(site: RunningSite) -> None:
    """Not who never signed in, and not who has left since; who disconnected keeps their data."""
    stranger = site.browser()
    stranger.go("/dashboards/sleep?person=koa")
    assert stranger.path == "/"
    koa = joined(site, "koa")
    site.accounts.removal.disconnect("koa")
    koa.go("/dashboards/sleep")
    assert koa.path == "/"  # disconnecting ends every session
    runa = joined(site, "runa")
    leave(site.pipeline, "runa")
    runa.go("/dashboards/sleep")
    assert runa.path == "/"


def test_the_operator_sees_everybody_who_is_here(site: RunningSite) -> None:
    """And nobody else: what others send to the same Graphite is not theirs to show."""
    joined(site, "koa")
    browser = operator(site)
    assert re.findall(r"each day: (\d)", browser.go("/dashboards/sleep").html)[0] == "5"
    for person in ("runa", "*", "k*"):
        assert browser.go(f"/dashboards/sleep?person={person}").status == 404


def test_without_a_graphite_the_page_says_so(open_site: OpenSite) -> None:
    page = joined(open_site(), "runa").go("/dashboards")
    assert page.status == 200
    assert page.text_of("why-not").startswith("GRAPHITE_RENDER_URL is not set")


def test_a_graphite_that_is_away_costs_nobody_the_page(open_site: OpenSite) -> None:
    site = open_site(graphite_render_url="http://127.0.0.1:9")
    page = joined(site, "runa").go("/dashboards/stress")
    panels = [one for one in read_dashboard("oura-stress")["panels"] if one["type"] != "row"]
    assert page.status == 200
    assert page.html.count("Graphite does not answer at the moment.") == len(panels)
