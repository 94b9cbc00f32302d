"""An Oura that speaks the protocol, and a client that never really waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import pytest
import stamina

from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.client import OuraClient
from oura_pipeline_tests.oura.speaking import Clock, HeldTokens, SpeakingOura

TODAY = date(2026, 5, 10)


@dataclass
class Wired:
    """A client with everything around it."""

    client: OuraClient
    oura: SpeakingOura
    tokens: HeldTokens
    clock: Clock
    budget: Budget
    waits: list[float] = field(default_factory=list)


@pytest.fixture(autouse=True)
def retries_without_waiting() -> Iterator[None]:
    """As many attempts as in real life, at once."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    """A client of one person before an Oura of this test."""
    oura, tokens, clock = SpeakingOura(), HeldTokens(), Clock()
    waits: list[float] = []
    with (
        httpx.Client(transport=httpx.MockTransport(oura)) as http,
        Budget(
            tmp_path / "budget.sqlite",
            requests=5000,
            seconds=300,
            sleep=clock.sleep,
            clock=clock,
            waiting=waits.append,
        ) as budget,
    ):
        client = OuraClient(
            http,
            api_url="https://api.oura.test/",
            tokens=tokens,
            budget=budget,
            today=lambda: TODAY,
        )
        yield Wired(client, oura, tokens, clock, budget, waits)


@pytest.fixture
def client(wired: Wired) -> OuraClient:
    """The client of `wired`."""
    return wired.client


@pytest.fixture
def oura(wired: Wired) -> SpeakingOura:
    """The Oura of `wired`."""
    return wired.oura
