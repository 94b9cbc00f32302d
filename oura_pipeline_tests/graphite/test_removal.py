"""Somebody's lines go from the file of points, whoever is writing to it, and nobody else's."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path

import pytest

from oura_pipeline.graphite.carbon import FileSender
from oura_pipeline.graphite.removal import remove_lines

ADA, ALIKE = "bio.ada", ("bio.adam", "bio.bob.ada", "biology.ada")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Lines of ada, and of people and names that look like hers."""
    path = tmp_path / "graphite.log"
    FileSender(path).send([(f"{who}.sleep.score", [(60, 1), (120, 2)]) for who in (ADA, *ALIKE)])
    return path


def starts(lines: bytes) -> list[str]:
    return sorted({line.split(b".sleep")[0].decode() for line in lines.splitlines()})


def test_only_their_lines_go(log: Path) -> None:
    """A name that begins like theirs, or stands elsewhere, is another one."""
    log.chmod(0o640)
    assert remove_lines(log, ADA) == 2
    assert starts(log.read_bytes()) == sorted(ALIKE)
    assert len(log.read_bytes().splitlines()) == 2 * len(ALIKE)
    assert log.stat().st_mode & 0o777 == 0o640
    assert remove_lines(log, ADA) == 0


def test_rotated_and_packed_siblings_too(log: Path) -> None:
    """What log rotation made of it; the lock stays, and so does a file of another name."""
    lines = log.read_bytes()
    log.with_name("graphite.log.1").write_bytes(lines)
    log.with_name("graphite.log-20260410.gz").write_bytes(gzip.compress(lines))
    log.with_name("mine.log").write_bytes(lines)
    assert remove_lines(log, ADA) == 6
    assert starts(log.with_name("graphite.log.1").read_bytes()) == sorted(ALIKE)
    packed = log.with_name("graphite.log-20260410.gz").read_bytes()
    assert starts(gzip.decompress(packed)) == sorted(ALIKE)
    assert log.with_name("mine.log").read_bytes() == lines
    assert sorted(path.name for path in log.parent.iterdir()) == [
        *("graphite.log", "graphite.log-20260410.gz", "graphite.log.1"),
        *("graphite.log.lock", "mine.log"),
    ]


def test_without_a_file_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert remove_lines(tmp_path / "graphite.log", ADA) == 0
    assert remove_lines(tmp_path / "nowhere" / "graphite.log", ADA) == 0
    assert not (tmp_path / "nowhere").exists()


def test_whoever_writes_meanwhile_loses_nothing(log: Path) -> None:
    """Writers wait for the new file; none of their points goes to the one that was replaced."""
    many = 100
    with log.open("ab") as file:  # so long a file that it takes a while to write it anew
        file.writelines([b"bio.bob.sleep.score 1 60\n"] * 30_000)

    def write() -> None:
        for number in range(many):
            time.sleep(0.003)  # or all would be there before the first new file is
            FileSender(log).send([("bio.cleo.sleep.score", [(number, number)])])

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while writer.is_alive():
        FileSender(log).send([(f"{ADA}.sleep.score", [(180, rounds)])])
        assert remove_lines(log, ADA) > 0
        rounds += 1
        time.sleep(0.02)  # whoever waits for the lock looks after it now and then only
    writer.join()
    lines = log.read_bytes().splitlines()
    assert sum(line.startswith(b"bio.cleo.") for line in lines) == many
    assert not any(line.startswith(b"bio.ada.") for line in lines)
