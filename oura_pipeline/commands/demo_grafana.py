"""A Grafana for the demo, provisioned with the dashboards and with the demo's Graphite."""

from __future__ import annotations

import json
from pathlib import Path

import click

from oura_pipeline.graphite.dashboards import dashboards_folder

PORT = 3001
_PROGRAMS = ("bin/grafana", "bin/grafana-server")
_SHARED = Path("/usr/share/grafana")  # where a package of the system keeps what the program needs


def prepare(grafana: Path, folder: Path, render_url: str) -> tuple[list[str], dict[str, str]]:
    """Write what it is provisioned with; return its command and environment variables.

    Args:
        grafana: its program, or the folder that was unpacked.
        folder: of its data and configuration.
        render_url: address of graphite-web.

    Raises:
        ClickException: there is no Grafana in the folder.
    """
    program, home = _program(grafana.absolute())
    source = {
        "name": "Oura Graphite",
        "uid": "oura-graphite",
        "type": "graphite",
        "access": "proxy",
        "url": render_url,
        "jsonData": {"graphiteVersion": "1.1"},
    }
    dashboards = dashboards_folder()
    provider = {
        "name": "oura",
        "folder": "Oura",
        "type": "file",
        "options": {"path": str(dashboards)},
    }
    _write(folder / "provisioning" / "datasources" / "oura.yaml", {"datasources": [source]})
    _write(folder / "provisioning" / "dashboards" / "oura.yaml", {"providers": [provider]})
    command = [str(program), *(["server"] if program.name == "grafana" else [])]
    return [*command, f"--homepath={home}"], {
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(PORT),
        # About nobody, and for this machine only: no password.
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(dashboards / "oura-sleep.json"),
        "GF_LOG_MODE": "file",
    }


def _program(grafana: Path) -> tuple[Path, Path]:
    """Return the program, and the folder with what it needs."""
    if grafana.is_dir():
        found = next((grafana / name for name in _PROGRAMS if (grafana / name).is_file()), None)
        if found is None:
            raise click.ClickException(f"{grafana} has no {' or '.join(_PROGRAMS)}")
        return found, grafana
    unpacked = grafana.parent.parent
    return grafana, unpacked if (unpacked / "conf").is_dir() else _SHARED


def _write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    path.write_text(json.dumps({"apiVersion": 1, **content}), encoding="utf-8")
