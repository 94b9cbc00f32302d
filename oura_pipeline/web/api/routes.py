"""The operator's API: start a sign-in, show people and their days, request a sync."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Any

import duckdb
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.usernames import check_username
from oura_pipeline.analysis import frames
from oura_pipeline.people import sign_in
from oura_pipeline.people.failures import Misconfigured
from oura_pipeline.sync.storage_failures import storage_failure
from oura_pipeline.web.api import models, studies
from oura_pipeline.web.api.common import KnownPerson, OpenPipeline, operator_router, problems
from oura_pipeline.web.history import history
from oura_pipeline.web.site import Site

MAX_BODY_BYTES = 16 * 1024
VERSION = "1"


def create_api(site: Site) -> FastAPI:
    """Return the application that is mounted at /api."""
    api = FastAPI(
        title="oura_pipeline",
        version=VERSION,
        summary="People who signed in with Oura, and the state of their data.",
        description="Everything requires the operator's token (OURA_OPERATOR_TOKEN) as a bearer "
        "token. Times are UTC; null is not zero.",
        # FastAPI's documentation pages load scripts from elsewhere. The schema at
        # /api/openapi.json is open.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would put the Host header into the Location
        exception_handlers={
            RequestValidationError: _invalid,
            **dict.fromkeys((DBAPIError, OSError, duckdb.Error), _not_stored),
        },
        # FastAPI reads the body before it checks the token: whoever has none must not fill memory.
        max_body_size=MAX_BODY_BYTES,
    )
    api.state.pipeline = site.pipeline
    api.state.operator_auth = site.operator_auth
    api.include_router(ROUTER)
    api.include_router(studies.ROUTER)
    return api


def get_day(
    text: Annotated[
        str,
        Query(
            alias="date",
            description="Oura's day, YYYY-MM-DD.",
            examples=["2026-04-10"],
            # Pydantic's own `date` would also take a timestamp.
            pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            json_schema_extra={"format": "date"},
        ),
    ],
) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, "query.date: no such day") from None


Day = Annotated[date, Depends(get_day)]

ROUTER = operator_router()


@ROUTER.post("/connect", summary="Start a sign-in")
def connect(
    pipeline: OpenPipeline, wanted: models.ConnectRequest | None = None
) -> models.ConnectResponse:
    """Return the address at Oura that a person opens in their browser to sign in."""
    username = wanted.username if wanted else None
    try:
        if username is not None:
            check_username(username)
        # Any browser may come back with it, and is asked: the operator hands it to somebody else.
        url = sign_in.begin(pipeline, browser=None, username=username)
    except PersonRefused as error:
        raise HTTPException(422, str(error)) from None
    except Misconfigured:
        raise HTTPException(503, "set OURA_CLIENT_ID and restart") from None
    return models.ConnectResponse(auth_url=url)


@ROUTER.get("/people", summary="List people")
def people(pipeline: OpenPipeline) -> list[models.PersonResponse]:
    """Return everybody who signed in, ordered by username."""
    unrevoked = pipeline.accounts.removal.to_revoke()
    return [
        models.PersonResponse(**_person(person, unrevoked))
        for person in pipeline.accounts.people.all()
    ]


@ROUTER.get("/people/{username}/status", summary="Show a person", responses=problems(404))
def status(pipeline: OpenPipeline, person: KnownPerson) -> models.StatusResponse:
    """Return the state of a person's sign-in and data."""
    overview = pipeline.accounts.overview.document_types(person.username)
    fetched = history(
        overview,
        first_day=person.history_start(pipeline.settings.oura.history_start),
        today=datetime.now(UTC).date(),
    )
    return models.StatusResponse(
        **_person(person, pipeline.accounts.removal.to_revoke()),
        scopes=_scopes(person, pipeline.settings.oura.scopes),
        history=models.HistoryResponse.model_validate(fetched),
        document_types=[models.DocumentTypeResponse.model_validate(row) for row in overview],
    )


@ROUTER.get("/people/{username}/daily", summary="Show a person's day", responses=problems(404))
def daily(pipeline: OpenPipeline, person: KnownPerson, day: Day) -> models.DailyResponse:
    """Return the records of a person's day, from the current published copy."""
    try:
        with frames.connect(pipeline.settings.storage.analytics_path) as connection:
            rows = connection.execute(
                "SELECT metric_type, source, metrics FROM daily_records "
                "WHERE username = $1 AND day = $2 ORDER BY metric_type",
                [person.username, day],
            ).fetchall()
    except frames.AnalysisError as error:
        raise HTTPException(503, str(error)) from None
    except duckdb.CatalogException:  # an older version published the copy
        outdated = "the published copy is outdated: run `oura-pipeline sync`"
        raise HTTPException(503, outdated) from None
    records = [
        models.DailyRecord(metric_type=metric_type, source=source, metrics=json.loads(metrics))
        for metric_type, source, metrics in rows
    ]
    return models.DailyResponse(username=person.username, date=day.isoformat(), records=records)


@ROUTER.post(
    "/people/{username}/sync",
    summary="Request a sync",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(404, 409),
)
def sync(pipeline: OpenPipeline, person: KnownPerson) -> models.SyncResponse:
    """Request that a person's last days be fetched soon, outside of the schedule."""
    if person.state is not PersonState.CONNECTED:
        raise HTTPException(409, "this person must sign in again first: POST /api/connect")
    if pipeline.accounts.people.request_sync(person.username, datetime.now(UTC)):
        return models.SyncResponse(asked=True, detail="sync starts soon")
    return models.SyncResponse(
        asked=False, detail="a sync was requested less than five minutes ago"
    )


def _person(person: Person, unrevoked: Collection[str]) -> dict[str, Any]:
    return {
        "username": person.username,
        "state": person.state,
        "connected_since": person.connected_since,
        "renewed_at": person.renewed_at,
        "must_reconnect": person.state is PersonState.SIGN_IN_REQUIRED,
        "access_not_given_back": person.username in unrevoked,
        "reason": person.error,
    }


def _scopes(person: Person, requested: str) -> models.Scopes:
    # Some of Oura's callbacks do not say what was granted.
    if person.scopes is None:
        return models.Scopes(granted=None, missing=[])
    missing = set(requested.split()) - person.scopes
    return models.Scopes(granted=sorted(person.scopes), missing=sorted(missing))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Return what does not match and where; the values themselves are not repeated."""
    assert isinstance(error, RequestValidationError)
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    ]
    return JSONResponse({"detail": "; ".join(problems)}, 422)


async def _not_stored(request: Request, error: Exception) -> JSONResponse:
    """Return what the disk or the database refused; any other error stays one."""
    if storage_failure(error, to_operator=False) is None:
        raise error
    return JSONResponse({"detail": storage_failure(error)}, HTTPStatus.INSUFFICIENT_STORAGE)
