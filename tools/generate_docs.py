"""Generate files, and parts of the documents, from the code: `python -m tools.generate_docs`."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path

import click
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from benchmarks import model
from benchmarks import results as benchmark
from benchmarks.results import Results
from oura_pipeline.catalog.document_types import (
    DOCUMENT_TYPES,
    EXPORTED_TYPES,
    STORED_TYPES,
    Ask,
    DocumentType,
)
from oura_pipeline.catalog.metrics import COUNT, DAY, DURATION, known_metrics, leaves
from oura_pipeline.commands.group import cli
from oura_pipeline.defs.growth import GROWING
from oura_pipeline.graphite.dashboards import dashboard_path
from oura_pipeline.markdown import markdown_table
from oura_pipeline.member_export.file_kinds import FILE_KINDS
from oura_pipeline.sandbox.faults import KINDS
from oura_pipeline.sandbox.spoils import SPOILS
from oura_pipeline.settings import environment_variables
from tools.dashboards import alerts
from tools.dashboards import files as grafana
from tools.data_dictionary import data_dictionary, views_table

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MARK = re.compile(
    r"(<!-- generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL
)
# What the containers need besides the settings.
DEPLOYMENT = {
    "GRAFANA_URL": "Address of Grafana as people reach it, https://…",
    "GRAFANA_PASSWORD": "Password of Grafana's account `admin`, until it is changed there.",
    "OURA_BACKUPS": "Folder for backups on the machine. Default: `deploy/backups`.",
    "OURA_VERSION": "Tag of the images that are built and run. Default: `local`.",
}
_INTERVALS = {DAY: "day", 60: "minute", 300: "5 minutes"}
_DERIVED = {COUNT: "How many documents the day has.", DURATION: "From beginning to end, s."}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what changed, or with `--check` fail if something would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    explained = "write nothing; fail if a file is out of date"
    parser.add_argument("--check", action="store_true", help=explained)
    check = parser.parse_args(arguments).check
    files = generated_files()
    outdated = [path for path, text in files.items() if _read(path) != text]
    for path in outdated:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        outcome = "is out of date: run `make docs`" if check else "written"
        print(f"{path.relative_to(ROOT)} {outcome}")
    return 1 if check and outdated else 0


def generated_files() -> dict[Path, str]:
    """Return every file with generated parts, as it should be."""
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return {
        **{page: MARK.sub(_filled, _read(page)) for page in pages},
        ROOT / ".env.example": env_example(),
        DOCS / "reference" / "views.md": data_dictionary(),
        **{ROOT / path: text for path, text in grafana.generated_files().items()},
    }


def document_types(types: Iterable[DocumentType] = DOCUMENT_TYPES) -> str:
    """Return a table of the document types."""
    rows = [
        (
            f"`{document_type.name}`",
            f"`{document_type.scope}`",
            _partition(document_type),
            f"`{document_type.series}`",
            document_type.description,
        )
        for document_type in types
    ]
    return markdown_table(("document type", "scope", "partition", "series", "what it is"), rows)


def spoils() -> str:
    """Return a table of the ways to spoil a document of the sandbox."""
    rows = [
        (f"`{spoil.name}`", spoil.does, spoil.fate + (f", {spoil.needed}" if spoil.needed else ""))
        for spoil in SPOILS
    ]
    return markdown_table(("way", "what is sent", "what becomes of it"), rows)


def faults() -> str:
    """Return a table of what can go wrong in the sandbox."""
    return markdown_table(
        ("kind", "what happens"), [(f"`{kind.name}`", kind.does) for kind in KINDS.values()]
    )


def settings() -> str:
    """Return a table of the environment variables."""
    rows = [
        (f"`{name}`", default and f"`{default}`", str(field.description))
        for name, field in environment_variables().items()
        for default in [_default(field.default)]
    ]
    return markdown_table(("variable", "default", "meaning"), rows)


def dashboards() -> str:
    """Return a table of the dashboards."""
    rows = [
        (one.title, one.description, f"`{dashboard_path(one.uid).name}`")
        for one in grafana.DASHBOARDS
    ]
    return markdown_table(("dashboard", "what it shows", "file"), rows)


def growth() -> str:
    """Return a table of what grows."""
    rows = [
        (
            growing.name,
            growing.where,
            growing.kept,
            ", ".join(f"`{name}`" for name in growing.settings),
            growing.by,
            growing.frees,
        )
        for growing in GROWING
    ]
    headings = ("what", "where", "what is kept", "setting", "kept so by", "what would free room")
    return markdown_table(headings, rows)


def exported_types() -> str:
    """Return a table of what comes in members' own exports alone."""
    files = {kind.document_type: f"`{kind.all_names[0]}.csv`" for kind in FILE_KINDS}
    rows = [
        (
            f"`{one.table}`",
            files[one],
            ", ".join(f"`{name}`" for name, _ in leaves(one.fields)) or "none",
            one.description,
        )
        for one in EXPORTED_TYPES
    ]
    return markdown_table(("table and series", "file", "numbers in Graphite", "what it is"), rows)


