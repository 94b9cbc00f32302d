"""Changes of documents after the fact, with the webhook event that follows."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.cloud import Cloud
from oura_pipeline.sandbox.generate.sleep import doubled
from oura_pipeline.sandbox.responses import Refused
from oura_pipeline.sandbox.store import CollectionStore, DocumentStore, PersonData
from oura_pipeline.sandbox.times import parse_instant, utc_time

Document = dict[str, Any]


def change(cloud: Cloud, kind: str, body: dict[str, Any]) -> Document:
    """Do a change from its JSON and return `{"document": …, "deliveries": n}`.

    Raise `Refused` (404) when there is no such person or document.
    """
    collection, data = BY_NAME[body["type"]], cloud.person_data(body["person"])
    if collection.family == "bare":
        # No webhook event either: Oura has none for it.
        data.profile().update(body.get("fields") or {"weight": 70.5})
        return {"document": data.profile(), "deliveries": 0}
    event_type, do = _CHANGES[kind]
    document = do(data, collection, body)
    deliveries = 0
    if collection.webhook and body.get("notify", True):
        # A delete carries the id of a document that is gone: fetching it gets 404.
        event = {
            "event_type": event_type,
            "data_type": collection.webhook,
            "object_id": document["id"],
            "user_id": data.person.id,
        }
        deliveries = cloud.webhooks.announce(event)
    return {"document": document, "deliveries": deliveries}


def _revise(data: PersonData, collection: Collection, body: Document) -> Document:
    store = data.store(collection.name)
    position = position_of(data, collection, body)
    document, fields = decoded(store, position), body.get("fields")
    revised = _merged(document, fields) if fields else _with_other_values(document)
    # A recalculated document was reported to come back under another id.
    if body.get("new_id"):
        revised["id"] = str(uuid.uuid4())
    # Removed first: under a new id, or at another instant, `put` would keep the old one too.
    store.remove(position)
    store.put(revised)
    return revised


def _delete(data: PersonData, collection: Collection, body: Document) -> Document:
    store = data.store(collection.name)
    position = position_of(data, collection, body)
    document = decoded(store, position)
    store.remove(position)
    return document


def _add(data: PersonData, collection: Collection, body: Document) -> Document:
    """Add a copy of the newest document, moved to `day`, with `fields` over it."""
    store, fields = data.store(collection.name), body.get("fields") or {}
    if not len(store.keys):
        document = dict(fields)
    else:
        model = decoded(store, len(store.keys) - 1)
        document = _merged(_on_day(collection, model, body.get("day")), fields)
    if collection.family != "samples" and "id" not in fields:
        document["id"] = str(uuid.uuid4())
    if collection.family == "samples":
        document = _free(store, document, moved="timestamp" not in fields)
    store.put(document)
    return document


def _free(store: CollectionStore, row: Document, *, moved: bool) -> Document:
    """Return a row whose instant no other row has, if it may be moved."""
    instant = int(parse_instant(row["timestamp"]))
    while moved and instant in store.keys:
        instant += 1
    row = {**row, "timestamp": utc_time(instant)}
    # Milliseconds, although its neighbours at Oura are seconds.
    return {**row, "timestamp_unix": instant * 1000} if "timestamp_unix" in row else row


def _double(data: PersonData, collection: Collection, body: Document) -> Document:
    """Add the same document under another id; of a sleep, with totals a minute apart."""
    store = data.store(collection.name)
    document = decoded(store, position_of(data, collection, body))
    if collection.name == "sleep":
        document = doubled(document, "")
    again = _merged({**document, "id": str(uuid.uuid4())}, body.get("fields") or {})
    store.put(again)
    return again


# The webhook's event type, and what to do.
_CHANGES = {
    "revise": ("update", _revise),
    "delete": ("delete", _delete),
    "add": ("create", _add),
    "double": ("create", _double),
}


def position_of(data: PersonData, collection: Collection, body: Document) -> int:
    """Return the position of the document that `id`, `timestamp` or `day` name; else the newest."""
    store = data.store(collection.name)
    positions = list(range(len(store.keys)))
    if wanted := body.get("id"):
        found = store.find(wanted) if isinstance(store, DocumentStore) else None
        positions = [] if found is None else [found]
    elif stamp := body.get("timestamp"):
        positions = [n for n in positions if store.keys[n] == parse_instant(stamp)]
    elif day := body.get("day"):
        wanted_day = date.fromisoformat(day)
        positions = [
            n for n, found in data.between(collection.name, wanted_day, wanted_day) if found
        ]
    if not positions:
        raise Refused(
            404, {"detail": f"{data.person.username} has no such {collection.name} document"}
        )
    # Several share a day: its last one is the one that Oura would still be changing.
    return positions[-1]


def decoded(store: CollectionStore, position: int) -> Document:
    document: Document = msgspec.json.decode(store.bodies(position, position + 1)[0])
    return document


def _merged(document: Document, fields: Document) -> Document:
    """Return `document` with `fields` over it; an object in both is merged too."""
    result = dict(document)
    for name, value in fields.items():
        old = result.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


# What must keep agreeing with other fields when the sandbox chooses new values: in every recorded
# night the durations sum up exactly, and clients may rely on it.
_FIXED = ("period", "time_in_bed", "timestamp_unix", "size", "day_tz")
_FIXED_ENDINGS = ("_time", "_duration")
# What is changed in a document that has no number of its own.
_WORDS = {
    "comment": "revised",
    "text": "revised",
    "firmware_version": "9.9.9",
    "mood": "good",
    "recommendation": "later_bedtime",
}


def _with_other_values(document: Document) -> Document:
    """Return the document with its numbers moved a little, or failing those its words."""
    moved = _with_other_numbers(document)
    for name, word in _WORDS.items():
        if moved == document and name in document:
            moved[name] = word if document[name] != word else None
    if moved == document and "episodes" in document:
        stamp = document["start_time"] or f"{document['start_day']}T12:00:00+00:00"
        episode = {"tags": ["tag_generic_cold"], "timestamp": stamp}
        moved["episodes"] = [*document["episodes"], episode]
    return moved


def _with_other_numbers(document: Document) -> Document:
    return {name: _other_number(name, value) for name, value in document.items()}


def _other_number(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        # Series stay: their averages would no longer be right.
        return value if "items" in value else _with_other_numbers(value)
    if name in _FIXED or name.endswith(_FIXED_ENDINGS) or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Stress comes in quarters of an hour; downwards elsewhere, because scores end at 100.
        step = 900 if name in ("stress_high", "recovery_high") else -1 if value > 1 else 1
        return value + step
    if isinstance(value, float):
        return round(value - 0.1 if value > 1 else value + 0.1, 3)
    return value


def _on_day(collection: Collection, model: Document, day: str | None) -> Document:
    """Return `model` with every date and date-time moved so that it belongs to `day`."""
    if day is None or collection.family == "whole":
        return dict(model)
    if collection.day is None:
        then = datetime.fromisoformat(model["timestamp"])
        distance = date.fromisoformat(day) - then.date()
    else:
        distance = date.fromisoformat(day) - date.fromisoformat(model[collection.day])
    moved: Document = _shifted(model, distance)
    return moved


def _shifted(value: Any, distance: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _shifted(inner, distance) for name, inner in value.items()}
    # The cheap test first: series of phases are strings of a thousand characters.
    if not isinstance(value, str) or len(value) < 10 or value[4:5] != "-":
        return value
    try:
        if len(value) == 10:
            return (date.fromisoformat(value) + distance).isoformat()
        when = datetime.fromisoformat(value) + distance
    except ValueError:
        return value
    # Only series timestamps have milliseconds, and keep them.
    return when.isoformat(timespec="milliseconds" if "." in value else "auto")
