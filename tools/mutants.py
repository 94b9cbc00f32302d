"""Which faults would no test notice? `make mutants` tries them in a copy of the code, one by one.

mutmut does that. Its operators give way to those below, which change a branch, a limit, a condition
of a query or a statement, and no wording of a message.
"""

from __future__ import annotations

import os
import re
import sys
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from math import ceil
from pathlib import Path

import alembic.command  # noqa: F401 - every mutant would import it by itself, for 0.2 s
import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.workers.isolation import ForkServerRunner

# A sample, in percent, chosen by the seed and by what a mutant changes: the same one every time.
_SHARE = int(os.environ.get("SHARE", "100"))
_SEED = os.environ.get("SEED", "1")
_WIDE = "WIDE" in os.environ
# How long the tests of one mutant may take when nothing is wrong, in seconds.
_SECONDS = float(os.environ.get("SECONDS", "inf"))

_SQL = re.compile(r"\b(SELECT|WHERE|FROM|JOIN|AND|OR|ON|CASE|WHEN|HAVING|BETWEEN|ORDER|IN|IS)\b")
_SQL_SWAPS = (
    *((" AND ", " OR "), (" OR ", " AND "), ("NOT ", ""), (" = ", " <> "), (" <> ", " = ")),
    *((" <= ", " < "), (" < ", " <= "), (" >= ", " > "), (" > ", " >= "), (" DESC", "")),
    *(("'deleted', ", ""), ("'updated', ", ""), (", 'moved'", ""), ("UNION ALL", "EXCEPT ALL")),
)
_KEPT = (
    *(mutators.operator_number, mutators.operator_name, mutators.operator_remove_unary_ops),
    *(mutators.operator_keywords, mutators.operator_swap_op, mutators.operator_if_exp),
    *(mutators.operator_augmented_assignment, mutators.operator_match),
)

# The files of tests that prove a module, where no file bears its name.
_PROVED_BY = {
    "base": "test_people|test_fetches",
    "client": "test_documents|test_halves|test_refusals|test_retries",
    "database": "test_people|test_opening|test_removal|test_inbox",
    "encryption": "test_keys|test_opening",
    "errors": "test_people|test_go_replicator|test_hostile_imports",
    "fetch_months": "test_fetches|test_overview",
    "go_replicator": "test_go_replicator|test_hostile_imports",
    "landing": "test_landing|test_redating|test_values",
    "migrate": "test_opening",
    "sessions": "test_sessions|test_middleware|test_status",
    "staging": "test_landing|test_quarantine|test_redating|test_repeated",
    "store": "test_opening|test_keys",
}

_Operator = Callable[[cst.CSTNode], Iterator[cst.CSTNode]]


def main() -> None:
    """Let mutmut do what the command line says; `report` says what became of every mutant."""
    if sys.argv[1:] == ["report"]:
        _report()
        return
    operators = (
        *((kind, operator) for kind, operator in mutators.mutation_operators if operator in _KEPT),
        (cst.SimpleString, _swap_sql),
        (cst.FormattedStringText, _swap_sql),
        *((kind, _negate) for kind in (cst.If, cst.While, cst.CompIf)),
        *((kind, _leave_out) for kind in (cst.Expr, cst.Raise, cst.Assign)),
        (cst.Return, _return_nothing),
        (cst.Call, _drop_argument),
    )
    mutators.mutation_operators[:] = [(kind, _sampled(operator)) for kind, operator in operators]
    ForkServerRunner.submit = _submit_nearest
    # The tests have just passed, while mutmut noted which code each of them reaches.
    ForkServerRunner.run_clean_tests = lambda runner, tests: 0
    # Processes that tests start get the mutant as well.
    os.environ["PYTHONPATH"] = str(Path("mutants").absolute())
    cli()


