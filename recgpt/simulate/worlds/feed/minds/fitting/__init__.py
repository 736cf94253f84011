"""Fit of the parameters of `scripted`, with a report on users it was not fitted on.

    content = fit("movielens_small", "agent4rec_ml1m", encoder="all-MiniLM-L6-v2", seed=0)
    save(content, Path("scripted.json"))
    Console().print(report_tables(content["report"]))

Two sources, each for the models that only it can identify:

- Ratings of real people drive likes: which items they take next and how many stars they give (`people`).
- The published trace of 1,000 GPT-3.5 agents drives how a page is gone through: how often something fits (`align`),
  which of these are watched, when an agent leaves, its final interview (`sessions`). Stars of the trace are not used:
  none is below 3.

A fifth of the users of each source is held out of the fit; the report is on them. `outcomes` reports on all models
together: held-out agents on the pages of the published trace, and agents of all users on pages of random, popular and
personal items.
"""

from recgpt.simulate.worlds.feed.minds.fitting.pipeline import fit, save
from recgpt.simulate.worlds.feed.minds.fitting.report import report_tables

__all__ = ["fit", "report_tables", "save"]
