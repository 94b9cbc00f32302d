"""A participant's nights and steps as a Bundle of FHIR R4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.accounts.studies import Participant

FOLDER = "fhir"
_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"


class NoFhir(Exception):
    """The library that FHIR takes is not installed."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A kind of Observation.

    Attributes:
        text: what it is.
        loinc: its code in LOINC; None: LOINC has none.
        category: FHIR's.
        unit: for people.
        ucum: the code of the unit in UCUM.
        view: where its values are, a row a day.
        column: the number.
        document_type: what a participant must have agreed to.
    """

    text: str
    loinc: str | None
    category: str
    unit: str
    ucum: str
    view: str
    column: str
    document_type: str


MEASURES = (
    Measure(
        text="Sleep duration",
        loinc="93832-4",
        category="activity",
        unit="min",
        ucum="min",
        view="nights",
        column="total_sleep_minutes",
        document_type="sleep",
    ),
    Measure(
        text="Mean heart rate asleep",
        loinc="8867-4",
        category="vital-signs",
        unit="beats/minute",
        ucum="/min",
        view="nights",
        column="average_heart_rate_bpm",
        document_type="sleep",
    ),
    Measure(
        # LOINC's 80404-7 is the standard deviation (SDNN), which is another number.
        text="Mean heart rate variability asleep (RMSSD)",
        loinc=None,
        category="vital-signs",
        unit="ms",
        ucum="ms",
        view="nights",
        column="hrv_average_ms",
        document_type="sleep",
    ),
    Measure(
        text="Steps in a day",
        loinc="41950-7",
        category="activity",
        unit="steps/day",
        ucum="{steps}/d",
        view="daily_activity",
        column="steps",
        document_type="daily_activity",
    ),
)


def write_bundles(
    connection: duckdb.DuckDBPyConnection, folder: Path, participants: Sequence[Participant]
) -> None:
    """Write `fhir/<code>.json` for each participant; validated before it is written.

    Args:
        connection: with the temporary table of the participants of an export.
        folder: of the export.
        participants: whose.

    Raises:
        NoFhir: fhir.resources is not installed.
    """
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ImportError:
        raise NoFhir("FHIR takes a library: pip install 'oura_pipeline[fhir]'") from None
    (folder / FOLDER).mkdir()
    for participant in participants:
        bundle = Bundle.model_validate(_bundle(connection, participant))
        path = folder / FOLDER / f"{participant.code}.json"
        path.write_text(bundle.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _bundle(connection: duckdb.DuckDBPyConnection, participant: Participant) -> dict[str, Any]:
    # R4 has an identifier that nobody registers for what has no address of its own.
    patient = {"resourceType": "Patient", "id": participant.code}
    resources = [patient, *_observations(connection, participant)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": f"https://oura-pipeline.invalid/{one['resourceType']}/{one['id']}",
                "resource": one,
            }
            for one in resources
        ],
    }


def _observations(
    connection: duckdb.DuckDBPyConnection, participant: Participant
) -> Iterator[dict[str, Any]]:
    for number, measure in enumerate(MEASURES, start=1):
        if participant.consented_to([measure.document_type]):
            for day, study_day, value in _values(connection, participant, measure):
                yield {
                    "resourceType": "Observation",
                    "id": f"{participant.code}-{number}-{study_day}",
                    "status": "final",
                    "category": [{"coding": [{"system": _CATEGORIES, "code": measure.category}]}],
                    "code": _code(measure),
                    "subject": {"reference": f"Patient/{participant.code}"},
                    "effectiveDateTime": day,
                    "valueQuantity": {
                        "value": value,
                        "unit": measure.unit,
                        "system": _UCUM,
                        "code": measure.ucum,
                    },
                }


def _code(measure: Measure) -> dict[str, Any]:
    coding = {"coding": [{"system": _LOINC, "code": measure.loinc}]} if measure.loinc else {}
    return {**coding, "text": measure.text}


def _values(
    connection: duckdb.DuckDBPyConnection, participant: Participant, measure: Measure
) -> Sequence[tuple[str, int, float]]:
    return connection.execute(
        f"SELECT (s.day + p.shift)::VARCHAR, s.day - p.first_day + 1, s.{measure.column} "
        f"FROM oura.{measure.view} s JOIN temp.participants p ON s.username = p.username "
        "AND s.day >= p.first_day AND s.day <= coalesce(p.last_day, DATE '9999-12-31') "
        f"WHERE p.code = ? AND s.{measure.column} IS NOT NULL ORDER BY s.day",
        [participant.code],
    ).fetchall()
