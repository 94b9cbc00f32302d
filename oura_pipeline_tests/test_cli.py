"""What an operator types and reads, and the status that scripts see; no secret in any of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import monotonic

import click
import dagster as dg
import httpx
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from oura_pipeline import cli as cli_module
from oura_pipeline.catalog.document_types import DAILY_SLEEP, WORKOUT
from oura_pipeline.cli import COMMANDS, LazyGroup, cli, unsupported_system
from oura_pipeline.commands.sync_run import failure_reason, last_partition
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.testing.world import World, world

ONE = timedelta(days=1)


@dataclass(kw_only=True)
class Shell:
    """Types commands in a world; every secret of that world is looked for in what they print."""

    world: World
    secrets: set[str] = field(default_factory=set)

    def sign_in(self, username: str, **options: str) -> Result:
        """`people add`, with the tokens of a real sign-in."""
        answer = self.world.sandbox.sign_in(username)
        tokens = {"access": answer["access_token"], "refresh": answer["refresh_token"]}
        self.secrets |= set(tokens.values())
        return self(
            *("people", "add", username, "--refresh-token", tokens["refresh"]),
            *("--access-token", tokens["access"], "--expires-in", str(answer["expires_in"])),
        )

    def __call__(self, *arguments: str) -> Result:
        """Run one command in this process."""
        result = CliRunner().invoke(cli, arguments)
        assert isinstance(result.exception, SystemExit | None), result.exception
        self._is_clean(result.output)
        return result

    def process(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run one command in a process of its own, with a wide terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "oura_pipeline.cli", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200", **settings},
            timeout=60,
            check=False,
        )
        self._is_clean(done.stdout + done.stderr)
        return done

    def refused(self, *arguments: str) -> str:
        """The one line on stderr of a command that refuses, with a status of 1."""
        result = self(*arguments)
        [line] = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (1, "")
        return line

    def _is_clean(self, output: str) -> None:
        assert "Traceback" not in output
        key = self.world.home / "token.key"
        kept = set(key.read_text(encoding="utf-8").split()) if key.exists() else set()
        for secret in self.secrets | kept | {self.world.sandbox.options.client_secret}:
            assert secret not in output


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """Two people with a history that ends today."""
    with running(SandboxOptions(people=2, days=10)) as sandbox:
        yield sandbox


@pytest.fixture
def shell(cloud: Sandbox, tmp_path: Path) -> Iterator[Shell]:
    """A world with nobody in it."""
    with world(tmp_path / "data", cloud) as made:
        yield Shell(world=made)
    for username in cloud.usernames:
        cloud.change_person(username, membership=True)


@pytest.fixture(scope="module")
def graphite() -> Iterator[LocalGraphite]:
    require_graphite()
    with LocalGraphite() as running:
        yield running


@pytest.fixture
def told(cloud: Sandbox, graphite: LocalGraphite, tmp_path: Path) -> Iterator[Shell]:
    """A world with a Graphite, and koa in it."""
    with world(tmp_path / "data", cloud, graphite=graphite) as made:
        shell = Shell(world=made)
        shell.sign_in("koa")
        yield shell


def stored(shell: Shell, username: str) -> str:
    """The access token that is stored for somebody."""
    with open_pipeline() as pipeline:
        return pipeline.accounts.tokens.get(username, pipeline.oauth.renew).access_token()


def listed(shell: Shell) -> list[list[str]]:
    """The words of every row of `people list`."""
    return words(shell.process("people", "list").stdout)


def words(table: str) -> list[list[str]]:
    """The words of every line of a table, without its lines."""
    return [line.replace("│", " ").split() for line in table.splitlines()]


# People


def test_a_person_is_added_and_listed(shell: Shell) -> None:
    added = shell.sign_in("koa")
    assert (added.exit_code, added.output) == (
        0,
        "Added koa. `oura-pipeline sync --person koa` fetches the last week.\n",
    )
    with open_pipeline() as pipeline:
        koa = pipeline.accounts.people.get("koa")
    assert [koa.id, "koa", "connected"] in [row[:3] for row in listed(shell)]


def test_adding_twice_gives_new_tokens(shell: Shell) -> None:
    shell.sign_in("koa")
    before = stored(shell, "koa")
    again = shell.sign_in("koa")
    assert again.output == "koa is already here and has a new token now.\n"
    assert stored(shell, "koa") in shell.secrets - {before}


def test_a_bad_username_is_refused(shell: Shell) -> None:
    line = shell.refused("people", "add", "Ada!", "--refresh-token", "secret-of-ada")
    assert "'Ada!' cannot be a username" in line
    assert "secret-of-ada" not in line


def test_removing_with_keep_data_forgets_the_person_and_keeps_their_documents(
    shell: Shell,
) -> None:
    shell.sign_in("koa")
    assert shell("sync", "--last", "4", "--type", "daily_sleep").exit_code == 0
    assert shell("people", "remove", "koa", "--keep-data", "--yes").output.splitlines() == [
        "Removed koa; documents and points are still there.",
        "Their consent at Oura is revoked.",
    ]
    again = shell.refused("people", "remove", "koa", "--keep-data", "--yes")
    assert "nobody is called 'koa'" in again
    assert shell.world.warehouse.usernames() == ["koa"]
    assert "nobody has signed in yet" in shell.refused("sync")


def test_removing_says_what_goes_and_deletes_it_after_a_yes(shell: Shell) -> None:
    """A no changes nothing; a yes leaves the other person, and names whisper's folder."""
    shell.sign_in("koa")
    shell.sign_in("runa")
    assert shell("sync", "--last", "4", "--type", "daily_sleep").exit_code == 0
    rows = len(shell.world.landed("koa", DAILY_SLEEP))
    asked = CliRunner().invoke(cli, ["people", "remove", "koa"], input="n\n")
    assert asked.exit_code == 1
    assert f"documents: {rows} daily_sleep;" in asked.stdout.splitlines()
    assert shell.world.warehouse.usernames() == ["koa", "runa"]
    done = CliRunner().invoke(cli, ["people", "remove", "koa"], input="y\n").stdout
    assert f"Deleted everything of koa: {rows} documents, " in done
    assert "Their consent at Oura is revoked." in done
    assert "rm -r <whisper>/bio/koa" in done
    assert shell.world.warehouse.usernames() == ["runa"]
    with shell.world.accounts() as accounts:
        assert [person.username for person in accounts.people.all()] == ["runa"]
    assert "nobody is called 'koa'" in shell.refused("people", "remove", "koa")


