"""Every setting: its environment variable, type, default and meaning."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    PrivateAttr,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

PROXY_SECRET_LENGTH = 16
LAKE = "ducklake:postgres:"
"""With this begins the address of a DuckLake; the address of its catalog follows."""
ALL_SCOPES = (
    "email personal daily heartrate workout tag session spo2 heart_health stress ring_configuration"
)


class SettingsError(ValueError):
    """A setting has a value that cannot be used; one line says which and why."""

    exit_code = 2  # of a command, as for an option with a bad value


class Protocol(StrEnum):
    """How points leave: over a socket in one of carbon's protocols, or into a file."""

    PLAINTEXT = "plaintext"
    PICKLE = "pickle"
    FILE = "file"


class LogFormat(StrEnum):
    """How programs log."""

    TEXT = "text"
    JSON = "json"


class Store(StrEnum):
    """What keeps the points that are sent."""

    GRAPHITE = "graphite"
    VICTORIA = "victoriametrics"


class Executor(StrEnum):
    """Where the steps of a run work that syncs shard by shard."""

    IN_PROCESS = "in_process"
    CELERY = "celery"
    K8S = "k8s"


class SignUp(StrEnum):
    """Who may sign in for the first time."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class RateLimit(NamedTuple):
    """A number of requests in a number of seconds, written `5000/300`."""

    requests: int
    seconds: int


def _url(text: str) -> str:
    # Checked, but kept as text: pydantic's own URL would get a slash at its end.
    TypeAdapter(HttpUrl).validate_python(text)
    return text.rstrip("/")


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _rate(value: Any) -> Any:
    if isinstance(value, RateLimit):
        return value
    match = re.fullmatch(r"\s*([1-9]\d*)\s*/\s*([1-9]\d*)\s*", str(value))
    if not match:
        raise ValueError("write requests/seconds, for instance 5000/300")
    return RateLimit(int(match[1]), int(match[2]))


def _keys(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value
    for key in _names(value):  # now, not when the first token is to be encrypted
        try:
            Fernet(key)
        except ValueError as error:
            raise ValueError(
                "each key is 32 bytes in URL-safe base64; `oura-pipeline key new` makes one"
            ) from error
    return value


def _prefix(value: Any) -> Any:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100})*", str(value)):
        raise ValueError("use one or more names of letters, digits, _ and -, joined by dots")
    return value


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # `~name/folder`, and there is no such user
        raise ValueError("no home folder is known for what follows ~") from None


def _warehouse_url(value: Any) -> Any:
    url = str(value)
    if url.startswith(LAKE):
        return url
    path = url.removeprefix("duckdb:///")
    # As `md:name` or a URL: no file here that could be copied and published.
    if ":" in path:
        raise ValueError(
            f"use the path of a DuckDB file, plain or after duckdb:///, or {LAKE} and a catalog"
        )
    return str(_absolute(Path(path)))


def _warehouse_data(value: Any) -> Any:
    data = str(value)
    return data if "://" in data or not data else str(_absolute(Path(data)))


Url = Annotated[str, BeforeValidator(_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


def variable(name: str, default: Any, meaning: str, **limits: Any) -> Any:
    """Return the field of an environment variable.

    Args:
        name: of the variable.
        default: a value, or a function of the group's settings above it.
        meaning: one line for the documents and for the message about a bad value.
        limits: what pydantic's `Field` takes.
    """
    given = {"default_factory" if callable(default) else "default": default}
    return Field(**given, validation_alias=name, description=meaning, **limits)


def is_this_machine(address: str) -> bool:
    """Return whether only this machine reaches an address."""
    host = (urlsplit(address).hostname or "").removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_private(public_url: str) -> bool:
    return not public_url or is_this_machine(public_url)


class Group(BaseModel):
    """Settings of one subject."""

    # Each group gets all variables and ignores those of the others.
    model_config = ConfigDict(frozen=True, extra="ignore")


class StorageSettings(Group):
    """Where things are kept."""

    home: AbsolutePath = variable(
        "OURA_PIPELINE_HOME",
        Path("data"),
        "The data folder: databases, keys, logs, Dagster's storage.",
        validate_default=True,  # makes it absolute
    )
    accounts_url: str = variable(
        "OURA_ACCOUNTS_URL",
        lambda storage: f"sqlite:///{storage['home'] / 'accounts.sqlite'}",
        "SQLAlchemy URL of the accounts. Default: `accounts.sqlite` in the data folder.",
    )
    token_key: Annotated[SecretStr, BeforeValidator(_keys)] = variable(
        "OURA_TOKEN_KEY",
        SecretStr(""),
        "Fernet keys, comma-separated, the newest first. Default: `token.key` in the data folder; "
        "with accounts on Postgres there is none.",
    )
    warehouse_url: Annotated[str, BeforeValidator(_warehouse_url)] = variable(
        "OURA_WAREHOUSE_URL",
        lambda storage: str(storage["home"] / "warehouse.duckdb"),
        "Path of the warehouse, or `ducklake:postgres:` and the address of a catalog. Default: "
        "`warehouse.duckdb` in the data folder.",
    )
    warehouse_data: Annotated[str, BeforeValidator(_warehouse_data)] = variable(
        "OURA_WAREHOUSE_DATA",
        "",
        "Only for a DuckLake: where its Parquet files are, a folder or `s3://bucket/folder`.",
    )
    s3_endpoint: Url = variable(
        "AWS_ENDPOINT_URL", "", "Address of the object storage. Without one, Amazon's."
    )
    s3_region: str = variable("AWS_REGION", "us-east-1", "Region of the object storage.")
    s3_key_id: str = variable("AWS_ACCESS_KEY_ID", "", "Key id for the object storage.")
    s3_secret: SecretStr = variable("AWS_SECRET_ACCESS_KEY", SecretStr(""), "Its secret.")
    exports_path: AbsolutePath = variable(
        "OURA_EXPORTS",
        lambda storage: storage["home"] / "exports",
        "Folder for the files of the asset export/apple_health, which are written every day when "
        "it is set. Default: `exports` in the data folder, only on request.",
    )

    @property
    def accounts_on_postgres(self) -> bool:
        """Whether the accounts are on a server, for any number of machines."""
        return self.accounts_url.startswith("postgresql")

    @property
    def warehouse_path(self) -> Path | None:
        """The DuckDB file of the warehouse; None: it is a DuckLake."""
        return None if self.warehouse_url.startswith(LAKE) else Path(self.warehouse_url)

    @property
    def warehouse_folder(self) -> Path:
        """Where the warehouse's files on this machine are: its spool, its published copy."""
        return self.warehouse_path.parent if self.warehouse_path else self.home

    @property
    def analytics_path(self) -> Path:
        """The published copy's DuckDB file, beside the warehouse."""
        return self.warehouse_folder / "analytics.duckdb"

    @property
    def spool_path(self) -> Path:
        """The folder of documents between fetch and landing."""
        return self.warehouse_folder / "spool"

    @property
    def exports_daily(self) -> bool:
        """Whether files for other programs are written every day: where a folder is set."""
        return "exports_path" in self.model_fields_set

    @property
    def token_key_path(self) -> Path:
        """The file of the key that encrypts tokens, where the environment gives none."""
        return self.home / "token.key"

    @property
    def session_key_path(self) -> Path:
        """The file of the key that signs cookies, where the environment gives none."""
        return self.home / "session.key"

    @property
    def graphite_log_path(self) -> Path:
        """The file that takes points where there is no Graphite."""
        return self.home / "graphite.log"

    @model_validator(mode="after")
    def _data_for_a_lake(self) -> StorageSettings:
        if self.warehouse_path is None and not self.warehouse_data:
            raise ValueError(
                "OURA_WAREHOUSE_URL names a DuckLake: say in OURA_WAREHOUSE_DATA where its files "
                "are, a folder or s3://bucket/folder"
            )
        if self.warehouse_path is not None and self.warehouse_data:
            raise ValueError(
                "OURA_WAREHOUSE_DATA is for a DuckLake only: remove it, or let OURA_WAREHOUSE_URL "
                f"begin with {LAKE}"
            )
        return self


