"""People made of recorded responses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oura_pipeline.sandbox.catalog import BY_NAME
from oura_pipeline.sandbox.people import Person, person_id
from oura_pipeline.sandbox.store import PersonData

Document = dict[str, Any]

# Recordings of the shapes that daily_spo2 had over the years are named like this.
_OTHER_NAMES = {"spo2": "daily_spo2"}
# Recordings that are no collection of a person's: left alone.
_NOT_PEOPLE = {"sandbox", "oauth", "webhook", "errors"}


def recorded_people(folder: Path, *, seed: int) -> list[PersonData]:
    """Return everyone recorded in the `<collection>*.json` files of a folder, the nameless first.

    A file with a person's prefix (`western.sleep.json`) belongs to that person, all others to
    `recorded`. Raise `FileNotFoundError` when there is no collection at all.
    """
    found: dict[str, dict[str, list[Document]]] = {}
    for path in sorted(folder.glob("*.json")):
        if named := _named(path.stem):
            username, collection = named
            kept = found.setdefault(username, {}).setdefault(collection, [])
            _merge(kept, _documents(json.loads(path.read_text(encoding="utf-8"))))
    if not found:
        raise FileNotFoundError(f"{folder} holds no recorded collection such as sleep.json")
    return [_people_data(name, found[name], seed) for name in sorted(found, key=_nameless_first)]


def _nameless_first(username: str) -> tuple[bool, str]:
    return username != "recorded", username


def _named(stem: str) -> tuple[str, str] | None:
    """Return (username, collection) of a file name without its suffix."""
    first, *rest = stem.split(".")
    collection = _OTHER_NAMES.get(first, first)
    if collection in BY_NAME:
        return "recorded", collection
    if rest and rest[0] in BY_NAME and first not in _NOT_PEOPLE:
        return first, rest[0]
    return None


def _documents(content: Any) -> list[Document]:
    """Return the documents of an envelope, a list or a bare document."""
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    return list(content) if isinstance(content, list) else [content]


def _merge(kept: list[Document], more: list[Document]) -> None:
    """Add documents; one that is there already is replaced."""
    # Recordings overlap, and the later one is Oura's newer word.
    places = {_identity(document): n for n, document in enumerate(kept)}
    for document in more:
        place = places.setdefault(_identity(document), len(kept))
        if place < len(kept):
            kept[place] = document
        else:
            kept.append(document)


def _identity(document: Document) -> tuple[object, ...]:
    if "id" in document:
        return ("id", document["id"])
    # Two samples of different sources can share an instant.
    if "timestamp" in document:
        return ("row", document["timestamp"], document.get("source"))
    # Cardiovascular ages of 2024 had no id.
    return ("day", document.get("day"))


def _people_data(username: str, recorded: dict[str, list[Document]], seed: int) -> PersonData:
    own = recorded.get("personal_info", [{}])[0].get("id")
    person = Person(
        username=username,
        id=own or person_id(username, seed),
        # Unknown: recorded offsets belong to documents, and nobody says where home was.
        zone_name="UTC",
        habits=frozenset(),
    )
    return PersonData(person, recorded=recorded)
