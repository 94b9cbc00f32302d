"""Studies: who takes part, under which code, and what is left when somebody leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from oura_pipeline.accounts.errors import StudyRefused, UnknownPerson
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.studies import Enrolment, Participant, _shift

JOINED = Enrolment(
    first_day=date(2026, 3, 1), consent_version="1.0", consented_on=date(2026, 2, 20)
)


@pytest.fixture
def nap(accounts: Accounts) -> Accounts:
    """A study, and two people who are not in it yet."""
    for username in ("ada", "bob"):
        accounts.people.add(username, SignIn(refresh_token=f"r-{username}"))
    accounts.studies.create("nap")
    return accounts


def test_who_joins_gets_a_code_and_a_shift_of_whole_weeks(nap: Accounts) -> None:
    ada = nap.studies.enroll("nap", "ada", replace(JOINED, arm="early"))
    assert ada == Participant(
        study="nap",
        username="ada",
        person_id=nap.people.get("ada").id,
        state="connected",
        code=ada.code,
        arm="early",
        first_day=date(2026, 3, 1),
        consent_version="1.0",
        consented_on=date(2026, 2, 20),
        shift_days=ada.shift_days,
    )
    assert ada.code.startswith("P-")
    assert ada.shift_days % 7 == 0
    assert 0 < abs(ada.shift_days) <= 182
    assert nap.studies.participants("nap") == nap.studies.of_person("ada") == [ada]
    assert str(ada.shift_days) not in repr(ada)


def test_dates_shift_by_up_to_half_a_year_to_either_side_and_never_stay() -> None:
    weeks = {_shift() / 7 for _ in range(2000)}  # that one is missing has a chance of 1 in 10**15
    assert weeks == {*range(-26, 0), *range(1, 27)}


def test_a_study_may_last_a_day_and_an_arm_have_64_letters(nap: Accounts) -> None:
    least = replace(JOINED, last_day=JOINED.first_day, arm="a" * 64)
    assert nap.studies.enroll("nap", "ada", least).last_day == JOINED.first_day


def test_a_new_consent_keeps_the_code_and_the_shift(nap: Accounts) -> None:
    """And changes nothing of anybody else."""
    first = nap.studies.enroll("nap", "ada", replace(JOINED, code="A1"))
    bob = nap.studies.enroll("nap", "bob", replace(JOINED, code="B1"))
    withdrawn = nap.studies.withdraw("nap", "ada", date(2026, 4, 1))
    assert nap.studies.participants("nap") == [withdrawn, bob]
    again = nap.studies.enroll(
        "nap",
        "ada",
        replace(JOINED, consent_version="1.1", document_types=["sleep", "heartrate"]),
    )
    assert again == replace(
        first, consent_version="1.1", document_types=("heartrate", "sleep"), withdrawn_on=None
    )
    assert nap.studies.participants("nap") == [again, bob]


def test_a_withdrawal_ends_every_consent(nap: Accounts) -> None:
    ada = nap.studies.enroll("nap", "ada", replace(JOINED, document_types=["sleep"]))
    assert (ada.consented_to(["sleep"]), ada.consented_to(["sleep", "tag"])) == (True, False)
    withdrawn = nap.studies.withdraw("nap", "ada", date(2026, 4, 1))
    assert withdrawn.withdrawn_on == date(2026, 4, 1)
    assert not withdrawn.consented_to(["sleep"])


@pytest.mark.parametrize(
    ("study", "username", "changed", "why"),
    [
        ("gone", "ada", {}, "there is no study 'gone'; there are nap"),
        ("nap", "ada", {"code": "B1"}, "somebody else has the code B1 in nap"),
        ("nap", "ada", {"code": "../x"}, "'../x' cannot be a code"),
        ("nap", "ada", {"last_day": date(2026, 2, 1)}, "2026-02-01 is before 2026-03-01"),
        ("nap", "ada", {"code": "B_1"}, "'B_1' cannot be a code"),
        ("nap", "ada", {"consent_version": " "}, "the consent takes a text"),
        ("nap", "ada", {"arm": "a\nb"}, "the arm takes a text"),
        ("nap", "ada", {"arm": "a" * 65}, "the arm takes a text"),
    ],
)
def test_what_cannot_be_is_refused(
    study: str, username: str, changed: dict[str, Any], why: str, nap: Accounts
) -> None:
    """Nothing is changed by it."""
    nap.studies.enroll("nap", "bob", replace(JOINED, code="B1"))
    before = nap.studies.everybody()
    with pytest.raises(StudyRefused, match=why):
        nap.studies.enroll(study, username, replace(JOINED, **changed))
    assert nap.studies.everybody() == before


def test_a_stranger_cannot_join_or_leave(nap: Accounts) -> None:
    with pytest.raises(UnknownPerson):
        nap.studies.enroll("nap", "eve", JOINED)
    with pytest.raises(StudyRefused, match="ada does not take part in nap"):
        nap.studies.withdraw("nap", "ada", date(2026, 4, 1))


def test_a_name_is_given_once_and_can_be_a_folder(nap: Accounts) -> None:
    with pytest.raises(StudyRefused, match="there is a study nap already"):
        nap.studies.create("nap")
    for name in ("", "-x", "a/b", "a b", "x" * 33):
        with pytest.raises(StudyRefused, match="cannot be a study"):
            nap.studies.create(name)
    assert nap.studies.names() == ["nap"]


def test_who_is_deleted_leaves_no_trace_in_a_study(nap: Accounts) -> None:
    nap.studies.enroll("nap", "ada", replace(JOINED, code="A1"))
    bob = nap.studies.enroll("nap", "bob", replace(JOINED, code="B1"))
    nap.removal.delete("ada")
    assert nap.studies.participants("nap") == [bob]


def test_a_study_that_is_deleted_takes_nobody_along(nap: Accounts) -> None:
    """Nor another study; and nothing can be done with it any more."""
    nap.studies.create("walk")
    nap.studies.enroll("nap", "ada", JOINED)
    walking = nap.studies.enroll("walk", "ada", JOINED)
    nap.studies.delete("nap")
    assert nap.studies.names() == ["walk"]
    assert nap.studies.everybody() == [walking]
    assert nap.people.get("ada").username == "ada"
    for of_none in (
        lambda: nap.studies.delete("nap"),
        lambda: nap.studies.withdraw("nap", "ada", date(2026, 4, 1)),
        lambda: nap.studies.participants("nap"),
    ):
        with pytest.raises(StudyRefused, match="there is no study 'nap'; there are walk"):
            of_none()
