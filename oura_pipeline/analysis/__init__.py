"""Query, load and plot the published copy in a notebook."""

from oura_pipeline.analysis.comparing import around, compare
from oura_pipeline.analysis.frames import AnalysisError, columns_of, connect, load
from oura_pipeline.analysis.plots import plot_night, plot_trend

__all__ = [
    "AnalysisError",
    "around",
    "columns_of",
    "compare",
    "connect",
    "load",
    "plot_night",
    "plot_trend",
]
