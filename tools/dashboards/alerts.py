"""The alerts of Prometheus: a row each, from which its rules and the table in the docs are made."""

from __future__ import annotations

import json
from dataclasses import dataclass

from oura_pipeline.markdown import markdown_table


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that an operator has to do.

    Attributes:
        name: what Prometheus calls it.
        when: the expression that is true then.
        lasting: for how long it has to be true, as Prometheus writes it.
        says: what is wrong, in one sentence; `{{ $value }}` is the value of the expression.
        do: what to do about it.
        urgent: whether it cannot wait until tomorrow.
    """

    name: str
    when: str
    lasting: str
    says: str
    do: str
    urgent: bool = False


# max() and min(), as on the dashboard: every site that is scraped reports the same databases.
ALERTS = (
    Alert(
        name="OuraSiteDown",
        when='up{job="oura"} == 0',
        lasting="5m",
        says="The site does not answer: nobody can sign in, and webhook events are refused.",
        do="See what the site says, and start it again.",
        urgent=True,
    ),
    Alert(
        name="OuraSignInRequired",
        when='max(oura_people{state="sign_in_required"}) > 0',
        lasting="15m",
        says="{{ $value }} people have to sign in again; nothing is fetched of them until then.",
        do="`/status` names them, and makes a link for each.",
    ),
    Alert(
        name="OuraFetchLate",
        when="max(oura_fetch_late_seconds) > 2 * 3600",
        lasting="30m",
        says="Oura should have been asked for somebody {{ $value | humanizeDuration }} ago.",
        do="`/status` says whose days fail and why; if all do, see OuraAutomationStopped.",
    ),
    Alert(
        name="OuraDaysFailed",
        when="max(oura_failed_days) > 10",
        lasting="6h",
        says="{{ $value }} days could not be fetched, and asking again did not help.",
        do="`oura-pipeline doctor` names them and says why.",
    ),
    Alert(
        name="OuraAutomationStopped",
        when="min by (name) (oura_automation_works) == 0",
        lasting="15m",
        says="The sensor or schedule {{ $labels.name }} is stopped or late.",
        do="Start the daemon if all are late, else switch it on in Dagster's UI under Automation.",
    ),
    Alert(
        name="OuraDagsterDown",
        when="max(oura_dagster_up) == 0",
        lasting="15m",
        says="Dagster's UI does not answer at OURA_DAGSTER_URL: whether sensors run is unknown.",
        do="Start `oura-pipeline webserver`; see whether the site reaches that address.",
    ),
    Alert(
        name="OuraRunsFailed",
        when="max(oura_runs_failed) > 0",
        lasting="0m",
        says="{{ $value }} runs of the last 24 hours failed, or their processes died.",
        do="Dagster's UI says why, under Runs; what a dead one left is asked for again by itself.",
    ),
    Alert(
        name="OuraDeletionLate",
        when="max(oura_deletions_late) > 0",
        lasting="5m",
        says="{{ $value }} people left, and their data should have been deleted by now.",
        do="See what the sensor retired_people says, or use `oura-pipeline people remove`.",
        urgent=True,
    ),
    Alert(
        name="OuraSubscriptionsExpire",
        when="min(oura_subscriptions_expire_in_days) < 3",
        lasting="1h",
        says="A webhook subscription ends in {{ $value | humanize }} days.",
        do="`oura-pipeline subscriptions renew`; see why the sensor subscription_expiry did not.",
        urgent=True,
    ),
    Alert(
        name="OuraWebhooksWaiting",
        when="max(oura_inbox_oldest_seconds) > 1800",
        lasting="10m",
        says="A webhook event has been waiting for {{ $value | humanizeDuration }}.",
        do="Start the daemon; see whether the sensor webhook_events runs.",
    ),
    Alert(
        name="OuraPointsLost",
        when="max(oura_pushes_lost) > 0",
        lasting="30m",
        says="Points of {{ $value }} days were sent and are not in Graphite: carbon drops them.",
        do="The check `points_arrived` says which and why, for instance a limit of new files.",
    ),
    Alert(
        name="OuraPushesWaiting",
        when="max(oura_pushes_oldest_seconds) > 3600",
        lasting="30m",
        says="Days have been waiting to be pushed for {{ $value | humanizeDuration }}.",
        do="See whether carbon runs; they are sent once it takes points.",
    ),
    Alert(
        name="OuraDiskFull",
        when="min(oura_disk_free_bytes - oura_disk_needed_bytes) < 0",
        lasting="10m",
        says="The disk of the data folder lacks room: nothing may land or be published soon.",
        do="`oura-pipeline doctor` shows what grows, and what would free room.",
        urgent=True,
    ),
)


def rules() -> str:
    """Return the rules as Prometheus reads them."""
    # A text in JSON is one in YAML.
    lines = ["groups:", "  - name: oura", "    rules:"]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {json.dumps(alert.when)}",
            f"        for: {alert.lasting}",
            f"        labels: {{severity: {'critical' if alert.urgent else 'warning'}}}",
            "        annotations:",
            f"          summary: {json.dumps(alert.says)}",
            f"          description: {json.dumps(alert.do)}",
        ]
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return a table of the alerts."""
    rows = [
        (
            f"`{alert.name}`" + (", urgent" if alert.urgent else ""),
            f"`{alert.when}`".replace("|", "\\|"),
            alert.lasting,
            alert.do,
        )
        for alert in ALERTS
    ]
    return markdown_table(("alert", "when", "for", "what to do"), rows)
