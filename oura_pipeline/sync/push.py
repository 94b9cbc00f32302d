"""Push documents from the warehouse to Graphite, and verify what was sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import STORED_TYPES, DocumentType
from oura_pipeline.graphite.points import DayPoints, unpack
from oura_pipeline.graphite.push import PushResult, is_settled, push
from oura_pipeline.graphite.readback.diagnosis import Finding, diagnose
from oura_pipeline.graphite.readback.digests import verify_twice
from oura_pipeline.graphite.readback.report import ReadbackReport
from oura_pipeline.graphite.readback.values import confirm, mark_delivered
from oura_pipeline.ledger import PersonDay, Push, PushState
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.flattening import Flattener
from oura_pipeline.sync.progress import progress
from oura_pipeline.sync.tracing import TracedPush

_RESEND_WINDOW = timedelta(days=7)
_DAYS_EXPLAINED = 20
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
        result, settled = _push_changed(
            pipeline, document_type, usernames, days, even_unchanged=even_unchanged, now=now
        )
    _settle(pipeline, document_type, usernames, days, before=now)
    return PushedDocuments(
        days=days,
        points=Counter({day: result.points_by_day[day] + settled[day] for day in days}),
        skipped=result.skipped,
        sent=result.points,
        withdrawn=result.withdrawn,
        seconds=time.monotonic() - began,
    )


def _push_changed(
    pipeline: Pipeline,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date],
    *,
    even_unchanged: bool,
    now: datetime,
) -> tuple[PushResult, Counter[date]]:
    """Push the days that may have changed; return the points that the others have, by day, too."""
    since = _resent_since(pipeline, now.date())
    settled: Counter[date] = Counter()
    traced = TracedPush(pipeline, document_type, days)
    points = _changed_points(
        Flattener(pipeline, document_type),
        usernames,
        days,
        is_settled=lambda row: not even_unchanged and is_settled(row, since),
        settled=settled,
    )
    result = push(
        traced.flattening(points),
        sender=pipeline.sender,
        ledger=pipeline.accounts.pushes,
        resend_since=since,
        even_unchanged=even_unchanged,
        now=now,
        sending=traced.sending,
    )
    traced.close()
    return result, settled


def _resent_since(pipeline: Pipeline, today: date) -> date | None:
    """Return from which day on points are sent again, though they were sent; None: none."""
    # Without graphite-web nobody knows what carbon has stored.
    return None if pipeline.render else today - _RESEND_WINDOW


def _changed_points(
    flattener: Flattener,
    usernames: Sequence[str],
    days: Sequence[date],
    *,
    is_settled: Callable[[Push], bool],
    settled: Counter[date],
) -> Iterator[DayPoints]:
    """Yield the points of days that may have changed, and count those of the others."""
    for some in flattener.changed(usernames, days, is_settled):
        for row in some.settled:
            settled[row.day] += row.points
        yield from flattener.points(some.days, some.digests)


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
    points = Flattener(pipeline, document_type).points([(username, day)])
    return [row.digest for row in announced] == [
        one.digest for one in points if announced or one.points
    ]


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
    pause = pipeline.render.pause_seconds
    verified = verify_twice(sent, pipeline.render, pause=pause, seen=progress.get().read_back)
    # Digests tell that a day is wrong, not which of its points: only such days are flattened again.
    doubtful = sorted({_key(row) for row in sent} - {_key(row) for row in verified})
    report = confirm(
        _points_of(pipeline, doubtful),
        render=pipeline.render,
        sender=pipeline.sender,
        ledger=pipeline.accounts.pushes,
        pause=pause,
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
    for document_type in STORED_TYPES:
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
    for document_type in STORED_TYPES:
        days = [(who, day) for name, who, day in keys if name == document_type.name]
        yield from Flattener(pipeline, document_type).points(days)
