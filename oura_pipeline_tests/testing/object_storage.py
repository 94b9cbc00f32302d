"""A real S3 server for the tests, with nothing in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server

from oura_pipeline.warehouse.lake.address import ObjectStorage
from oura_pipeline_tests.testing.requirements import require_program

BUCKET = "bucket"  # the server makes it when something is written into it
SECONDS = 60.0  # that it takes to start, at most


@contextmanager
def running_object_storage(folder: Path) -> Iterator[ObjectStorage]:
    """A SeaweedFS that keeps its files in a folder."""
    program = shutil.which("weed") or "weed"
    require_program(Path(program), "weed, by `make test-matrix`")
    # Each server also listens on a port 10,000 above, for its own protocol.
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    storage = ObjectStorage(
        endpoint=f"http://127.0.0.1:{ports['s3']}",
        region="us-east-1",
        key_id="key",
        secret="a secret key",
    )
    config = folder / "s3.json"
    config.write_text(json.dumps(_identities(storage)), encoding="utf-8")
    process = subprocess.Popen(
        [
            *(program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-filer", "-s3", f"-s3.config={config}", "-s3.autoCreateBucket"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"),
            *(f"-{name}.port={port}" for name, port in ports.items()),
            *(f"-{name}.port.grpc={port + 10_000}" for name, port in ports.items()),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        _wait_for(ports["s3"])
        yield storage
    finally:
        process.terminate()
        process.wait(SECONDS)


def copied_by_rclone(storage: ObjectStorage, data: str, folder: Path) -> dict[str, bytes]:
    """Everything below an address, as another program than DuckDB finds it: name, bytes."""
    program = shutil.which("rclone") or "rclone"
    require_program(Path(program), "rclone, by `make test-matrix`")
    remote = f":s3,provider=SeaweedFS,force_path_style=true:{data.removeprefix('s3://')}"
    settings = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_S3_ENDPOINT": storage.endpoint,
        "RCLONE_S3_REGION": storage.region,
        "RCLONE_S3_ACCESS_KEY_ID": storage.key_id,
        "RCLONE_S3_SECRET_ACCESS_KEY": storage.secret,
    }
    # With what was overwritten or deleted and is kept all the same, where a server does that.
    command = [program, "copy", "--s3-versions", remote, str(folder)]
    subprocess.run(command, env=os.environ | settings, check=True, timeout=SECONDS)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _identities(storage: ObjectStorage) -> object:
    credentials = [{"accessKey": storage.key_id, "secretKey": storage.secret}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    return {"identities": [{"name": "tester", "credentials": credentials, "actions": actions}]}


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and 10,000 above as well."""
    found: list[int] = []
    for port in range(21_000, 30_000):
        try:
            for one in (port, port + 10_000):
                with closing(create_server(("127.0.0.1", one))):
                    pass
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
