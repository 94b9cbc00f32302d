"""All checks, in the order in which things depend on each other."""

from __future__ import annotations

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.doctor import machine, records, services
from oura_pipeline.doctor.findings import Finding, bad, good
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.settings import Settings, SettingsError, load_settings


def check_everything() -> list[Finding]:
    """Return the findings."""
    named = machine.variables()  # a bad value may be one that stands in for a misspelled name
    try:
        settings = load_settings()
    except SettingsError as error:
        return [bad("settings", str(error)), *([] if named.good else [named])]
    findings = [
        good("settings", f"data folder {settings.storage.home}"),
        *(named, machine.modes(settings), machine.client(settings)),
    ]
    try:
        with open_pipeline(settings) as pipeline:
            findings += _of_pipeline(pipeline)
    except AccountsError as error:
        findings.append(bad("accounts", str(error)))
    return [*findings, machine.disk(settings)]


def _of_pipeline(pipeline: Pipeline) -> list[Finding]:
    settings: Settings = pipeline.settings
    return [
        *records.accounts(pipeline),
        *(records.newest_data(pipeline), records.fetches(pipeline), records.pushes(pipeline)),
        *(records.warehouse(pipeline), *records.catalog(pipeline), records.documents(pipeline)),
        *(machine.site(pipeline), machine.ports(settings)),
        *(services.dagster(settings), *services.runs(settings)),
        *(services.webhooks(pipeline), *services.oura(pipeline), *services.graphite(pipeline)),
    ]
