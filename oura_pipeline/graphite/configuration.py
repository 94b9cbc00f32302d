"""The configuration of a carbon and a graphite-web that only their own machine reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

_CARBON = {
    # The reasons are in the head of storage-schemas.conf.
    **{"WHISPER_SPARSE_CREATE": "True", "WHISPER_FALLOCATE_CREATE": "False"},
    **dict.fromkeys(("MAX_CACHE_SIZE", "MAX_UPDATES_PER_SECOND", "MAX_CREATES_PER_MINUTE"), "inf"),
    # A backfill would write a line of log for every metric.
    **{"LOG_UPDATES": "False", "LOG_CREATES": "False", "ENABLE_LOGROTATION": "False"},
    # Tags would be sent to graphite-web for every new metric; no name of ours has any.
    **{"ENABLE_TAGS": "False", "ENABLE_UDP_LISTENER": "False"},
}


@dataclass(frozen=True, kw_only=True)
class CarbonPorts:
    """Where carbon listens: for plaintext, for pickle, and for graphite-web's questions."""

    line: int = 2003
    pickle: int = 2004
    query: int = 7002


def carbon_conf(ports: CarbonPorts, more: Mapping[str, str] | None = None) -> str:
    """Return `carbon.conf`, with settings that differ from ours in `more`."""
    numbers = {
        "LINE_RECEIVER_PORT": ports.line,
        "PICKLE_RECEIVER_PORT": ports.pickle,
        "CACHE_QUERY_PORT": ports.query,
    }
    interfaces = {name.replace("PORT", "INTERFACE"): "127.0.0.1" for name in numbers}
    values = {**numbers, **interfaces, **_CARBON, **(more or {})}
    return "[cache]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def web_settings(ports: CarbonPorts, *, conf: PurePath, storage: PurePath, cookie_key: str) -> str:
    """Return graphite-web's settings, a Python module.

    Args:
        ports: carbon's.
        conf: the folder of the configuration.
        storage: the folder of everything else; it has a folder `log`.
        cookie_key: a Python expression of the key of its cookies.
    """
    settings = {
        "ALLOWED_HOSTS": ["127.0.0.1", "localhost"],
        "TIME_ZONE": "UTC",
        "CONF_DIR": str(conf),
        "STORAGE_DIR": str(storage),
        "LOG_DIR": str(storage / "log"),
        "LOG_ROTATION": False,
        "CARBONLINK_HOSTS": [f"127.0.0.1:{ports.query}"],
        "CARBONLINK_RETRY_DELAY": 0,
        # Otherwise answers are up to five minutes old.
        "FIND_CACHE_DURATION": 0,
        "DEFAULT_CACHE_DURATION": 0,
    }
    lines = [
        f"SECRET_KEY = {cookie_key}",
        *(f"{name} = {value!r}" for name, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"
