"""Offsets: nothing that was learned may change what the nearest one is."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Observations = list[tuple[datetime, timedelta]]


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, alone."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    return accounts


def _nearest(observations: Observations, instant: datetime) -> timedelta:
    """The offset observed nearest to an instant, the earlier one of two."""
    return min(observations, key=lambda seen: (abs(seen[0] - instant), seen[0]))[1]


def test_observations_come_back_in_utc_and_in_order(ada: Accounts) -> None:
    here = timezone(timedelta(hours=5, minutes=45))
    learned = [
        (START.astimezone(here), timedelta(hours=5, minutes=45)),
        (START - HOUR, -HOUR * 3),
        (START + timedelta(microseconds=1), timedelta(0)),
    ]
    assert ada.offsets.record("ada", iter(learned)) == 3
    assert ada.offsets.find("ada") == [learned[1], (START, learned[0][1]), learned[2]]
    assert [at.tzinfo for at, _ in ada.offsets.find("ada")] == [UTC] * 3


def test_of_several_for_one_instant_the_last_one_counts(ada: Accounts) -> None:
    assert ada.offsets.record("ada", [(START, HOUR), (START, 2 * HOUR)]) == 1
    assert ada.offsets.find("ada") == [(START, 2 * HOUR)]
    assert ada.offsets.record("ada", [(START, 3 * HOUR), (START + HOUR, HOUR)]) == 2
    assert ada.offsets.find("ada") == [(START, 3 * HOUR), (START + HOUR, HOUR)]


def test_what_is_known_already_is_not_written_again(ada: Accounts) -> None:
    learned = [(START, HOUR), (START + HOUR, HOUR)]
    assert ada.offsets.record("ada", learned) == 2
    assert ada.offsets.record("ada", learned) == 0
    assert ada.offsets.record("ada", []) == 0


def test_the_same_offset_between_two_others_still_matters_later(ada: Accounts) -> None:
    """Why nothing is left out: 01:00 between two equal neighbours decides about 01:10."""
    ada.offsets.record("ada", [(START, HOUR), (START + HOUR, HOUR), (START + 4 * HOUR, HOUR)])
    ada.offsets.record("ada", [(START + 2 * HOUR, timedelta(0))])
    instant = START + timedelta(minutes=70)
    kept = ada.offsets.find("ada")
    assert _nearest(kept, instant) == HOUR
    without = [seen for seen in kept if seen[0] != START + HOUR]
    assert _nearest(without, instant) == timedelta(0)


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_offset_is_as_if_all_observations_were_kept(ada: Accounts, seed: int) -> None:
    """Learned in pieces, out of order and repeatedly, with a traveller's changes of zone."""
    dice = random.Random(seed)
    everything: dict[datetime, timedelta] = {}
    for _ in range(8):
        piece = [
            (START + dice.randrange(200) * HOUR / 4, dice.choice([-5, 0, 0, 1, 1, 1]) * HOUR)
            for _ in range(dice.randrange(12))
        ]
        ada.offsets.record("ada", piece)
        everything |= dict(piece)
        if not everything:
            continue
        kept, complete = ada.offsets.find("ada"), list(everything.items())
        for minutes in range(-60, 3200, 13):
            instant = START + timedelta(minutes=minutes)
            assert _nearest(kept, instant) == _nearest(complete, instant)


def test_people_do_not_share_their_whereabouts(ada: Accounts) -> None:
    ada.people.add("bob", SignIn(refresh_token="s"))
    ada.offsets.record("ada", [(START, HOUR)])
    assert (ada.offsets.find("bob"), ada.offsets.find("eve")) == ([], [])
    with pytest.raises(UnknownPerson, match="there is no person 'eve'"):
        ada.offsets.record("eve", [(START, HOUR)])


def test_what_is_no_observation_is_refused(ada: Accounts) -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        ada.offsets.record("ada", [(START, HOUR), (datetime(2026, 1, 1), HOUR)])
    with pytest.raises(ValueError, match="in whole seconds"):
        ada.offsets.record("ada", [(START, timedelta(milliseconds=1))])
    assert ada.offsets.find("ada") == []


def test_sums_tell_whether_something_else_was_observed(ada: Accounts) -> None:
    """Of everybody who stays, or of one person up to an instant."""
    ada.people.add("bob", SignIn(refresh_token="s"))
    ada.offsets.record("ada", [(START, HOUR), (START + HOUR, 2 * HOUR)])
    ada.offsets.record("bob", [(START, -HOUR)])
    sums = {"ada": (2, START + HOUR, 10800), "bob": (1, START, -3600)}
    assert ada.offsets.sums() == sums
    assert ada.offsets.sum_until("ada", START) == (1, START, 3600)
    assert ada.offsets.sum_until("ada", START - HOUR) is None
    ada.removal.retire("ada")
    assert ada.offsets.sums() == {"bob": sums["bob"]}


def test_only_the_newer_observations_can_be_asked_for(ada: Accounts) -> None:
    learned = [(START, HOUR), (START + HOUR, 2 * HOUR), (START + 2 * HOUR, HOUR)]
    ada.offsets.record("ada", learned)
    assert ada.offsets.find("ada", START + HOUR) == learned[1:]
