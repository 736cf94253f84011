"""Export of a society: a data set folder, messages as RecAgent publishes them, graphs, hearings, cascades.

export(run, Path("out"), only_simulated=True)
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recgpt.files import write_text
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.export import dataset_of
from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.measures import stored
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.provenance import HEARINGS, Provenance
from recgpt.simulate.worlds.society.state import Setting
from recgpt.simulate.worlds.society.ties import Ties


def export(run: Run, folder: Path, only_simulated: bool) -> list[Path]:
    """Write all files of a run into an empty folder, and return their paths.

    `dataset/` : data set of what was watched. `messages.json` : rounds of messages with content, agent_id, action.
    `interactions.csv` : user_id, item_id, rating; watched 1, shown and not watched 0. `events.parquet` : the log.
    `friends.parquet, follows.parquet` : ties at the end. `hearings.parquet, adoptions.parquet, cascades.parquet`.

    Parameters
    ----------
    only_simulated
        Leave out of the data set what agents did before the run.

    Raises
    ------
    DataError
        Nothing was watched.
    """
    setting = stored(run)
    provenance = Provenance(setting, SocietyConfig(**run.manifest.config).part(SocietyRules))
    heard = [pl.DataFrame(schema=HEARINGS)]
    for rows in run.iter_steps():
        provenance.add(rows)
        heard.append(provenance.last_hearings())
    dataset_of(run, only_simulated=only_simulated).save(folder / "dataset")
    write_text(folder / "messages.json", json.dumps(list(message_rounds(run, setting)), ensure_ascii=False))
    steps = range(1, run.n_steps + 1)
    interactions(pl.concat(run.events(step) for step in steps)).write_csv(folder / "interactions.csv")
    tables = {
        "events": pl.concat(run.events(step) for step in steps),
        "friends": tie_table(provenance.social.friends),
        "follows": tie_table(provenance.social.follows),
        "hearings": pl.concat(heard),
        "adoptions": provenance.adoptions(),
        "cascades": Forest.of(provenance).table(),
    }
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def message_rounds(run: Run, setting: Setting) -> Iterator[list[list[dict[str, Any]]]]:
    """Messages of each round, by agent, in the published form: content, agent_id, action."""
    for rows in run.iter_steps():
        by_agent: dict[int, list[dict[str, Any]]] = {}
        for message in messages(rows, setting):
            if message["agent_id"] >= 0:
                by_agent.setdefault(message["agent_id"], []).append(message)
        yield list(by_agent.values())


def interactions(events: pl.DataFrame) -> pl.DataFrame:
    """Published interactions, one row per agent and item shown or watched, in the order of the log."""
    met = events.filter(pl.col("kind").is_in(["shown", "watched"]))
    return (
        met.group_by("agent", "item", maintain_order=True)
        .agg((pl.col("kind") == "watched").any().cast(pl.Int64).alias("rating"))
        .select(pl.col("agent").alias("user_id"), pl.col("item").alias("item_id"), "rating")
    )


def tie_table(ties: Ties) -> pl.DataFrame:
    """Ties as a table: source, target, label, closeness."""
    labels = pl.Series(ties.labels, dtype=pl.String)
    return pl.DataFrame(
        {
            "source": ties.source_R,
            "target": ties.target_R,
            "label": labels.gather(ties.label_R),
            "closeness": ties.closeness_R,
        }
    )
