"""The operator's API: begin a sign-in, see how people and their days are, ask for a sync.

What surprises: there are no documentation pages, because FastAPI's load scripts from elsewhere; the
schema at /api/openapi.json is open, everything else needs the operator's token. Ten wrong guesses
within a minute shut the API for the rest of it, but a right token that is too long to be guessed
still passes: a stranger must not be able to keep the operator out.
"""

from __future__ import annotations

import hmac
import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

import duckdb
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.usernames import check_username
from oura_pipeline.analysis import frames
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.people import sign_in
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.views.days import DAILY_SUMMARY
from oura_pipeline.warehouse.views.records import RECORDS

if TYPE_CHECKING:
    from oura_pipeline.web.site import Site

MOST_FAILURES = 10
FAILURE_SECONDS = 60.0
UNGUESSABLE = 32  # characters of a token
LARGEST_BODY = 16 * 1024
VERSION = "1"


class Problem(BaseModel):
    """Why a request was not fulfilled."""

    detail: str = Field(description="One line that says what to do.")


class ConnectRequest(BaseModel):
    """Who is to sign in."""

    model_config = ConfigDict(extra="forbid")

    username: str | None = Field(
        None,
        description="Who is to sign in, or the username that somebody new gets; without it, or "
        "when it is somebody else's by then, somebody new chooses one when they come back.",
        examples=["ada"],
    )


class ConnectAnswer(BaseModel):
    """Where they consent."""

    auth_url: str = Field(
        description="Address at Oura, good for one sign-in within ten minutes; give it to nobody "
        "but the person.",
        examples=["https://cloud.ouraring.com/oauth/authorize?response_type=code&client_id=…"],
    )


class PersonAnswer(BaseModel):
    """One person."""

    username: str = Field(description="Their name in Graphite.", examples=["ada"])
    state: PersonState = Field(description="Whether Oura can be asked for them.")
    connected_since: datetime = Field(description="When they last signed in, UTC.")
    renewed_at: datetime | None = Field(
        description="When their tokens were got or renewed, UTC; null: not known."
    )
    must_reconnect: bool = Field(description="Whether nothing is fetched until they sign in again.")
    reason: str | None = Field(
        description="Why they must sign in again; null: they need not, or nobody said."
    )


class Scopes(BaseModel):
    """What a person granted."""

    granted: list[str] | None = Field(
        description="In order; null: not known, which is not the same as nothing.",
        examples=[["daily", "heartrate"]],
    )
    missing: list[str] = Field(
        description="Asked for and not granted; empty when `granted` is null.", examples=[["spo2"]]
    )


class History(BaseModel):
    """How far back Oura has been asked, newest days first."""

    first_day: date = Field(description="The day that is to be reached.")
    reached: date | None = Field(
        description="Back to here every document type was asked; null: one was not asked yet."
    )
    share: float = Field(description="The part that is done, 0 to 1.", examples=[0.42])


class TypeAnswer(BaseModel):
    """What is known of one document type of a person; the counts are days."""

    model_config = ConfigDict(from_attributes=True)

    document_type: str = Field(examples=["daily_sleep"])
    last_asked_at: datetime = Field(description="UTC.")
    first_day: date = Field(description="The earliest day that was asked.")
    latest_day: date | None = Field(description="The newest day with documents; null: none.")
    documents: int = Field(description="How many documents there are.")
    landed: int
    empty: int
    not_granted: int
    failed: int
    error: str | None = Field(description="Of the newest day that failed or was not granted.")


class StatusAnswer(PersonAnswer):
    """One person, and what was fetched for them."""

    scopes: Scopes
    history: History
    document_types: list[TypeAnswer] = Field(description="Types that were asked, in our order.")


def _metrics_in_words() -> str:
    """Every metric of a record, with what the published copy says of it."""
    comments = {column.name: column.comment for column in DAILY_SUMMARY.columns}
    lines = [
        f"- {kind}, `{key}`: {comments[column]}"
        for kind, columns in RECORDS.items()
        for key, column in columns.items()
    ]
    head = "Numbers by name, with the unit in the name; what is not known is absent, never 0."
    return "\n".join([head, "", *lines])


class DailyRecord(BaseModel):
    """What is known of one side of a day."""

    metric_type: Literal["activity", "hrv", "readiness", "sleep"] = Field(
        description="The side of the day; `hrv` is RMSSD of the main sleep, not SDNN."
    )
    source: Literal["oura"]
    metrics: dict[str, int | float] = Field(
        description=_metrics_in_words(), examples=[{"score": 84, "total_sleep_minutes": 447.5}]
    )


