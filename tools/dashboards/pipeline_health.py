"""The dashboard about the pipeline itself: what its `/metrics` says, as Prometheus keeps it."""

from __future__ import annotations

from tools.dashboards.model import Dashboard, Panel, PanelStyle, PrometheusQuery, Row

STAT = PanelStyle.STAT
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
_HOUR, _DAY = 3600, 86400


def _age(title: str, expression: str, note: str) -> Panel:
    """How long ago something happened; yellow after 26 hours, red after two days."""
    return Panel(
        title=title,
        queries=(PrometheusQuery(expression, title),),
        look=STAT,
        width=6,
        height=5,
        note=f"{note} Yellow after 26 hours, red after two days.",
        unit="s",
        steps=((None, _GREEN), (26 * _HOUR, _YELLOW), (2 * _DAY, _RED)),
    )


def _course(title: str, note: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    asked = tuple(PrometheusQuery(expression, label) for expression, label in queries)
    return Panel(title=title, queries=asked, note=note, unit=unit, low=0)


PIPELINE_HEALTH = Dashboard(
    uid="oura-pipeline",
    title="Oura: pipeline health",
    description="Does data still come in, and what fails? From /metrics, without a single name.",
    start="now-24h",
    people=False,
    refresh="1m",
    timezone="browser",
    rows=(
        Row(
            "Now",
            (
                _age(
                    "Landed",
                    "max(oura_landed_seconds_ago)",
                    "Time since the warehouse was last written.",
                ),
                _age(
                    "Published",
                    "max(oura_published_seconds_ago)",
                    "Time since the copy for analysts was last published.",
                ),
                _age(
                    "Longest unasked",
                    "max(oura_longest_unasked_seconds)",
                    "Time since Oura was asked for the person whose turn is longest ago.",
                ),
                Panel(
                    title="Failed days",
                    queries=(PrometheusQuery("max(oura_failed_days)", "Failed days"),),
                    look=STAT,
                    width=6,
                    height=5,
                    unit="short",
                    note="Days on which something failed for somebody, people added up, count.",
                    steps=((None, _GREEN), (1, _YELLOW), (10, _RED)),
                ),
            ),
        ),
        Row(
            "People and days",
            (
                _course(
                    "People by state",
                    "How many people are connected, need to sign in anew, and so on, count.",
                    ("max by (state) (oura_people)", "{{state}}"),
                ),
                _course(
                    "Days asked for",
                    "Days of people and document types, by what came of asking Oura, count.",
                    ("max by (status) (oura_ledger_days)", "{{status}}"),
                ),
                _course(
                    "Requests to Oura",
                    "Requests in the period that ends now, and how many it allows, count.",
                    ("max(oura_budget_used)", "used"),
                    ("max(oura_budget_limit)", "allowed"),
                ),
                _course(
                    "Answers of the site",
                    "Requests that the site answered, per second, by class of status.",
                    ("sum by (status) (rate(oura_site_requests_total[5m]))", "{{status}}"),
                    unit="reqps",
                ),
            ),
        ),
        Row(
            "Webhooks",
            (
                _course(
                    "Deliveries per hour",
                    "Webhook deliveries that were acknowledged, by what came of them, count.",
                    (
                        "sum by (receipt) (increase(oura_webhook_deliveries_total[1h]))",
                        "{{receipt}}",
                    ),
                ),
                _course(
                    "Refused per hour",
                    "Webhook deliveries that were refused, by reason, count.",
                    (
                        "sum by (reason) (increase(oura_webhook_refused_total[1h])) or vector(0)",
                        "{{reason}}",
                    ),
                ),
                _course(
                    "Events that wait",
                    "Webhook events that wait to be acted upon, count.",
                    ("max(oura_inbox_waiting)", "waiting"),
                ),
                _course(
                    "Age of the oldest event",
                    "How long the oldest of the waiting events waits, s.",
                    ("max(oura_inbox_oldest_seconds)", "oldest"),
                    unit="s",
                ),
                _course(
                    "Time to answer a delivery",
                    "19 of 20 webhook deliveries are answered within this time, s.",
                    (
                        "histogram_quantile(0.95, "
                        "sum by (le) (rate(oura_webhook_seconds_bucket[1h])))",
                        "95 %",
                    ),
                    unit="s",
                ),
                Panel(
                    title="Subscriptions",
                    queries=(PrometheusQuery("max(oura_subscriptions)", "Subscriptions"),),
                    look=STAT,
                    width=6,
                    unit="short",
                    note="Webhook subscriptions at Oura, count.",
                ),
                Panel(
                    title="First one ends in",
                    queries=(PrometheusQuery("min(oura_subscriptions_expire_in_days)", "Ends in"),),
                    look=STAT,
                    width=6,
                    unit="d",
                    note="Days until the first subscription ends. Red below 3 days.",
                    steps=((None, _RED), (3, _YELLOW), (7, _GREEN)),
                ),
            ),
        ),
    ),
)
