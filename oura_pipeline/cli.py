"""The program `oura-pipeline`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    if reason := unsupported_system(sys.platform):
        sys.exit(f"Error: {reason}")
    from oura_pipeline.process import interrupts  # Windows has no such signals and terminals

    interrupts.run(_command)


def _command() -> None:
    # Imported here, out of the reach of signals: until `run` listens, Python's own handler raises
    # inside of imports, where some callbacks swallow it.
    from oura_pipeline.commands.group import cli

    cli()


def unsupported_system(platform: str) -> str | None:
    """Return why oura-pipeline cannot run on a `sys.platform`; None where it can."""
    if platform.startswith("linux") or platform == "darwin":
        return None
    return "oura-pipeline runs on Linux and macOS; on Windows, run it in WSL."


if __name__ == "__main__":
    main()
