"""Protocols, metrics and reports: how good a recommender is, next to the baselines."""

from recgpt.evaluate.report import Report
from recgpt.evaluate.run import KS, evaluate

__all__ = ["KS", "Report", "evaluate"]
