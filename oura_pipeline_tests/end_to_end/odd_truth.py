"""What a person's documents mean in Graphite, worked out from the documents and nothing else."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from math import inf
from typing import Any

Document = Mapping[str, Any]
Key = tuple[str, int]  # metric without prefix and username, time
Points = dict[Key, float]

DAILY = {
    "daily_activity": "activity",
    "daily_cardiovascular_age": "cardiovascular_age",
    "daily_readiness": "readiness",
    "daily_resilience": "resilience",
    "daily_sleep": "sleep",
    "daily_spo2": "spo2",
    "daily_stress": "stress",
    "sleep_time": "sleep_time",
    "vO2_max": "vo2_max",
}
EVENTS = {  # from the type to the fields of its beginning and its end
    "workout": ("start_datetime", "end_datetime"),
    "session": ("start_datetime", "end_datetime"),
    "rest_mode_period": ("start_time", "end_time"),
}
TAGS = ("enhanced_tag", "tag")
STATES = {"personal_info": "profile", "ring_configuration": "ring"}
ROWS = {"heartrate": ("hr", "bpm", 60), "ring_battery_level": ("battery", "level", 300)}

_CODES = {
    "day_summary": ("restored", "normal", "stressful"),
    "level": ("limited", "adequate", "solid", "strong", "exceptional"),
}
_DIGITS = {
    "class_5_min": 300,
    "sleep_phase_5_min": 300,
    "sleep_phase_30_sec": 30,
    "movement_30_sec": 30,
}
_NO_METRIC = ("timestamp_unix", "producer_timestamp", "interval", "day_tz")
_NAMES = {"spo2.spo2_percentage.average": "spo2.daily_average"}
_HEARTS = ("average_heart_rate", "lowest_heart_rate", "bpm", "heart_rate")
_ZEROS = (
    *("average_hrv", "average_breath", "hrv", "heart_rate_variability"),
    *("daily_average", "vascular_age", "pulse_wave_velocity", "vo2_max"),
)
_AMOUNTS = ("duration", "calories", "distance", "motion_count")
_SHORTEST_NAP = 900


def points_of(collection: str, documents: Iterable[tuple[date, Document]]) -> Points:
    """Return the points of one person's documents of one type, by Oura's day."""
    by_day: dict[date, list[Document]] = defaultdict(list)
    for day, document in _once(documents) if collection == "sleep" else documents:
        by_day[day].append(document)
    found: Points = {}
    # In order of the days: where a traveller's overlap, the later one wins.
    for day in sorted(by_day):
        found |= dict(_day(collection, day, by_day[day]))
    return found


def _day(collection: str, day: date, documents: list[Document]) -> Iterator[tuple[Key, float]]:
    if collection in DAILY:
        for document in documents:
            yield from _daily(DAILY[collection], document, midnight(day))
    elif collection in EVENTS:
        yield from _merged(pair for document in documents for pair in _event(collection, document))
    elif collection in TAGS:
        yield (f"{collection}.count", midnight(day)), float(len(documents))
    elif collection in ROWS:
        yield from _rows(collection, documents)
    elif collection == "sleep":
        yield from _sleeps(day, documents)
    elif collection in STATES:
        # Of several rings the one that was set up last is worn.
        newest = max(documents, key=lambda one: _instant(one.get("set_up_at") or "1970-01-01"))
        for metric, value in _numbers(STATES[collection], newest):
            yield (metric, midnight(day)), value


def _daily(series: str, document: Document, at: int) -> Iterator[tuple[Key, float]]:
    for metric, value in _numbers(series, document):
        yield (metric, at), value
    yield from _inside(series, document, document.get("timestamp"), None)


def _event(collection: str, document: Document) -> Iterator[tuple[Key, float]]:
    begins, ends = (document.get(name) for name in EVENTS[collection])
    if not begins:
        return
    at = _seconds(begins) // 60 * 60
    for metric, value in _numbers(collection, document):
        yield (metric, at), value
    if ends:
        yield (f"{collection}.duration", at), _instant(ends) - _instant(begins)
    yield from _inside(collection, document, begins, ends)


def _merged(pairs: Iterable[tuple[Key, float]]) -> Iterator[tuple[Key, float]]:
    """Yield one value for what happens in the same interval: amounts add up, levels do not."""
    values: dict[Key, list[float]] = defaultdict(list)
    for key, value in pairs:
        values[key].append(value)
    for (metric, at), several in values.items():
        is_amount = metric.rpartition(".")[2] in _AMOUNTS
        yield (metric, at), sum(several) / (1 if is_amount else len(several))


def _rows(collection: str, documents: list[Document]) -> Iterator[tuple[Key, float]]:
    series, field, interval = ROWS[collection]
    levels: dict[Key, list[float]] = defaultdict(list)
    for document in documents:
        at = _seconds(document["timestamp"]) // interval * interval
        names = [f"{series}.{field}"]
        if "source" in document:
            names.append(f"{series}.{document['source']}.{field}")
        if document[field] is not None and not _is_missing(field, document[field]):
            for name in names:
                levels[name, at].append(document[field])
    for key, values in levels.items():
        yield key, sum(values) / len(values)


def _once(documents: Iterable[tuple[date, Document]]) -> Iterator[tuple[date, Document]]:
    """Yield of the sleeps that overlap in time the one that counts; none that was rejected."""
    sleeps = sorted(
        (pair for pair in documents if pair[1]["type"] in ("long_sleep", "sleep", "late_nap")),
        key=lambda pair: _instant(pair[1]["bedtime_start"]),
    )
    while sleeps:
        group = [sleeps.pop(0)]
        end = _end(group[0][1])
        while sleeps and _instant(sleeps[0][1]["bedtime_start"]) < end:
            group.append(sleeps.pop(0))
            end = max(end, _end(group[-1][1]))
        yield min(group, key=lambda pair: _worth(pair[1]))


def nights_of(documents: Iterable[tuple[date, Document]]) -> dict[date, str]:
    """Return the id of each day's night, of all sleeps of one person."""
    by_day: dict[date, list[Document]] = defaultdict(list)
    for day, document in _once(documents):
        by_day[day].append(document)
    nights = {day: _night(theirs) for day, theirs in by_day.items()}
    return {day: night["id"] for day, night in nights.items() if night}


