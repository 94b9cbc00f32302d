"""What children write is kept, and the errors among it are shown once."""

from __future__ import annotations

from pathlib import Path

import pytest

from oura_pipeline.process import log_file
from oura_pipeline.process.log_file import LogFile

SHOWN = (
    "2026-06-10 12:00:00,000 ERROR oura_pipeline.web: the disk is full",
    "2026-06-10 12:00:00 +0000 - dagster.daemon.SensorDaemon - ERROR - Sensor daemon caught one",
    '{"at": "2026-06-10T12:00:00.000+00:00", "level": "error", "logger": "oura_pipeline"}',
    "Error: OURA_KEY cannot be used",
)
NOT_SHOWN = (
    "2026-06-10 12:00:00 +0000 - dagster.daemon - INFO - Instance is configured",
    '{"at": "2026-06-10T12:00:00.000+00:00", "level": "info", "message": "no error"}',
    "ERRORS are words, too",
)


def append(log: LogFile, text: str) -> None:
    with log.path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_errors_are_shown_once_and_whole(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    append(log, "\n".join((*SHOWN, *NOT_SHOWN, "\x1b[31mERROR\x1b[0m red")) + "\nError: half a ")
    assert log.new_errors() == [*SHOWN, "ERROR red"]
    append(log, "line\n")
    assert log.new_errors() == ["Error: half a line"]
    assert log.new_errors() == []


def test_a_log_begins_anew_before_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had it open goes on at its new beginning."""
    monkeypatch.setattr(log_file, "LARGEST", 10)
    (tmp_path / "log").write_text("of the last time\n")
    log = LogFile(tmp_path / "log")
    with log.path.open("a", encoding="utf-8") as child:
        child.write("Error: something long\n")
        child.flush()
        assert log.new_errors() == ["Error: something long"]
        child.write("Error: new\n")
    assert log.path.read_text() == "Error: new\n"
    assert log.new_errors() == ["Error: new"]
