"""Who a person is and which rings they have worn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from oura_pipeline.sandbox.generate.blank import Document
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.times import at, utc_time


def personal_info(life: Life) -> Document:
    traits = life.traits
    info: Document = {
        "id": life.person.id,
        "age": traits.age,
        "weight": traits.weight,
        "height": traits.height,
        "biological_sex": "female" if traits.female else "male",
        "email": f"{life.person.username}@example.org",
    }
    # Everything but the id may be missing, for whoever told Oura nothing.
    if "sparse" in life.person.habits:
        return {**dict.fromkeys(info), "id": info["id"]}
    return info


def ring_configuration(life: Life) -> Iterator[Document]:
    # Oldest first; the current ring is the one set up last.
    # "1970-01-01" was recorded for an old ring, null for another.
    if "athlete" in life.person.habits:
        yield _ring(life, 0, color="stealth_black", hardware="gen3", set_up_at=utc_time(0))
    if "sparse" in life.person.habits:
        ring = _ring(life, 0, color="silver", hardware="gen2", set_up_at=None)
        yield {**dict.fromkeys(ring), "id": ring["id"]}
        yield _ring(life, 1, color="silver", hardware="gen3", set_up_at=_months_ago(life, 30))
        yield _ring(life, 2, color="deep_rose", hardware="or5", set_up_at=_months_ago(life, 2))
        return
    if "newcomer" in life.person.habits:
        # Rings that were never set up, as Oura lists them, and one that is as old as its data.
        yield _ring(life, 0, color="silver", hardware="gen2", set_up_at=None)
        yield _ring(life, 1, color="silver", hardware="gen3", set_up_at=utc_time(0))
        since = utc_time(at(life.first, 10.7, life.person.zone_on(life.first)))
        yield _ring(life, 2, color="silver", hardware="or5", set_up_at=since)
        return
    yield _ring(life, 9, color="titanium", hardware="gen4", set_up_at=_months_ago(life, 14))


def _ring(life: Life, number: int, *, color: str, hardware: str, set_up_at: str | None) -> Document:
    return {
        "id": life.id("ring_configuration", number),
        "color": color,
        "design": "heritage",
        "firmware_version": f"3.{number}.3",
        "hardware_type": hardware,
        "set_up_at": set_up_at,
        "size": 7 + life.rng("ring").randrange(6),
    }


def _months_ago(life: Life, months: int) -> str:
    day = life.first.replace(day=1) - timedelta(days=30 * months)
    return utc_time(at(day, 10.7, life.person.zone_on(day)))
