"""What is taken for a backup, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.backups.backup import back_up
from oura_pipeline.backups.manifest import MANIFEST
from oura_pipeline.backups.places import BackupRefused
from oura_pipeline.backups.restore import restore
from oura_pipeline.commands.group import cli
from oura_pipeline.files import open_to_others
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.process.owners import owned
from oura_pipeline.settings import Settings, load_settings
from oura_pipeline_tests.accounts.homes import alone

POINTS = "bio.ada.sleep.score 73 1767225600\n"
FILES = [
    "accounts.sqlite",
    "dagster/history/runs.db",
    "graphite.log",
    MANIFEST,
    "token.key",
    "warehouse.duckdb",
]


@pytest.fixture
def home(empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with ada in it, whose last points were torn by a kill."""
    home = tmp_path / "data"
    settings_of(home, monkeypatch)
    shutil.copytree(empty_home, home, ignore=shutil.ignore_patterns("dagster"))
    with open_pipeline() as pipeline:
        pipeline.accounts.people.add("ada", SignIn(refresh_token="of ada"))
    (home / "graphite.log").write_text(f"{POINTS}bio.ada.sleep.sc", encoding="ascii")
    (home / "dagster" / "history").mkdir(parents=True)
    shutil.copy(home / "accounts.sqlite", home / "dagster" / "history" / "runs.db")
    return home


def settings_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for the processes of a test, as they come from the environment."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return load_settings()


@pytest.fixture
def backup(home: Path, tmp_path: Path) -> Path:
    with open_pipeline() as pipeline:
        back_up(pipeline, tmp_path / "backup", lambda line: None)
    return tmp_path / "backup"


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_what_the_commands_say(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is its owner's alone, and what a kill has torn is not in it."""
    folder = tmp_path / "backup"
    made = CliRunner().invoke(cli, ["backup", str(folder)])
    assert re.sub(r"[\d.]+ MB", "… MB", made.output).splitlines() == [
        "Dagster's records: … MB",
        "waiting until nothing is landing",
        "warehouse: … MB",
        "accounts and keys: … MB",
        "file of points: … MB",
        "list with the sha256 of 5 files: … MB",
        f"Backed up 5 files, … MB, to {folder}",
        f"Not in it: `.env`. `oura-pipeline restore {folder}` is the way back.",
    ]
    assert files(folder) == FILES
    assert (folder / "graphite.log").read_text(encoding="ascii") == POINTS
    assert list(open_to_others(folder)) == []
    settings_of(tmp_path / "new", monkeypatch)
    result = CliRunner().invoke(cli, ["restore", str(folder)])
    said = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "THEN", result.output).splitlines()
    assert re.fullmatch(r"every file is as manifest.json says: \d\.\d MB", said[0])
    assert said[1:3] == [
        f"Restored 5 files of THEN into {tmp_path / 'new'}. What next:",
        "- Sign-ins: whoever was renewed after THEN must sign in again, as Oura takes a refresh "
        "token once. The access tokens of 0 of 1 who are signed in have run out since; "
        "`doctor` and `/status` name whom Oura refuses.",
    ]
    assert list(open_to_others(tmp_path / "new")) == []
    with open_pipeline() as pipeline:
        assert [person.username for person in pipeline.accounts.people.all()] == ["ada"]


