"""What a person's page says, made of what the accounts and the published copy know.

What surprises: these are functions of values, without a request or a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from oura_pipeline.accounts.overview import TypeOverview
from oura_pipeline.accounts.people import SYNC_PAUSE, Person, PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.web.history import history
from oura_pipeline.web.labels import kind, sentence
from oura_pipeline.web.pages.templates import ago


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How somebody's connection is.

    Attributes:
        kind: good, bad or quiet.
        title: two words.
        words: a sentence.
        trouble: what is wrong, in a heading; None: nothing.
        advice: what helps.
        can_disconnect: whether there is something to end.
    """

    kind: str
    title: str
    words: str
    trouble: str | None = None
    advice: str = ""
    can_disconnect: bool = True


@dataclass(frozen=True, kw_only=True)
class HistoryView:
    """How far the history is."""

    words: str
    percent: int


@dataclass(frozen=True, kw_only=True)
class SyncView:
    """Whether a sync was asked for, and whether another one can be."""

    words: str
    possible: bool


@dataclass(frozen=True, kw_only=True)
class TypeRow:
    """How one document type of a person is."""

    name: str
    title: str
    description: str
    kind: str
    state: str
    detail: str = ""
    last: datetime | None = None
    latest: date | None = None
    documents: int | None = None


def connection(person: Person) -> Connection:
    """A person's state in words."""
    return _CONNECTIONS[person.state]


_CONNECTIONS: Mapping[PersonState, Connection] = {
    PersonState.CONNECTED: Connection(
        kind="good", title="Connected", words="Connected: your data is fetched every day."
    ),
    PersonState.SIGN_IN_REQUIRED: Connection(
        kind="bad",
        title="Must reconnect",
        words="Oura does not let this site in any more.",
        trouble="Please reconnect",
        advice="Oura does not accept this site’s access to your account any more, so nothing is "
        "fetched. Sign in once more, and what was missed in between is fetched, too.",
    ),
    PersonState.DISCONNECTED: Connection(
        kind="quiet",
        title="Disconnected",
        words="Disconnected: nothing is fetched.",
        trouble="You are disconnected",
        advice="Nothing is fetched, and the access was given back to Oura. What was fetched before "
        "is still here. Reconnect whenever you like.",
        can_disconnect=False,
    ),
}


def history_view(overview: Sequence[TypeOverview], first_day: date, today: date) -> HistoryView:
    """How far back Oura was asked, of how far it is to be."""
    done = history(overview, first_day=first_day, today=today)
    if done.reached == first_day:
        return HistoryView(words=f"Complete: fetched back to {first_day}.", percent=100)
    if done.reached is not None:
        words = f"Fetched back to {done.reached} of {first_day}."
    elif done.share:
        words = f"On its way back to {first_day}; not every kind of document was asked for yet."
    else:
        words = f"Has not begun yet; it goes back to {first_day}."
    return HistoryView(words=words, percent=min(int(done.share * 100), 99))


def newest_day(overview: Sequence[TypeOverview], today: date) -> date:
    """The newest day that has documents; today while there are none."""
    return max((row.latest_day for row in overview if row.latest_day), default=today)


def allowed_types(person: Person) -> list[str]:
    """The document types with days that the person lets us see, as far as is known."""
    granted = [
        document_type
        for document_type in DOCUMENT_TYPES
        if person.scopes is None or document_type.scope in person.scopes
    ]
    return [document_type.name for document_type in granted if document_type.partitioned]


def sync_view(person: Person, overview: Sequence[TypeOverview], now: datetime) -> SyncView:
    """Whether they asked for a sync, what came of it, and whether they may ask again."""
    if person.state is not PersonState.CONNECTED:
        return SyncView(words="Possible again once you are connected.", possible=False)
    asked = person.sync_asked_at
    if asked is None:
        return SyncView(words="The last days, now instead of at the usual time.", possible=True)
    fetched = any(row.last_asked_at > asked for row in overview)
    outcome = "and Oura was asked since" if fetched else "it begins soon"
    return SyncView(
        words=f"Asked {ago(asked, now)}; {outcome}.", possible=now - asked >= SYNC_PAUSE
    )


def type_rows(person: Person, overview: Sequence[TypeOverview]) -> list[TypeRow]:
    """A row for every document type, also for those that were never asked for."""
    known = {row.document_type: row for row in overview}
    return [
        _type_row(document_type, known.get(document_type.name), person)
        for document_type in DOCUMENT_TYPES
    ]


def _type_row(document_type: DocumentType, known: TypeOverview | None, person: Person) -> TypeRow:
    granted = person.scopes is None or document_type.scope in person.scopes
    kind_, state, detail = _state(known, granted=granted)
    if kind_ == "bad" and person.state is PersonState.SIGN_IN_REQUIRED:
        detail = "Waits until you reconnect."
    return TypeRow(
        name=document_type.name,
        title=kind(document_type),
        description=document_type.description,
        kind=kind_,
        state=state,
        detail=detail,
        last=known.last_asked_at if known else None,
        latest=known.latest_day if known else None,
        documents=known.documents if known else None,
    )


def _state(known: TypeOverview | None, *, granted: bool) -> tuple[str, str, str]:
    """Kind of mark, words, details."""
    if known and known.failed:
        days = "1 day" if known.failed == 1 else f"{known.failed:,} days"
        return "bad", f"failed on {days}", sentence(known.error or "no reason given")
    if not granted or (known and known.not_granted and not known.landed):
        return "warn", "not granted", "You did not allow this at Oura."
    if known is None:
        return "quiet", "not fetched yet", ""
    if known.landed:
        return "good", "landed", ""
    return "quiet", "empty", "Oura has nothing of this kind."


def profile_rows(
    age: int | None, weight: float | None, height: float | None, sex: str | None
) -> list[tuple[str, str]]:
    """What Oura says about the person, in words."""
    told = [
        ("Age", None if age is None else f"{age} years"),
        ("Weight", None if weight is None else f"{weight:.1f} kg"),
        ("Height", None if height is None else f"{height:.2f} m"),
        ("Biological sex", sex),
    ]
    return [(name, value or "not told") for name, value in told]
