"""Days of points to Graphite, with a ledger row before and after.

What surprises: while a day is on its way its row remembers the times of the old *and* the new
points. A crash in between then forgets neither, and the next push still sees what was withdrawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import stamina

from oura_pipeline.days import batched_by_weight
from oura_pipeline.graphite.aggregate import Point
from oura_pipeline.graphite.carbon import GraphiteUnavailable, Metrics, Sender
from oura_pipeline.graphite.points import DayPoints, Index, difference, pack, union, unpack
from oura_pipeline.graphite.validate import PointValidator, drop_invalid
from oura_pipeline.ledger import Push, PushLedger, PushState, Withdrawn

_POINTS_AT_ONCE = 100_000
_DAYS_AT_ONCE = 1000
_TO_BE_SENT = (PushState.PENDING, PushState.MISSING)
# No document reaches further into its neighbours' days.
_REACH = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did.

    Attributes:
        days: how many days were sent.
        points: how many points.
        unchanged: how many days Graphite has already.
        withdrawn: how many points Graphite keeps although Oura withdrew them; they are listed in
            the ledger.
        rejected: how many points were not sent because carbon could not store them, by reason.
    """

    days: int
    points: int
    unchanged: int
    withdrawn: int
    rejected: dict[str, int]


def push(
    days: Iterable[DayPoints],
    *,
    sender: Sender,
    ledger: PushLedger,
    resend_since: date | None = None,
    even_unchanged: bool = False,
    now: datetime,
) -> PushResult:
    """Send the days whose points changed, or never left.

    Args:
        days: the days of the asked people, by person and day, also those without points: that is
            how a day is noticed whose documents are gone.
        sender: takes the points away.
        ledger: where pushes are remembered.
        resend_since: days from this one on that were sent but not confirmed are sent again;
            None: only those that did not leave.
        even_unchanged: also send what Graphite should have already.
        now: the present, aware.

    Raises:
        GraphiteUnavailable: also after some tries; what did not leave stays pending and leaves
            with the next push.
    """
    run = _Run(sender, ledger, resend_since=resend_since, even_unchanged=even_unchanged, now=now)
    # While one batch is on its way, which carbon makes last, the next one is flattened.
    with ThreadPoolExecutor(1) as executor:
        on_its_way: tuple[Future[None], list[_Due]] | None = None
        for batch in batched_by_weight(
            days, lambda day: day.count, heaviest=_POINTS_AT_ONCE, longest=_DAYS_AT_ONCE
        ):
            due = run.announce(batch)
            if on_its_way:
                run.settle(*on_its_way)
            on_its_way = executor.submit(_send_days, sender, [day for day, _ in due]), due
        if on_its_way:
            run.settle(*on_its_way)
    run.record_withdrawn()
    return run.result()


def send(sender: Sender, metrics: Metrics) -> None:
    """Send, and try again a few times with growing pauses.

    Raises:
        GraphiteUnavailable: the last try failed too.
    """
    metrics = list(metrics)
    for attempt in stamina.retry_context(
        on=_is_retryable, attempts=4, wait_initial=0.2, wait_max=3, wait_jitter=0.2, timeout=None
    ):
        with attempt:
            sender.send(metrics)


def _send_days(sender: Sender, days: Sequence[DayPoints]) -> None:
    metrics = by_metric(days)
    if metrics:
        send(sender, metrics.items())


def by_metric(days: Iterable[DayPoints]) -> dict[str, list[Point]]:
    """The points of all days, metric by metric."""
    metrics: dict[str, list[Point]] = defaultdict(list)
    for day in days:
        for metric, points in day.points.items():
            metrics[metric].extend(points)
    return metrics


_Due = tuple[DayPoints, Push | None]  # with its row in the ledger before this push


@dataclass(frozen=True)
class _Late:
    """A day that lost points: settled at the end, when its neighbours are known."""

    row: Push
    index: Index
    lost: Index


