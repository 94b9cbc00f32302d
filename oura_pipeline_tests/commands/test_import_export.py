"""`oura-pipeline people import-export`."""

from __future__ import annotations

import socket
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from oura_pipeline.commands.group import cli
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.settings import read_settings
from oura_pipeline_tests.member_export.archives import write_zip

FILES = {
    "App Data/temperature.csv": "timestamp;skin_temp\n2026-05-01T10:00:00Z;35.2\n",
    "App Data/periodstartdsr.csv": "id\nx\n",
    "App Data/dailysleep.csv": "date;score\n2026-05-01;80\n",
    "Subscriptions/account.csv": "id;email\n1;ada@example.com\n",
}


def imported(home: Path, *arguments: str, **settings: str) -> Result:
    """Run the command in a data folder; points go to a file."""
    env = {"OURA_PIPELINE_HOME": str(home), "COLUMNS": "100", **settings}
    return CliRunner().invoke(cli, ["people", "import-export", *arguments], env=env)


def test_it_says_what_became_of_every_file(tmp_path: Path) -> None:
    """Also of those that were not read; what landed is published and sent."""
    path = write_zip(tmp_path / "data.zip", FILES)
    result = imported(tmp_path / "data", "ada", str(path), "--new")
    assert result.exit_code == 0, result.output
    assert ["temperature.csv", "1", "1", "0", "0"] in [
        line.split() for line in result.output.splitlines()
    ]
    assert result.output.splitlines()[-3:] == [
        "Not read: App Data/dailysleep.csv: it has no column day, so no row can be told from "
        "another.",
        "Not read, since nobody has described them: periodstartdsr.csv.",
        "Never read: 1 file about the account or places.",
    ]
    assert "ada@example.com" not in result.output
    log = (tmp_path / "data" / "graphite.log").read_text(encoding="utf-8")
    assert log == "bio.ada.temperature.skin_temp 35.2 1777629600\n"
    assert (tmp_path / "data" / "analytics.duckdb").exists()


def test_what_carbon_does_not_take_has_landed_and_waits(tmp_path: Path) -> None:
    """All of it lands, and the days of all of it wait, not of the first type alone."""
    many = {**FILES, "App Data/dailystress.csv": "id;day;stress_high\ns;2026-05-02;900\n"}
    path, home = write_zip(tmp_path / "data.zip", many), tmp_path / "data"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        carbon = {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": str(nobody.getsockname()[1])}
        result = imported(home, "ada", str(path), "--new", **carbon)
    assert result.exit_code == 0, result.output
    assert "Graphite has not got all of it yet" in result.output
    assert "did not take the points" in result.output
    with duckdb.connect(home / "analytics.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM oura.daily_stress").fetchall() == [(1,)]
    with open_pipeline(read_settings({"OURA_PIPELINE_HOME": str(home)})) as pipeline:
        waiting = pipeline.accounts.waiting.due(datetime.now(UTC), limit=9, retry=True)
    assert {(one.document_type, one.day) for one in waiting} == {
        ("daily_stress", date(2026, 5, 2)),
        ("temperature", date(2026, 5, 1)),
    }


@pytest.mark.parametrize("new", [True, False])
def test_what_is_refused_changes_nothing(tmp_path: Path, new: bool) -> None:
    """Nobody is added for it either."""
    path = write_zip(tmp_path / "data.zip", {"bank.csv": "a;b\n"})
    result = imported(tmp_path / "data", "ada", str(path), *["--new"] * new)
    again = imported(tmp_path / "data", "ada", str(path))
    assert (result.exit_code, again.exit_code) == (1, 1)
    if new:
        assert "data.zip was not imported: none of its 1 tables is one of Oura's" in result.output
    assert again.output.strip().endswith("nobody has signed in yet; --new adds somebody")


def test_who_is_here_is_not_added_anew(tmp_path: Path) -> None:
    """As after an interrupt; it says how to go on, and changes nothing."""
    path, home = write_zip(tmp_path / "data.zip", FILES), tmp_path / "data"
    assert imported(home, "ada", str(path), "--new").exit_code == 0
    again = imported(home, "ada", str(path), "--new")
    assert again.exit_code == 1
    assert "ada is here already: leave --new out" in again.output
    result = imported(home, "ada", str(path))
    assert ["temperature.csv", "1", "0", "1", "0"] in [
        line.split() for line in result.output.splitlines()
    ]
