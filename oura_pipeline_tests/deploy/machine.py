"""A machine in namespaces of its own, on which somebody follows deploy/README.md to the letter."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from oura_pipeline.graphite.environment import graphite_python
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline_tests.deploy.compose import Project
from oura_pipeline_tests.deploy.containers import STATE
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.web.html_browser import HtmlBrowser

CHECKOUT = Path("/srv/oura")
SITE, DAGSTER = "https://rings.internal", "https://dagster.internal"
LAST = datetime.now(UTC).date() - timedelta(days=1)
PASSWORD = "a-password-of-more-than-32-characters"
AUTHORITY = Path("/etc/private-authority.pem")
# As the authority of an operator's own: Caddy makes one unless there is one.
_AUTHORITY_OF_CADDY = STATE / "volumes/caddy/caddy/pki/authorities/local"
_COMMANDS = ("docker", "systemctl", "journalctl")


def commands(readme: str) -> Iterator[str]:
    """Yield the blocks of commands and the commands in tables, in order."""
    programs = "|".join(_COMMANDS)
    pattern = rf"```sh\n(?P<block>.*?)```|^\|[^\n]*`(?P<cell>(?:{programs}) [^`\n]+)` \|$"
    for found in re.finditer(pattern, readme, re.M | re.S):
        block = found["block"] or found["cell"]
        yield "\n".join(line.strip() for line in block.strip().splitlines())


def prepare() -> None:
    """Give this machine a network, names, and folders of its own; nothing outside changes."""
    etc = Path("/var/tmp/etc")
    for line in (
        "ip link set lo up",
        "mount --make-rprivate /",
        "mount -t tmpfs tmpfs /var/tmp",
        "cp -a /etc /var/tmp/etc",
        "mount --bind /var/tmp/etc /etc",
        "mount -t tmpfs -o mode=755 tmpfs /srv",
        "mount -t tmpfs -o mode=755 tmpfs /opt",
        "mount -t tmpfs -o mode=755 tmpfs /var/lib",
    ):
        subprocess.run(line.split(), check=True)
    names = " ".join(["localhost", *(f"{n}.internal" for n in ("rings", "dagster", "grafana"))])
    (etc / "hosts").write_text(f"127.0.0.1 {names}\n", encoding="utf-8")
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0", encoding="utf-8")
    STATE.mkdir()
    graphite = graphite_python().parents[1]
    # Some test may have installed it for itself alone.
    subprocess.run(["chmod", "-R", "go+rX", graphite], check=True)
    Path("/opt/graphite").symlink_to(graphite)
    programs = STATE / "programs"
    programs.mkdir()
    modules = {"docker": "compose", "python3": "installing"}
    for name in (*_COMMANDS, "python3"):
        module = modules.get(name, "units")
        line = f'exec {sys.executable} -m oura_pipeline_tests.deploy.{module} "$@"'
        (programs / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    tools = STATE / "busybox"
    tools.mkdir()
    (tools / "wget").symlink_to("/usr/bin/busybox")
    _check_out()


def _check_out() -> None:
    CHECKOUT.mkdir()
    for name in ("deploy", "oura_pipeline", ".env.example", "dagster.yaml", "workspace.yaml"):
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, CHECKOUT / name)


def make_authority() -> None:
    """Make the authority of which Caddy gets its certificates, and let this machine trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    text = key.private_bytes(encoding, traditional, serialization.NoEncryption())
    _AUTHORITY_OF_CADDY.mkdir(parents=True)
    (_AUTHORITY_OF_CADDY / "root.key").write_bytes(text)
    for path in (_AUTHORITY_OF_CADDY / "root.crt", AUTHORITY):
        path.write_bytes(certificate.public_bytes(encoding))


