"""`/_control/…`: what no cloud offers. Change documents, break things, look at the truth.

Everything takes and gives JSON; a mistake in a body is a 400 that says what is wrong.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import date
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import (
    BY_NAME,
    COLLECTIONS,
    SCOPES,
    WEBHOOK_TYPES,
    Collection,
)
from oura_pipeline.sandbox.changes import change
from oura_pipeline.sandbox.cloud import CHANGEABLE, Cloud, cloud_of
from oura_pipeline.sandbox.grants import Grant
from oura_pipeline.sandbox.oauth import issue_token_response
from oura_pipeline.sandbox.responses import Refused, bad_request, error_response, json_response
from oura_pipeline.sandbox.store import PersonData


async def _control(request: Request) -> Response:
    work = _WORK[request.method, request.path_params["what"]]
    try:
        return json_response(request, work(cloud_of(request), await _body(request)))
    except Refused as refused:
        return error_response(request, refused)
    except (TypeError, ValueError, KeyError) as wrong:
        return json_response(request, {"detail": f"{type(wrong).__name__}: {wrong}"}, 400)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON body, or for GET the query."""
    raw = await request.body()
    sent = msgspec.json.decode(raw) if raw else {}
    if not isinstance(sent, dict):
        raise bad_request("the body must be a JSON object")
    return {**request.query_params, **request.path_params, **sent}


def _people(cloud: Cloud, body: dict[str, Any]) -> Any:
    return [
        {
            "username": data.person.username,
            "id": data.person.id,
            "zone": data.person.zone_name,
            "habits": sorted(data.person.habits),
            "granted": cloud.grants.scopes_of(data.person.username),
            "membership": not cloud.grants.is_lapsed(data.person.username),
        }
        for data in cloud.people.values()
    ]


def _secrets(cloud: Cloud, body: dict[str, Any]) -> Any:
    """Every code and token that was ever issued: what must not be found anywhere."""
    return cloud.grants.issued


def _change_person(cloud: Cloud, body: dict[str, Any]) -> Any:
    """`scopes`: what their tokens may see; `membership`: bool; `revoke`: all, access or refresh."""
    username = cloud.person_data(body["username"]).person.username
    if "scopes" in body:
        cloud.grants.change(username, _scopes(body["scopes"]))
    if "membership" in body:
        cloud.grants.lapse(username, lapsed=not body["membership"])
    if "revoke" in body:
        which = body["revoke"]
        if which not in ("all", "access", "refresh"):
            raise bad_request("revoke is all, access or refresh")
        cloud.grants.end(username, access=which != "refresh", refresh=which != "access")
    return next(row for row in _people(cloud, {}) if row["username"] == username)


def _sign_in(cloud: Cloud, body: dict[str, Any]) -> Any:
    """A pair of tokens without the consent page: person, scopes (default: all)."""
    username = cloud.person_data(body["person"]).person.username
    scopes = _scopes(body["scopes"]) if body.get("scopes") is not None else SCOPES
    return issue_token_response(cloud, Grant(username, scopes))


def _scopes(named: list[str]) -> tuple[str, ...]:
    unknown = set(named) - set(SCOPES)
    if unknown:
        raise bad_request(f"no such scope: {', '.join(sorted(unknown))}")
    return tuple(scope for scope in SCOPES if scope in named)


def _truth(cloud: Cloud, body: dict[str, Any]) -> Any:
    """Return `[{"day": …, "document": …}]` of the days `from` to `to`, both included."""
    data = cloud.person_data(body["person"])
    collection = _collection(body["type"])
    if collection.family == "bare":
        return [{"day": None, "document": data.profile()}]
    first, last = body.get("from"), body.get("to")
    low = date.fromisoformat(first) if first else date.min
    high = date.fromisoformat(last) if last else date.max
    store = data.store(collection.name)
    return [
        {"day": day and day.isoformat(), "document": msgspec.Raw(store.bodies(n, n + 1)[0])}
        for n, day in data.between(collection.name, low, high)
    ]


def _collection(name: str) -> Collection:
    if name not in BY_NAME:
        raise bad_request(
            f"type is one of {', '.join(collection.name for collection in COLLECTIONS)}"
        )
    return BY_NAME[name]


def _change(kind: str) -> Any:
    def work(cloud: Cloud, body: dict[str, Any]) -> Any:
        _collection(body["type"])
        return change(cloud, kind, body)

    return work


