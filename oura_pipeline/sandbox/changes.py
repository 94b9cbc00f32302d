"""DocumentStore change after the fact: revise, delete and add, with the webhook event that follows.

Which document is meant is said by `id`, by `day` (the last one of that day) or for rows by
`timestamp`; without any of them it is the newest. Which values it gets is said by `fields`; without
them the sandbox moves every number of it a little, or changes a word where there is no number.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.cloud import Cloud
from oura_pipeline.sandbox.responses import Refused
from oura_pipeline.sandbox.store import CollectionStore, DocumentStore, PersonData
from oura_pipeline.sandbox.times import parse_instant, utc_time

Document = dict[str, Any]


def change(cloud: Cloud, kind: str, body: dict[str, Any]) -> Document:
    """Do a change from its JSON: `{"document": …, "deliveries": n}`.

    Raises `Refused`: 400 for a body that makes no sense, 404 when nothing matches.
    """
    collection, data = BY_NAME[body["type"]], cloud.person_data(body["person"])
    if collection.family == "bare":
        data.profile().update(body.get("fields") or {"weight": 70.5})
        return {"document": data.profile(), "deliveries": 0}
    document = _DO[kind](data, collection, body)
    events = {"revise": "update", "delete": "delete", "add": "create"}
    deliveries = 0
    if collection.webhook and body.get("notify", True):
        event = {"event_type": events[kind], "data_type": collection.webhook}
        who = {"object_id": document["id"], "user_id": data.person.id}
        deliveries = cloud.webhooks.announce({**event, **who})
    return {"document": document, "deliveries": deliveries}


def _revise(data: PersonData, collection: Collection, body: Document) -> Document:
    """Change values; `new_id` brings the document back under another id, as recalculations do."""
    store = data.store(collection.name)
    position = _position(data, collection, body)
    document = _decoded(store, position)
    revised = (
        _merged(document, body["fields"]) if body.get("fields") else _with_other_values(document)
    )
    if body.get("new_id"):
        revised["id"] = str(uuid.uuid4())
    store.remove(position)
    store.put(revised)
    return revised


def _delete(data: PersonData, collection: Collection, body: Document) -> Document:
    store = data.store(collection.name)
    position = _position(data, collection, body)
    document = _decoded(store, position)
    store.remove(position)
    return document


def _add(data: PersonData, collection: Collection, body: Document) -> Document:
    """A document of `day`: the newest one's likeness, moved there, with `fields` over it."""
    store, fields = data.store(collection.name), body.get("fields") or {}
    if not len(store.keys):
        document = dict(fields)
    else:
        model = _decoded(store, len(store.keys) - 1)
        document = _merged(_on_day(collection, model, body.get("day")), fields)
    if collection.family != "samples" and "id" not in fields:
        document["id"] = str(uuid.uuid4())
    if collection.family == "samples":
        document = _free(store, document, moved="timestamp" not in fields)
    store.put(document)
    return document


def _free(store: CollectionStore, row: Document, *, moved: bool) -> Document:
    """A row at an instant without another row, if it may be moved; `timestamp_unix` agrees."""
    instant = int(parse_instant(row["timestamp"]))
    while moved and instant in store.keys:
        instant += 1
    row = {**row, "timestamp": utc_time(instant)}
    return {**row, "timestamp_unix": instant * 1000} if "timestamp_unix" in row else row


_DO = {"revise": _revise, "delete": _delete, "add": _add}


def _position(data: PersonData, collection: Collection, body: Document) -> int:
    """The position of the document that is meant."""
    store = data.store(collection.name)
    places = list(range(len(store.keys)))
    if wanted := body.get("id"):
        found = store.find(wanted) if isinstance(store, DocumentStore) else None
        places = [] if found is None else [found]
    elif stamp := body.get("timestamp"):
        places = [n for n in places if store.keys[n] == parse_instant(stamp)]
    elif day := body.get("day"):
        wanted_day = date.fromisoformat(day)
        places = [n for n, found in data.between(collection.name, wanted_day, wanted_day) if found]
    if not places:
        raise Refused(
            404, {"detail": f"{data.person.username} has no such {collection.name} document"}
        )
    return places[-1]


def _decoded(store: CollectionStore, position: int) -> Document:
    document: Document = msgspec.json.decode(store.bodies(position, position + 1)[0])
    return document


def _merged(document: Document, fields: Document) -> Document:
    """`document` with `fields` over it; an object in both is merged too."""
    result = dict(document)
    for name, value in fields.items():
        old = result.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


# What must keep agreeing with other fields when the sandbox chooses new values.
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
    """The same document with other values: its numbers, or failing those its words."""
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
        return value if "items" in value else _with_other_numbers(value)
    if name in _FIXED or name.endswith(_FIXED_ENDINGS) or isinstance(value, bool):
        return value
    if isinstance(value, int):
        step = 900 if name in ("stress_high", "recovery_high") else -1 if value > 1 else 1
        return value + step
    return (
        round(value - 0.1 if value > 1 else value + 0.1, 3) if isinstance(value, float) else value
    )


def _on_day(collection: Collection, model: Document, day: str | None) -> Document:
    """`model` with every date and date-time in it moved so that it belongs to `day`."""
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
    if not isinstance(value, str) or len(value) < 10 or value[4:5] != "-":
        return value
    try:
        if len(value) == 10:
            return (date.fromisoformat(value) + distance).isoformat()
        when = datetime.fromisoformat(value) + distance
    except ValueError:
        return value
    return when.isoformat(timespec="milliseconds" if "." in value else "auto")
