"""The dashboard about the pipeline itself, from its `/metrics` as Prometheus stores them."""

from __future__ import annotations

from tools.dashboards.model import Dashboard, Panel, PanelStyle, PrometheusQuery, Row

STAT = PanelStyle.STAT
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
_HOUR, _DAY = 3600, 86400


def _age(title: str, expression: str, note: str) -> Panel:
    """Return a panel of how long ago something happened."""
    # 26 hours: a daily run, with two hours of slack.
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


def _graph(title: str, note: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    converted = tuple(PrometheusQuery(expression, label) for expression, label in queries)
    return Panel(title=title, queries=converted, note=note, unit=unit, low=0)


PIPELINE_HEALTH = Dashboard(
    uid="oura-pipeline",
    title="Oura: pipeline health",
    description="Whether data is still coming in, and what fails. From /metrics, without names.",
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
                    "Longest without a fetch",
                    "max(oura_longest_unasked_seconds)",
                    "Time since Oura was last asked about the person who has waited longest.",
                ),
                Panel(
                    title="Failed days",
                    queries=(PrometheusQuery("max(oura_failed_days)", "Failed days"),),
                    look=STAT,
                    width=6,
                    height=5,
                    unit="short",
                    note="Days that failed, over all people, count.",
                    steps=((None, _GREEN), (1, _YELLOW), (10, _RED)),
                ),
            ),
        ),
        Row(
            "People and days",
            (
                _graph(
                    "People by state",
                    "How many people are connected, have to sign in again, and so on, count.",
                    ("max by (state) (oura_people)", "{{state}}"),
                ),
                _graph(
                    "Fetched days",
                    "Days of all people and document types, by the outcome of the fetch, count.",
                    ("max by (status) (oura_ledger_days)", "{{status}}"),
                ),
                _graph(
                    "Requests to Oura",
                    "Requests in the current period, and how many are allowed, count.",
                    ("max(oura_budget_used)", "used"),
                    ("max(oura_budget_limit)", "allowed"),
                ),
                _graph(
                    "Responses of the site",
                    "Responses per second, by status class.",
                    ("sum by (status) (rate(oura_site_requests_total[5m]))", "{{status}}"),
                    unit="reqps",
                ),
            ),
        ),
        Row(
            "Webhooks",
            (
                _graph(
                    "Deliveries per hour",
                    "Webhook deliveries that were acknowledged, by outcome, count.",
                    (
                        "sum by (receipt) (increase(oura_webhook_deliveries_total[1h]))",
                        "{{receipt}}",
                    ),
                ),
                _graph(
                    "Refused deliveries per hour",
                    "Webhook deliveries that were refused, by reason, count.",
                    (
                        "sum by (reason) (increase(oura_webhook_refused_total[1h])) or vector(0)",
                        "{{reason}}",
                    ),
                ),
                _graph(
                    "Waiting events",
                    "Webhook events that wait to be processed, count.",
                    ("max(oura_inbox_waiting)", "waiting"),
                ),
                _graph(
                    "Age of the oldest event",
                    "How long the oldest waiting event has been waiting, s.",
                    ("max(oura_inbox_oldest_seconds)", "oldest"),
                    unit="s",
                ),
                _graph(
                    "Time to answer a delivery",
                    "95 % of webhook deliveries are answered within this time, s.",
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
                    title="First expiry",
                    queries=(
                        PrometheusQuery("min(oura_subscriptions_expire_in_days)", "Expires in"),
                    ),
                    look=STAT,
                    width=6,
                    unit="d",
                    note="Days until the first subscription expires. Red below 3 days.",
                    steps=((None, _RED), (3, _YELLOW), (7, _GREEN)),
                ),
            ),
        ),
    ),
)
