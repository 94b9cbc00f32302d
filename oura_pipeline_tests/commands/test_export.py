"""`oura-pipeline export`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oura_pipeline.commands.group import cli
from oura_pipeline.exports.apple_health import json_schema
from oura_pipeline_tests.testing.published_copies import insert_rows, writable_copy

TODAY = (datetime.now(UTC) + timedelta(hours=14)).date()
DAYS = (date(2026, 4, 9), date(2026, 4, 10), TODAY - timedelta(days=7), TODAY)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a published copy, and the settings that say where."""
    home = tmp_path / "data"
    home.mkdir()
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(home))
    with writable_copy(home / "analytics.duckdb") as connection:
        for username in ("ada", "milo"):
            for day in DAYS[: 4 if username == "ada" else 1]:
                fetched = (username, "sleep", day, "empty", 0)
                insert_rows(connection, "fetches", [(*fetched, None, None)])
                insert_rows(connection, "coverage", [(*fetched, None, None, 0)])
        insert_rows(connection, "steps", [("ada", DAYS[0], 5, None), ("milo", DAYS[1], 6, None)])
    return home


def typed(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["export", *arguments])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_nights_go_into_the_folder_of_the_settings(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All people and all days unless told otherwise, and it says what that was."""
    said = " in {}; {} of them new or changed. HRV is RMSSD, not SDNN.\n"
    exports = home / "exports"
    assert typed("hrv").stdout == "10 files of 2 people" + said.format(exports, 10)
    assert typed("hrv").stdout == "10 files of 2 people" + said.format(exports, 0)
    elsewhere = home.parent / "elsewhere"
    monkeypatch.setenv("OURA_EXPORTS", str(elsewhere))
    told = typed("hrv", "--person", "milo").stdout
    assert told == "2 files of 1 person" + said.format(elsewhere, 2)
    assert files(elsewhere) == ["milo/2026-04-09_hrv.csv", "milo/2026-04-09_hrv.json"]


@pytest.mark.parametrize(
    ("options", "days"),
    [
        (["--from", "2026-04-10", "--to", "2026-04-10"], DAYS[1:2]),
        (["--to", "2026-04-10"], DAYS[:2]),
        (["--last", "7"], DAYS[3:]),
        (["--last", "8"], DAYS[2:]),
    ],
)
def test_days_can_be_chosen(options: list[str], days: tuple[date, ...], home: Path) -> None:
    """The last ones end with the newest day that has begun anywhere on Earth."""
    into = home / "some"
    assert typed("hrv", "--person", "ada", "--into", str(into), *options).exit_code == 0
    wanted = [f"ada/{day}_hrv.{kind}" for day in days for kind in ("csv", "json")]
    assert files(into) == sorted(wanted)


def test_the_schema_is_shown_as_it_is(home: Path) -> None:
    """It is JSON for a file, and nothing is written."""
    result = typed("hrv", "--schema")
    assert (result.stdout, json.loads(result.stdout)) == (json_schema(), json.loads(json_schema()))
    assert files(home) == ["analytics.duckdb"]


def test_views_are_written_where_one_says(home: Path, tmp_path: Path) -> None:
    into = tmp_path / "lake"
    result = typed("view", "steps", "--into", str(into), "--format", "csv")
    assert result.stdout == f"2 files with 2 rows in {into}/steps; 2 of them new or changed.\n"
    assert files(into) == ["steps/2026-04-09.csv", "steps/2026-04-10.csv"]
    result = typed("view", "steps", "--into", str(into), "--person", "ada", "--to", "2026-04-09")
    assert result.stdout == f"1 file with 1 row in {into}/steps/ada; 1 of them new or changed.\n"
    assert files(into / "steps" / "ada") == ["2026-04-09.parquet"]


@pytest.mark.parametrize("inside", ["exports", "exports/deep", "other/../exports"])
def test_views_do_not_go_where_nights_are(inside: str, home: Path) -> None:
    """Everybody is in the file of a view: it would stay when one of them leaves."""
    result = typed("view", "steps", "--into", str(home / inside))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {home}/exports is for `export hrv`, and a person's files in it are "
        "deleted when they leave: choose another folder\n"
    )
    assert files(home) == ["analytics.duckdb"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["hrv", "--as", "sdnn"], 2, "No such option"),
        (["hrv", "--last", "2", "--to", "2026-04-09"], 2, "use --last without --from and --to"),
        (["hrv", "--last", "0"], 2, "0 is not in the range"),
        (["hrv", "--from", "2026-04-10", "--to", "2026-04-09"], 2, "--from 2026-04-10 is after"),
        (["hrv", "--person", "eve"], 1, "nobody in the published copy is called eve"),
        (["view", "steps"], 2, "Missing option '--into'"),
        (["view", "steps", "--into", "x", "--format", "xml"], 2, "'xml' is not one of"),
        (["view", "stairs", "--into", "x"], 1, "there is no view or table 'stairs'"),
        (["view", "nights", "--into", "x", "--person", "eve"], 1, "is called eve"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], status: int, said: str, home: Path) -> None:
    """There is no way to say SDNN: nothing can be converted into it."""
    result = typed(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert files(home) == ["analytics.duckdb"]


def test_a_place_that_cannot_be_written_is_named(home: Path) -> None:
    """In one line, whatever the system has against it."""
    into = home / "analytics.duckdb"
    said = f"Error: cannot write {into}/{{}}: Not a directory\n"
    assert typed("hrv", "--into", str(into)).stderr == said.format("ada")
    assert typed("view", "steps", "--into", str(into)).stderr == said.format("steps")


def test_without_a_copy_of_this_version_it_says_how_to_get_one(home: Path) -> None:
    (home / "analytics.duckdb").unlink()
    for arguments in (["hrv"], ["view", "steps", "--into", str(home / "x")]):
        result = typed(*arguments)
        assert (result.exit_code, "publishes it" in result.stderr) == (1, True)
    with writable_copy(home / "analytics.duckdb") as connection:
        connection.execute("DROP TABLE oura.sleep_heart; DROP TABLE oura.coverage")
    assert typed("hrv").stderr == (
        "Error: the published copy is of an older version: run `oura-pipeline sync` for a new one\n"
    )
