"""The process that reads an export: what it says, and when it ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from oura_pipeline.catalog.document_types import TEMPERATURE
from oura_pipeline.member_export.errors import ExportRefused, ReaderEnded
from oura_pipeline.member_export.reader_process import RemoteReader, reader_process
from oura_pipeline.warehouse.spool import Spool, open_spool
from oura_pipeline_tests.member_export.archives import write_zip
from oura_pipeline_tests.member_export.readers import is_reader, readers_of

HEADER = "timestamp;skin_temp\n"
ROWS = "".join(f"2026-05-01T10:{minute:02}:00Z;35.2\n" for minute in range(60))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An export of one table."""
    return write_zip(tmp_path / "data.zip", {"App Data/temperature.csv": HEADER + ROWS})


def test_it_fills_spools_and_says_how_far_it_is(path: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    with (
        open_spool(tmp_path / "spool", "temperature") as spool,
        reader_process(path, lambda *done: told.append(done)) as reader,
    ):
        read = reader.read(TEMPERATURE, "ada", spool)
        (file,) = read.spool.spooled(["ada"])
        written = file.path.read_bytes()
        assert (read.rows, written.count(b"\n")) == (60, 60)
        assert read.spool.bytes_of(["ada"]) == len(written)
    assert told[-1] == ("temperature", len(HEADER + ROWS))


def test_what_it_refuses_is_told(tmp_path: Path) -> None:
    """As if it had been read here."""
    # Below what the first look into it sees.
    long = HEADER + ROWS * 1000 + "x" * 2_000_000
    path = write_zip(tmp_path / "data.zip", {"temperature.csv": long})
    with (
        open_spool(tmp_path / "spool", "temperature") as spool,
        reader_process(path, lambda *_: None) as reader,
        pytest.raises(ExportRefused, match="a line in it is longer than any of Oura's"),
    ):
        reader.read(TEMPERATURE, "ada", spool)


def test_a_disk_that_cannot_be_written_is_told(path: Path, tmp_path: Path) -> None:
    """With its own error, from which a command says what to do; the reader goes on."""
    with (
        open_spool(tmp_path / "spool", "temperature") as spool,
        reader_process(path, lambda *_: None) as reader,
    ):
        with pytest.raises(FileNotFoundError):
            reader.read(TEMPERATURE, "ada", Spool(tmp_path / "not there"))
        assert reader.read(TEMPERATURE, "ada", spool).rows == 60


def test_its_end_is_noticed(path: Path, tmp_path: Path) -> None:
    with (
        open_spool(tmp_path / "spool", "temperature") as spool,
        reader_process(path, lambda *_: None) as reader,
    ):
        for pid in readers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ReaderEnded, match="do it again"):
            reader.read(TEMPERATURE, "ada", spool)


def test_an_end_before_it_began_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether that is seen when it is told what to read, or only when it is asked to."""

    def read() -> None:
        with reader_process(path, lambda *_: None) as reader:
            reader.read(TEMPERATURE, "ada", Spool(path))

    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ReaderEnded):
        read()


def test_nothing_of_a_broken_pipe_is_left_for_the_collector(path: Path) -> None:
    """Python 3.12.1 crashed over it, and 3.13 complains."""

    ours, theirs = Pipe()
    theirs.close()

    def read() -> None:
        ended = []  # the frame holds the error, whose traceback holds the frame
        try:
            RemoteReader(ours, lambda *_: None).read(TEMPERATURE, "ada", Spool(path))
        except ReaderEnded as error:
            ended.append(error)
        assert ended

    read()
    gc.collect()


def test_it_ends_with_who_asked_it(path: Path) -> None:
    """Also where that was killed, and where the block ends before everything was read."""
    with reader_process(path, lambda *_: None):
        assert [*readers_of(os.getpid())]
    assert not [*readers_of(os.getpid())]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from oura_pipeline.member_export.reader_process import reader_process\n"
        "with reader_process(Path(sys.argv[1]), print):\n"
        "    print('started', flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (reader,) = readers_of(parent.pid)
        parent.kill()
    deadline = monotonic() + 30
    while is_reader(reader):
        assert monotonic() < deadline
        Event().wait(0.02)


def test_nothing_beside_the_export_is_executed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever imports a download may stand in the folder of all their downloads."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit('a stranger was let in')\n")
    monkeypatch.chdir(tmp_path)
    with (
        open_spool(tmp_path / "spool", "temperature") as spool,
        reader_process(Path(path.name), lambda *_: None) as reader,
    ):
        assert reader.read(TEMPERATURE, "ada", spool).rows == 60
