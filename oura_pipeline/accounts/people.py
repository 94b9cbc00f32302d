"""People: who signed in, what they granted, and whether their sign-in still works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zlib import crc32

from sqlalchemy import (
    Connection,
    Row,
    Select,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import (
    RETIRED,
    EncryptedStore,
    not_gone,
    now,
    random_text,
    require_known,
    some_of,
)
from oura_pipeline.accounts.encryption import TokenCipher
from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.gone import forget_gone
from oura_pipeline.accounts.names import among
from oura_pipeline.accounts.usernames import ID_LETTERS, check_username
from oura_pipeline.days import digest


class PersonState(StrEnum):
    """Whether a person's data can be fetched."""

    CONNECTED = "connected"
    SIGN_IN_REQUIRED = "sign_in_required"  # Oura refused to renew their tokens
    DISCONNECTED = "disconnected"  # nothing is fetched, their data stays
    RETIRED = RETIRED  # they left; their data is to be deleted


LEAVING = (PersonState.DISCONNECTED, PersonState.RETIRED)
"""Their tokens are handed out to nobody, and kept only until they are revoked."""

DELETED_WITHIN = timedelta(minutes=5)
SHARDS = 4096
"""Into how many parts of about the same size people fall, by their ids."""
ALL_SHARDS = range(SHARDS)
SEVENTHS = 7  # of the people: one each day, so that a week is everybody
SYNC_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who signed in; holds no token, so it may be shown and logged.

    Attributes:
        username: their name in Graphite.
        id: random and meaningless, like `p-7f3k2m`; given once and never changed. Used where
            usernames must not appear, such as in Dagster.
        oura_id: Oura's id of them, `personal_info.id`; None until it is known.
        name: their full name; None: not known.
        scopes: what they granted; None: not known, which is not the same as nothing.
        state: whether their data can be fetched.
        connected_since: when they signed in, the last time, UTC.
        renewed_at: when their tokens were got or renewed, UTC; None: not known.
        expires_at: when their access token expires, UTC; None: not known.
        token_url: the token endpoint that worked for them; None: none did yet.
        error: why they must sign in again, or why Oura has not revoked the tokens of somebody who
            disconnected or left; None: there is nothing to say.
        joined_at: when they signed in for the first time, UTC.
        state_since: since when they are in this state, UTC.
        sync_asked_at: when they last requested a sync, UTC; None: never.
        notified_at: when the operator was notified that they must sign in again, UTC; None: never.
        first_day: the day before which Oura is known to have nothing of theirs; None: not known.
    """

    username: str
    id: str
    oura_id: str | None
    name: str | None
    scopes: frozenset[str] | None
    state: PersonState
    connected_since: datetime
    renewed_at: datetime | None
    expires_at: datetime | None
    token_url: str | None
    error: str | None
    joined_at: datetime
    state_since: datetime
    sync_asked_at: datetime | None
    notified_at: datetime | None
    first_day: date | None = None

    def history_start(self, earliest: date) -> date:
        """Return the first day of their history, which begins on the `earliest` day at most."""
        return max(earliest, self.first_day or earliest)

    def deletion_is_late(self, now: datetime) -> bool:
        """Return whether they left so long ago that their data should be gone by now."""
        return self.state is PersonState.RETIRED and now - self.state_since >= DELETED_WITHIN


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """What somebody brings from Oura: tokens, scopes and identity; its repr shows no token."""

    refresh_token: str
    access_token: str | None = None
    expires_at: datetime | None = None
    renewed_at: datetime | None = None
    token_url: str | None = None
    scopes: Iterable[str] | None = None
    oura_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        if not self.refresh_token:
            raise PersonRefused("a person needs a refresh token; let them sign in")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise PersonRefused("expires_at needs a zone: give a datetime with tzinfo")

    def __repr__(self) -> str:
        """Without tokens."""
        return f"SignIn(oura_id={self.oura_id!r}, expires_at={self.expires_at})"


class People(EncryptedStore):
    """Everybody who signed in."""

    def all(
        self,
        states: Iterable[PersonState] | None = None,
        *,
        usernames: Iterable[str] | None = None,
        shards: range | None = None,
        connected_after: datetime | None = None,
        sync_asked_after: datetime | None = None,
    ) -> list[Person]:
        """Return everybody, or those to whom all of this applies, by username.

        Args:
            states: those who are in one of these.
            usernames: those who have one of these.
            shards: those who fall into one of these parts, which follow each other.
            connected_after: those who have signed in, or signed in anew, since.
            sync_asked_after: those who have wanted a sync since.
        """
        people = schema.people.c
        query = _people().order_by(people.username)
        if states is not None:
            query = query.where(people.state.in_(sorted(set(states))))
        if usernames is not None:
            query = query.where(among(people.username, usernames))
        if shards is not None:
            query = query.where(people.shard.between(shards.start, shards.stop - 1))
        if connected_after is not None:
            query = query.where(people.connected_since > connected_after)
        if sync_asked_after is not None:
            query = query.where(people.sync_asked_at > sync_asked_after)
        with self._database.reading() as connection:
            return [_person(row) for row in connection.execute(query)]

    def named(self, usernames: Iterable[str]) -> list[Person]:
        """Return the people with these usernames, in this order.

        Raises:
            UnknownPerson: nobody has one of them; the message lists some who are there.
        """
        chosen = list(usernames)
        known = {person.username: person for person in self.all(usernames=chosen)}
        if unknown := set(chosen) - known.keys():
            with self._database.reading() as connection:
                raise UnknownPerson(unknown, some_of(connection, schema.people.c.username))
        return [known[username] for username in chosen]

    def granted(self) -> set[frozenset[str] | None]:
        """Return every set of scopes that connected people have granted; None: it is not known."""
        people = schema.people.c
        connected = people.state == PersonState.CONNECTED.value
        with self._database.reading() as connection:
            stored = connection.scalars(select(people.scopes).where(connected).distinct())
            return {scopes_in(one) for one in stored}

    def counts(self) -> Counter[PersonState]:
        """Return how many people are in each state."""
        state = schema.people.c.state
        query = select(state, func.count()).where(not_gone()).group_by(state)
        with self._database.reading() as connection:
            return Counter({PersonState(name): many for name, many in connection.execute(query)})

    def shards(self, at_most: int, within: range = ALL_SHARDS) -> list[range]:
        """Return shards in runs that have so many people at most, or are one shard alone.

        Args:
            at_most: how many people.
            within: the shards, all or some that follow each other.
        """
        shard = schema.people.c.shard
        there = (not_gone(), shard.between(within.start, within.stop - 1))
        counts = select(shard, func.count()).where(*there).group_by(shard)
        with self._database.reading() as connection:
            people: dict[int, int] = dict(connection.execute(counts).all())
        runs, first, inside = [], within.start, 0
        for number in within:
            if inside and inside + people.get(number, 0) > at_most:
                runs.append(range(first, number))
                first, inside = number, 0
            inside += people.get(number, 0)
        return [*runs, range(first, within.stop)]

    def turn_days(self, at_most: int) -> int:
        """Return in how many days everybody is synced once: one, or where they are more, seven."""
        return 1 if len(self.shards(at_most)) == 1 else SEVENTHS

    def get(self, username: str) -> Person:
        """Return the person with this username.

        Raises:
            UnknownPerson: nobody has this username; the message lists who is there.
        """
        with self._database.reading() as connection:
            query = _people().where(schema.people.c.username == username)
            row = connection.execute(query).one_or_none()
            if row is None:
                raise UnknownPerson([username], some_of(connection, schema.people.c.username))
            return _person(row)

    def by_id(self, person_id: str) -> Person:
        """Return the person with this id.

        Raises:
            UnknownPerson: nobody has it; the message names no username.
        """
        with self._database.reading() as connection:
            query = _people().where(schema.people.c.id == person_id)
            row = connection.execute(query).one_or_none()
            if row is None:
                raise UnknownPerson([person_id], some_of(connection, schema.people.c.id))
            return _person(row)

    def usernames_by_id(self, person_ids: Iterable[str] | None = None) -> dict[str, str]:
        """Return the username of everybody, or of these, also of those who are leaving, by id."""
        query = select(schema.people.c.id, schema.people.c.username).where(not_gone())
        if person_ids is not None:
            query = query.where(among(schema.people.c.id, person_ids))
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def ids(self, usernames: Iterable[str], shards: range = ALL_SHARDS) -> dict[str, str]:
        """Return the ids of these people, those who are leaving too, by username.

        Whoever is not here, or not of these shards, is left out.
        """
        people = schema.people.c
        theirs = among(people.username, usernames)
        there = (not_gone(), people.shard.between(shards.start, shards.stop - 1))
        with self._database.reading() as connection:
            found = connection.execute(select(people.username, people.id).where(theirs, *there))
            return dict(found.all())

    def by_oura_id(self, oura_id: str) -> Person | None:
        """Return the person with this id at Oura, if there is one."""
        query = _people().where(schema.people.c.oura_id == oura_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            return _person(row) if row else None

    def token_url(self) -> str | None:
        """Return the token endpoint that worked last, for anybody; None: none did yet."""
        # An application belongs to one portal, so what works for one person works for everybody.
        worked = union_all(
            *(
                select(table.c.token_url, table.c.renewed_at).where(table.c.token_url.is_not(None))
                for table in (schema.tokens, schema.sign_ups)
            )
        ).subquery()
        newest = select(worked.c.token_url).order_by(worked.c.renewed_at.desc().nulls_last())
        with self._database.reading() as connection:
            return connection.scalar(newest.limit(1))

    def add(self, username: str, sign_in: SignIn) -> Person:
        """Add somebody new who has just signed in.

        Raises:
            PersonRefused: the username is none, or it or the Oura id belongs to somebody.
        """
        check_username(username)
        with self._database.writing(schema.people, schema.tokens) as connection:
            insert_person(connection, self._cipher, username, replace(sign_in, renewed_at=now()))
        return self.get(username)

    def add_without_sign_in(self, username: str) -> Person:
        """Add somebody of whom nothing is fetched; they may sign in later.

        Raises:
            PersonRefused: the username is none, or it belongs to somebody.
        """
        check_username(username)
        with self._database.writing(schema.people) as connection:
            _insert(connection, username, PersonState.DISCONNECTED)
        return self.get(username)

    def reconnect(self, username: str, sign_in: SignIn) -> Person:
        """Give somebody who is here already the tokens of a new sign-in; their rows stay.

        Raises:
            UnknownPerson: nobody has this username.
            PersonRefused: the Oura id is not theirs, or their data is being deleted.
        """
        with self._database.writing(schema.people, schema.tokens) as connection:
            self.replace_tokens(connection, username, replace(sign_in, renewed_at=now()))
        return self.get(username)

    def identify(self, username: str, oura_id: str) -> None:
        """Save Oura's id of a person, once it is known.

        Raises:
            UnknownPerson: nobody has this username.
            PersonRefused: they have another one, or it belongs to somebody else.
        """
        with self._database.writing(schema.people) as connection:
            require_known(connection, username)
            _require_own_id(connection, username, oura_id)
            forget_gone(connection, oura_id)
            _update(connection, username, {"oura_id": oura_id})

    def request_sync(self, username: str, now: datetime) -> bool:
        """Save that a person wants a sync now; False: they did less than five minutes ago.

        Raises:
            UnknownPerson: nobody has this username.
        """
        people = schema.people.c
        earlier = or_(people.sync_asked_at.is_(None), people.sync_asked_at <= now - SYNC_PAUSE)
        requested = update(schema.people).where(people.username == username, earlier)
        with self._database.writing() as connection:
            require_known(connection, username)
            return connection.execute(requested.values(sync_asked_at=now)).rowcount == 1

    def set_first_day(self, usernames: Iterable[str], first_day: date | None) -> None:
        """Remember before which day Oura has nothing of these people; None: nobody knows."""
        theirs = among(schema.people.c.username, usernames)
        with self._database.writing() as connection:
            connection.execute(update(schema.people).where(theirs).values(first_day=first_day))

    def to_notify(self) -> list[Person]:
        """Return who was not reported to the operator yet, by username.

        That is who must sign in again, and whose deletion is late.
        """
        return [
            person
            for person in self.all([PersonState.SIGN_IN_REQUIRED, PersonState.RETIRED])
            if person.notified_at is None
            and (person.state is not PersonState.RETIRED or person.deletion_is_late(now()))
        ]

    def mark_notified(self, usernames: Iterable[str]) -> None:
        """Save that the operator was notified of these people."""
        # Not those who signed in meanwhile: when they are refused again, that is news.
        people = schema.people.c
        reported = (PersonState.SIGN_IN_REQUIRED.value, PersonState.RETIRED.value)
        theirs = (among(people.username, usernames), people.state.in_(reported))
        with self._database.writing() as connection:
            connection.execute(update(schema.people).where(*theirs).values(notified_at=now()))

    def replace_tokens(self, connection: Connection, username: str, sign_in: SignIn) -> None:
        """Do what `reconnect` does, within a transaction."""
        require_known(connection, username)
        require_staying(connection, username)
        _require_own_id(connection, username, sign_in.oura_id)
        forget_gone(connection, sign_in.oura_id)
        changes: dict[str, Any] = {
            "scopes": stored_scopes(sign_in.scopes),
            "connected_since": now(),
            "notified_at": None,
            # They may have granted more, or imported something older.
            "first_day": None,
        }
        changes |= {"oura_id": sign_in.oura_id} if sign_in.oura_id else {}
        changes |= {"name": sign_in.name} if sign_in.name else {}
        enter_state(connection, username, PersonState.CONNECTED, **changes)
        tokens = _token_row(self._cipher, username, sign_in)
        if sign_in.token_url is None:
            del tokens["token_url"]  # the one that worked before is still the best guess
        replaced = tuple(name for name in tokens if name != "username")
        connection.execute(self._database.insert(schema.tokens, replaced), tokens)


def insert_person(
    connection: Connection, cipher: TokenCipher, username: str, sign_in: SignIn
) -> None:
    """Add somebody whose username was checked.

    Raises:
        PersonRefused: the username or the Oura id belongs to somebody.
    """
    _require_own_id(connection, username, sign_in.oura_id)
    forget_gone(connection, sign_in.oura_id)
    _insert(
        connection,
        username,
        PersonState.CONNECTED,
        oura_id=sign_in.oura_id,
        name=sign_in.name,
        scopes=stored_scopes(sign_in.scopes),
    )
    connection.execute(insert(schema.tokens).values(_token_row(cipher, username, sign_in)))


def _insert(connection: Connection, username: str, state: PersonState, **more: Any) -> None:
    taken = select(schema.people.c.username).where(schema.people.c.username == username)
    if connection.scalar(taken) is not None:
        raise PersonRefused(
            f"{username} is here already; to renew their sign-in reconnect them, "
            "for somebody else choose another username"
        )
    _require_free(connection, username)
    person = {
        "username": username,
        "id": (person_id := unused_id(connection)),
        "shard": shard_of(person_id),
        "state": state.value,
        "connected_since": (joined := now()),
        "joined_at": joined,
        "state_since": joined,
    }
    connection.execute(insert(schema.people).values(person | more))


def _require_free(connection: Connection, username: str) -> None:
    former = schema.former_usernames.c.digest
    if connection.scalar(select(former).where(former == digest(username))) is not None:
        # Otherwise whoever takes it would see the points of a stranger.
        raise PersonRefused(
            f"{username} belonged to somebody who has left, and Graphite may still hold their "
            "metrics: choose another username"
        )


def unused_id(connection: Connection) -> str:
    """Return an id for somebody new that nobody has."""

    def is_taken(person_id: str) -> bool:
        same = select(schema.people.c.id).where(schema.people.c.id == person_id)
        return connection.scalar(same) is not None

    return new_id(is_taken)


def new_id(is_taken: Callable[[str], bool]) -> str:
    """Return an id for somebody new that is not taken."""
    while is_taken(person_id := f"p-{random_text(ID_LETTERS)}"):
        pass
    return person_id


def shard_of(person_id: str) -> int:
    """Return the part of all people into which an id falls."""
    return crc32(person_id.encode()) % SHARDS


def enter_state(connection: Connection, username: str, state: PersonState, **changes: Any) -> None:
    """Save a state and what changes with it; one that they are in already keeps its start."""
    people = schema.people.c
    stays = (people.state == state.value, people.state_since)
    since = case(stays, else_=literal(now(), schema.Instant()))
    values = {"state": state.value, "state_since": since, "error": None} | changes
    _update(connection, username, values)


def require_staying(connection: Connection, username: str) -> None:
    """Raise `PersonRefused` where somebody has left and their data is being deleted."""
    people = schema.people.c
    state = connection.scalar(select(people.state).where(people.username == username))
    if state == PersonState.RETIRED:
        raise PersonRefused(
            f"{username} has left and their data is being deleted; "
            "wait until that is done, and sign in as somebody new then"
        )


def stored_scopes(scopes: Iterable[str] | None) -> str | None:
    """Return scopes as the database has them; None: not known."""
    return None if scopes is None else " ".join(sorted(set(scopes)))


def scopes_in(stored: str | None) -> frozenset[str] | None:
    """Return scopes from the database; None: not known."""
    return None if stored is None else frozenset(stored.split())


def _people() -> Select[Any]:
    tokens = [schema.tokens.c[name] for name in ("renewed_at", "expires_at", "token_url")]
    people = [column for column in schema.people.c if column.name != "shard"]
    both = select(*people, *tokens).join_from(schema.people, schema.tokens, isouter=True)
    return both.where(not_gone())


def _person(row: Row[Any]) -> Person:
    values = dict(row._mapping)
    values["scopes"] = scopes_in(values["scopes"])
    return Person(**values | {"state": PersonState(values["state"])})


def _token_row(cipher: TokenCipher, username: str, sign_in: SignIn) -> dict[str, Any]:
    # Also ends a renewal that is under way: its tokens are of an older grant.
    access_token = sign_in.access_token
    return {
        "username": username,
        "refresh_token": cipher.encrypt(sign_in.refresh_token),
        "access_token": cipher.encrypt(access_token) if access_token else None,
        "expires_at": sign_in.expires_at if access_token else None,
        "renewed_at": sign_in.renewed_at,
        "token_url": sign_in.token_url,
        "renewal_started_at": None,
        "renewal_fingerprint": None,
        "in_vain_at": None,
    }


def _update(connection: Connection, username: str, changes: dict[str, Any]) -> None:
    theirs = schema.people.c.username == username
    connection.execute(update(schema.people).where(theirs).values(changes))


def _require_own_id(connection: Connection, username: str, oura_id: str | None) -> None:
    # Two people never share an Oura account, and one never changes theirs.
    if oura_id is None:
        return
    people = schema.people.c
    owner = connection.execute(
        select(people.id, people.username).where(people.oura_id == oura_id)
    ).one_or_none()
    # The owner's id and not their name: Dagster and strangers may read this.
    if owner is not None and owner.username != username:
        raise PersonRefused(
            f"this Oura account is that of {owner.id} already; reconnect {owner.id} instead"
        )
    own = connection.scalar(select(people.oura_id).where(people.username == username))
    if own not in (None, oura_id):
        raise PersonRefused(
            "this is another Oura account than before; sign in with the same one, or choose "
            "another username"
        )
