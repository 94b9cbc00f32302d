"""Everybody's tokens are renewed in time, and who must sign in again is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.token_renewal import (
    Renewal,
    due_for_renewal,
    everyone_connected,
    fail_if_nobody_renewed,
    renew_tokens,
)
from oura_pipeline.oura.errors import ClientRefused, OuraUnavailable, RateLimited
from oura_pipeline.people.notify import NotificationFailed
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.testing.http_sink import http_sink
from oura_pipeline_tests.testing.world import World, red_checks
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

NOW = datetime(2026, 6, 10, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def person(expires: timedelta | None = None, renewed: timedelta | None = -HOUR) -> Person:
    return Person(
        username="ada",
        id="p-7f3k2m",
        oura_id=None,
        name=None,
        scopes=None,
        state=PersonState.CONNECTED,
        connected_since=NOW,
        renewed_at=None if renewed is None else NOW + renewed,
        expires_at=None if expires is None else NOW + expires,
        token_url=None,
        error=None,
        joined_at=NOW,
        state_since=NOW,
        sync_asked_at=None,
        notified_at=None,
    )


@pytest.mark.parametrize(
    ("expires", "renewed", "due"),
    [
        (26 * HOUR, -HOUR, False),
        (25.9 * HOUR, -HOUR, True),
        (-HOUR, -25 * HOUR, True),
        (None, -HOUR, False),
        (None, -7 * DAY, False),
        (None, -7.1 * DAY, True),
        (30 * DAY, -7.1 * DAY, True),  # Oura's other lifetime, thirty days
        (30 * DAY, -6.9 * DAY, False),
        (30 * DAY, None, True),
    ],
)
def test_tokens_are_due_a_day_before_they_expire_and_once_a_week(
    expires: timedelta | None, renewed: timedelta | None, due: bool
) -> None:
    """How long Oura keeps a refresh token that nobody uses is not documented."""
    ada = person(expires, renewed)
    assert due_for_renewal([ada], NOW) == ([ada] if due else [])


def test_the_check_names_who_since_when_why_and_where() -> None:
    lost = replace(
        person(),
        state=PersonState.SIGN_IN_REQUIRED,
        state_since=NOW - 2 * DAY,
        error="Oura refused to renew their tokens: 400: Token already used or revoked",
    )
    said = everyone_connected([lost], "https://oura.example.org")
    assert not said.passed
    assert said.severity is dg.AssetCheckSeverity.ERROR
    assert said.description == (
        f"- [{lost.id}](https://oura.example.org/status#{lost.id}): since 2026-06-08 03:30 UTC; "
        "Oura refused to renew their tokens: 400: Token already used or revoked\n\n"
        "Ask them to sign in again at https://oura.example.org."
    )


def test_the_check_is_green_when_nobody_is_lost() -> None:
    said = everyone_connected([], "https://oura.example.org")
    assert (said.passed, said.description) == (True, "Everybody is connected.")


def outcome(**failed: Exception) -> Renewal:
    return Renewal(renewed=[], refused=[], failed=failed)


def test_a_renewal_that_helped_somebody_is_no_failure() -> None:
    """Nor one that there was nobody for: one person's trouble is that person's."""
    fail_if_nobody_renewed(outcome())
    away: dict[str, Exception] = {"ada": OuraUnavailable("away")}
    fail_if_nobody_renewed(Renewal(renewed=["bob"], refused=[], failed=away))
    fail_if_nobody_renewed(Renewal(renewed=[], refused=["bob"], failed=away))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OuraUnavailable("it is away"), True),
        (RateLimited(60), True),
        (ClientRefused("look at OURA_CLIENT_ID"), False),
    ],
)
def test_a_renewal_that_helped_nobody_is_a_failure(error: Exception, again: bool) -> None:
    """Worth a retry when Oura was away; it says why, and not who."""
    with pytest.raises(dg.Failure) as caught:
        fail_if_nobody_renewed(outcome(ada=error, bob=error))
    assert caught.value.description == f"nobody's tokens could be renewed: {error}"
    assert caught.value.allow_retries is again


# Before a sandbox.


cloud = cloud_with(people=3, days=5, end=date(2026, 6, 1))


# In parts, as many people are: each of them alone.
made = world_with("koa", "milo", "runa", OURA_PEOPLE_PER_SHARD="1")


def job(made: World) -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """Run the job as Dagster would: the metadata of the asset, and its red checks."""
    with project_instance() as instance:
        result = made.definitions.resolve_job_def("renew_tokens").execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    assert result.success
    [event] = result.get_asset_materialization_events()
    told = event.step_materialization_data.materialization.metadata
    return {name: entry.value for name, entry in told.items()}, red_checks(result)


def states(pipeline: Pipeline) -> dict[str, PersonState]:
    return {person.username: person.state for person in pipeline.accounts.people.all()}


def test_everybody_is_renewed_every_night(made: World) -> None:
    """Though their tokens would have worked for some hours more."""
    counts = {"connected": 3, "renewed": 3, "must_reconnect": 0, "failed": 0}
    for night in (1, 2):
        assert job(made) == (counts, {})
        assert made.sandbox.requests()["token"] == {"koa": night, "milo": night, "runa": night}


def test_one_persons_trouble_stays_theirs(made: World) -> None:
    """Who was revoked is named by the check, and the others are renewed."""
    made.sandbox.change_person("koa", revoke="all")
    made.sandbox.fault("error", route="token", person="runa", count=None)
    counts, red = job(made)
    assert counts == {"connected": 2, "renewed": 1, "must_reconnect": 1, "failed": 1}
    [(key, said)] = red.items()
    assert key == ("accounts/people", "everyone_connected")
    [koa] = made.ids("koa")
    assert said.startswith(f"- [{koa}](http://localhost:8000/status#{koa}): since ")
    assert "Oura refused to renew their tokens" in said
    assert said.endswith("\nAsk them to sign in again at http://localhost:8000.")
    with made.accounts() as accounts:
        assert accounts.people.get("koa").state is PersonState.SIGN_IN_REQUIRED
        assert accounts.people.get("runa").state is PersonState.CONNECTED


def test_an_expired_token_is_renewed_once(made: World) -> None:
    """Not a second time because it was due as well."""
    answer = made.sandbox.sign_in("runa")
    made.sandbox.reset_requests()
    with open_pipeline() as pipeline:
        pipeline.accounts.people.reconnect(
            "runa",
            SignIn(
                refresh_token=answer["refresh_token"],
                access_token=answer["access_token"],
                expires_at=datetime.now(UTC) - HOUR,
            ),
        )
        done = renew_tokens(pipeline, [pipeline.accounts.people.get("runa")])
    assert done == Renewal(renewed=["runa"], refused=[], failed={})
    assert made.sandbox.requests()["token"] == {"runa": 1}


def test_whoever_was_renewed_meanwhile_is_left_alone(made: World) -> None:
    """By a run that needed the token before it was their turn."""
    with open_pipeline() as pipeline:
        people = pipeline.accounts.people.all()
        tokens = pipeline.tokens("koa")
        tokens.renew(tokens.access_token())
        done = renew_tokens(pipeline, people)
    assert done == Renewal(renewed=["koa", "milo", "runa"], refused=[], failed={})
    assert made.sandbox.requests()["token"] == {"koa": 1, "milo": 1, "runa": 1}


def test_whoever_leaves_meanwhile_is_no_failure(made: World) -> None:
    with open_pipeline() as pipeline:
        people = pipeline.accounts.people.all()
        pipeline.accounts.removal.delete("milo")
        pipeline.accounts.removal.disconnect("koa")
        done = renew_tokens(pipeline, people)
    assert (done.renewed, done.refused, done.failed) == (["runa"], ["koa"], {})
    assert made.sandbox.requests()["token"] == {"runa": 1}


def test_a_pause_that_oura_asks_for_holds_for_everyone(made: World) -> None:
    """Nobody is lost by it."""
    made.sandbox.fault("rate_limited", route="token", person="runa", count=None, seconds=2000)
    with open_pipeline() as pipeline:
        done = renew_tokens(pipeline, [pipeline.accounts.people.get("runa")])
        assert str(done.failed["runa"]) == str(RateLimited(2000))
        resets = pipeline.budget.state().resets_at
        assert resets is not None
        assert resets > datetime.now(UTC) + timedelta(seconds=1900)
        assert set(states(pipeline).values()) == {PersonState.CONNECTED}


def tick(made: World) -> dg.SkipReason:
    """What the sensor says now."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, definitions=made.definitions) as context,
    ):
        return made.definitions.resolve_sensor_def("must_reconnect")(context)  # type: ignore[return-value]


