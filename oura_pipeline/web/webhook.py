"""The address that Oura calls: confirmation of the callback, and event deliveries."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from oura_pipeline.accounts.inbox import ReceivedEvent
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.oura.webhooks import (
    DeliveryRefused,
    Refusal,
    parse_event,
    verification_token,
    verify_delivery,
)
from oura_pipeline.sync.storage_failures import storage_failure
from oura_pipeline.web.metrics import RequestMetrics
from oura_pipeline.web.site import Site

RESPONSE_TIMEOUT_SECONDS = 8.0  # Oura gives up after 10
MAX_BODY_BYTES = 64 * 1024  # Oura's events have some hundred bytes
MAX_CHALLENGE_LENGTH = 512
MAX_BATCH = 500
MAX_WAITING = 5000  # at most 320 MB of bodies in memory
LOG_INTERVAL_SECONDS = 60.0
KNOWN_TYPES = frozenset(
    document_type.webhook for document_type in DOCUMENT_TYPES if document_type.webhook
)

# 200 means "on the disk". Whatever goes wrong here is a 503, because Oura then retries for an
# hour; never a 410, which would end the subscription.
STORED = Response(status_code=200)
NOT_STORED = JSONResponse({"detail": "try again"}, 503, headers={"retry-after": "60"})
DISCONNECTED = Response(status_code=400)
# The rest of the body is not read, so the connection cannot be used again.
TOO_LARGE = JSONResponse({"detail": "body too large"}, 413, headers={"connection": "close"})
WRONG_METHOD = JSONResponse({"detail": "method not allowed"}, 405, headers={"allow": "GET, POST"})
WRONG_TOKEN = JSONResponse({"detail": "wrong verification_token"}, 401)
BAD_CHALLENGE = JSONResponse({"detail": "challenge must have 1 to 512 characters"}, 400)
REFUSED = {
    refusal: JSONResponse({"detail": refusal.value}, 400 if refusal is Refusal.MALFORMED else 401)
    for refusal in Refusal
}
_log = logging.getLogger(__name__)


def routes(site: Site) -> list[BaseRoute]:
    """Return `/webhook`."""
    log = RateLimitedLog()
    webhook = Webhook(
        secret=site.settings.oura.client_secret.get_secret_value(),
        writer=BatchWriter(site.pipeline.accounts.inbox.receive, log),
        metrics=site.request_metrics,
        log=log,
    )
    return [Route("/webhook", webhook, name="webhook")]


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """The ASGI application of the webhook.

    Attributes:
        secret: of our client.
        writer: stores what passes the checks.
        metrics: count deliveries.
        log: of what was refused.
        timeout: seconds after which a delivery is answered 503.
    """

    secret: str = field(repr=False)
    writer: BatchWriter
    metrics: RequestMetrics
    log: RateLimitedLog
    timeout: float = RESPONSE_TIMEOUT_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            with self.metrics.webhook_seconds.time():
                response = await self._respond(scope, receive)
        elif scope["method"] == "GET":
            response = self._confirm(QueryParams(scope["query_string"]))
        else:
            response = WRONG_METHOD
        await response(scope, receive, send)

    def _confirm(self, query: QueryParams) -> Response:
        """Echo the challenge of a caller that knows the token shared by us and Oura."""
        given = query.get("verification_token", "").encode()
        if not self.secret or not hmac.compare_digest(
            given, verification_token(self.secret).encode()
        ):
            self.log.warn("handshake", "refused to confirm the webhook: wrong verification_token")
            return WRONG_TOKEN
        challenge = query.get("challenge", "")
        if not 0 < len(challenge) <= MAX_CHALLENGE_LENGTH:
            return BAD_CHALLENGE
        return JSONResponse({"challenge": challenge})

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._store(scope, receive)
        except DeliveryRefused as refused:
            self.metrics.refused.labels(refused.refusal.value).inc()
            self.log.warn(refused.refusal, f"webhook delivery refused: {refused}")
            return REFUSED[refused.refusal]
        except TimeoutError:
            self.log.warn("late", "webhook delivery not stored in time; Oura will retry")
            return NOT_STORED

    async def _store(self, scope: Scope, receive: Receive) -> Response:
        """Read and check a delivery, and wait until it is on the disk."""
        headers = dict(scope["headers"])
        if _content_length(headers.get(b"content-length")) > MAX_BODY_BYTES:
            return TOO_LARGE
        body = await _read_body(receive)
        if body is None:
            return DISCONNECTED
        if len(body) > MAX_BODY_BYTES:
            return TOO_LARGE
        verify_delivery(
            self.secret,
            timestamp=headers.get(b"x-oura-timestamp", b"").decode("latin-1"),
            signature=headers.get(b"x-oura-signature", b"").decode("latin-1"),
            body=body,
            now=datetime.now(UTC),
        )
        event = parse_event(body)
        incoming = ReceivedEvent(
            body=body,
            oura_id=event.user_id,
            data_type=event.data_type,
            known_type=event.data_type in KNOWN_TYPES,
        )
        return STORED if await self.writer.write(incoming) else NOT_STORED


class BatchWriter:
    """Stores deliveries that wait at the same time in one transaction, so they share its commit.

    Args:
        write: stores events durably, all or none; runs in a thread.
        log: of failed writes.
    """

    def __init__(
        self, write: Callable[[Sequence[ReceivedEvent]], object], log: RateLimitedLog
    ) -> None:
        self._write = write
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-inbox")
        self._waiting: deque[tuple[ReceivedEvent, asyncio.Future[bool]]] = deque()
        # It lives only while something waits: a server that has finished its requests has nothing
        # left to write.
        self._writing: asyncio.Task[None] | None = None

    async def write(self, incoming: ReceivedEvent) -> bool:
        """Return whether the delivery is on the disk."""
        if len(self._waiting) >= MAX_WAITING:
            self._log.warn("full", "too many webhook deliveries are waiting; Oura will retry")
            return False
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return await stored

    async def _write_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                events = [incoming for incoming, _ in batch]
                stored = await loop.run_in_executor(self._thread, self._try_write, events)
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_result(stored)
        finally:
            self._writing = None

    def _next_batch(self) -> list[tuple[ReceivedEvent, asyncio.Future[bool]]]:
        batch: list[tuple[ReceivedEvent, asyncio.Future[bool]]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            incoming, waiting = self._waiting.popleft()
            if not waiting.done():  # done: its timeout was over, and Oura was told to retry
                batch.append((incoming, waiting))
        return batch

    def _try_write(self, events: Sequence[ReceivedEvent]) -> bool:
        try:
            self._write(events)
        except Exception as error:  # whatever it is, Oura must retry
            # Otherwise only the class: the message of an SQL error may quote a body.
            reason = storage_failure(error) or type(error).__name__
            self._log.warn("write", f"webhook deliveries could not be stored ({reason})")
            return False
        return True


class RateLimitedLog:
    """A log that strangers cannot fill: one line a minute for each reason, the rest is counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def warn(self, reason: str, message: str) -> None:
        """Log the message or count it; `reason` is one of a few fixed names."""
        now = self._clock()
        if now < self._next.get(reason, now):
            self._suppressed[reason] += 1
            return
        self._next[reason] = now + LOG_INTERVAL_SECONDS
        suppressed = self._suppressed.pop(reason, 0)
        _log.warning("%s%s", message, f" ({suppressed} more before)" if suppressed else "")


def _content_length(value: bytes | None) -> int:
    return int(value or 0)  # uvicorn has refused what is not a number


async def _read_body(receive: Receive) -> bytes | None:
    """Return the raw body, or hardly more than is allowed of it; None: the caller went away."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
