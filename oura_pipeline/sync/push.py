"""One document type, for a set of people and a range of days: flatten, push, read back.

What surprises: the points of a day depend on its neighbours. Where a traveller's days overlap the
later one wins, so when a day changes, the one before may change too: both neighbours are looked at,
and pushed again if they were pushed before and are different now.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask, DocumentType
from oura_pipeline.days import batched
from oura_pipeline.graphite.flatten import Flattened, flatten
from oura_pipeline.graphite.points import DayPoints, unpack
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.digests import verify_twice
from oura_pipeline.graphite.readback.report import ReadbackReport
from oura_pipeline.graphite.readback.values import confirm, mark_delivered
from oura_pipeline.ledger import Push, PushState
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.progress import progress

ONE = timedelta(days=1)
LOOK_BACK = timedelta(days=7)
DAYS_AT_ONCE = 92
DOCUMENTS_AT_ONCE = 100_000
SAMPLES_A_DAY = 1200  # heart rate; battery has fewer
DOCUMENTS_A_DAY = 4  # at most six sleeps, usually one document
PAUSE = 3.0  # seconds between two readings; carbon writes every second
ROUNDS = 2  # of sending again what is missing; the next run sends it again anyway


@dataclass(kw_only=True)
class PushedDocuments:
    """What a push of one document type did.

    Attributes:
        days: the days it was for.
        points: how many points each day has, over all people; days without are left out.
        reports: what could not become a point, and how often; never a value.
        sent: how many points were sent; the others Graphite has already.
        withdrawn: how many points Graphite keeps although Oura took them back.
        seconds: how long it took.
    """

    days: Sequence[date]
    points: Counter[date] = field(default_factory=Counter)
    reports: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    withdrawn: int = 0
    seconds: float = 0.0


def push_documents(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date] | None,
    *,
    even_unchanged: bool = False,
) -> PushedDocuments:
    """Send to Graphite what these people's documents of these days say.

    Args:
        pipeline: what is worked with.
        document_type: the row of the document type.
        usernames: whose.
        days: in a row; None for a type without days, whose state is sent as of today.
        even_unchanged: also what Graphite has already.

    Raises:
        GraphiteUnavailable: what did not leave is sent the next time.
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    result = PushedDocuments(days=days if days is not None else [now.date()])
    # Nobody can ask a carbon without graphite-web what it has: say it again for some days.
    resend_since = None if pipeline.render else now.date() - LOOK_BACK
    pushed = push(
        _counted(_points(pipeline, document_type, usernames, result), result),
        sender=pipeline.sender,
        ledger=pipeline.accounts.pushes,
        resend_since=resend_since,
        even_unchanged=even_unchanged,
        now=now,
    )
    result.sent, result.withdrawn = pushed.points, pushed.withdrawn
    result.reports.update(pushed.rejected)
    progress.get().pushed(document_type.name, result.sent)
    result.seconds = time.monotonic() - began
    return result


def confirm_sent(
    pipeline: Pipeline, usernames: Sequence[str], days: Sequence[date] | None
) -> ReadbackReport | None:
    """Read back everything of these people and days that was sent and is not yet known to be there.

    All document types at once: there is a pause between two readings, and one is enough for all.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer.

    Returns:
        What was found; None where no render URL is set.
    """
    if pipeline.render is None:
        return None
    now = datetime.now(UTC)
    sent = [row for row in _sent(pipeline, usernames, days) if _is_past(row, now)]
    there = verify_twice(sent, pipeline.render, pause=PAUSE)
    doubtful = sorted({_place(row) for row in sent} - {_place(row) for row in there})
    arrival = confirm(
        _points_at(pipeline, doubtful),
        render=pipeline.render,
        sender=pipeline.sender,
        ledger=pipeline.accounts.pushes,
        pause=PAUSE,
        rounds=ROUNDS,
        now=now,
    )
    mark_delivered(there, pipeline.accounts.pushes, now, arrival)
    return arrival


Place = tuple[str, str, date]  # document type, username, day


def _place(row: Push) -> Place:
    return row.document_type, row.username, row.day


