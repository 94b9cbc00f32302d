"""`/_control/…`: what no cloud offers. Change documents, break things, look at the truth."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import BY_NAME, COLLECTIONS, SCOPES, WEBHOOK_TYPES, Collection
from oura_pipeline.sandbox.changes import change, decoded, position_of
from oura_pipeline.sandbox.cloud import CHANGEABLE, Cloud, cloud_of
from oura_pipeline.sandbox.grants import Grant
from oura_pipeline.sandbox.oauth import issue_token_response
from oura_pipeline.sandbox.responses import Refused, bad_request, error_response, json_response
from oura_pipeline.sandbox.spoiling import mend, spoil, ways_for
from oura_pipeline.sandbox.spoils import SPOILS
from oura_pipeline.sandbox.store import CollectionStore, PersonData

Body = dict[str, Any]


async def _control(request: Request) -> Response:
    handle = _HANDLERS.get((request.method, request.path_params["resource"]))
    if handle is None:
        known = ", ".join(f"{method} /_control/{name}" for method, name in _HANDLERS)
        return json_response(request, {"detail": f"there is: {known}"}, 404)
    return await _respond(request, handle)


async def _control_person(request: Request) -> Response:
    return await _respond(request, _change_person)


ROUTES = [
    Route("/_control/people/{username}", _control_person, methods=["POST"]),
    Route("/_control/{resource}", _control, methods=["GET", "POST", "DELETE"]),
]


async def _respond(request: Request, handle: Callable[[Cloud, Body], Any]) -> Response:
    try:
        return json_response(request, handle(cloud_of(request), await _body(request)))
    except Refused as refused:
        return error_response(request, refused)
    # A mistake in a test's request; a 500 would not say which.
    except (TypeError, ValueError, KeyError) as error:
        return json_response(request, {"detail": f"{type(error).__name__}: {error}"}, 400)


async def _body(request: Request) -> Body:
    """Return the JSON body; for GET, which has none, the query."""
    raw = await request.body()
    sent = msgspec.json.decode(raw) if raw else {}
    if not isinstance(sent, dict):
        raise bad_request("the body must be a JSON object")
    username = request.path_params.get("username")
    return {**request.query_params, **({"username": username} if username else {}), **sent}


def _people(cloud: Cloud, body: Body) -> Any:
    granted = cloud.grants.scopes()  # once for all: with many people there are many tokens
    return [_person(cloud, data, granted) for data in cloud.people.values()]


def _person(cloud: Cloud, data: PersonData, granted: Mapping[str, list[list[str]]]) -> Body:
    return {
        "username": data.person.username,
        "id": data.person.id,
        "zone": data.person.zone_name,
        "habits": sorted(data.person.habits),
        "granted": granted.get(data.person.username, []),
        "membership": not cloud.grants.is_lapsed(data.person.username),
    }


def _secrets(cloud: Cloud, body: Body) -> Any:
    return cloud.grants.issued


def _change_person(cloud: Cloud, body: Body) -> Any:
    """Change a person's `scopes`, `membership` (bool), or `revoke` all, access or refresh.

    `begins` is the day on which their ring was first worn: what was before it is gone.
    """
    data = cloud.person_data(body["username"])
    username = data.person.username
    if "scopes" in body:
        cloud.grants.change(username, _scopes(body["scopes"]))
    if "membership" in body:
        cloud.grants.lapse(username, lapsed=not body["membership"])
    if "begins" in body:
        data.begin(date.fromisoformat(body["begins"]))
    if "revoke" in body:
        which = body["revoke"]
        if which not in ("all", "access", "refresh"):
            raise bad_request("revoke is all, access or refresh")
        cloud.grants.expire_tokens(username, access=which != "refresh", refresh=which != "access")
    return _person(cloud, data, cloud.grants.scopes())


def _sign_in(cloud: Cloud, body: Body) -> Any:
    """Return a pair of tokens without the consent page: `person`, `scopes` (default: all)."""
    username = cloud.person_data(body["person"]).person.username
    scopes = _scopes(body["scopes"]) if body.get("scopes") is not None else SCOPES
    return issue_token_response(cloud, Grant(username, scopes))


def _scopes(named: list[str]) -> tuple[str, ...]:
    if unknown := set(named) - set(SCOPES):
        raise bad_request(f"no such scope: {', '.join(sorted(unknown))}")
    return tuple(scope for scope in SCOPES if scope in named)


def _truth(cloud: Cloud, body: Body) -> Any:
    """Return `[{"day": …, "document": …}]` of the days `from` to `to`, both included.

    A spoiled one has its `way` and what is `sent` for it, in base64, too.
    """
    data = cloud.person_data(body["person"])
    collection = _collection(body["type"])
    if collection.family == "bare":
        return [{"day": None, "document": data.profile()}]
    first, last = body.get("from"), body.get("to")
    low = date.fromisoformat(first) if first else date.min
    high = date.fromisoformat(last) if last else date.max
    store = data.store(collection.name)
    return [
        {"day": day and day.isoformat(), **_held(store, n)}
        for n, day in data.between(collection.name, low, high)
    ]


def _held(store: CollectionStore, position: int) -> Body:
    # `Raw`: the bytes that the routes serve, so that comparing them finds any difference.
    held: Body = {"document": msgspec.Raw(store.bodies(position, position + 1)[0])}
    if spoiled := store.spoiled(position):
        way, sent = spoiled
        held |= {"way": way, "sent": [base64.b64encode(body).decode() for body in sent]}
    return held


def _ways(cloud: Cloud, body: Body) -> Any:
    """Return every way to spoil a document; of `person` and `type`, the fields that each fits."""
    if "type" not in body:
        return [{"way": row.name, "does": row.does, "fate": row.fate} for row in SPOILS]
    collection, data = _collection(body["type"]), cloud.person_data(body["person"])
    return ways_for(
        collection, decoded(data.store(body["type"]), position_of(data, collection, body))
    )


def _collection(name: str) -> Collection:
    if name not in BY_NAME:
        raise bad_request(f"type is one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _change(kind: str, cloud: Cloud, body: Body) -> Any:
    _collection(body["type"])
    return change(cloud, kind, body)


def _spoil(cloud: Cloud, body: Body) -> Any:
    _collection(body["type"])
    return spoil(cloud, body)


def _mend(cloud: Cloud, body: Body) -> Any:
    _collection(body["type"])
    return mend(cloud, body)


def _event(cloud: Cloud, body: Body) -> Any:
    """Send an event: `person`, `data_type`, `event_type`, `object_id`, `times` (default 1)."""
    data, data_type = cloud.person_data(body["person"]), body["data_type"]
    if data_type not in WEBHOOK_TYPES:
        raise bad_request(f"data_type is one of {', '.join(WEBHOOK_TYPES)}")
    event = {
        "event_type": body.get("event_type", "update"),
        "data_type": data_type,
        "object_id": body.get("object_id") or _newest_id(data, data_type),
        "user_id": data.person.id,
    }
    # More than once, because Oura promises at-least-once delivery only.
    times = int(body.get("times", 1))
    return {"deliveries": sum(cloud.webhooks.announce(event) for _ in range(times))}


def _newest_id(data: PersonData, data_type: str) -> str:
    for collection in COLLECTIONS:
        if collection.webhook == data_type and (store := data.store(collection.name)).keys:
            count = len(store.keys)
            return str(msgspec.json.decode(store.bodies(count - 1, count)[0])["id"])
    # Of `meal` there are events and no documents: an id that leads nowhere, as at Oura.
    return str(uuid.uuid4())


def _deliveries(cloud: Cloud, body: Body) -> Any:
    return [asdict(delivery) for delivery in cloud.webhooks.deliveries]


def _options(cloud: Cloud, body: Body) -> Any:
    """Change the options that are sent and return all that can be changed while it runs."""
    cloud.options = cloud.options.changed(body)
    return {name: getattr(cloud.options, name) for name in CHANGEABLE}


def _add_fault(cloud: Cloud, body: Body) -> Any:
    # A misspelt name would make a fault that no request ever matches.
    if body.get("person") is not None:
        cloud.person_data(body["person"])
    return asdict(cloud.faults.add(body))


def _list_faults(cloud: Cloud, body: Body) -> Any:
    return [asdict(fault) for fault in cloud.faults.pending]


def _clear_faults(cloud: Cloud, body: Body) -> Any:
    cloud.faults.pending.clear()
    return []


def _clock(cloud: Cloud, body: Body) -> Any:
    """Move both clocks forward by `seconds` and return what they show."""
    cloud.clock.forward(float(body.get("seconds", 0)))
    return {"now": cloud.clock.now(), "today": cloud.clock.today()}


def _requests(cloud: Cloud, body: Body) -> Any:
    """Return how many requests there were per route and person (`-`: an unknown one)."""
    counts: dict[str, dict[str, int]] = {}
    for (route, person), count in sorted(cloud.requests.items()):
        counts.setdefault(route, {})[person] = count
    return counts


def _reset_requests(cloud: Cloud, body: Body) -> Any:
    cloud.requests.clear()
    return {}


_HANDLERS: dict[tuple[str, str], Callable[[Cloud, Body], Any]] = {
    ("GET", "people"): _people,
    ("GET", "truth"): _truth,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _reset_requests,
    ("GET", "deliveries"): _deliveries,
    # What must not be found in any file, log or page.
    ("GET", "secrets"): _secrets,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "fault"): _add_fault,
    ("GET", "spoils"): _ways,
    ("POST", "spoil"): _spoil,
    ("POST", "mend"): _mend,
    ("POST", "clock"): _clock,
    ("GET", "clock"): _clock,
    ("POST", "event"): _event,
    ("GET", "options"): _options,
    ("POST", "options"): _options,
    ("POST", "sign_in"): _sign_in,
    ("POST", "person"): _change_person,
    **{("POST", kind): partial(_change, kind) for kind in ("revise", "delete", "add", "double")},
}
