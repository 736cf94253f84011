"""Items of a town: films, books and dishes in one catalogue, their past, and the tastes of the residents.

    catalogue = load_catalogue(TownConfig(), people, town_map)
    catalogue.facts.items["title"][3], catalogue.kind(3)
    catalogue.programme.on_offer(venue, day=0, minute=1170)

By default all items are made up. With a data set folder its items are the films or the books (`dataset_kind`), and the
other kinds stay made up. Residents enter with a made-up past: items drawn by the feed's fitted model of preference from
tastes that follow from their interests, so that any recommender can be fitted.

Shapes: A residents, N items, E embedding width.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.data.dataset import Dataset
from recgpt.errors import DataError, StoreError
from recgpt.evaluate.beyond_accuracy import category_weights
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import known_part
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.artifacts import FACTS, ITEMS, POPULATION, stored_facts, stored_population
from recgpt.simulate.worlds.feed.artifacts import artifacts_of as feed_artifacts
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.domains import books
from recgpt.simulate.worlds.gym.domains.loading import on_scale
from recgpt.simulate.worlds.gym.domains.made_up import catalogue as made_up_items
from recgpt.simulate.worlds.gym.domains.made_up import made_up_past
from recgpt.simulate.worlds.gym.domains.texts import tags_in, text_vectors
from recgpt.simulate.worlds.society.catalogue import FILMS, STARS
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.menu import DISHES
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.programme import KINDS, Programme
from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.tastes import population_of

OFFERS = "offers.json"
"""Artifact with the seed of the programme."""
_PAST = {"film": 15, "book": 15, "dish": 8}  # ratings of a made-up user by kind
_COLUMNS = ("item_id", "title", "categories", "brand", "description")


@dataclass(frozen=True)
class TownCatalogue:
    """Items of a town.

    Attributes
    ----------
    known
        Interactions before the run, those of the residents among them, with the catalogue; None where it is read from
        a stored run.
    facts
        Titles, descriptions, popularity and embeddings of the items; the column `kind` of the table is film, book or
        dish.
    population
        Tastes, traits and pasts of the residents, for the feed's models.
    programme
        Venues and their offers on each day.
    """

    known: Dataset | None
    facts: ItemFacts
    population: Population
    programme: Programme

    def __len__(self) -> int:
        return len(self.facts)

    @cached_property
    def titles(self) -> list[str]:
        """Titles by item."""
        titles: list[str] = self.facts.items["title"].to_list()
        return titles

    @cached_property
    def kinds(self) -> list[str]:
        """Film, book or dish, by item."""
        kinds: list[str] = self.facts.items["kind"].to_list()
        return kinds

    @cached_property
    def models(self) -> ScriptedMind:
        """The feed's fitted models of choices and stars, for the residents and these items."""
        return ScriptedMind(self.population, self.facts, seed=self.programme.seed, uses_memory=False)

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with a run, so that it can be read without its data set."""
        shared = feed_artifacts(self.population, self.facts, np.empty(0))
        found = {name: shared[name] for name in (POPULATION, ITEMS, FACTS)}
        return {**found, OFFERS: json.dumps({"seed": self.programme.seed}).encode()}


def load_catalogue(config: TownConfig, people: People, town_map: TownMap) -> TownCatalogue:
    """Read or make the catalogue of a town, with the pasts and tastes of its residents.

    Raises
    ------
    DataError
        The data set folder is missing or damaged.
    """
    parts = [_part(kind, config) for kind in KINDS]
    items = pl.concat([items for items, _ in parts], how="diagonal_relaxed")
    events = _joined([events for _, events in parts])
    name = "made_up_town" if config.dataset is None else f"{Path(config.dataset).resolve().name}_in_town"
    before = Dataset.from_frames(name, events, items)
    tags = [tags_in(text) for text in items["categories"]]
    facts = ItemFacts.of(before, text_vectors(items, tags))
    # In the precision of the stored run, so that a state rebuilt from it is the same to the last bit.
    facts = replace(facts, unit_NE=facts.unit_NE.astype(np.float16).astype(np.float32))
    population = population_of(people, tags, facts, config.seed)
    known = Dataset.from_frames(name, pl.concat([events, _pasts(population, items, events)]), items)
    users = known.user_map.to_dense([_resident(agent) for agent in range(len(people))])
    population = replace(population, user_A=users.astype(np.int64))
    return TownCatalogue(known, facts, population, Programme.of(town_map, facts, config.seed))


def stored_catalogue(run: Run, town_map: TownMap) -> TownCatalogue:
    """Catalogue of a run; without the interactions before it."""
    facts = stored_facts(run)
    facts = replace(facts, categories_NC=category_weights(facts.items))
    seed = parse_json(run.artifact(OFFERS), f"{run.path}: {OFFERS}", StoreError)["seed"]
    return TownCatalogue(None, facts, stored_population(run), Programme.of(town_map, facts, seed))


def _part(kind: str, config: TownConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Items and interactions of a kind, with ids of their own."""
    if config.dataset is not None and kind == config.dataset_kind:
        folder = Path(config.dataset)
        if not (folder / "items.parquet").is_file():
            raise DataError(
                f"{folder} holds no catalogue: name a data set folder (items.parquet, interactions.parquet)"
            )
        return _tables(kind, known_part(Dataset.load(folder, repeats="drop")), f"{folder.resolve().name} ")
    made = {"film": lambda: made_up_items(FILMS).dataset, "book": lambda: books.load_items(None).dataset, "dish": _menu}
    items, events = _tables(kind, made[kind](), "made-up ")
    return items, events.filter(pl.col("position") < _PAST[kind])


