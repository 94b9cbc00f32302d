"""Make an environment with everything that the project needs, for `make`.

It runs before anything is installed, so it uses the standard library only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_VENV = Path(sys.argv[1]).absolute()
_PYTHON, _UV = str(_VENV / "bin" / "python"), str(_VENV / "bin" / "uv")
_LOCK = _ROOT / "requirements.lock"
_STEPS, _numbers = 5, count(1)
# A pip in there is installed with the packages. Where there is one outside, it can bring uv: making
# an environment with a pip takes eight seconds, without one a fifth of a second.
_HAS_PIP = find_spec("pip") is not None
_PIP = (sys.executable, "-m", "pip", "--python", _PYTHON) if _HAS_PIP else (_PYTHON, "-m", "pip")
# What each verb imports sooner or later.
_MODULES = ("commands.sync_run", "definitions", "sandbox.server", "web.app")


def main() -> None:
    """Make the environment, a line per step; what fails says why and ends it."""
    with _step(f"Making {_VENV.name} with Python {sys.version.split()[0]}"):
        # Cleared: what an older lock installed must not hide that the new one lacks it.
        without_pip = ("--without-pip",) if _HAS_PIP else ()
        _run(sys.executable, "-m", "venv", "--clear", *without_pip, str(_VENV))
    with _step("Installing uv"), ThreadPoolExecutor(1) as other:
        settings = other.submit(_uv_settings)  # pip takes a second to start, twice
        _install_uv()
        os.environ.update(settings.result())
    with _step("Installing packages") as show:
        _install("--verbose", "--require-hashes", "--requirement", str(_LOCK), on_line=_Count(show))
    with _step("Installing oura_pipeline"):
        # Its dependencies are those of the lock; resolving them anew could bring other versions.
        _install("--no-deps", "--editable", str(_ROOT))
    with _step("Installing Graphite, in an environment of its own"), _compiling():
        reason = _install_graphite()
    if reason:
        print(f"{reason}\nWithout a Graphite the demo writes its points to a file.")
    # Last: `make` begins again when this file is missing.
    (_VENV / "ready").touch()


def _install_uv() -> None:
    # pip brings uv, and uv the rest: it installs several times as fast as pip.
    lock = _LOCK.read_text(encoding="utf-8")
    locked = re.search(r"^uv==.*\n(?:    --hash.*\n)+", lock, re.MULTILINE)
    if locked is None:
        sys.exit(f"{_LOCK} does not have uv; run `make lock`")
    with tempfile.TemporaryDirectory() as folder:
        # A file, because pip takes hashes from requirement files only.
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(locked[0], encoding="utf-8")
        _run(*_PIP, "install", "--require-hashes", "--requirement", str(only_uv))


def _uv_settings() -> dict[str, str]:
    # A company's own certificate authority is known to the system, not to uv.
    settings = {"UV_SYSTEM_CERTS": "1"}
    # uv does not read pip's configuration, where a company's mirror may be the only index.
    index = re.search(r"\.index-url='(.+)'", _run(*_PIP, "config", "list"))
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        settings["UV_DEFAULT_INDEX"] = index[1]
    return settings


def _install_graphite() -> str:
    """Install it, or return why that is impossible: most of the project works without."""
    command = [_PYTHON, "-m", "oura_pipeline.graphite.environment"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@contextmanager
def _compiling() -> Iterator[None]:
    """Import what each verb does, on the other core: a module is compiled when first imported."""
    imports = "; ".join(f"import oura_pipeline.{module}" for module in _MODULES)
    # What cannot be imported is told by the verb that needs it.
    with subprocess.Popen((_PYTHON, "-c", imports), cwd=_ROOT, stderr=subprocess.DEVNULL):
        yield


class _Count:
    """A count of downloads, from what uv says of them with `--verbose`."""

    # uv draws its own progress on a terminal only, and here its output goes through a pipe.
    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._needed, self._begun = 0, 0

    def __call__(self, line: str) -> None:
        self._needed += "Identified uncached distribution" in line
        if re.search(r"fresh GET request for: \S+(\.whl|\.tar\.gz)$", line):
            self._begun += 1
            # Both are counted as uv goes: a download can begin before the last one is identified.
            self._show(f"{self._begun} of {max(self._begun, self._needed)}")


@contextmanager
def _step(title: str) -> Iterator[Callable[[str], None]]:
    """Print a step and its time; give a function that shows its progress on a terminal."""
    head = f"[{next(_numbers)}/{_STEPS}] {title}"
    # In a log, where nothing can be overwritten, the line is finished rather than drawn anew.
    again = f"\r\x1b[K{head}" if sys.stdout.isatty() else ""
    print(head, end="", flush=True)
    began = time.monotonic()
    try:
        yield lambda text: print(again and f"{again}: {text}", end="", flush=True)
    except SystemExit:
        print()
        raise
    print(f"{again} ({time.monotonic() - began:.0f} s)", flush=True)


def _install(*arguments: str, on_line: Callable[[str], None] = lambda line: None) -> None:
    _run(_UV, "pip", "install", "--python", _PYTHON, *arguments, on_line=on_line)


def _run(*command: str, on_line: Callable[[str], None] = lambda line: None) -> str:
    """Run a program and return its output, which is shown only if it fails."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            on_line(line.rstrip())
            # What uv says for the counter would bury the reason of a failure.
            if not line.startswith(("DEBUG", "TRACE")):
                lines.append(line)
    if process.returncode:
        sys.exit("\n" + "".join(lines).strip())
    return "".join(lines)


if __name__ == "__main__":
    main()
