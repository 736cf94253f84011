"""Shares of the variance of stars and opinions by persona, item and run, over several runs of a society.

variance_of_runs([Run.open("seed-1"), Run.open("seed-2")])["stars"]["run"]

A persona is a person of one name, gender, age, job, and of the same traits, interests and features, in any run; an item
is one of the same id and title. Where runs share no persona, personas are nested in runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.measures import rounded
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.reader import config_of
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.variance import variance_shares

FACTORS = ("persona", "item", "run")


def variance_of_runs(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Shares by `FACTORS` and of the rest, as of `variance_shares`, with `n`, of `stars` and of `opinions` at the end.

    Raises
    ------
    SimulationError
        Fewer than two runs, or one of another world.
    """
    if len({run.run_id for run in runs}) < 2:
        raise SimulationError("one run has no share of variance by run: name at least two different runs")
    tables = [_values_of(run) for run in runs]
    return {name: _shares([of_run[name] for of_run in tables]) for name in ("stars", "opinions")}


def _values_of(run: Run) -> dict[str, pl.DataFrame]:
    """Stars, and opinions at the end, with texts that identify run, persona and item."""
    config_of(run)
    state = cast(SocietyState, States(run).at(run.n_steps))
    held, rated = state.social.opinions, run.events(kind="rated").drop_nulls("value")
    personas, items = pl.Series(_personas(state.setting.people)), _items(state.setting.facts.items)

    def table(agent_R: np.ndarray, item_R: np.ndarray, value_R: np.ndarray) -> pl.DataFrame:
        columns = {"persona": personas.gather(agent_R), "item": items.gather(item_R), "value": value_R.astype(float)}
        return pl.DataFrame(columns).with_columns(run=pl.lit(run.run_id))

    return {
        "stars": table(*(rated[name].to_numpy() for name in ("agent", "item", "value"))),
        "opinions": table(held.key_V // held.n_items, held.key_V % held.n_items, held.value_V),
    }


def _personas(people: People) -> list[str]:
    return [repr({**people.profile(agent), "id": None}) for agent in range(len(people))]  # not of the agent's number


def _items(items: pl.DataFrame) -> pl.Series:
    keys = items.select(
        pl.concat_str(*(pl.col(name).cast(pl.String) for name in ("item_id", "title") if name in items))
    )
    return keys.to_series()


def _shares(tables: Sequence[pl.DataFrame]) -> dict[str, Any]:
    joined = pl.concat(tables)
    factors: Mapping[str, np.ndarray] = {
        name: joined[name].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64) for name in FACTORS
    }
    shares = variance_shares(joined["value"].to_numpy(), factors)
    return {"n": len(joined), **{name: rounded(share) for name, share in shares.items()}}
