"""Oura's webhook subscriptions, which belong to the application and not to a person.

While Oura creates or changes one, it calls the receiver and waits for its answer. That call can be
minutes late, when our request has ended with a gateway's error long before. So after an error it is
unknown whether the subscription exists: list them again before the next try.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.oura.errors import (
    AlreadySubscribed,
    ClientRefused,
    GarbledAnswer,
    OuraUnavailable,
    RateLimited,
    SubscriptionGone,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import OuraResponse, send
from oura_pipeline.oura.oauth import DEFAULT_PAUSE_SECONDS
from oura_pipeline.oura.responses import detail, retry_after

PATH = "/v2/webhook/subscription"
VERIFICATION_SECONDS = 75.0  # Oura's gateway gives up after 60
_CONNECT_SECONDS = 10.0
_MAX_BYTES = 8 * 1024 * 1024
_TEXTS = ("id", "data_type", "event_type", "callback_url")


@dataclass(frozen=True, kw_only=True)
class OuraSubscription:
    """One subscription as Oura shows it.

    Attributes:
        id: Oura's.
        data_type: Oura's name of the type of document; possibly unknown here.
        event_type: create, update or delete.
        callback_url: where events go.
        expires_at: when it ends, UTC; None: unknown or unreadable.
    """

    id: str
    data_type: str
    event_type: str
    callback_url: str
    expires_at: datetime | None


class Subscriptions:
    """Our application's webhook subscriptions at Oura.

    Every method raises, besides what it says itself:
        ClientRefused: Oura does not accept our client id and secret.
        RateLimited: too many requests.
        OuraUnavailable: no answer, or a server error; whether it was done is unknown.
        UnexpectedAnswer: an answer that we do not understand.

    Args:
        http: the shared client.
        api_url: address of the API, without a path.
        client_id: of our application.
        client_secret: of our application.
        seconds: how long to wait for the answer to a change, during which Oura calls the receiver.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        api_url: str,
        client_id: str,
        client_secret: str,
        seconds: float = VERIFICATION_SECONDS,
    ) -> None:
        self._http = http
        self._url = api_url.rstrip("/") + PATH
        self._client_id = client_id
        self._client_secret = client_secret
        self._seconds = seconds

    def list(self) -> tuple[OuraSubscription, ...]:
        """Return all subscriptions, whatever their type and wherever they point."""
        rows = _json(self._ask("GET"))
        if not isinstance(rows, list):
            raise UnexpectedAnswer(
                "Oura's list of webhook subscriptions is not a list; try again later"
            )
        # One that is listed twice would be a duplicate of itself, and deleted.
        return tuple({row.id: row for row in map(_subscription, rows)}.values())

    def create(
        self, *, data_type: str, event_type: str, callback_url: str, verification_token: str
    ) -> OuraSubscription:
        """Create one; Oura calls the receiver, which must know the verification token.

        Raises:
            AlreadySubscribed: there is one of this data type and event type.
        """
        body = {
            "callback_url": callback_url,
            "verification_token": verification_token,
            "event_type": event_type,
            "data_type": data_type,
        }
        return _subscription(_json(self._ask("POST", body=body)))

    def renew(self, subscription_id: str) -> OuraSubscription:
        """Renew one for another 90 days or so.

        Raises:
            SubscriptionGone: there is none with this id.
        """
        return _subscription(_json(self._ask("PUT", f"/renew/{quote(subscription_id, safe='')}")))

    def update(
        self,
        subscription_id: str,
        *,
        verification_token: str,
        callback_url: str | None = None,
        data_type: str | None = None,
        event_type: str | None = None,
    ) -> OuraSubscription:
        """Change what is given, for instance where it points; Oura calls the receiver.

        Raises:
            SubscriptionGone: there is none with this id.
            AlreadySubscribed: there is another one of this data type and event type.
        """
        values = {
            "verification_token": verification_token,
            "callback_url": callback_url,
            "data_type": data_type,
            "event_type": event_type,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return _subscription(
            _json(self._ask("PUT", f"/{quote(subscription_id, safe='')}", body=given))
        )

    def delete(self, subscription_id: str) -> None:
        """Delete one; fine if it is gone already."""
        try:
            self._ask("DELETE", f"/{quote(subscription_id, safe='')}")
        except SubscriptionGone:
            return

    def _ask(
        self, method: str, path: str = "", body: Mapping[str, str] | None = None
    ) -> OuraResponse:
        request = self._http.build_request(
            method,
            self._url + path,
            json=body,
            headers={"x-client-id": self._client_id, "x-client-secret": self._client_secret},
            timeout=httpx.Timeout(self._seconds, connect=_CONNECT_SECONDS, pool=None),
        )
        answer = send(self._http, request, max_bytes=_MAX_BYTES, max_seconds=self._seconds)
        if answer.status in (200, 201, 204):
            return answer
        secrets = (self._client_secret, (body or {}).get("verification_token", ""))
        text = detail(answer, secrets)
        raise _error(answer, f": {text}" if text else "", known_id=bool(path))


def _error(answer: OuraResponse, text: str, *, known_id: bool) -> OuraError:
    match answer.status:
        case 401:
            return _client_refused(answer.status, text)
        case 403 | 404 if known_id:
            # Oura answers 403 to an id that it does not know.
            return SubscriptionGone("Oura has no such webhook subscription (any more)")
        case 403:
            return _client_refused(answer.status, text)
        case 409:
            return AlreadySubscribed(f"Oura already has such a webhook subscription{text}")
        case 429:
            seconds = retry_after(answer.headers)
            return RateLimited(DEFAULT_PAUSE_SECONDS if seconds is None else seconds)
        case status if status >= 500:
            return OuraUnavailable(
                f"Oura failed ({status}{text}), or could not reach our receiver; try again later, "
                "and check the address and certificate chain of OURA_PUBLIC_URL if that persists"
            )
        case status:
            return UnexpectedAnswer(
                f"Oura rejects the webhook subscription ({status}{text}); check that "
                "OURA_PUBLIC_URL can be reached from outside"
            )


def _client_refused(status: int, text: str) -> ClientRefused:
    return ClientRefused(
        f"Oura rejects our client ({status}{text}); check OURA_CLIENT_ID and OURA_CLIENT_SECRET"
    )


def _json(answer: OuraResponse) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        pass
    raise GarbledAnswer("Oura's answer about webhook subscriptions is not JSON; try again later")


def _subscription(row: Any) -> OuraSubscription:
    fields = row if isinstance(row, dict) else {}
    given = {name: fields[name] for name in _TEXTS if _is_text(fields.get(name))}
    # Refuses the whole list: an entry that looks like nobody's would be deleted.
    if len(given) < len(_TEXTS):
        raise UnexpectedAnswer(
            f"Oura lists a webhook subscription without {', '.join(_TEXTS)}; if Oura changed, "
            "change oura/subscriptions.py"
        )
    return OuraSubscription(**given, expires_at=_instant(fields.get("expiration_time")))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _instant(text: object) -> datetime | None:
    try:
        # With up to nine decimals, of which six are read; UTC where it names no zone.
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at and (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
