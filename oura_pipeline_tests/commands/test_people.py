"""`oura-pipeline people`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.commands.group import cli
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline_tests.commands.shell import Shell, access_token, words


def listed(shell: Shell) -> list[list[str]]:
    """The words of every row of `people list`."""
    return words(shell("people", "list", COLUMNS="200").stdout)


def test_a_person_is_added_and_listed(shell: Shell) -> None:
    added = shell.sign_in("koa")
    assert (added.exit_code, added.output) == (
        0,
        "Added koa. `oura-pipeline sync --person koa` fetches the last week.\n",
    )
    with open_pipeline() as pipeline:
        koa = pipeline.accounts.people.get("koa")
    assert [koa.id, "koa", "connected"] in [row[:3] for row in listed(shell)]
    [told] = json.loads(shell("people", "list", "--json").stdout)
    assert (told["id"], told["username"], told["state"]) == (koa.id, "koa", "connected")
    assert told["scopes"] == sorted(koa.scopes or ())


def test_adding_twice_gives_new_tokens(shell: Shell) -> None:
    shell.sign_in("koa")
    before = access_token("koa")
    again = shell.sign_in("koa")
    assert again.output == "koa is already here and has a new token now.\n"
    assert access_token("koa") != before


def test_who_is_added_is_known_at_oura_at_once(shell: Shell) -> None:
    """So that no link for their username gives it to somebody else."""
    shell.sign_in("koa")
    ids = {held["username"]: held["id"] for held in shell.world.sandbox.people()}
    with open_pipeline() as pipeline:
        assert pipeline.accounts.people.get("koa").oura_id == ids["koa"]


def test_tokens_of_another_account_are_refused(shell: Shell) -> None:
    """A new username is not added for them, and one that is here is not fetched with them."""
    shell.sign_in("koa")
    for username, state in (("other", None), ("koa", "disconnected")):
        token = shell.world.sandbox.sign_in("koa" if state is None else "runa")["refresh_token"]
        result = shell("people", "add", username, stdin=token)
        assert (result.exit_code, result.stdout) == (1, "")
        with open_pipeline() as pipeline:
            found = {person.username: person.state for person in pipeline.accounts.people.all()}
        assert found.get(username) == state


def test_a_bad_username_is_refused(shell: Shell) -> None:
    result = shell("people", "add", "Ada!", stdin="secret-of-ada")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'Ada!' cannot be a username" in result.stderr
    assert "secret-of-ada" not in result.stderr


@pytest.mark.parametrize("text", ["", " \n", "one two", "one\ntwo\n"])
def test_a_token_comes_from_a_file_or_stdin_alone(shell: Shell, tmp_path: Path, text: str) -> None:
    """On a command line other programs could read it."""
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")
    for arguments, stdin in (((), text), (("--token-file", str(path)), None)):
        result = shell("people", "add", "ada", *arguments, stdin=stdin)
        assert result.exit_code == 2
        assert "there must be one refresh token" in result.stderr
    path.write_text("a-token\n", encoding="utf-8")
    added = shell("people", "add", "ada", "--token-file", str(path))
    assert (added.exit_code, "Who ada is at Oura is not known yet" in added.stderr) == (0, True)
    for option in ("--refresh-token", "--access-token"):
        assert shell("people", "add", "bob", option, "secret").exit_code == 2


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
    assert "there is no person 'koa'" in again
    assert shell.world.warehouse.usernames() == ["koa"]
    assert "nobody has signed in yet" in shell.refused("sync")


def test_removing_asks_first_and_deletes_after_a_yes(shell: Shell) -> None:
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
    assert "there is no person 'koa'" in shell.refused("people", "remove", "koa")


def test_removing_says_what_to_do_where_files_cannot_be_deleted(shell: Shell) -> None:
    """A link in the place of their folder is nothing that we follow; without it the rest goes."""
    shell.sign_in("koa")
    link = shell.world.home / "exports" / "koa"
    link.parent.mkdir(parents=True)
    link.symlink_to(shell.world.home.parent)
    stuck = shell("people", "remove", "koa", "--yes")
    assert (stuck.exit_code, stuck.stderr) == (
        1,
        "Error: their folder in OURA_EXPORTS is a symbolic link: delete it and their files behind "
        "it. Then run this again.\n",
    )
    link.unlink()
    assert "Deleted everything of koa" in shell("people", "remove", "koa", "--yes").output


def test_disconnecting_keeps_the_data_and_says_whether_oura_knows(shell: Shell) -> None:
    shell.sign_in("koa")
    expected = ["koa is disconnected; their data stays."]
    shell.world.sandbox.fault("error", route="revoke", count=1000)
    away = shell("people", "disconnect", "koa").output.splitlines()
    assert away[:1] == expected
    assert away[1].startswith("Their consent at Oura is not given back yet: ")
    assert "koa: access not given back yet: " in shell("people", "list").output
    doctor = [line for line in shell("doctor").stdout.splitlines() if " consent " in line]
    assert [line[:34] for line in doctor] == ["no consent      koa: access not gi"]
    shell.world.sandbox.clear_faults()
    again = shell("people", "disconnect", "koa").output.splitlines()
    assert again == [*expected, "Their consent at Oura is revoked."]
    assert [row[2] for row in listed(shell) if row[1:2] == ["koa"]] == ["disconnected"]
    assert "there is no person 'ada'" in shell.refused("people", "disconnect", "ada")


def test_an_export_is_a_new_folder(shell: Shell, tmp_path: Path) -> None:
    shell.sign_in("koa")
    assert shell("sync", "--last", "4", "--type", "daily_sleep").exit_code == 0
    rows = len(shell.world.landed("koa", DAILY_SLEEP))
    into = tmp_path / "mine"
    exported = shell("people", "export", "koa", "--into", str(into))
    assert exported.output.splitlines() == [
        f"Wrote {rows} documents of 1 types to {into}. README.md describes each file."
    ]
    assert {path.name for path in into.iterdir()} == {
        *("README.md", "person.json", "documents", "ledgers", "views")
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
    assert "there is no person 'p-222222'" in shell.refused("people", "disconnect", "p-222222")


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
    assert access_token("ada") == "go-access"
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
