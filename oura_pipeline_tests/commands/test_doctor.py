"""`oura-pipeline doctor`, `budget` and `key`."""

from __future__ import annotations

import json
import socket
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from oura_pipeline.doctor.findings import Finding
from oura_pipeline.doctor.services import clock, daemon
from oura_pipeline.ledger import Fetch, FetchStatus, PersonDay
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.commands.shell import Shell, access_token
from oura_pipeline_tests.testing.postgres import new_database, pooler
from oura_pipeline_tests.testing.world import world


def findings(shell: Shell) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit status of `doctor`, and per subject the mark and what it says, a line each."""
    result = shell("doctor")
    checks, *_ = result.stdout.split("\n\n")  # below stands what grows
    rows = [line.split(maxsplit=2) for line in checks.splitlines()]
    return result.exit_code, {subject: (mark, text) for mark, subject, text in rows}


def problems(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {subject: text for subject, (mark, text) in found.items() if mark != "ok"}


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_doctor_finds_nothing_wrong_with_a_working_installation(graphite_shell: Shell) -> None:
    status, found = findings(graphite_shell)
    assert (status, problems(found)) == (0, {})
    assert list(found) == [
        *("settings", "variables", "modes", "client", "people", "key", "newest", "fetches"),
        *("pushes", "warehouse", "documents", "site", "ports", "Dagster", "daemon", "runs"),
        *("webhooks", "Oura", "clock", "secret", "token"),
        *("carbon", "graphite-web", "disk"),
    ]
    told = json.loads(graphite_shell("doctor", "--json").stdout)
    assert [one["subject"].split()[0] for one in told] == list(found)
    assert {one["good"] for one in told} == {True}


def test_doctor_without_a_graphite_names_the_file(shell: Shell) -> None:
    shell.sign_in("koa")
    status, found = findings(shell)
    assert (status, problems(found)) == (0, {})
    assert str(shell.world.home / "graphite.log") in found["Graphite"][1]
    assert found["site"][1] == (
        "http://localhost:8000; register http://localhost:8000/oauth/callback as redirect URI at "
        "Oura"
    )


@pytest.mark.parametrize(
    ("settings", "subjects", "advice"),
    [
        ({"OURA_CLIENT_ID": ""}, ["client"], "set OURA_CLIENT_ID and OURA_CLIENT_SECRET"),
        ({"OURA_API_URL": "http://127.0.0.1:{port}"}, ["Oura"], "see OURA_API_URL"),
        (
            {
                "GRAPHITE_HOST": "127.0.0.1",
                "GRAPHITE_PORT": "{port}",
                "GRAPHITE_RENDER_URL": "http://127.0.0.1:{port}",
            },
            ["carbon", "graphite-web"],
            "see GRAPHITE_HOST",
        ),
        (
            {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": "{port}"},
            ["carbon", "graphite-web"],
            "see GRAPHITE_HOST",
        ),
        ({"OURA_PUBLIC_URL": "http://rings.test"}, ["site", "webhooks"], "to an https address"),
        ({"OURA_PUBLIC_URL": "https://rings.test"}, ["webhooks"], "subscriptions create"),
        (
            {"OURA_PUBLIC_URL": "http://127.0.0.1:{port}"},
            ["site", "webhooks"],
            "register http://localhost:{port}/oauth/callback",
        ),
    ],
    ids=[
        "no client",
        "no Oura",
        "no Graphite",
        "no render url",
        "no https",
        "no webhooks",
        "127.0.0.1",
    ],
)
def test_doctor_says_what_to_do(
    cloud: Sandbox, tmp_path: Path, settings: dict[str, str], subjects: list[str], advice: str
) -> None:
    with world(tmp_path / "data", cloud) as made:
        made.sign_in("koa")
    port = str(closed_port())
    given = {name: text.replace("{port}", port) for name, text in settings.items()}
    with world(tmp_path / "data", cloud, settings=given) as made:
        status, found = findings(Shell(world=made))
    assert (status, list(problems(found))) == (1, subjects)
    assert advice.replace("{port}", port) in problems(found)[subjects[0]]


def test_doctor_names_misspelled_variables(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment and in `.env`; what other programs read is none of ours."""
    shell.sign_in("koa")
    (tmp_path / ".env").write_text("OURA_CLIENTID=a\ngraphite_hosts=b\n", encoding="utf-8")
    (tmp_path / ".env").chmod(0o600)
    given = {"OURA_SECRETS": "c", "OURA_COLOUR": "d", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "e"}
    others = {"GRAPHITE_ROOT": "/opt/graphite", "AWS_DEFAULT_REGION": "f", "OURA_VERSION": "g"}
    monkeypatch.chdir(tmp_path)
    done = shell("doctor", **given, **others)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("no variables ")]
    assert line.split(maxsplit=2)[2] == (
        "OURA_CLIENTID is not read: did you mean OURA_CLIENT_ID?; "
        "OURA_COLOUR is not read: it is no setting; docs/reference/settings.md lists them; "
        "OURA_SECRETS is not read: did you mean OURA_SCOPES?; "
        "graphite_hosts is not read: did you mean GRAPHITE_HOST?"
    )


