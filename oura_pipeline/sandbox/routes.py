"""`/v2/usercollection/…`: lists, single documents and `personal_info`.

Unknown parameters are ignored, as at Oura: `start_date` on heartrate quietly gives the last day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.grants import Grant
from oura_pipeline.sandbox.pages import Cursor, decode_cursor, latest, window_ends
from oura_pipeline.sandbox.ranges import given, window
from oura_pipeline.sandbox.responses import (
    EncodedBody,
    Refused,
    encoded_response,
    error_response,
    json_response,
)
from oura_pipeline.sandbox.store import DocumentStore

Work = Callable[[Request, Cloud, Grant, Fault | None], EncodedBody | dict[str, Any]]


async def _list(request: Request) -> Response:
    collection = _collection(request)
    if collection is None:
        return _nowhere(request)
    if collection.family == "bare":
        return await _answer(request, collection, collection.name, _personal_info)
    return await _answer(request, collection, collection.name, _page)


async def _single(request: Request) -> Response:
    collection = _collection(request)
    if collection is None or not collection.single:
        return _nowhere(request)
    return await _answer(request, collection, f"{collection.name}/{{document_id}}", _document)


ROUTES = [
    Route("/v2/usercollection/{collection}", _list, methods=["GET"]),
    Route("/v2/usercollection/{collection}/{document_id}", _single, methods=["GET"]),
]


async def _answer(request: Request, collection: Collection, route: str, work: Work) -> Response:
    """Count, let faults happen, check the token and the limits, then do the work."""
    cloud = cloud_of(request)
    token = _token(request)
    grant = cloud.grants.grant_of(token) if token else None
    username = grant.username if grant else "-"
    cloud.requests[route, username] += 1
    fault = cloud.faults.draw(collection.name, username)
    try:
        if broken := await cloud.faults.before(fault):
            return broken
        allowed = _authorized(cloud, token, grant, collection)
        cloud.limits.count(token)
        made = work(request, cloud, allowed, fault)
    except Refused as refused:
        return cloud.faults.after(fault, error_response(request, refused))
    if isinstance(made, EncodedBody):
        return cloud.faults.after(fault, encoded_response(request, made))
    return cloud.faults.after(fault, json_response(request, made))


def _collection(request: Request) -> Collection | None:
    return BY_NAME.get(request.path_params["collection"])


def _nowhere(request: Request) -> Response:
    return json_response(request, {"detail": "Not Found"}, 404)


def _token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _authorized(cloud: Cloud, token: str, grant: Grant | None, collection: Collection) -> Grant:
    """The grant, if it may see this collection. Raises `Refused`: 400, 401 or 403."""
    if not token:
        raise Refused(400, {"detail": "Token is missing from Request Authorization Header"})
    if grant is None:
        detail = "Access token is invalid, expired or revoked."
        raise Refused(401, {"status": 401, "title": "Unauthorized", "detail": detail})
    if collection.scope and collection.scope not in grant.scopes:
        raise _not_granted(collection.scope)
    if collection.scope and cloud.grants.is_lapsed(grant.username):
        raise Refused(403, {"detail": "Forbidden"})
    return grant


def _not_granted(scope: str) -> Refused:
    """401 naming the scope; both shapes of body are in use, told apart here by the scope."""
    detail = f"Token is not authorized access {scope} scope."
    if scope in ("stress", "daily", "tag", "workout", "session"):
        return Refused(401, {"detail": detail})
    return Refused(401, {"status": 401, "title": "Unauthorized", "detail": detail})


def _personal_info(
    request: Request, cloud: Cloud, grant: Grant, fault: Fault | None
) -> dict[str, Any]:
    """`id` needs no scope, `email` its own, the rest `personal`; what is not granted is null."""
    info = cloud.person_data(grant.username).profile()
    needs = {"id": None, "email": "email"}
    return {
        name: value if needs.get(name, "personal") in (None, *grant.scopes) else None
        for name, value in info.items()
    }


def _document(request: Request, cloud: Cloud, grant: Grant, fault: Fault | None) -> EncodedBody:
    store = cloud.person_data(grant.username).store(request.path_params["collection"])
    assert isinstance(store, DocumentStore)
    position = store.find(request.path_params["document_id"])
    if position is None:
        raise Refused(404, {"detail": "Document not found."})
    return EncodedBody(store.bodies(position, position + 1)[0])


def _page(request: Request, cloud: Cloud, grant: Grant, fault: Fault | None) -> EncodedBody:
    collection = BY_NAME[request.path_params["collection"]]
    data = cloud.person_data(grant.username)
    fields = _fields(request, collection)
    if collection.family == "samples" and _is_true(request.query_params.get("latest")):
        return latest(data.store(collection.name), fields)
    owner = f"{grant.username}/{collection.name}"
    options = cloud.options
    return cloud.pages.page(
        owner,
        data.store(collection.name),
        _cursor(request, cloud, collection, owner),
        rows=options.sample_rows if collection.family == "samples" else options.document_rows,
        fields=fields,
        repeat=fault is not None and fault.kind == "repeated_token",
    )


def _cursor(request: Request, cloud: Cloud, collection: Collection, owner: str) -> Cursor:
    query = request.query_params
    start, end = given(collection, query)
    if token := query.get("next_token"):
        return decode_cursor(owner, token, window_ends(collection, start, end))
    return Cursor(window(collection, start, end, cloud.clock.today()))


def _fields(request: Request, collection: Collection) -> tuple[str, ...]:
    if not collection.selectable:
        return ()
    asked = request.query_params.get("fields", "")
    return tuple(name for part in asked.split(",") if (name := part.strip()))


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1", "on", "yes", "t", "y")
