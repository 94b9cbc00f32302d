"""How much of the history is fetched, over all document types."""

from __future__ import annotations

from datetime import date, timedelta

from oura_pipeline.web.history import History, progress


def test_the_slowest_document_type_decides_the_history() -> None:
    """The slowest one says how far it reaches, all together how much is done."""
    first, today = date(2026, 1, 1), date(2026, 4, 11)
    end = today - timedelta(days=50)

    def done(*asked: date) -> History:
        starts = [*asked, None, None][:2]
        return progress(starts, first_day=first, today=today)

    assert done() == History(first_day=first, reached=None, share=0)
    assert done(end) == History(first_day=first, reached=None, share=0.25)
    assert done(end, first) == History(first_day=first, reached=end, share=0.75)
    assert done(first, first) == History(first_day=first, reached=first, share=1)
    before = first - timedelta(days=10)
    assert done(before, before) == History(first_day=first, reached=first, share=1)
