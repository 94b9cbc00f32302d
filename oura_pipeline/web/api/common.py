"""What all routes of the API share: who may ask, for whom, and what can go wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import Person
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.web.api import models

PROBLEMS = {
    400: "The body cannot be read.",
    401: "No token, or not the operator's.",
    404: "There is no such person or study.",
    405: "This address takes another method; the header Allow says which.",
    409: "Data cannot be requested from Oura for this person now.",
    413: "The body is larger than any described here.",
    421: "The name in the header Host is not one of this site's.",
    422: "The request does not match this schema, or says what cannot be.",
    429: "Too many wrong tokens; wait a minute.",
    500: "An error that nobody expected; the page names its entry in the log.",
    503: "A setting or file is missing; the detail says what to do.",
    507: "A disk or file of the site refuses; the detail says which.",
}
# What answers before the API does, in its own words; of 400, 404 and 413 either may be the one. An
# address with a line break in it, for instance, is none that leads to the API.
OUTSIDE = {400: "text/plain", 404: "text/html", 413: "text/plain", 421: "text/plain"} | {
    500: "text/html"
}
BEARER = HTTPBearer(scheme_name="operator", description="OURA_OPERATOR_TOKEN.", auto_error=False)


def require_operator(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> None:
    request.app.state.operator_auth.check(given.credentials if given else None)


def get_pipeline(request: Request) -> Pipeline:
    pipeline: Pipeline = request.app.state.pipeline
    return pipeline


OpenPipeline = Annotated[Pipeline, Depends(get_pipeline)]


def get_person(
    request: Request, pipeline: OpenPipeline, username: Annotated[str, Path(examples=["ada"])]
) -> Person:
    try:
        person = pipeline.accounts.people.get(username)
    except UnknownPerson:  # its message lists everybody's username
        raise HTTPException(404, "person not found") from None
    request.state.person_id = person.id  # for the log
    return person


KnownPerson = Annotated[Person, Depends(get_person)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": models.Problem} | outside(status) for status in statuses}


def outside(status: int) -> dict[str, Any]:
    """Return what a status means, and how it is said by what answers before the API does."""
    described: dict[str, Any] = {"description": PROBLEMS[status]}
    if status in OUTSIDE:
        described["content"] = {OUTSIDE[status]: {"schema": {"type": "string"}}}
    return described


def operator_router() -> APIRouter:
    """Return a router whose routes are the operator's alone."""
    return APIRouter(
        dependencies=[Depends(require_operator)],
        responses=problems(400, 401, 405, 413, 422, 429, 503, 507)
        | {status: outside(status) for status in (421, 500)},
    )
