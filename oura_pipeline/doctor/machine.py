"""Checks of the settings and of the machine: files, ports, disk."""

from __future__ import annotations

import errno
import shlex
import shutil
import socket
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import make_url

from oura_pipeline.defs.tidy_job import last_tidied
from oura_pipeline.doctor.findings import Finding, bad, good, listed
from oura_pipeline.doctor.growth import bytes_text
from oura_pipeline.files import open_to_others
from oura_pipeline.oura.http import tls
from oura_pipeline.oura.portals import portal_at
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process.owners import is_owned
from oura_pipeline.settings import (
    Settings,
    dagster_home,
    environment_variables,
    given_variables,
    is_this_machine,
)
from oura_pipeline.sync.storage_failures import needed_room

_MAX_PATHS = 5
# Of the compose file and of the backup's timer, which are no settings of these programs.
_OF_DEPLOYMENT = ("OURA_BACKUPS", "OURA_VERSION")


def variables() -> Finding:
    """Look for variables whose names are nearly those of settings."""
    if not (found := list(misspelled(given_variables()))):
        return good("variables", "none is misspelled")
    return bad("variables", listed(found))


def misspelled(names: Iterable[str]) -> Iterator[str]:
    """Say of each name that is no setting and seems to be meant as one what it may have meant."""
    known = environment_variables()
    # AWS_ and OTEL_ have more variables than ours, and others read them.
    ours = [name for name in known if name.startswith(("OURA_", "GRAPHITE_"))]
    for name in sorted({*names} - known.keys() - {*_OF_DEPLOYMENT}):
        is_meant = name.startswith("OURA_")
        near = get_close_matches(name.upper(), ours, n=1, cutoff=0.7 if is_meant else 0.85)
        if near:
            yield f"{name} is not read: did you mean {near[0]}?"
        elif is_meant:
            yield f"{name} is not read: it is no setting; docs/reference/settings.md lists them"


def modes(settings: Settings) -> Finding:
    """Look for files that others may read."""
    storage = settings.storage
    database = make_url(storage.accounts_url)
    places = [storage.analytics_path, storage.exports_path, Path(".env")]
    places += [storage.warehouse_path] if storage.warehouse_path else []
    places += [Path(database.database or "")] if database.get_backend_name() == "sqlite" else []
    places += [home] if (home := dagster_home()) else []
    elsewhere = [path for path in places if not path.absolute().is_relative_to(storage.home)]
    if not (found := list(open_to_others(storage.home, *elsewhere))):
        return good("modes", "data, exports and .env are their owner's alone")
    of_home = any(path.is_relative_to(storage.home) for path in found)
    names = [storage.home] * of_home + [p for p in found if not p.is_relative_to(storage.home)]
    advice = f"chmod -R go= {' '.join(shlex.quote(str(name)) for name in names[:_MAX_PATHS])}"
    return bad("modes", f"others may use {found[0]} and {len(found) - 1} more: {advice}")


def ports(settings: Settings) -> Finding:
    """Look whether the ports of the site and of Dagster's UI are free, or ours already."""
    if is_owned(settings.storage.home / "dev.lock"):
        return good("ports", "`oura-pipeline dev` runs and has its own")
    site, dagster = settings.site.url, settings.site.dagster_url
    wanted = {"--site-port": (site, "/health"), "--port": (dagster, "/server_info")}
    taken = [
        f"port {port} is another program's: stop that, or give `oura-pipeline dev` another {option}"
        for option, (url, path) in wanted.items()
        if is_this_machine(url)
        and (port := urlsplit(url).port)
        and _is_taken(port)
        and not _answers(url + path)
    ]
    return bad("ports", listed(taken)) if taken else good("ports", "free, or ours")


def _is_taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _answers(url: str) -> bool:
    """Return whether a program of ours answers: with JSON, or asking for its password."""
    try:
        answer = httpx.get(url, timeout=2.0, verify=tls())
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    asks = "oura" in answer.headers.get("www-authenticate", "").lower()
    return asks or answer.headers.get("content-type", "").startswith("application/json")


def client(settings: Settings) -> Finding:
    """Look whether an application is set."""
    if settings.oura.client_id and settings.oura.client_secret.get_secret_value():
        return good("client", f"OURA_CLIENT_ID {settings.oura.client_id}")
    return bad(
        "client",
        "set OURA_CLIENT_ID and OURA_CLIENT_SECRET to those of the application that you "
        "registered at Oura",
    )


def site(pipeline: Pipeline) -> Finding:
    """Look whether people can sign in at the site's address."""
    settings = pipeline.settings
    url = httpx.URL(settings.site.url)
    if url.scheme != "https" and not is_this_machine(settings.site.url):
        return bad(
            "site", f"{url} does not encrypt sign-ins: set OURA_PUBLIC_URL to an https address"
        )
    issuer = portal_at(pipeline.accounts.people.token_url() or settings.oura.token_urls[-1])
    if url.host in issuer.refused_hosts:
        return bad(
            "site",
            f"{url}: Oura refuses redirect addresses at {url.host}; unset OURA_PUBLIC_URL, and "
            f"register {url.copy_with(host='localhost')}/oauth/callback",
        )
    return good("site", f"{url}; register {settings.site.redirect_uri} as redirect URI at Oura")


def disk(settings: Settings) -> Finding:
    """Look whether there is room, and when it was last made."""
    free, needed = shutil.disk_usage(settings.storage.home).free, needed_room()
    last = last_tidied(settings)
    tidied = (
        f"tidied on {last:%Y-%m-%d}" if last else "never tidied: a sync or Dagster's daemon does"
    )
    if free < needed:
        return bad(
            "disk", f"{bytes_text(free)} free, and {bytes_text(needed)} are needed: see below"
        )
    return good("disk", f"{bytes_text(free)} free; {tidied}")
