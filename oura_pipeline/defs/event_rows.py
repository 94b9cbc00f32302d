"""Dagster's events as rows of its table: as Dagster makes them, faster where many are alike."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self

import dagster as dg
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._serdes import serialize_value

Row = dict[str, Any]

# What takes the place of all that differs, and no event has.
_LABEL, _PARTITION, _TAG, _TIMESTAMP = "\0metadata", "\0partition", "\0tag", 2.0**-1000
_MARK = dg.MetadataValue.text("")
_ANY_INT, _ANY_FLOAT = 7, 7.5


def rows_of(events: Sequence[EventLogEntry]) -> Iterator[Row]:
    """Yield the rows of asset events, in order."""
    form: _Form | None = None
    for event in events:
        if form is None or form.shared != _shared(event):
            form = _Form.of(event)
        yield form.row(event)


def each_day(events: Sequence[EventLogEntry]) -> Iterator[EventLogEntry]:
    """Yield the events, and instead of one that plans a set of days one for each of them."""
    for event in events:
        happened: Any = event.get_dagster_event()
        subset = happened.partitions_subset
        for day in subset.get_partition_keys() if subset else ():
            data = AssetMaterializationPlannedData(happened.event_specific_data.asset_key, day)
            yield event._replace(dagster_event=happened._replace(event_specific_data=data))
        if not subset:
            yield event


def tags(event: EventLogEntry) -> Mapping[str, str]:
    """Return the tags of a materialization."""
    data = event.get_dagster_event().event_specific_data
    return (type(data) is StepMaterializationData and data.materialization.tags) or {}


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What events have in common that differ in their day, metadata, tags and time only.

    Attributes:
        shared: that, to be compared; None: the event is one of its kind.
        asset_key: of their asset, as the table has it.
        texts: their text, without what differs, in the order of Dagster's fields.
    """

    shared: tuple[Any, ...] | None
    asset_key: str | None
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, event: EventLogEntry) -> Self:
        """Return the form of an event, and of those like it."""
        key = event.get_dagster_event().asset_key
        shared = _shared(event)
        return cls(
            shared=shared,
            asset_key=key.to_string() if key else None,
            texts=_texts(event) if shared else (),
        )

    def row(self, event: EventLogEntry) -> Row:
        """Return the row of an event of this form."""
        happened = event.get_dagster_event()
        made = _made(happened) if self.texts else None
        return {
            "run_id": event.run_id,
            "event": self._text(event, made) if made else serialize_value(event),
            "dagster_event_type": happened.event_type_value,
            "timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None),
            "step_key": happened.step_key,
            "asset_key": self.asset_key,
            "partition": made.partition if made else happened.partition,
        }

    def _text(self, event: EventLogEntry, made: Any) -> str:
        partition, timestamp = json.dumps(made.partition), json.dumps(event.timestamp)
        if type(made) is AssetMaterializationPlannedData:
            before, tail, end = self.texts
            return f"{before}{partition}{tail}{timestamp}{end}"
        before, middle, tags, tail, end = self.texts
        entries = ", ".join(_entry(label, value) for label, value in made.metadata.items())
        tagged = json.dumps(made.tags, sort_keys=True)
        return f"{before}{entries}{middle}{partition}{tags}{tagged}{tail}{timestamp}{end}"


def _made(happened: DagsterEvent) -> dg.AssetMaterialization | AssetMaterializationPlannedData:
    """Return what of an event has a partition."""
    data: Any = happened.event_specific_data
    return data.materialization if type(data) is StepMaterializationData else data


def _shared(event: EventLogEntry) -> tuple[Any, ...] | None:
    happened = event.get_dagster_event()
    data = happened.event_specific_data
    if type(data) is StepMaterializationData:
        made = data.materialization
        of_asset: tuple[Any, ...] = (made.asset_key, made.description, data.asset_lineage)
    elif type(data) is AssetMaterializationPlannedData:
        of_asset = (data.asset_key, data.partitions_subset)
    else:
        return None
    # All fields but the event and its time, and all of the event but its data.
    return (event[:4], event[5:7], happened[:6], happened[7:], of_asset)


def _texts(event: EventLogEntry) -> tuple[str, ...]:
    happened = event.get_dagster_event()
    data: Any = happened.event_specific_data
    if type(data) is StepMaterializationData:
        marked = data.materialization._replace(
            metadata={_LABEL: _MARK}, partition=_PARTITION, tags={_TAG: ""}
        )
        data = data._replace(materialization=marked)
        marks = [_whole_entry(_LABEL, _MARK), json.dumps(_PARTITION), json.dumps({_TAG: ""})]
    else:
        data = data._replace(partition=_PARTITION)
        marks = [json.dumps(_PARTITION)]
    of_all = event._replace(
        timestamp=_TIMESTAMP, dagster_event=happened._replace(event_specific_data=data)
    )
    text, texts = serialize_value(of_all), []
    for mark in [*marks, json.dumps(_TIMESTAMP)]:
        before, _, text = text.partition(mark)
        texts.append(before)
    return (*texts, text)


def _entry(label: str, value: Any) -> str:
    """Return metadata as text."""
    if type(value) is dg.IntMetadataValue and type(value.value) is int:
        return str(value.value).join(_around_number(label, _ANY_INT))
    if type(value) is dg.FloatMetadataValue and type(value.value) is float:
        return json.dumps(value.value).join(_around_number(label, _ANY_FLOAT))
    if type(value) is dg.MarkdownMetadataValue:
        return _markdown_entry(label, value)
    return _whole_entry(label, value)


@lru_cache(maxsize=256)
def _around_number(label: str, number: int | float) -> tuple[str, str]:
    kind: Any = dg.IntMetadataValue if number == _ANY_INT else dg.FloatMetadataValue
    before, _, after = _whole_entry(label, kind(number)).rpartition(f": {number}")
    return f"{before}: ", after


@lru_cache(maxsize=256)
def _markdown_entry(label: str, value: Any) -> str:
    return _whole_entry(label, value)


def _whole_entry(label: str, value: Any) -> str:
    event = dg.AssetMaterialization("a", metadata={label: value})
    text = serialize_value(event)
    return text[text.index("[{") + 1 : text.rindex('], "partition"')]
