"""What is known of where a person was: UTC offsets at instants, learned from their documents.

What surprises: nothing is left out, however often the same offset repeats. An observation whose
neighbours say the same changes no answer today, and does when one between them is learned later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from oura_pipeline.accounts.base import Store, require_known
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.schema import offsets, people
from oura_pipeline.ledger import OffsetSum

_SUMS = (func.count(), func.max(offsets.c.at), func.sum(offsets.c.seconds))


class Offsets(Store):
    """The part that remembers offsets: about ten a day and person."""

    def find(
        self, username: str, since: datetime | None = None
    ) -> list[tuple[datetime, timedelta]]:
        """The observations of a person, ascending, one per instant (UTC); none for nobody.

        Args:
            username: whose.
            since: the first instant of interest; None: from the beginning.
        """
        mine = select(offsets.c.at, offsets.c.seconds).where(offsets.c.username == username)
        if since is not None:
            mine = mine.where(offsets.c.at >= since)
        with self._database.reading() as connection:
            found = connection.execute(mine.order_by(offsets.c.at))
            return [(row.at, timedelta(seconds=row.seconds)) for row in found]

    def sums(self) -> dict[str, OffsetSum]:
        """What the observations of each person come to, without those of who left."""
        left = select(people.c.username).where(people.c.state == PersonState.RETIRED.value)
        query = select(offsets.c.username, *_SUMS).where(offsets.c.username.not_in(left))
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(offsets.c.username))
            return {username: OffsetSum(*sums) for username, *sums in found}

    def sum_until(self, username: str, until: datetime) -> OffsetSum | None:
        """What somebody has observed up to and at an instant comes to; None: nothing was."""
        theirs = (offsets.c.username == username, offsets.c.at <= until)
        with self._database.reading() as connection:
            count, newest, seconds = connection.execute(select(*_SUMS).where(*theirs)).one()
        return OffsetSum(count, newest, seconds) if count else None

    def record(self, username: str, observations: Iterable[tuple[datetime, timedelta]]) -> int:
        """Add observations; of several for one instant the last one learned counts.

        Returns:
            How many were new or said something else than before.

        Raises:
            UnknownPerson: nobody has this username.
            ValueError: an instant has no zone, or an offset is not in whole seconds.
        """
        observed = {_utc(at): _seconds(offset) for at, offset in observations}
        if not observed:
            return 0
        with self._database.reading() as connection:
            if not _news(connection, username, observed):
                return 0
        with self._database.writing() as connection:
            require_known(connection, [username])
            news = _news(connection, username, observed)
            rows = [{"username": username, "at": at, "seconds": news[at]} for at in sorted(news)]
            if rows:
                connection.execute(self._database.insert(offsets, ("seconds",)), rows)
        return len(rows)


def _news(
    connection: Connection, username: str, observed: dict[datetime, int]
) -> dict[datetime, int]:
    """What is not known yet."""
    found = connection.execute(
        select(offsets.c.at, offsets.c.seconds).where(
            offsets.c.username == username,
            offsets.c.at.between(min(observed), max(observed)),
        )
    )
    known = {row.at: row.seconds for row in found}
    return {at: seconds for at, seconds in observed.items() if known.get(at) != seconds}


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an observed instant needs a zone: give a datetime with tzinfo")
    return at.astimezone(UTC)


def _seconds(offset: timedelta) -> int:
    if offset % timedelta(seconds=1):
        raise ValueError(f"an offset is in whole seconds, not {offset!r}")
    return int(offset.total_seconds())