class _Run:
    def __init__(
        self,
        sender: Sender,
        ledger: PushLedger,
        *,
        resend_since: date | None,
        even_unchanged: bool,
        now: datetime,
    ) -> None:
        self._sender, self._ledger, self._now = sender, ledger, now
        self._again_since, self._even_unchanged = resend_since, even_unchanged
        self._validator = PointValidator(now)
        self._days = self._points = self._unchanged = self._withdrawn = 0
        self._rejected: Counter[str] = Counter()
        self._late: list[_Late] = []

    def result(self) -> PushResult:
        return PushResult(
            days=self._days,
            points=self._points,
            unchanged=self._unchanged,
            withdrawn=self._withdrawn,
            rejected=dict(self._rejected),
        )

    def announce(self, days: list[DayPoints]) -> list[_Due]:
        """Say in the ledger which of the days are about to leave."""
        due = [
            (day, earlier)
            for day, earlier in self._with_rows(map(self._clean, days))
            if self._is_due(day, earlier)
        ]
        self._ledger.record(
            [self._row(day, PushState.PENDING, _index(day, earlier)) for day, earlier in due]
        )
        return due

    def settle(self, sent: Future[None], due: list[_Due]) -> None:
        """Wait until they have left, and say so."""
        sent.result()
        self._settle(due)
        self._days += len(due)
        self._points += sum(day.count for day, _ in due)

    def record_withdrawn(self) -> None:
        """List what was withdrawn, except where another day has a value instead."""
        people: dict[tuple[str, str], list[_Late]] = defaultdict(list)
        for late in self._late:
            people[late.row.username, late.row.document_type].append(late)
        for (username, document_type), lates in people.items():
            indexes = self._indexes(username, document_type, lates)
            withdrawn = [one for late in lates for one in self._withdrawn_of(late, indexes)]
            self._ledger.record_withdrawn(withdrawn)
            self._ledger.record([late.row for late in lates])
            self._withdrawn += sum(len(one.times) for one in withdrawn)

    def _clean(self, day: DayPoints) -> DayPoints:
        clean, rejected = drop_invalid(day, self._validator)
        self._rejected.update(rejected)
        return clean

    def _with_rows(self, days: Iterable[DayPoints]) -> Iterator[_Due]:
        """Each day with its row in the ledger."""
        by_type: dict[str, list[DayPoints]] = defaultdict(list)
        for day in days:
            by_type[day.document_type].append(day)
        for document_type, some in by_type.items():
            rows = self._ledger.find(
                document_type,
                usernames={day.username for day in some},
                first_day=min(day.day for day in some),
                last_day=max(day.day for day in some),
            )
            known = {(row.username, row.day): row for row in rows}
            for day in some:
                yield day, known.get((day.username, day.day))

    def _is_due(self, day: DayPoints, earlier: Push | None) -> bool:
        if earlier is None:
            return day.count > 0
        if earlier.digest != day.digest or earlier.state in _TO_BE_SENT:
            return True
        again = self._again_since is not None and day.day >= self._again_since
        if earlier.state is PushState.SENT and again:
            return True
        if self._even_unchanged and day.count:
            return True
        self._unchanged += 1
        return False

    def _settle(self, due: Iterable[_Due]) -> None:
        settled = []
        for day, earlier in due:
            arrived = self._sender.confirms_delivery or not day.count
            row = self._row(day, PushState.DELIVERED if arrived else PushState.SENT, day.index)
            lost = difference(unpack(earlier.index), unpack(day.index)) if earlier else {}
            if lost:
                self._late.append(_Late(row, unpack(day.index), lost))
            else:
                settled.append(row)
        self._ledger.record(settled)

    def _indexes(self, username: str, document_type: str, lates: list[_Late]) -> dict[date, Index]:
        """What each day around those has in Graphite now."""
        days = [late.row.day for late in lates]
        rows = self._ledger.find(
            document_type,
            usernames=[username],
            first_day=min(days) - _REACH,
            last_day=max(days) + _REACH,
        )
        reach = range(-_REACH.days, _REACH.days + 1)
        near = {day + timedelta(days=n) for day in days for n in reach}
        indexes = {row.day: unpack(row.index) for row in rows if row.day in near}
        return indexes | {late.row.day: late.index for late in lates}

    def _withdrawn_of(self, late: _Late, indexes: dict[date, Index]) -> Iterator[Withdrawn]:
        row, lost = late.row, late.lost
        for day, index in indexes.items():
            if abs(day - row.day) <= _REACH:
                lost = difference(lost, index)
        for metric, times in sorted(lost.items()):
            yield Withdrawn(
                username=row.username,
                document_type=row.document_type,
                day=row.day,
                metric=metric,
                times=times,
                at=self._now,
            )

    def _row(self, day: DayPoints, state: PushState, index: bytes) -> Push:
        return Push(
            username=day.username,
            document_type=day.document_type,
            day=day.day,
            points=day.count,
            digest=day.digest,
            state=state,
            index=index,
            at=self._now,
        )


def _index(day: DayPoints, earlier: Push | None) -> bytes:
    """What Graphite may have of a day while it is on its way."""
    if earlier is None:
        return day.index
    return pack(union(unpack(earlier.index), unpack(day.index)))


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, GraphiteUnavailable) and error.retryable