class OuraSettings(Group):
    """Oura's addresses, and the application that is registered there."""

    client_id: str = variable(
        "OURA_CLIENT_ID", "", "Client id of the application registered at Oura."
    )
    client_secret: SecretStr = variable("OURA_CLIENT_SECRET", SecretStr(""), "Its client secret.")
    api_url: Url = variable("OURA_API_URL", "https://api.ouraring.com", "Address of the API.")
    authorize_url: Url = variable(
        "OURA_AUTHORIZE_URL", "https://cloud.ouraring.com/oauth/authorize", "Where people consent."
    )
    token_urls: Annotated[tuple[Url, ...], BeforeValidator(_names)] = variable(
        "OURA_TOKEN_URL",
        (
            "https://api.ouraring.com/oauth/token",
            "https://moi.ouraring.com/oauth/v2/ext/oauth-token",
        ),
        "Where tokens are renewed, comma-separated: tried in order, the working one is remembered.",
        min_length=1,
    )
    revoke_urls: Annotated[tuple[Url, ...], BeforeValidator(_names)] = variable(
        "OURA_REVOKE_URL",
        (),
        "Where tokens are revoked, comma-separated. Default: at the portal that issued them.",
    )
    scopes: str = variable("OURA_SCOPES", ALL_SCOPES, "The scopes that people are asked to grant.")
    rate_limit: Annotated[RateLimit, BeforeValidator(_rate)] = variable(
        "OURA_RATE_LIMIT",
        RateLimit(5000, 300),
        "Requests/seconds of the whole application; every process shares it.",
    )
    background_share: float = variable(
        "OURA_BACKGROUND_SHARE",
        0.5,
        "Largest part of the rate limit that history and gaps may use.",
        gt=0,
        le=1,
    )
    history_start: date = variable(
        "OURA_HISTORY_START", date(2015, 1, 1), "The first day for which there is a partition."
    )


