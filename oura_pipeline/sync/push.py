"""Push documents from the warehouse to Graphite, and verify what was sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask, DocumentType
from oura_pipeline.catalog.parts import StoredDocument
from oura_pipeline.days import ONE_DAY, batched
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.points import DayPoints, unpack
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.diagnosis import Finding, diagnose
from oura_pipeline.graphite.readback.digests import verify_twice
from oura_pipeline.graphite.readback.report import ReadbackReport
from oura_pipeline.graphite.readback.values import confirm, mark_delivered
from oura_pipeline.ledger import PersonDay, Push, PushState
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.progress import progress

_RESEND_WINDOW = timedelta(days=7)
_REACH_OF_SLEEPS = timedelta(days=3)
_DAYS_PER_READ = 92
_DAYS_EXPLAINED = 20
_DOCUMENTS_PER_READ = 100_000
_SAMPLES_PER_DAY = 1200  # heart rate; battery has fewer
_DOCUMENTS_PER_DAY = 4  # at most six sleeps, usually one document
_READBACK_PAUSE_SECONDS = 3.0  # carbon writes every second
_RESEND_ROUNDS = 2  # the next run sends again what is still missing


@dataclass(frozen=True, kw_only=True)
class PushedDocuments:
    """The outcome of pushing one document type.

    Attributes:
        days: the requested days.
        points: how many points each of them has, over all people, sent now or before.
        skipped: how often something could not be sent, by reason and path; never a value.
        sent: how many points were sent; Graphite has the others already.
        withdrawn: how many points Graphite keeps although Oura withdrew them.
        seconds: how long it took.
    """

    days: Sequence[date]
    points: Counter[date]
    skipped: Counter[str]
    sent: int
    withdrawn: int
    seconds: float


def push_documents(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date] | None,
    *,
    even_unchanged: bool = False,
) -> PushedDocuments:
    """Send the points of these people's documents of these days to Graphite.

    Args:
        pipeline: the warehouse, the ledger and the sender.
        document_type: the type of the documents.
        usernames: whose documents.
        days: consecutive days; None for a type without days, whose state is sent as of today.
        even_unchanged: also send what Graphite has already.

    Raises:
        GraphiteUnavailable: what was not sent waits, and is sent by whoever pushes next.
    """
    began = time.monotonic()
    days = days if days is not None else [datetime.now(UTC).date()]
    # Whoever comes second finds the days delivered, instead of sending them as well.
    with pipeline.pushing(document_type):
        now = datetime.now(UTC)
        result = push(
            _points(pipeline, document_type, usernames, days),
            sender=pipeline.sender,
            ledger=pipeline.accounts.pushes,
            # Without graphite-web nobody knows what carbon has stored: recent days are sent again.
            resend_since=None if pipeline.render else now.date() - _RESEND_WINDOW,
            even_unchanged=even_unchanged,
            now=now,
        )
    _settle(pipeline, document_type, usernames, days, before=now)
    progress.get().pushed(document_type.name, result.points)
    return PushedDocuments(
        days=days,
        points=Counter({day: result.points_by_day[day] for day in days}),
        skipped=result.skipped,
        sent=result.points,
        withdrawn=result.withdrawn,
        seconds=time.monotonic() - began,
    )


def _settle(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date],
    *,
    before: datetime,
) -> None:
    # Carbon acknowledges nothing: where values can be read back, a push ends only with that.
    unread = [PushState.SENT] if pipeline.render else []
    pipeline.accounts.waiting.settle(
        document_type.name,
        usernames,
        days,
        before=before,
        unsettled=[PushState.PENDING, PushState.MISSING, *unread],
    )


def is_as_announced(
    pipeline: Pipeline, document_type: DocumentType, username: str, day: date
) -> bool:
    """Return whether a day has the points that an earlier push was about to send."""
    announced = pipeline.accounts.pushes.find(
        document_type.name, usernames=[username], first_day=day, last_day=day
    )
    points = _points(pipeline, document_type, [username], [day])
    return [row.digest for row in announced] == [one.digest for one in points]


def confirm_sent(
    pipeline: Pipeline,
    usernames: Sequence[str],
    days: Sequence[date] | None,
    also: Iterable[PersonDay] = (),
) -> ReadbackReport | None:
    """Read back everything of these people and days that was sent and is not confirmed.

    Reads all document types at once, because one pause between two readings is enough for all.

    Args:
        pipeline: the ledger, the sender and where to read.
        usernames: whose points.
        days: consecutive days; None for the types without days only.
        also: days of any people and types.

    Returns:
        What was found; None where no render URL is set.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer.
    """
    if pipeline.render is None:
        return None
    now = datetime.now(UTC)
    rows = {_key(row): row for row in _sent_rows(pipeline, usernames, days)}
    rows |= {_key(row): row for row in _sent_among(pipeline, also)}
    sent = [row for row in rows.values() if _is_readable(row, now)]
    verified = verify_twice(sent, pipeline.render, pause=_READBACK_PAUSE_SECONDS)
    # Digests tell that a day is wrong, not which of its points: only such days are flattened again.
    doubtful = sorted({_key(row) for row in sent} - {_key(row) for row in verified})
    report = confirm(
        _points_of(pipeline, doubtful),
        render=pipeline.render,
        sender=pipeline.sender,
        ledger=pipeline.accounts.pushes,
        pause=_READBACK_PAUSE_SECONDS,
        rounds=_RESEND_ROUNDS,
        now=now,
    )
    mark_delivered(verified, pipeline.accounts.pushes, now, report)
    return report


def findings(pipeline: Pipeline, pushes: Sequence[Push]) -> list[Finding]:
    """Return why points of these days are missing in Graphite; nothing where none are.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    lost = [push for push in pushes if push.state is PushState.MISSING][:_DAYS_EXPLAINED]
    if pipeline.render is None or not lost:
        return []
    missing = {metric: times for push in lost for metric, times in unpack(push.index).items()}
    return diagnose(pipeline.render, missing, now=int(time.time()))


