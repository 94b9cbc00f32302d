"""Documents of sleeps for the tests of frames and plots."""

from __future__ import annotations

from typing import Any


def long_sleep(day: str, start: str, **fields: Any) -> dict[str, Any]:
    """A long sleep that begins at an hour of the evening before, in Kathmandu."""
    begins = f"2026-01-{start}:00+05:45"
    series = {"interval": 300.0, "timestamp": f"2026-01-{start}:00.000+05:45"}
    items = {name: {**series, "items": fields.pop(name, [])} for name in ("heart_rate", "hrv")}
    return {
        "id": f"n-{day}",
        "day": f"2026-01-{day}",
        "bedtime_start": begins,
        "type": "long_sleep",
        **items,
        **fields,
    }


ADAS_NIGHTS = [
    long_sleep("12", "11T23:30", average_hrv=None, lowest_heart_rate=51),
    long_sleep("10", "09T23:00", average_hrv=41, lowest_heart_rate=47, total_sleep_duration=27030),
    long_sleep(
        "14",
        "13T22:00",
        bedtime_end="2026-01-13T22:30:00+05:45",
        total_sleep_duration=1200,
        lowest_heart_rate=44,
        average_hrv=60,
        heart_rate=[50, 48, None, 44, 46],
        hrv=[None, 61.5, None, 70, 55],
        sleep_phase_5_min="421334",
    ),
]
ADAS_NAP = long_sleep(
    "15", "14T13:00", heart_rate=[90, 91], hrv=[20, 21], sleep_phase_5_min="44"
) | {
    "day": "2026-01-14",
    "type": "late_nap",
}
