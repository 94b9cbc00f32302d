"""What the sandbox holds: one store per person and collection, made when first asked for.

Everything a range needs is a sorted sequence of instants (`keys`, Unix seconds): a day counts as
its midnight in UTC, so both of Oura's range families become one half-open search. DocumentStore are
kept as the JSON that is served; whoever wants to read one decodes it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.generate import profile, samples
from oura_pipeline.sandbox.generate.history import DOCUMENTS
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.people import Person
from oura_pipeline.sandbox.times import midnight, parse_instant, utc_time

Document = dict[str, Any]


class CollectionStore(Protocol):
    """The documents or rows of one person and collection; `version` grows with every change."""

    version: int

    @property
    def keys(self) -> Sequence[float]:
        """Ascending instants, one per document."""
        ...

    def bodies(self, low: int, high: int) -> list[bytes]:
        """The JSON of the documents from `low` to before `high`."""
        ...

    def put(self, document: Document) -> None:
        """Add a document, or replace the one that is the same (by id, or by instant)."""
        ...

    def remove(self, position: int) -> None:
        """Take away the document at `position`."""
        ...


class Entry(NamedTuple):
    """One document: where it stands in its collection, and its JSON."""

    key: float
    id: str | None
    day: date | None
    body: bytes


_KEY = attrgetter("key")
_NEVER = -1.0
# No zone is further from UTC.
_WIDEST = 14 * 3600


class DocumentStore:
    """A store of documents with ids."""

    def __init__(self, collection: Collection, documents: Iterable[Document]) -> None:
        self.version = 0
        self._collection = collection
        self._entries = sorted(map(self._entry, documents), key=_KEY)

    @property
    def keys(self) -> Sequence[float]:
        """The instant each document is filtered by."""
        return [entry.key for entry in self._entries]

    @property
    def entries(self) -> Sequence[Entry]:
        """The documents in the order they are served."""
        return self._entries

    def bodies(self, low: int, high: int) -> list[bytes]:
        """The JSON of the documents from `low` to before `high`."""
        return [entry.body for entry in self._entries[low:high]]

    def find(self, document_id: str) -> int | None:
        """The position of the document with this id."""
        found = (n for n, entry in enumerate(self._entries) if entry.id == document_id)
        return next(found, None)

    def put(self, document: Document) -> None:
        """Add a document in its place, or replace the one with the same id."""
        old = self.find(document["id"])
        if old is not None:
            del self._entries[old]
        entry = self._entry(document)
        self._entries.insert(bisect_right(self._entries, entry.key, key=_KEY), entry)
        self.version += 1

    def remove(self, position: int) -> None:
        """Take away the document at `position`."""
        del self._entries[position]
        self.version += 1

    def _entry(self, document: Document) -> Entry:
        row = self._collection
        named = document.get(row.day) if row.day else None
        day = date.fromisoformat(named) if named else None
        return Entry(
            _key(row, document, day), document.get("id"), day, msgspec.json.encode(document)
        )


def _key(row: Collection, document: Document, day: date | None) -> float:
    """A document's instant; without one (a rest mode's start may be null) its day's midnight.

    A ring that was never told when it was set up comes before all others.
    """
    stamp = document.get(row.instant) if row.family != "day" and row.instant else None
    if stamp or row.family == "whole":
        return parse_instant(stamp) if stamp else _NEVER
    if day is None:
        raise ValueError(f"a {row.name} document needs {row.instant or row.day}")
    return float(midnight(day))


class SampleStore:
    """A store of rows that were generated: an instant and the rest of the row as JSON text."""

    def __init__(self, times: array[float], texts: list[str]) -> None:
        self.version = 0
        self._times = times
        self._texts = texts

    @property
    def keys(self) -> Sequence[float]:
        """The instant of each row."""
        return self._times

    def bodies(self, low: int, high: int) -> list[bytes]:
        """The JSON of the rows from `low` to before `high`."""
        rows = zip(self._times[low:high], self._texts[low:high], strict=True)
        return [_row(instant, text) for instant, text in rows]

    def put(self, document: Document) -> None:
        """Add a row, or replace the row of the same instant."""
        rest = {k: v for k, v in document.items() if k not in ("timestamp", "timestamp_unix")}
        instant = parse_instant(document["timestamp"])
        at = bisect_left(self._times, instant)
        if at < len(self._times) and self._times[at] == instant:
            self.remove(at)
        self._times.insert(at, instant)
        self._texts.insert(at, msgspec.json.encode(rest).decode()[1:-1])
        self.version += 1

    def remove(self, position: int) -> None:
        """Take away the row at `position`."""
        del self._times[position]
        del self._texts[position]
        self.version += 1


def _row(instant: float, text: str) -> bytes:
    stamp, unix = utc_time(instant), int(instant * 1000)
    return f'{{"timestamp":"{stamp}","timestamp_unix":{unix},{text}}}'.encode()


class RecordedSampleStore(DocumentStore):
    """A store of recorded rows: they have no id, and older ones no `timestamp_unix`."""

    def put(self, document: Document) -> None:
        """Add a row, or replace the row of the same instant."""
        instant = parse_instant(document["timestamp"])
        same = [n for n, entry in enumerate(self._entries) if entry.key == instant]
        for position in reversed(same):
            self.remove(position)
        entry = self._entry(document)
        self._entries.insert(bisect_right(self._entries, entry.key, key=_KEY), entry)
        self.version += 1

    def _entry(self, document: Document) -> Entry:
        key = parse_instant(document["timestamp"])
        return Entry(key, None, None, msgspec.json.encode(document))


@dataclass
class PersonData:
    """Everything about one person."""

    person: Person
    life: Life | None = None
    recorded: dict[str, list[Document]] = field(default_factory=dict)
    _stores: dict[str, CollectionStore] = field(default_factory=dict)
    _profile: Document | None = None

    def store(self, collection: str) -> CollectionStore:
        """The store of one collection (not `personal_info`)."""
        if collection not in self._stores:
            self._stores[collection] = self._make(BY_NAME[collection])
        return self._stores[collection]

    def profile(self) -> Document:
        """The `personal_info` of this person."""
        if self._profile is None:
            made = profile.personal_info(self.life) if self.life else self._recorded_profile()
            self._profile = made
        return self._profile

    def _recorded_profile(self) -> Document:
        recorded = self.recorded.get("personal_info", [{}])[0]
        return {**recorded, "id": self.person.id}

    def _make(self, row: Collection) -> CollectionStore:
        if self.life is None:
            kept = self.recorded.get(row.name, [])
            return (
                RecordedSampleStore(row, kept)
                if row.family == "samples"
                else DocumentStore(row, kept)
            )
        if row.family == "samples":
            make = {"heartrate": samples.heartrate}.get(row.name, samples.ring_battery_level)
            return SampleStore(*make(self.life))
        return DocumentStore(row, DOCUMENTS[row.name](self.life))

    def between(self, collection: str, first: date, last: date) -> list[tuple[int, date | None]]:
        """Position and day of each document of the days `first` to `last`, or of no day."""
        keys = self.store(collection).keys
        low, high = 0, len(keys)
        if BY_NAME[collection].family == "samples":
            low = bisect_left(keys, midnight(first) - _WIDEST)
            high = bisect_left(keys, midnight(last) + 86400 + _WIDEST)
        days = ((n, self.day_of(collection, n)) for n in range(low, high))
        return [(n, day) for n, day in days if day is None or first <= day <= last]

    def day_of(self, collection: str, position: int) -> date | None:
        """The day of a document; for a row the person's own date at its instant.

        Nobody knows where a recorded person was: their rows have the date in UTC.
        """
        store = self.store(collection)
        if BY_NAME[collection].family == "samples":
            return self._date(store.keys[position])
        assert isinstance(store, DocumentStore)
        return store.entries[position].day

    def _date(self, instant: float) -> date:
        if self.life is None:
            return datetime.fromtimestamp(instant, UTC).date()
        return self.person.day_of(instant)
