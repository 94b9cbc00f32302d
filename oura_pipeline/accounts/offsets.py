"""UTC offsets at instants, learned from documents: where a person's clock was."""

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
    """The observed offsets, about ten per day and person."""

    def find(
        self, username: str, since: datetime | None = None
    ) -> list[tuple[datetime, timedelta]]:
        """Return a person's observations, ascending, one per instant (UTC); none for nobody.

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
        """Sum up the observations of each person, without people who left."""
        left = select(people.c.username).where(people.c.state == PersonState.RETIRED.value)
        query = select(offsets.c.username, *_SUMS).where(offsets.c.username.not_in(left))
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(offsets.c.username))
            return {username: OffsetSum(*sums) for username, *sums in found}

    def sum_until(self, username: str, until: datetime) -> OffsetSum | None:
        """Sum up a person's observations up to an instant; None where there are none."""
        theirs = (offsets.c.username == username, offsets.c.at <= until)
        with self._database.reading() as connection:
            count, newest, seconds = connection.execute(select(*_SUMS).where(*theirs)).one()
        return OffsetSum(count, newest, seconds) if count else None

    def record(self, username: str, observations: Iterable[tuple[datetime, timedelta]]) -> int:
        """Add observations; of several for one instant the last one learned counts.

        Returns:
            How many were new or different.

        Raises:
            UnknownPerson: nobody has this username.
            ValueError: an instant has no zone, or an offset is not in whole seconds.
        """
        # Nothing is left out, however often an offset repeats: an observation whose neighbours say
        # the same matters as soon as another one is learned between them.
        observed = {_utc(at): _seconds(offset) for at, offset in observations}
        if not observed:
            return 0
        with self._database.reading() as connection:
            if not _news(connection, username, observed):
                return 0  # without a write: most fetches bring nothing new
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
    """Return the observations that are not known yet."""
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