def _report() -> None:
    """Print a row of counts per module, and the change that each survivor is."""
    survivors = []
    print("| module | mutants | noticed | too slow | not noticed | not tried |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        ends = {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
        count = Counter(ends.values())
        noticed, slow, left = (count[end] for end in ("killed", "timeout", "not checked"))
        rest = len(ends) - noticed - slow - left
        print(f"| `{path}` | {len(ends)} | {noticed} | {slow} | {rest} | {left} |")
        # What took too long may be a loop without an end, or a machine with much else to do.
        over = ("killed", "not checked")
        survivors += [(path, name) for name, end in ends.items() if end not in over]
    for path, name in survivors:
        print(f"\n{name}")
        for line in get_diff_for_mutant(name, path=path).splitlines()[2:]:
            if line.startswith(("@@", "-", "+")):
                print(line)


def _submit_nearest(
    runner: ForkServerRunner, mutant: str, tests: list[str], _limit: int, _seconds: float
) -> None:
    """Try a mutant with the tests of its module, the quick ones first; `WIDE=1`: with all.

    `SECONDS=5`: with as many of them as take so long, but with five.
    """
    seconds = state().duration_by_test
    module = mutant.split(".")[-2]
    names = _PROVED_BY.get(module, f"test_{module}")
    proof = re.compile(rf"/(?:{names}|test_only_theirs)\w*\.py")
    near = [test for test in tests if proof.search(test)]
    tests = sorted(tests if _WIDE else near or tests, key=lambda test: seconds[test])
    took = list(accumulate(seconds[test] for test in tests))
    tests = tests[: max(5, bisect_right(took, _SECONDS))]
    expected = sum(seconds[test] for test in tests)
    # mutmut ends it after half of this limit, which is of CPU seconds, by the clock; the machine
    # may have much else to do.
    _submit(runner, mutant, tests, 2 * ceil(6 * expected + 60), expected)


_submit = ForkServerRunner.submit


def _sampled(operator: _Operator) -> _Operator:
    def mutants(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        for mutant in operator(node):
            change = f"{_SEED} {_code(node)} {_code(mutant)}"
            if zlib.crc32(change.encode()) % 100 < _SHARE:
                yield mutant

    return mutants


def _negate(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """Turn a condition round, unless another operator does."""
    test = node.test
    if isinstance(test, cst.UnaryOperation | cst.BooleanOperation):
        return
    if isinstance(test, cst.Comparison) and not isinstance(
        test.comparisons[0].operator,
        cst.LessThan | cst.LessThanEqual | cst.GreaterThan | cst.GreaterThanEqual,
    ):
        return
    inner = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), inner))


def _leave_out(node: cst.Expr | cst.Raise | cst.Assign) -> Iterator[cst.CSTNode]:
    """Leave out a statement that does something."""
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.Call | cst.Await):
        return
    if isinstance(node, cst.Assign) and not isinstance(
        node.targets[0].target, cst.Attribute | cst.Subscript
    ):
        return
    yield cst.Pass()


def _return_nothing(node: cst.Return) -> Iterator[cst.CSTNode]:
    if node.value and _code(node.value) not in {"None", "True", "False"}:
        yield node.with_changes(value=cst.Name("None"))


def _drop_argument(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Leave out a condition of a query, or an argument that has a name."""
    is_query = isinstance(node.func, cst.Attribute) and node.func.attr.value == "where"
    for place, argument in enumerate(node.args):
        if is_query or argument.keyword:
            yield node.with_changes(args=[*node.args[:place], *node.args[place + 1 :]])


def _swap_sql(node: cst.SimpleString | cst.FormattedStringText) -> Iterator[cst.CSTNode]:
    if node.value.startswith('"""') or not _SQL.search(node.value):
        return
    for old, new in _SQL_SWAPS:
        if old in node.value:
            yield node.with_changes(value=node.value.replace(old, new, 1))


def _code(node: cst.CSTNode) -> str:
    code: str = cst.Module([]).code_for_node(node)
    return code


if __name__ == "__main__":
    main()
