"""Imports go one way, and the README says what there is."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from oura_pipeline_tests.testing.paths import ROOT
from tools import generate_docs

PACKAGE = ROOT / "oura_pipeline"
GROUND = {"catalog", "settings", "ledger", "files", "days", "markdown", "process"}
STORES = GROUND | {"oura", "accounts", "warehouse", "graphite"}
WORK = STORES | {"pipeline", "sync", "people", "exports", "analysis", "member_export"}
MAY_IMPORT = {
    **{name: set[str]() for name in (*GROUND - {"catalog"}, "sandbox")},
    "catalog": {"days"},
    **dict.fromkeys(("oura", "accounts", "warehouse", "graphite"), GROUND),
    "pipeline": STORES,
    "analysis": GROUND | {"warehouse"},
    "sync": STORES | {"pipeline"},
    "exports": STORES | {"pipeline", "analysis"},
    "people": STORES | {"pipeline", "exports"},
    "member_export": STORES | {"pipeline", "sync"},
    "backups": STORES | {"pipeline"},
    **dict.fromkeys(("defs", "web"), WORK),
    "definitions": WORK | {"defs"},
    "doctor": WORK | {"defs", "web"},
    **dict.fromkeys(
        ("commands", "cli"),
        WORK | {"backups", "defs", "definitions", "doctor", "sandbox", "web", "commands"},
    ),
}


@cache
def modules_imported(path: Path) -> set[str]:
    """The modules of the project that a module imports, wherever in it: `web.site`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from package import name`: the name may be a module or stand in the package.
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    prefix = f"{PACKAGE.name}."
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def packages_imported(path: Path) -> set[str]:
    """The packages of the project that a module imports."""
    return {name.partition(".")[0] for name in modules_imported(path)}


def package(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def modules_with(text: str) -> set[str]:
    return {name_of(path) for path in modules() if text in path.read_text(encoding="utf-8")}


def test_imports_go_one_way() -> None:
    """A package imports only what stands below it; the sandbox imports nothing of ours."""
    imported = {name_of(path): packages_imported(path) - {package(path)} for path in modules()}
    allowed = {name_of(path): MAY_IMPORT[package(path)] for path in modules()}
    wrong = {name: found - allowed[name] for name, found in imported.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_no_import_cycle() -> None:
    """Every module can be imported before those that use it."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in modules()}
    imports = {name: modules_imported(path) & names.keys() for name, path in names.items()}
    TopologicalSorter(imports).prepare()  # raises and names the cycle


def test_the_site_needs_no_type_checking_imports() -> None:
    """They hide cycles."""
    sources = (PACKAGE / "web").rglob("*.py")
    assert [p.name for p in sources if "TYPE_CHECKING" in p.read_text(encoding="utf-8")] == []


def test_few_modules_stand_at_the_top() -> None:
    """A new one belongs into a package."""
    assert len([path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]) <= 8


def test_a_document_type_is_never_called_type() -> None:
    """Neither a parameter `type` nor `type_`: grep must find it under one name."""
    named_type = [
        path.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.arg) and node.arg in ("type", "type_")
    ]
    assert named_type == []


def test_docstrings_use_no_formula() -> None:
    """What a reader would not expect is explained in a comment beside its line."""
    formula = "What " + "surprises:"  # in two parts, so that this test does not find itself
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    with_formula = [
        str(path.relative_to(ROOT))
        for folder in ("oura_pipeline", "oura_pipeline_tests", "tools", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if formula in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and formula in (ast.get_docstring(node) or "")
    ]
    assert with_formula == []


def test_dagsters_inside_is_touched_in_few_modules_only() -> None:
    """Nothing from `dagster._…` but where it has no other way: its storage, events, steps, UI."""
    assert modules_with("dagster._") <= {
        "defs/check_days.py",
        *("defs/asset_events.py", "defs/event_batches.py", "defs/event_log.py"),
        *("defs/event_rows.py", "defs/old_records.py", "defs/postgres_storage.py"),
        *("defs/record_files.py", "defs/run_events.py", "defs/storage.py", "defs/webserver.py"),
        "defs/celery_steps.py",
    }


def test_the_environment_is_read_in_one_place() -> None:
    """`os.environ` stands in settings.py, and where children are started or Dagster wants it."""
    assert modules_with("os.environ") <= {
        *("settings.py", "defs/storage.py", "graphite/environment.py", "graphite/local.py"),
        *("commands/demo.py", "commands/dev.py"),
    }


def test_the_readme_is_short() -> None:
    """What it is, a demo, four steps, three queries, one dashboard; the rest has pages."""
    assert (ROOT / "README.md").stat().st_size <= 8192


def test_generated_docs_are_up_to_date() -> None:
    """What `make docs` would write is what stands there."""
    drifted = [
        path.name
        for path, text in generate_docs.generated_files().items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert drifted == []