def metrics() -> str:
    """Return a section per document type with a table of its metrics."""
    return "\n".join(
        f"## `{document_type.name}`\n\n{_metrics_table(document_type)}"
        for document_type in STORED_TYPES
    )


def _metrics_table(document_type: DocumentType) -> str:
    fields = dict(leaves(document_type.fields))
    rows = []
    for metric in known_metrics(document_type):
        interval = _INTERVALS.get(metric.interval, f"{metric.interval} s")
        known = fields.get(metric.name)
        meaning = known.description if known else _DERIVED[metric.name]
        # Values of a split metric are sent twice: under the series, and below their source.
        prefixes = ["", f"<{document_type.split_by}>."] if metric.split else [""]
        rows += [(f"`{metric.series}.{one}{metric.name}`", interval, meaning) for one in prefixes]
    return markdown_table(("metric", "stored every", "what it is"), rows)


def command_line() -> str:
    """Return a section per command: how it is called, what it does, its arguments and options."""
    return "\n".join(_command_sections(click.Context(cli, info_name="oura-pipeline"), 2))


def _command_sections(context: click.Context, level: int) -> Iterator[str]:
    command = context.command
    usage = f"```console\n$ {command.get_usage(context).removeprefix('Usage: ')}\n```\n"
    # From a form feed on, click does not show a docstring as help.
    text = inspect.cleandoc(command.help or "").split("\f")[0].strip()
    yield f"{'#' * level} `{context.command_path}`\n\n{text}\n\n{usage}"
    if table := _options_table(context):
        yield table
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                # With its parent, so that the usage begins with the whole command.
                nested = click.Context(child, info_name=name, parent=context)
                yield from _command_sections(nested, min(level + 1, 4))


def _options_table(context: click.Context) -> str:
    records = [
        parameter.get_help_record(context)
        for parameter in context.command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    rows = [(f"`{record[0]}`", record[1]) for record in records if record]
    return markdown_table(("option", "meaning"), rows) if rows else ""


def env_example() -> str:
    """Return `.env.example`: every setting, commented out, with its default."""
    lines = ["# Copy to .env and fill in. Every line is optional; what stands here is the default."]
    for name, field in environment_variables().items():
        lines += ["", f"# {field.description}", f"# {name}={_default(field.default)}"]
    lines += ["", "", "# What follows is for deploy/compose.yaml alone."]
    for name, meaning in DEPLOYMENT.items():
        lines += ["", f"# {meaning}", f"# {name}="]
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, Callable[[], str]] = {
    "benchmark machine": lambda: benchmark.machine_line(Results.read()),
    "benchmark programs": lambda: benchmark.programs_table(Results.read()),
    "benchmark figures": lambda: benchmark.figures_table(Results.read()),
    "benchmark time": lambda: benchmark.time_table(Results.read()),
    "needs of people": lambda: benchmark.needs_table(Results.read()),
    "scaling today": lambda: model.today_table(Results.read()),
    "scaling needs": lambda: model.needed_table(Results.read()),
    "spoils": spoils,
    "faults": faults,
    "document types": document_types,
    "settings": settings,
    "dashboards": dashboards,
    "alerts": alerts.table,
    "growth": growth,
    "views": views_table,
    "exported types": exported_types,
    "metrics": metrics,
    "command line": command_line,
}


def _filled(match: re.Match[str]) -> str:
    return f"{match[1]}{SECTIONS[match['name']]()}{match[3]}"


def _partition(document_type: DocumentType) -> str:
    if not document_type.partitioned:
        return "none, a snapshot"
    # Only of time series does Oura limit how many days one request can cover.
    limited = document_type.ask is Ask.INSTANTS
    return f"day, {document_type.max_days} per request" if limited else "day"


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        # Written as settings are read: numbers as a ratio like 5000/300, texts as a list.
        separator = "/" if all(isinstance(part, int) for part in value) else ","
        return separator.join(str(part) for part in value)
    return "" if value == 0 else str(value)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
