"""The page of somebody with absurd numbers stands, with every button, and nobody else's changes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from oura_pipeline.catalog.document_types import (
    DAILY_READINESS,
    DAILY_SLEEP,
    SLEEP,
    DocumentType,
)
from oura_pipeline.sync.publish import publish
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline.web.pages.me import drawn
from oura_pipeline.web.pages.me_charts import page_data
from oura_pipeline_tests.warehouse.documents import NOON, RawDocument, raw_document, score
from oura_pipeline_tests.warehouse.views.extremes import extremes, types_with_days
from oura_pipeline_tests.web.conftest import OpenSite

TODAY = datetime.now(UTC).date()
Landing = list[tuple[DocumentType, list[RawDocument]]]
BUTTONS = ("/me/sync", "/me/disconnect", "/me/delete", "/me/data.zip")


def series(day: date, items: list[Any]) -> dict[str, Any]:
    return {"interval": 300.0, "items": items, "timestamp": f"{day}T00:00:00+00:00"}


def absurd(day: date, number: float) -> Landing:
    """A night and scores, of which every number is the same."""
    night = {
        "id": f"night-{day}",
        "day": str(day),
        "type": "long_sleep",
        "bedtime_start": f"{day}T00:00:00+00:00",
        "bedtime_end": f"{day}T07:00:00+00:00",
        "sleep_phase_5_min": "1234" * 10,
        "heart_rate": series(day, [60, number, None, 61]),
        "hrv": series(day, [number, number]),
        **dict.fromkeys(("total_sleep_duration", "time_in_bed", "awake_time"), number),
        **dict.fromkeys(("lowest_heart_rate", "average_heart_rate", "average_hrv"), number),
    }
    readiness = raw_document(day, id="r", day=str(day), score=70, temperature_deviation=number)
    return [
        (SLEEP, [raw_document(day, **night)]),
        (
            DAILY_SLEEP,
            [
                score(day - timedelta(days=1), 80),
                raw_document(day, id="s", day=str(day), score=number),
            ],
        ),
        (DAILY_READINESS, [readiness]),
    ]


def land(warehouse: Warehouse, everybodys: Mapping[str, Landing]) -> None:
    """Land everybody's documents; each has the same types, in the same order."""
    for landings in zip(*everybodys.values(), strict=True):
        document_type = landings[0][0]
        with warehouse.spool(document_type) as spool:
            for username, (_, raws) in zip(everybodys, landings, strict=True):
                spool.add(username, raws, True)
            warehouse.land(
                document_type,
                spool,
                usernames=list(everybodys),
                first_day=TODAY - timedelta(days=60),
                last_day=TODAY,
                fetched_at=NOON,
                run_id="run",
            )


@pytest.mark.usefixtures("described")
def test_the_page_stands_with_every_button(open_site: OpenSite) -> None:
    """And says in its place that numbers are left out; the others are drawn."""
    numbers = {"runa": 1e308, "koa": -1.7e308, "milo": -(2**63), "asha": 1e13, "sione": 5e-324}
    site = open_site()
    browsers = {username: site.browser() for username in numbers}
    for username, browser in browsers.items():
        browser.join(username)
    land(site.pipeline.warehouse, {who: absurd(TODAY, number) for who, number in numbers.items()})
    publish(site.pipeline)
    for username, browser in browsers.items():
        page = browser.go("/me")
        assert page.status == 200
        assert [button for button in BUTTONS if button not in page.html] == []
        assert f"night-of-{TODAY}" in page.ids
        assert ("left-out" in page.ids) is (username != "sione")


def test_any_extreme_leaves_everybodys_page_standing(empty_home: Path, tmp_path: Path) -> None:
    """What is read for a page is drawn or replaced, and of somebody else it is the same."""
    copied = shutil.copy(empty_home / "warehouse.duckdb", tmp_path)
    warehouse = Warehouse(Path(copied), timeout=20)
    land(warehouse, {"koa": absurd(TODAY, 60.0)})
    target = tmp_path / "analytics.duckdb"
    warehouse.publish(target)
    before = page_data(target, "koa", TODAY)
    days = [str(TODAY - timedelta(days=back)) for back in range(12)]
    with warehouse.kept_open():
        for document_type in types_with_days():
            odd = extremes(document_type, days, 1)
            day_of = document_type.day_field or "timestamp"
            raws = [raw_document(date.fromisoformat(one[day_of][:10]), **one) for one in odd]
            land(warehouse, {"odd": [(document_type, raws)]})
    warehouse.publish(target)
    after = page_data(target, "koa", TODAY)
    assert (after.nights, after.trends, after.profile) == (
        before.nights,
        before.trends,
        before.profile,
    )
    assert before.nights
    assert page_data(target, "odd", TODAY).published_at is not None


def test_what_cannot_be_drawn_says_so() -> None:
    """In the place of the picture; a picture of nothing is still none."""

    def fail(error: Exception) -> Markup:
        raise error

    for error in (OverflowError("x"), ZeroDivisionError("x"), ValueError("x")):
        assert drawn(fail, error) == (
            "<p>This picture cannot be drawn: its numbers are too odd.</p>"
        )
    assert drawn(lambda: None) is None
