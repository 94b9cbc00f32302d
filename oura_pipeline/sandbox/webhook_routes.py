"""`/v2/webhook/subscription…`: authorized by client id and secret, never by a person's token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import WEBHOOK_TYPES
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.handling import respond
from oura_pipeline.sandbox.responses import Refused, json_response, unprocessable
from oura_pipeline.sandbox.webhooks import SUBSCRIPTION_FIELDS, Subscription

_EVENT_TYPES = ("create", "update", "delete")

Work = Callable[[Request, Cloud, float | None], Awaitable[Response]]


async def _list_or_create(request: Request, cloud: Cloud, delay: float | None) -> Response:
    if request.method == "GET":
        subscriptions = cloud.webhooks.subscriptions.values()
        # A bare array, without the `data` envelope of the collections.
        return json_response(request, [_public(cloud, each) for each in subscriptions])
    body = await _validated_body(request, SUBSCRIPTION_FIELDS)
    created = await cloud.webhooks.create(body, delay=delay)
    return json_response(request, _public(cloud, created), 201)


async def _read_change_delete(request: Request, cloud: Cloud, delay: float | None) -> Response:
    subscription = cloud.webhooks.get(request.path_params["id"])
    if request.method == "DELETE":
        del cloud.webhooks.subscriptions[subscription.id]
        return Response(status_code=204)
    if request.method == "PUT":
        # As Oura's description says, a change must repeat the token and may leave out the rest.
        body = await _validated_body(request, ("verification_token",))
        subscription = await cloud.webhooks.update(subscription, body, delay=delay)
    return json_response(request, _public(cloud, subscription))


async def _renew(request: Request, cloud: Cloud, delay: float | None) -> Response:
    subscription = cloud.webhooks.get(request.path_params["id"])
    return json_response(request, _public(cloud, cloud.webhooks.renew(subscription)))


def _route(path: str, work: Work, *methods: str) -> Route:
    async def endpoint(request: Request) -> Response:
        cloud = cloud_of(request)

        async def handle(fault: Fault | None) -> Response:
            _check_client(request, cloud)
            late = fault is not None and fault.kind == "late"
            return await work(request, cloud, fault.seconds if fault and late else None)

        return await respond(request, handle, route="webhook")

    return Route(f"/v2/webhook/subscription{path}", endpoint, methods=list(methods))


ROUTES = [
    _route("", _list_or_create, "GET", "POST"),
    _route("/renew/{id}", _renew, "PUT"),
    _route("/{id}", _read_change_delete, "GET", "PUT", "DELETE"),
]


def _check_client(request: Request, cloud: Cloud) -> None:
    credentials = request.headers.get("x-client-id"), request.headers.get("x-client-secret")
    if credentials != (cloud.options.client_id, cloud.options.client_secret):
        raise Refused(401, {"detail": "Invalid client id or secret."})


def _public(cloud: Cloud, subscription: Subscription) -> dict[str, str]:
    return subscription.public(cloud.options.expiration_decimals)


async def _validated_body(request: Request, required: tuple[str, ...]) -> dict[str, str]:
    """Return the body of a create or update. Raise `Refused` (422, in pydantic's form)."""
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        error = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}
        raise unprocessable([error]) from None
    body = body if isinstance(body, dict) else {}
    # All errors at once, as pydantic lists them.
    errors = [
        {"type": "missing", "loc": ["body", name], "msg": "Field required", "input": body}
        for name in required
        if not isinstance(body.get(name), str)
    ]
    errors += _enum_errors(body, "event_type", _EVENT_TYPES)
    errors += _enum_errors(body, "data_type", WEBHOOK_TYPES)
    if errors:
        raise unprocessable(errors)
    return body


def _enum_errors(body: dict[str, Any], name: str, known: tuple[str, ...]) -> list[dict[str, Any]]:
    value = body.get(name)
    if value is None or value in known:
        return []
    *others, last = [f"'{word}'" for word in known]
    # The list in the message is how clients found out which data types there are.
    expected = f"{', '.join(others)} or {last}"
    error = {"type": "enum", "loc": ["body", name], "msg": f"Input should be {expected}"}
    return [{**error, "input": value, "ctx": {"expected": expected}}]