def test_removing_says_what_to_do_where_files_cannot_be_deleted(shell: Shell) -> None:
    """A link in the place of their folder is nothing that we follow; without it the rest goes."""
    shell.sign_in("koa")
    link = shell.world.home / "exports" / "koa"
    link.parent.mkdir(parents=True)
    link.symlink_to(shell.world.home.parent)
    stuck = shell("people", "remove", "koa", "--yes")
    assert (stuck.exit_code, stuck.stderr) == (
        1,
        f"Error: {link} is a symbolic link: delete what is theirs behind it, and the link; then "
        "the rest can go. Then run this again.\n",
    )
    link.unlink()
    assert "Deleted everything of koa" in shell("people", "remove", "koa", "--yes").output


def test_disconnecting_keeps_the_data_and_says_whether_oura_knows(shell: Shell) -> None:
    shell.sign_in("koa")
    told = ["koa is disconnected; their data stays."]
    shell.world.sandbox.fault("error", route="revoke", count=1000)
    away = shell("people", "disconnect", "koa").output.splitlines()
    assert away[:1] == told
    assert away[1].startswith("Their consent at Oura is not revoked yet: ")
    shell.world.sandbox.clear_faults()
    again = shell("people", "disconnect", "koa").output.splitlines()
    assert again == [*told, "Their consent at Oura is revoked."]
    assert [row[2] for row in listed(shell) if row[1:2] == ["koa"]] == ["disconnected"]
    assert "nobody is called 'ada'" in shell.refused("people", "disconnect", "ada")


