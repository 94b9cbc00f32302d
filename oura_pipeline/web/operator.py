"""Authentication of the operator, shared by the pages and the API."""

from __future__ import annotations

import hmac
import math
import time
from collections import deque
from collections.abc import Callable

from starlette.exceptions import HTTPException

MAX_FAILURES = 10
FAILURE_WINDOW_SECONDS = 60.0
UNGUESSABLE_LENGTH = 32  # characters of a token


class OperatorAuth:
    """A check of the operator's token that slows guessing down; an empty token admits nobody.

    After ten wrong tokens within a minute nobody is admitted for the rest of it, except with the
    right token if that has at least 32 characters.

    Args:
        token: the operator's.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)

    def check(self, given: str | None) -> None:
        """Return when the token is right.

        Raises:
            HTTPException: 503, 429 or 401, with what to do.
        """
        if not self._token:
            raise HTTPException(503, "the API is off: set OURA_OPERATOR_TOKEN and restart")
        # As bytes: compare_digest refuses text beyond ASCII.
        right = given is not None and hmac.compare_digest(given.encode(), self._token)
        # A stranger who keeps guessing must not be able to lock the operator out. A token of this
        # length is not guessed anyway.
        if right and len(self._token) >= UNGUESSABLE_LENGTH:
            return
        if given is None:  # no guess
            raise _required()
        if wait := self._wait():
            retry = {"Retry-After": str(math.ceil(wait))}
            raise HTTPException(429, "too many wrong tokens: wait a minute", retry)
        if not right:
            self._failures.append(self._clock())
            raise _required()

    def _wait(self) -> float:
        """Return the seconds until the next guess is allowed."""
        if len(self._failures) < MAX_FAILURES:
            return 0.0
        return max(self._failures[0] + FAILURE_WINDOW_SECONDS - self._clock(), 0.0)


def _required() -> HTTPException:
    challenge = {"WWW-Authenticate": "Bearer"}
    return HTTPException(401, "operator token required: Authorization: Bearer …", challenge)
