"""Programs of this machine in containers: a root of their own that is read-only, a user, no rights.

There is no engine here that could build an image, so the files of each are those of this machine.
What a container of the compose file may write to, reach and do is what it would be there.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oura_pipeline_tests.testing.paths import ROOT

STATE = Path("/var/lib/engine")  # of the machine of the test, not of this one
_SECONDS = 60
_OURS = ("bin", "lib", "lib32", "lib64", "sbin", "usr", "var")


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a program is shown of the machine, and who it is.

    Attributes:
        command: the program with its arguments.
        user: its number, which is that of its group too.
        folder: where it starts.
        environment: all of it.
        binds: what is mounted where; with `:ro` at its end, to be read only.
        rights: capabilities that it keeps.
    """

    command: Sequence[str]
    user: int
    folder: str
    environment: Mapping[str, str]
    binds: Mapping[str, Path]
    rights: Sequence[str] = field(default=())

    def shell(self) -> str:
        """Return a shell's line that becomes it, to be run in mounts of its own."""
        root = tempfile.mkdtemp(prefix="root-", dir=STATE)
        lines = [f"mount -t tmpfs -o mode=755 tmpfs {root}"]
        for name in _OURS:
            if (link := Path("/", name)).is_symlink():
                lines.append(f"ln -s {link.readlink()} {root}/{name}")
            elif link.is_dir():
                lines.append(_bind(link, f"{root}/{name}:ro"))
        lines.append(f"cp -a /etc {root}/etc")  # files are mounted into it
        # Python and this checkout are where they are, whoever may otherwise go there; both may
        # be below a /tmp of its own.
        shown = {str(path): path for path in (Path("/proc"), Path("/dev"))} | dict(self.binds)
        shown |= {f"{path}:ro": path for path in map(Path, (sys.base_prefix, sys.prefix, ROOT))}
        order = sorted(shown.items(), key=lambda one: len(Path(one[0]).parts))
        lines += [_bind(path, f"{root}{target}") for target, path in order]
        rights = ",".join(["-all", *(f"+{right}" for right in self.rights)])
        ids = f"--reuid={self.user} --regid={self.user} --clear-groups --no-new-privs"
        values = [f"{name}={value}" for name, value in self.environment.items()]
        become = ["/usr/bin/env", "-i", "-C", self.folder, *values, *self.command]
        lines.append(f"mount -o remount,ro {root}")
        lines.append(
            f"exec chroot {root} setpriv {ids} --bounding-set={rights} {shlex.join(become)}"
        )
        return "\n".join(lines)

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start it; what it says goes into a file."""
        with log.open("ab") as said:
            return subprocess.Popen(
                self._unshared(), stdout=said, stderr=said, start_new_session=True
            )

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self._unshared(), capture_output=True, text=True, check=False, timeout=120
        )

    def _unshared(self) -> list[str]:
        return ["unshare", "--mount", "sh", "-e", "-c", self.shell()]


def lives(pid: int) -> bool:
    """Return whether a process is there, and is not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except OSError:
        return False


def end(pids: Iterable[int]) -> None:
    """End what was started, and wait for it."""
    left = list(pids)
    for pid in left:
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS
    while any(map(lives, left)):
        assert time.monotonic() < deadline, f"{left} do not end"
        time.sleep(0.05)


def _bind(path: Path, target: str) -> str:
    place = target.removesuffix(":ro")
    make = f"mkdir -p {place}" if path.is_dir() else f"mkdir -p $(dirname {place}); touch {place}"
    line = f"{make}; mount --rbind {path} {place}"
    return f"{line}; mount -o remount,bind,ro {place}" if target.endswith(":ro") else line