_Key = tuple[str, str, date]  # document type, username, day


def _key(row: PersonDay) -> _Key:
    return row.document_type, row.username, row.day


def _sent_rows(
    pipeline: Pipeline, usernames: Sequence[str], days: Sequence[date] | None
) -> Iterator[Push]:
    for document_type in DOCUMENT_TYPES:
        in_range = days is not None and document_type.partitioned
        yield from pipeline.accounts.pushes.find(
            document_type.name,
            usernames=usernames,
            first_day=days[0] if days and in_range else None,
            last_day=days[-1] if days and in_range else None,
            states=[PushState.SENT],
        )


def _sent_among(pipeline: Pipeline, days: Iterable[PersonDay]) -> Iterator[Push]:
    wanted = {_key(day) for day in days}
    for name in sorted({name for name, _, _ in wanted}):
        of_type = [(who, day) for of, who, day in wanted if of == name]
        rows = pipeline.accounts.pushes.find(
            name,
            usernames={who for who, _ in of_type},
            first_day=min(day for _, day in of_type),
            last_day=max(day for _, day in of_type),
            states=[PushState.SENT],
        )
        yield from (row for row in rows if _key(row) in wanted)


def _is_readable(row: Push, now: datetime) -> bool:
    """Return whether all points are of the past: graphite-web does not show later ones."""
    last = max((times[-1] for times in unpack(row.index).values()), default=0)
    return last <= now.timestamp()


def _points_of(pipeline: Pipeline, keys: Sequence[_Key]) -> Iterator[DayPoints]:
    for document_type in DOCUMENT_TYPES:
        for username in sorted({who for name, who, _ in keys if name == document_type.name}):
            theirs = (document_type.name, username)
            days = [day for name, who, day in keys if (name, who) == theirs]
            for group in _groups(days):
                for _, flattened in _flattened(pipeline, document_type, [username], group):
                    yield from (day for day in flattened if day.day in group)


def _points(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date],
) -> Iterator[DayPoints]:
    for group in _groups(days):
        for username, flattened in _flattened(pipeline, document_type, usernames, group):
            yielded = _with_emptied(pipeline, document_type, username, group, flattened)
            # A neighbour of one group may belong to another one.
            yield from (one for one in yielded if one.day in group or one.day not in days)


def _groups(days: Sequence[date]) -> Iterator[list[date]]:
    """Yield days, given in order, in groups that are read at once."""
    group: list[date] = []
    for day in days:
        if group and (day - group[0]).days >= _DAYS_PER_READ:
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
    flattened: Sequence[DayPoints],
) -> Iterator[DayPoints]:
    """Yield the points of a person's days, in order; also of days that had points and lost them."""
    reach = _reach(document_type)
    before, after = days[0] - reach, days[-1] + reach
    pushed = {
        row.day: DayPoints(username, document_type.name, row.day, {})
        for row in pipeline.accounts.pushes.find(
            document_type.name, usernames=[username], first_day=before, last_day=after
        )
    }
    known = pushed | {one.day: one for one in flattened}
    neighbours = {day for day in known if day < days[0] or day > days[-1]}
    if not document_type.variants:
        # Where a traveller's days overlap the later one wins, so a day that changes can change the
        # points of its neighbours. They are pushed too, if they ever were.
        neighbours &= pushed.keys()
    wanted = {*days} | (neighbours if document_type.partitioned else set())
    for day, points in sorted(known.items()):
        if day in wanted:
            yield points


def _flattened(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date],
) -> Iterator[tuple[str, list[DayPoints]]]:
    """Yield each person's points of these days and of the day before and after."""
    first, last = days[0] - _reach(document_type), days[-1] + _reach(document_type)
    for people in _people_per_read(document_type, usernames, days):
        documents = _documents(pipeline, document_type, people, first - ONE_DAY, last + ONE_DAY)
        for username in people:
            theirs = documents.pop(username)
            if not document_type.partitioned:
                # A state counts for the day on which it is sent.
                theirs = [stored._replace(day=days[-1]) for stored in theirs]
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


def _reach(document_type: DocumentType) -> timedelta:
    """Return how many days before and after a day its documents can change the points."""
    # Of sleeps that overlap only one counts. When that changes, the one that takes its place stands
    # on another day at times, and has perhaps never been pushed.
    return _REACH_OF_SLEEPS if document_type.variants else ONE_DAY


def _people_per_read(
    document_type: DocumentType, usernames: Sequence[str], days: Sequence[date]
) -> Iterator[Sequence[str]]:
    """Return people in groups whose documents of these days fit into memory."""
    per_day = _SAMPLES_PER_DAY if document_type.ask is Ask.INSTANTS else _DOCUMENTS_PER_DAY
    span = (days[-1] - days[0]).days + 9  # with neighbours on both sides
    return batched(usernames, max(1, _DOCUMENTS_PER_READ // (span * per_day)))


def _documents(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    first: date,
    last: date,
) -> dict[str, list[StoredDocument]]:
    if not document_type.partitioned:
        first, last = date.min, date.max
    return pipeline.warehouse.documents_of(document_type, usernames, first, last)
