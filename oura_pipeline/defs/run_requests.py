"""Requests of sensors for runs: some people, document types and days."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg

from oura_pipeline.days import digest
from oura_pipeline.defs.partitions import DAYS_TAG, HISTORY_TAG, TURN_TAG, day_span

LOCATION = "oura_pipeline"  # of all our code, as workspace.yaml names it
JOB = "sync"
OP = "sync_documents"  # in Dagster, a job and an op do not share a name
SHARDS_JOB = "sync_shards"
LIST_OP, SHARD_OP, SUM_OP = "shards", "sync_shard", "add_up_shards"


def set_digest(texts: Iterable[str]) -> str:
    """Return a short digest of a set of texts: a run key must not grow with the people."""
    return digest("\n".join(sorted(texts)))[:16]


def sync_request(
    people: Iterable[str],
    document_types: Iterable[str],
    days: tuple[date, date],
    run_key: str,
    *,
    share: float = 1.0,
    history: str = "",
    turn: int = 1,
) -> dg.RunRequest:
    """Return a run of the job `sync` for some people.

    Args:
        people: their ids.
        document_types: names of the document types.
        days: the first and the last one.
        run_key: new whenever there is a reason for a new run: Dagster keeps it for ever.
        share: the part of Oura's budget that may be used before the run waits.
        history: why it is one of those runs that take turns; empty: it is none.
        turn: with which of them it takes turns: one of each works at a time.
    """
    turns = {HISTORY_TAG: history, TURN_TAG: str(turn)} if history else {}
    return dg.RunRequest(
        run_key=run_key,
        tags={DAYS_TAG: day_span(*days)} | turns,
        run_config=sync_config(
            *days, people=people, document_types=document_types, share=share, publish=False
        ),
    )


def sync_config(
    first_day: date,
    last_day: date,
    *,
    people: Iterable[str] = (),
    document_types: Iterable[str] = (),
    share: float = 1.0,
    publish: bool = True,
) -> dict[str, Any]:
    """Return the configuration of a run of the job `sync`; nobody and no type mean all."""
    work = _work(first_day, last_day) | {
        "document_types": list(document_types),
        "publish": publish,
    }
    who = {"people": sorted(people), "share": share}
    return {
        "ops": {OP: {"config": work}},
        "resources": {"pipeline": {"config": who}},
    }


def shards_config(first_day: date, last_day: date, *, seventh: int | None = None) -> dict[str, Any]:
    """Return the configuration of a run of the job `sync_shards`; no seventh means everybody."""
    work = {"config": _work(first_day, last_day)}
    part = {} if seventh is None else {"seventh": seventh}
    return {"ops": {LIST_OP: {"config": part}, SHARD_OP: work, SUM_OP: work}}


def _work(first_day: date, last_day: date) -> dict[str, Any]:
    return {"first_day": first_day.isoformat(), "last_day": last_day.isoformat()}
