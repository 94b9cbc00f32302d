"""What the charts look like, and what Dagster keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.defs.bar_charts import MAX_LINES, WIDTH, bar, chart
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.world import World, reported, world

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=2)


def texts(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], dict[str, str]]:
    """The Markdown of every materialization: (asset, partition) → name → text."""
    return {
        (event.asset_key.to_user_string(), event.partition): {
            name: value.value
            for name, value in event.metadata.items()
            if isinstance(value, dg.MarkdownMetadataValue)
        }
        for event in reported(result)
        if isinstance(event, dg.AssetMaterialization)
    }


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with (
        running(SandboxOptions(people=2, days=5, end=LAST)) as cloud,
        world(tmp_path / "data", cloud) as made,
    ):
        yield made


def test_a_bar_is_as_long_as_its_count() -> None:
    """In eighths of a block; whatever is not zero can be seen."""
    assert [bar(0, 9), bar(1, 9000), bar(9, 9)] == ["", "▏", "█" * WIDTH]
    assert bar(51, 100) == "█" * 15 + "▎"
    assert bar(0, 0) == ""


def test_a_chart_has_a_line_per_day() -> None:
    """Bars are drawn to the greatest, days stand in order."""
    assert chart({LAST: 1200, FIRST: 0, FIRST + timedelta(days=1): 600}).value == (
        f"```\n2026-06-08      0\n2026-06-09    600  {'█' * 15}\n2026-06-10  1,200  {'█' * 30}\n```"
    )


def test_a_long_run_has_no_more_lines_than_can_be_seen() -> None:
    """Days are added up, and none is left out; what is left over stands first."""
    days = {FIRST + timedelta(days=number): 1 for number in range(365)}
    lines = chart(days).value.splitlines()[1:-1]
    assert len(lines) <= MAX_LINES
    assert lines[0] == f"2026-06-08                1  {'█' * 4}▎"
    assert lines[-1] == f"2027-06-01 to 2027-06-07  7  {'█' * 30}"
    assert sum(int(line.split()[-2]) for line in lines) == 365


def test_the_last_day_of_a_run_tells_of_all(made: World) -> None:
    """The chart stands beside the numbers; names and values do not."""
    for username in made.sandbox.usernames:
        made.sign_in(username)
    found = texts(made.run(FIRST, LAST, types=["daily_sleep", "personal_info"]))
    days = [(FIRST + timedelta(days=number)).isoformat() for number in range(3)]
    assert {place: sorted(text) for place, text in found.items()} == {
        ("oura/daily_sleep", days[0]): [],
        ("oura/daily_sleep", days[1]): [],
        ("oura/daily_sleep", days[2]): ["rows_per_day"],
        ("oura/personal_info", None): [],
        ("graphite/daily_sleep", days[0]): [],
        ("graphite/daily_sleep", days[1]): [],
        ("graphite/daily_sleep", days[2]): ["points_per_day"],
        ("graphite/personal_info", None): ["points_per_day"],
    }
    lines = found["oura/daily_sleep", days[2]]["rows_per_day"].splitlines()
    assert lines == ["```", *(f"{day}  2  {'█' * 30}" for day in days), "```"]
    spelled = "".join(text for texts in found.values() for text in texts.values())
    assert not [name for name in made.sandbox.usernames if name in spelled]
