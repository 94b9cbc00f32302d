"""`systemctl` and `journalctl` for our units: the same commands, users and folders.

What a unit may write to is as it says; the rest of its world is a container's.
"""

from __future__ import annotations

import pwd
import sys
from configparser import ConfigParser
from pathlib import Path

from oura_pipeline_tests.deploy.containers import STATE, Container, end, lives

# The same commands as in containers, where they were seen: each would take seconds to start again.
_AS_IN_CONTAINERS = ("oura-webserver", "oura-daemon")
_UNITS = Path("/etc/systemd/system")


def container(unit: str) -> Container:
    """Return what a unit starts."""
    read = _read(f"{unit}.service")
    service = read["Service"]
    user = pwd.getpwnam(service["User"]).pw_uid
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    environment |= dict(one.split("=", 1) for one in service.get("Environment", "").split())
    joined = read["Unit"].get("JoinsNamespaceOf", f"{unit}.service").removesuffix(".service")
    temporary = STATE / f"tmp-of-{joined}"
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    folder = service["WorkingDirectory"]
    writable = {path: Path(path) for path in service["ReadWritePaths"].split()}
    return Container(
        command=service["ExecStart"].split(),
        user=user,
        folder=folder,
        environment=environment,
        binds={f"{folder}:ro": Path(folder), "/tmp": temporary, **writable},
    )


def start(unit: str) -> None:
    """Start a unit, or run it to its end; a timer waits for the night."""
    if unit.endswith(".timer"):
        assert _read(unit)["Timer"]["OnCalendar"]
    elif unit in _AS_IN_CONTAINERS:
        assert container(unit).command[1:] == [unit.removeprefix("oura-")]
    elif _read(f"{unit}.service")["Service"].get("Type") == "oneshot":
        done = container(unit).run()
        print(done.stdout, done.stderr)
        sys.exit(done.returncode) if done.returncode else None
    else:
        child = container(unit).start(_log(unit))
        _pid(unit).write_text(str(child.pid), encoding="utf-8")


def stop(unit: str) -> None:
    """End a unit, if it runs."""
    if unit not in _AS_IN_CONTAINERS and _runs(unit):
        end([int(_pid(unit).read_text(encoding="utf-8"))])


def _read(name: str) -> ConfigParser:
    kind, _, instance = name.removesuffix(".service").partition("@")
    file = _UNITS / (f"{kind}@.service" if instance else name)
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(file.read_text(encoding="utf-8").replace("%i", instance))
    return unit


def _runs(unit: str) -> bool:
    if unit in _AS_IN_CONTAINERS:
        return True
    return _pid(unit).exists() and lives(int(_pid(unit).read_text(encoding="utf-8")))


def _pid(unit: str) -> Path:
    return STATE / f"unit-{unit}.pid"


def _log(unit: str) -> Path:
    return STATE / f"unit-{unit}.log"


def main() -> None:
    """Do what `systemctl` or `journalctl` is asked for."""
    match sys.argv[1:]:
        case ["--unit", unit, *_]:
            print(_log(unit).read_text(encoding="utf-8"))
        case ["enable", "--now", *units] | ["start", *units]:
            for unit in units:
                start(unit)
        case ["restart", *units]:
            for unit in units:
                stop(unit)
                start(unit)
        case ["stop", *units]:
            for unit in units:
                stop(unit)
        case ["status", *units]:
            sys.exit(0 if all(map(_runs, units)) else 3)
        case others:
            sys.exit(f"{others} is not known here")


if __name__ == "__main__":
    main()
