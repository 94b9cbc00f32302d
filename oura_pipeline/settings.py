"""Every environment variable, typed, with its default and its meaning: read here and nowhere else.

What surprises: a bad value stops the program at its start, with one line that names the variable
and what it may be; a `.env` file in the working directory counts too, the environment wins over it.
"""

from __future__ import annotations

import os
import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet
from pydantic import (
    BeforeValidator,
    Field,
    HttpUrl,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ALL_SCOPES = (
    "email personal daily heartrate workout tag session spo2 heart_health stress ring_configuration"
)


class SettingsError(ValueError):
    """A setting has a value that cannot be used; one line says which and why."""


class Protocol(StrEnum):
    """How points leave: over a socket in one of carbon's protocols, or into a file."""

    PLAINTEXT = "plaintext"
    PICKLE = "pickle"
    FILE = "file"


class SignUp(StrEnum):
    """Who may sign in for the first time."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class RateLimit(tuple[int, int]):
    """So many requests in so many seconds, written `5000/300`."""

    @property
    def requests(self) -> int:
        """How many requests."""
        return self[0]

    @property
    def seconds(self) -> int:
        """In how many seconds."""
        return self[1]


def _url(text: str) -> str:
    TypeAdapter(HttpUrl).validate_python(text)
    return text.rstrip("/")


def _urls(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(_url(part.strip()) for part in value.split(",") if part.strip())


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _rate(value: Any) -> Any:
    if isinstance(value, RateLimit):
        return value
    match = re.fullmatch(r"\s*([1-9]\d*)\s*/\s*([1-9]\d*)\s*", str(value))
    if not match:
        raise ValueError("it is requests/seconds, for instance 5000/300")
    return RateLimit((int(match[1]), int(match[2])))


def _keys(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value
    keys = [part.strip() for part in value.split(",") if part.strip()]
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ValueError(
                "each key is 32 bytes in URL-safe base64; `oura-pipeline key` makes one"
            ) from error
    return value


def _prefix(value: Any) -> Any:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100})*", str(value)):
        raise ValueError("it is one or more names of letters, digits, _ and -, joined by dots")
    return value


def _duckdb_path(value: Any) -> Any:
    path = str(value).removeprefix("duckdb:///")
    if ":" in path:
        raise ValueError("it is the path of a DuckDB file, plain or after duckdb:///")
    return path


Url = Annotated[str, BeforeValidator(_url)]


class Settings(BaseSettings):
    """The settings; the names of the fields in capitals are the names of the variables."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore")
    _local_url: str = PrivateAttr("http://127.0.0.1:8000")

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An empty variable wins over the `.env` file, and means the default."""
        return {name: value for name, value in values.items() if value != ""}

    oura_pipeline_home: Path = Field(
        Path("data"), description="The data folder: databases, keys, logs, Dagster's storage."
    )
    oura_client_id: str = Field("", description="Client id of the application registered at Oura.")
    oura_client_secret: SecretStr = Field(SecretStr(""), description="Its client secret.")
    oura_api_url: Url = Field("https://api.ouraring.com", description="Address of the API.")
    oura_authorize_url: Url = Field(
        "https://cloud.ouraring.com/oauth/authorize", description="Where people consent."
    )
    oura_token_url: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_urls)] = Field(
        (
            "https://api.ouraring.com/oauth/token",
            "https://moi.ouraring.com/oauth/v2/ext/oauth-token",
        ),
        min_length=1,
        description="Where tokens are renewed, comma-separated: tried in order, the working one "
        "is remembered.",
    )
    oura_revoke_url: Url = Field(
        "https://api.ouraring.com/oauth/revoke", description="Where tokens are revoked."
    )
    oura_scopes: str = Field(ALL_SCOPES, description="The scopes that people are asked for.")
    oura_rate_limit: Annotated[
        RateLimit,
        NoDecode,
        BeforeValidator(_rate),
        PlainSerializer(lambda rate: "/".join(map(str, rate))),
    ] = Field(
        RateLimit((5000, 300)),
        description="Requests/seconds of the whole application; every process shares it.",
    )
    oura_history_start: date = Field(
        date(2015, 1, 1), description="The first day for which there is a partition."
    )
    oura_token_key: Annotated[SecretStr, BeforeValidator(_keys)] = Field(
        SecretStr(""),
        description="Fernet keys, comma-separated, the newest first; none: `token.key` in the "
        "data folder.",
    )
    oura_accounts_url: str = Field(
        "",
        description="SQLAlchemy URL of the accounts; none: `accounts.sqlite` in the data folder.",
    )
    oura_warehouse_url: Annotated[str, BeforeValidator(_duckdb_path)] = Field(
        "",
        description="Path of the warehouse; none: `warehouse.duckdb` in the data folder.",
    )
    graphite_host: str = Field("", description="Carbon's host; none: points go to `graphite.log`.")
    graphite_port: int = Field(
        0, ge=0, le=65535, description="Carbon's port; none: 2003, or 2004 for pickle."
    )
    graphite_protocol: Protocol | None = Field(
        None, description="plaintext, pickle or file; none: plaintext with a host, file without."
    )
    graphite_prefix: Annotated[str, BeforeValidator(_prefix)] = Field(
        "bio", description="The first name of every metric."
    )
    graphite_render_url: Annotated[str, BeforeValidator(lambda url: url and _url(url))] = Field(
        "", description="Address of graphite-web, where points are read back; none: they are not."
    )

    oura_public_url: Annotated[str, BeforeValidator(lambda url: url and _url(url))] = Field(
        "",
        description="Address of the site as people and Oura reach it, https outside of this "
        "machine; none: the site is for this machine only, and there are no webhooks.",
    )
    oura_signup: SignUp | None = Field(
        None,
        description="Who may sign in for the first time: open, invite or closed; none: open "
        "without OURA_PUBLIC_URL, invite with it.",
    )
    oura_people_limit: int = Field(
        10, ge=0, description="How many people Oura lets the application have; 0: approved, any."
    )
    oura_operated_by: str = Field(
        "", description="Who runs this and how to reach them, in one line; the site says so."
    )
    oura_operator_token: SecretStr = Field(
        SecretStr(""),
        description="Password of the operator's page and of the API, best 32 characters or more: "
        "nobody's wrong guesses shut those out; none: both are closed.",
    )
    oura_operator_header: str = Field(
        "",
        description="Header in which the proxy names who signed in there, for instance "
        "X-Auth-Request-Email; only with OURA_OPERATORS, and the proxy must not let others set it.",
    )
    oura_operators: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (), description="Names in that header, comma-separated, that are operators."
    )
    oura_session_key: SecretStr = Field(
        SecretStr(""),
        description="Key that signs the site's cookies; none: `session.key` in the data folder.",
    )
    oura_dagster_url: Url = Field(
        "http://127.0.0.1:3000", description="Dagster's UI, as the site reaches and links it."
    )
    oura_notify_url: Annotated[str, BeforeValidator(lambda url: url and _url(url))] = Field(
        "", description="Where news for the operator is posted as JSON; none: nowhere."
    )
    oura_notify_email: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (), description="Addresses, comma-separated, to which the same is mailed."
    )
    oura_smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Mail server: smtp://name:password@host:587 (STARTTLS), smtps:// or, for this "
        "machine, smtp+plain://127.0.0.1:25.",
    )
    oura_mail_from: str = Field(
        "oura-pipeline@localhost", description="Sender of the operator's mail."
    )
    oura_background_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest part of the rate limit that history and gaps may use.",
    )
    oura_exports: str = Field(
        "",
        description="Folder for the files of the asset export/apple_health, which are written "
        "every day when it is set; none: `exports` in the data folder, when somebody asks.",
    )

    @model_validator(mode="after")
    def _operators_for_a_header(self) -> Settings:
        if self.oura_operator_header and not self.oura_operators:
            raise ValueError("OURA_OPERATOR_HEADER needs OURA_OPERATORS: nobody is an operator")
        return self

    @model_validator(mode="after")
    def _server_for_mail(self) -> Settings:
        if self.oura_notify_email and not self.oura_smtp_url.get_secret_value():
            raise ValueError("OURA_NOTIFY_EMAIL needs OURA_SMTP_URL: there is no mail server")
        return self

    @model_validator(mode="after")
    def _host_for_a_socket(self) -> Settings:
        socket_wanted = self.graphite_protocol in (Protocol.PLAINTEXT, Protocol.PICKLE)
        if socket_wanted and not self.graphite_host:
            raise ValueError(
                f"GRAPHITE_PROTOCOL={self.graphite_protocol} needs GRAPHITE_HOST; "
                "without a host it may be file or absent"
            )
        return self

    @property
    def home(self) -> Path:
        """The data folder, absolute."""
        return self.oura_pipeline_home.expanduser().absolute()

    @property
    def accounts_url(self) -> str:
        """SQLAlchemy's address of the accounts database."""
        return self.oura_accounts_url or f"sqlite:///{self.home / 'accounts.sqlite'}"

    @property
    def warehouse_path(self) -> Path:
        """The warehouse's DuckDB file."""
        if not self.oura_warehouse_url:
            return self.home / "warehouse.duckdb"
        return Path(self.oura_warehouse_url).expanduser().absolute()

    @property
    def analytics_path(self) -> Path:
        """The published copy's DuckDB file, beside the warehouse."""
        return self.warehouse_path.with_name("analytics.duckdb")

    @property
    def exports_path(self) -> Path:
        """The folder in which files for other programs are written."""
        if not self.oura_exports:
            return self.home / "exports"
        return Path(self.oura_exports).expanduser().absolute()

    @property
    def token_key_path(self) -> Path:
        """The file of the key that encrypts tokens, where the environment gives none."""
        return self.home / "token.key"

    @property
    def site_url(self) -> str:
        """Address of the site, without a slash at its end: as set, or on this machine."""
        return self.oura_public_url or self._local_url

    def served_at(self, url: str) -> Settings:
        """The same settings, for a site that listens there: its address unless one is set."""
        served = self.model_copy()
        served._local_url = url
        return served

    @property
    def redirect_uri(self) -> str:
        """Where Oura sends people back to; it must be registered at Oura exactly like this."""
        return f"{self.site_url}/oauth/callback"

    @property
    def webhook_url(self) -> str:
        """Where Oura posts events; empty: the site cannot be reached from outside."""
        return f"{self.oura_public_url}/webhook" if self.oura_public_url else ""

    @property
    def signup(self) -> SignUp:
        """Who may sign in for the first time: as set, or whoever is on this machine."""
        if self.oura_signup:
            return self.oura_signup
        return SignUp.INVITE if self.oura_public_url else SignUp.OPEN

    @property
    def session_key_path(self) -> Path:
        """The file of the key that signs cookies, where the environment gives none."""
        return self.home / "session.key"

    @property
    def graphite_log_path(self) -> Path:
        """The file that takes points where there is no Graphite."""
        return self.home / "graphite.log"

    @property
    def protocol(self) -> Protocol:
        """How points leave."""
        if self.graphite_protocol:
            return self.graphite_protocol
        return Protocol.PLAINTEXT if self.graphite_host else Protocol.FILE

    @property
    def carbon_port(self) -> int:
        """Carbon's port: as set, or the protocol's usual one."""
        return self.graphite_port or (2004 if self.protocol is Protocol.PICKLE else 2003)


def load_settings() -> Settings:
    """The settings of this process, from the environment and `.env`.

    Raises:
        SettingsError: a value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None


def operator_zone() -> str:
    """The zone of this machine, by its name; UTC where it does not say."""
    link = Path("/etc/localtime")
    linked = str(link.readlink()).partition("zoneinfo/")[2] if link.is_symlink() else ""
    for name in (os.environ.get("TZ", "").lstrip(":"), linked):
        if name and _is_zone(name):
            return name
    return "UTC"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError):
        return False
    return True


def data_home() -> Path:
    """The data folder, absolute."""
    return load_settings().home


def _first_line(error: ValidationError) -> str:
    """What is wrong with the first bad variable; its value is not repeated, it may be a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return reason
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    return f"{name.upper()} cannot be used: {reason}. {field.description}"
