"""From a collection's name to the documents or rows of a life."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oura_pipeline.sandbox.generate import activity, daily, events, profile, samples, sleep
from oura_pipeline.sandbox.generate.blank import Document
from oura_pipeline.sandbox.generate.life import Life

# Each function has its collection's name.
_FUNCTIONS: tuple[Callable[[Life], Iterator[Document]], ...] = (
    activity.daily_activity,
    *(daily.daily_cardiovascular_age, daily.daily_readiness, daily.daily_resilience),
    *(daily.daily_sleep, daily.daily_spo2, daily.daily_stress, daily.sleep_time),
    *(events.enhanced_tag, events.rest_mode_period, events.session, events.tag, events.workout),
    profile.ring_configuration,
    sleep.sleep,
)
DOCUMENTS: dict[str, Callable[[Life], Iterator[Document]]] = {
    **{function.__name__: function for function in _FUNCTIONS},
    # The one whose name is no Python name.
    "vO2_max": daily.vo2_max,
}
SAMPLES: dict[str, Callable[[Life], samples.Rows]] = {
    "heartrate": samples.heartrate,
    "ring_battery_level": samples.ring_battery_level,
}
