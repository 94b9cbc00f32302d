"""Pushes that earlier runs left, of whatever day: carbon was away, or a process was killed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.accounts.waiting import WaitingPush
from oura_pipeline.catalog.document_types import STORED_TYPES, DocumentType
from oura_pipeline.days import days_between, runs_of_days
from oura_pipeline.graphite.carbon import UntilItFails
from oura_pipeline.graphite.readback.report import ReadbackReport
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.push import (
    PushedDocuments,
    confirm_sent,
    is_as_announced,
    push_documents,
)

DAYS_AT_ONCE = 5000  # per person and document type; the next run takes the rest


@dataclass(frozen=True, kw_only=True)
class PushedWaiting:
    """What was sent of the days that waited.

    Attributes:
        days: all of them; whether they arrived is not known yet.
        pushed: the result of every push.
    """

    days: Sequence[WaitingPush] = ()
    pushed: list[tuple[DocumentType, PushedDocuments]] = field(default_factory=list)


def push_waiting(pipeline: Pipeline, now: datetime, *, retry: bool = False) -> PushedWaiting:
    """Send the days that wait, those that have waited longest first.

    Args:
        pipeline: the warehouse, the ledger and the sender.
        now: the present moment.
        retry: also what could not be sent a moment ago, since carbon takes points now.

    Raises:
        GraphiteUnavailable: everything waits on, and a little longer than before.
    """
    accounts = pipeline.accounts
    try:
        with accounts.lock("push what waits", seconds=0):
            days = accounts.waiting.due(now, limit=DAYS_AT_ONCE, retry=retry)
            result = PushedWaiting(days=days)
            accounts.waiting.postpone(days, now)
            for document_type in STORED_TYPES:
                of_type = [day for day in days if day.document_type == document_type.name]
                _push_type(pipeline, document_type, of_type, result)
            return result
    except AccountsBusy:
        return PushedWaiting()  # another process is doing it


def finish_pushes(
    pipeline: Pipeline, usernames: Sequence[str], days: Sequence[date] | None
) -> ReadbackReport | None:
    """Send what earlier runs left, and read back that and what these people were sent.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer.
    """
    if isinstance(pipeline.sender, UntilItFails):
        pipeline.sender.raise_if_failed()  # reading back would wait for what carbon does not get
    left = push_waiting(pipeline, datetime.now(UTC), retry=True)
    return confirm_sent(pipeline, usernames, days, left.days)


def day_ranges(days: Mapping[str, Iterable[date]]) -> dict[tuple[date, date], list[str]]:
    """Return the fewest ranges that cover exactly these days: first and last day → usernames.

    Args:
        days: username → days, in any order.
    """
    ranges: dict[tuple[date, date], list[str]] = defaultdict(list)
    for username, of_person in sorted(days.items()):
        for run in runs_of_days(of_person):
            ranges[run].append(username)
    return dict(sorted(ranges.items()))


def _push_type(
    pipeline: Pipeline,
    document_type: DocumentType,
    waiting: Sequence[WaitingPush],
    result: PushedWaiting,
) -> None:
    days: dict[str, set[date]] = defaultdict(set)
    for day in waiting:
        days[day.username].add(day.day)
    if not document_type.partitioned:
        days = {
            who: _with_known_state(pipeline, document_type, who, of) for who, of in days.items()
        }
    for (first, last), usernames in day_ranges(days).items():
        of_range = days_between(first, last)
        for some in [of_range] if document_type.partitioned else [[day] for day in of_range]:
            pushed = push_documents(pipeline, document_type, usernames, some)
            result.pushed.append((document_type, pushed))


def _with_known_state(
    pipeline: Pipeline, document_type: DocumentType, username: str, days: Iterable[date]
) -> set[date]:
    """Return the days on which a profile or ring was as it is now, and forget the others."""
    # Only the newest state is stored. To send it for a day on which it was another invents a value.
    known = {
        day
        for day in days
        if day >= datetime.now(UTC).date()
        or is_as_announced(pipeline, document_type, username, day)
    }
    pipeline.accounts.pushes.forget(document_type.name, username, set(days) - known)
    return known
