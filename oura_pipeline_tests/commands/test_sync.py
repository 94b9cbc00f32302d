"""`oura-pipeline sync`."""

from __future__ import annotations

import json
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from rich.console import Console

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DAILY_SLEEP, WORKOUT
from oura_pipeline.commands.sync_run import SyncProgressBar, failure_reasons, last_partition
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline_tests.commands.shell import ONE_DAY, Shell, words


def test_sync_fetches_and_shows_what_it_did(shell: Shell) -> None:
    """One person, two types, four days: rows as at Oura, and the same as a table.

    The days count from the newest one that has begun everywhere, so that they are four for
    somebody far in the west too.
    """
    first = datetime.now(ZoneInfo("Etc/GMT+12")).date() - 3 * ONE_DAY
    shell.sign_in("koa")
    shell.sign_in("runa")
    result = shell(
        *("sync", "--last", "4", "--person", "koa"),
        *("--type", "daily_sleep", "--type", "WORKOUT"),
    )
    assert result.exit_code == 0, result.output
    rows = {}
    for row in (DAILY_SLEEP, WORKOUT):
        landed = shell.world.landed("koa", row)
        assert landed == shell.world.truth("koa", row, first)
        rows[row.name] = len(landed)
    assert rows["daily_sleep"] > 0
    assert shell.world.warehouse.usernames() == ["koa"]
    lines = words(result.stdout)
    table = {row[0]: row[1:4] for row in lines if row and row[0] in (*rows, "all")}
    counts = {**rows, "all": sum(rows.values())}
    asked = {"daily_sleep": 1, "workout": 1, "all": 2}
    assert table == {
        name: [str(count), str(count), str(asked[name])] for name, count in counts.items()
    }


def test_sync_of_a_range_of_days(shell: Shell) -> None:
    shell.sign_in("koa")
    last = last_partition() - ONE_DAY
    first = last - 2 * ONE_DAY
    result = shell(
        *("sync", "--from", str(first), "--to", str(last), "--type", "daily_sleep"),
    )
    assert result.exit_code == 0
    held = shell.world.truth("koa", DAILY_SLEEP, first, last)
    assert shell.world.landed("koa", DAILY_SLEEP) == held


def test_the_bar_moves_on_a_terminal(shell: Shell) -> None:
    """Dagster takes what steps print; the bar shows each person and type, in 80 columns.

    What is tried again and then works is no news.
    """
    shell.sign_in("koa")
    shell.sign_in("runa")
    types = ("daily_sleep", "daily_stress", "workout")
    for number, name in enumerate(types, 1):  # one after the other, not all at once
        shell.world.sandbox.fault("slow", route=name, seconds=1.0 * number, person="koa")
    # Not the first type: its second try, a second later, would bring two types in at once.
    shell.world.sandbox.fault("html", route="workout", count=1, person="runa")
    shell.world.sandbox.reset_requests()
    shown = shell.terminal("sync", "--last", "4", *(f"--type={name}" for name in types))
    bars = [line for line in shown if re.search(r" rows +[\d,]+ points ", line)]
    done = [int(re.search(r"(\d)/6 ", line)[1]) for line in bars]  # type: ignore[index]
    assert done == sorted(done)
    assert len(set(done)) >= 3
    assert 6 in done
    assert {line.split()[0] for line in bars} >= set(types)
    assert {len(line) for line in bars} == {80}
    assert not [line for line in bars if "…" in line]
    assert shell.world.sandbox.requests()["workout"] == {"koa": 1, "runa": 2}
    assert not [line for line in shown if "again" in line or "retry" in line]


def test_the_bar_has_room_for_a_hospital(capsys: pytest.CaptureFixture[str]) -> None:
    """Its numbers are whole, with the longest name, in 80 columns."""
    bar = SyncProgressBar(Console(force_terminal=True, width=80))
    with bar.shown(1):
        bar.person_done("daily_sleep", "koa")
        assert not bar._progress.finished  # else its clock stops, with landing still to come
    bar = SyncProgressBar(Console(force_terminal=True, width=80))
    with bar.shown(19_000):
        bar.started("daily_cardiovascular_age")
        bar.page("daily_cardiovascular_age", "koa", 1_234_567)
        bar.pushed("daily_cardiovascular_age", 12_345_678)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    [last, *_] = re.findall(r"daily_cardiovascular_age .*", shown)
    assert last.startswith("daily_cardiovascular_age ")
    assert " 0/19000 1,234,567 rows 12,345,678 points 0:00:00" in last


