"""Spoiling documents, and mending them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.changes import decoded, position_of
from oura_pipeline.sandbox.cloud import Cloud
from oura_pipeline.sandbox.responses import bad_request
from oura_pipeline.sandbox.spoils import BY_WAY, Document, Fate, Kind, Spoil

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
_DIGITS = re.compile(r"\d{2,}")
_CODES = ("type", "source", "day_summary", "level")
_DIGIT_NAMES = ("class_5_min", "sleep_phase_5_min", "sleep_phase_30_sec", "movement_30_sec")


def spoil(cloud: Cloud, body: Document) -> Document:
    """Spoil a document: `person`, `type`, `way`; `id`, `day` or `timestamp`; `field`; `seed`.

    Without `field` it is the first that fits, with `seed` one at random.
    """
    collection, data = BY_NAME[body["type"]], cloud.person_data(body["person"])
    if collection.family == "bare" or body["way"] not in BY_WAY:
        raise bad_request(f"type is a collection, and way one of {', '.join(BY_WAY)}")
    way, position = BY_WAY[body["way"]], position_of(data, collection, body)
    store = data.store(collection.name)
    document = decoded(store, position)
    path = _field(collection, document, way, body)
    store.spoil(position, way.name, way.make(document, path))
    return {
        "document": document,
        "way": way.name,
        "field": path,
        "fate": fate(collection, way, path),
    }


def mend(cloud: Cloud, body: Document) -> Document:
    """Let a document come right again: `person`, `type`; `id`, `day` or `timestamp`."""
    collection, data = BY_NAME[body["type"]], cloud.person_data(body["person"])
    position = position_of(data, collection, body)
    store = data.store(collection.name)
    store.mend(position)
    return {"document": decoded(store, position)}


def fate(collection: Collection, way: Spoil, path: str) -> Fate:
    """Return what should become of a document that is spoiled in this way in this field."""
    is_needed = path == collection.day or path in collection.needed
    return way.needed if is_needed and way.needed else way.fate


def ways_for(collection: Collection, document: Document) -> dict[str, list[str]]:
    """Return the fields that each way fits, of the ways that fit any: `{way: [path, …]}`."""
    found = {name: list(_fitting(collection, document, way)) for name, way in BY_WAY.items()}
    return {name: paths for name, paths in found.items() if paths}


def _field(collection: Collection, document: Document, way: Spoil, body: Document) -> str:
    fitting = list(_fitting(collection, document, way))
    if not fitting or body.get("field") not in (None, *fitting):
        raise bad_request(f"{way.name} fits {', '.join(fitting) or 'no field'} of this document")
    if body.get("seed") is not None:
        return random.Random(body["seed"]).choice(fitting)  # noqa: S311  no secret
    return str(body.get("field") or fitting[0])


def _fitting(collection: Collection, document: Document, way: Spoil) -> Iterator[str]:
    if "document" in way.kinds:
        yield ""
    for path, value in _leaves(document):
        kinds = kinds_of(collection, path, value)
        # 255 is a heart rate only, 0 any of them.
        heart = way.name != "sentinel_255" or path in collection.hearts
        if heart and kinds & set(way.kinds):
            yield path


def _leaves(document: Document, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        yield above + name, value
        if isinstance(value, dict) and "items" not in value:
            yield from _leaves(value, f"{above}{name}.")


def kinds_of(collection: Collection, path: str, value: Any) -> set[Kind]:
    """Return what a field of a document is."""
    found: set[Kind] = set()
    if path == "id":
        return {"id"}
    if path == collection.day:
        return {"day", "only"} if collection.one_a_day else {"day"}
    if path in (*collection.zeros, *collection.hearts) and value is not None:
        found.add("sentinel")
    return found | _kind_of_value(path, value)


def _kind_of_value(path: str, value: Any) -> set[Kind]:
    match value:
        case bool():
            return {"flag"}
        case int():
            return {"integer"}
        case float():
            return {"decimal"}
        case dict():
            return {"series"} if "items" in value else {"object"}
        case str() if _TIME.fullmatch(value):
            return {"time"}
        case str() if path in _DIGIT_NAMES:
            return {"digits"} if _DIGITS.fullmatch(value) else set()
        case str():
            return {"code"} if path in _CODES else {"text"}
    return set()
