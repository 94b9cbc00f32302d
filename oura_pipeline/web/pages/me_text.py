"""Texts and rows of a person's page, from what the accounts and the published copy know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from oura_pipeline.accounts.overview import TypeOverview
from oura_pipeline.accounts.people import SYNC_PAUSE, Person, PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, STORED_TYPES, DocumentType
from oura_pipeline.ledger import MEMBERSHIP_LAPSED
from oura_pipeline.web.history import history
from oura_pipeline.web.labels import sentence, type_title
from oura_pipeline.web.pages.templates import ago


@dataclass(frozen=True, kw_only=True)
class ConnectionText:
    """The state of somebody's connection.

    Attributes:
        level: good, bad or quiet.
        title: two words.
        text: a sentence.
        problem: the heading of a notice; None: there is no problem.
        advice: what to do.
        can_disconnect: whether to offer to disconnect.
        can_reconnect: whether the notice offers to reconnect.
    """

    level: str
    title: str
    text: str
    problem: str | None = None
    advice: str = ""
    can_disconnect: bool = True
    can_reconnect: bool = True


@dataclass(frozen=True, kw_only=True)
class HistoryText:
    """How much of the history has been fetched."""

    text: str
    percent: int


@dataclass(frozen=True, kw_only=True)
class SyncText:
    """The state of a requested sync, whether it goes on, and whether one may be requested."""

    text: str
    possible: bool
    running: bool = False


@dataclass(frozen=True)
class Brought:
    """What a person's own export brought of a type: how many documents, and their newest day."""

    documents: int
    latest_day: date


@dataclass(frozen=True, kw_only=True)
class DocumentTypeRow:
    """The state of one document type of a person."""

    name: str
    title: str
    description: str
    level: str
    state: str
    detail: str = ""
    last_fetched: datetime | None = None
    latest_day: date | None = None
    documents: int | None = None


def connection_text(
    person: Person, overview: Sequence[TypeOverview] = (), *, revoked: bool = True
) -> ConnectionText:
    """Return the state of a person's connection.

    Args:
        person: whose.
        overview: what was fetched of them.
        revoked: whether Oura has revoked their tokens, once they disconnected.
    """
    text = _CONNECTIONS[person.state]
    if not revoked:
        return replace(text, advice=_NOT_REVOKED)
    if person.state is PersonState.CONNECTED and any(map(_is_lapsed, overview)):
        return _LAPSED
    return text


def _is_lapsed(row: TypeOverview) -> bool:
    return row.failed > 0 and (row.error or "").startswith(MEMBERSHIP_LAPSED)


_LAPSED = ConnectionText(
    level="warn",
    title="Connected",
    text="Connected, but Oura keeps your data back.",
    problem="Your Oura membership has lapsed",
    advice="Oura gives no data without a membership; you can check yours in the Oura app. You need "
    "not sign in again: what was missed is fetched as soon as Oura gives it.",
    can_reconnect=False,
)
_NOT_REVOKED = (
    "Nothing is fetched. Our access to your Oura account is not given back yet: Oura has not "
    "confirmed it. It is tried again until it has; you can also remove this application in your "
    "Oura account. Data fetched before is still here. You can reconnect at any time."
)
_CONNECTIONS: Mapping[PersonState, ConnectionText] = {
    PersonState.CONNECTED: ConnectionText(
        level="good", title="Connected", text="Connected: your data is fetched every day."
    ),
    PersonState.SIGN_IN_REQUIRED: ConnectionText(
        level="bad",
        title="Must reconnect",
        text="Oura no longer gives this site access.",
        problem="Please reconnect",
        advice="Oura no longer accepts this site’s access to your account, so nothing is fetched. "
        "Sign in again, and what was missed in between will be fetched, too.",
    ),
    PersonState.DISCONNECTED: ConnectionText(
        level="quiet",
        title="Disconnected",
        text="Disconnected: nothing is fetched.",
        problem="You are disconnected",
        advice="Nothing is fetched, and access to your Oura account has been revoked. Data fetched "
        "before is still here. You can reconnect at any time.",
        can_disconnect=False,
    ),
}


def history_text(overview: Sequence[TypeOverview], first_day: date, today: date) -> HistoryText:
    """Return how far back data has been fetched."""
    done = history(overview, first_day=first_day, today=today)
    if done.reached == first_day:
        return HistoryText(text=f"Complete: fetched back to {first_day}.", percent=100)
    if done.reached is not None:
        text = f"Fetched back to {done.reached}; the goal is {first_day}."
    elif done.share:
        text = f"In progress; the goal is {first_day}. Some types have not been fetched yet."
    else:
        text = (
            f"Not started yet; it begins a minute after you connect, and goes back to {first_day}."
        )
    # 100 only when it is complete.
    return HistoryText(text=text, percent=min(int(done.share * 100), 99))