class DailyAnswer(BaseModel):
    """A person's day, as the published copy has it."""

    username: str = Field(description="Theirs.", examples=["ada"])
    date: str = Field(
        description="Oura's day, YYYY-MM-DD; a night belongs to the day of waking up.",
        examples=["2026-04-10"],
        json_schema_extra={"format": "date"},
    )
    records: list[DailyRecord] = Field(
        description="At most one of a type, by type; empty when nothing is known of the day."
    )


class SyncAnswer(BaseModel):
    """Whether a sync was asked for."""

    asked: bool = Field(
        description="false: they asked less than five minutes ago, and that still counts."
    )
    detail: str = Field(description="What happens now.")


PROBLEMS = {
    401: "No token, or not the operator's.",
    404: "Nobody has this username.",
    409: "Oura cannot be asked for them now.",
    422: "The request is not as described.",
    413: "The body is larger than any that is described here.",
    429: "Too many wrong tokens; wait a minute.",
    503: "The operator has to set something first.",
}
BEARER = HTTPBearer(scheme_name="operator", description="OURA_OPERATOR_TOKEN.", auto_error=False)


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of answers that are none."""
    return {status: {"model": Problem, "description": PROBLEMS[status]} for status in statuses}


def create_api(site: Site) -> FastAPI:
    """The application that is mounted at /api."""
    api = FastAPI(
        title="oura_pipeline",
        version=VERSION,
        summary="People who signed in with Oura, and how their data is.",
        description="Everything needs the operator's token (OURA_OPERATOR_TOKEN) as a bearer "
        "token. Times are UTC; null is not zero.",
        docs_url=None,
        redoc_url=None,
        exception_handlers={RequestValidationError: _malformed},
        max_body_size=LARGEST_BODY,  # the body is read before the token is looked at
    )
    api.state.pipeline = site.pipeline
    api.state.doorkeeper = site.doorkeeper
    api.include_router(ROUTER)
    return api


class Doorkeeper:
    """Lets only the operator pass; an empty token lets nobody.

    After ten wrong tokens within a minute nobody passes for the rest of it, save with a right one
    of at least 32 characters.

    Args:
        token: the operator's.
        clock: seconds that only grow.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=MOST_FAILURES)

    def check(self, given: str | None) -> None:
        """Nothing, when the token is right.

        Raises:
            HTTPException: 503, 429 or 401, with what to do.
        """
        if not self._token:
            raise HTTPException(503, "the API is closed: set OURA_OPERATOR_TOKEN and restart")
        right = given is not None and hmac.compare_digest(given.encode(), self._token)
        if right and len(self._token) >= UNGUESSABLE:
            return
        if wait := self._wait():
            retry = {"Retry-After": str(math.ceil(wait))}
            raise HTTPException(429, "too many wrong tokens; wait a minute", retry)
        if not right:
            if given is not None:
                self._failures.append(self._clock())
            wanted = {"WWW-Authenticate": "Bearer"}
            raise HTTPException(401, "send the operator's token: Authorization: Bearer …", wanted)

    def _wait(self) -> float:
        """Seconds for which nobody may guess."""
        if len(self._failures) < MOST_FAILURES:
            return 0.0
        return max(self._failures[0] + FAILURE_SECONDS - self._clock(), 0.0)