def test_doctor_tries_the_client_secret(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """At Oura itself, without a token of anybody; and it says which variables to look at."""
    shell.sign_in("koa")
    shell.world.sandbox.reset_requests()
    assert findings(shell)[1]["secret"] == ("ok", "Oura accepts OURA_CLIENT_SECRET")
    assert "koa" not in shell.world.sandbox.requests().get("token", {})
    monkeypatch.setenv("OURA_CLIENT_SECRET", "a wrong one")
    status, found = findings(shell)
    assert (status, list(problems(found))) == (1, ["secret"])
    assert problems(found)["secret"].endswith("; see OURA_CLIENT_ID and OURA_CLIENT_SECRET")


def test_doctor_sees_a_port_of_another_program(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says which option chooses another one."""
    shell.sign_in("koa")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("OURA_DAGSTER_URL", f"http://127.0.0.1:{port}")
        assert problems(findings(shell)[1]) == {
            "ports": f"port {port} is another program's: stop that, or give `oura-pipeline dev` "
            "another --port"
        }


def test_doctor_sees_failed_runs_and_a_silent_daemon(shell: Shell) -> None:
    """In Dagster's records, so that no UI has to run for it."""
    shell.sign_in("koa")
    shell.world.sandbox.change_person("koa", membership=False)
    shell("sync", "--last", "1", "--type", "daily_sleep")
    said = problems(findings(shell)[1])
    assert said["runs"].startswith("1 failed in the last 24 hours, at last `sync`: http://127.0.0.")
    shell.world.sandbox.change_person("koa", membership=True)
    shell("sync", "--last", "1", "--type", "daily_sleep")
    assert findings(shell)[1]["runs"] == ("ok", "`sync` failed, and has worked since")
    now = datetime(2026, 4, 9, 12, 30, tzinfo=UTC)
    assert daemon(now.timestamp() - 60, now) == Finding("daemon", True, "runs")
    silent = daemon(now.timestamp() - 660, now)
    assert not silent.good
    assert silent.text.startswith("silent since 2026-04-09 12:19 UTC")


def test_doctor_sees_a_late_deletion_and_old_data(shell: Shell) -> None:
    """Who only just signed in, and who has data of yesterday, are no trouble."""
    for username in ("koa", "runa"):
        shell.sign_in(username)
    long_ago, day = datetime(2026, 4, 1, tzinfo=UTC), date(2026, 3, 31)
    landed = Fetch(
        username="koa",
        document_type="daily_sleep",
        day=day,
        status=FetchStatus.LANDED,
        documents=1,
        changed=1,
        run_id="r",
        at=long_ago,
    )
    with shell.world.accounts() as accounts:
        accounts.fetches.record([landed])
    assert findings(shell)[1]["newest"] == ("ok", "data  koa 2026-03-31")
    with sqlite3.connect(shell.world.home / "accounts.sqlite") as database:
        database.execute("update people set connected_since = ?", [str(long_ago)[:19]])
    assert problems(findings(shell)[1])["newest"] == (
        "data  koa: nothing since 2026-03-31; Oura was last asked on 2026-04-01: start "
        "`oura-pipeline dev`, or run `sync`; runa: nothing yet; Oura was never asked: start "
        "`oura-pipeline dev`, or run `sync`"
    )
    with shell.world.accounts() as accounts:
        accounts.removal.retire("runa")
    with sqlite3.connect(shell.world.home / "accounts.sqlite") as database:
        database.execute("update people set state_since = ?", [str(long_ago)[:19]])
    assert problems(findings(shell)[1])["deletions"] == (
        "runa left at 2026-04-01 00:00 UTC, and their data is still here: start Dagster's daemon, "
        "or run `oura-pipeline people remove runa`"
    )


@pytest.mark.parametrize(
    ("seconds", "good", "text"),
    [
        (0, True, "as Oura's"),
        (59, True, "as Oura's"),
        (61, False, "61 s ahead of Oura's: "),
        (-3600, False, "3600 s behind Oura's: "),
    ],
)
def test_doctor_compares_the_clock_with_ouras(seconds: int, good: bool, text: str) -> None:
    here = datetime(2026, 4, 9, 12, 30, tzinfo=UTC) + timedelta(seconds=seconds)
    found = clock("Thu, 09 Apr 2026 12:30:00 GMT", here)
    assert (found.good, found.text[: len(text)]) == (good, text)


def test_doctor_on_postgres_notices_a_pooler_that_breaks_its_locks(
    cloud: Sandbox, tmp_path: Path, postgres_server: str
) -> None:
    """And keys that are missing; the requests are counted in Postgres, not on this machine."""
    database = new_database(postgres_server)
    keys = {"OURA_TOKEN_KEY": Fernet.generate_key().decode(), "OURA_SESSION_KEY": "s"}
    direct = {"OURA_ACCOUNTS_URL": f"postgresql+psycopg://{database}"}
    with world(tmp_path / "data", cloud, settings=direct | keys) as made:
        shell = Shell(world=made)
        shell.sign_in("koa")
        shell("sync", "--from", "2026-04-08", "--to", "2026-04-08", "--type", "daily_sleep")
        status, found = findings(shell)
    assert (status, problems(found)) == (0, {})
    assert found["Oura"][1].endswith(" of 5000 requests used")
    assert " 0 of" not in found["Oura"][1]
    assert not (tmp_path / "data" / "budget.sqlite").exists()
    with pooler(postgres_server, "transaction") as address:
        url = f"postgresql+psycopg://{address}/{database.rpartition('/')[2]}"
        with world(tmp_path / "data", cloud, settings=keys | {"OURA_ACCOUNTS_URL": url}) as made:
            status, found = findings(Shell(world=made))
    assert (status, list(problems(found))) == (1, ["accounts"])
    assert "or set the pooler to session mode" in found["accounts"][1]


def test_doctor_says_which_days_failed_and_why(shell: Shell) -> None:
    """Of each reason once, and nothing any more when they have landed."""
    shell.sign_in("koa")
    shell.world.sandbox.fault("no_data", route="daily_sleep", count=None)
    shell.world.sandbox.fault("no_data", route="daily_stress", count=None)
    types = ("--type", "daily_sleep", "--type", "daily_stress", "--type", "workout")
    days = ("--from", "2026-04-08", "--to", "2026-04-09")
    shell("sync", *days, *types)
    failed = "Oura's answer for {0} has an unknown form: object missing required field `data`"
    said = problems(findings(shell)[1])["fetches"].split("; ")
    assert [text for text in said if not text.startswith("if Oura changed it")] == [
        f"{name} from 2026-04-08 to 2026-04-09: koa: {failed.format(name)}"
        for name in ("daily_sleep", "daily_stress")
    ]
    shell.world.sandbox.clear_faults()
    shell("sync", *days, *types)
    assert problems(findings(shell)[1]) == {}


def test_doctor_says_how_many_days_wait_to_be_pushed(shell: Shell) -> None:
    """Since when, and what sends them; for a minute they are somebody's turn."""
    shell.sign_in("koa")
    since = datetime(2026, 4, 9, 12, 30, tzinfo=UTC)
    days = [date(2026, 4, 7), date(2026, 4, 8)]
    for at, mark in ((since, "no"), (datetime.now(UTC), "ok")):
        waiting = [PersonDay(username="koa", document_type="sleep", day=day) for day in days]
        with shell.world.accounts() as accounts:
            accounts.waiting.add(waiting, at=at)
        assert findings(shell)[1]["pushes"] == (
            mark,
            f"2 days wait to be pushed, the first since {at:%Y-%m-%d %H:%M} UTC: once Graphite "
            "takes points, the daemon or the next `oura-pipeline sync` sends them",
        )


def test_doctor_asks_for_a_first_sign_in(shell: Shell) -> None:
    status, found = findings(shell)
    assert (status, problems(found)) == (
        1,
        {"people": "nobody has signed in yet: open the site and sign in"},
    )


def test_a_key_that_others_may_read_is_refused_everywhere(shell: Shell) -> None:
    """In one line that says what to type, not in a traceback."""
    shell.sign_in("koa")
    key = shell.world.home / "token.key"
    key.chmod(0o644)
    status, found = findings(shell)
    assert (status, list(problems(found))) == (1, ["modes", "accounts"])
    assert f"chmod 600 {key}" in problems(found)["accounts"]
    for command in (["sync"], ["budget"], ["people", "list"], ["graphite", "withdrawn"]):
        assert f"chmod 600 {key}" in shell.refused(*command)


@pytest.mark.parametrize("command", ["budget", "sync"])
def test_a_bad_setting_ends_a_command_in_one_line(shell: Shell, command: str) -> None:
    done = shell.process(command, GRAPHITE_PORT="many")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("Error: GRAPHITE_PORT cannot be used")


def test_doctor_reports_a_bad_setting(shell: Shell) -> None:
    done = shell.process("doctor", OURA_RATE_LIMIT="many")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (1, "", 1)
    assert "OURA_RATE_LIMIT cannot be used" in done.stdout


def test_the_budget_counts_what_was_asked(shell: Shell) -> None:
    assert shell("budget").output == "0 of 5000 requests used\n"
    shell.sign_in("koa")  # asks who it is
    shell("sync", "--last", "1", "--type", "daily_sleep", "--type", "workout")
    assert shell("budget").output.startswith("3 of 5000 requests used; the first becomes free")


def test_every_key_is_new_and_opens_tokens(shell: Shell) -> None:
    one, other = (shell("key", "new").output.strip() for _ in range(2))
    assert one != other
    assert Fernet(one).decrypt(Fernet(one).encrypt(b"a token")) == b"a token"


def test_rotating_the_key_leaves_everybody_signed_in(shell: Shell) -> None:
    shell.sign_in("koa")
    before, file = access_token("koa"), shell.world.home / "token.key"
    old = file.read_text(encoding="utf-8")
    assert shell("key", "rotate").output.splitlines() == [
        f"Added a new key to {file}.",
        "Encrypted the tokens of 1 person with it.",
        "Removed the old key.",
    ]
    assert access_token("koa") == before
    assert file.read_text(encoding="utf-8") not in ("", old)


def test_doctor_names_what_others_may_read(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the data folder, beside it and in the working directory alike."""
    shell.sign_in("koa")
    exports, env = tmp_path / "exports", tmp_path / ".env"
    exports.mkdir()
    exports.chmod(0o755)
    env.touch()
    env.chmod(0o640)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURA_EXPORTS", str(exports))
    database = shell.world.home / "accounts.sqlite"
    database.chmod(0o604)
    _, found = findings(shell)
    assert found["modes"] == (
        "no",
        f"others may use {database} and 2 more: chmod -R go= {shell.world.home} {exports} .env",
    )
