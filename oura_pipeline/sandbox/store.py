"""What the sandbox has of each person, one store per collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec

from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.generate import profile
from oura_pipeline.sandbox.generate.history import DOCUMENTS, SAMPLES
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.people import Person
from oura_pipeline.sandbox.times import midnight, parse_instant, utc_time

Document = dict[str, Any]


class CollectionStore(Protocol):
    """The documents or rows of one person and collection, in the order they are served."""

    # Grows with every change, so that kept pages can tell that they are old.
    version: int

    @property
    def keys(self) -> Sequence[float]:
        """Ascending instants, one per document."""
        ...

    def bodies(self, low: int, high: int) -> list[bytes]:
        """Return the JSON of the documents from `low` to before `high`."""
        ...

    def served(self, low: int, high: int) -> list[bytes]:
        """Return the same as it is sent: spoiled, where a document is."""
        ...

    def spoil(self, position: int, way: str, bodies: list[bytes]) -> None:
        """Let `bodies` be sent in place of the document at `position`, until `mend`."""
        ...

    def mend(self, position: int) -> None:
        """Let the document at `position` be sent as it is."""
        ...

    def spoiled(self, position: int) -> tuple[str, list[bytes]] | None:
        """Return in which way a document is spoiled, and what is sent for it."""
        ...

    def put(self, document: Document) -> None:
        """Add a document, or replace the one that is the same (by id, or by instant)."""
        ...

    def remove(self, position: int) -> None:
        """Remove the document at `position`."""
        ...

    def begin(self, instant: float) -> None:
        """Remove everything before an instant."""
        ...


class _Spoilable(ABC):
    """What both stores share: documents that are sent otherwise than they are."""

    # Apart from the documents: what the sandbox knows stays right, and a document that is
    # changed or taken away is spoiled no longer.
    def __init__(self) -> None:
        self.version = 0
        self._spoiled: dict[Hashable, tuple[str, list[bytes]]] = {}

    def served(self, low: int, high: int) -> list[bytes]:
        sent = self.bodies(low, high)
        if not self._spoiled:
            return sent
        spoiled = ((self.spoiled(low + n), body) for n, body in enumerate(sent))
        return [body for other, good in spoiled for body in (other[1] if other else [good])]

    def spoil(self, position: int, way: str, bodies: list[bytes]) -> None:
        self._spoiled[self._identity(position)] = (way, bodies)
        self.version += 1

    def mend(self, position: int) -> None:
        self._spoiled.pop(self._identity(position), None)
        self.version += 1

    def spoiled(self, position: int) -> tuple[str, list[bytes]] | None:
        return self._spoiled.get(self._identity(position))

    @abstractmethod
    def bodies(self, low: int, high: int) -> list[bytes]: ...

    @abstractmethod
    def _identity(self, position: int) -> Hashable: ...


class Entry(NamedTuple):
    """One document: where it stands in its collection, and its JSON."""

    # Unix seconds. A day counts as its midnight in UTC, so both of Oura's range families become
    # one half-open search.
    key: float
    id: str | None
    day: date | None
    # Kept as it is served: far more documents are served than read here.
    body: bytes


_KEY = attrgetter("key")
# Before 1970, where Oura puts a ring of unknown age: a ring without any time comes first of all.
_NEVER = -1.0
# No zone is further from UTC.
_WIDEST = 14 * 3600


class DocumentStore(_Spoilable):
    """A store of documents with ids."""

    def __init__(self, collection: Collection, documents: Iterable[Document]) -> None:
        super().__init__()
        self._collection = collection
        # Ascending in time: every recorded answer of every collection was, and nothing else can
        # be requested.
        self._entries = sorted(map(self._entry, documents), key=_KEY)

    @property
    def keys(self) -> Sequence[float]:
        return [entry.key for entry in self._entries]

    @property
    def entries(self) -> Sequence[Entry]:
        return self._entries

    def bodies(self, low: int, high: int) -> list[bytes]:
        return [entry.body for entry in self._entries[low:high]]

    def find(self, document_id: str) -> int | None:
        """Return the position of the document with this id."""
        found = (n for n, entry in enumerate(self._entries) if entry.id == document_id)
        return next(found, None)

    def put(self, document: Document) -> None:
        entry = self._entry(document)
        self._entries = [other for other in self._entries if not self._is_same(entry, other)]
        self._entries.insert(bisect_right(self._entries, entry.key, key=_KEY), entry)
        self.version += 1

    def remove(self, position: int) -> None:
        self.mend(position)
        del self._entries[position]

    def begin(self, instant: float) -> None:
        self._entries = [entry for entry in self._entries if entry.key >= instant]
        self.version += 1

    def _identity(self, position: int) -> Hashable:
        entry = self._entries[position]
        return entry.id or entry.key

    def _is_same(self, entry: Entry, other: Entry) -> bool:
        return entry.id == other.id

    def _entry(self, document: Document) -> Entry:
        collection = self._collection
        written = document.get(collection.day) if collection.day else None
        day = date.fromisoformat(written) if written else None
        key = _key(collection, document, day)
        return Entry(key, document.get("id"), day, msgspec.json.encode(document))


def _key(collection: Collection, document: Document, day: date | None) -> float:
    has_instant = collection.family != "day" and collection.instant
    stamp = document.get(collection.instant) if has_instant and collection.instant else None
    if stamp or collection.family == "whole":
        return parse_instant(stamp) if stamp else _NEVER
    if day is None:
        needed = collection.instant or collection.day
        raise ValueError(f"a {collection.name} document needs {needed}")
    # Also of a rest mode whose start is null, as Oura's description allows.
    return float(midnight(day))


# From an instant and the rest of a row as JSON text to the row.
Row = Callable[[float, str], bytes]
_STAMPS = ("timestamp", "timestamp_unix", "producer_timestamp")


class SampleStore(_Spoilable):
    """A store of generated rows: an instant and the rest of the row as JSON text."""

    # Apart, because 90 days of 200 people are twenty million rows: an instant takes 8 bytes, and
    # all rows with the same values share one text.
    def __init__(self, times: array[float], texts: list[str], row: Row) -> None:
        super().__init__()
        self._row = row
        self._times = times
        self._texts = texts

    @property
    def keys(self) -> Sequence[float]:
        return self._times

    def bodies(self, low: int, high: int) -> list[bytes]:
        rows = zip(self._times[low:high], self._texts[low:high], strict=True)
        return [self._row(instant, text) for instant, text in rows]

    def put(self, document: Document) -> None:
        rest = {k: v for k, v in document.items() if k not in _STAMPS}
        instant = parse_instant(document["timestamp"])
        position = bisect_left(self._times, instant)
        # Without an id the instant is all that tells rows apart.
        if position < len(self._times) and self._times[position] == instant:
            self.remove(position)
        self._times.insert(position, instant)
        # Without its braces: `_row` puts the two timestamps before it.
        self._texts.insert(position, msgspec.json.encode(rest).decode()[1:-1])
        self.version += 1

    def remove(self, position: int) -> None:
        self.mend(position)
        del self._times[position]
        del self._texts[position]

    def begin(self, instant: float) -> None:
        first = bisect_left(self._times, instant)
        self._times, self._texts = self._times[first:], self._texts[first:]
        self.version += 1

    def _identity(self, position: int) -> Hashable:
        return self._times[position]


def _row(instant: float, text: str) -> bytes:
    # `timestamp_unix` is in milliseconds and in every row since version 1.29 of the description.
    stamp, unix = utc_time(instant), int(instant * 1000)
    return f'{{"timestamp":"{stamp}","timestamp_unix":{unix},{text}}}'.encode()


def _live_row(instant: float, text: str) -> bytes:
    # As live rows of 2026 were seen: rows of a batch share the time at which the phone sent them.
    stamp, batch = utc_time(instant)[:19], int(instant // 900 + 1) * 900_000
    # 0 or absent, although the description requires it.
    unix = "" if int(instant) % 2 else '"timestamp_unix":0,'
    return f'{{"timestamp":"{stamp}.000Z","producer_timestamp":{batch},{unix}{text}}}'.encode()


class RecordedSampleStore(DocumentStore):
    """A store of recorded rows, which have no id, and older ones no `timestamp_unix`."""

    def _is_same(self, entry: Entry, other: Entry) -> bool:
        return entry.key == other.key

    def _entry(self, document: Document) -> Entry:
        key = parse_instant(document["timestamp"])
        return Entry(key, None, None, msgspec.json.encode(document))


@dataclass
class PersonData:
    """Everything about one person."""

    person: Person
    # One of these two is what the stores are made from, each when it is first needed: most
    # tests look at two collections of one person.
    life: Life | None = None
    recorded: dict[str, list[Document]] = field(default_factory=dict)
    live_rows: bool = False
    thin: int = 1
    _stores: dict[str, CollectionStore] = field(default_factory=dict)
    _profile: Document | None = None

    def store(self, collection: str) -> CollectionStore:
        """Return the store of one collection (not `personal_info`)."""
        if collection not in self._stores:
            self._stores[collection] = self._make(BY_NAME[collection])
        return self._stores[collection]

    def begin(self, day: date) -> None:
        """Remove everything of before a day: the ring was not there yet."""
        for collection in BY_NAME.values():
            if collection.family not in ("bare", "whole"):
                zone = self.person.zone_on(day) if self.life else UTC
                start = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
                is_day = collection.family == "day"
                self.store(collection.name).begin(midnight(day) if is_day else start)

    def profile(self) -> Document:
        """Return the `personal_info` of this person."""
        if self._profile is None and self.life:
            self._profile = profile.personal_info(self.life)
        elif self._profile is None:
            # A recording may have blanked the id; webhook events need the same one.
            recorded = self.recorded.get("personal_info", [{}])[0]
            self._profile = {**recorded, "id": self.person.id}
        return self._profile

    def _make(self, collection: Collection) -> CollectionStore:
        is_samples, name = collection.family == "samples", collection.name
        if self.life is None:
            store_type = RecordedSampleStore if is_samples else DocumentStore
            return store_type(collection, self.recorded.get(name, []))
        if is_samples:
            row = _live_row if self.live_rows else _row
            times, texts = SAMPLES[name](self.life)
            return SampleStore(times[:: self.thin], texts[:: self.thin], row)
        return DocumentStore(collection, DOCUMENTS[name](self.life))

    def between(self, collection: str, first: date, last: date) -> list[tuple[int, date | None]]:
        """Return position and day of each document of days `first` to `last`, or of no day."""
        keys = self.store(collection).keys
        low, high = 0, len(keys)
        if BY_NAME[collection].family == "samples":
            # A person's day lies within these, and their zone need be looked up there only.
            low = bisect_left(keys, midnight(first) - _WIDEST)
            high = bisect_left(keys, midnight(last) + 86400 + _WIDEST)
        days = ((n, self.day_of(collection, n)) for n in range(low, high))
        return [(n, day) for n, day in days if day is None or first <= day <= last]

    def day_of(self, collection: str, position: int) -> date | None:
        """Return the day of a document; for a row the person's own date at its instant."""
        store = self.store(collection)
        if BY_NAME[collection].family == "samples":
            return self._date(store.keys[position])
        assert isinstance(store, DocumentStore)
        return store.entries[position].day

    def _date(self, instant: float) -> date:
        # Nobody knows where a recorded person was.
        if self.life is None:
            return datetime.fromtimestamp(instant, UTC).date()
        return self.person.day_of(instant)
