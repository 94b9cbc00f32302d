"""Children that end together, and what the one says that was the first."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from oura_pipeline.process.children import children, first_ended
from oura_pipeline.process.owners import AlreadyOwned, is_owned, owned

SLEEP = ["sleep", "60"]


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_the_first_that_ends_takes_the_others_along(
    script: str, status: int, tmp_path: Path
) -> None:
    """The status is a shell's; what a child has started itself is gone, too."""
    parent = ["sh", "-c", f"sleep 60 & echo $! > {tmp_path / 'grandchild'}; wait"]
    ill = ["sh", "-c", f"while [ ! -s {tmp_path / 'grandchild'} ]; do sleep 0.05; done; {script}"]
    commands = {"well": parent, "ill": ill}
    with children(commands, folder=tmp_path, environment=os.environ) as started:
        assert first_ended(started) == ("ill", status)
    assert started["well"].poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "grandchild").read_text()), 0)


def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "from oura_pipeline.process.children import children\n"
        "commands = {'sleep': ['sleep', '60']}\n"
        "with children(commands, folder=Path(), environment=os.environ) as started:\n"
        "    print(started['sleep'].pid, flush=True)\n"
        "    input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = monotonic() + 30
    while lives(child):
        assert monotonic() < deadline
        Event().wait(0.05)


def lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # empty for a zombie
    return False


def test_a_file_has_one_owner_and_its_children(tmp_path: Path) -> None:
    """It is free when all of them have ended, however."""
    path = tmp_path / "lock"
    with owned(path, "this") as lock:
        assert is_owned(path)
        with pytest.raises(AlreadyOwned, match=f"process {os.getpid()} does so already"):
            owned(path, "this").__enter__()
        child = subprocess.Popen(SLEEP, pass_fds=[lock])
    assert is_owned(path)
    child.kill()
    child.wait()
    assert not is_owned(path)


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    """Nobody has to tidy up after it."""
    path = tmp_path / "lock"
    code = (
        "from pathlib import Path\n"
        "from oura_pipeline.process.owners import owned\n"
        f"with owned(Path({str(path)!r}), 'this'):\n"
        "    print('owned', flush=True)\n"
        "    input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"owned\n"
        assert is_owned(path)
        owner.kill()
        owner.wait()
    assert not is_owned(path)