def _tables(kind: str, dataset: Dataset, users: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    past = dataset.interactions
    columns: dict[str, pl.Series | np.ndarray] = {
        "user_id": users + pl.Series(dataset.user_map.to_outside(past.user)).cast(pl.String),
        "item_id": f"{kind} " + pl.Series(dataset.item_map.to_outside(past.item)).cast(pl.String),
    }
    events = pl.DataFrame(columns).with_columns(pl.int_range(pl.len()).over("user_id").alias("position"))
    if past.rating is not None:
        events = events.with_columns(rating=pl.Series(on_scale(past.rating, STARS).astype(np.float32)))
    if past.timestamp is not None:
        events = events.with_columns(timestamp=pl.Series(past.timestamp))
    items = dataset.items.select(pl.col(name) for name in _COLUMNS if name in dataset.items.columns)
    items = items.with_columns(
        item_id=f"{kind} " + pl.col("item_id").cast(pl.String),
        kind=pl.lit(kind),
    )
    return items, events


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Interactions of all kinds, those of a user in turns; without times where a kind has none."""
    events = pl.concat(parts, how="diagonal_relaxed").sort("user_id", "position", maintain_order=True)
    events = events.with_columns(pl.int_range(pl.len()).over("user_id").alias("position"))
    if "rating" in events.columns:
        events = events.with_columns(pl.col("rating").fill_null(np.nan))
    return events.select(name for name in events.columns if not events[name].null_count())


def _menu() -> Dataset:
    n_dishes = len(DISHES)
    table = pl.DataFrame(
        {
            "item_id": np.arange(1, n_dishes + 1),
            "title": [dish.title for dish in DISHES],
            "categories": [", ".join(dish.tags) for dish in DISHES],
            "description": [dish.description for dish in DISHES],
        }
    )
    # Every dish is as good as the others before tastes; the made-up past then has its favourites by chance.
    tags = [dish.tags for dish in DISHES]
    return made_up_past("menu", table, tags, np.full(n_dishes, 3.7), np.full(n_dishes, 100), STARS)


def _resident(agent: int) -> str:
    return f"resident {agent}"


def _pasts(population: Population, items: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Interactions of the residents before the run, with the columns of `like`."""
    histories = population.histories
    agent_R = np.repeat(np.arange(len(histories)), histories.lengths)
    place_R = np.arange(len(agent_R)) - np.repeat(histories.offsets[:-1], histories.lengths)
    last = int(like["timestamp"].to_numpy().max()) if "timestamp" in like.columns else 0
    columns = {
        "user_id": [_resident(agent) for agent in agent_R.tolist()],
        "item_id": items["item_id"].gather(histories.values),
        "position": place_R,
        "rating": population.ratings,
        "timestamp": last - 86_400 * int(histories.lengths.max(initial=0)) + 86_400 * place_R,
    }
    return pl.DataFrame({name: columns[name] for name in like.columns}, schema=like.schema)
