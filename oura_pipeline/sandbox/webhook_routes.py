"""`/v2/webhook/subscription…`: authorized by client id and secret, never by a person's token."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import WEBHOOK_TYPES
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.responses import Refused, error_response, json_response, unprocessable
from oura_pipeline.sandbox.webhooks import Subscription

_EVENTS = ("create", "update", "delete")
_REQUIRED = ("callback_url", "verification_token", "event_type", "data_type")


async def _all(request: Request) -> Response:
    return await _answer(request, _list_or_create)


async def _one(request: Request) -> Response:
    return await _answer(request, _read_change_delete)


async def _renewed(request: Request) -> Response:
    return await _answer(request, _renew)


ROUTES = [
    Route("/v2/webhook/subscription", _all, methods=["GET", "POST"]),
    Route("/v2/webhook/subscription/renew/{id}", _renewed, methods=["PUT"]),
    Route("/v2/webhook/subscription/{id}", _one, methods=["GET", "PUT", "DELETE"]),
]


async def _answer(request: Request, work: Any) -> Response:
    cloud = cloud_of(request)
    cloud.requests["webhook", "-"] += 1
    fault = cloud.faults.draw("webhook", None)
    try:
        if broken := await cloud.faults.before(fault):
            return broken
        _authorized(request, cloud)
        delay = fault.seconds if fault is not None and fault.kind == "late" else None
        response: Response = await work(request, cloud, delay)
    except Refused as refused:
        response = error_response(request, refused)
    return cloud.faults.after(fault, response)


def _authorized(request: Request, cloud: Cloud) -> None:
    sent = request.headers.get("x-client-id"), request.headers.get("x-client-secret")
    if sent != (cloud.options.client_id, cloud.options.client_secret):
        raise Refused(401, {"detail": "Invalid client id or secret."})


async def _list_or_create(request: Request, cloud: Cloud, delay: float | None) -> Response:
    if request.method == "GET":
        found = cloud.webhooks.subscriptions.values()
        return json_response(request, [_shown(cloud, subscription) for subscription in found])
    made = await cloud.webhooks.create(await _wish(request, _REQUIRED), delay=delay)
    return json_response(request, _shown(cloud, made), 201)


async def _read_change_delete(request: Request, cloud: Cloud, delay: float | None) -> Response:
    found = cloud.webhooks.get(request.path_params["id"])
    if request.method == "DELETE":
        del cloud.webhooks.subscriptions[found.id]
        return Response(status_code=204)
    if request.method == "PUT":
        wish = await _wish(request, ("verification_token",))
        found = await cloud.webhooks.update(found, wish, delay=delay)
    return json_response(request, _shown(cloud, found))


async def _renew(request: Request, cloud: Cloud, delay: float | None) -> Response:
    found = cloud.webhooks.get(request.path_params["id"])
    return json_response(request, _shown(cloud, cloud.webhooks.renew(found)))


def _shown(cloud: Cloud, subscription: Subscription) -> dict[str, str]:
    return subscription.public(cloud.options.expiration_decimals)


async def _wish(request: Request, required: tuple[str, ...]) -> dict[str, str]:
    """The body of a create or update. Raises `Refused` (422, in pydantic's form)."""
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        wrong = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}
        raise unprocessable([wrong]) from None
    body = body if isinstance(body, dict) else {}
    missing = [{"type": "missing", "loc": ["body", n], "msg": "Field required", "input": body}
               for n in required if not isinstance(body.get(n), str)]  # fmt: skip
    wrong_names = [
        *_not_one_of(body, "event_type", _EVENTS),
        *_not_one_of(body, "data_type", WEBHOOK_TYPES),
    ]
    if missing or wrong_names:
        raise unprocessable([*missing, *wrong_names])
    return body


def _not_one_of(body: dict[str, Any], name: str, known: tuple[str, ...]) -> list[dict[str, Any]]:
    if body.get(name) is None or body[name] in known:
        return []
    quoted = [f"'{word}'" for word in known]
    expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return [
        {
            "type": "enum",
            "loc": ["body", name],
            "msg": f"Input should be {expected}",
            "input": body[name],
            "ctx": {"expected": expected},
        }
    ]
