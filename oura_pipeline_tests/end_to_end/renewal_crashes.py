"""Processes that are killed while they renew somebody's tokens."""

from __future__ import annotations

import os
import signal

from oura_pipeline.catalog.credentials import TokenPair
from oura_pipeline.pipeline import open_pipeline


def die_before_the_request(settings: dict[str, str], username: str) -> None:
    """Die after it was announced, before Oura is asked: nothing is used up."""

    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        _die()
        raise AssertionError("nobody gets here")

    os.environ.update(settings)
    with open_pipeline() as pipeline:
        tokens = pipeline.accounts.tokens.get(username, renew)
        tokens.renew(tokens.access_token())


def die_after_the_answer(settings: dict[str, str], username: str) -> None:
    """Die with Oura's answer in hand, before it is saved: the old token is used up."""
    os.environ.update(settings)
    with open_pipeline() as pipeline:

        def renew(refresh_token: str, token_url: str | None) -> TokenPair:
            answer = pipeline.oauth.renew(refresh_token, token_url)
            _die()
            return answer

        tokens = pipeline.accounts.tokens.get(username, renew)
        tokens.renew(tokens.access_token())


def die_after_saving(settings: dict[str, str], username: str) -> None:
    """Die when the new tokens are saved, before anybody uses them."""
    os.environ.update(settings)
    with open_pipeline() as pipeline:
        tokens = pipeline.tokens(username)
        tokens.renew(tokens.access_token())
        _die()


def _die() -> None:
    # Like a power cut: nothing is closed, nothing is printed.
    os.kill(os.getpid(), signal.SIGKILL)
