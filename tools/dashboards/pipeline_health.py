"""The dashboard about the pipeline itself, from its `/metrics` as Prometheus stores them."""

from __future__ import annotations

from tools.dashboards.model import Dashboard, Panel, PanelStyle, PrometheusQuery, row

_GREEN, _YELLOW, _RED = "green", "yellow", "red"
_HOUR, _DAY = 3600, 86400


def _stat(title: str, expression: str, note: str, **options: object) -> Panel:
    """Return a panel with the latest value of a query."""
    shown = {"label": title, "unit": "short", "look": PanelStyle.STAT, "width": 6} | options
    query = PrometheusQuery(expression, str(shown.pop("label")))
    return Panel(title=title, queries=(query,), note=note, **shown)  # type: ignore[arg-type]


def _age(title: str, expression: str, note: str) -> Panel:
    """Return a panel of how long ago something happened."""
    # 26 hours: a daily run, with two hours of slack.
    steps = ((None, _GREEN), (26 * _HOUR, _YELLOW), (2 * _DAY, _RED))
    note = f"{note} Yellow after 26 hours, red after two days."
    return _stat(title, expression, note, height=5, unit="s", steps=steps)


def _graph(title: str, note: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    asked = tuple(PrometheusQuery(expression, label) for expression, label in queries)
    # From 0: Grafana would begin the axis at the smallest value, and a few would look like none.
    return Panel(title=title, queries=asked, note=note, unit=unit, low=0)


# max() and min() wherever one value is expected: every process that is scraped reports the same
# ledger, and a sum would count it once per process. Counters of a process are summed instead.
PIPELINE_HEALTH = Dashboard(
    uid="oura-pipeline",
    title="Oura: pipeline health",
    description="Whether data is still coming in, and what fails. From /metrics, without names.",
    start="now-24h",
    people=False,
    refresh="1m",
    timezone="browser",
    rows=(
        row(
            "Alerts",
            _stat(
                "Firing",
                'count(ALERTS{alertname=~"Oura.+", alertstate="firing"}) or vector(0)',
                "Alerts of the rules in deploy/prometheus that are firing, count.",
                height=5,
                steps=((None, _GREEN), (1, _RED)),
            ),
            Panel(
                title="Which",
                queries=(
                    PrometheusQuery(
                        'max by (alertname) (ALERTS{alertname=~"Oura.+", alertstate="firing"}) '
                        'or label_replace(vector(0), "alertname", "none", "", "")',
                        "{{alertname}}",
                    ),
                ),
                note="Alerts while they are firing, 1 each. The page Operating says what to do.",
                unit="short",
                low=0,
                width=18,
                height=5,
            ),
        ),
        row(
            "Now",
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
                # Of a single person: while others are fetched, both ages above stay low.
                "max(oura_longest_unasked_seconds)",
                "Time since Oura was last asked about the person who has waited longest.",
            ),
            _stat(
                "Failed days",
                "max(oura_failed_days)",
                "Days that failed, over all people, count.",
                height=5,
                steps=((None, _GREEN), (1, _YELLOW), (10, _RED)),
            ),
        ),
        row(
            "What should happen by itself",
            _stat(
                "Days to push",
                "max(oura_pushes_waiting)",
                "Days, per person and document type, whose points Graphite was not sent or lost, "
                "count. They are sent once carbon takes points.",
                height=5,
                steps=((None, _GREEN), (1, _YELLOW)),
            ),
            _stat(
                "Longest wait",
                "max(oura_pushes_oldest_seconds)",
                "Longest time that such a day has been waiting. Yellow after an hour, red after a "
                "day.",
                height=5,
                unit="s",
                steps=((None, _GREEN), (_HOUR, _YELLOW), (_DAY, _RED)),
            ),
            _stat(
                "Stopped or late",
                # No data, rather than 0, while Dagster's UI does not answer: nobody knows then.
                "sum(1 - min by (name) (oura_automation_works))",
                "Sensors and schedules that are stopped or late, whoever stopped them, count. The "
                "status page names them.",
                height=5,
                steps=((None, _GREEN), (1, _RED)),
            ),
            _stat(
                "Points lost",
                "max(oura_pushes_lost)",
                "Days whose points were sent and are not in Graphite, count.",
                height=5,
                steps=((None, _GREEN), (1, _RED)),
            ),
            _stat(
                "Failed runs",
                "max(oura_runs_failed)",
                "Runs of the last 24 hours that failed or whose process died, count.",
                height=5,
                steps=((None, _GREEN), (1, _RED)),
            ),
            _stat(
                "Free room",
                "min(oura_disk_free_bytes)",
                "Free room on the disk of the data folder, bytes.",
                height=5,
                unit="bytes",
            ),
            _stat(
                "Late deletions",
                "max(oura_deletions_late)",
                "People who left and whose data should have been deleted by now, count.",
                height=5,
                steps=((None, _GREEN), (1, _RED)),
            ),
        ),
        row(
            "People and days",
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
        row(
            "Webhooks",
            _graph(
                "Deliveries per hour",
                "Webhook deliveries that were acknowledged, by outcome, count.",
                # Deliveries are too rare for a rate per second, which would read 0.00.
                ("sum by (receipt) (increase(oura_webhook_deliveries_total[1h]))", "{{receipt}}"),
            ),
            _graph(
                "Refused deliveries per hour",
                "Webhook deliveries that were refused, by reason, count.",
                # A reason's counter begins with its first refusal: until then there is no series,
                # and the panel would say that it has no data.
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
                    "histogram_quantile(0.95, sum by (le) (rate(oura_webhook_seconds_bucket[1h])))",
                    "95 %",
                ),
                unit="s",
            ),
            _stat(
                "Subscriptions",
                "max(oura_subscriptions)",
                "Webhook subscriptions at Oura, count.",
            ),
            _stat(
                "First expiry",
                # The first one counts: without it the webhooks of its data type stop.
                "min(oura_subscriptions_expire_in_days)",
                "Days until the first subscription expires. Red below 3 days.",
                label="Expires in",
                unit="d",
                steps=((None, _RED), (3, _YELLOW), (7, _GREEN)),
            ),
        ),
    ),
)
