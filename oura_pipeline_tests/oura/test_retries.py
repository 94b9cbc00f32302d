"""When a request is not sent again: its time is over, or the process is told to end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import date

import httpx
import pytest
import stamina

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import OuraUnavailable
from oura_pipeline.process import interrupts
from oura_pipeline_tests.oura.conftest import ClientSetup
from oura_pipeline_tests.oura.fake_oura import reply

DAY = date(2026, 3, 10)


def test_after_its_seconds_a_request_is_not_sent_again(setup: ClientSetup) -> None:
    """However many attempts are left; here the waits are real."""
    client = OuraClient(
        setup.http,
        api_url="https://api.oura.test/",
        tokens=setup.tokens,
        budget=setup.budget,
        seconds=0.1,
    )
    setup.oura.next_answers.extend([reply(503)] * 6)
    with stamina.set_testing(False), pytest.raises(OuraUnavailable):
        list(client.documents(DAILY_SLEEP, DAY, DAY))
    assert len(setup.oura.asked) <= 2


def test_who_is_told_to_end_does_not_send_a_request_again(setup: ClientSetup) -> None:
    """Nor for the first time."""

    def told_meanwhile(request: httpx.Request) -> httpx.Response:
        os.kill(os.getpid(), signal.SIGTERM)
        return reply(503)

    setup.oura.next_answers.append(told_meanwhile)
    # At the end of its block it raises once more.
    with suppress(interrupts.Interrupted), interrupts.deferred():
        for _ in range(2):
            with pytest.raises(interrupts.Interrupted):
                list(setup.client.documents(DAILY_SLEEP, DAY, DAY))
    assert len(setup.oura.asked) == 1
