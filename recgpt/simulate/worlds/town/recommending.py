"""The recommender of a town: it observes and ranks once a day, at the barrier, for all residents.

    recommender = TownRecommender(fitted(config, catalogue), catalogue, rules)
    recommender.collect(rows)                          # the events of each block
    recommender.observe(seconds=state.tick * 10)       # before a barrier
    events = recommender.offers(tick, day)             # pages: `offered` events

A recommender updated at every view would make each resident depend on all others; at a barrier it observes the
adoptions since the last one, in the order of time and residents. A page has the best films, books and dishes in
turn, of those on offer in town today.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from recgpt.errors import DataError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import Model, load_model
from recgpt.recommenders import REGISTRY, check_names, registered_name
from recgpt.recommenders.base import Recommender
from recgpt.simulate.worlds.online import LiveRecommender
from recgpt.simulate.worlds.town.catalogue import TownCatalogue
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, TownRules
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.programme import KINDS

_OBSERVED = ("adopted", "rated")
_SECONDS_PER_MINUTE = 60


class TownRecommender:
    """A fitted recommender among the residents of a town.

    Parameters
    ----------
    recommender
        Fitted on `catalogue.known`.
    """

    def __init__(self, recommender: Recommender, catalogue: TownCatalogue, rules: TownRules) -> None:
        if catalogue.known is None:
            raise ValueError("the catalogue of a stored run has no interactions to recommend from")
        self._live = LiveRecommender(recommender, catalogue.known, catalogue.population, kind="adopted")
        self._catalogue = catalogue
        self._rules = rules
        self._histories = [history.tolist() for history in catalogue.population.histories]
        self._pending: list[pl.DataFrame] = []

    def collect(self, rows: pl.DataFrame) -> None:
        """Keep the adoptions and ratings of a block for the next barrier."""
        kept = rows.filter(pl.col("kind").is_in(_OBSERVED))
        if len(kept):
            self._pending.append(kept)

    def observe(self, *, seconds: int) -> None:
        """Let the recommender observe the events collected since the last barrier.

        Parameters
        ----------
        seconds
            Simulated seconds since the start of the run.
        """
        if not self._pending:
            return
        rows = pl.concat(self._pending).sort("time", "agent", "seq")
        self._pending.clear()
        self._live.observe(rows, seconds=seconds)
        for agent, item in rows.filter(pl.col("kind") == "adopted").select("agent", "item").iter_rows():
            self._histories[agent].append(item)

    def offers(self, tick: int, day: int) -> list[Event]:
        """Pages of all residents: `offered` events, best first for each resident."""
        return [
            Event(tick, agent, "offered", item=item, slot=slot)
            for agent, page in enumerate(self._pages(day))
            for slot, item in enumerate(page)
        ]

    def _pages(self, day: int) -> list[list[int]]:
        size = self._rules.page_size
        in_town = self._catalogue.programme.in_town(day)
        ranked = [self._ranked(in_town[kind], size, again=kind == "dish") for kind in KINDS if len(in_town[kind])]
        return [_in_turn([lists[agent] for lists in ranked], size) for agent in range(len(self._histories))]

    def _ranked(self, candidates: np.ndarray, size: int, *, again: bool) -> list[list[int]]:
        """For each resident the best candidates, items of its history among them only where they are taken again."""
        ids_AK = self._live.recommender.rank(
            self._histories,
            min(size, len(candidates)),
            exclude="nothing" if again else "history",
            candidates=candidates,
        ).ids
        return [[item for item in row if item >= 0] for row in ids_AK.tolist()]


def is_barrier(rules: TownRules, block: int) -> bool:
    """Whether the recommender ranks at the start of a block (from 1): the first one, and that of `observes_at`."""
    start = rules.start_time.hour * 60 + rules.start_time.minute
    minutes = BLOCK_SECONDS // _SECONDS_PER_MINUTE
    minute = (start + (block - 1) * minutes) % 1440
    wanted = rules.observes_at.hour * 60 + rules.observes_at.minute
    return block == 1 or minute <= wanted < minute + minutes


def fitted(name: str, catalogue: TownCatalogue, *, model: str | None = None, seed: int = 0) -> Recommender:
    """The recommender of that registered name, fitted on the past of the catalogue.

    Parameters
    ----------
    model
        Model folder, for recommenders that use one; None: the shipped foundation model.

    Raises
    ------
    DataError
        No recommender has this name, or it needs a model of the other kind.
    """
    check_names([name])
    known = catalogue.known
    if known is None:
        raise ValueError("the catalogue of a stored run has no interactions to fit on")
    loaded = model_of(name, model)
    embeddings_NE = catalogue.facts.unit_NE if loaded is None else model_embeddings(known, loaded)
    return recommenders_for([name], embeddings_NE=embeddings_NE, model=loaded, seed=seed)[0].fit(known)


def model_of(name: str, folder: str | None) -> Model | None:
    """Model of a recommender that uses one, read from a folder; the shipped one for None.

    Raises
    ------
    DataError
        The model is of another kind than the recommender needs.
    """
    kind = REGISTRY[registered_name(name)].model_kind
    if kind is None:
        return None
    model = load_model(folder)
    if model.kind != kind:
        raise DataError(f"{folder}: the recommender {name} needs a {kind} model, not a {model.kind} one")
    return model


def _in_turn(lists: Sequence[Sequence[int]], size: int) -> list[int]:
    """The first items of the lists, then the second ones, and so on."""
    longest = max((len(each) for each in lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)][:size]
