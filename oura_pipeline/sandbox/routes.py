"""`/v2/usercollection/…`: lists, single documents and `personal_info`."""

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
from oura_pipeline.sandbox.handling import respond
from oura_pipeline.sandbox.pages import Cursor, decode_cursor, latest, window_ends
from oura_pipeline.sandbox.ranges import read_bounds, window
from oura_pipeline.sandbox.responses import EncodedBody, Refused, encoded_response, json_response
from oura_pipeline.sandbox.store import DocumentStore

Read = Callable[[Request, Cloud, Grant, Fault | None], EncodedBody | dict[str, Any]]


async def _list(request: Request) -> Response:
    collection = _collection(request)
    if collection is None:
        return _not_found(request)
    read = _personal_info if collection.family == "bare" else _page
    return await _respond(request, collection, collection.name, read)


async def _single(request: Request) -> Response:
    collection = _collection(request)
    if collection is None or not collection.single:
        return _not_found(request)
    return await _respond(request, collection, f"{collection.name}/{{document_id}}", _document)


ROUTES = [
    Route("/v2/usercollection/{collection}", _list, methods=["GET"]),
    Route("/v2/usercollection/{collection}/{document_id}", _single, methods=["GET"]),
]


async def _respond(request: Request, collection: Collection, route: str, read: Read) -> Response:
    cloud = cloud_of(request)
    token = _token(request)
    grant = cloud.grants.grant_of(token) if token else None

    async def handle(fault: Fault | None) -> Response:
        allowed = _authorized(cloud, token, grant, collection)
        # After the scope check, so that refused requests use up no quota.
        cloud.limits.count(token)
        body = read(request, cloud, allowed, fault)
        if isinstance(body, EncodedBody):
            return encoded_response(request, body)
        return json_response(request, body)

    username = grant.username if grant else None
    return await respond(
        request, handle, route=route, username=username, fault_route=collection.name
    )


def _collection(request: Request) -> Collection | None:
    # Case counts: `vO2_max` is there and `vo2_max` is not, as at Oura.
    return BY_NAME.get(request.path_params["collection"])


def _not_found(request: Request) -> Response:
    # FastAPI's own words for a route that does not exist.
    return json_response(request, {"detail": "Not Found"}, 404)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _authorized(cloud: Cloud, token: str, grant: Grant | None, collection: Collection) -> Grant:
    """Return the grant if it may see this collection. Raise `Refused` (400, 401 or 403)."""
    if not token:
        # 400 and not 401, with this sentence, is what Oura's gateway says.
        raise Refused(400, {"detail": "Token is missing from Request Authorization Header"})
    if grant is None:
        detail = "Access token is invalid, expired or revoked."
        raise Refused(401, {"status": 401, "title": "Unauthorized", "detail": detail})
    if collection.scope and collection.scope not in grant.scopes:
        raise _not_granted(collection.scope)
    # A ring without membership keeps its id (no scope), everything else is refused.
    if collection.scope and cloud.grants.is_lapsed(grant.username):
        raise Refused(cloud.options.lapsed_status, {"detail": cloud.options.lapsed_detail})
    return grant


def _not_granted(scope: str) -> Refused:
    # 401, so a client cannot tell it from a dead token by the status. The sentence, with its
    # missing word, is Oura's.
    detail = f"Token is not authorized access {scope} scope."
    # Two shapes of body were seen at different times. The scope decides, so that clients meet both.
    if scope in ("stress", "daily", "tag", "workout", "session"):
        return Refused(401, {"detail": detail})
    return Refused(401, {"status": 401, "title": "Unauthorized", "detail": detail})


def _personal_info(
    request: Request, cloud: Cloud, grant: Grant, fault: Fault | None
) -> dict[str, Any]:
    # Nothing is refused here: what is not granted is null. `id` needs no scope at all, which is
    # how an application learns whose token it has.
    needs = {"id": None, "email": "email"}
    return {
        name: value if needs.get(name, "personal") in (None, *grant.scopes) else None
        for name, value in cloud.person_data(grant.username).profile().items()
    }


def _document(request: Request, cloud: Cloud, grant: Grant, fault: Fault | None) -> EncodedBody:
    store = cloud.person_data(grant.username).store(request.path_params["collection"])
    assert isinstance(store, DocumentStore)
    position = store.find(request.path_params["document_id"])
    if position is None:
        raise Refused(404, {"detail": "Document not found."})
    # Bare, without the envelope of a list.
    return EncodedBody(store.served(position, position + 1)[-1])


def _page(request: Request, cloud: Cloud, grant: Grant, fault: Fault | None) -> EncodedBody:
    collection = BY_NAME[request.path_params["collection"]]
    store = cloud.person_data(grant.username).store(collection.name)
    fields = _fields(request, collection)
    is_samples = collection.family == "samples"
    # On documents `latest` is ignored and the whole range comes, as was measured at Oura.
    if is_samples and _is_true(request.query_params.get("latest")):
        return latest(store, fields)
    owner = f"{grant.username}/{collection.name}"
    return cloud.pages.page(
        owner,
        store,
        _cursor(request, cloud, collection, owner),
        rows=cloud.options.sample_rows if is_samples else cloud.options.document_rows,
        fields=fields,
        repeat=fault is not None and fault.kind == "repeated_token",
    )


def _cursor(request: Request, cloud: Cloud, collection: Collection, owner: str) -> Cursor:
    # Parameters of other names are ignored, as at Oura: `start_date` on heartrate quietly gives
    # the last 24 hours.
    query = request.query_params
    start, end = read_bounds(collection, query)
    # An empty `next_token=` was seen to count as none.
    if token := query.get("next_token"):
        return decode_cursor(owner, token, window_ends(collection, start, end))
    return Cursor(window(collection, start, end, cloud.clock.today()))


def _fields(request: Request, collection: Collection) -> tuple[str, ...]:
    if not collection.selectable:
        return ()
    requested = request.query_params.get("fields", "")
    return tuple(name for part in requested.split(",") if (name := part.strip()))


def _is_true(text: str | None) -> bool:
    # Every spelling that pydantic reads as true.
    return (text or "").lower() in ("true", "1", "on", "yes", "t", "y")
