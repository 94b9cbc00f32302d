"""Settings: names, defaults, and one line for a bad value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oura_pipeline.settings import Protocol, SettingsError, SignUp, load_settings, read_settings
from oura_pipeline_tests.testing.settings import settings_with


@pytest.fixture(autouse=True)
def _no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BAD = {
    "OURA_PIPELINE_HOME": "~nobody-is-called-this/data",
    "OURA_RATE_LIMIT": "fast",
    "OURA_API_URL": "ftp://example.org",
    "OURA_TOKEN_URL": "https://example.org/a,nonsense",
    "OURA_TOKEN_KEY": "no-key-at-all",
    "OURA_HISTORY_START": "soon",
    "OURA_WAREHOUSE_URL": "postgresql://example.org/x",
    "GRAPHITE_PORT": "70000",
    "GRAPHITE_PROTOCOL": "udp",
    "GRAPHITE_PREFIX": "bio..x",
    "GRAPHITE_RENDER_URL": "graphite",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_one_line_that_names_the_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader learns which variable, and what it may be; a secret is not repeated."""
    monkeypatch.setenv(name, BAD[name])
    with pytest.raises(SettingsError) as error:
        load_settings()
    message = str(error.value)
    assert message.startswith(f"{name} cannot be used: ")
    assert "\n" not in message
    assert "no-key-at-all" not in message


def test_the_command_line_stops_at_a_bad_value_with_that_line(tmp_path: Path) -> None:
    """No traceback, status 2."""
    done = subprocess.run(
        [sys.executable, "-m", "oura_pipeline.cli", "people", "list"],
        env={"OURA_RATE_LIMIT": "fast", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert "OURA_RATE_LIMIT" in done.stderr
    assert "Traceback" not in done.stderr


def test_defaults_work_with_nothing_set(tmp_path: Path) -> None:
    """Everything lies in ./data, and points go to a file."""
    settings = load_settings()
    assert settings.storage.warehouse_path == tmp_path / "data/warehouse.duckdb"
    assert settings.storage.accounts_url == f"sqlite:///{tmp_path}/data/accounts.sqlite"
    assert settings.graphite.protocol is Protocol.FILE
    assert settings.storage.graphite_log_path == tmp_path / "data/graphite.log"
    assert settings.oura.rate_limit == (5000, 300)


def test_an_empty_variable_means_the_default_and_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever clears a variable does not want the value of `.env`."""
    (tmp_path / ".env").write_text("GRAPHITE_HOST=carbon\nGRAPHITE_PREFIX=ring\n", encoding="utf-8")
    monkeypatch.setenv("GRAPHITE_HOST", "")
    settings = load_settings()
    assert (settings.graphite.host, settings.graphite.prefix) == ("", "ring")


def test_the_port_follows_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """2003 for lines, 2004 for pickle, or what is set."""
    monkeypatch.setenv("GRAPHITE_HOST", "carbon")
    assert load_settings().graphite.port == 2003
    monkeypatch.setenv("GRAPHITE_PROTOCOL", "pickle")
    assert load_settings().graphite.port == 2004
    monkeypatch.setenv("GRAPHITE_PORT", "12004")
    assert load_settings().graphite.port == 12004


def test_a_socket_protocol_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that nobody takes would be lost."""
    monkeypatch.setenv("GRAPHITE_PROTOCOL", "plaintext")
    with pytest.raises(SettingsError, match="GRAPHITE_HOST"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "OURA_TOKEN_KEY and OURA_SESSION_KEY"),
        ({"OURA_TOKEN_KEY": KEY}, "OURA_SESSION_KEY"),
        ({"OURA_SESSION_KEY": "s"}, "OURA_TOKEN_KEY"),
    ],
)
def test_postgres_without_keys_for_all_machines_is_refused(
    given: dict[str, str], missing: str
) -> None:
    """Each machine would make its own, which opens nothing that another one has encrypted."""
    url = {"OURA_ACCOUNTS_URL": "postgresql+psycopg://u:secret@host/name"}
    with pytest.raises(SettingsError) as refused:
        read_settings(url | given)
    assert str(refused.value) == (
        f"OURA_ACCOUNTS_URL on Postgres needs {missing}, the same on every machine: what is in "
        "token.key and session.key of the data folder, or else what `oura-pipeline key new` makes"
    )
    both = {"OURA_TOKEN_KEY": KEY, "OURA_SESSION_KEY": "s"}
    assert read_settings(url | both).storage.accounts_on_postgres