def _sent(
    pipeline: Pipeline, usernames: Sequence[str], days: Sequence[date] | None
) -> Iterator[Push]:
    """The ledger's rows of what was sent and not read back."""
    for document_type in DOCUMENT_TYPES:
        in_range = days is not None and document_type.partitioned
        yield from pipeline.accounts.pushes.find(
            document_type.name,
            usernames=usernames,
            first_day=days[0] if days and in_range else None,
            last_day=days[-1] if days and in_range else None,
            states=[PushState.SENT],
        )


def _points_at(pipeline: Pipeline, places: Sequence[Place]) -> Iterator[DayPoints]:
    """The points of some people's days, from their documents."""
    for document_type in DOCUMENT_TYPES:
        for username in sorted({who for name, who, _ in places if name == document_type.name}):
            theirs = (document_type.name, username)
            days = [day for name, who, day in places if (name, who) == theirs]
            for some in _near(days):
                for _, flattened in _flattened(pipeline, document_type, [username], some):
                    yield from (day for day in flattened.days if day.day in set(some))


def _is_past(row: Push, now: datetime) -> bool:
    """Whether Graphite would show all points: it hides those of the future."""
    last = max((times[-1] for times in unpack(row.index).values()), default=0)
    return last <= now.timestamp()


def _points(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    result: PushedDocuments,
) -> Iterator[DayPoints]:
    for some in _near(result.days):
        for username, flattened in _flattened(pipeline, document_type, usernames, some):
            result.reports.update(flattened.reports)
            yield from _with_emptied(pipeline, document_type, username, some, flattened)


def _near(days: Sequence[date]) -> Iterator[list[date]]:
    """Days, in order, in groups that are read at once."""
    group: list[date] = []
    for day in days:
        if group and (day - group[0]).days >= DAYS_AT_ONCE:
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _with_emptied(
    pipeline: Pipeline,
    document_type: DocumentType,
    username: str,
    days: Sequence[date],
    flattened: Flattened,
) -> Iterator[DayPoints]:
    """The points of a person's days, in order; also days that had points and have none now."""
    had = {
        row.day: DayPoints(username, document_type.name, row.day, {})
        for row in pipeline.accounts.pushes.find(
            document_type.name,
            usernames=[username],
            first_day=days[0] - ONE,
            last_day=days[-1] + ONE,
        )
    }
    found = {day.day: day for day in flattened.days}
    neighbours = {days[0] - ONE, days[-1] + ONE} & had.keys()
    wanted = {*days} | (neighbours if document_type.partitioned else set())
    for day, points in sorted((had | found).items()):
        if day in wanted:
            yield points


def _flattened(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date],
) -> Iterator[tuple[str, Flattened]]:
    """Each person's points of these days and of their neighbours."""
    first, last = days[0] - ONE, days[-1] + ONE
    for some in _people_at_once(document_type, usernames, days):
        documents = _documents(pipeline, document_type, some, first - ONE, last + ONE)
        for username in some:
            theirs = documents.pop(username)
            if not document_type.partitioned:
                # A state counts for the day on which it is sent.
                theirs = [(days[-1], raw) for _, raw in theirs]
            yield (
                username,
                flatten(
                    document_type,
                    username,
                    theirs,
                    first_day=first,
                    last_day=last,
                    prefix=pipeline.settings.graphite.prefix,
                ),
            )


def _people_at_once(
    document_type: DocumentType, usernames: Sequence[str], days: Sequence[date]
) -> Iterator[Sequence[str]]:
    """People in groups whose documents of these days fit into memory."""
    a_day = SAMPLES_A_DAY if document_type.ask is Ask.INSTANTS else DOCUMENTS_A_DAY
    span = (days[-1] - days[0]).days + 5
    size = max(1, DOCUMENTS_AT_ONCE // (span * a_day))
    return batched(usernames, size)


def _documents(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    first: date,
    last: date,
) -> dict[str, list[tuple[date, bytes]]]:
    if not document_type.partitioned:
        first, last = date.min, date.max
    return pipeline.warehouse.documents_of(document_type, usernames, first, last)


def _counted(days: Iterable[DayPoints], result: PushedDocuments) -> Iterator[DayPoints]:
    asked = set(result.days)
    for day in days:
        if day.day in asked:
            result.points[day.day] += day.count
        yield day
