"""People: who is here, who may come in and what goes with those who leave."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState, SignIn, new_id, shard_of
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.ledger import Push, PushState, Withdrawn
from oura_pipeline_tests.accounts.homes import (
    AT,
    at_once,
    change,
    fetch,
    incoming,
    looks_like_an_id,
    opened,
    rows_of,
)
from oura_pipeline_tests.testing.token_server import TokenServer, renewer

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_person_is_remembered_as_they_signed_in(home: Path, accounts: Accounts) -> None:
    before = datetime.now(UTC)
    added = accounts.people.add(
        "ada",
        SignIn(
            refresh_token="r",
            access_token="a",
            expires_at=EXPIRES.astimezone(),
            token_url="https://example.com/token",
            scopes=["daily", "spo2"],
            oura_id="id-1",
            name="Ada Lovelace",
        ),
    )
    assert added == Person(
        username="ada",
        id=added.id,
        oura_id="id-1",
        name="Ada Lovelace",
        scopes=frozenset({"daily", "spo2"}),
        state=PersonState.CONNECTED,
        connected_since=added.connected_since,
        renewed_at=added.renewed_at,
        expires_at=EXPIRES,
        token_url="https://example.com/token",
        error=None,
        joined_at=added.connected_since,
        state_since=added.connected_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert looks_like_an_id(added.id)
    assert added.renewed_at is not None
    assert before <= added.renewed_at <= added.connected_since <= datetime.now(UTC)
    with opened(home) as again:
        assert again.people.all() == [added]


def test_a_person_is_found_by_their_id(accounts: Accounts) -> None:
    ada, bob = (
        accounts.people.add(username, SignIn(refresh_token="r")) for username in ("ada", "bob")
    )
    assert accounts.people.by_id(bob.id) == bob
    assert accounts.people.usernames_by_id() == {ada.id: "ada", bob.id: "bob"}


def test_an_id_that_nobody_has_is_refused_without_naming_anybody(accounts: Accounts) -> None:
    ada = accounts.people.add("ada", SignIn(refresh_token="r"))
    with pytest.raises(UnknownPerson) as refused:
        accounts.people.by_id("p-222222")
    assert str(refused.value) == f"there is no person 'p-222222'; known are: {ada.id}"


def test_whoever_comes_back_after_leaving_has_a_new_id(accounts: Accounts) -> None:
    before = accounts.people.add("ada", SignIn(refresh_token="r"))
    accounts.removal.delete("ada")
    assert accounts.people.usernames_by_id() == {}
    assert accounts.people.add("ada", SignIn(refresh_token="r")).id != before.id


def test_an_id_that_is_taken_is_not_given_again() -> None:
    proposed = []

    def is_one_of_the_first_two(person_id: str) -> bool:
        proposed.append(person_id)
        return len(proposed) <= 2

    assert new_id(is_one_of_the_first_two) == proposed[2]
    assert all(map(looks_like_an_id, proposed))


def test_what_is_not_known_is_none_and_what_is_empty_is_empty(accounts: Accounts) -> None:
    """Scopes that nobody told are not the same as none granted."""
    unknown = accounts.people.add("ada", SignIn(refresh_token="r", expires_at=EXPIRES))
    nothing = accounts.people.add("bob", SignIn(refresh_token="s", scopes=[]))
    assert (unknown.scopes, unknown.oura_id, unknown.expires_at) == (None, None, None)
    assert nothing.scopes == frozenset()


def test_somebody_may_be_here_who_never_signed_in(accounts: Accounts) -> None:
    """Nothing is fetched of them, and they have no consent to give back."""
    with pytest.raises(PersonRefused, match="contains 'A'"):
        accounts.people.add_without_sign_in("Ada")
    ada = accounts.people.add_without_sign_in("ada")
    assert ada.state is PersonState.DISCONNECTED
    assert accounts.people.all() == [ada]
    assert accounts.removal.unrevoked() == []


def test_the_endpoint_that_worked_last_is_everybodys(accounts: Accounts) -> None:
    """Also that of who is about to join; of whom it is not known, nothing is taken."""
    assert accounts.people.token_url() is None
    accounts.people.add("ada", SignIn(refresh_token="r", token_url="https://one.example"))
    accounts.sign_ups.begin(SignIn(refresh_token="r", token_url="https://two.example"), invite=None)
    accounts.people.add("bob", SignIn(refresh_token="r"))
    assert accounts.people.token_url() == "https://two.example"


def test_no_token_shows_in_a_repr(accounts: Accounts) -> None:
    person = accounts.people.add("ada", SignIn(refresh_token="secret-r", access_token="secret-a"))
    sign_in = SignIn(refresh_token="secret-r", access_token="secret-a")
    tokens = accounts.tokens.get("ada", renewer(""))
    for thing in (person, sign_in, tokens, accounts, accounts.tokens._cipher, tokens._stored()):
        assert "secret" not in repr(thing)
        assert "secret" not in str(thing)


def test_a_username_is_taken_once(accounts: Accounts) -> None:
    before = accounts.people.add("ada", SignIn(refresh_token="r"))
    with pytest.raises(PersonRefused, match=r"^ada is here already; .* reconnect them"):
        accounts.people.add("ada", SignIn(refresh_token="s"))
    assert accounts.people.all() == [before]


def test_an_oura_account_belongs_to_one_person(accounts: Accounts) -> None:
    ada = accounts.people.add("ada", SignIn(refresh_token="r", oura_id="id-1")).id
    accounts.people.add("bob", SignIn(refresh_token="s"))
    before = accounts.people.all()
    message = f"^this Oura account is that of {ada} already; reconnect {ada} instead$"
    with pytest.raises(PersonRefused, match=message):
        accounts.people.add("cyd", SignIn(refresh_token="t", oura_id="id-1"))
    with pytest.raises(PersonRefused, match=message):
        accounts.people.reconnect("bob", SignIn(refresh_token="t", oura_id="id-1"))
    with pytest.raises(PersonRefused, match=message):
        accounts.people.identify("bob", "id-1")
    assert accounts.people.all() == before


def test_a_bad_username_or_sign_in_adds_nobody(accounts: Accounts) -> None:
    with pytest.raises(PersonRefused, match="contains 'A'"):
        accounts.people.add("Ada", SignIn(refresh_token="r"))
    with pytest.raises(PersonRefused, match="needs a refresh token"):
        accounts.people.add("ada", SignIn(refresh_token=""))
    with pytest.raises(PersonRefused, match="expires_at needs a zone"):
        accounts.people.add("ada", SignIn(refresh_token="r", expires_at=datetime(2030, 1, 1)))
    assert accounts.people.all() == []


def test_nobody_is_found_by_a_strange_name_and_the_known_ones_are_said(accounts: Accounts) -> None:
    with pytest.raises(LookupError, match=r"^there is no person 'eve'; nobody has signed in yet$"):
        accounts.people.get("eve")
    accounts.people.add("bob", SignIn(refresh_token="s"))
    accounts.people.add("ada", SignIn(refresh_token="r"))
    with pytest.raises(LookupError, match=r"^there is no person 'eve'; known are: ada, bob$"):
        accounts.people.get("eve")


def test_reconnecting_keeps_the_username_and_the_rows(
    accounts: Accounts, server: TokenServer
) -> None:
    """A person whose renewal was refused works again with the tokens of the new sign-in."""
    accounts.people.add(
        "ada", SignIn(refresh_token="used", scopes=["daily"], oura_id="id-1", name="Ada")
    )
    accounts.fetches.record([fetch("ada")])
    tokens = accounts.tokens.get("ada", renewer(server.url))
    with pytest.raises(SignInRequired):
        tokens.access_token()
    refused = accounts.people.get("ada")
    assert refused.state is PersonState.SIGN_IN_REQUIRED
    again = accounts.people.reconnect(
        "ada", SignIn(refresh_token="refresh-1", access_token="a", scopes=["spo2"], oura_id="id-1")
    )
    assert again == Person(
        username="ada",
        id=refused.id,
        oura_id="id-1",
        name="Ada",
        scopes=frozenset({"spo2"}),
        state=PersonState.CONNECTED,
        connected_since=again.connected_since,
        renewed_at=again.renewed_at,
        expires_at=None,
        token_url=None,
        error=None,
        joined_at=refused.joined_at,
        state_since=again.state_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert again.connected_since > refused.connected_since
    assert again.state_since > refused.state_since > refused.joined_at
    assert again.renewed_at is not None
    assert again.renewed_at > refused.state_since
    assert (tokens.access_token(), tokens.renew("a")) == ("a", "access-2")
    assert accounts.fetches.find() == [fetch("ada")]


def test_reconnecting_with_another_oura_account_is_refused(accounts: Accounts) -> None:
    before = accounts.people.add("ada", SignIn(refresh_token="r", access_token="a", oura_id="id-1"))
    with pytest.raises(PersonRefused, match="this is another Oura account than before"):
        accounts.people.reconnect("ada", SignIn(refresh_token="s", oura_id="id-2"))
    with pytest.raises(UnknownPerson, match="there is no person 'eve'"):
        accounts.people.reconnect("eve", SignIn(refresh_token="s"))
    assert accounts.people.all() == [before]


def test_reconnecting_keeps_the_endpoint_that_worked(accounts: Accounts) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r", token_url="https://one.example"))
    assert (
        accounts.people.reconnect("ada", SignIn(refresh_token="s")).token_url
        == "https://one.example"
    )
    changed = accounts.people.reconnect(
        "ada", SignIn(refresh_token="t", token_url="https://two.example")
    )
    assert changed.token_url == "https://two.example"


def test_reconnecting_keeps_a_name_unless_there_is_another(accounts: Accounts) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r", name="Ada"))
    assert accounts.people.reconnect("ada", SignIn(refresh_token="s")).name == "Ada"
    again = SignIn(refresh_token="t", name="Ada King")
    assert accounts.people.reconnect("ada", again).name == "Ada King"


def test_reconnecting_tells_whose_account_it_is_and_keeps_that(accounts: Accounts) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r"))
    for oura_id in ("id-1", None):
        again = SignIn(refresh_token="s", oura_id=oura_id)
        assert accounts.people.reconnect("ada", again).oura_id == "id-1"


def test_a_person_is_identified_later(accounts: Accounts) -> None:
    accounts.people.add("bob", SignIn(refresh_token="r", oura_id="id-0"))
    accounts.people.add("ada", SignIn(refresh_token="r"))
    assert accounts.people.by_oura_id("id-1") is None
    accounts.people.identify("ada", "id-1")
    accounts.people.identify("ada", "id-1")
    assert accounts.people.by_oura_id("id-1") == accounts.people.get("ada")
    with pytest.raises(PersonRefused, match="another Oura account than before"):
        accounts.people.identify("ada", "id-2")
    with pytest.raises(UnknownPerson, match="there is no person 'eve'"):
        accounts.people.identify("eve", "id-3")


def test_people_fall_into_shards_by_their_ids(accounts: Accounts) -> None:
    """Those of some shards are found by them, so many at a time; nobody is left out."""
    for number in range(30):
        accounts.people.add(f"person{number:02}", SignIn(refresh_token="r"))
    everybody = accounts.people.all()
    for person in everybody:
        shard = shard_of(person.id)
        assert person in accounts.people.all(shards=range(shard, shard + 1))
    parts = [accounts.people.all(shards=shards) for shards in accounts.people.shards(7)]
    assert max(map(len, parts)) <= 7
    assert sorted((one for part in parts for one in part), key=lambda p: p.username) == everybody
    assert accounts.people.shards(1000) == [range(4096)]
    assert (accounts.people.turn_days(1000), accounts.people.turn_days(7)) == (1, 7)
    with pytest.raises(UnknownPerson, match=r"known are: person00, .*, person19, …$"):
        accounts.people.get("eve")
    assert (shard_of("p-7f3k2m"), shard_of("p-222222")) == (2375, 4032)


def test_a_shard_goes_with_the_next_ones_as_long_as_they_have_not_too_many(
    home: Path, accounts: Accounts
) -> None:
    """To the last person, also where only some shards are asked for; more than that is alone."""
    for username, shard in (("ada", 0), ("bob", 5), ("cyd", 5), ("dot", 7)):
        accounts.people.add(username, SignIn(refresh_token="r"))
        change(home, f"UPDATE people SET shard = {shard} WHERE username = '{username}'")
    shards = accounts.people.shards
    assert shards(1) == [range(5), range(5, 6), range(6, 4096)]
    assert shards(3) == [range(7), range(7, 4096)]
    assert shards(4) == [range(4096)]
    assert shards(2, range(6)) == [range(5), range(5, 6)]
    assert shards(2, range(1, 7)) == [range(1, 7)]


def test_any_number_of_names_are_one_parameter(accounts: Accounts) -> None:
    """More than SQLite has parameters."""
    ada, _ = (accounts.people.add(who, SignIn(refresh_token="r")) for who in ("ada", "bob"))
    names = ["ada", *(f"nobody{number}" for number in range(40_000))]
    assert accounts.people.all(usernames=names) == [ada]
    assert accounts.people.usernames_by_id([ada.id, "p-222222"]) == {ada.id: "ada"}
    accounts.fetches.record([fetch("ada")])
    assert accounts.fetches.find(usernames=names) == [fetch("ada")]
    assert accounts.fetches.find(usernames=[]) == []


def test_people_are_listed_by_state(accounts: Accounts) -> None:
    accounts.people.add("bob", SignIn(refresh_token="r"))
    accounts.people.add("ada", SignIn(refresh_token="s"))
    accounts.removal.retire("bob")
    ada, bob = accounts.people.all()
    assert (ada.state, bob.state) == (PersonState.CONNECTED, PersonState.RETIRED)
    assert accounts.people.all([PersonState.CONNECTED]) == [ada]
    assert accounts.people.all([PersonState.RETIRED, PersonState.CONNECTED]) == [ada, bob]
    assert accounts.people.all([]) == []
    assert accounts.people.all(connected_after=bob.connected_since) == [ada]


def test_people_are_counted_by_state_and_told_apart_by_what_they_granted(
    accounts: Accounts,
) -> None:
    """Without reading everybody; nothing counts of who is not connected."""
    for name, scopes in [("ada", ["tag"]), ("bob", ["tag"]), ("cyd", None), ("dia", ["daily"])]:
        accounts.people.add(name, SignIn(refresh_token="r", scopes=scopes))
    accounts.removal.disconnect("dia")
    accounts.people.add("eve", SignIn(refresh_token="r"))
    accounts.removal.delete("eve")  # of whom tokens are left
    assert accounts.people.counts() == {PersonState.CONNECTED: 3, PersonState.DISCONNECTED: 1}
    assert accounts.people.granted() == {frozenset({"tag"}), None}


def test_ids_are_of_whom_they_are_asked(accounts: Accounts) -> None:
    """Also of who is leaving, not of who is of another shard, and of no stranger."""
    for name in ("ada", "bob", "cyd"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    accounts.removal.retire("bob")
    ids = {name: accounts.people.get(name).id for name in ("ada", "bob")}
    assert accounts.people.ids(["bob", "nobody", "ada"]) == ids
    shard = shard_of(ids["ada"])
    assert accounts.people.ids(["ada"], range(shard, shard + 1)) == {"ada": ids["ada"]}
    assert accounts.people.ids(["ada"], range(shard)) == {}


def test_a_sync_can_be_asked_for_every_five_minutes(accounts: Accounts) -> None:
    """By each person for themselves."""
    for name in ("ada", "bob"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    assert accounts.people.request_sync("ada", AT)
    early, late = AT + timedelta(minutes=5, microseconds=-1), AT + timedelta(minutes=5)
    assert not accounts.people.request_sync("ada", early)
    assert accounts.people.get("ada").sync_asked_at == AT
    assert accounts.people.request_sync("bob", early)
    assert accounts.people.request_sync("ada", late)
    assert accounts.people.get("ada").sync_asked_at == late
    assert accounts.people.all(sync_asked_after=early) == [accounts.people.get("ada")]
    with pytest.raises(UnknownPerson, match="there is no person 'eve'"):
        accounts.people.request_sync("eve", AT)


def _ask_sync(home: Path, number: int) -> bool:
    with opened(home) as accounts:
        return accounts.people.request_sync("ada", AT)


def test_of_several_who_ask_for_a_sync_at_once_one_is_heard(home: Path, accounts: Accounts) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r"))
    assert sorted(at_once(4, _ask_sync, home)) == [False, False, False, True]


def _refuse(accounts: Accounts, username: str) -> None:
    def renew(*_: Any) -> Any:
        raise SignInRequired("invalid_grant")

    with pytest.raises(SignInRequired):
        accounts.tokens.get(username, renew).access_token()


def test_who_must_sign_in_again_is_notified_once_each_time(accounts: Accounts) -> None:
    for name in ("bob", "ada", "cyd", "dan"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    for name in ("bob", "ada", "dan"):
        _refuse(accounts, name)
    accounts.removal.disconnect("dan")
    accounts.removal.retire("cyd")  # whose deletion is not late yet
    assert accounts.people.to_notify() == [accounts.people.get("ada"), accounts.people.get("bob")]
    before = datetime.now(UTC)
    accounts.people.mark_notified(["ada"])
    told = accounts.people.get("ada").notified_at
    assert told is not None
    assert before <= told <= datetime.now(UTC)
    assert accounts.people.to_notify() == [accounts.people.get("bob")]
    assert accounts.people.reconnect("ada", SignIn(refresh_token="s")).notified_at is None
    _refuse(accounts, "ada")
    assert accounts.people.to_notify() == [accounts.people.get("ada"), accounts.people.get("bob")]


def test_who_signed_in_while_they_were_notified_is_notified_the_next_time(
    accounts: Accounts,
) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r"))
    _refuse(accounts, "ada")
    accounts.people.reconnect("ada", SignIn(refresh_token="s"))
    accounts.people.mark_notified(["ada", "eve"])
    assert accounts.people.get("ada").notified_at is None


def test_nothing_is_left_of_a_person_who_is_removed(home: Path, accounts: Accounts) -> None:
    """No table keeps a row of theirs, and the others keep all of theirs."""
    for name in ("ada", "bob"):
        accounts.people.add(name, SignIn(refresh_token=f"r-{name}", oura_id=f"id-{name}"))
        accounts.fetches.record([fetch(name)])
        accounts.pushes.record([_push(name)])
        accounts.pushes.record_withdrawn([_withdrawn(name)])
        accounts.inbox.receive([incoming(name.encode(), f"id-{name}")])
    assert _rows_of(home, "bob") == {
        "people": 1,
        "tokens": 1,
        "fetches": 1,
        "fetch_months": 1,
        "pushes": 1,
        "withdrawn": 1,
        "webhook_inbox": 1,
    }
    assert (accounts.removal.delete("bob"), accounts.removal.delete("bob")) == (True, False)
    assert _rows_of(home, "bob") == {}
    assert _rows_of(home, "ada").keys() == {
        "people", "tokens", "fetches", "fetch_months", "pushes", "withdrawn", "webhook_inbox",
    }  # fmt: skip


def _add_ada(home: Path, number: int) -> str:
    with opened(home) as accounts:
        return accounts.people.add("ada", SignIn(refresh_token=f"r{number}")).username


def test_of_several_who_take_a_username_at_once_one_gets_it(home: Path) -> None:
    opened(home).close()
    results = sorted(at_once(4, _add_ada, home))
    assert results[-1] == "ada"
    assert {result[:36] for result in results[:3]} == {"PersonRefused('ada is here already; "}


def _push(username: str) -> Push:
    return Push(
        username=username,
        document_type="sleep",
        day=date(2026, 1, 1),
        points=1,
        digest="d",
        state=PushState.SENT,
        index=b"i",
        at=AT,
    )


def _withdrawn(username: str) -> Withdrawn:
    return Withdrawn(
        username=username,
        document_type="sleep",
        day=date(2026, 1, 1),
        metric=f"bio.{username}.sleep.score",
        times=(1,),
        at=AT,
    )


def _rows_of(home: Path, username: str) -> dict[str, int]:
    """How many rows of each table are about a person, where there are any."""
    about = {username, f"id-{username}"}
    counts = {
        table: sum(any(value in about for value in row if type(value) is str) for row in rows)
        for table, rows in rows_of(home).items()
    }
    return {table: count for table, count in counts.items() if count}