@pytest.mark.parametrize("executor", ["celery", "k8s"])
@pytest.mark.parametrize("without", [{}, {"GRAPHITE_HOST": "carbon", "GRAPHITE_PROTOCOL": "file"}])
def test_workers_without_a_graphite_are_refused(executor: str, without: dict[str, str]) -> None:
    """Each would write points into a file of its own, where whoever deletes somebody does not look.

    So nothing starts: neither the run and its workers nor `doctor`.
    """
    with pytest.raises(SettingsError) as refused:
        read_settings({"OURA_EXECUTOR": executor} | without)
    assert str(refused.value) == (
        f"OURA_EXECUTOR={executor} needs a Graphite (GRAPHITE_HOST): each worker would keep points "
        "in a graphite.log of its own, which deleting a person does not reach"
    )
    assert read_settings({"OURA_EXECUTOR": executor, "GRAPHITE_HOST": "carbon"}).workers
    assert read_settings({"OURA_EXECUTOR": "in_process"}).workers


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repr may end up in a log."""
    monkeypatch.setenv("OURA_CLIENT_SECRET", "very-secret")
    assert "very-secret" not in repr(load_settings())


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000",
        "http://LOCALHOST:8000",
        "http://localhost.",
        "https://localhost",
        "http://ring.localhost:8000",
        "http://127.0.0.1:8000",
        "http://127.8.8.8",
        "http://[::1]:8000",
    ],
)
def test_an_address_of_this_machine_is_for_this_machine_only(address: str) -> None:
    """No invites, and no webhooks from an Oura that cannot reach it."""
    site = settings_with(oura_public_url=address).site
    assert (site.signup, site.webhook_url) == (SignUp.OPEN, "")
    assert site.unreachable == "OURA_PUBLIC_URL is this machine"
    # A stand-in of Oura on the same machine reaches it.
    beside = settings_with(oura_public_url=address, oura_api_url="http://localhost:9000").site
    assert beside.webhook_url == f"{address}/webhook"


def test_without_an_address_the_site_is_at_localhost() -> None:
    """The address that Oura's portals accept for one's own machine."""
    site = settings_with().site
    assert (site.url, site.redirect_uri) == (
        "http://localhost:8000",
        "http://localhost:8000/oauth/callback",
    )
    assert (site.signup, site.webhook_url) == (SignUp.OPEN, "")


@pytest.mark.parametrize(
    "address", ["https://rings.test", "https://localhost.rings.test", "http://10.0.0.1:8000"]
)
def test_any_other_address_is_public(address: str) -> None:
    site = settings_with(oura_public_url=address).site
    assert (site.signup, site.webhook_url) == (SignUp.INVITE, f"{address}/webhook")


@pytest.mark.parametrize(
    ("url", "data", "told"),
    [
        ("ducklake:postgres:dbname=lake", "", "say in OURA_WAREHOUSE_DATA where its files are"),
        ("", "lake", "OURA_WAREHOUSE_DATA is for a DuckLake only"),
    ],
)
def test_a_lake_needs_a_place_for_its_files_and_a_file_none(
    url: str, data: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURA_WAREHOUSE_URL", url)
    monkeypatch.setenv("OURA_WAREHOUSE_DATA", data)
    with pytest.raises(SettingsError, match=told):
        load_settings()


def test_the_files_of_a_lake_are_in_a_folder_or_at_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on this machine beside it is in the data folder."""
    monkeypatch.setenv("OURA_WAREHOUSE_URL", "ducklake:postgres:dbname=lake")
    for data, expected in (("lake", str(tmp_path / "lake")), ("s3://bucket/x", "s3://bucket/x")):
        monkeypatch.setenv("OURA_WAREHOUSE_DATA", data)
        storage = load_settings().storage
        assert (storage.warehouse_path, storage.warehouse_data) == (None, expected)
    assert storage.spool_path == tmp_path / "data/spool"
    assert storage.analytics_path == tmp_path / "data/analytics.duckdb"
