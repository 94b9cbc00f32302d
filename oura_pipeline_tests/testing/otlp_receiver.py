"""A receiver of OpenTelemetry's protocol over HTTP, which keeps what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from oura_pipeline_tests.testing.http_server import QuietHandler, serving


@dataclass
class OtlpReceiver:
    """What was received.

    Attributes:
        url: where it listens.
        spans: in the order in which they came.
        metrics: likewise.
        services: who sent them.
        raw: the bytes of all of it.
    """

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    raw: bytes = b""


def attributes(pairs: list[KeyValue]) -> dict[str, str | int]:
    """Attributes as plain values."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A receiver on a free port of this machine."""
    receiver = OtlpReceiver()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.raw += body
            answer = {"/v1/traces": _take_spans, "/v1/metrics": _take_metrics}[self.path](
                receiver, body
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as url:
        receiver.url = url
        yield receiver


def _take_spans(receiver: OtlpReceiver, body: bytes) -> bytes:
    for one in ExportTraceServiceRequest.FromString(body).resource_spans:
        receiver.services.add(str(attributes(one.resource.attributes)["service.name"]))
        receiver.spans += [span for scope in one.scope_spans for span in scope.spans]
    return ExportTraceServiceResponse().SerializeToString()


def _take_metrics(receiver: OtlpReceiver, body: bytes) -> bytes:
    for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        receiver.services.add(str(attributes(one.resource.attributes)["service.name"]))
        receiver.metrics += [metric for scope in one.scope_metrics for metric in scope.metrics]
    return ExportMetricsServiceResponse().SerializeToString()
