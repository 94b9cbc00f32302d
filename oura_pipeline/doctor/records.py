"""Checks of what is stored: people, their newest data, ledgers, warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.accounts.overview import DaysToFetchAgain
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.waiting import OWN_TURN
from oura_pipeline.doctor.findings import Finding, bad, good, listed
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.errors import WarehouseError
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline.warehouse.quarantine import Oddity

# A ring that was not worn for a weekend is no trouble; nor is who has only just signed in.
_PATIENCE, _NEW = timedelta(days=3), timedelta(days=1)


def accounts(pipeline: Pipeline) -> Iterator[Finding]:
    """Look at who is connected, who must do something, and at the key."""
    if not pipeline.accounts.keeps_sessions():
        yield bad(
            "accounts",
            "a pooler in transaction mode stands before Postgres and breaks its locks: name the "
            "server itself in OURA_ACCOUNTS_URL, or set the pooler to session mode",
        )
    people = pipeline.accounts.people.all()
    again = [p.username for p in people if p.state is PersonState.SIGN_IN_REQUIRED]
    if not people:
        yield bad("people", "nobody has signed in yet: open the site and sign in")
    elif again:
        yield bad("people", f"must sign in again: {', '.join(again)}")
    else:
        yield good("people", f"{len(people)} connected")
    for username, reason in pipeline.accounts.overview.lapsed().items():
        yield bad("membership", f"{username}: {reason}")
    for somebody in pipeline.accounts.removal.unrevoked():
        name = somebody.username or f"{somebody.id} (not here any more)"
        reason = somebody.reason or "not tried yet"
        yield bad("consent", f"{name}: access not given back yet: {reason}")
    yield from _late_deletions(people)
    key = pipeline.settings.storage.token_key_path
    if pipeline.settings.storage.token_key.get_secret_value():
        yield good("key", "from OURA_TOKEN_KEY")
    else:  # opening the accounts has refused one that others may read
        yield good("key", f"{key}; keep a copy elsewhere: without it tokens cannot be read")


def _late_deletions(people: Sequence[Person]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    late = [person for person in people if person.deletion_is_late(now)]
    if late:
        since = [f"{one.username} left at {one.state_since:%Y-%m-%d %H:%M} UTC" for one in late]
        yield bad(
            "deletions",
            f"{listed(since)}, and their data is still here: start Dagster's daemon, or run "
            f"`oura-pipeline people remove {late[0].username}`",
        )


def newest_data(pipeline: Pipeline) -> Finding:
    """Look how old everybody's newest data is."""
    connected = pipeline.accounts.people.all([PersonState.CONNECTED])
    latest = pipeline.accounts.overview.latest_days()
    asked = pipeline.accounts.overview.last_asked()
    now = datetime.now(UTC)
    old = [
        _too_old(person.username, latest.get(person.username), asked.get(person.username), now)
        for person in connected
        if now - person.connected_since > _NEW
        and latest.get(person.username, date.min) < (now - _PATIENCE).date()
    ]
    if old:
        return bad("newest data", listed(old))
    if not latest:
        return good("newest data", "nothing was fetched yet: `oura-pipeline sync` or `dev` does")
    days = [f"{username} {latest[username]}" for username in sorted(latest, key=latest.__getitem__)]
    return good("newest data", listed(days, ", "))


def _too_old(username: str, latest: date | None, asked: datetime | None, now: datetime) -> str:
    have = f"nothing since {latest}" if latest else "nothing yet"
    if asked is None or now - asked > _NEW:
        last = f"was last asked on {asked:%Y-%m-%d}" if asked else "was never asked"
        return f"{username}: {have}; Oura {last}: start `oura-pipeline dev`, or run `sync`"
    return f"{username}: {have}, though Oura was asked: is the ring worn, and the app opened?"


def fetches(pipeline: Pipeline) -> Finding:
    """Look for days that are to be fetched again."""
    again = pipeline.accounts.overview.to_fetch_again()
    if not again:
        return good("fetches", "no day is to be fetched again")
    return bad("fetches", listed([_described(days) for days in again]))


def _described(days: DaysToFetchAgain) -> str:
    names = ", ".join(days.document_types)
    return f"{names} from {days.first_day} to {days.last_day}: {days.username}: {days.reason}"


def pushes(pipeline: Pipeline) -> Finding:
    """Look for days that wait to be pushed."""
    waiting = pipeline.accounts.waiting.count()
    if waiting.oldest is None:
        return good("pushes", "no day waits to be pushed")
    is_somebodys_turn = datetime.now(UTC) - waiting.oldest < OWN_TURN
    return Finding(
        "pushes",
        is_somebodys_turn,
        f"{waiting.text}, the first since {waiting.oldest:%Y-%m-%d %H:%M} UTC: once Graphite takes "
        "points, the daemon or the next `oura-pipeline sync` sends them",
    )


def warehouse(pipeline: Pipeline) -> Finding:
    """Look whether the warehouse can be read."""
    try:
        rows = sum(pipeline.warehouse.row_counts().values())
    except WarehouseError as error:
        return bad("warehouse", str(error))
    storage = pipeline.settings.storage
    # Not its address, which may hold a password.
    place = storage.warehouse_path or f"a DuckLake, its files in {storage.warehouse_data}"
    return good("warehouse", f"{rows:,} rows in {place}")


def catalog(pipeline: Pipeline) -> Iterator[Finding]:
    """Look whether the log of a lake's catalog would keep what is deleted."""
    if not isinstance(pipeline.warehouse, LakeWarehouse):
        return
    try:
        if advice := pipeline.warehouse.log_advice():
            yield bad("catalog", advice)
    except WarehouseError:
        return  # which is said of the warehouse


def documents(pipeline: Pipeline) -> Finding:
    """Look for documents that were set aside or are odd."""
    try:
        with pipeline.warehouse.at_once() as opened:
            aside, odd = opened.quarantined(), opened.odd_values()
    except WarehouseError as error:
        return bad("documents", str(error))
    found = [f"{len(aside)} set aside in oura.quarantine: {_odd(aside)}"] if aside else []
    found += [f"odd values, in oura.odd_values: {_odd(odd)}"] if odd else []
    return bad("documents", ". ".join(found)) if found else good("documents", "none is odd")


def _odd(oddities: Sequence[Oddity]) -> str:
    return listed([f"{one.username}: {one.text}" for one in oddities])