class GraphiteSettings(Group):
    """Where points are sent, and where they are read back."""

    host: str = variable(
        "GRAPHITE_HOST", "", "Carbon's host. Without one, points go to `graphite.log`."
    )
    protocol: Protocol = variable(
        "GRAPHITE_PROTOCOL",
        lambda graphite: Protocol.PLAINTEXT if graphite["host"] else Protocol.FILE,
        "plaintext, pickle or file. Default: plaintext with a host, file without.",
    )
    port: int = variable(
        "GRAPHITE_PORT",
        lambda graphite: 2004 if graphite["protocol"] is Protocol.PICKLE else 2003,
        "Carbon's port. Default: 2003, or 2004 for pickle.",
        ge=1,
        le=65535,
    )
    prefix: Annotated[str, BeforeValidator(_prefix)] = variable(
        "GRAPHITE_PREFIX", "bio", "The first name of every metric."
    )
    render_url: Url = variable(
        "GRAPHITE_RENDER_URL",
        "",
        "Address of graphite-web, or of VictoriaMetrics. Without one, points are not read back.",
    )
    store: Store = variable(
        "GRAPHITE_STORE",
        Store.GRAPHITE,
        "What keeps the points: graphite, that is carbon and graphite-web, or victoriametrics.",
    )

    @model_validator(mode="after")
    def _host_for_a_socket(self) -> GraphiteSettings:
        if self.protocol is not Protocol.FILE and not self.host:
            raise ValueError(
                f"GRAPHITE_PROTOCOL={self.protocol} needs GRAPHITE_HOST; "
                "without a host it may be file or absent"
            )
        return self