def test_an_export_is_a_new_folder(shell: Shell, tmp_path: Path) -> None:
    shell.sign_in("koa")
    assert shell("sync", "--last", "4", "--type", "daily_sleep").exit_code == 0
    rows = len(shell.world.landed("koa", DAILY_SLEEP))
    into = tmp_path / "mine"
    said = shell("people", "export", "koa", "--into", str(into))
    assert said.output.splitlines() == [
        f"Wrote {rows} documents of 1 types to {into}. README.md describes each file."
    ]
    assert {path.name for path in into.iterdir()} == {
        *("README.md", "person.json", "documents", "ledgers")
    }
    assert "not empty" in shell.refused("people", "export", "koa", "--into", str(into))


def test_people_can_be_given_by_id(shell: Shell) -> None:
    shell.sign_in("koa")
    shell.sign_in("runa")
    with open_pipeline() as pipeline:
        koa = pipeline.accounts.people.get("koa").id
    assert shell("sync", "--last", "2", "--type", "daily_sleep", "--person", koa).exit_code == 0
    assert shell.world.warehouse.usernames() == ["koa"]
    disconnected = shell("people", "disconnect", koa).output.splitlines()
    assert disconnected[0] == "koa is disconnected; their data stays."
    assert "nobody is called 'p-222222'" in shell.refused("people", "disconnect", "p-222222")


def go_file(tmp_path: Path, **people: dict[str, str]) -> Path:
    """A file of the Go replicator, with these OAuth tokens."""
    path = tmp_path / "user_creds.json"
    entries = {
        name: {"Name": name, "OauthToken": token, "PI": {"id": f"id-of-{name}"}}
        for name, token in people.items()
    }
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_people_of_the_go_replicator_are_imported_once(shell: Shell, tmp_path: Path) -> None:
    token = {
        "access_token": "go-access",
        "refresh_token": "go-refresh",
        "expiry": "2036-01-01T00:00:00Z",
    }
    shell.secrets |= {"go-access", "go-refresh"}
    path = go_file(tmp_path, ada=token)
    assert shell("people", "import", str(path)).output == "Imported 1: ada.\n"
    assert stored(shell, "ada") == "go-access"
    again = shell("people", "import", str(path)).output
    assert again == "Imported 0: nobody.\nAlready here, unchanged: ada.\n"


def test_a_bad_file_of_people_imports_nobody(shell: Shell, tmp_path: Path) -> None:
    shell.secrets.add("go-refresh")
    path = go_file(tmp_path, ada={"refresh_token": "go-refresh"}, bob={"access_token": "x"})
    result = shell("people", "import", str(path))
    assert result.exit_code == 1
    assert "nothing was imported" in result.stderr
    assert "bob" in result.stderr
    with shell.world.accounts() as accounts:
        assert accounts.people.all() == []


# Sync


def test_sync_fetches_and_shows_what_it_did(shell: Shell) -> None:
    """One person, two types, four days: rows as at Oura, and the same as a table."""
    shell.sign_in("koa")
    shell.sign_in("runa")
    result = shell(
        *("sync", "--last", "4", "--person", "koa"),
        *("--type", "daily_sleep", "--type", "WORKOUT"),
    )
    assert result.exit_code == 0, result.output
    last = last_partition()
    rows = {}
    for row in (DAILY_SLEEP, WORKOUT):
        landed = shell.world.landed("koa", row)
        assert landed == shell.world.truth("koa", row, last - 3 * ONE, last)
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
    last = last_partition() - ONE
    first = last - 2 * ONE
    result = shell(
        *("sync", "--from", str(first), "--to", str(last), "--type", "daily_sleep"),
    )
    assert result.exit_code == 0
    held = shell.world.truth("koa", DAILY_SLEEP, first, last)
    assert shell.world.landed("koa", DAILY_SLEEP) == held


