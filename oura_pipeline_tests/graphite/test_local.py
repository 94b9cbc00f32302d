"""A Graphite of one's own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oura_pipeline.graphite.environment import LocalGraphiteError
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline_tests.testing.requirements import require_graphite


@pytest.fixture(autouse=True)
def installed() -> None:
    require_graphite()


STARTER = """
import json, sys
from oura_pipeline.graphite.local import LocalGraphite
graphite = LocalGraphite(sys.argv[1] and __import__("pathlib").Path(sys.argv[1])).start()
print(json.dumps([graphite._carbon.pid, graphite._web.pid]), flush=True)
sys.stdin.read()
"""


def test_the_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Nothing keeps running, even if nobody could stop it."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        ends = [os.pidfd_open(pid) for pid in pids]
        parent.send_signal(signal.SIGKILL)
    for end in ends:
        readable, _, _ = select.select([end], [], [], 60)
        os.close(end)
        assert readable


def test_a_failed_start_says_what_the_log_says(tmp_path: Path) -> None:
    """The end of carbon's log is in the message, and nothing is left running."""
    graphite = LocalGraphite(tmp_path, schemas="[broken]\npattern = (\nretentions = 1d:1y\n")
    with pytest.raises(LocalGraphiteError, match=r"carbon ended with 1(?s:.*)unterminated"):
        graphite.start()
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], check=False).returncode == 1


def test_a_temporary_folder_is_gone_after_the_end() -> None:
    """Without a folder of its own nothing stays behind."""
    with LocalGraphite() as graphite:
        assert (graphite.folder / "conf" / "storage-schemas.conf").exists()
    assert not graphite.folder.exists()