class SiteSettings(Group):
    """The site: its address, its operators, who may sign in."""

    public_url: Url = variable(
        "OURA_PUBLIC_URL",
        "",
        "Address of the site as people and Oura reach it, https outside of this machine. Without "
        "one, or with one of this machine, it is for this machine only, and there are no webhooks. "
        "Default: http://localhost:8000.",
    )
    allowed_hosts: Names = variable(
        "OURA_ALLOWED_HOSTS",
        (),
        "Further names, comma-separated, under which programs reach the site, for instance "
        "Prometheus in a network of containers. Its own and those of this machine always work.",
    )
    signup: SignUp = variable(
        "OURA_SIGNUP",
        lambda site: SignUp.OPEN if _is_private(site["public_url"]) else SignUp.INVITE,
        "Who may sign in for the first time: open, invite or closed. Default: open on this "
        "machine, invite with an OURA_PUBLIC_URL elsewhere.",
    )
    people_limit: int = variable(
        "OURA_PEOPLE_LIMIT",
        10,
        "How many people Oura allows the application; 0: no limit, once Oura has approved it.",
        ge=0,
    )
    operated_by: str = variable(
        "OURA_OPERATED_BY",
        "",
        "Who runs this and how to reach them, in one line; the site says so.",
    )
    operator_token: SecretStr = variable(
        "OURA_OPERATOR_TOKEN",
        SecretStr(""),
        "Password of the operator's page and of the API. Use 32 characters or more: wrong guesses "
        "block a shorter one for a while. Without one, both are closed.",
    )
    operator_header: str = variable(
        "OURA_OPERATOR_HEADER",
        "",
        "Header in which the proxy names who signed in there, for instance X-Auth-Request-Email; "
        "only with OURA_OPERATORS and OURA_PROXY_SECRET.",
    )
    proxy_secret: SecretStr = variable(
        "OURA_PROXY_SECRET",
        SecretStr(""),
        "What the proxy sends in the header X-Proxy-Secret, 16 characters or more: who reaches the "
        "site past the proxy does not know it, and is not believed.",
    )
    operators: Names = variable(
        "OURA_OPERATORS", (), "Names in that header, comma-separated, that are operators."
    )
    session_key: SecretStr = variable(
        "OURA_SESSION_KEY",
        SecretStr(""),
        "Key that signs the site's cookies. Default: `session.key` in the data folder; with "
        "accounts on Postgres there is none.",
    )
    dagster_url: Url = variable(
        "OURA_DAGSTER_URL",
        "http://127.0.0.1:3000",
        "Dagster's UI, as the site reaches and links it.",
    )
    dagster_password: SecretStr = variable(
        "OURA_DAGSTER_PASSWORD",
        SecretStr(""),
        "Password that Dagster's UI asks for, under any username. Use 32 characters or more: wrong "
        "guesses block a shorter one for a while. Without one, whoever reaches it commands it.",
    )
    # Oura's portals accept http for `localhost`, and one of them refuses 127.0.0.1.
    _local_url: str = PrivateAttr("http://localhost:8000")
    _oura_is_here: bool = PrivateAttr(False)

    @model_validator(mode="after")
    def _operators_for_a_header(self) -> SiteSettings:
        if self.operator_header and not self.operators:
            raise ValueError("OURA_OPERATOR_HEADER needs OURA_OPERATORS: nobody is an operator")
        secret = self.proxy_secret.get_secret_value()
        if self.operator_header and len(secret) < PROXY_SECRET_LENGTH:
            raise ValueError(
                "OURA_OPERATOR_HEADER needs OURA_PROXY_SECRET, 16 characters or more, which the "
                "proxy sends in X-Proxy-Secret: else anybody could name an operator"
            )
        return self

    @property
    def url(self) -> str:
        """Address of the site, without a slash at its end: as set, or on this machine."""
        return self.public_url or self._local_url

    @property
    def redirect_uri(self) -> str:
        """Where Oura sends people back to; it must be registered at Oura exactly like this."""
        return f"{self.url}/oauth/callback"

    @property
    def webhook_url(self) -> str:
        """Where Oura posts events; empty: it cannot reach the site."""
        return "" if self.unreachable else f"{self.public_url}/webhook"

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches the site, as far as its address says."""
        return _is_private(self.public_url)

    @property
    def unreachable(self) -> str:
        """Why Oura cannot reach the site; empty: it can."""
        if not self.public_url:
            return "OURA_PUBLIC_URL is not set"
        # A stand-in of Oura on this machine reaches it.
        private = _is_private(self.public_url) and not self._oura_is_here
        return "OURA_PUBLIC_URL is this machine" if private else ""

    def served_at(self, url: str) -> SiteSettings:
        """Return these settings for a site that listens there: its address unless one is set."""
        # A copy, as settings are frozen; a private attribute, as no variable sets it.
        served = self.model_copy()
        served._local_url = url
        return served


class RetentionSettings(Group):
    """How long records are kept that nobody needs for ever."""

    runs_days: int = variable(
        "OURA_KEEP_RUNS_DAYS",
        30,
        "Days for which Dagster's runs are kept, with their events, checks, output and ticks. "
        "Which days are materialized, and the newest result of each check, stay.",
        ge=1,
        le=36500,
    )
    runs: int = variable(
        "OURA_KEEP_RUNS", 5000, "How many runs that have ended are kept at most.", ge=1
    )
    events_days: int = variable(
        "OURA_KEEP_EVENTS_DAYS",
        7,
        "Days for which webhook events are kept that have been dealt with.",
        ge=1,
        le=36500,
    )
    snapshots_days: int = variable(
        "OURA_KEEP_SNAPSHOTS_DAYS",
        7,
        "Days for which a DuckLake can be read as it was; at most back to the last deletion of a "
        "person.",
        ge=1,
        le=36500,
    )


class NotifySettings(Group):
    """How the operator gets news."""

    url: Url = variable(
        "OURA_NOTIFY_URL", "", "Address to which news for the operator is posted as JSON."
    )
    email: Names = variable(
        "OURA_NOTIFY_EMAIL", (), "Addresses, comma-separated, to which the same is mailed."
    )
    smtp_url: SecretStr = variable(
        "OURA_SMTP_URL",
        SecretStr(""),
        "Mail server: smtp://name:password@host:587 (STARTTLS), smtps:// or, for this machine, "
        "smtp+plain://127.0.0.1:25.",
    )
    mail_from: str = variable(
        "OURA_MAIL_FROM", "oura-pipeline@localhost", "Sender of the operator's mail."
    )

    @model_validator(mode="after")
    def _server_for_mail(self) -> NotifySettings:
        if self.email and not self.smtp_url.get_secret_value():
            raise ValueError("OURA_NOTIFY_EMAIL needs OURA_SMTP_URL: there is no mail server")
        return self


class WorkerSettings(Group):
    """How the work for many people is divided."""

    people_per_shard: int = variable(
        "OURA_PEOPLE_PER_SHARD",
        1000,
        "With more people than this the daily sync does their shards of so many one by one, where "
        "OURA_EXECUTOR says.",
        ge=1,
    )
    people_per_day: int = variable(
        "OURA_PEOPLE_PER_DAY",
        10_000,
        "With more people than this the daily sync does a seventh of them each day, and everybody "
        "once a week; webhooks bring the rest.",
        ge=1,
    )
    history_people: int = variable(
        "OURA_HISTORY_PEOPLE",
        500,
        "People of a run of history at most. With fewer of them whoever signs in meanwhile waits "
        "less.",
        ge=1,
    )
    history_runs: int = variable(
        "OURA_HISTORY_RUNS",
        1,
        "How many runs of history, or of gaps, work at once; of all runs `dagster.yaml` lets four.",
        ge=1,
    )
    executor: Executor = variable(
        "OURA_EXECUTOR",
        Executor.IN_PROCESS,
        "Where shards are synced: in_process, one after the other in the run's process; celery, by "
        "any number of `oura-pipeline worker`; or k8s, each in a pod. The last two need a "
        "GRAPHITE_HOST.",
    )
    broker_url: SecretStr = variable(
        "OURA_BROKER_URL",
        SecretStr("amqp://guest:guest@127.0.0.1:5672//"),
        "RabbitMQ between runs and workers, for OURA_EXECUTOR=celery.",
    )

    @property
    def turns(self) -> range:
        """What runs of history take turns by: one of each works at a time."""
        return range(1, self.history_runs + 1)


class LogSettings(Group):
    """How programs log, and where else they say what they do."""

    format: LogFormat = variable(
        "OURA_LOG_FORMAT",
        LogFormat.TEXT,
        "How programs log: text, or json, a line of JSON with the ids of the run and the person.",
    )
    otlp_endpoint: Url = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Address of an OpenTelemetry receiver (OTLP over HTTP) for traces and metrics of runs; "
        "without one there are none. In the environment its other OTEL_ variables hold, too.",
    )


class Settings(BaseModel):
    """All settings."""

    model_config = ConfigDict(frozen=True)

    storage: StorageSettings
    oura: OuraSettings
    graphite: GraphiteSettings
    site: SiteSettings
    retention: RetentionSettings
    notify: NotifySettings
    workers: WorkerSettings
    logs: LogSettings

    @model_validator(mode="after")
    def _site_knows_where_oura_is(self) -> Settings:
        self.site._oura_is_here = is_this_machine(self.oura.api_url)
        return self

    @model_validator(mode="after")
    def _same_keys_on_every_machine(self) -> Settings:
        keys = {"OURA_TOKEN_KEY": self.storage.token_key, "OURA_SESSION_KEY": self.site.session_key}
        missing = [name for name, key in keys.items() if not key.get_secret_value()]
        if self.storage.accounts_on_postgres and missing:
            raise ValueError(
                f"OURA_ACCOUNTS_URL on Postgres needs {' and '.join(missing)}, the same on every "
                "machine: what is in token.key and session.key of the data folder, or else what "
                "`oura-pipeline key new` makes"
            )
        return self

    @model_validator(mode="after")
    def _one_place_for_points(self) -> Settings:
        executor = self.workers.executor
        if executor is not Executor.IN_PROCESS and self.graphite.protocol is Protocol.FILE:
            raise ValueError(
                f"OURA_EXECUTOR={executor} needs a Graphite (GRAPHITE_HOST): each worker would "
                "keep points in a graphite.log of its own, which deleting a person does not reach"
            )
        return self

    def served_at(self, url: str) -> Settings:
        """Return the same settings for a site that listens there."""
        return self.model_copy(update={"site": self.site.served_at(url)})


def load_settings() -> Settings:
    """Return the settings of this process, from the environment and `.env`.

    Raises:
        SettingsError: a value cannot be used.
    """
    return read_settings(given_variables())


def dagster_home() -> Path | None:
    """Return Dagster's folder where it is not in the data folder: its own DAGSTER_HOME."""
    home = given_variables().get("DAGSTER_HOME")
    return _absolute(Path(home)) if home else None


