"""Export of a town: a data set folder, adoptions with their sources, and the log.

export(run, Path("out"), only_simulated=True)
"""

from pathlib import Path

import polars as pl

from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.export import dataset_of
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.setting import Setting


def export(run: Run, folder: Path, only_simulated: bool) -> list[Path]:
    """Write all files of a run into an empty folder, and return their paths.

    `dataset/` : data set of the items watched, bought or eaten. `adoptions.parquet` : resident, item, time, place,
    first source and friend of each. `events.parquet` : the log. Published files: `recgpt town export`.

    Parameters
    ----------
    only_simulated
        Leave out of the data set the interactions before the run.

    Raises
    ------
    DataError
        No item was taken.
    """
    events = run.events()
    adopted = _rated(events)
    watched = adopted.select(pl.col("agent").alias("user_id"), "item", pl.col("stars").cast(pl.Float32).alias("rating"))
    dataset_of(run, only_simulated=only_simulated, watched=watched).save(folder / "dataset")
    events.write_parquet(folder / "events.parquet")
    adoptions(adopted, stored_setting(run)).write_parquet(folder / "adoptions.parquet")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _rated(events: pl.DataFrame) -> pl.DataFrame:
    """Rows `adopted` with the last stars that the resident gave the item; NaN for none."""
    stars = events.filter(kind="rated").unique(["agent", "item"], keep="last").select("agent", "item", stars="value")
    adopted = events.filter(kind="adopted").sort("time", "agent", "seq")
    joined = adopted.join(stars, on=["agent", "item"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("stars").fill_null(float("nan")))


def adoptions(adopted: pl.DataFrame, setting: Setting) -> pl.DataFrame:
    """Adoptions in words and numbers: one row each, by time."""
    names = [resident.name for resident in setting.people.residents]
    items = pl.DataFrame() if setting.catalogue is None else setting.catalogue.facts.items
    named = [None if other is None else names[other] for other in adopted["other"]]
    chosen = adopted["item"].to_list()
    return pl.DataFrame(
        {
            "user_id": adopted["agent"],
            "name": [names[agent] for agent in adopted["agent"]],
            "item_id": [items["item_id"][item] for item in chosen],
            "title": [items["title"][item] for item in chosen],
            "seconds": adopted["time"],
            "place": [None if place is None else setting.map.address(place) for place in adopted["place"]],
            "first_source": [Source(slot).name.lower() for slot in adopted["slot"]],
            "friend": pl.Series(named, dtype=pl.String),
            "stars": adopted["stars"].fill_nan(None),
        }
    )