def _night(documents: list[Document]) -> Document | None:
    nights = [document for document in documents if document["type"] == "long_sleep"]
    # A day without a long sleep has its longest one for its night.
    nights = nights or [d for d in documents if d["type"] == "sleep" and not _is_short(d)]
    return min(nights, key=_rank, default=None)


def _sleeps(day: date, documents: list[Document]) -> Iterator[tuple[Key, float]]:
    main = _night(documents)
    for document in documents:
        if document is not main and _is_short(document):
            continue
        series = "sleep" if document is main else "nap"
        begins = document["bedtime_start"]
        at = midnight(day) if document is main else _seconds(begins) // 60 * 60
        for metric, value in _numbers(series, document):
            yield (metric, at), value
        yield from _inside(series, document, begins, document.get("bedtime_end"))


def _rank(document: Document) -> tuple[float, float]:
    return -(document["time_in_bed"] or -1), _instant(document["bedtime_start"])


def _worth(document: Document) -> tuple[bool, float]:
    sentinel = document["lowest_heart_rate"] in (0, 255)
    return sentinel, -(document["total_sleep_duration"] or 0)


def _is_short(document: Document) -> bool:
    asleep = document["total_sleep_duration"]
    return document["type"] != "long_sleep" and asleep is not None and asleep < _SHORTEST_NAP


def _end(document: Document) -> float:
    # A night that goes on lasts as long as it was seen.
    ends = document.get("bedtime_end")
    return _instant(ends) if ends else _instant(document["bedtime_start"]) + document["time_in_bed"]


