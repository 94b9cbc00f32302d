"""The operator's API of studies: who takes part, under which code, and who withdrew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Path

from oura_pipeline.accounts.errors import StudyRefused
from oura_pipeline.accounts.studies import Enrolment, Participant
from oura_pipeline.web.api import models
from oura_pipeline.web.api.common import KnownPerson, OpenPipeline, operator_router, problems

ROUTER = operator_router()


def get_study(pipeline: OpenPipeline, study: Annotated[str, Path(examples=["nap"])]) -> str:
    if study not in pipeline.accounts.studies.names():
        raise HTTPException(404, "study not found")
    return study


KnownStudy = Annotated[str, Depends(get_study)]


@ROUTER.get("/studies", summary="List studies")
def studies(pipeline: OpenPipeline) -> list[str]:
    """Return the names of all studies."""
    return pipeline.accounts.studies.names()


@ROUTER.put("/studies/{study}", summary="Begin a study")
def create(
    pipeline: OpenPipeline,
    study: Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", examples=["nap"])],
) -> list[str]:
    """Begin a study, unless there is one of this name, and return the names of all."""
    if study not in pipeline.accounts.studies.names():
        try:
            pipeline.accounts.studies.create(study)
        except StudyRefused as error:  # somebody else was faster
            raise HTTPException(422, str(error)) from None
    return pipeline.accounts.studies.names()


@ROUTER.get("/studies/{study}/participants", summary="List participants", responses=problems(404))
def participants(pipeline: OpenPipeline, study: KnownStudy) -> list[models.ParticipantResponse]:
    """Return who takes or took part, by code."""
    return [_response(one) for one in pipeline.accounts.studies.participants(study)]


@ROUTER.put(
    "/studies/{study}/participants/{username}",
    summary="Enroll a person",
    responses=problems(404),
)
def enroll(
    pipeline: OpenPipeline, study: KnownStudy, person: KnownPerson, wanted: models.EnrolmentRequest
) -> models.ParticipantResponse:
    """Let a person take part, or note a new consent; their code stays unless another is given."""
    enrolment = Enrolment(**wanted.model_dump())
    try:
        joined = pipeline.accounts.studies.enroll(study, person.username, enrolment)
    except StudyRefused as error:
        raise HTTPException(422, str(error)) from None
    return _response(joined)


@ROUTER.post(
    "/studies/{study}/participants/{username}/withdraw",
    summary="Note a withdrawal",
    responses=problems(404),
)
def withdraw(
    pipeline: OpenPipeline, study: KnownStudy, person: KnownPerson
) -> models.ParticipantResponse:
    """Note that a person took their consent back today: no later export has them."""
    on = datetime.now(UTC).date()
    try:
        return _response(pipeline.accounts.studies.withdraw(study, person.username, on))
    except StudyRefused:
        raise HTTPException(404, "participant not found") from None


def _response(participant: Participant) -> models.ParticipantResponse:
    return models.ParticipantResponse.model_validate(participant)