def refused(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reason why a folder is not restored; the data folder stays as it was."""
    settings = settings_of(home, monkeypatch)
    before = files(home)
    with pytest.raises(BackupRefused) as error:
        restore(folder, settings, print)
    assert files(home) == before
    return str(error.value)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def relist(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | changes), encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in FILES if name != MANIFEST])
def test_a_changed_file_is_refused(
    name: str, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is lost, or put there afterwards; nothing is restored."""
    changed = (
        f"{backup} is not as it was made: {name} was changed, added or lost. Nothing was restored; "
        "use another backup"
    )
    flip(backup / name)
    assert refused(backup, tmp_path / "new", monkeypatch) == changed
    flip(backup / name)
    (backup / name).rename(tmp_path / "lost")
    assert refused(backup, tmp_path / "new", monkeypatch) == changed
    (tmp_path / "lost").rename(backup / name)
    (backup / "zz.db").touch()
    assert "zz.db was changed, added or lost" in refused(backup, tmp_path / "new", monkeypatch)
    assert not (tmp_path / "new").exists()


def test_a_list_that_is_not_ours_is_refused(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a newer version, one that names files elsewhere, half of one, none."""
    new = tmp_path / "new"
    whole = (backup / MANIFEST).read_bytes()
    relist(backup, accounts_schema="9999")
    assert "newer than this one" in refused(backup, new, monkeypatch)
    (tmp_path / "evil.db").touch()
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    relist(
        backup,
        accounts_schema="0001",
        files=[{"name": "dagster/../../evil.db", "size": 0, "sha256": nothing}],
    )
    assert "was changed, added or lost" in refused(backup, new, monkeypatch)
    (backup / MANIFEST).write_bytes(whole[: len(whole) // 2])
    assert "manifest.json was changed" in refused(backup, new, monkeypatch)
    (backup / MANIFEST).unlink()
    assert refused(backup, new, monkeypatch) == f"{backup} is no backup: it has no manifest.json"
    assert not new.exists()


def test_another_key_is_refused(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nobody's tokens could be read afterwards."""
    monkeypatch.setenv("OURA_TOKEN_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    settings_of(tmp_path / "new", monkeypatch)
    result = CliRunner().invoke(cli, ["restore", str(backup)])
    assert "no key in the settings opens the stored tokens" in result.output
    assert files(tmp_path / "new") == ["dev.lock"]


def test_a_data_folder_with_data_or_that_is_used_is_refused(
    home: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{home} has data, accounts.sqlite for instance" in refused(backup, home, monkeypatch)
    new = tmp_path / "new"
    new.mkdir()
    with owned(new / "dev.lock", "a test"):
        assert "something of the project runs on" in refused(backup, new, monkeypatch)
    monkeypatch.setenv("OURA_WAREHOUSE_URL", str(tmp_path / "elsewhere.duckdb"))
    (tmp_path / "elsewhere.duckdb").touch()
    assert "elsewhere.duckdb exists" in refused(backup, new, monkeypatch)


def test_a_folder_that_cannot_become_a_backup_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "of").touch()
    (tmp_path / "link").symlink_to(home)
    asked = {
        home / "backup": f"{home / 'backup'} is inside {home}",
        tmp_path / "link" / "backup": f"is inside {home}",
        tmp_path / "full": f"{tmp_path / 'full'} is not empty",
        tmp_path / "full" / "of": "is not empty",
        tmp_path: f"{tmp_path} is not empty",
    }
    with open_pipeline() as pipeline:
        for folder, reason in asked.items():
            with pytest.raises(BackupRefused, match=re.escape(reason)):
                back_up(pipeline, folder, lambda line: None)
        (tmp_path / "empty").mkdir(mode=0o755)
        back_up(pipeline, tmp_path / "empty", lambda line: None)
    assert files(tmp_path / "empty") == FILES
    assert list(open_to_others(tmp_path / "empty")) == []


ON_POSTGRES = {
    "OURA_ACCOUNTS_URL": "postgresql+psycopg://db/oura",
    "OURA_TOKEN_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "OURA_SESSION_KEY": "s",
}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "there is nothing to back up in"),
        (ON_POSTGRES, "the accounts are on Postgres"),
    ],
)
def test_what_there_is_nothing_to_copy_of_is_refused(
    variables: dict[str, str], reason: str, tmp_path: Path
) -> None:
    """And nothing is created for it."""
    settings = {"OURA_PIPELINE_HOME": str(tmp_path / "data"), **variables}
    result = CliRunner().invoke(cli, ["backup", str(tmp_path / "backup")], env=settings)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert reason in result.output
    assert list(tmp_path.iterdir()) == []


def _killed(
    work: Callable[..., object], variables: dict[str, str], moment: int, *paths: Path
) -> None:
    """Work until so many bytes are in one file or, below 100, until so many parts are done."""
    os.environ.update(variables)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if moment >= 100:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        sys.dont_write_bytecode = True  # a module's would be cut off
        resource.setrlimit(resource.RLIMIT_FSIZE, (moment, moment))
    work(moment, *paths)


def _back_up(moment: int, folder: Path) -> None:
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if len(said) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_pipeline() as pipeline:
        back_up(pipeline, folder, progress)


def _restore(_: int, folder: Path) -> None:
    restore(folder, load_settings(), print)


MOMENTS = [1, 3, 4, 6, 70_000, 300_000, 1_000_000]


def test_a_kill_leaves_nothing_that_is_taken_for_a_backup(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of each part, and in the middle of one; the next backup clears it away."""
    folder, variables = tmp_path / "backup", dict(os.environ)
    for moment in MOMENTS:
        code = alone(_killed, _back_up, variables, moment, folder)
        assert code in (-signal.SIGKILL, -signal.SIGXFSZ), moment
        assert not folder.exists()
        for left in tmp_path.glob(".backup*"):
            assert "never finished" in refused(left, tmp_path / "new", monkeypatch)
        settings_of(home, monkeypatch)
    with open_pipeline() as pipeline:
        back_up(pipeline, folder, lambda line: None)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    restore(folder, settings_of(tmp_path / "new", monkeypatch), print)


def test_a_restore_that_was_killed_is_done_again(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    settings = settings_of(new, monkeypatch)
    for limit in (40_000, 300_000):
        assert alone(_killed, _restore, dict(os.environ), limit, backup) == -signal.SIGXFSZ
        assert [name for name in files(new) if not re.search(r"\.(new|lock)$", name)] == []
    restore(backup, settings, print)
    assert [name for name in files(new) if not name.endswith(".lock")] == [
        name for name in FILES if name != MANIFEST
    ]
