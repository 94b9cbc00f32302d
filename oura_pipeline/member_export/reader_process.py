"""A process of its own that reads an export, so that this one can land and push meanwhile.

`python -m oura_pipeline.member_export.reader_process SOCKET` is that process: it is told what to
read, and ends when the other end of the socket is closed.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType, get_document_type
from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.errors import ExportRefused, ReaderEnded
from oura_pipeline.member_export.reading import ExportReader, Report, Spooled
from oura_pipeline.member_export.sources import find_sources
from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.spool import Spool

_POLL_SECONDS = 0.1
_NOBODY_THERE = (EOFError, BrokenPipeError, ConnectionResetError)


class RemoteReader:
    """Has an export read by the process at the other end of a connection."""

    def __init__(self, connection: Connection, report: Report) -> None:
        self._connection = connection
        self._report = report

    def read(self, document_type: DocumentType, username: str, spool: Spool) -> Spooled:
        """Spool the documents of a type.

        Raises:
            ExportRefused: a line is longer than any of Oura's.
            ReaderEnded: the process is gone.
        """
        with _noticing_its_end():
            _send(self._connection, (document_type.name, username, spool.folder))
            while True:
                match self._received():
                    case BaseException() as error:
                        raise error
                    case (rows, days, Spool() as filled):
                        return Spooled(
                            document_type=document_type, spool=filled, rows=rows, days=days
                        )
                    case (name, done):
                        self._report(name, done)

    def _received(self) -> Any:
        while not self._connection.poll(_POLL_SECONDS):
            interrupts.check()
        return self._connection.recv()


def _send(connection: Connection, what: object) -> None:
    # `Connection.send` leaves a view of a BytesIO in the traceback of a broken pipe. Python that
    # collects both at once says so on stderr, and 3.12.1 crashes (python/cpython#111331, #111049).
    connection.send_bytes(pickle.dumps(what))


@contextmanager
def _noticing_its_end() -> Iterator[None]:
    try:
        yield
    except _NOBODY_THERE:
        raise ReaderEnded(
            "the process that reads it has ended, as it does where memory is short; do it again"
        ) from None


@contextmanager
def reader_process(path: Path, report: Report) -> Iterator[RemoteReader]:
    """Have an export that was looked into before read by a process that ends with the block.

    Args:
        path: the export.
        report: is told how far it is.

    Raises:
        ReaderEnded: the process is gone already.
    """
    ours, theirs = Pipe()
    # Not out of the folder where somebody keeps what they download.
    command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
    with theirs:
        child = subprocess.Popen(  # noqa: S603  (our own program)
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it ends with this one, and not before by the same Ctrl-C
        )
    try:
        with _noticing_its_end():
            _send(ours, path.absolute())
        # Our end closes with the reader: a thread may still wait for an answer when the block ends.
        yield RemoteReader(ours, report)
    finally:
        child.kill()
        child.wait()


def _serve(connection: Connection) -> None:
    """Read what is asked for, until nobody asks any more."""
    with open_archive(connection.recv()) as archive:
        sources = find_sources(archive, verified=True).sources
        reader = ExportReader(sources, archive.made_at, lambda *done: _send(connection, done))
        while True:
            name, username, folder = connection.recv()
            try:
                read = reader.read(get_document_type(name), username, Spool(folder))
            except _NOBODY_THERE:
                raise
            except (ExportRefused, OSError) as error:
                _send(connection, error)
            else:
                _send(connection, (read.rows, read.days, read.spool))


def main() -> None:
    """Serve the socket whose number is the argument."""
    with Connection(int(sys.argv[1])) as connection, suppress(*_NOBODY_THERE):
        _serve(connection)


if __name__ == "__main__":
    main()
