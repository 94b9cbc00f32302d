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
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.client import OuraClient, Tokens
from oura_pipeline_tests.oura.fake_oura import FakeClock, FakeOura, FakeTokens

TODAY = date(2026, 5, 10)


@dataclass
class ClientSetup:
    """A client with everything around it."""

    http: httpx.Client
    oura: FakeOura
    tokens: FakeTokens
    clock: FakeClock
    budget: Budget
    waits: list[float] = field(default_factory=list)
    client: OuraClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.client_with(self.tokens)

    def client_with(self, tokens: Tokens) -> OuraClient:
        """A client with other tokens."""
        return OuraClient(
            self.http,
            api_url="https://api.oura.test/",
            tokens=tokens,
            budget=self.budget,
            today=lambda: TODAY,
        )


@pytest.fixture(autouse=True)
def retries_without_waiting() -> Iterator[None]:
    """As many attempts as in real life, at once."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[ClientSetup]:
    """A client of one person before an Oura of this test."""
    oura, tokens, clock = FakeOura(), FakeTokens(), FakeClock()
    waits: list[float] = []
    with (
        httpx.Client(transport=httpx.MockTransport(oura)) as http,
        Budget(
            BudgetFile(tmp_path / "budget.sqlite", requests=5000, seconds=300, clock=clock),
            sleep=clock.sleep,
            clock=clock,
            waiting=waits.append,
        ) as budget,
    ):
        yield ClientSetup(http, oura, tokens, clock, budget, waits)


@pytest.fixture
def client(setup: ClientSetup) -> OuraClient:
    """The client of `setup`."""
    return setup.client


@pytest.fixture
def oura(setup: ClientSetup) -> FakeOura:
    """The Oura of `setup`."""
    return setup.oura
