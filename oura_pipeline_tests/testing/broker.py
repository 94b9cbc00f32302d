"""A real RabbitMQ for tests, on this machine only and with nothing in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from oura_pipeline_tests.testing.postgres import free_port, wait_for
from oura_pipeline_tests.testing.requirements import require_program

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH changes its user


@contextmanager
def running_broker(host: str = "127.0.0.1", inside: Sequence[str] = ()) -> Iterator[str]:
    """The address of a broker, until the block ends.

    Args:
        host: the address on which it listens.
        inside: the command that runs its command on another machine.
    """
    require_program(PROGRAM, "rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="broker-"))
    port, distribution = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {host}:{port}\nheartbeat = 10\nloopback_users = none\n",
        encoding="utf-8",
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # Erlang keeps a cookie there
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    process = subprocess.Popen(
        [*inside, PROGRAM],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port, seconds=90, host=host)
        yield f"amqp://guest:guest@{host}:{port}//"
    finally:
        process.terminate()
        process.wait(60)
        # Erlang's own server of names outlives whoever started it.
        subprocess.run(
            [*inside, "/usr/bin/epmd", "-kill"], env=environment, check=True, capture_output=True
        )
        shutil.rmtree(folder, ignore_errors=True)
