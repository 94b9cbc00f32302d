"""The sensor that fills gaps: days that failed, and days never asked between days that were.

What surprises: it reads the ledger, not the warehouse. A day without rows is a gap only if the
ledger does not say that Oura was asked and had nothing. Days before the first that a person was
asked for are no gaps but history, which `new_people` asks for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import back_off, days_between, runs_of_days
from oura_pipeline.defs.run_requests import run_for, set_digest
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import open_accounts, open_budget
from oura_pipeline.settings import load_settings

RUNS_PER_TICK = 3
LONGEST_RUN = 90  # days: a failure in the middle of a decade does not ask for the decade
FIRST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(hours=24)
ASK_AGAIN = timedelta(hours=6)  # a run that died before it wrote to the ledger is repeated
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, order=True)
class Gap:
    """Days in a row that want asking, for some people and document types.

    Attributes:
        asked_at: when the latest of them was last asked; long ago if never.
        first_day: the first day.
        last_day: the last day, included.
        attempts: how often the most stubborn of them failed in a row; 0: never asked.
        people: their usernames, in order.
        types: names of the document types, in order.
    """

    asked_at: datetime
    first_day: date
    last_day: date
    attempts: int
    people: tuple[str, ...]
    types: tuple[str, ...]


def wait(attempts: int) -> timedelta:
    """Return how long to leave a gap alone after so many failures in a row."""
    return back_off(attempts, first=FIRST_WAIT, longest=LONGEST_WAIT)


def find_gaps(
    failed: Iterable[Fetch], never_asked: Iterable[tuple[str, str, date]], now: datetime
) -> list[Gap]:
    """The gaps that are due, the longest neglected first.

    Args:
        failed: ledger rows that failed.
        never_asked: username, document type and day of what no ledger row is for.
        now: the present moment.
    """
    days: dict[tuple[str, str], dict[date, tuple[int, datetime]]] = {}
    for row in failed:
        if now - row.at >= wait(row.attempts):
            of_pair = days.setdefault((row.username, row.document_type), {})
            of_pair[row.day] = (row.attempts, row.at)
    for username, name, day in never_asked:
        days.setdefault((username, name), {})[day] = (0, LONG_AGO)
    gaps = [
        Gap(
            asked_at=max(of_pair[day][1] for day in days_between(first, last)),
            first_day=first,
            last_day=last,
            attempts=max(of_pair[day][0] for day in days_between(first, last)),
            people=(username,),
            types=(name,),
        )
        for (username, name), of_pair in days.items()
        for first, last in runs_of_days(of_pair, LONGEST_RUN)
    ]
    return sorted(_together(gaps))


def run_request(gap: Gap, now: datetime, share: float) -> dg.RunRequest:
    """The run that asks again; its key is new whenever there is a reason to ask again.

    Args:
        gap: what to ask.
        now: the present moment.
        share: the part of Oura's budget that the run may use.
    """
    again = int((now - gap.asked_at) / ASK_AGAIN)
    days = (gap.first_day, gap.last_day)
    who, what = set_digest(gap.people), set_digest(gap.types)
    key = f"gap {days[0]}:{days[1]} {gap.asked_at.isoformat()} {again} {what} {who}"
    return run_for(gap.people, gap.types, days, key, share=share, history="gap")


def gaps_sensor(job: Any) -> dg.SensorDefinition:
    """The sensor over the ledger of this project."""

    @dg.sensor(
        name="gaps",
        job=job,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks again for days that failed or were never asked.",
    )
    def gaps(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings, now = load_settings(), datetime.now(UTC)
        share = settings.oura.background_share
        with open_accounts(settings) as accounts:
            connected = {p.username for p in accounts.people.all([PersonState.CONNECTED])}
            types = {
                document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned
            }
            failed = accounts.fetches.find(statuses=[FetchStatus.FAILED])
            never_asked = accounts.fetches.missing()
        found = find_gaps(
            [row for row in failed if row.username in connected and row.document_type in types],
            [hole for hole in never_asked if hole[0] in connected and hole[1] in types],
            now,
        )
        if not found:
            return dg.SkipReason("The ledger has no gap that is due.")
        with open_budget(settings) as budget:
            if budget.state().beyond(share):
                return dg.SkipReason("Others need Oura's budget now; the gaps come after them.")
        context.log.info("%s gaps are due; asking for %s", len(found), RUNS_PER_TICK)
        return dg.SensorResult(
            run_requests=[run_request(gap, now, share) for gap in found[:RUNS_PER_TICK]]
        )

    return gaps


def _together(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps of the same days become one: first people of a type, then types of the same people."""
    by_type: dict[tuple[date, date, tuple[str, ...]], list[Gap]] = {}
    for gap in gaps:
        by_type.setdefault((gap.first_day, gap.last_day, gap.types), []).append(gap)
    of_types = [_joined(same) for same in by_type.values()]
    by_people: dict[tuple[date, date, tuple[str, ...]], list[Gap]] = {}
    for gap in of_types:
        by_people.setdefault((gap.first_day, gap.last_day, gap.people), []).append(gap)
    return [_joined(same) for same in by_people.values()]


def _joined(gaps: Sequence[Gap]) -> Gap:
    return Gap(
        asked_at=max(gap.asked_at for gap in gaps),
        first_day=gaps[0].first_day,
        last_day=gaps[0].last_day,
        attempts=max(gap.attempts for gap in gaps),
        people=tuple(sorted({name for gap in gaps for name in gap.people})),
        types=tuple(sorted({name for gap in gaps for name in gap.types})),
    )
