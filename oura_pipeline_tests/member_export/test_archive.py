"""Archives that are refused before anything of them is unpacked."""

from __future__ import annotations

import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline_tests.member_export.archives import write_zip

TABLE = {"App Data/dailysleep.csv": "id;day\n"}


def refusal(path: Path) -> str:
    with pytest.raises(ExportRefused) as refused, open_archive(path):
        pass
    return str(refused.value)


def changed(path: Path, offset: int, value: bytes) -> Path:
    """Change the central entry of the only file, of which all decisions are made."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../dailysleep.csv", "/dailysleep.csv", "a\\..\\..\\dailysleep.csv", "C:dailysleep.csv"],
)
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "data.zip", {name: "id;day\n"})
    assert refusal(path) == "a file in it has a path that leads out of the archive"


def test_what_would_grow_too_much_is_refused(tmp_path: Path) -> None:
    """Whether it says so, or hides it behind many times the same byte."""
    bomb = write_zip(tmp_path / "bomb.zip", {"dailysleep.csv": b"0" * 20_000_000})
    assert refusal(bomb) == "a file in it would grow by more than what was measured can"
    huge = changed(
        write_zip(tmp_path / "huge.zip", TABLE), 20, struct.pack("<II", 10**9, 4 * 10**9)
    )
    assert refusal(huge) == "a file in it has more than 1,000 MB"


def test_many_large_files_are_refused_together(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", dict.fromkeys("abcd", ""))
    content = bytearray(path.read_bytes())
    entry = 0
    while (entry := content.find(b"PK\x01\x02", entry + 1)) >= 0:
        content[entry + 20 : entry + 28] = struct.pack("<II", 9 * 10**8, 9 * 10**8)
    path.write_bytes(content)
    assert refusal(path) == "its files have more than 3,000 MB together"


def test_a_password_is_refused(tmp_path: Path) -> None:
    path = changed(write_zip(tmp_path / "data.zip", TABLE), 8, struct.pack("<H", 1))
    assert refusal(path) == "it is protected by a password: unpack it, and give the folder"


def test_another_way_of_packing_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("dailysleep.csv", "id;day\n")
    assert refusal(tmp_path / "data.zip") == "it is packed in another way than Oura's are"


def test_a_name_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("dailysleep.csv", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("dailysleep.csv", "2")
    assert refusal(tmp_path / "data.zip") == "a file is in it twice"


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", {f"{number}.csv": "" for number in range(5001)})
    assert refusal(path) == "it has 5001 files, an export of Oura's has some sixty"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>not signed in</html>"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(content)
    assert refusal(path).startswith("this is no ZIP file, or not all of it")


def test_what_macos_adds_is_no_table(tmp_path: Path) -> None:
    files = TABLE | {"__MACOSX/App Data/._dailysleep.csv": "x", "App Data/._dailysleep.csv": "x"}
    with open_archive(write_zip(tmp_path / "data.zip", files)) as archive:
        assert [member.name for member in archive.members] == ["App Data/dailysleep.csv"]
        assert archive.made_at == datetime(2026, 5, 4, tzinfo=UTC)


def test_a_time_that_is_none_is_that_of_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", TABLE, made_at=datetime(1980, 1, 1))
    with open_archive(path) as archive:
        assert archive.made_at == datetime.fromtimestamp(path.stat().st_mtime, UTC)
