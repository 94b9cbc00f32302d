"""Makes an environment with everything that the project needs, for `make`.

It runs before anything is installed, so it takes the standard library only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_VENV = Path(sys.argv[1]).absolute()
_BIN = _VENV / "bin"
_LOCK = _ROOT / "requirements.lock"
_STEPS = 5
_BAR = 30  # characters


def main() -> None:
    """Make the environment, a line per step; what fails says why and ends it."""
    with _step(1, f"Making {_VENV.name} with Python {sys.version.split()[0]}"):
        _run([sys.executable, "-m", "venv", "--clear", str(_VENV)])
    with _step(2, "Installing uv"):
        _install_uv()
    os.environ.update(_uv_settings())
    count = len(re.findall(r"^\S+==", _LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    title = f"Installing {count} packages"
    with _step(3, title):
        _install_locked(_Bar(3, title))
    with _step(4, "Installing oura_pipeline"):
        _uv("--no-deps", "--editable", str(_ROOT))
    with _step(5, "Installing Graphite, in an environment of its own"):
        reason = _install_graphite()
    if reason:
        print(f"{reason}\nWithout a Graphite the demo writes its points to a file.")
    (_VENV / "ready").touch()


def _install_uv() -> None:
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(_locked("uv"), encoding="utf-8")
        _python("-m", "pip", "install", "--require-hashes", "--requirement", str(only_uv))


def _uv_settings() -> dict[str, str]:
    """What uv is to know: the system's certificates, and the index that pip is configured for."""
    settings = {"UV_SYSTEM_CERTS": "1"}
    configured = subprocess.run(
        [_BIN / "python", "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    index = re.search(r"\.index-url='(.+)'", configured)
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        settings["UV_DEFAULT_INDEX"] = index[1]
    return settings


def _install_locked(bar: _Bar) -> None:
    _uv("--verbose", "--require-hashes", "--requirement", str(_LOCK), on_line=bar.read)


def _install_graphite() -> str:
    """Install it, or return why that is impossible: most of the project works without."""
    done = subprocess.run(
        [_BIN / "python", "-m", "oura_pipeline.graphite.environment"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


class _Bar:
    """A bar that grows as uv says, with `--verbose`, what it downloads."""

    def __init__(self, number: int, title: str) -> None:
        self._head = f"\r[{number}/{_STEPS}] {title} "
        self._needed, self._begun = 0, 0

    def read(self, line: str) -> None:
        """Take a line of uv's log, and draw the bar where somebody looks at it."""
        self._needed += "Identified uncached distribution" in line
        if re.search(r"fresh GET request for: \S+(\.whl|\.tar\.gz)$", line):
            self._begun += 1
        if sys.stdout.isatty() and self._begun:
            filled = _BAR * min(self._begun, self._needed) // max(self._needed, 1)
            print(self._head + "━" * filled + "·" * (_BAR - filled), end="", flush=True)


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    head = f"[{number}/{_STEPS}] {title}"
    print(head, end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except SystemExit:
        print()
        raise
    # The line is drawn anew: a bar may stand in it.
    again = f"\r\x1b[K{head}" if sys.stdout.isatty() else ""
    print(f"{again} ({time.monotonic() - began:.0f} s)", flush=True)


def _locked(package: str) -> str:
    """The part of the lock that is about one package, with its hashes."""
    found = re.search(
        rf"^{package}==.*\n(?:    --hash.*\n)+", _LOCK.read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        sys.exit(f"{_LOCK} does not have {package}; run `make lock`")
    return found[0]


def _python(*arguments: str) -> None:
    _run([str(_BIN / "python"), *arguments])


def _uv(*arguments: str, on_line: Callable[[str], None] = lambda line: None) -> None:
    command = [str(_BIN / "uv"), "pip", "install", "--python", str(_BIN / "python"), *arguments]
    _run(command, on_line)


def _run(command: list[str], on_line: Callable[[str], None] = lambda line: None) -> None:
    """Run a program that nobody hears, unless it fails."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            on_line(line.rstrip())
            if not line.startswith(("DEBUG", "TRACE")):
                lines.append(line)
    if process.returncode:
        sys.exit("\n" + "".join(lines).strip())


if __name__ == "__main__":
    main()
