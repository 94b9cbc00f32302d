"""One odd document costs itself: it is set aside, told everywhere in one way, and leaves."""

from __future__ import annotations

from datetime import date, timedelta

from oura_pipeline.catalog.document_types import SLEEP, get_document_type
from oura_pipeline.ledger import FetchStatus
from oura_pipeline_tests.commands.shell import Shell
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.world import World, red_checks

FIRST = LAST - timedelta(days=9)
ODD_DAY = LAST - timedelta(days=4)


def usable_truth(made: World, username: str, name: str) -> list[tuple[str, object]]:
    """What the sandbox holds and sends as it should be."""
    held = made.sandbox.truth(username, name, FIRST, LAST)
    return sorted((entry["day"], str(entry["document"])) for entry in held if "way" not in entry)


def landed(made: World, username: str, name: str) -> list[tuple[str, object]]:
    """What is in the warehouse, in the same form."""
    rows = made.landed(username, get_document_type(name))
    return sorted((day, str(document)) for day, document in rows)


def spoil(made: World, name: str, way: str, field: str) -> str:
    """Spoil one of runa's documents, and return what identifies it."""
    held = made.sandbox.truth("runa", name, ODD_DAY, ODD_DAY)[0]["document"]
    key = "id" if "id" in held else "timestamp"
    made.sandbox.spoil("runa", name, way, field=field, **{key: held[key]})
    return str(held[key])


def test_one_odd_night_is_told_in_the_same_words_everywhere(published_world: World) -> None:
    """By the check, by `sync` and by `doctor`; all else lands, and its day is no gap."""
    shell = Shell(world=published_world)
    shell.sign_in("runa")
    shell.sign_in("koa")
    night = spoil(published_world, "sleep", "null", "bedtime_start")
    text = f"sleep of {ODD_DAY} (id {night}): bedtime_start: expected `datetime`, got `null`"
    synced = shell("sync", "--from", f"{FIRST}", "--to", f"{LAST}", "--type", "sleep")
    assert synced.exit_code == 0
    [line] = [line for line in synced.stdout.splitlines() if "documents_usable" in line]
    assert line == f"oura/sleep documents_usable: runa: {text}"
    doctor = shell("doctor")
    assert doctor.exit_code == 1
    assert f"no documents    1 set aside in oura.quarantine: runa: {text}\n" in doctor.stdout
    for username in ("runa", "koa"):
        assert landed(published_world, username, "sleep") == usable_truth(
            published_world, username, "sleep"
        )
    with published_world.accounts() as accounts:
        rows = accounts.fetches.find("sleep", statuses=[FetchStatus.FAILED, FetchStatus.EMPTY])
    assert rows == []


def test_it_leaves_by_itself_when_it_comes_right(own_world: World) -> None:
    own_world.sign_in("runa")
    night = spoil(own_world, "sleep", "null", "bedtime_start")
    result = own_world.run(FIRST, LAST, types=["sleep"])
    assert ("oura/sleep", "documents_usable") in red_checks(result)
    own_world.sandbox.mend("runa", "sleep", id=night)
    # Of other days: it is not known to have come right.
    result = own_world.run(LAST, LAST, types=["sleep"])
    assert ("oura/sleep", "documents_usable") in red_checks(result)
    result = own_world.run(ODD_DAY, ODD_DAY, types=["sleep"])
    assert red_checks(result) == {}
    assert own_world.landed("runa", SLEEP) == own_world.truth("runa", SLEEP, FIRST, LAST)


def test_a_new_kind_of_sleep_is_told_in_the_same_words_everywhere(published_world: World) -> None:
    """It lands, is not sent, and is not only in a log."""
    shell = Shell(world=published_world)
    shell.sign_in("runa")
    night = spoil(published_world, "sleep", "unknown_code", "type")
    text = (
        f"sleep of {ODD_DAY} (id {night}): type: a word that Oura does not describe; "
        "not sent to Graphite"
    )
    synced = shell("sync", "--from", f"{FIRST}", "--to", f"{LAST}", "--type", "sleep")
    assert f"oura/sleep values_known: runa: {text}" in synced.stdout.splitlines()
    doctor = shell("doctor").stdout
    assert f"no documents    odd values, in oura.odd_values: runa: {text}\n" in doctor
    published_world.sandbox.mend("runa", "sleep", id=night)
    assert red_checks(published_world.run(FIRST, LAST, types=["sleep"])) == {}


def test_one_odd_row_among_thousands_costs_itself(own_world: World) -> None:
    own_world.sign_in("runa")
    at = spoil(own_world, "heartrate", "absent", "source")
    own_world.run(FIRST, LAST, types=["daily_activity"])
    result = own_world.run(FIRST, LAST, types=["heartrate"])
    assert result.success
    assert landed(own_world, "runa", "heartrate") == usable_truth(own_world, "runa", "heartrate")
    [odd] = own_world.warehouse.quarantined()
    assert (odd.reason, odd.id, at[:19] in odd.document) == (
        "object missing required field `source`",
        None,
        True,
    )
    assert abs((odd.day or date.min) - ODD_DAY) <= timedelta(days=1)


def test_one_outside_of_the_requested_days_costs_nothing(own_world: World) -> None:
    """Its own day will tell; here it is not even mentioned."""
    own_world.sign_in("runa")
    spoil(own_world, "sleep", "null", "bedtime_start")
    day = ODD_DAY + timedelta(days=1)
    result = own_world.run(day, day, types=["sleep"])
    assert (red_checks(result), own_world.warehouse.quarantined()) == ({}, [])
    assert own_world.landed("runa", SLEEP) == own_world.truth("runa", SLEEP, day, day)


def test_one_without_a_day_is_kept_once_whichever_run_met_it(own_world: World) -> None:
    own_world.sign_in("runa")
    spoil(own_world, "sleep", "null", "day")
    for last in (ODD_DAY, ODD_DAY + timedelta(days=1), ODD_DAY + timedelta(days=2)):
        own_world.run(last, last, types=["sleep"])
    [odd] = own_world.warehouse.quarantined()
    assert (odd.day, odd.reason) == (None, "day: expected `date`, got `null`")
