"""Files that are replaced whole, and private ones that are created once."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oura_pipeline.files import (
    create_private,
    is_private,
    new_file,
    private_folder,
    replacing,
    write_if_changed,
)
from oura_pipeline_tests.testing.requirements import require_program

STRACE = Path("/usr/bin/strace")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "points.log"
    path.write_text("old", encoding="utf-8")
    return path


def content(path: Path) -> dict[str, str]:
    """All files of the folder."""
    return {file.name: file.read_text(encoding="utf-8") for file in path.parent.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("concurrent", [False, True])
def test_the_old_file_is_read_until_the_new_one_is_whole(path: Path, concurrent: bool) -> None:
    with path.open(encoding="utf-8") as reader:
        with replacing(path, concurrent=concurrent) as new:
            new.write_text("new", encoding="utf-8")
            assert path.read_text(encoding="utf-8") == "old"
        assert reader.read() == "old"
    assert content(path) == {"points.log": "new"}


def test_a_file_that_was_not_there_is_created(path: Path) -> None:
    with replacing(path.with_name("other")) as new:
        new.write_text("new", encoding="utf-8")
    assert content(path) == {"points.log": "old", "other": "new"}


def test_the_old_file_stays_when_writing_fails(path: Path) -> None:
    def fail() -> None:
        with replacing(path) as new:
            new.write_text("half", encoding="utf-8")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert content(path) == {"points.log": "old"}


def test_the_old_file_stays_when_the_new_one_was_removed(path: Path) -> None:
    inode = path.stat().st_ino
    with replacing(path) as new:
        new.write_text("same", encoding="utf-8")
        new.unlink()
    assert (path.stat().st_ino, content(path)) == (inode, {"points.log": "old"})


def test_what_a_crash_left_is_removed_and_not_written_into(path: Path) -> None:
    """A backup may be reading it."""
    new_file(path).write_text("half", encoding="utf-8")
    with new_file(path).open(encoding="utf-8") as backup:
        with replacing(path) as new:
            assert not new.exists()
            new.write_text("new", encoding="utf-8")
        assert backup.read() == "half"
    assert content(path) == {"points.log": "new"}


def test_two_can_replace_a_file_at_once(path: Path) -> None:
    with replacing(path, concurrent=True) as one, replacing(path, concurrent=True) as other:
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
    assert content(path) == {"points.log": "one"}


def test_the_new_file_keeps_the_mode_where_that_is_wanted(path: Path) -> None:
    path.chmod(0o640)
    with replacing(path, keep_mode=True) as new:
        new.write_text("new", encoding="utf-8")
        new.chmod(0o600)
    assert mode(path) == 0o640


def test_a_file_that_would_become_the_same_is_not_written(path: Path) -> None:
    inode = path.stat().st_ino
    assert not write_if_changed(path, b"old")
    assert path.stat().st_ino == inode
    assert write_if_changed(path, b"new")
    assert write_if_changed(path.parent / "folder" / "file", b"")
    assert (path.parent / "folder" / "file").read_bytes() == b""


def test_a_private_file_is_created_once_in_a_private_folder(tmp_path: Path) -> None:
    path = tmp_path / "home" / "token.key"
    previous = os.umask(0)
    try:
        create_private(path, "first")
        create_private(path, "second")
    finally:
        os.umask(previous)
    assert content(path) == {"token.key": "first"}
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    assert is_private(path)


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    private_folder(tmp_path)
    assert mode(tmp_path) == 0o750


def test_content_is_on_the_disk_before_its_name_and_its_name_at_the_end(tmp_path: Path) -> None:
    """Otherwise a power cut could leave an empty file, or the old one after a key was removed."""
    require_program(STRACE, "strace")
    folder, log = tmp_path / "folder", tmp_path / "log"
    code = (
        "import sys; from pathlib import Path\n"
        "from oura_pipeline.files import create_private, replacing\n"
        "with replacing(Path(sys.argv[1]) / 'a') as new: new.touch()\n"
        "create_private(Path(sys.argv[1]) / 'b', 'content')"
    )
    folder.mkdir()
    watched = [STRACE, "-y", "-e", "trace=fsync,/^(rename|link)", "-o", log]
    subprocess.run([*watched, sys.executable, "-c", code, folder], check=True)
    calls = re.findall(
        rf"^(fsync|rename|link).*?{folder}/?([^\">]*)",
        log.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    temporary = calls[3][1]
    assert calls == [
        *(("fsync", ".a.new"), ("rename", ".a.new"), ("fsync", "")),
        *(("fsync", temporary), ("link", temporary), ("fsync", "")),
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_use_is_not_private(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert not is_private(path)
