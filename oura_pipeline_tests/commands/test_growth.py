"""`oura-pipeline doctor` shows everything that grows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oura_pipeline.defs.growth import GROWING
from oura_pipeline.doctor.growth import bytes_text
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.commands.shell import Shell

# A line each, and no more however long it is used.
FIXED = {"token.key", "session.key", "tidied"}


def below(path: Path) -> set[Path]:
    return {path} | set(path.rglob("*"))


def test_doctor_shows_everything_that_grows(shell: Shell) -> None:
    """Each with its size, its share of the disk, and what would free room."""
    shell.sign_in("koa")
    shell("sync", "--last", "2", "--type", "daily_sleep")
    _, *lines = shell("doctor").stdout.partition("\n\n")[2].splitlines()
    size, share = r" +\d[\d.]* (bytes|kB|MB|GB)", r" +\d+\.\d\d%"
    for growing, line in zip(GROWING, lines, strict=True):
        pattern = re.escape(growing.name) + size + share + "  " + re.escape(growing.frees)
        assert re.fullmatch(pattern, line)
    settings = load_settings()
    points = next(growing for growing in GROWING if growing.name == "points")
    assert points.bytes(settings) == settings.storage.graphite_log_path.stat().st_size
    # A file that no row knows could grow unseen.
    known = {file for one in GROWING for path in one.files(settings) for file in below(path)}
    home = settings.storage.home
    assert (home / "tidied").exists()  # by the end of the sync
    others = {path for path in home.rglob("*") if path.is_file()} - known
    strange = [path for path in others if path.name not in FIXED and path.suffix != ".lock"]
    assert strange == []


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "?"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (412_300_000, "412 MB"),
        (12_345_000_000, "12.3 GB"),
    ],
)
def test_a_number_of_bytes_is_short(size: int | None, text: str) -> None:
    assert bytes_text(size) == text
