"""Sign-ins that are under way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet

from oura_pipeline.accounts.consents import Consent
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import at_once, content, opened
from oura_pipeline_tests.accounts.times import age


def test_a_consent_is_taken_once_and_as_it_was_begun(accounts: Accounts) -> None:
    before = datetime.now(UTC)
    accounts.people.add("ada", SignIn(refresh_token="r"))
    known = {"verifier": "v1", "browser": "b1", "username": "ada", "invite": "i1", "prompt": "p1"}
    accounts.consents.begin("s1", **known)
    accounts.consents.begin("s2", verifier="v2", browser=None)
    first, second = accounts.consents.take("s1"), accounts.consents.take("s2")
    assert first is not None
    assert second is not None
    assert first == Consent(**known, begun_at=first.begun_at)
    assert second == Consent(
        verifier="v2", browser=None, username=None, invite=None, begun_at=second.begun_at
    )
    assert before <= first.begun_at < second.begun_at <= datetime.now(UTC)
    assert (accounts.consents.take("s1"), accounts.consents.take("s3")) == (None, None)


def _take(home: Path, number: int) -> bool:
    with opened(home) as accounts:
        return accounts.consents.take("s") is not None


def test_of_several_who_come_back_with_the_same_state_one_is_let_in(
    home: Path, accounts: Accounts
) -> None:
    accounts.consents.begin("s", verifier="v", browser=None)
    assert sorted(at_once(4, _take, home)) == [False, False, False, True]


def test_a_consent_is_good_for_ten_minutes(home: Path, accounts: Accounts) -> None:
    accounts.consents.begin("early", verifier="v", browser=None)
    age(home, "consents", "begun_at", timedelta(minutes=9))
    accounts.consents.begin("late", verifier="v", browser=None)
    age(home, "consents", "begun_at", timedelta(minutes=1))
    assert accounts.consents.take("early") is None
    assert accounts.consents.take("late") is not None


def test_who_never_came_back_is_forgotten_when_the_next_one_goes(
    home: Path, accounts: Accounts
) -> None:
    accounts.consents.begin("old", verifier="v", browser=None)
    age(home, "consents", "begun_at", timedelta(minutes=10))
    accounts.consents.begin("new", verifier="v", browser=None)
    age(home, "consents", "begun_at", timedelta(minutes=-10))
    assert accounts.consents.take("old") is None
    assert accounts.consents.take("new") is not None


def test_somebody_may_be_sent_who_is_not_here_yet(accounts: Accounts) -> None:
    """The operator says what they are to be called."""
    accounts.consents.begin("s", verifier="v", browser=None, username="eve")
    consent = accounts.consents.take("s")
    assert consent is not None
    assert consent.username == "eve"


def test_no_secret_of_a_consent_shows(home: Path, accounts: Accounts) -> None:
    """Neither in the files nor in a repr."""
    secrets = ["the-state", "the-verifier", "the-browser", "the-invite"]
    accounts.consents.begin(secrets[0], verifier=secrets[1], browser=secrets[2], invite=secrets[3])
    assert [secret for secret in secrets if secret.encode() in content(home)] == []
    consent = repr(accounts.consents.take(secrets[0]))
    assert consent.startswith("Consent(username=None, begun_at=")
    assert [secret for secret in secrets if secret in consent] == []


def test_a_consent_outlives_a_change_of_keys_and_needs_none(home: Path) -> None:
    """Where the old key is gone it is unknown, and keeps nobody from opening the accounts."""
    old, new, strange = (Fernet.generate_key().decode() for _ in range(3))
    with opened(home, keys=[old]) as accounts:
        for state in ("s1", "s2", "s3"):
            accounts.consents.begin(state, verifier="v", browser="b", invite="i")
    with opened(home, keys=[strange]) as accounts:
        assert accounts.consents.take("s1") is None
    with opened(home, keys=[new, old]) as accounts:
        assert accounts.keys.reencrypt() == 0
    with opened(home, keys=[new]) as accounts:
        consent = accounts.consents.take("s2")
        assert consent is not None
        assert (consent.verifier, consent.browser, consent.invite) == ("v", "b", "i")
    with opened(home, keys=[strange]) as accounts:
        accounts.keys.reencrypt()
    with opened(home, keys=[strange, new]) as accounts:
        assert accounts.consents.take("s3") is None
