"""Parts of every experiment: settings, agents and recommenders (`Lab`), statistics with intervals.

An experiment is one file with an `EXPERIMENT`, and one line in `recgpt.simulate.experiments`:

    lab = Lab.of("data/demo", agents=200, seed=0)
    played = lab.play(FeedRules(), lab.fitted("item_knn"), lab.mind())
    mean_of(played.per_agent["p_view"])            # with its 95 % interval over agents

Feeds run in memory: the seed repeats them, so there is nothing to keep but the result.

Shapes: A agents, K places of a ranked list, N items.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl
from pydantic import Field, ValidationError
from rich.table import Table
from rich.text import Text

from recgpt.config import MAX_SEED, Config, config_error
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.evaluate.metrics import per_case_of_sets
from recgpt.evaluate.significance import bootstrap_ci, paired_bootstrap
from recgpt.models import load_model
from recgpt.progress import Meter
from recgpt.recommenders import check_names
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.memory import PRESETS, Memory
from recgpt.simulate.agents.population import Population
from recgpt.simulate.experiments.result import Estimate, Result
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.failures import MAX_FAILED, MaxFailed
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.inputs import load_setting
from recgpt.simulate.worlds.feed.measures import Tally
from recgpt.simulate.worlds.feed.memory import MEMORY_CAPACITY
from recgpt.simulate.worlds.feed.minds.base import Mind, Pages
from recgpt.simulate.worlds.feed.minds.llm import LLMMind
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.feed.world import Feed, FeedRules, Setting

RESAMPLES = 2000
K = 10  # of the offline metrics


class BasicSettings(Config):
    """Settings of all experiments."""

    agents: int = Field(default=500, ge=2, description="users of the data set who take part")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="decides every draw")


class Settings(BasicSettings):
    """Settings of experiments with agents of a feed."""

    model: str | None = Field(default=None, description="folder of a foundation model, instead of the one shipped")


class FeedSettings(Settings):
    """Settings of experiments in which agents browse a feed."""

    pages: int = Field(default=5, ge=1, description="at most, of one agent")
    page_size: int = Field(default=4, ge=1)

    def rules(self, **more: Any) -> FeedRules:
        """Rules of a feed with these settings."""
        return FeedRules(pages=self.pages, page_size=self.page_size, seed=self.seed, **more)


class LLMSettings(Settings):
    """Settings of experiments that can also use a language model, if `base_url` is given."""

    base_url: str | None = Field(default=None, description="OpenAI-compatible server; without it no model is asked")
    llm_model: str = Field(default="gpt-4o-mini", description="name of the language model on its server")
    key_env: str = Field(default="OPENAI_API_KEY", description="environment variable with the key; empty for none")
    max_calls: int = Field(default=2000, ge=0, description="to the language model, in all")
    max_tokens: int = Field(default=2048, ge=1, description="of one reply")
    max_failed: MaxFailed = MAX_FAILED

    def llm_minds(self) -> Callable[[Population, ItemFacts], Mind] | None:
        """Function that makes language-model minds, all within one cap; None without `base_url`.

        Raises
        ------
        LLMError
            The key is missing.
        """
        if self.base_url is None:
            return None
        client = LLMClient(
            [Server(self.base_url, self.key_env or None)],
            self.llm_model,
            caps=Caps(calls=self.max_calls),
            max_tokens=self.max_tokens,
            seed=self.seed,
            max_failed=self.max_failed,
        )
        return lambda population, facts: LLMMind(client, population, facts, uses_memory=False)


S = TypeVar("S", bound=BasicSettings)


def feed_lab(dataset: str, settings: Settings) -> "Lab":
    """Lab of a feed with these settings."""
    return Lab.of(dataset, agents=settings.agents, seed=settings.seed, model=settings.model)


@dataclass(frozen=True)
class Experiment(Generic[S]):
    """One experiment: its name on the command line, its question, its settings, and the functions that run it.

    Attributes
    ----------
    run
        From a lab and settings to the result.
    lab
        From the path of a data set and settings to what `run` needs: `Lab` of a feed, or another.
    needs_dataset
        Whether it needs a data set; without one the lab gets an empty path.
    """

    name: str
    question: str
    settings: type[S]
    run: Callable[[Any, S], Result]
    lab: Callable[[str, Any], Any] = feed_lab
    needs_dataset: bool = True

    def settings_of(self, options: Mapping[str, Any]) -> S:
        """Validated settings.

        Raises
        ------
        ConfigError
            Unknown setting, or a value out of its range; the message lists the settings.
        """
        try:
            return self.settings.model_validate(options)
        except ValidationError as error:
            raise config_error(self.settings, error, {(): self.name}) from error

    def settings_table(self) -> Table:
        """Settings with defaults and descriptions, for the terminal."""
        table = Table("setting", "default", "", box=None, title=Text(f"{self.name}: {self.question}"))
        for name, field in self.settings.model_fields.items():
            default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
            table.add_row(Text(name), Text(default), Text(field.description or ""))
        return table


@dataclass(frozen=True)
class Played:
    """A finished feed.

    Attributes
    ----------
    feed
        The feed in its last state.
    steps
        Its events, one frame a page.
    """

    feed: Feed
    steps: list[pl.DataFrame]

    @cached_property
    def per_agent(self) -> dict[str, np.ndarray]:
        """(A,) of each measure of `recgpt.simulate.worlds.feed.measures`."""
        rules, setting = self.feed.rules, self.feed.setting
        tally = Tally(len(setting.population), len(setting.facts))
        for rows in self.steps:
            tally.add(rows, setting.facts)
        return tally.per_agent(rules.pages * rules.page_size)

    def of_kind(self, kind: str) -> pl.DataFrame:
        """All events of one kind."""
        return pl.concat([rows.filter(pl.col("kind") == kind) for rows in self.steps])


@dataclass(frozen=True)
class Lab:
    """Agents, catalogue and recommenders of one experiment.

    Attributes
    ----------
    setting
        Catalogue, agents, and their held-out items.
    make
        Function from a name to a recommender that is not fitted.
    parameters
        Parameters of scripted minds.
    seed
        Default seed of minds.
    """

    setting: Setting
    make: Callable[[str], Recommender]
    parameters: Parameters
    seed: int

    @classmethod
    def of(cls, dataset: str | Path, *, agents: int, seed: int, model: str | None = None) -> "Lab":
        """Read a data set and make agents of its users.

        Raises
        ------
        SimulationError
            More agents than users. Agents of one user are no independent cases, and intervals would be too narrow.
        DataError
            The data set cannot be read.
        """
        setting = load_setting(FeedConfig(dataset=str(dataset), agents=agents, seed=seed, model=model))
        n_users = len(np.unique(setting.population.user_A))
        if n_users < len(setting.population):
            raise SimulationError(
                f"agents={agents}: {setting.known.name} has users for {n_users} of them: use fewer agents"
            )
        loaded = load_model(model)
        embeddings_NE = model_embeddings(setting.known, loaded)

        def make(name: str) -> Recommender:
            check_names([name])
            return recommenders_for([name], embeddings_NE=embeddings_NE, model=loaded, seed=seed)[0]

        return cls(setting, make, Parameters.load(), seed)

    def fitted(self, name: str) -> Recommender:
        """A new recommender, fitted on the known part."""
        return self.make(name).fit(self.setting.known)

    def mind(
        self,
        *,
        population: Population | None = None,
        facts: ItemFacts | None = None,
        parameters: Parameters | None = None,
        uses_memory: bool = True,
        seed: int | None = None,
    ) -> ScriptedMind:
        """A scripted mind, by default of these agents."""
        return ScriptedMind(
            population or self.setting.population,
            facts or self.setting.facts,
            seed=self.seed if seed is None else seed,
            parameters=parameters or self.parameters,
            uses_memory=uses_memory,
        )

    def play(
        self, rules: FeedRules, recommender: Recommender, mind: Mind, *, setting: Setting | None = None, name: str = ""
    ) -> Played:
        """Run a feed from first to last page. The recommender observes its events, so give each feed its own."""
        feed = Feed(rules, setting or self.setting, recommender, mind)
        steps = []
        with Meter(f"pages, {name or recommender.name}", rules.pages) as meter:
            while not feed.over:
                rows = feed.play()
                feed.apply(rows)
                steps.append(rows)
                meter.update()
        return Played(feed, steps)

    def no_memory(self) -> Memory:
        """An empty memory of all agents."""
        width = self.setting.facts.unit_NE.shape[1]
        return Memory(len(self.setting.population), MEMORY_CAPACITY, PRESETS["recgpt"], width=width, seed=self.seed)

    def about(self) -> dict[str, Any]:
        """Description of data set and agents, for a result."""
        known = self.setting.known
        return {
            "dataset": known.name,
            "items_sha256": known.items_sha256,
            "interactions_sha256": known.interactions_sha256,
            "users": known.n_users,
            "agents": len(self.setting.population),
            "users_of_agents": len(np.unique(self.setting.population.user_A)),
            "items": known.n_items,
            "people": self.setting.population.made_from,
        }


def first_pages(agent_A: np.ndarray, items_AS: np.ndarray) -> Pages:
    """First pages of agents, without advertisements."""
    none = np.zeros(len(agent_A), dtype=np.int64)
    return Pages(1, agent_A, items_AS, np.zeros(items_AS.shape, dtype=bool), None, none, none, none, none, none, none)


def mean_of(values_A: np.ndarray) -> Estimate | None:
    """The mean over agents and its 95 % bootstrap interval; NaN values are ignored. None without any value."""
    known = values_A[np.isfinite(values_A)].astype(np.float64)
    if not len(known):
        return None
    low, high = bootstrap_ci(known, np.arange(len(known)), resamples=RESAMPLES)
    return Estimate(float(known.mean()), low, high)


def difference(values_A: np.ndarray, base_A: np.ndarray) -> Estimate | None:
    """Mean difference over agents who have both values, with its paired 95 % bootstrap interval."""
    both = np.isfinite(values_A) & np.isfinite(base_A)
    if not both.any():
        return None
    found = paired_bootstrap(
        values_A[both].astype(np.float64),
        base_A[both].astype(np.float64),
        np.arange(int(both.sum())),
        resamples=RESAMPLES,
    )
    return Estimate(found.difference, found.low, found.high)


def bootstrap(statistic: Callable[[np.ndarray], float], n_agents: int, *, seed: int = 0) -> Estimate | None:
    """A statistic of agents, with its 95 % percentile bootstrap interval.

    Parameters
    ----------
    statistic
        Function of the positions of agents, possibly repeated; NaN where it is undefined. Resamples in which it is
        undefined are left out.
    """
    whole = statistic(np.arange(n_agents))
    if not np.isfinite(whole):
        return None
    rng = np.random.default_rng(seed)
    drawn_R = np.array([statistic(rng.integers(n_agents, size=n_agents)) for _ in range(RESAMPLES)])
    low, high = np.quantile(drawn_R[np.isfinite(drawn_R)], [0.025, 0.975])
    return Estimate(float(whole), float(low), float(high))


def held_out_metrics(ids_AK: np.ndarray, targets: Ragged) -> dict[str, np.ndarray]:
    """(A,) Hit@10 and NDCG@10 with all of an agent's targets relevant; NaN for an agent without any."""
    found = per_case_of_sets(ids_AK, targets, (K,))
    has_A = targets.lengths > 0
    return {name: np.where(has_A, found[name], np.nan) for name in (f"hit@{K}", f"ndcg@{K}")}
