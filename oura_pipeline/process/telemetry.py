"""Traces and metrics by OpenTelemetry: one trace per run, person, document type and range of days.

Off, nothing of OpenTelemetry is imported. On, its own OTEL_ variables say the rest.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oura_pipeline.process import logs

if TYPE_CHECKING:
    from opentelemetry.context import Context

FIRST_STAGE = "request"  # it begins a trace; all later stages are children of it
SERVICE = "oura_pipeline"
# For a batch; at the end of a run that is waited for, whether anybody listens or not.
_SECONDS = 2.0


class TelemetryMissing(Exception):
    """OpenTelemetry is wanted and not installed."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a trace is about: ids and days, never a name.

    Attributes:
        person: an id such as `p-7f3k2m`.
        document_type: the name of the type.
        first_day: of the range, as text.
        last_day: included.
        run: the id of the run; empty: there is none.
    """

    person: str
    document_type: str
    first_day: str
    last_day: str
    run: str = field(default_factory=lambda: str(logs.current("run")))

    @property
    def ids(self) -> tuple[int, int]:
        """The ids of its trace and of the first span, which every process knows from it alone."""
        parts = (self.run, self.person, self.document_type, self.first_day, self.last_day)
        digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=24).digest()
        return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")


@dataclass
class Stage:
    """What is counted in a stage, by what it is."""

    counts: dict[str, int] = field(default_factory=dict)


class Telemetry:
    """Telemetry that is off."""

    is_on = False

    @contextmanager
    def stage(self, name: str, subjects: Callable[[], Sequence[Subject]]) -> Iterator[Stage]:
        """Time a stage; what it is about is asked for only where it is recorded."""
        yield Stage()

    def record(
        self, name: str, subject: Subject, began: int, ended: int, counts: dict[str, int]
    ) -> None:
        """Record a stage that is over, by times in nanoseconds."""

    def close(self) -> None:
        """Send what was not sent yet."""


def open_telemetry(endpoint: str) -> Telemetry:
    """Return telemetry that goes to an OTLP receiver; without an address it is off.

    Raises:
        TelemetryMissing: OpenTelemetry is not installed.
    """
    if not endpoint:
        return Telemetry()
    try:
        return OpenTelemetry(endpoint)
    except ImportError as error:
        raise TelemetryMissing(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: "
            "`pip install 'oura_pipeline[telemetry]'`, or unset it"
        ) from error


class OpenTelemetry(Telemetry):
    """Telemetry that is sent to a receiver by OTLP over HTTP, in the background."""

    is_on = True

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        base = endpoint.rstrip("/")
        # What the environment says of the service counts more.
        resource = Resource({"service.name": SERVICE}).merge(OTELResourceDetector().detect())
        wanted = threading.local()

        class Ids(RandomIdGenerator):
            """Random ids, except for a span whose ids follow from what it is about."""

            def generate_trace_id(self) -> int:
                trace, _ = getattr(wanted, "ids", (0, 0))
                return trace or super().generate_trace_id()

            def generate_span_id(self) -> int:
                _, span = getattr(wanted, "ids", (0, 0))
                return span or super().generate_span_id()

        self._wanted = wanted
        self._tracers = TracerProvider(resource=resource, id_generator=Ids())
        self._tracers.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=_SECONDS))
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=_SECONDS)
        )
        self._meters = MeterProvider(metric_readers=[reader], resource=resource)
        self._tracer = self._tracers.get_tracer(SERVICE)
        meter = self._meters.get_meter(SERVICE)
        self._seconds = meter.create_histogram(
            "oura.stage.duration", "s", "How long a stage took, by stage and document type."
        )
        self._counted = meter.create_counter(
            "oura.stage.count", "1", "What a stage dealt with, by stage, kind and document type."
        )

    @contextmanager
    def stage(self, name: str, subjects: Callable[[], Sequence[Subject]]) -> Iterator[Stage]:
        stage, began = Stage(), time.time_ns()
        try:
            yield stage
        finally:
            ended = time.time_ns()
            for subject in subjects():
                self.record(name, subject, began, ended, stage.counts)

    def record(
        self, name: str, subject: Subject, began: int, ended: int, counts: dict[str, int]
    ) -> None:
        labels = {"stage": name, "document_type": subject.document_type}
        self._seconds.record((ended - began) / 1e9, labels)
        for kind, count in counts.items():
            self._counted.add(count, {**labels, "kind": kind})
        attributes: dict[str, str | int] = {
            **{f"oura.{what}": text for what, text in vars(subject).items()},
            **{f"oura.{kind}": count for kind, count in counts.items()},
        }
        self._wanted.ids = subject.ids if name == FIRST_STAGE else (0, 0)
        try:
            span = self._tracer.start_span(
                name, _parent(name, subject), attributes=attributes, start_time=began
            )
        finally:
            self._wanted.ids = (0, 0)
        span.end(ended)

    def close(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


def _parent(name: str, subject: Subject) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    if name == FIRST_STAGE:
        return Context()
    trace, span = subject.ids
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(
        NonRecordingSpan(SpanContext(trace, span, is_remote=True, trace_flags=sampled)), Context()
    )
