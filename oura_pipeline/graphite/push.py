"""Send days of points to Graphite, with a ledger row before and after."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from oura_pipeline.days import batched_by_weight
from oura_pipeline.graphite.aggregate import Points, Value
from oura_pipeline.graphite.carbon import Metrics, Sender, retrying
from oura_pipeline.graphite.points import DayPoints, Index, difference, pack, union, unpack
from oura_pipeline.graphite.validate import PointValidator, drop_invalid
from oura_pipeline.ledger import Push, PushLedger, PushState, Withdrawn
from oura_pipeline.process import interrupts

# A batch is what a broken connection leaves unconfirmed, and what is in memory twice meanwhile.
_POINTS_PER_BATCH = 100_000
_DAYS_PER_BATCH = 1000
_UNSENT = (PushState.PENDING, PushState.MISSING)
# No document reaches further into its neighbours' days.
_REACH = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """The outcome of a push.

    Attributes:
        days: how many days were sent.
        points: how many points were sent.
        unchanged: how many days Graphite has already.
        withdrawn: how many points Graphite keeps although Oura withdrew them; they are listed in
            the ledger.
        points_by_day: how many points each day has, over all people, sent now or before.
        skipped: how often something was not sent, because it is no point or because carbon could
            not store it, by reason.
    """

    days: int
    points: int
    unchanged: int
    withdrawn: int
    points_by_day: Counter[date]
    skipped: Counter[str]


def push(
    days: Iterable[DayPoints],
    *,
    sender: Sender,
    ledger: PushLedger,
    resend_since: date | None = None,
    even_unchanged: bool = False,
    now: datetime,
    sending: Callable[[Sequence[DayPoints]], AbstractContextManager[object]] = nullcontext,
) -> PushResult:
    """Send the days whose points changed, or were never sent.

    Args:
        days: by person and day, also days without points: this is how a push learns of days whose
            documents are gone.
        sender: sends the points.
        ledger: remembers what was pushed.
        resend_since: from this day on, days that were sent but not confirmed are sent again;
            None: only days that were never sent.
        even_unchanged: also send what Graphite should have already.
        now: the present, aware.
        sending: what is around the sending of each batch.

    Raises:
        GraphiteUnavailable: after several tries; what was not sent stays pending and is sent by
            the next push.
    """
    run = _PushRun(
        sender, ledger, resend_since=resend_since, even_unchanged=even_unchanged, now=now
    )
    # Carbon takes longest, so the next batch is flattened while one is being sent: `days` is mostly
    # an iterator that does its work when the next day is asked for.
    with ThreadPoolExecutor(1) as executor:
        in_flight: tuple[Future[None], list[_DueDay]] | None = None
        for batch in batched_by_weight(
            days, lambda day: day.count, heaviest=_POINTS_PER_BATCH, longest=_DAYS_PER_BATCH
        ):
            due = run.announce(batch)
            if in_flight:
                run.record_sent(*in_flight)
            in_flight = executor.submit(_send_days, sender, [day for day, _ in due], sending), due
        if in_flight:
            run.record_sent(*in_flight)
    run.record_withdrawn()
    return run.result()


def is_settled(earlier: Push, resend_since: date | None) -> bool:
    """Return whether points that are still the same need not be sent again.

    Args:
        earlier: the row of the ledger.
        resend_since: as of `push`.
    """
    recent = resend_since is not None and earlier.day >= resend_since
    return earlier.state not in _UNSENT and not (earlier.state is PushState.SENT and recent)


def send(sender: Sender, metrics: Metrics) -> None:
    """Send, and try again a few times with growing pauses.

    Raises:
        GraphiteUnavailable: the last try failed too.
    """
    # A list: a second try needs all of them again.
    retrying(sender.send, list(metrics))


def _send_days(
    sender: Sender,
    days: Sequence[DayPoints],
    sending: Callable[[Sequence[DayPoints]], AbstractContextManager[object]],
) -> None:
    if metrics := by_metric(days):
        with sending(days):
            send(sender, metrics.items())


def by_metric(days: Iterable[DayPoints]) -> dict[str, Points]:
    """Return the points of all days, metric by metric."""
    # Carbon writes a metric's points with one update when they come together.
    metrics: dict[str, tuple[list[int], list[Value]]] = defaultdict(lambda: ([], []))
    for day in days:
        for metric, points in day.points.items():
            times, values = metrics[metric]
            columns = Points.of(points)
            times += columns.times
            values += columns.values
    return {metric: Points(*columns) for metric, columns in metrics.items()}


_DueDay = tuple[DayPoints, Push | None]  # with its ledger row from before this push


@dataclass(frozen=True)
class _ShrunkDay:
    """A day that lost points."""

    row: Push
    index: Index
    lost: Index


class _PushRun:
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
        self._resend_since, self._even_unchanged = resend_since, even_unchanged
        self._validator = PointValidator(now)
        self._days = self._points = self._unchanged = self._withdrawn = 0
        self._points_by_day: Counter[date] = Counter()
        self._skipped: Counter[str] = Counter()
        self._shrunk: list[_ShrunkDay] = []
        self._same_points: list[Push] = []

    def result(self) -> PushResult:
        return PushResult(
            days=self._days,
            points=self._points,
            unchanged=self._unchanged,
            withdrawn=self._withdrawn,
            points_by_day=self._points_by_day,
            skipped=self._skipped,
        )

    def announce(self, days: list[DayPoints]) -> list[_DueDay]:
        """Record which of the days are about to be sent, and return them."""
        interrupts.check()
        due = [
            (day, earlier)
            for day, earlier in self._with_rows(map(self._valid, days))
            if self._is_due(day, earlier)
        ]
        self._ledger.record_sources(self._same_points)
        self._same_points = []
        pending = [
            self._row(day, PushState.PENDING, _index_in_flight(day, earlier))
            for day, earlier in due
        ]
        left = self._ledger.record(pending)
        return [pair for pair in due if pair[0].username not in left]

    def record_sent(self, sending: Future[None], due: list[_DueDay]) -> None:
        """Wait until the days have been sent, and record it."""
        sending.result()
        rows = []
        for day, earlier in due:
            done = self._sender.confirms_delivery or not day.count
            row = self._row(day, PushState.DELIVERED if done else PushState.SENT, day.index)
            lost = difference(unpack(earlier.index), unpack(day.index)) if earlier else {}
            if lost:
                # It stays pending until the end of the run: only then is it known whether another
                # day has a value at those times, and a crash must not forget them.
                self._shrunk.append(_ShrunkDay(row, unpack(day.index), lost))
            else:
                rows.append(row)
        self._ledger.record(rows)
        self._days += len(due)
        self._points += sum(day.count for day, _ in due)

    def record_withdrawn(self) -> None:
        """List the points that were withdrawn, except where another day has a value instead."""
        people: dict[tuple[str, str], list[_ShrunkDay]] = defaultdict(list)
        for shrunk in self._shrunk:
            people[shrunk.row.username, shrunk.row.document_type].append(shrunk)
        for (username, document_type), days in people.items():
            indexes = self._indexes_around(username, document_type, days)
            withdrawn = [entry for day in days for entry in self._withdrawn_of(day, indexes)]
            # In this order: after a crash in between, the next push lists them once more, which is
            # harmless; the other way round it would not.
            self._ledger.record_withdrawn(withdrawn)
            self._ledger.record([day.row for day in days])
            self._withdrawn += sum(len(entry.times) for entry in withdrawn)

    def _valid(self, day: DayPoints) -> DayPoints:
        self._points_by_day[day.day] += day.count
        self._skipped.update(day.skipped)
        valid, dropped = drop_invalid(day, self._validator)
        self._skipped.update(dropped)
        # What was not sent is reported by every push, and a point of the future is sent one day.
        return replace(valid, source="") if day.skipped or dropped else valid

    def _with_rows(self, days: Iterable[DayPoints]) -> Iterator[_DueDay]:
        """Yield each day with its row in the ledger."""
        by_type: dict[str, list[DayPoints]] = defaultdict(list)
        for day in days:
            by_type[day.document_type].append(day)
        for document_type, days_of_type in by_type.items():
            rows = self._ledger.find(
                document_type,
                usernames={day.username for day in days_of_type},
                first_day=min(day.day for day in days_of_type),
                last_day=max(day.day for day in days_of_type),
            )
            known = {(row.username, row.day): row for row in rows}
            for day in days_of_type:
                yield day, known.get((day.username, day.day))

    def _is_due(self, day: DayPoints, earlier: Push | None) -> bool:
        if earlier is None:
            return day.count > 0
        if earlier.digest != day.digest or not is_settled(earlier, self._resend_since):
            return True
        if self._even_unchanged and day.count:
            return True
        if earlier.source != day.source:
            self._same_points.append(replace(earlier, source=day.source))
        self._unchanged += 1
        return False

    def _indexes_around(
        self, username: str, document_type: str, shrunk: list[_ShrunkDay]
    ) -> dict[date, Index]:
        """Return what Graphite has now of each day around the days that lost points."""
        days = [one.row.day for one in shrunk]
        rows = self._ledger.find(
            document_type,
            usernames=[username],
            first_day=min(days) - _REACH,
            last_day=max(days) + _REACH,
        )
        reach = range(-_REACH.days, _REACH.days + 1)
        near = {day + timedelta(days=n) for day in days for n in reach}
        indexes = {row.day: unpack(row.index) for row in rows if row.day in near}
        return indexes | {one.row.day: one.index for one in shrunk}

    def _withdrawn_of(self, shrunk: _ShrunkDay, indexes: dict[date, Index]) -> Iterator[Withdrawn]:
        row, lost = shrunk.row, shrunk.lost
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
            source=day.source,
        )


def _index_in_flight(day: DayPoints, earlier: Push | None) -> bytes:
    # The times of the old and of the new points: Graphite may have either. After a crash the next
    # push can still tell what was withdrawn.
    if earlier is None:
        return day.index
    return pack(union(unpack(earlier.index), unpack(day.index)))
