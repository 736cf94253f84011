"""Export of a run as a data set: the histories of the agents, then the items they watched."""

import io
from pathlib import Path

import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.errors import StoreError
from recgpt.progress import track
from recgpt.simulate.agents.population import Population
from recgpt.simulate.store.run import Run

_COLUMNS = {"user_id": pl.Int64, "item": pl.Int64, "rating": pl.Float32}


def export(run: Run, folder: Path, only_simulated: bool) -> list[Path]:
    """Write a run as a data set folder, see `dataset_of`, and return the paths of its files."""
    dataset_of(run, only_simulated=only_simulated).write_files(folder)
    return sorted(folder.iterdir())


def dataset_of(run: Run, *, only_simulated: bool = False, watched: pl.DataFrame | None = None) -> Dataset:
    """Data set of a run: interactions of its agents, oldest first, agent number as user id, and its catalogue.

    Parameters
    ----------
    only_simulated
        Leave out histories from before the run, and agents that watched nothing.
    watched
        Interactions of the run: user_id, item, rating, oldest first; by default the events `watched` with their stars.

    Raises
    ------
    StoreError
        The run lacks `items.parquet` or `population.parquet`, or has events of items that its catalogue lacks.
    DataError
        There is no interaction.
    """
    items = pl.read_parquet(io.BytesIO(run.artifact("items.parquet")))
    known = [] if only_simulated else [_known(Population.from_parquet(run.artifact("population.parquet")))]
    steps = track(range(1, run.n_steps + 1), f"exporting run {run.run_id}", total=run.n_steps)
    seen = (_watched(run, step) for step in steps) if watched is None else [watched]
    whole = pl.concat([pl.DataFrame(schema=_COLUMNS), *known, *seen])
    foreign = whole.filter(~pl.col("item").is_between(0, len(items) - 1).fill_null(False))
    if len(foreign):
        raise StoreError(
            f"run {run.run_id}: agent {foreign['user_id'][0]} met item {foreign['item'][0]}, but items.parquet has"
            f" {len(items):,} items: they belong to different runs"
        )
    interactions = whole.select(
        "user_id",
        items["item_id"].gather(whole["item"]).alias("item_id"),
        pl.int_range(pl.len()).alias("position"),
        "rating",
    )
    made_from = {"source": f"run {run.run_id}", "run_hash": run.hash, "only_simulated": only_simulated}
    return Dataset.from_frames(run.run_id, interactions, items, manifest=made_from)


def _known(population: Population) -> pl.DataFrame:
    user = pl.Series(range(len(population)), dtype=pl.Int64)
    columns = {
        "user_id": user.repeat_by(pl.Series(population.histories.lengths)).explode(empty_as_null=False),
        "item": population.histories.values,
        "rating": population.ratings,
    }
    return pl.DataFrame(columns, schema=_COLUMNS)


def _watched(run: Run, step: int) -> pl.DataFrame:
    """Items watched in one step, with their stars, if rated."""
    stars = run.events(step, "rated").unique(["agent", "item"], keep="last").select("agent", "item", "value")
    watched = run.events(step, "watched").select("agent", "item")
    rated = watched.join(stars, on=["agent", "item"], how="left", maintain_order="left")
    return rated.select(
        pl.col("agent").alias("user_id"),
        "item",
        pl.col("value").cast(pl.Float32).fill_null(float("nan")).alias("rating"),
    )