class Operator:
    """Somebody who types commands in one shell, and remembers them."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self._folder, self._state = CHECKOUT, STATE / "shell"
        self._state.write_text("", encoding="utf-8")
        self._path = f"{STATE / 'programs'}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"

    def type(self, block: str) -> str:
        """Type some lines, and return what they print."""
        script = f". {self._state}\nset -euo pipefail\n{block}\nexport -p > {self._state}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env={"PATH": self._path, "PYTHONPATH": str(ROOT), "HOME": "/root"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        print(f"$ {block}\n{done.stdout}{done.stderr}", file=sys.stderr, flush=True)
        if done.returncode:
            raise SystemExit(f"status {done.returncode} of: {block}")
        self.typed.append(block)
        return done.stdout


def fill_in(sandbox: Sandbox) -> None:
    """Write into the `.env` what the README says, and where the stand-in of Oura is."""
    values = {
        "OURA_CLIENT_ID": sandbox.options.client_id,
        "OURA_CLIENT_SECRET": sandbox.options.client_secret,
        "OURA_PUBLIC_URL": SITE,
        "OURA_DAGSTER_URL": DAGSTER,
        "GRAFANA_URL": "https://grafana.internal",
        "OURA_OPERATED_BY": "somebody",
        "OURA_OPERATOR_TOKEN": PASSWORD,
        "OURA_DAGSTER_PASSWORD": PASSWORD,
        "GRAFANA_PASSWORD": PASSWORD,
        "OURA_API_URL": sandbox.url,
        "OURA_AUTHORIZE_URL": f"{sandbox.url}/oauth/authorize",
        "OURA_TOKEN_URL": f"{sandbox.url}/oauth/token",
        "OURA_REVOKE_URL": f"{sandbox.url}/oauth/revoke",
        "OURA_HISTORY_START": (LAST - timedelta(days=3)).isoformat(),
        "SSL_CERT_FILE": str(AUTHORITY),
    }
    with (CHECKOUT / ".env").open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def follow(sandbox: Sandbox, operator: Operator) -> dict[str, Any]:
    """Type everything, look at what came of it in between, and return what was seen."""
    seen: dict[str, Any] = {}
    for block in commands((ROOT / "deploy/README.md").read_text(encoding="utf-8")):
        said = operator.type(block)
        if block.startswith("install -m 600"):
            fill_in(sandbox)
        elif block.endswith("people invite"):
            seen |= use(sandbox, invite=said.split()[0])
        elif "oura-rollback" in block or "rollback" in block:
            seen.setdefault("after rollbacks", []).append(after_rollback(block))
        elif block.startswith("docker compose logs"):
            seen["log"] = sorted(
                {one[:1] for one in said.splitlines() if "oura_pipeline.web" in one}
            )
            seen["names"] = "runa" in said
        elif "systemctl enable" in block:
            await_site()
    return seen


def use(sandbox: Sandbox, invite: str) -> dict[str, Any]:
    """Sign somebody in, over TLS, and let Oura send an event."""
    with HtmlBrowser(SITE) as browser:
        page = browser.join("runa", invite=invite)
    subscribe()
    sandbox.revise("runa", "daily_sleep", day=LAST.isoformat(), fields={"score": 71}, notify=True)
    trusted = ssl.create_default_context(cafile=str(AUTHORITY))
    with httpx.Client(verify=trusted, trust_env=False) as http:
        plain = http.get(SITE.replace("https", "http"))
        dagster = [
            http.get(f"{DAGSTER}/server_info", auth=("x", password)).status_code
            for password in ("a guess", PASSWORD)
        ]
    return {
        "signed in": [page.status, page.response.url.path],
        "asked in plain text": [plain.status_code, plain.headers["location"]],
        "events": delivered(sandbox),
        "dagster": dagster,
    }


def after_rollback(block: str) -> list[Any]:
    """Return what the site and the folder of backups have then."""
    await_site()
    backups = CHECKOUT / ("deploy/backups" if block.startswith("docker") else "backups")
    aside = [path for path in backups.iterdir() if path.name.startswith("replaced-")]
    return [len(aside), (aside[0] / "accounts.sqlite").exists()]


def await_site() -> None:
    """Wait until the site answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get("http://127.0.0.1:8000/health", trust_env=False).raise_for_status()
            return
        time.sleep(0.1)
    raise SystemExit("the site does not answer")


def subscribe() -> None:
    """Subscribe, or wait until the daemon has, which does it by itself."""
    command = ["oura-pipeline", "subscriptions", "create"]
    while (done := Project.here().container("site", command).run()).returncode:
        assert "Another process" in done.stdout + done.stderr, done.stdout + done.stderr


def delivered(sandbox: Sandbox) -> list[int]:
    """Return what was answered to the events of Oura, once there was an answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if statuses := [one for event in sandbox.deliveries() for one in event["statuses"]]:
            return statuses
        time.sleep(0.1)
    return []


def main() -> None:
    """Follow the README and print what was seen as JSON."""
    prepare()
    operator = Operator()
    options = SandboxOptions(people=2, days=3, thin=10, redirect_uris=(f"{SITE}/oauth/callback",))
    make_authority()
    os.environ["SSL_CERT_FILE"] = str(AUTHORITY)
    began = time.monotonic()
    with running(options) as sandbox:
        seen = follow(sandbox, operator)
    print(json.dumps(seen | {"typed": operator.typed, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