def _event(cloud: Cloud, body: dict[str, Any]) -> Any:
    """Fire an event by hand: person, data_type, event_type, object_id, times (default 1).

    Without `object_id` it is about the person's newest document of the type.
    """
    data, data_type = cloud.person_data(body["person"]), body["data_type"]
    if data_type not in WEBHOOK_TYPES:
        raise bad_request(f"data_type is one of {', '.join(WEBHOOK_TYPES)}")
    event = {
        "event_type": body.get("event_type", "update"),
        "data_type": data_type,
        "object_id": body.get("object_id") or _newest(data, data_type),
        "user_id": data.person.id,
    }
    times = int(body.get("times", 1))
    return {"deliveries": sum(cloud.webhooks.announce(event) for _ in range(times))}


def _newest(data: PersonData, data_type: str) -> str:
    for collection in COLLECTIONS:
        if collection.webhook == data_type and (store := data.store(collection.name)).keys:
            count = len(store.keys)
            return str(msgspec.json.decode(store.bodies(count - 1, count)[0])["id"])
    return str(uuid.uuid4())


def _deliveries(cloud: Cloud, body: dict[str, Any]) -> Any:
    return [asdict(delivery) for delivery in cloud.webhooks.deliveries]


def _options(cloud: Cloud, body: dict[str, Any]) -> Any:
    """The options that can be changed while it runs, after changing those that are sent.

    What each of them means stands at `cloud.SandboxOptions`: `redirect_uris`, `portal`,
    `access_seconds`, `pkce`, `callback_scope`, `token_scope`, `scope_prefix`, `id_token`,
    `reuse_grant`, `expiration_decimals`, `sample_rows`, `document_rows`.
    """
    wanted = {name: value for name, value in body.items() if name != "what"}
    cloud.options = cloud.options.changed(wanted)
    return {name: getattr(cloud.options, name) for name in CHANGEABLE}


def _add_fault(cloud: Cloud, body: dict[str, Any]) -> Any:
    """Let something go wrong; kinds, routes and fields are those of `faults.Fault`.

    Of a webhook subscription: `late` (the call dies, the subscription comes all the same, its
    handshake `seconds` later), `ssl_error` (Oura did not like the callback's certificate); and
    `gateway_timeout`, `hang`, `error`, after which nothing was done.
    """
    if body.get("person") is not None:
        cloud.person_data(body["person"])
    return asdict(cloud.faults.add({k: v for k, v in body.items() if k != "what"}))


def _list_faults(cloud: Cloud, body: dict[str, Any]) -> Any:
    return [asdict(fault) for fault in cloud.faults.waiting]


def _clear_faults(cloud: Cloud, body: dict[str, Any]) -> Any:
    cloud.faults.waiting.clear()
    return []


def _clock(cloud: Cloud, body: dict[str, Any]) -> Any:
    """Move both clocks forward by `seconds`; tells where they stand."""
    cloud.clock.forward(float(body.get("seconds", 0)))
    return {"now": cloud.clock.now(), "today": cloud.clock.today()}


def _requests(cloud: Cloud, body: dict[str, Any]) -> Any:
    """How many requests per route and person (`-`: nobody that is known)."""
    counts: dict[str, dict[str, int]] = {}
    for (route, person), count in sorted(cloud.requests.items()):
        counts.setdefault(route, {})[person] = count
    return counts


def _reset_requests(cloud: Cloud, body: dict[str, Any]) -> Any:
    cloud.requests.clear()
    return {}


_WORK: dict[tuple[str, str], Any] = {
    ("GET", "people"): _people,
    ("GET", "truth"): _truth,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _reset_requests,
    ("GET", "deliveries"): _deliveries,
    ("GET", "secrets"): _secrets,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "fault"): _add_fault,
    ("POST", "clock"): _clock,
    ("GET", "clock"): _clock,
    ("POST", "event"): _event,
    ("GET", "options"): _options,
    ("POST", "options"): _options,
    ("POST", "sign_in"): _sign_in,
    ("POST", "person"): _change_person,
    ("POST", "revise"): _change("revise"),
    ("POST", "delete"): _change("delete"),
    ("POST", "add"): _change("add"),
}


async def _person(request: Request) -> Response:
    request.path_params["what"] = "person"
    return await _control(request)


async def _guarded(request: Request) -> Response:
    if (request.method, request.path_params["what"]) not in _WORK:
        known = ", ".join(f"{method} /_control/{what}" for method, what in _WORK)
        return json_response(request, {"detail": f"there is: {known}"}, 404)
    return await _control(request)


ROUTES = [
    Route("/_control/people/{username}", _person, methods=["POST"]),
    Route("/_control/{what}", _guarded, methods=["GET", "POST", "DELETE"]),
]
