"""A Graphite of one's own."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from oura_pipeline.graphite.environment import LocalGraphiteError
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.oura.http import tls
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


def test_only_this_machine_reaches_it(graphite: LocalGraphite) -> None:
    """Its Django is maintained by nobody; nor does it answer under a name that was bound anew."""
    listening = set(listening_in(graphite.folder))
    ports = {graphite.line_port, graphite.pickle_port, urlsplit(graphite.render_url).port}
    assert ports < {port for _, port in listening}
    assert {address for address, _ in listening} == {"127.0.0.1"}
    address = f"{graphite.render_url}/metrics/find/?query=*"
    foreign = httpx.get(address, headers={"Host": "evil.example"}, verify=tls())
    assert foreign.status_code == 400


def test_nobody_knows_the_key_of_its_cookies(graphite: LocalGraphite) -> None:
    settings = (graphite.folder / "conf" / "graphite_local_settings.py").read_text("utf-8")
    [key] = re.findall("SECRET_KEY = '(.*)'", settings)
    assert len(key) > 40


def listening_in(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield where the processes of a Graphite listen: address and port."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"GRAPHITE_ROOT={folder}".encode() not in (process / "environ").read_bytes():
                continue
            own = {str(link.readlink()) for link in (process / "fd").iterdir()}
            tables = [(process / "net" / name).read_text() for name in ("tcp", "tcp6")]
        except OSError:  # ended, or another user's
            continue
        for line in "".join(tables).splitlines():
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:  # it listens
                yield _address(fields[1])


def _address(field: str) -> tuple[str, int]:
    """Return an address as the kernel writes it, words of 32 bits turned around, and its port."""
    words, _, port = field.partition(":")
    turned = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    return str(ipaddress.ip_address(turned)), int(port, 16)


def test_a_temporary_folder_is_gone_after_the_end() -> None:
    """Without a folder of its own nothing stays behind."""
    with LocalGraphite() as graphite:
        assert (graphite.folder / "conf" / "storage-schemas.conf").exists()
    assert not graphite.folder.exists()
