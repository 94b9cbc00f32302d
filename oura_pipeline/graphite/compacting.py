"""The file of points, rid of those that were written again later."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from filelock import FileLock

from oura_pipeline.files import replacing, write_if_changed
from oura_pipeline.graphite.carbon import cut_half_line
from oura_pipeline.process import interrupts

WORTHWHILE_BYTES = 16 * 2**20
SPILLED = ".spilled."  # with this begins the name of the folder in which DuckDB sorts
# The last line of each metric and time, where it stood: whoever sends the file sends the same.
_LAST_LINES = """
COPY (
    SELECT line FROM (
        SELECT line, row_number() OVER () AS number FROM read_csv($1, header = false,
            auto_detect = false, columns = {'line': 'VARCHAR'}, delim = '\x1f', quote = '',
            escape = '', nullstr = '\x1e', max_line_size = 65536)
    )
    QUALIFY row_number() OVER (PARTITION BY split_part(line, ' ', 1), split_part(line, ' ', 3)
        ORDER BY number DESC) = 1
    ORDER BY number
) TO $2 (FORMAT csv, header false, delim '\x1f', quote '', escape '', nullstr '\x1e')
"""


def compact(path: Path, *, worthwhile: int = WORTHWHILE_BYTES) -> int:
    """Rewrite a file of points once it is twice as large as after the last time.

    Args:
        path: the file that `FileSender` appends to; it waits meanwhile.
        worthwhile: the smallest size in bytes that is looked at.

    Returns:
        How many bytes that freed.
    """
    if not path.exists() or path.stat().st_size < max(worthwhile, 2 * _size_after_last(path)):
        return 0
    with FileLock(f"{path}.lock"):
        with path.open("r+b") as file:
            cut_half_line(file.fileno())
        before = path.stat().st_size
        with (
            TemporaryDirectory(prefix=SPILLED, dir=path.parent) as spilled,
            replacing(path, keep_mode=True) as new,
            duckdb.connect(config={"temp_directory": spilled}) as connection,
            interrupts.interruptible(repeatedly=connection.interrupt),
        ):
            connection.execute(_LAST_LINES, [str(path), str(new)])
        after = path.stat().st_size
    write_if_changed(_record(path), f"{after}\n".encode())
    return before - after


def _size_after_last(path: Path) -> int:
    try:
        return int(_record(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # never, or somebody wrote something else there
        return 0


def _record(path: Path) -> Path:
    return path.with_name(f".{path.name}.compacted")
