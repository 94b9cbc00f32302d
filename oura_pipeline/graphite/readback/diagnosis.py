"""Why points cannot be read back, by what graphite-web shows of their metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from oura_pipeline.graphite.readback.render import RenderClient, StoredSeries

_SAMPLE = 40  # metrics; those of one cause are alike
_RECENT_SECONDS = 900  # carbon writes its own metrics once a minute


class Cause(StrEnum):
    """Why a point is not there."""

    DAMAGED = "damaged"
    RETENTION = "retention"
    NOT_CREATED = "not created"
    NOT_WRITTEN = "not written"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cause, and what speaks for it.

    Attributes:
        cause: why points are not there.
        example: one of the metrics.
        counted: how often carbon itself says that it happened in the last minutes.
    """

    cause: Cause
    example: str
    counted: int = 0


# No advice deletes anything: a file with the wrong retention still holds what is right.
_ADVICE = {
    Cause.DAMAGED: "Graphite-web cannot read a file{example}: where `whisper-info.py` cannot read "
    "it either (a carbon that is killed while it creates one leaves 0 or 28 bytes), move the .wsp "
    "file away, and carbon makes a new one.",
    Cause.RETENTION: "Carbon's storage-schemas.conf had no section for a metric{example} when it "
    "was created, so its file does not reach back far enough, or is too coarse. Run "
    "`oura-pipeline graphite schemas`, install both files and restart carbon; `whisper-resize.py` "
    "gives files that exist the retention of their section and keeps their values.",
    Cause.NOT_CREATED: "Carbon has created no file for a metric{example}{counted}: it creates "
    "MAX_CREATES_PER_MINUTE of them a minute (50 as shipped) and drops the points of the others. "
    "Set it to inf in carbon.conf. Is GRAPHITE_RENDER_URL the graphite-web of this carbon?",
    Cause.NOT_WRITTEN: "The files are right{example}, so carbon has not written the points yet, or "
    "dropped them because its cache was full{counted}. Should that go on, set MAX_CACHE_SIZE and "
    "MAX_UPDATES_PER_SECOND to inf in carbon.conf.",
}
_COUNTERS = {
    Cause.NOT_CREATED: "carbon.agents.*.droppedCreates",
    Cause.NOT_WRITTEN: "carbon.agents.*.cache.overflow",
}
AFTERWARDS = "Nothing has to be deleted: what is missing is sent again by itself."


def diagnose(
    render: RenderClient, missing: Mapping[str, Sequence[int]], *, now: int
) -> list[Finding]:
    """Return the causes that are found among metrics with missing points.

    Args:
        render: reads from graphite-web.
        missing: for each metric, times of missing points, UTC seconds.
        now: the present, UTC seconds.

    Raises:
        GraphiteUnavailable: graphite-web does not answer.
    """
    if not render.whisper:  # all causes are of carbon and of its files
        return []
    sample = sorted(missing)[:: max(1, len(missing) // _SAMPLE)]
    render.values(sample, now - 60, now)  # finds out which of them it cannot read
    damaged = [name for name in sample if name in render.unreadable]
    names = [name for name in sample if name not in render.unreadable]
    recent = render.stored_series(names, now - 60, now) if names else {}
    found = dict.fromkeys([Cause.DAMAGED], damaged[0]) if damaged else {}
    for at, metrics in _by_time(names, missing).items():
        # A moment only: whisper answers it from the archive that covers its age.
        stored = render.stored_series(metrics, at, at)
        for name in metrics:
            found.setdefault(_cause(stored.get(name), at, exists=name in recent), name)
    return [
        Finding(cause=cause, example=found[cause], counted=_counted(render, cause, now))
        for cause in Cause
        if cause in found
    ]


def advice(findings: Iterable[Finding], *, names: bool) -> str:
    """Return what to do, in one line; empty where nothing was found.

    Args:
        findings: of `diagnose`.
        names: whether metrics may be named: they hold usernames.
    """
    texts = [
        _ADVICE[one.cause].format(
            example=f" ({one.example})" if names else "",
            counted=f" (it counted {one.counted:,} such points)" if one.counted else "",
        )
        for one in findings
    ]
    return " ".join([*texts, AFTERWARDS]) if texts else ""


def _by_time(names: Sequence[str], missing: Mapping[str, Sequence[int]]) -> dict[int, list[str]]:
    times: dict[int, list[str]] = defaultdict(list)
    for name in names:
        times[min(missing[name])].append(name)
    return times


def _cause(stored: StoredSeries | None, at: int, *, exists: bool) -> Cause:
    if stored is None:
        return Cause.RETENTION if exists else Cause.NOT_CREATED
    after = at - stored.start
    fits = 0 <= after < stored.step * len(stored.values) and after % stored.step == 0
    return Cause.NOT_WRITTEN if fits else Cause.RETENTION


def _counted(render: RenderClient, cause: Cause, now: int) -> int:
    """Return how often carbon says that it happened lately; 0 where it does not say."""
    if cause not in _COUNTERS:
        return 0
    counters = render.values([_COUNTERS[cause]], now - _RECENT_SECONDS, now)
    return int(sum(value for series in counters.values() for value in series.values()))