def given_variables() -> dict[str, str | None]:
    """Return every variable of this process and of `.env`, whether or not it is a setting."""
    return {**dotenv_values(".env", encoding="utf-8"), **os.environ}


def read_settings(variables: Mapping[str, Any]) -> Settings:
    """Return settings from environment variables.

    Raises:
        SettingsError: a value cannot be used.
    """
    # An empty variable means the default; in the environment it also clears the one in `.env`.
    given = {name: value for name, value in variables.items() if value not in ("", None)}
    try:
        return Settings.model_validate(dict.fromkeys(Settings.model_fields, given))
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None


def environment_variables() -> dict[str, FieldInfo]:
    """Return the field of every environment variable, by the variable's name."""
    groups = [field.annotation for field in Settings.model_fields.values()]
    return {
        str(field.validation_alias): field
        for group in groups
        for field in group.model_fields.values()  # type: ignore[union-attr]
    }


def operator_zone() -> str:
    """Return the name of this machine's time zone; UTC where it does not say."""
    # Python knows the zone's offset only; a schedule needs the name, for summer time.
    link = Path("/etc/localtime")
    linked = str(link.readlink()).partition("zoneinfo/")[2] if link.is_symlink() else ""
    for name in (os.environ.get("TZ", "").lstrip(":"), linked):  # POSIX allows `:Europe/Berlin`
        if name and _is_zone(name):
            return name
    return "UTC"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError):
        return False
    return True


def _first_line(error: ValidationError) -> str:
    """Say what is wrong with the first bad variable; never its value, which may be a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    names = first["loc"][1:]  # behind the group
    # A validator of a whole group, or of all, names no variable; its message does.
    if not names:
        return reason
    name = str(names[0])
    return f"{name} cannot be used: {reason}. {environment_variables()[name].description}"
