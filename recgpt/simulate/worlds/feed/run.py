"""From a `FeedConfig` to a finished run: what a feed is made of, played to its end, step by step into the store.

    config = FeedConfig(dataset="data/demo", agents=100)
    with start("demo", config) as run:
        print(run.metrics["corrected"]["p_view"])

`resume` makes the same things from the manifest, replays the log, and goes on; `measures` computes the metrics again.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError, StoreError
from recgpt.evaluate.lineup import embeddings_of, recommenders_for
from recgpt.models import Model, load_model
from recgpt.progress import Meter
from recgpt.recommenders import check_names
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import agent4rec, from_agent4rec, from_dataset, known_part, synthetic
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.feed.config import WORLD, FeedConfig
from recgpt.simulate.worlds.feed.measures import measures, stars_of
from recgpt.simulate.worlds.feed.minds import make_mind
from recgpt.simulate.worlds.feed.world import Feed, FeedRules, Setting
from recgpt.version import __version__

_MADE_WITH = ("numpy", "polars", "torch", "scipy")


@dataclass(frozen=True)
class Material:
    """What a run is made of, before anything has happened."""

    setting: Setting
    recommender: Recommender
    real_stars: np.ndarray
    about: dict[str, Any]


def start(run_id: str, config: FeedConfig, *, overwrite: bool = False, concurrency: int = 1) -> Run:
    """Make a run and play it to its end.

    Raises
    ------
    StoreError
        The id is taken, or the run cannot be written.
    SimulationError, DataError
        The data set cannot give such agents, or the recommender cannot serve it.
    LLMError
        The language model cannot be asked, or a cap is reached; `recgpt runs resume` goes on.
    """
    if run_path(run_id).is_file() and not overwrite:  # said before minutes are spent on a recommender
        raise StoreError(f"run {run_id} exists already: resume it, choose another id, or pass --overwrite")
    material = gathered(config)
    manifest = Manifest(
        run=run_id,
        world=WORLD,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        made_with={"recgpt": __version__, **{name: importlib.metadata.version(name) for name in _MADE_WITH}},
        dataset=material.about,
        repeatable=(
            "The replies of the language model are in the log of calls: with them the run comes out the same."
            if config.mind == "llm"
            else "Seed and data set decide everything."
        ),
    )
    run = Run.create(run_id, manifest, overwrite=overwrite)
    try:
        _keep(run, material)
        _play(run, config, material, concurrency)
    except BaseException:
        run.close()
        raise
    return run


def resume(
    run: Run,
    *,
    concurrency: int = 1,
    max_calls: int | None = None,
    max_total_tokens: int | None = None,
    max_usd: float | None = None,
) -> None:
    """Go on with a run from the last step in its log.

    Parameters
    ----------
    max_calls, max_total_tokens, max_usd
        Caps in place of those that the run was started with, over the whole run.

    Raises
    ------
    StoreError
        The data set is not the one that the run was made from.
    """
    config = FeedConfig(**run.manifest.config)
    caps = {"max_calls": max_calls, "max_total_tokens": max_total_tokens, "max_usd": max_usd}
    raised = config.llm.model_copy(update={name: cap for name, cap in caps.items() if cap is not None})
    config = config.model_copy(update={"llm": raised})
    material = gathered(config)
    if material.about != run.manifest.dataset:
        raise StoreError(
            f"{config.dataset} is not what run {run.run_id} was made from: put that data set back, or start anew"
        )
    _keep(run, material)  # a kill may have come before
    _play(run, config, material, concurrency)


def report(run: Run) -> Path:
    """Write the page about a run beside it, and return where it is."""
    from recgpt.simulate.worlds.feed.report import write_report

    return write_report(run)


def gathered(config: FeedConfig) -> Material:
    """Read the data set, make agents, and fit the recommender on what is known."""
    check_names([config.recommender])
    found, embeddings_NE, model = _read(config)
    if config.truth_first and not len(found.held_out.values):
        raise SimulationError(f"{config.dataset}: nothing is held out of these agents, so nothing true comes first")
    chosen = recommenders_for([config.recommender], embeddings_NE=embeddings_NE, model=model, seed=config.seed)[0]
    real = found.known.interactions.rating
    about = {
        "name": found.known.name,
        "items_sha256": found.known.items_sha256,
        "interactions_sha256": found.known.interactions_sha256,
        "embeddings_sha256": hashlib.sha256(np.ascontiguousarray(embeddings_NE).data).hexdigest(),
        "people": found.population.made_from,
    }
    return Material(found, chosen.fit(found.known), stars_of(np.empty(0) if real is None else real), about)


def people_of(config: FeedConfig) -> Setting:
    """Catalogue and agents, without a recommender."""
    return _read(config)[0]


def _read(config: FeedConfig) -> tuple[Setting, np.ndarray, Model]:
    folder = Path(config.dataset)
    published = (folder / "users.parquet").is_file()
    dataset, tables = agent4rec(folder) if published else (Dataset.load(folder, repeats="drop"), {})
    model = load_model(config.model)
    embeddings_NE = embeddings_of(dataset, model)
    known = known_part(dataset)
    facts = ItemFacts.of(known, embeddings_NE)
    if config.people == "synthetic":
        population = synthetic(config.agents, facts, seed=config.seed)
        population = replace(population, user_A=known.n_users + population.user_A)
        return Setting(known, facts, population, Ragged.from_lists([[]] * len(population))), embeddings_NE, model
    chosen = {"n_agents": config.agents, "seed": config.seed}
    population = (
        from_agent4rec(dataset, tables, facts, **chosen) if published else from_dataset(dataset, facts, **chosen)
    )
    held_out = _held_out(dataset, population)
    of_known = known.user_map.to_dense(dataset.user_map.to_outside(population.user_A))
    population = replace(population, user_A=of_known.astype(np.int64))
    return Setting(known, facts, population, held_out), embeddings_NE, model


def _keep(run: Run, material: Material) -> None:
    """Put what the events speak of beside them, so that the run can be read without its data set."""
    setting, facts = material.setting, material.setting.facts
    items, arrays = io.BytesIO(), io.BytesIO()
    facts.items.write_parquet(items)
    np.savez(
        arrays,
        count_N=facts.count_N,
        mean_rating_N=facts.mean_rating_N,
        unit_NE=facts.unit_NE.astype(np.float16),
        n_users=facts.n_users,
    )
    run.put_artifact("population.parquet", setting.population.to_parquet())
    run.put_artifact("items.parquet", items.getvalue())
    run.put_artifact("facts.npz", arrays.getvalue())
    run.put_artifact("real_stars.json", json.dumps(material.real_stars.tolist()).encode())


def _play(run: Run, config: FeedConfig, material: Material, concurrency: int) -> None:
    rules = FeedRules(**{name: getattr(config, name) for name in FeedRules.model_fields})
    population, facts = material.setting.population, material.setting.facts
    mind = make_mind(config, population, facts, seed=config.seed, run=run)
    # A language model's calls run together in its client, and a person is asked one question at a time.
    threads = min(concurrency, os.cpu_count() or 1) if config.mind == "scripted" else 1
    feed = Feed(rules, material.setting, material.recommender, mind, concurrency=threads)
    for rows in run.iter_steps():
        feed.apply(rows)
    # A bar would be drawn over what a person is asked.
    with Meter("pages", rules.pages, done=feed.step, disable=config.mind == "person") as meter:
        while not feed.over:
            started = time.monotonic()
            n_agents = int(feed.state.active_A.sum())
            rows = feed.play()
            run.append(rows)
            feed.apply(rows)
            per_second = n_agents / max(time.monotonic() - started, 1e-9)
            calls = run.calls_summary()
            cost = f", {calls['n']:,} calls, ${calls['cost_usd']:.4f}" if calls["n"] else ""
            meter.update(1, note=f"{n_agents:,} agents, {per_second:,.0f} pages/s{cost}")
    run.set_metrics(measures(run))
    run.finish()


def _held_out(dataset: Dataset, population: Population) -> Ragged:
    """What the agents' persons took beyond their known histories, each item once."""
    whole = dataset.sequences[population.user_A]

    def keys(sequences: Ragged) -> np.ndarray:
        return np.repeat(np.arange(len(sequences)), sequences.lengths) * dataset.n_items + sequences.values

    taken = keys(whole)
    return whole.filter(pl.Series(taken).is_first_distinct().to_numpy() & ~np.isin(taken, keys(population.histories)))
