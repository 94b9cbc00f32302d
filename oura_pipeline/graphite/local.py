"""A real Graphite on this machine: carbon-cache and graphite-web as child processes on loopback."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from oura_pipeline.graphite import configuration
from oura_pipeline.graphite.environment import LocalGraphiteError, graphite_python
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas

_START_SECONDS = 120  # it takes three, and on a machine with five times its work half a minute
_STOP_SECONDS = 10

# Runs in the child before its program. Only this process holds the other end of the child's stdin,
# so the child ends when this process ends, even if it is killed.
_WATCH = """\
import os, signal, sys, threading
def watch():
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
"""
_CARBON = _WATCH + "from twisted.scripts.twistd import run\nsys.argv[0] = 'twistd'\nrun()\n"
_WEB = (
    """\
import django
from django.core.management import call_command
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)
"""
    + _WATCH
    + "from gunicorn.app.wsgiapp import run\nsys.argv[0] = 'gunicorn'\nrun()\n"
)


class LocalGraphite:
    """A real Graphite in a folder, from `with` or `start()` until `stop()`.

    Attributes:
        line_port: where carbon takes plaintext.
        pickle_port: where carbon takes pickle.
        render_url: the address of graphite-web.
        folder: where configuration, storage and logs lie.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        prefix: str = "bio",
        schemas: str | None = None,
        carbon_conf: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            folder: where to keep everything; none: a temporary folder, removed by `stop()`.
            prefix: the first name of every metric.
            schemas: the text of `storage-schemas.conf`; none: the one for the document types.
            carbon_conf: settings of carbon that differ from ours.
        """
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="graphite-"))).absolute()
        # A second carbon on a port in use starts without a word, and the kernel splits the
        # connections between the two.
        self.line_port, self.pickle_port, self._query_port, self._web_port = _free_ports(4)
        self.render_url = f"http://127.0.0.1:{self._web_port}"
        self._schemas = schemas if schemas is not None else storage_schemas(prefix)
        self._aggregation = storage_aggregation(prefix)
        self._carbon_conf = carbon_conf or {}
        self._python: Path | None = None
        self._carbon: subprocess.Popen[bytes] | None = None
        self._web: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start both and wait until they answer.

        Raises:
            LocalGraphiteError: it cannot be installed, or one of the two did not come up; then the
                end of its log is in the message.
        """
        try:
            self._python = graphite_python()
            self._write_configuration()
            self._web = self._child("web", _WEB, *self._web_arguments())
            self.start_carbon()
            self._wait(self._web, self._web_port, "web")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both, wait for them, and remove the folder if it is a temporary one."""
        children = [child for child in (self._web, self._carbon) if child is not None]
        for child in children:
            _ask_to_end(child)
        for child in children:
            _reap(child)
        self._web = self._carbon = None
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill both on the spot, for a process that ends at once; `stop()` waits for them."""
        for child in (self._web, self._carbon):
            if child is not None:
                child.kill()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_carbon(self) -> None:
        """Start carbon, for instance again after `kill_carbon()`, on the same ports."""
        self._carbon = self._child("carbon", _CARBON, *self._carbon_arguments())
        for port in (self.line_port, self.pickle_port, self._query_port):
            self._wait(self._carbon, port, "carbon")

    def kill_carbon(self) -> None:
        """Kill carbon on the spot: whatever it did not write is lost."""
        if self._carbon is not None:
            self._carbon.kill()
            _reap(self._carbon)
            self._carbon = None

    def whisper_file(self, metric: str) -> Path:
        """Return the file in which a metric is stored, whether it exists or not."""
        return self.folder / "storage" / "whisper" / (metric.replace(".", "/") + ".wsp")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _write_configuration(self) -> None:
        conf, storage = self.folder / "conf", self.folder / "storage"
        (storage / "whisper").mkdir(parents=True, exist_ok=True)
        (storage / "log").mkdir(exist_ok=True)
        conf.mkdir(exist_ok=True)
        ports = configuration.CarbonPorts(
            line=self.line_port, pickle=self.pickle_port, query=self._query_port
        )
        texts = {
            "carbon.conf": configuration.carbon_conf(ports, self._carbon_conf),
            "storage-schemas.conf": self._schemas,
            "storage-aggregation.conf": self._aggregation,
            "graphite_local_settings.py": configuration.web_settings(
                ports, conf=conf, storage=storage, cookie_key=repr(secrets.token_urlsafe(32))
            ),
        }
        for name, text in texts.items():
            (conf / name).write_text(text, encoding="utf-8")

    def _carbon_arguments(self) -> list[str]:
        return [
            "--nodaemon",
            "--no_save",
            f"--pidfile={self.folder / f'carbon-{time.time_ns()}.pid'}",
            "carbon-cache",
            f"--config={self.folder / 'conf' / 'carbon.conf'}",
        ]

    def _web_arguments(self) -> list[str]:
        return [
            "graphite.wsgi",
            f"--bind=127.0.0.1:{self._web_port}",
            "--workers=2",
            "--threads=4",
            "--timeout=120",
            "--graceful-timeout=2",
        ]

    def _child(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            # Otherwise every start compiles Django and Twisted anew where this is set.
            "PYTHONDONTWRITEBYTECODE": "",
            "GRAPHITE_ROOT": str(self.folder),
            "GRAPHITE_CONF_DIR": str(self.folder / "conf"),
            "GRAPHITE_STORAGE_DIR": str(self.folder / "storage"),
            "GRAPHITE_SETTINGS_MODULE": "graphite_local_settings",
            "DJANGO_SETTINGS_MODULE": "graphite.settings",
            "PYTHONPATH": str(self.folder / "conf"),
            "PYTHONWARNINGS": "ignore",
            # gunicorn keeps its control socket there.
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603  (our own program)
                [str(self._python), "-c", program, *arguments],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait(self, child: subprocess.Popen[bytes], port: int, name: str) -> None:
        """Wait until the child listens on the port."""
        deadline = time.monotonic() + _START_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            time.sleep(0.02)
        reason = "did not answer" if child.poll() is None else f"ended with {child.returncode}"
        log = self.folder / f"{name}.log"
        end = log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else ""
        raise LocalGraphiteError(f"{name} {reason}; the end of its log:\n{end}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _ask_to_end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Wait for the child, and kill it when it takes too long."""
    if child.stdin:
        child.stdin.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
