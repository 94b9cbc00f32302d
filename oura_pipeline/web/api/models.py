"""What the API takes and returns; the descriptions become its OpenAPI schema."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.warehouse.views.days import DAILY_SUMMARY
from oura_pipeline.warehouse.views.records import RECORDS


def _only_a_text(value: Any) -> Any:
    # Pydantic's own `date` would also take a timestamp, and the number of one.
    if value is not None and not (isinstance(value, str) and len(value) == len("YYYY-MM-DD")):
        raise ValueError("write a day as YYYY-MM-DD")
    return value


_PRINTABLE = "^[ -~]*[!-~][ -~]*$"
_DOCUMENT_TYPES = [one.name for one in STORED_TYPES]


def _of_the_table(name: str) -> str:
    if name not in _DOCUMENT_TYPES:
        raise ValueError("no document type is called so")
    return name


DocumentTypeName = Annotated[
    str,
    AfterValidator(_of_the_table),
    WithJsonSchema({"type": "string", "enum": _DOCUMENT_TYPES}),
]
Day = Annotated[
    date,
    BeforeValidator(_only_a_text),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-04-10"]}),
]


class Problem(BaseModel):
    """Why a request failed."""

    detail: str = Field(description="One line that says what to do.")


class ConnectRequest(BaseModel):
    """Who is going to sign in."""

    model_config = ConfigDict(extra="forbid")

    username: str | None = Field(
        None,
        description="An existing person, or the username for a new one. A new person chooses a "
        "username after sign-in if this is missing or taken by then.",
        examples=["ada"],
    )


class ConnectResponse(BaseModel):
    """Where to sign in."""

    auth_url: str = Field(
        description="Oura's consent page, valid for one sign-in within ten minutes. Who comes back "
        "from there is shown the username and asked before anything is saved.",
        examples=["https://cloud.ouraring.com/oauth/authorize?response_type=code&client_id=…"],
    )


class PersonResponse(BaseModel):
    """A person."""

    username: str = Field(description="The name used in Graphite.", examples=["ada"])
    state: PersonState = Field(description="Whether data can be requested from Oura.")
    connected_since: datetime = Field(description="Last sign-in, UTC.")
    renewed_at: datetime | None = Field(
        description="When the tokens were obtained or renewed, UTC; null if unknown."
    )
    must_reconnect: bool = Field(description="True if nothing is fetched until they sign in again.")
    access_not_given_back: bool = Field(
        description="True if they disconnected and Oura has not confirmed that their tokens are "
        "revoked; it is tried again."
    )
    reason: str | None = Field(
        description="Why they must sign in again or could not be revoked; null if neither is so "
        "or if it is unknown."
    )


class Scopes(BaseModel):
    """What a person has granted."""

    granted: list[str] | None = Field(
        description="In alphabetical order; null if unknown, which is not the same as nothing.",
        examples=[["daily", "heartrate"]],
    )
    missing: list[str] = Field(
        description="Requested but not granted; empty if `granted` is null.", examples=[["spo2"]]
    )


class HistoryResponse(BaseModel):
    """How far back data has been requested from Oura; newest days come first."""

    model_config = ConfigDict(from_attributes=True)

    first_day: date = Field(description="The day to be reached.")
    reached: date | None = Field(
        description="Every document type has been requested back to this day; null if one was "
        "never requested."
    )
    share: float = Field(description="The part that is done, 0 to 1.", examples=[0.42])


class DocumentTypeResponse(BaseModel):
    """What is known of one document type of a person; landed, empty, … count days."""

    model_config = ConfigDict(from_attributes=True)

    document_type: str = Field(examples=["daily_sleep"])
    last_asked_at: datetime = Field(description="Last request to Oura, UTC.")
    first_day: date = Field(description="The earliest requested day.")
    latest_day: date | None = Field(description="The newest day with documents; null if none.")
    documents: int = Field(description="Number of documents.")
    landed: int
    empty: int
    not_granted: int
    failed: int
    error: str | None = Field(description="The newest day's reason for `failed` or `not_granted`.")


class StatusResponse(PersonResponse):
    """A person, and what has been fetched for them."""

    scopes: Scopes
    history: HistoryResponse
    document_types: list[DocumentTypeResponse] = Field(
        description="Only those that have been requested."
    )


def _metric_list() -> str:
    """Return a Markdown list of every metric, with its description in the published copy."""
    comments = {column.name: column.comment for column in DAILY_SUMMARY.columns}
    lines = [
        f"- {metric_type}, `{key}`: {comments[column]}"
        for metric_type, columns in RECORDS.items()
        for key, column in columns.items()
    ]
    head = "Numbers by name, with the unit in the name. Unknown values are absent, never 0."
    return "\n".join([head, "", *lines])


class DailyRecord(BaseModel):
    """One side of a day."""

    metric_type: Literal["activity", "hrv", "readiness", "sleep"] = Field(
        description="The side of the day; `hrv` is RMSSD of the main sleep, not SDNN."
    )
    source: Literal["oura"]
    metrics: dict[str, int | float] = Field(
        description=_metric_list(), examples=[{"score": 84, "total_sleep_minutes": 447.5}]
    )


class DailyResponse(BaseModel):
    """A person's day, from the published copy."""

    username: str = Field(examples=["ada"])
    date: str = Field(
        description="Oura's day, YYYY-MM-DD; a night belongs to the day of waking up.",
        examples=["2026-04-10"],
        json_schema_extra={"format": "date"},
    )
    records: list[DailyRecord] = Field(
        description="At most one of each type, ordered by type; empty if nothing is known."
    )


class SyncResponse(BaseModel):
    """Whether a sync was requested."""

    asked: bool = Field(
        description="False if one was requested less than five minutes ago; that one still counts."
    )
    detail: str = Field(description="What happens next.")


class EnrolmentRequest(BaseModel):
    """What a person agreed to."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = Field(
        None,
        description="Their pseudonym; null: a random one, or the one they have.",
        pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,31}$",
        examples=["A1"],
    )
    arm: str | None = Field(
        None, description="The group that they are in.", pattern=_PRINTABLE, max_length=64
    )
    first_day: Day = Field(description="First day of the study.")
    last_day: Day | None = Field(None, description="Last day, included; null: it goes on.")
    consent_version: str = Field(
        description="The version that they agreed to.",
        pattern=_PRINTABLE,
        max_length=64,
        examples=["1.2"],
    )
    consented_on: Day = Field(description="When they did.")
    document_types: list[DocumentTypeName] | None = Field(
        None, description="What they agreed to; null: everything."
    )


class ParticipantResponse(BaseModel):
    """Somebody who takes or took part in a study."""

    model_config = ConfigDict(from_attributes=True)

    study: str
    username: str = Field(examples=["ada"])
    code: str = Field(description="Their pseudonym in the study.", examples=["A1"])
    arm: str | None = Field(description="The group that they are in; null: there is none.")
    first_day: date
    last_day: date | None = Field(description="Included; null: it goes on.")
    consent_version: str
    consented_on: date
    document_types: list[str] | None = Field(description="Null: everything.")
    withdrawn_on: date | None = Field(
        description="When they took their consent back; null: they did not."
    )
