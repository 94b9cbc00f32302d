"""`oura-pipeline doctor`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click
from rich.markup import escape

from oura_pipeline.commands.console import console, print_lines
from oura_pipeline.commands.options import json_option
from oura_pipeline.doctor.checkup import check_everything
from oura_pipeline.doctor.growth import growth_lines
from oura_pipeline.settings import load_settings


@click.command()
@json_option("Print the findings as a JSON array.")
def doctor(*, as_json: bool) -> None:
    """Check your installation.

    Settings, databases, key, site, Oura, Graphite and the disk; what fails says what to do. Below
    stands what grows: how large it is, and what would free room.
    """
    findings = check_everything()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
        sys.exit(0 if all(finding.good for finding in findings) else 1)
    for finding in findings:
        mark = "[green]ok[/green]" if finding.good else "[red]no[/red]"
        line = f"{mark} {finding.subject:12} {escape(finding.text)}"
        console.print(line, highlight=False, soft_wrap=True)
    if findings[0].good and (settings := load_settings()).storage.home.is_dir():
        print_lines("", *growth_lines(settings))
    sys.exit(0 if all(finding.good for finding in findings) else 1)
