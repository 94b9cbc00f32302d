"""A real Postgres for the tests, with nothing in it, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program

OWNER = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root


@dataclass(frozen=True)
class PostgresServer:
    """A server, and how to control it.

    Attributes:
        address: `name@host:port`, without a driver and a database's name.
        log: where it writes.
        control: runs `pg_ctl` with these arguments.
    """

    address: str
    log: Path
    control: Callable[..., None]

    def restart(self, *, seconds: float) -> None:
        """End every session, be away for so long, and come back."""
        self.control("stop", "-m", "fast")
        time.sleep(seconds)
        self.control("start", "-w", "-t", "30", "-l", str(self.log))


@contextmanager
def running_postgres() -> Iterator[str]:
    """The address of a server, without a driver and a database's name."""
    with postgres_server() as server:
        yield server.address


@contextmanager
def postgres_server(
    host: str = "127.0.0.1", network: str = "127.0.0.1/32"
) -> Iterator[PostgresServer]:
    """A server that listens there, and to whoever is in that network."""
    # Debian keeps the server's programs off the PATH.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    program = shutil.which("pg_ctl") or str(found[-1] if found else "pg_ctl")
    require_program(Path(program), "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="accounts-"))
    if OWNER:
        shutil.chown(folder, OWNER)
    port = free_port()
    data, log = folder / "data", folder / "log"

    def control(*arguments: str) -> None:
        command = [program, "-D", str(data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=OWNER)

    control("init", "-o", "-U tester -A trust -N --no-instructions")
    options = {
        "port": port,
        "listen_addresses": f"'{host}'",
        "unix_socket_directories": f"'{folder}'",
    }
    # Nothing here survives the power being cut, nor is it to.
    options |= {"fsync": "off", "full_page_writes": "off"}
    with (data / "postgresql.conf").open("a", encoding="utf-8") as config:
        config.writelines(f"{name} = {value}\n" for name, value in options.items())
    with (data / "pg_hba.conf").open("a", encoding="utf-8") as allowed:
        allowed.write(f"host all all {network} trust\n")
    control("start", "-w", "-t", "30", "-l", str(log))
    try:
        yield PostgresServer(f"tester@{host}:{port}", log, control)
    finally:
        control("stop", "-m", "immediate")
        shutil.rmtree(folder)


def new_database(server: str) -> str:
    """The address of an empty database, without a driver."""
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


def dagster_config() -> str:
    """`dagster.yaml` with its storage on Postgres, as its comments describe it."""
    config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    begin, commented = config.index("\nstorage:") + 1, config.index("# storage:")
    end = config.index("\n\n", commented)
    lines = [line.removeprefix("# ") for line in config[commented:end].splitlines()]
    return config[:begin] + "\n".join(lines) + config[end:]


def dump(database: str) -> bytes:
    """Everything that a database holds, table by table."""
    return b"\n".join(rows(database))


def rows(database: str) -> Iterator[bytes]:
    """Yield the name of each table and then its rows, in the format of COPY."""
    import psycopg

    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        for (table,) in tables:
            yield table.encode()
            with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copied:
                yield from map(bytes, copied)


@contextmanager
def pooler(server: str, mode: str) -> Iterator[str]:
    """The address of a PgBouncer before a server, which shares its sessions like this."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    require_program(Path(program), "pgbouncer")
    user, _, address = server.partition("@")
    host, _, port = address.partition(":")
    ours = free_port()
    with tempfile.TemporaryDirectory(prefix="pooler-") as folder:
        users, config = Path(folder) / "users", Path(folder) / "pgbouncer.ini"
        users.write_text(f'"{user}" ""\n', encoding="utf-8")
        config.write_text(
            f"[databases]\n* = host={host} port={port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {ours}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\n",
            encoding="utf-8",
        )
        for path in (Path(folder), users, config):
            shutil.chown(path, OWNER or os.geteuid())
        process = subprocess.Popen(
            [program, "-q", config],
            user=OWNER,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(ours)
            yield f"{user}@127.0.0.1:{ours}"
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


def wait_for(port: int, seconds: float = 30, host: str = "127.0.0.1") -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port)).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
