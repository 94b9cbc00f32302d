"""From a collection's name to the documents of a life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from oura_pipeline.sandbox.generate import activity, daily, events, profile, sleep
from oura_pipeline.sandbox.generate.life import Life

Document = dict[str, Any]

DOCUMENTS: dict[str, Callable[[Life], Iterator[Document]]] = {
    "daily_activity": activity.daily_activity,
    "daily_cardiovascular_age": daily.daily_cardiovascular_age,
    "daily_readiness": daily.daily_readiness,
    "daily_resilience": daily.daily_resilience,
    "daily_sleep": daily.daily_sleep,
    "daily_spo2": daily.daily_spo2,
    "daily_stress": daily.daily_stress,
    "enhanced_tag": events.enhanced_tag,
    "rest_mode_period": events.rest_mode_period,
    "ring_configuration": profile.ring_configuration,
    "session": events.session,
    "sleep": sleep.sleep,
    "sleep_time": daily.sleep_time,
    "tag": events.tag,
    "vO2_max": daily.vo2_max,
    "workout": events.workout,
}