def operators_only(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> None:
    """Ask the doorkeeper."""
    request.app.state.doorkeeper.check(given.credentials if given else None)


def the_pipeline(request: Request) -> Pipeline:
    """The site's."""
    pipeline: Pipeline = request.app.state.pipeline
    return pipeline


Opened = Annotated[Pipeline, Depends(the_pipeline)]


def known(
    pipeline: Opened, username: Annotated[str, Path(description="Theirs.", examples=["ada"])]
) -> Person:
    """Who has this username."""
    try:
        return pipeline.accounts.person(username)
    except UnknownPerson:  # its message lists who is there
        raise HTTPException(404, "there is no such person") from None


def day_of(
    text: Annotated[
        str,
        Query(
            alias="date",
            description="Oura's day, YYYY-MM-DD.",
            examples=["2026-04-10"],
            pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            json_schema_extra={"format": "date"},
        ),
    ],
) -> date:
    """The day that is asked for."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, "query.date: there is no such day") from None


Known = Annotated[Person, Depends(known)]
AskedDay = Annotated[date, Depends(day_of)]
ROUTER = APIRouter(dependencies=[Depends(operators_only)], responses=_problems(401, 422, 429, 503))


@ROUTER.post("/connect", summary="Begin a sign-in", responses=_problems(413))
def connect(pipeline: Opened, wish: ConnectRequest | None = None) -> ConnectAnswer:
    """The address at Oura that a person opens in their browser to sign in."""
    try:
        username = wish.username if wish else None
        if username is not None:
            check_username(username)
        url = sign_in.begin(pipeline, browser=None, username=username)
    except PersonRefused as error:
        raise HTTPException(422, str(error)) from None
    except sign_in.Misconfigured:
        raise HTTPException(503, "set OURA_CLIENT_ID and restart") from None
    return ConnectAnswer(auth_url=url)


@ROUTER.get("/people", summary="Everybody")
def people(pipeline: Opened) -> list[PersonAnswer]:
    """Everybody who signed in, by username."""
    return [PersonAnswer(**_summary(person)) for person in pipeline.accounts.people()]


@ROUTER.get("/people/{username}/status", summary="One person", responses=_problems(404))
def status(pipeline: Opened, person: Known) -> StatusAnswer:
    """How one person's sign-in and data are."""
    overview = pipeline.accounts.overview(person.username)
    return StatusAnswer(
        **_summary(person),
        scopes=_scopes(person, pipeline.settings.oura_scopes),
        history=history(
            {row.document_type: row.first_day for row in overview},
            [row.name for row in DOCUMENT_TYPES if row.partitioned],
            first_day=pipeline.settings.oura_history_start,
            today=datetime.now(UTC).date(),
        ),
        document_types=[TypeAnswer.model_validate(row) for row in overview],
    )


@ROUTER.get("/people/{username}/daily", summary="One person's day", responses=_problems(404))
def daily(pipeline: Opened, person: Known, day: AskedDay) -> DailyAnswer:
    """The records of a person's day, out of the published copy as it is now."""
    try:
        with frames.connect(pipeline.settings.analytics_path) as connection:
            rows = connection.execute(
                "SELECT metric_type, source, metrics FROM daily_records "
                "WHERE username = $1 AND day = $2 ORDER BY metric_type",
                [person.username, day],
            ).fetchall()
    except frames.AnalysisError as error:
        raise HTTPException(503, str(error)) from None
    except duckdb.CatalogException:
        older = "the published copy is of an older version: `oura-pipeline sync` makes a new one"
        raise HTTPException(503, older) from None
    records = [
        DailyRecord(metric_type=kind, source=source, metrics=json.loads(metrics))
        for kind, source, metrics in rows
    ]
    return DailyAnswer(username=person.username, date=day.isoformat(), records=records)


@ROUTER.post(
    "/people/{username}/sync",
    summary="Ask for a sync",
    status_code=HTTPStatus.ACCEPTED,
    responses=_problems(404, 409),
)
def sync(pipeline: Opened, person: Known) -> SyncAnswer:
    """Let a person's last days be fetched soon, outside of the schedule."""
    if person.state is not PersonState.CONNECTED:
        raise HTTPException(409, "they have to sign in again first: POST /api/connect")
    if pipeline.accounts.ask_sync(person.username, datetime.now(UTC)):
        return SyncAnswer(asked=True, detail="a sync begins soon")
    return SyncAnswer(asked=False, detail="a sync was asked for in the last five minutes")


def history(
    first_asked: Mapping[str, date], names: list[str], *, first_day: date, today: date
) -> History:
    """How much of the time from a first day to today was asked, over all document types.

    Args:
        first_asked: the earliest day that was asked, by document type.
        names: of the document types that have days.
        first_day: what is to be reached.
        today: the last day.
    """
    whole = max((today - first_day).days, 1)
    done = [
        min((today - first_asked[name]).days / whole, 1.0) if name in first_asked else 0.0
        for name in names
    ]
    begun = all(name in first_asked for name in names)
    reached = max((first_asked[name] for name in names), default=None) if begun else None
    return History(
        first_day=first_day,
        reached=reached and max(reached, first_day),
        share=round(max(sum(done), 0.0) / max(len(done), 1), 4),
    )


def _summary(person: Person) -> dict[str, Any]:
    return {
        "username": person.username,
        "state": person.state,
        "connected_since": person.connected_since,
        "renewed_at": person.renewed_at,
        "must_reconnect": person.state is PersonState.SIGN_IN_REQUIRED,
        "reason": person.error,
    }


def _scopes(person: Person, wanted: str) -> Scopes:
    if person.scopes is None:
        return Scopes(granted=None, missing=[])
    missing = set(wanted.split()) - person.scopes
    return Scopes(granted=sorted(person.scopes), missing=sorted(missing))


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    """What does not fit, and where; the values themselves are not repeated."""
    assert isinstance(error, RequestValidationError)
    problems = [
        f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
        for found in error.errors()
    ]
    return JSONResponse({"detail": "; ".join(problems)}, 422)
