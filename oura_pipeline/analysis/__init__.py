"""The published copy in a notebook: ask it in SQL, load from it into pandas, draw from it."""

from oura_pipeline.analysis.frames import (
    AnalysisError,
    columns_of,
    connect,
    load,
    plot_night,
    plot_trend,
)

__all__ = ["AnalysisError", "columns_of", "connect", "load", "plot_night", "plot_trend"]
