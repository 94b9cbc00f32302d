"""The Python environment of its own in which carbon and graphite-web run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from filelock import FileLock

# carbon's and graphite-web's own set-up use modules that Python 3.12 took away.
_PYTHON = "3.11"
_PACKAGE = Path(__file__).resolve().parents[1]
_LOCK = Path("deploy/graphite/requirements.lock")  # from the checkout, and from the wheel's package


class LocalGraphiteError(RuntimeError):
    """A Graphite cannot run on this machine; the message says why."""


def graphite_python() -> Path:
    """Return the interpreter that has carbon and graphite-web; install them on the first call.

    They are installed into a folder of the environment that runs this, and stay there. Processes
    that ask at the same time wait for the first one.

    Raises:
        LocalGraphiteError: uv is missing, or it could not install them.
    """
    folder = _folder()
    try:
        with FileLock(folder.with_suffix(".lock")):
            if not installed():
                _install(folder)
    except OSError as error:
        raise LocalGraphiteError(
            f"Graphite cannot be installed into {folder} ({error}); "
            "install oura_pipeline in a virtual environment of your own"
        ) from None
    return folder / "bin" / "python"


def installed() -> bool:
    """Return whether the environment is complete, so that nothing has to be installed."""
    return (_folder() / "ready").exists()


def _folder() -> Path:
    # A changed lock gets a new folder: a Graphite that still runs keeps its files.
    digest = hashlib.sha256(_lock_file().read_bytes()).hexdigest()[:8]
    return Path(sys.prefix) / f"graphite-{digest}"


def _lock_file() -> Path:
    inside = _PACKAGE / _LOCK
    return inside if inside.exists() else _PACKAGE.parent / _LOCK


def _install(folder: Path) -> None:
    _uv("venv", "--clear", "--no-project", "--python", _PYTHON, str(folder))
    _uv(
        *("pip", "install", "--require-hashes", "--python", str(folder / "bin" / "python")),
        *("--requirement", str(_lock_file())),
    )
    (folder / "ready").touch()


def _uv(*arguments: str) -> None:
    """Run uv; its output is shown only as the reason of a failure."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    program = shutil.which("uv", path=path)
    if program is None:
        raise LocalGraphiteError("uv is missing: `pip install 'oura_pipeline[graphite]'`")
    # A company's own authority is in the system's certificates, not among those that uv brings.
    command = [program, *arguments, "--system-certs", "--no-progress"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode:
        raise LocalGraphiteError(f"Graphite could not be installed: {result.stderr.strip()}")


if __name__ == "__main__":
    try:
        graphite_python()
    except LocalGraphiteError as error:
        sys.exit(str(error))