def test_a_sync_tells_programs_what_it_did(shell: Shell) -> None:
    """One JSON object on stdout, the same numbers as in the table, and whom it failed for."""
    shell.sign_in("koa")
    shell.sign_in("runa")
    shell.world.sandbox.change_person("koa", membership=False)
    day = last_partition() - 2 * ONE_DAY
    days = ("--from", str(day), "--to", str(day))
    told = shell("sync", *days, "--type", "daily_sleep", "--json")
    [check] = json.loads(told.stdout)["failed_checks"].items()
    assert check[0] == "oura/daily_sleep every_person_landed"
    assert "membership lapsed" in check[1]
    assert {**json.loads(told.stdout), "failed_checks": {}} == {
        "success": True,
        "first_day": str(day),
        "last_day": str(day),
        "document_types": {
            "daily_sleep": {"rows": 1, "changed": 1, "requests": 2, "points": 8, "sent": 8}
        },
        "failed_checks": {},
        "failures": {},
    }


def test_a_quiet_sync_says_only_what_went_wrong(shell: Shell) -> None:
    shell.sign_in("koa")
    arguments = ("sync", "--last", "1", "--type", "daily_sleep", "--quiet")
    assert shell(*arguments).output == ""
    shell.world.sandbox.change_person("koa", membership=False)
    failed = shell(*arguments)
    assert failed.exit_code == 1
    [line] = failed.output.splitlines()
    assert line.startswith("daily_sleep: daily_sleep failed for everybody: koa: membership lapsed")


def test_a_sync_fails_when_it_fails_for_everybody(shell: Shell) -> None:
    shell.sign_in("koa")
    shell.world.sandbox.change_person("koa", membership=False)
    result = shell("sync", "--last", "1", "--type", "daily_sleep")
    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("daily_sleep:")]
    assert line.startswith("daily_sleep: daily_sleep failed for everybody: koa: ")
    assert "membership" in line


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device"),
            # Here there is room, so it is no disk that is full.
            "a file of the data folder could not be written (No space left on device), though ",
        ),
        (WarehouseBusy("the warehouse is open elsewhere"), "the warehouse is open elsewhere"),
        (
            ValueError("a heart rate of 61"),
            "ValueError: its text may be about somebody; Dagster's UI shows where it was raised",
        ),
        (dg.Failure("nobody landed"), "nobody landed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_sync_says_why_a_step_failed(error: Exception, message: str) -> None:
    """In one line; what was not foreseen may hold data of somebody."""

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=0))
    @nameless
    def failing() -> None:
        raise error from RuntimeError("below")

    @dg.job(logger_defs={})
    def failed() -> None:
        failing()

    result = failed.execute_in_process(raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    [reason] = failure_reasons(failure.step_failure_data).values()
    assert reason.startswith(message)


def test_a_failed_person_is_named_while_the_others_land(shell: Shell) -> None:
    shell.sign_in("koa")
    shell.sign_in("runa")
    shell.world.sandbox.change_person("koa", membership=False)
    result = shell("sync", "--last", "1", "--type", "daily_sleep")
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if "every_person_landed" in line]
    assert line.startswith("oura/daily_sleep every_person_landed: koa: ")


