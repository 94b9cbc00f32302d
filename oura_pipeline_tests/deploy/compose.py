"""`docker compose` for a compose file whose images are the programs of this machine.

It reads the file and `.env` as Compose does, as far as ours goes, and starts the same commands.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from dotenv import dotenv_values

from oura_pipeline_tests.deploy.containers import STATE, Container, end, lives
from oura_pipeline_tests.deploy.installing import install_locked, install_ours, make

_SECONDS = 120
# After the first time these are enough to see that it works: the others take seconds each.
_SOON_UP = ("caddy", "site")
# Images of others have the small tools of busybox, and their own program.
_TOOLS = STATE / "busybox"
_PATH = f"{_TOOLS}:{sys.prefix}/bin:/usr/bin:/bin"
_VALUE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<text>[^}]*))?\}")


@dataclass(frozen=True)
class Image:
    """What an image has of a program's world.

    Attributes:
        user: who runs it.
        folder: where it starts.
        program: what the command is handed to; empty: it is one itself.
        stage: that of the container file in which it is built; empty: others built it.
    """

    user: int
    folder: str
    program: str = ""
    stage: str = ""


# There is no Grafana to be had, and nothing that holds the network needs to run.
IMAGES = {
    "caddy": Image(0, "/data"),
    "oura_graphite": Image(10001, "/storage", stage="graphite"),
    "oura_pipeline": Image(10001, "/data", "oura-pipeline", "oura"),
    "prom/prometheus": Image(65534, "/prometheus", "prometheus"),
}


@dataclass(frozen=True)
class Project:
    """A compose file and the variables that it is read with."""

    file: Path
    variables: Mapping[str, str]

    @classmethod
    def here(cls) -> Self:
        """Return the project that a checkout's README is about."""
        return cls(Path("/srv/oura/deploy/compose.yaml"), _dotenv(Path("/srv/oura/.env")))

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """What it describes, without what cannot be run here."""
        text = _VALUE.sub(self._value, self.file.read_text(encoding="utf-8"))
        services = yaml.safe_load(text)["services"]
        return {name: one for name, one in services.items() if _name(one) in IMAGES}

    def container(self, name: str, command: Sequence[str] | None = None) -> Container:
        """Return a container of a service, with another command than its own if one is given."""
        service = self.services[name]
        image = IMAGES[_name(service)]
        environment = {"HOME": "/nowhere", **_built_in(image)}
        if "env_file" in service:
            environment |= _dotenv(self.file.parent / service["env_file"])
        return Container(
            command=command or [*_entrypoint(service), *service.get("command", ())],
            user=image.user,
            folder=image.folder,
            environment=environment | service.get("environment", {}),
            binds=dict(self._binds(service, image)),
            rights=[right.lower() for right in service.get("cap_add", ())],
        )

    def _value(self, found: re.Match[str]) -> str:
        value = self.variables.get(found["name"], "")
        if not value and found["kind"] == ":?":
            sys.exit(f"{found['name']} is missing: {found['text']}")
        return value or (found["text"] if found["kind"] == ":-" else "")

    def _binds(self, service: Mapping[str, Any], image: Image) -> Iterator[tuple[str, Path]]:
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if source[0] in "./":
                yield ":".join([target, *mode]), (self.file.parent / source).resolve()
            else:
                yield target, _volume(source, image.user)
        yield f"{_TOOLS}:ro", _TOOLS
        for target in service.get("tmpfs", ()):
            yield target, _volume(f"tmpfs-{image.user}", image.user)
        for name in service.get("secrets", ()):
            secret = STATE / name
            secret.write_text(self.variables["OURA_OPERATOR_TOKEN"], encoding="utf-8")
            yield f"/run/secrets/{name}:ro", secret
        if image.stage:
            yield f"/opt/{image.stage}:ro", Path("/opt", image.stage)
        if image.stage == "graphite":
            yield "/etc/graphite:ro", self.file.parent / "graphite"