def test_a_sync_in_which_nobody_landed_is_a_failure(shell: Shell) -> None:
    shell.sign_in("koa")
    shell.world.sandbox.change_person("koa", membership=False)
    result = shell("sync", "--last", "1", "--type", "daily_sleep")
    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("oura__daily_sleep")]
    assert line.startswith("oura__daily_sleep: daily_sleep failed for everybody: koa: ")
    assert "membership" in line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (WarehouseBusy("the warehouse is open elsewhere"), "the warehouse is open elsewhere"),
        (ValueError("a heart rate of 61"), "ValueError; see Dagster's UI for details"),
        (dg.Failure("nobody landed"), "nobody landed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_sync_says_why_a_step_failed(error: Exception, said: str) -> None:
    """In one line; what was not foreseen may hold data of somebody."""

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=0))
    def failing() -> None:
        raise error from RuntimeError("below")

    @dg.job(logger_defs={})
    def failed() -> None:
        failing()

    result = failed.execute_in_process(raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert failure_reason(failure.step_failure_data) == said


def test_who_could_not_be_had_is_named_while_the_others_land(shell: Shell) -> None:
    shell.sign_in("koa")
    shell.sign_in("runa")
    shell.world.sandbox.change_person("koa", membership=False)
    result = shell("sync", "--last", "1", "--type", "daily_sleep")
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if "every_person_landed" in line]
    assert line.startswith("oura/daily_sleep every_person_landed: koa: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2026-02-02", "--to", "2026-02-01"], "--from 2026-02-02 is after --to"),
        (
            ["--from", "2014-12-31", "--to", "2015-01-02"],
            "2014-12-31 is before 2015-01-01, where OURA_HISTORY_START",
        ),
        (["--from", "2026-01-01", "--to", "2999-01-01"], "2999-01-01 has not begun anywhere"),
        (["--person", "nemo"], "nobody is called 'nemo'; there are: koa"),
    ],
    ids=["backwards", "before history", "future", "stranger"],
)
def test_what_cannot_be_synced_is_refused_in_one_line(
    shell: Shell, arguments: list[str], said: str
) -> None:
    shell.sign_in("koa")
    line = shell.refused("sync", "--type", "daily_sleep", *arguments)
    assert line.startswith("Error: ")
    assert said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--type", "dreams"], "no document type is called 'dreams'; there are: daily_activity"),
        (["--last", "2", "--from", "2026-01-01"], "use --last without --from and --to"),
        (["--last", "0"], "Invalid value for '--last'"),
        (["--from", "yesterday"], "Invalid value for '--from'"),
    ],
    ids=["type", "both", "zero", "no day"],
)
def test_what_makes_no_sense_is_a_usage_error(
    shell: Shell, arguments: list[str], said: str
) -> None:
    result = shell("sync", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[-1]


def test_nobody_signed_in_says_what_to_do(shell: Shell) -> None:
    assert "or use `oura-pipeline people add`" in shell.refused("sync")


# Doctor, budget, key


def findings(shell: Shell) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit status of `doctor`, and per subject the mark and what it says, a line each."""
    result = shell("doctor")
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    return result.exit_code, {subject: (mark, text) for mark, subject, text in rows}


def trouble(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {subject: text for subject, (mark, text) in found.items() if mark != "ok"}


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_doctor_finds_nothing_wrong_in_a_healthy_world(told: Shell) -> None:
    status, found = findings(told)
    assert (status, trouble(found)) == (0, {})
    assert list(found) == [
        *("settings", "client", "people", "key", "warehouse", "site", "webhooks", "Oura", "token"),
        *("carbon", "graphite-web"),
    ]


def test_doctor_without_a_graphite_names_the_file(shell: Shell) -> None:
    shell.sign_in("koa")
    status, found = findings(shell)
    assert (status, trouble(found)) == (0, {})
    assert str(shell.world.home / "graphite.log") in found["Graphite"][1]


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
    ],
    ids=["no client", "no Oura", "no Graphite", "no render url", "no https", "no webhooks"],
)
def test_doctor_says_what_to_do(
    cloud: Sandbox, tmp_path: Path, settings: dict[str, str], subjects: list[str], advice: str
) -> None:
    with world(tmp_path / "data", cloud) as made:
        Shell(world=made).sign_in("koa")
    port = str(closed_port())
    given = {name: text.replace("{port}", port) for name, text in settings.items()}
    with world(tmp_path / "data", cloud, settings=given) as made:
        status, found = findings(Shell(world=made))
    assert (status, list(trouble(found))) == (1, subjects)
    assert advice in trouble(found)[subjects[0]]


def test_doctor_misses_people(shell: Shell) -> None:
    status, found = findings(shell)
    assert (status, trouble(found)) == (
        1,
        {"people": "nobody has signed in yet: open the site and sign in"},
    )


def test_a_key_that_others_may_read_is_refused_everywhere(shell: Shell) -> None:
    """In one line that says what to type, not in a traceback."""
    shell.sign_in("koa")
    key = shell.world.home / "token.key"
    key.chmod(0o644)
    status, found = findings(shell)
    assert (status, list(trouble(found))) == (1, ["accounts"])
    assert f"chmod 600 {key}" in trouble(found)["accounts"]
    for command in (["sync"], ["budget"], ["people", "list"], ["graphite", "withdrawn"]):
        assert f"chmod 600 {key}" in shell.refused(*command)


@pytest.mark.parametrize("command", ["budget", "sync"])
def test_a_bad_setting_ends_a_command_in_one_line(shell: Shell, command: str) -> None:
    done = shell.process(command, GRAPHITE_PORT="many")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("Error: GRAPHITE_PORT cannot be used")


def test_doctor_tells_a_bad_setting(shell: Shell) -> None:
    done = shell.process("doctor", OURA_RATE_LIMIT="many")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (1, "", 1)
    assert "OURA_RATE_LIMIT cannot be used" in done.stdout


def test_the_budget_counts_what_was_asked(shell: Shell) -> None:
    shell.sign_in("koa")
    assert shell("budget").output == "0 of 5000 requests used\n"
    shell("sync", "--last", "1", "--type", "daily_sleep", "--type", "workout")
    assert shell("budget").output.startswith("2 of 5000 requests used; the first becomes free")


def test_every_key_is_new_and_opens_tokens(shell: Shell) -> None:
    one, other = (shell("key", "new").output.strip() for _ in range(2))
    assert one != other
    assert Fernet(one).decrypt(Fernet(one).encrypt(b"a token")) == b"a token"


def test_rotating_the_key_leaves_everybody_signed_in(shell: Shell) -> None:
    shell.sign_in("koa")
    before, file = stored(shell, "koa"), shell.world.home / "token.key"
    old = file.read_text(encoding="utf-8")
    assert shell("key", "rotate").output.splitlines() == [
        f"Added a new key to {file}.",
        "Encrypted the tokens of 1 person with it.",
        "Removed the old key.",
    ]
    assert stored(shell, "koa") == before
    assert file.read_text(encoding="utf-8") not in ("", old)


# Graphite


def test_the_schemas_are_written_where_they_are_wanted(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "carbon"
    result = shell("graphite", "schemas", "--into", str(folder))
    assert result.output.splitlines() == [
        f"Wrote {folder / 'storage-schemas.conf'}",
        f"Wrote {folder / 'storage-aggregation.conf'}",
    ]
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "storage-schemas.conf": storage_schemas("bio"),
        "storage-aggregation.conf": storage_aggregation("bio"),
    }


def test_ingest_without_a_graphite_says_what_to_set(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "graphite.log"
    path.write_text("bio.ada.sleep.score 70 1767225600\n", encoding="utf-8")
    assert "set GRAPHITE_HOST" in shell.refused("graphite", "ingest", str(path))


def test_a_file_of_points_is_ingested_later(
    cloud: Sandbox, graphite: LocalGraphite, tmp_path: Path
) -> None:
    """Synced without a Graphite, then sent: every line can be read, a bad one is named."""
    name = "later"
    with world(tmp_path / "data", cloud, settings={"GRAPHITE_PREFIX": "bio"}) as made:
        shell = Shell(world=made)
        shell.sign_in("runa")
        assert shell("sync", "--last", "5", "--type", "daily_sleep").exit_code == 0
        log = made.home / "graphite.log"
    lines = log.read_text(encoding="utf-8").replace(".runa.", f".{name}.").splitlines()
    log.write_text("\n".join([*lines, "not a point"]) + "\n", encoding="utf-8")
    with world(tmp_path / "data", cloud, graphite=graphite) as made:
        result = Shell(world=made)("graphite", "ingest", str(log))
    assert result.output.splitlines()[:2] == [
        f"Sent {len(lines):,} points to 127.0.0.1:{graphite.line_port}.",
        "1 lines were not sent:",
    ]
    assert result.output.splitlines()[2].startswith(f"  line {len(lines) + 1}: ")
    said = {(int(seconds), float(value)) for line in lines for _, value, seconds in [line.split()]}
    past = {(at, value) for at, value in said if at <= datetime.now(UTC).timestamp()}
    assert past
    targets = [f"bio.{name}.sleep.*", f"bio.{name}.sleep.contrib.*"]
    end = monotonic() + 20  # carbon writes when it gets to it
    while not (there := shown(graphite, *targets)) >= past and monotonic() < end:
        pass
    assert there >= past


def shown(graphite: LocalGraphite, *targets: str) -> set[tuple[int, float]]:
    """Time and value of all points that graphite-web shows of the last 20 days."""
    form: dict[str, str | list[str]] = {
        "target": list(targets),
        "from": "-20d",
        "format": "json",
        "noNullPoints": "true",
        "noCache": "true",
    }
    answer = httpx.post(f"{graphite.render_url}/render", data=form, timeout=60)
    return {(at, value) for series in answer.json() for value, at in series["datapoints"]}


def test_replay_sends_again_and_reads_back(
    cloud: Sandbox, graphite: LocalGraphite, tmp_path: Path
) -> None:
    """What went to the file counts as pushed; from DuckDB it goes into a Graphite all the same."""
    last = last_partition() - 2 * ONE
    chosen = ["--from", str(last - ONE), "--to", str(last), "--type", "daily_sleep"]
    with world(tmp_path / "data", cloud) as made:
        shell = Shell(world=made)
        shell.sign_in("koa")
        assert shell("sync", *chosen).exit_code == 0
        with made.accounts() as accounts:
            points = sum(push.points for push in accounts.pushes.find("daily_sleep"))
    with world(tmp_path / "data", cloud, graphite=graphite) as made:
        result = Shell(world=made)("graphite", "replay", *chosen, "--person", "koa")
    assert points > 0
    assert result.output.splitlines() == [
        f"daily_sleep: {points:,} points sent",
        f"{points:,} points read back, twice.",
    ]


def test_replay_refuses_strangers_and_days_backwards(told: Shell) -> None:
    days = ["--from", "2026-02-01", "--to", "2026-02-02"]
    assert "nobody is called 'nemo'" in told.refused(
        "graphite", "replay", *days, "--person", "nemo"
    )
    backwards = told("graphite", "replay", "--from", "2026-02-02", "--to", "2026-02-01")
    assert backwards.exit_code == 2
    assert "--from 2026-02-02 is after --to 2026-02-01" in backwards.stderr


def test_points_that_oura_took_back_are_listed(shell: Shell) -> None:
    """With their metric, day, number, first and last time."""
    day = last_partition() - 4 * ONE
    days = ["--from", str(day), "--to", str(day), "--type", "daily_readiness"]
    shell.sign_in("koa")
    assert shell("sync", *days).exit_code == 0
    shell.world.sandbox.delete("koa", "daily_readiness", day=day)
    assert shell("sync", *days).exit_code == 0
    rows = words(shell.process("graphite", "withdrawn").stdout)
    midnight = f"{datetime.combine(day, time()):%Y-%m-%d %H:%M:%S}".split()
    [score] = [row for row in rows if row and row[0] == "bio.koa.readiness.score"]
    assert score[1:7] == [str(day), "1", *midnight, *midnight]


# The sandbox


def test_the_sandbox_has_one_set_of_options(shell: Shell) -> None:
    ours = shell.process("sandbox", "--help")
    own = subprocess.run(
        [sys.executable, "-m", "oura_pipeline.sandbox", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        check=True,
    )
    assert (ours.returncode, ours.stdout) == (0, own.stdout)
    for option in ("--port", "--people", "--days", "--replay", "--end"):
        assert option in ours.stdout


def test_the_sandbox_refuses_bad_options(shell: Shell) -> None:
    done = shell.process("sandbox", "--people", "0", "--port", "0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("at least one person and one day")


def test_the_sandbox_serves(shell: Shell) -> None:
    command = [sys.executable, "-m", "oura_pipeline.cli", "sandbox"]
    options = ["--port", "0", "--people", "1", "--days", "2"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().split(" on ")[1].split(": ")[0]
            answer = httpx.get(f"{url}/v2/usercollection/personal_info")
        finally:
            child.terminate()
    assert answer.status_code in (400, 401)


# Help, and failures


def all_commands() -> list[tuple[str, click.Command]]:
    """Return every command and group, each with what is typed for it."""
    found: list[tuple[str, click.Command]] = []

    def visit(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                visit(f"{path} {name}", child)

    visit("oura-pipeline", cli)
    return found


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=path) for path, command in all_commands()[1:]]
)
def test_help_lines_fit_into_80_columns(command: click.Command) -> None:
    """A sentence of at most 45 characters, which click does not cut off in a list of commands."""
    line = (command.help or "").partition("\n")[0]
    assert line.endswith(".")
    assert len(line) <= 45
    assert not command.get_short_help_str(45).endswith("...")


def test_help_lists_every_command_with_its_own_help_line() -> None:
    context = click.Context(cli)
    modules = Path(cli_module.__file__).with_name("commands").glob("*.py")
    shared = {"__init__", "console", "options", "sync_run"}
    assert sorted(COMMANDS) == sorted({path.stem for path in modules} - shared)
    lines = CliRunner().invoke(cli, ["--help"]).output.partition("Commands:\n")[2].splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[*row] for row in COMMANDS.items()]
    for name, line in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert (command.help or "").partition("\n")[0] == line


def test_help_imports_nothing_slow() -> None:
    """Dagster, DuckDB and pandas take seconds."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from oura_pipeline.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    slow = {"dagster", "duckdb", "pandas", "sqlalchemy", "pydantic", "httpx"}
    assert slow.isdisjoint(loaded)
    assert [name for name in loaded if name.startswith("oura_pipeline.")] == ["oura_pipeline.cli"]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_and_macos_are_supported(platform: str) -> None:
    assert unsupported_system(platform) is None


@pytest.mark.parametrize("platform", ["win32", "cygwin", "freebsd14"])
def test_other_systems_are_refused_in_one_sentence(platform: str) -> None:
    assert unsupported_system(platform) == (
        "oura-pipeline runs on Linux and macOS; on Windows, run it in WSL."
    )


def test_an_unexpected_error_keeps_its_traceback() -> None:
    """Only messages of our own exceptions are known to be clear and free of secrets."""

    @click.group(cls=LazyGroup)
    def failing() -> None:
        raise KeyError("a bug")

    result = CliRunner().invoke(failing, ["budget"])
    assert isinstance(result.exception, KeyError)


def test_whoever_left_is_named_with_what_deletes_them_in_graphite(told: Shell) -> None:
    """Graphite knows what it holds; nothing here does, once somebody has left."""
    told("sync", "--last", "4", "--type", "daily_sleep")
    before = told("graphite", "orphans").stdout.splitlines()
    assert "rm -r <whisper>/bio/koa" not in before
    with told.world.accounts() as accounts:
        accounts.removal.delete("koa")
    assert "rm -r <whisper>/bio/koa" in told("graphite", "orphans").stdout.splitlines()


def test_without_graphite_web_nobody_knows_who_is_left_there(shell: Shell) -> None:
    assert "set GRAPHITE_RENDER_URL" in shell.refused("graphite", "orphans")
