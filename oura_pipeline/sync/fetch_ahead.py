"""Documents of the next types, fetched while those of one type land."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import copy_context

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.sync.fetch import FetchedDocuments
from oura_pipeline.sync.progress import progress

# Oura's answers take longest, and what was fetched waits on disk.
TYPES_AHEAD = 4

Fetch = Callable[[DocumentType], AbstractContextManager[FetchedDocuments]]


class FetchAhead:
    """The documents of several types, fetched in their order, some types at once.

    Args:
        fetch: fetches the documents of one type.
        document_types: in the order in which their documents will be wanted.
    """

    def __init__(
        self, fetch: Fetch, document_types: Sequence[DocumentType], pool: ThreadPoolExecutor
    ) -> None:
        self._fetch = fetch
        self._next = list(document_types)
        self._pool = pool
        self._fetching: dict[str, Future[tuple[ExitStack, FetchedDocuments]]] = {}
        self._go_on()

    @contextmanager
    def documents(self, document_type: DocumentType) -> Iterator[FetchedDocuments]:
        """Wait for the documents of a type, which are there until the block ends.

        Raises:
            Exception: what `fetch` raised.
        """
        fetching = self._fetching.pop(document_type.name)
        self._go_on()
        progress.get().started(document_type.name)
        stack, fetched = fetching.result()
        with stack:
            yield fetched

    def is_fetched(self, document_type: DocumentType) -> bool:
        """Return whether nobody has to wait for the documents of a type."""
        return self._fetching[document_type.name].done()

    def close(self) -> None:
        """Drop what nobody wanted."""
        self._next.clear()
        for fetching in self._fetching.values():
            if not fetching.cancel() and fetching.exception() is None:
                fetching.result()[0].close()

    def _go_on(self) -> None:
        while self._next and len(self._fetching) < TYPES_AHEAD:
            document_type = self._next.pop(0)
            # Threads do not inherit the receiver of progress.
            self._fetching[document_type.name] = self._pool.submit(
                copy_context().run, self._start, document_type
            )

    def _start(self, document_type: DocumentType) -> tuple[ExitStack, FetchedDocuments]:
        with ExitStack() as stack:
            fetched = stack.enter_context(self._fetch(document_type))
            return stack.pop_all(), fetched


@contextmanager
def fetching_ahead(fetch: Fetch, document_types: Sequence[DocumentType]) -> Iterator[FetchAhead]:
    """Fetch the documents of types until the block ends."""
    with ThreadPoolExecutor(TYPES_AHEAD, thread_name_prefix="fetch") as pool:
        ahead = FetchAhead(fetch, document_types, pool)
        try:
            yield ahead
        finally:
            ahead.close()
