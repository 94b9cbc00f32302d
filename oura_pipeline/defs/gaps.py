"""The sensor that fills gaps: days that failed, were left out, or suddenly lost documents."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import cycle

import dagster as dg

from oura_pipeline.accounts.fetches import WITHOUT_DAYS
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import back_off, days_between, runs_of_days
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.run_requests import JOB, set_digest, sync_request
from oura_pipeline.ledger import LOSS_SETTLES_AFTER, MEMBERSHIP_LAPSED, Fetch, FetchStatus
from oura_pipeline.pipeline import open_accounts, open_budget
from oura_pipeline.settings import Settings, load_settings

RUNS_PER_TICK = 3
MAX_RUN_DAYS = 90  # a failure in the middle of a decade does not fetch the decade again
FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=24)
REPEAT_AFTER = timedelta(hours=6)  # a run that died before it wrote to the ledger is repeated
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

DaysOfPair = dict[date, tuple[int, datetime]]  # per day: failed attempts, and when the last one was


@dataclass(frozen=True, kw_only=True, order=True)
class Gap:
    """Days in a row that are to be fetched, for some people and document types.

    Attributes:
        asked_at: when the latest of them was last fetched; 1970 if never.
        first_day: the first day.
        last_day: the last day, included.
        attempts: the highest number of failures in a row; 0: never fetched.
        people: their ids, in order.
        document_types: their names, in order.
    """

    asked_at: datetime
    first_day: date
    last_day: date
    attempts: int
    people: tuple[str, ...]
    document_types: tuple[str, ...]


def pause(attempts: int) -> timedelta:
    """Return how long to leave a gap alone: twice as long after each failure, up to a day."""
    return back_off(attempts, first=FIRST_PAUSE, longest=LONGEST_PAUSE)


def gaps_sensor() -> dg.SensorDefinition:
    """Return the sensor over the ledger of this project."""

    @dg.sensor(
        name="gaps",
        job_name=JOB,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fetches days again that failed, were left out, or suddenly lost documents.",
    )
    @nameless
    def gaps(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings, now = load_settings(), datetime.now(UTC)
        share = settings.oura.background_share
        due = due_gaps(settings, now)
        if not due:
            return dg.SkipReason("No day in the ledger is due to be fetched again.")
        with open_accounts(settings) as accounts, open_budget(settings, accounts) as budget:
            if budget.state().exceeds(share):
                return dg.SkipReason(
                    "Other runs need Oura's rate limit now; gaps are filled after them."
                )
        requests = [
            gap_request(gap, now, share, turn)
            for gap, turn in zip(due[:RUNS_PER_TICK], cycle(settings.workers.turns), strict=False)
        ]
        context.log.info("Gaps that are due: %s; runs requested: %s", len(due), len(requests))
        return dg.SensorResult(run_requests=requests)

    return gaps


def due_gaps(settings: Settings, now: datetime) -> list[Gap]:
    """Return the gaps of everybody who is connected.

    They are those of the ledger, not of the warehouse: a day without rows is a gap only if the
    ledger does not say that Oura was asked and had nothing. Days before the first that a person
    was asked for are no gaps but history, which `new_people` fetches.
    """
    with open_accounts(settings) as accounts:
        parts = accounts.people.shards(settings.workers.people_per_shard)
        return sorted(
            gap
            for part in parts
            for gap in _due_of(accounts, part if len(parts) > 1 else None, now)
        )


def _due_of(accounts: Accounts, shards: range | None, now: datetime) -> list[Gap]:
    people = accounts.people.all([PersonState.CONNECTED], shards=shards)
    ids = {person.username: person.id for person in people}
    failed = accounts.fetches.find(statuses=[FetchStatus.FAILED], shards=shards)
    failed = worth_asking(failed, _answered_since_lapse(accounts, failed))
    failed += unsettled(accounts.fetches.find(lost=True, shards=shards), now)
    never_asked = accounts.fetches.missing(shards)
    names = {document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned}
    return find_gaps(
        [
            replace(fetch, username=ids[fetch.username])
            for fetch in failed
            if fetch.username in ids and fetch.document_type in names
        ],
        [
            (ids[username], document_type, day)
            for username, document_type, day in never_asked
            if username in ids and document_type in names
        ],
        now,
    )


def worth_asking(failed: Iterable[Fetch], back: Collection[str]) -> list[Fetch]:
    """Return the rows without those that a lapsed membership keeps from being answered.

    Of its newest day it is asked on, to learn whether there is one again.

    Args:
        failed: rows that failed.
        back: usernames of those whom Oura has answered since their membership lapsed.
    """
    failed, newest = list(failed), dict[str, date]()
    for fetch in failed:
        if _is_lapsed(fetch) and fetch.username not in back:
            newest[fetch.username] = max(fetch.day, newest.get(fetch.username, fetch.day))
    return [
        fetch
        for fetch in failed
        if not _is_lapsed(fetch) or fetch.day >= newest.get(fetch.username, fetch.day)
    ]


def _answered_since_lapse(accounts: Accounts, failed: Iterable[Fetch]) -> set[str]:
    """Return the usernames of those who had a lapsed membership and have one again."""
    lapsed: dict[str, datetime] = {}
    for fetch in failed:
        if _is_lapsed(fetch):
            lapsed[fetch.username] = max(fetch.at, lapsed.get(fetch.username, NEVER))
    if not lapsed:
        return set()
    answers = accounts.fetches.find(
        usernames=lapsed,
        statuses=[FetchStatus.LANDED, FetchStatus.EMPTY],
        after=min(lapsed.values()),
    )
    return {
        fetch.username
        for fetch in answers
        # The profile is given without a membership, too.
        if fetch.document_type not in WITHOUT_DAYS and fetch.at > lapsed[fetch.username]
    }


def _is_lapsed(fetch: Fetch) -> bool:
    return (fetch.error or "").startswith(MEMBERSHIP_LAPSED)


def unsettled(lost: Iterable[Fetch], now: datetime) -> list[Fetch]:
    """Return the rows whose loss is to be confirmed or disproved by another answer."""
    return [
        fetch
        for fetch in lost
        if fetch.status is not FetchStatus.FAILED
        and fetch.lost_at is not None
        and now - fetch.lost_at >= LOSS_SETTLES_AFTER
    ]


def find_gaps(
    failed: Iterable[Fetch], never_asked: Iterable[tuple[str, str, date]], now: datetime
) -> list[Gap]:
    """Return the gaps that are due, those waiting longest first.

    Args:
        failed: ledger rows that failed or have a loss, with ids in place of usernames.
        never_asked: id of a person, document type and day of what no ledger row is for.
        now: the present moment.
    """
    pairs: defaultdict[tuple[str, str], DaysOfPair] = defaultdict(dict)
    for fetch in failed:
        if now - fetch.at >= pause(fetch.attempts):
            days = pairs[fetch.username, fetch.document_type]
            days[fetch.day] = (fetch.attempts, fetch.at)
    for person, document_type, day in never_asked:
        pairs[person, document_type][day] = (0, NEVER)
    gaps = [
        Gap(
            asked_at=max(days[day][1] for day in days_between(first, last)),
            first_day=first,
            last_day=last,
            attempts=max(days[day][0] for day in days_between(first, last)),
            people=(person,),
            document_types=(document_type,),
        )
        for (person, document_type), days in pairs.items()
        for first, last in runs_of_days(days, MAX_RUN_DAYS)
    ]
    # Gaps of the same days become one: first people of a type, then types of the same people.
    of_types = _merged(gaps, lambda gap: gap.document_types)
    return sorted(_merged(of_types, lambda gap: gap.people))


def gap_request(gap: Gap, now: datetime, share: float, turn: int = 1) -> dg.RunRequest:
    """Return the run that fetches a gap; its key is new whenever there is a reason to try again.

    Args:
        gap: what to fetch.
        now: the present moment.
        share: the part of Oura's budget that the run may use.
        turn: one run of each works at a time.
    """
    repeat = int((now - gap.asked_at) / REPEAT_AFTER)
    days = (gap.first_day, gap.last_day)
    who, what = set_digest(gap.people), set_digest(gap.document_types)
    key = f"gap {days[0]}:{days[1]} {gap.asked_at.isoformat()} {repeat} {what} {who}"
    return sync_request(
        gap.people, gap.document_types, days, key, share=share, history="gap", turn=turn
    )


def _merged(gaps: Iterable[Gap], same: Callable[[Gap], tuple[str, ...]]) -> list[Gap]:
    """Return gaps with those of the same days, and the same people or types, merged."""
    groups: defaultdict[tuple[date, date, tuple[str, ...]], list[Gap]] = defaultdict(list)
    for gap in gaps:
        groups[gap.first_day, gap.last_day, same(gap)].append(gap)
    return [
        Gap(
            asked_at=max(gap.asked_at for gap in group),
            first_day=first_day,
            last_day=last_day,
            attempts=max(gap.attempts for gap in group),
            people=tuple(sorted({person for gap in group for person in gap.people})),
            document_types=tuple(sorted({name for gap in group for name in gap.document_types})),
        )
        for (first_day, last_day, _), group in groups.items()
    ]