def _name(service: Mapping[str, Any]) -> str:
    return str(service["image"]).partition(":")[0]


def _built_in(image: Image) -> dict[str, str]:
    """Return what the container file sets in an image."""
    if not image.stage:
        return {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config", "PATH": _PATH}
    text = Path("/srv/oura/deploy/Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"^FROM \S+ AS {image.stage}\n(?:(?!FROM).*\n)*?ENV (.*)$", text, re.M)
    set_there = dict(re.findall(r"(\w+)=(\S+)", line))
    return set_there | {"PATH": set_there["PATH"].replace("$PATH", _PATH)}


def _entrypoint(service: Mapping[str, Any]) -> Sequence[str]:
    return list(service.get("entrypoint", IMAGES[_name(service)].program.split()))


def _volume(name: str, user: int) -> Path:
    """Return the folder of a volume, which an image has made its user's."""
    folder = STATE / "volumes" / name
    if not folder.exists():
        folder.mkdir(parents=True)
        os.chown(folder, user, user)
        folder.chmod(0o1777 if name == "sockets" or name.startswith("tmpfs") else 0o700)
    return folder


def _dotenv(path: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(path, encoding="utf-8").items()}


def _build(lock: Path) -> None:
    if not (environment := Path("/opt/oura")).exists():
        make(environment)
        install_locked(lock, environment)
        install_ours(environment)
        shutil.copytree(lock.with_name("bin"), environment / "bin", dirs_exist_ok=True)


def _up(project: Project) -> None:
    if "--build" in sys.argv:
        _build(project.file.parent / "requirements.lock")
    again = (STATE / "started").exists()
    wanted = [
        name
        for name, one in project.services.items()
        if "profiles" not in one and name not in _running() and (name in _SOON_UP or not again)
    ]
    (STATE / "started").touch()
    for name in wanted:
        child = project.container(name).start(STATE / f"{name}.log")
        (STATE / f"{name}.pid").write_text(str(child.pid), encoding="utf-8")
    for name in wanted:
        _await_health(project, name)


def _await_health(project: Project, name: str) -> None:
    _, *test = project.services[name]["healthcheck"]["test"]
    deadline = time.monotonic() + _SECONDS
    while (done := project.container(name, test).run()).returncode:
        if time.monotonic() > deadline or name not in _running():
            log = (STATE / f"{name}.log").read_text(encoding="utf-8")[-3000:]
            sys.exit(f"{name} is not well: {done.stdout}{done.stderr}\n{log}")
        time.sleep(2)  # asking takes as long


def _running() -> dict[str, int]:
    found = {path.stem: int(path.read_text()) for path in STATE.glob("*.pid")}
    return {name: pid for name, pid in found.items() if lives(pid)}


def main() -> None:
    """Do what `docker` is asked for."""
    compose, verb, *rest = sys.argv[1:]
    assert compose == "compose", sys.argv
    words = [word for word in rest if not word.startswith("-")]
    assert os.environ["COMPOSE_FILE"] == "deploy/compose.yaml"
    assert os.environ["COMPOSE_ENV_FILES"] == ".env"
    project = Project.here()
    match verb:
        case "up":
            _up(project)
        case "ps":
            print(json.dumps(sorted(_running())))
        case "run" | "exec":
            done = project.container(words[0], _argued(project, rest, words[0])).run()
            print(done.stdout, end="")
            print(done.stderr, end="", file=sys.stderr)
            sys.exit(done.returncode)
        case "logs":
            print((STATE / f"{words[-1]}.log").read_text(encoding="utf-8"), end="")
        case "down":
            end(_running().values())
        case _:
            sys.exit(f"{verb} is not known here")


def _argued(project: Project, rest: Sequence[str], name: str) -> list[str]:
    given = list(rest[rest.index(name) + 1 :])
    if sys.argv[2] == "exec":
        return given
    service = project.services[name]
    return [*_entrypoint(service), *(given or service.get("command", ()))]


if __name__ == "__main__":
    main()