def test_a_lapsed_membership_is_said_once(shell: Shell) -> None:
    """Not once per document type, nor in other words by `doctor`; and nobody signs in for it."""
    shell.sign_in("koa")
    types = ("daily_sleep", "daily_stress", "workout")
    arguments = [word for name in types for word in ("--type", name)]
    shell.world.sandbox.change_person("koa", membership=False)
    shell.world.sandbox.reset_requests()
    alone = shell("sync", "--last", "2", *arguments).stdout.splitlines()
    [said] = [line for line in alone if "membership" in line]
    assert said.startswith(
        "3 document types: failed for everybody: koa: membership lapsed: Oura keeps this person's "
        "data back (403"
    )
    shell.sign_in("runa")
    beside = shell("sync", "--last", "2", *arguments).stdout.splitlines()
    [said] = [line for line in beside if "membership" in line]
    assert said.startswith("every_person_landed of 3 document types: koa: membership lapsed: ")
    doctor = [line for line in shell("doctor").stdout.splitlines() if "membership l" in line]
    assert [line[:33] for line in doctor] == ["no membership   koa: membership l"]
    with shell.world.accounts() as accounts:
        assert accounts.people.get("koa").state is PersonState.CONNECTED
    assert "koa" not in shell.world.sandbox.requests().get("token", {})


def test_a_bare_401_costs_one_renewal_whatever_the_number_of_types(shell: Shell) -> None:
    """In the run, and in the one after it; it is said once as well."""
    shell.sign_in("koa")
    types = ("daily_sleep", "daily_stress", "workout")
    arguments = [word for name in types for word in ("--type", name)]
    shell.world.sandbox.fault("error", route="*", status=401, count=None)
    shell.world.sandbox.reset_requests()
    for _ in range(2):
        lines = shell("sync", "--last", "2", *arguments).stdout.splitlines()
        [said] = [line for line in lines if "that was just renewed" in line]
        assert said.startswith("3 document types: failed for everybody: koa: Oura refuses ")
        assert shell.world.sandbox.requests()["token"] == {"koa": 1}
    shell.world.sandbox.clear_faults()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--from", "2024-12-31", "--to", "2025-01-02"],
            "2024-12-31 is before 2025-01-01, where OURA_HISTORY_START",
        ),
        (["--from", "2026-01-01", "--to", "2999-01-01"], "2999-01-01 has not begun anywhere"),
        (["--person", "nemo"], "there is no person 'nemo'; known are: koa"),
    ],
    ids=["before history", "future", "stranger"],
)
def test_impossible_days_and_unknown_people_are_refused(
    shell: Shell, arguments: list[str], message: str
) -> None:
    shell.sign_in("koa")
    line = shell.refused("sync", "--type", "daily_sleep", *arguments)
    assert line.startswith("Error: ")
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--type", "dreams"], "there is no document type 'dreams'; known are: daily_activity"),
        (["--type", "temperature"], "temperature comes in a member's own export alone"),
        (["--last", "2", "--from", "2026-01-01"], "use --last without --from and --to"),
        (["--last", "0"], "Invalid value for '--last'"),
        (["--from", "2026-02-02", "--to", "2026-02-01"], "--from 2026-02-02 is after --to"),
        (["--from", "yesterday"], "Invalid value for '--from'"),
    ],
    ids=["type", "never fetched", "both", "zero", "backwards", "no day"],
)
def test_bad_options_are_usage_errors(shell: Shell, arguments: list[str], message: str) -> None:
    result = shell("sync", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]


def test_a_sync_without_people_says_how_to_add_them(shell: Shell) -> None:
    assert "or use `oura-pipeline people add`" in shell.refused("sync")


def test_what_a_run_logs_as_json_says_which_run_and_who(shell: Shell) -> None:
    """By ids, in threads too; a name is in none of it."""
    shell.sign_in("koa")
    shell.world.sandbox.fault("error", status=503, person="koa")
    options = ("--last", "2", "--type", "daily_sleep", "--person", "koa")
    done = shell.process("sync", *options, OURA_LOG_FORMAT="json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (again,) = [line for line in lines if line["message"].startswith("trying again in ")]
    [person_id] = shell.world.ids("koa")
    assert (again["person"], again["type"]) == (person_id, "daily_sleep")
    assert again["level"] == "info"
    with shell.world.accounts() as accounts:
        runs = {row.run_id for row in accounts.fetches.find("daily_sleep", usernames=["koa"])}
    assert runs == {again["run"]}
    assert "koa" not in json.dumps(lines)