def newest_day(overview: Sequence[TypeOverview]) -> date | None:
    """Return the newest day of which the API gave documents; None: it gave none."""
    return max((row.latest_day for row in overview if row.latest_day), default=None)


def granted_types(person: Person) -> list[str]:
    """Return the names of the dated document types that a person granted, as far as is known."""
    return [
        document_type.name
        for document_type in DOCUMENT_TYPES
        if document_type.partitioned and _is_granted(document_type, person)
    ]


def _is_granted(document_type: DocumentType, person: Person) -> bool:
    return person.scopes is None or document_type.scope in {"", *person.scopes}


def sync_text(person: Person, fetched: Mapping[str, int], now: datetime) -> SyncText:
    """Return the state of the last requested sync.

    Args:
        person: who requested it.
        fetched: how many documents changed since, by the document types that were fetched since.
        now: the present moment.
    """
    if person.state is not PersonState.CONNECTED:
        return SyncText(text="Available once you are connected.", possible=False)
    asked = person.sync_asked_at
    if asked is None or now - asked > _NEWS:
        return SyncText(text="Fetch the last days now instead of at the usual time.", possible=True)
    wanted = granted_types(person)
    done, possible = len(fetched.keys() & {*wanted}), now - asked >= SYNC_PAUSE
    found = _changed(sum(fetched.values()))
    if done >= len(wanted):
        return SyncText(text=f"Done, as you asked {ago(asked, now)}: {found}.", possible=possible)
    running = now - asked < _LONGEST_SYNC
    if done:
        text = f"Fetching: {done} of {len(wanted)} kinds of data so far, {found}."
    elif possible:
        text = (
            f"You asked {ago(asked, now)}, and it has not begun yet. If it stays like this, tell "
            "the operator of this site."
        )
    else:
        text = f"You asked {ago(asked, now)}. It begins within a minute."
    return SyncText(text=text, possible=possible, running=running)


_NEWS, _LONGEST_SYNC = timedelta(days=1), timedelta(minutes=30)


def _changed(count: int) -> str:
    if not count:
        return "nothing new"
    return "1 new or changed document" if count == 1 else f"{count:,} new or changed documents"


def type_rows(
    person: Person, overview: Sequence[TypeOverview], brought: Mapping[str, Brought]
) -> list[DocumentTypeRow]:
    """Return a row for every type of the API, fetched or not, and for others that were brought."""
    known = {row.document_type: row for row in overview}
    return [
        _type_row(one, known.get(one.name), brought.get(one.name), person)
        # The others are in a member's own export alone.
        for one in STORED_TYPES
        if one in DOCUMENT_TYPES or one.name in brought
    ]


def _type_row(
    document_type: DocumentType,
    known: TypeOverview | None,
    brought: Brought | None,
    person: Person,
) -> DocumentTypeRow:
    level, state, detail = _state(known, granted=_is_granted(document_type, person))
    if level == "bad" and person.state is PersonState.SIGN_IN_REQUIRED:
        # The error of the ledger would be about tokens.
        detail = "Will be fetched once you reconnect."
    if level == "bad" and known and _is_lapsed(known):
        detail = "Will be fetched once you have a membership again."  # said once, above
    documents = [one.documents for one in (known, brought) if one]
    days = [one.latest_day for one in (known, brought) if one and one.latest_day]
    if brought:
        many = f"{brought.documents:,} from a file that you brought."
        level, state, detail = (
            ("good", "brought", many) if level == "quiet" else (level, state, f"{detail} {many}")
        )
    return DocumentTypeRow(
        name=document_type.name,
        title=type_title(document_type),
        description=document_type.description,
        level=level,
        state=state,
        detail=detail.strip(),
        last_fetched=known.last_asked_at if known else None,
        latest_day=max(days, default=None),
        documents=sum(documents) if documents else None,
    )


def _state(known: TypeOverview | None, *, granted: bool) -> tuple[str, str, str]:
    """Return level, state and detail."""
    if known and known.failed:
        days = "1 day" if known.failed == 1 else f"{known.failed:,} days"
        return "bad", f"failed on {days}", sentence(known.error or "no reason given")
    if not granted or (known and known.not_granted and not known.landed):
        return "warn", "not granted", "You did not allow this at Oura."
    if known is None:
        return "quiet", "not fetched yet", ""
    if known.landed:
        return "good", "fetched", ""
    return "quiet", "no data", "Oura has no data of this type."


def profile_rows(
    age: float | None, weight: float | None, height: float | None, sex: str | None
) -> list[tuple[str, str]]:
    """Return names and values of a person's profile at Oura."""
    values = [
        ("Age", None if age is None else f"{age:g} years"),
        ("Weight", None if weight is None else f"{weight:.1f} kg"),
        ("Height", None if height is None else f"{height:.2f} m"),
        ("Biological sex", sex),
    ]
    return [(name, value or "unknown") for name, value in values]
