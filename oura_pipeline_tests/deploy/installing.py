"""`python3 -m venv` and `pip install` without a network: what a lock names, from where this runs.

What the lock lacks is not there, and a version that is not the tested one is refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from oura_pipeline_tests.testing.paths import ROOT

_PROGRAMS = ("oura-pipeline", "dagster-daemon")


def make(environment: Path) -> None:
    """Make a virtual environment with a pip of ours."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True, timeout=60)
    pip = environment / "bin" / "pip"
    line = f'exec {sys.executable} -m {__spec__.name} {environment} "$@"'
    pip.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    pip.chmod(0o755)


def install_locked(lock: Path, environment: Path) -> None:
    """Install what a lock names."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalpha():
            required = Requirement(line.rstrip(" \\"))
            if required.marker is None or required.marker.evaluate():
                _install(required, environment)


def install_ours(environment: Path) -> None:
    """Install the project itself, and its programs."""
    _link(ROOT / "oura_pipeline", _packages(environment) / "oura_pipeline")
    ours = distribution("oura_pipeline")
    info = next(path.parts[0] for path in ours.files or () if "dist-info" in path.parts[0])
    _link(Path(str(ours.locate_file(info))), _packages(environment) / info)
    for program in _PROGRAMS:
        text = Path(sys.prefix, "bin", program).read_text(encoding="utf-8")
        own = environment / "bin" / program
        own.write_text(text.replace(f"{sys.prefix}/bin/", f"{environment}/bin/"), encoding="utf-8")
        own.chmod(0o755)


def _install(required: Requirement, environment: Path) -> None:
    found = distribution(required.name)
    assert found.version in required.specifier, f"{required} is locked, {found.version} is tested"
    for first in {path.parts[0] for path in found.files or () if path.parts[0] != ".."}:
        _link(Path(str(found.locate_file(first))), _packages(environment) / first)


def _packages(environment: Path) -> Path:
    return environment / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def _link(path: Path, link: Path) -> None:
    if path.exists() and not link.exists():
        link.symlink_to(path)


def main() -> None:
    """Be `python3 -m venv FOLDER`, or the pip in such a folder, or Python."""
    match sys.argv[1:]:
        case ["-m", "venv", folder]:
            make(Path(folder).absolute())
        case [environment, "install", "--require-hashes", "--requirement", lock]:
            install_locked(Path(lock), Path(environment))
        case [environment, "install", "--no-deps", "."]:
            install_ours(Path(environment))
        case others:
            os.execv(sys.executable, [sys.executable, *others])


if __name__ == "__main__":
    main()
