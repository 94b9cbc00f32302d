"""Links from failed checks to Dagster's launchpad, filled in to ask Oura again."""

import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import dagster as dg

from oura_pipeline.defs.run_requests import JOB, LOCATION, OP, sync_config

MAX_NAMED = 20  # an address must not grow
_TEXT = "launch `sync` for them"


def ask_again(
    first_day: date, last_day: date, people: Collection[str], document_type: str
) -> dg.MarkdownMetadataValue:
    """Return the link of people's days of a document type; of many people it is for everybody."""
    named = people if len(people) <= MAX_NAMED else ()
    config = sync_config(first_day, last_day, people=named, document_types=[document_type])
    text = json.dumps(config, indent=1)  # of which YAML is a superset
    address = f"/locations/{LOCATION}/jobs/{JOB}/playground/setup?{urlencode({'config': text})}"
    return dg.MetadataValue.md(f"[{_TEXT}]({address})")


def ask_all_again(links: Iterable[dg.MarkdownMetadataValue]) -> dg.MarkdownMetadataValue:
    """Return one link in place of several of the same document type."""
    configs = [_config(link) for link in links]
    asked = [config["ops"][OP]["config"] for config in configs]
    groups = [config["resources"]["pipeline"]["config"]["people"] for config in configs]
    return ask_again(
        min(date.fromisoformat(one["first_day"]) for one in asked),
        max(date.fromisoformat(one["last_day"]) for one in asked),
        # Nobody means everybody.
        {person for people in groups for person in people} if all(groups) else (),
        asked[0]["document_types"][0],
    )


def _config(link: dg.MarkdownMetadataValue) -> dict[str, Any]:
    address = str(link.value).removeprefix(f"[{_TEXT}](").removesuffix(")")
    config: dict[str, Any] = json.loads(parse_qs(urlsplit(address).query)["config"][0])
    return config
