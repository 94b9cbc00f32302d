"""What Oura calls: the question whether the callback is ours, and the events.

What surprises: 200 means "on the disk". EventCount that come while one is being written wait for
each other and become one transaction, so a commit is paid once for all of them; whatever goes
wrong is answered 503, because Oura tries again for an hour, and never 410, which would end the
subscription.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from oura_pipeline.web.metrics import QuietLog, Traffic
from oura_pipeline.web.site import Site

ANSWER_SECONDS = 8.0  # Oura gives up after 10
LARGEST_BODY = 64 * 1024
LONGEST_CHALLENGE = 512
LARGEST_BATCH = 500
MOST_WAITING = 5000
KNOWN_TYPES = frozenset(
    document_type.webhook for document_type in DOCUMENT_TYPES if document_type.webhook
)

KEPT = Response(status_code=200)
GONE_AWAY = Response(status_code=400)
TOO_LARGE = JSONResponse({"detail": "too large"}, 413, headers={"connection": "close"})
NOT_KEPT = JSONResponse({"detail": "try again"}, 503, headers={"retry-after": "60"})
WRONG_METHOD = JSONResponse({"detail": "POST or GET"}, 405, headers={"allow": "GET, POST"})
WRONG_TOKEN = JSONResponse({"detail": "wrong verification_token"}, 401)
BAD_CHALLENGE = JSONResponse({"detail": "challenge has 1 to 512 characters"}, 400)
REFUSED = {
    refusal: JSONResponse({"detail": refusal.value}, 400 if refusal is Refusal.MALFORMED else 401)
    for refusal in Refusal
}


def routes(site: Site) -> list[BaseRoute]:
    """The address that Oura calls."""
    log = QuietLog()
    secret = site.settings.oura.client_secret.get_secret_value()
    inbox = Inbox(site.pipeline.accounts.inbox.receive, log)
    webhook = Webhook(secret, inbox=inbox, traffic=site.traffic, log=log)
    return [Route("/webhook", webhook, name="webhook")]


class Webhook:
    """The ASGI application of the one address; no session, no template.

    Args:
        secret: of our client.
        inbox: keeps what is good.
        traffic: counts.
        log: told what was refused.
        seconds: until when there is an answer, whatever it is.
    """

    def __init__(
        self,
        secret: str,
        *,
        inbox: Inbox,
        traffic: Traffic,
        log: QuietLog,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._secret = secret
        self._inbox = inbox
        self._traffic = traffic
        self._log = log
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "POST":
            with self._traffic.webhook_seconds.time():
                answer = await self._answer(scope, receive)
        elif scope["method"] == "GET":
            answer = self._shake_hands(QueryParams(scope["query_string"]))
        else:
            answer = WRONG_METHOD
        await answer(scope, receive, send)

    def _shake_hands(self, query: QueryParams) -> Response:
        """Repeat the challenge of who knows the token that only we and Oura know."""
        given = query.get("verification_token", "").encode()
        if not self._secret or not hmac.compare_digest(
            given, verification_token(self._secret).encode()
        ):
            self._log.warn("handshake", "refused to confirm the webhook: the token is not ours")
            return WRONG_TOKEN
        challenge = query.get("challenge", "")
        if not 0 < len(challenge) <= LONGEST_CHALLENGE:
            return BAD_CHALLENGE
        return JSONResponse({"challenge": challenge})

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._keep(scope, receive)
        except DeliveryRefused as refused:
            self._traffic.refused.labels(refused.refusal.value).inc()
            self._log.warn(refused.refusal, f"refused a webhook delivery: {refused}")
            return REFUSED[refused.refusal]
        except TimeoutError:
            self._log.warn("late", "a webhook delivery could not be kept in time; Oura tries again")
            return NOT_KEPT

    async def _keep(self, scope: Scope, receive: Receive) -> Response:
        """Read, check, and wait until it is on the disk."""
        headers = dict(scope["headers"])
        if _announced(headers.get(b"content-length")) > LARGEST_BODY:
            return TOO_LARGE
        body = await _body(receive)
        if body is None:
            return GONE_AWAY
        if len(body) > LARGEST_BODY:
            return TOO_LARGE
        verify_delivery(
            self._secret,
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
        return KEPT if await self._inbox.keep(incoming) else NOT_KEPT


class Inbox:
    """Writes deliveries together that wait together.

    The task that writes lives only as long as something waits: a server that ends its requests
    before it ends has nothing left to write.

    Args:
        write: keeps events durably, all or none; runs in a thread.
        log: told when it could not.
    """

    def __init__(self, write: Callable[[Sequence[ReceivedEvent]], object], log: QuietLog) -> None:
        self._write = write
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-inbox")
        self._waiting: deque[tuple[ReceivedEvent, asyncio.Future[bool]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, incoming: ReceivedEvent) -> bool:
        """Whether it is on the disk now."""
        if len(self._waiting) >= MOST_WAITING:
            self._log.warn("full", "too many webhook deliveries wait; Oura tries again")
            return False
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await kept

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                events = [incoming for incoming, _ in batch]
                kept = await loop.run_in_executor(self._thread, self._written, events)
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_result(kept)
        finally:
            self._writing = None

    def _next_batch(self) -> list[tuple[ReceivedEvent, asyncio.Future[bool]]]:
        """The oldest, without those that were answered meanwhile because time was up."""
        batch: list[tuple[ReceivedEvent, asyncio.Future[bool]]] = []
        while self._waiting and len(batch) < LARGEST_BATCH:
            incoming, waiting = self._waiting.popleft()
            if not waiting.done():
                batch.append((incoming, waiting))
        return batch

    def _written(self, events: Sequence[ReceivedEvent]) -> bool:
        """Whether they were written; what went wrong is named, not quoted: it may hold a body."""
        try:
            self._write(events)
        except Exception as error:  # whatever it is, Oura must try again
            name = type(error).__name__
            self._log.warn("write", f"webhook deliveries could not be kept ({name})")
            return False
        return True


def _announced(content_length: bytes | None) -> int:
    """Bytes of the body as announced; the server has refused what is no number."""
    return int(content_length or 0)


async def _body(receive: Receive) -> bytes | None:
    """The raw body, not much more of it than is allowed; None: whoever sent it went away."""
    body = b""
    while len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
