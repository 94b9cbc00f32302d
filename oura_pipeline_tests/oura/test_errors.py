"""The errors as the rest of the project sees them."""

from __future__ import annotations

import pickle

import pytest

from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.oura.errors import GarbledAnswer, RateLimited, ScopeNotGranted


@pytest.mark.parametrize(
    "error", [ScopeNotGranted("stress"), RateLimited(120.0), GarbledAnswer("no JSON")]
)
def test_an_error_survives_the_way_between_processes(error: OuraError) -> None:
    """With what it knows."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_messages_say_what_to_do() -> None:
    """In one line."""
    assert str(ScopeNotGranted("stress")) == (
        "the scope stress is not granted; the person can grant it by signing in again"
    )
    assert str(RateLimited(119.6)) == (
        "Oura's limit of requests is used up; ask again in 120 s, or lower OURA_RATE_LIMIT if that "
        "happens often"
    )
