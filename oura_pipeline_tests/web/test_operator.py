"""The operator's token: guessing is slowed down, and the operator stays admitted."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from oura_pipeline.web.operator import OperatorAuth
from oura_pipeline_tests.web.site_client import TOKEN


def test_a_stranger_cannot_keep_a_long_token_out() -> None:
    """One of 32 characters passes while guesses are refused; a shorter one waits with them."""
    entered = {}
    for token in ("x" * 32, "x" * 31):
        auth = OperatorAuth(token, clock=lambda: 0.0)
        entered[len(token)] = [_status(auth, given) for given in ["a guess"] * 11 + [token]]
    assert entered == {32: [401] * 10 + [429, 200], 31: [401] * 10 + [429, 429]}


def test_guessing_is_possible_again_after_a_minute() -> None:
    """Counted from the first of the ten; a request without any token is no guess."""
    now = [0.0]
    auth = OperatorAuth(TOKEN, clock=lambda: now[0])

    def status(given: str | None) -> int:
        return _status(auth, given)

    assert {status(None) for _ in range(50)} == {401}
    for second in range(10):
        now[0] = second
        assert status("a guess") == 401
    assert status(None) == 401
    now[0] = 59.9
    assert status(TOKEN) == 429
    now[0] = 60
    assert (status(TOKEN), status("a guess"), status(TOKEN)) == (200, 401, 429)


def _status(auth: OperatorAuth, given: str | None) -> int:
    try:
        auth.check(given)
    except HTTPException as refused:
        return refused.status_code
    return 200