def _numbers(path: str, document: Document) -> Iterator[tuple[str, float]]:
    """Yield every number and code of a document, however deep, but those of its series."""
    for name, value in document.items():
        metric = f"{path}.{'contrib' if name == 'contributors' else name.lower()}"
        if name in _CODES:
            if value is not None:
                yield metric, _CODES[name].index(value) + 1.0
        elif isinstance(value, dict) and "items" not in value:
            yield from _numbers(metric, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            metric = renamed(metric)
            if not is_no_metric(name) and not _is_missing(metric, value):
                yield metric, float(value)


def is_no_metric(path: str) -> bool:
    """Return whether a number is about time or place, and no measurement."""
    return path.rpartition(".")[2] in _NO_METRIC


def renamed(metric: str) -> str:
    """Return the name of a metric that is not called as its field."""
    return _NAMES.get(metric, metric)


def _is_missing(metric: str, value: float) -> bool:
    name = metric.rpartition(".")[2]
    return (value == 0 and name in (*_ZEROS, *_HEARTS)) or (value == 255 and name in _HEARTS)


def _inside(series: str, document: Document, begins: Any, ends: Any) -> Iterator[tuple[Key, float]]:
    """Yield what a document has at a time of its own: its series and its runs of digits."""
    for name, value in document.items():
        if isinstance(value, dict) and "items" in value:
            yield from _series(f"{series}.{name}", value)
        elif name in _DIGITS and value:
            interval = _DIGITS[name]
            first = _seconds(begins)
            for number, digit in enumerate(value):
                at = first + number * interval
                # A hypnogram ends with the night.
                if ends is None or at < _instant(ends):
                    yield (f"{series}.{name}", at // interval * interval), float(digit)


def _series(metric: str, value: Document) -> Iterator[tuple[Key, float]]:
    interval = round(value["interval"])
    first = _seconds(value["timestamp"])
    for number, item in enumerate(value["items"]):
        if item is not None and not _is_missing(metric, item):
            yield (metric, (first + number * interval) // interval * interval), float(item)


def nearest_days(row: Document, offsets: list[tuple[float, float]]) -> set[date]:
    """Return the local dates of a row by the offsets nearest in time: more than one if in doubt.

    `offsets` are in order.
    """
    at = _instant(row["timestamp"])
    place = bisect_left(offsets, (at, -inf))
    near = offsets[max(place - 2, 0) : place + 2]
    nearest = min(abs(at - when) for when, _ in near)
    return {
        datetime.fromtimestamp(at + offset, UTC).date()
        for when, offset in near
        if abs(at - when) == nearest
    }


def offsets_of(collection: str, document: Document) -> Iterator[tuple[float, float]]:
    """Yield the instants (Unix seconds) that tell a person's offset from UTC, and it (seconds)."""
    if collection in ROWS or collection in ("ring_configuration", "personal_info"):
        return
    # A date at 00:00 says more about the type that writes it than about where the person is.
    ignored = ("daily_readiness", "daily_sleep", "vO2_max")
    for name, value in document.items():
        if isinstance(value, dict) and "items" in value and value["timestamp"]:
            yield _with_offset(value["timestamp"])
        elif isinstance(value, list):
            yield from (_with_offset(part["timestamp"]) for part in value if "timestamp" in part)
        elif name == "timestamp" and collection in ignored:
            continue
        elif isinstance(value, str) and value[10:11] == "T":
            yield _with_offset(value)


def _with_offset(text: str) -> tuple[float, float]:
    when = datetime.fromisoformat(text)
    offset = when.utcoffset()
    assert offset is not None
    return when.timestamp(), offset.total_seconds()


def midnight(day: date) -> int:
    """Return 00:00 UTC of a day."""
    return (day - date(1970, 1, 1)).days * 86400


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(text: str) -> int:
    return int(_instant(text))
