"""The dashboards that the site draws can be read by everybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline_tests.browser.conftest import OpenSite, Visitor
from oura_pipeline_tests.browser.visits import PASSWORD
from oura_pipeline_tests.testing.dashboard_points import send_points
from oura_pipeline_tests.testing.requirements import require_graphite


@pytest.fixture(scope="module")
def graphite() -> Iterator[LocalGraphite]:
    """Two people's points."""
    require_graphite()
    with LocalGraphite() as running:
        send_points(running)
        yield running


def test_dashboards_can_be_read_by_everybody(
    open_site: OpenSite, visitor: Visitor, graphite: LocalGraphite
) -> None:
    """Values, lines and bands, with the numbers beside them: on a phone, a desk, in the dark.

    To the operator, too, who chooses a person, or sees the gauges of all.
    """
    site = open_site(GRAPHITE_RENDER_URL=graphite.render_url)
    visit = visitor(site).join("runa", "runa").press("#nav-dashboards")
    assert visit.heading == "A person's day"
    visit.page.locator("summary").first.click()
    assert visit.page.locator(".panels table").first.is_visible()
    visit.check()
    operator = visitor(site).open("/operator")
    operator.page.fill("#token", PASSWORD)
    operator.press("#enter")
    for name, panels in (("leaderboard", 7), ("sleep", 9)):
        operator.open(f"/dashboards/{name}").check()
        assert operator.page.locator(".panels article").count() == panels