def lose(made: World, username: str) -> None:
    """Let somebody's consent be withdrawn, and notice."""
    made.sandbox.change_person(username, revoke="all")
    with open_pipeline() as pipeline:
        tokens = pipeline.tokens(username)
        with pytest.raises(SignInRequired):
            tokens.renew(tokens.access_token())


def test_the_sensor_says_why_it_tells_nobody(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(made, "koa")
    said = tick(made)
    assert said.skip_message == "Neither OURA_NOTIFY_URL nor OURA_NOTIFY_EMAIL is set."
    monkeypatch.setenv("OURA_NOTIFY_URL", made.sandbox.url)
    with made.accounts() as accounts:
        accounts.people.mark_notified(["koa"])
    said = tick(made)
    assert said.skip_message == ("The operator knows of everybody who must sign in again.")


def test_the_sensor_tells_once(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how many, not who: Dagster keeps its ticks."""
    lose(made, "koa")
    with http_sink() as sink:
        monkeypatch.setenv("OURA_NOTIFY_URL", sink.url)
        assert tick(made).skip_message == ("People reported to the operator: 1.")
        tick(made)
        assert sink.names == ["koa"]


def test_news_that_nobody_takes_are_a_red_tick(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And told with the next one."""
    lose(made, "koa")
    with http_sink() as sink:
        monkeypatch.setenv("OURA_NOTIFY_URL", sink.url)
        sink.statuses = [503]
        with pytest.raises(NotificationFailed):
            tick(made)
        tick(made)
        assert sink.names == ["koa"]
