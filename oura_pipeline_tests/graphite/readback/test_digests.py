"""Whole days are recognised by their digests, without knowing what was sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.carbon import PlaintextSender
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.digests import verify_twice
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.ledger import Push
from oura_pipeline_tests.graphite.day_points import ago, day_with, instant

PAUSE = 1.5  # carbon writes every second


def days_of(root: str) -> list[DayPoints]:
    """Three days, the series of which reach over midnight."""
    return [
        day_with(
            n,
            {
                f"{root}.sleep.score": [(instant(n), 70 + n)],
                f"{root}.sleep.hrv": [(instant(n, 300 * m - 3600), 40 + m / 7) for m in range(90)],
            },
        )
        for n in (3, 2, 1)
    ]


def pushed(days: list[DayPoints], graphite: LocalGraphite, ledger: Pushes) -> list[Push]:
    """The ledger's rows after a push."""
    sender = PlaintextSender("127.0.0.1", graphite.line_port)
    push(days, sender=sender, ledger=ledger, now=datetime.now(UTC))
    return ledger.find("daily_sleep")


def test_days_that_arrived_are_seen(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """All values at all times of the ledger give the digest of the ledger; each is seen twice."""
    rows = pushed(days_of("bio.digests"), graphite, ledger)
    seen: list[int] = []
    found = verify_twice(rows, render, pause=PAUSE, seen=seen.append)
    assert sorted(row.day for row in found) == [ago(3), ago(2), ago(1)]
    assert sum(seen) == 2 * sum(row.points for row in rows) > 0


@pytest.mark.parametrize("what", ["another value", "a point less"])
def test_a_day_that_differs_in_one_value_is_not(
    what: str, graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """One value that somebody else overwrote, or one that never came, is enough."""
    root = f"bio.digests-{what.replace(' ', '-')}"
    days = days_of(root)
    rows = pushed(days, graphite, ledger)
    if what == "another value":
        other = day_with(2, {f"{root}.sleep.hrv": [(instant(2), 7.5)]}, document_type="sleep")
        pushed([other], graphite, ledger)
    else:
        more = dict(days[1].points) | {f"{root}.sleep.hrv_later": [(instant(2), 1)]}
        claimed = day_with(2, more)
        rows[1] = Push(
            username=claimed.username,
            document_type=claimed.document_type,
            day=claimed.day,
            points=claimed.count,
            digest=claimed.digest,
            state=rows[1].state,
            index=claimed.index,
            at=rows[1].at,
        )
    assert sorted(row.day for row in verify_twice(rows, render, pause=PAUSE)) == [ago(3), ago(1)]
