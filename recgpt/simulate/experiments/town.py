"""Recommenders and word of mouth in town: adoptions, and the source of each.

    recgpt experiment town --set towns=10 --set keep=runs/experiments/town

Park et al. 2023 have a town without a recommender; here it has one, or none, and talks pass on items, or not. Residents
of a town influence each other, so the unit is the town: every figure is one number a town, intervals are over towns,
and arms are compared in pairs of the same town, whose map, residents, pasts, programme and random numbers are the same.

Shapes: W towns.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.bounds import parse_json
from recgpt.files import write_text
from recgpt.progress import Meter
from recgpt.recommenders import check_names
from recgpt.simulate.experiments.base import BasicSettings, Experiment, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.town.item_measures import ItemTally
from recgpt.simulate.worlds.town.minds import make_mind
from recgpt.simulate.worlds.town.recommending import TownRecommender, fitted
from recgpt.simulate.worlds.town.spread import Spread
from recgpt.simulate.worlds.town.world import Town
from recgpt.version import __version__

NONE = "none"
FIGURES = {
    "taken": "films and books adopted, a resident",
    "dishes": "different dishes eaten, a resident",
    "wished": "wishes, a resident",
    "of friends": "wishes after a friend's recommendation, a resident",
    "page": "share of first adoptions, dishes included, whose first source is the page",
    "friend": "share whose first source is a friend",
    "search": "share whose first source is an own search",
    "passing by": "share first met at the venue or in its window",
    "mentions": "recommendations in talks, a resident",
    "cascades": "cascades of two adopters and more, a resident",
    "size": "mean adopters of a cascade",
    "depth": "mean depth of a cascade",
    "turned away": "share of visitors that found no seat, copy or portion",
    "stars": "mean stars given",
    "drift": "1 less the cosine of a resident's past and of past and run together",
    "likeness": "mean cosine of the adoptions of two friends",
    "gini": "Gini index of exposure on pages, over the items on offer",
    "coverage": "share of the items on offer that were on a page",
    "acquainted": "density of mutual acquaintance at the end",
}
"""Figures of a town, and their meaning."""
MAIN = ("taken", "wished", "of friends", "page", "friend", "cascades", "stars", "drift", "coverage")
"""Figures of the table; all of them stand in the details."""
_COMPARED = ("taken", "stars")
_DRAWN = ("taken", "wished", "page", "friend", "stars", "coverage")
_KEY = 16
ANOTHER = "two arms differ where the interval of the paired difference leaves 0 out"


class TownSettings(BasicSettings):
    """Settings of the experiment."""

    agents: int = Field(default=12, ge=2, description="residents of a town")
    towns: int = Field(default=10, ge=2, description="towns of each arm, of successive seeds")
    days: int = Field(default=3, ge=1, description="simulated days of a town")
    town: str = Field(default="default", description="as in the configuration of a town: default, procedural, a plan")
    recommenders: tuple[str, ...] = Field(
        default=(NONE, "random", "popularity", "item_knn", "recgpt"), description="registered names, and none"
    )
    model: str | None = Field(default=None, description="folder of a foundation model, instead of the one shipped")
    keep: str | None = Field(
        default=None, description="folder for finished towns; the same command goes on where it was stopped"
    )


Figures = dict[str, float | None]


@dataclass(frozen=True)
class TownLab:
    """Towns of successive seeds.

    Attributes
    ----------
    dataset
        Data set folder; empty for the made-up catalogue.
    """

    dataset: str
    settings: TownSettings

    @cached_property
    def seeds(self) -> range:
        """Seeds of the towns of an arm."""
        return range(self.settings.seed, self.settings.seed + self.settings.towns)

    def config(self, seed: int, **rules: Any) -> TownConfig:
        """Configuration of a town."""
        settings = self.settings
        return TownConfig(
            town=settings.town,
            people=settings.agents,
            hours=24 * settings.days,
            dataset=self.dataset or None,
            seed=seed,
            **rules,
        )

    def figures(self, inputs: Inputs, recommender: str, *, word_of_mouth: bool) -> Figures:
        """Figures of one town, read from the folder of finished towns if it is there."""
        config = self.config(inputs.config.seed, word_of_mouth=word_of_mouth)
        path = self._kept(inputs, recommender, config)
        if path is not None and path.is_file():
            found: Figures = parse_json(path.read_text(encoding="utf-8"), str(path))
            return found
        found = self._played(inputs, recommender, config)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(found))
        return found

    def _played(self, inputs: Inputs, recommender: str, config: TownConfig) -> Figures:
        setting, rules, catalogue = inputs.setting, config.rules(), inputs.setting.catalogue
        if catalogue is None:
            raise ValueError("a town without items has nothing to recommend")
        live = None
        if recommender != NONE:
            made = fitted(recommender, catalogue, model=self.settings.model, seed=config.seed)
            live = TownRecommender(made, catalogue, rules)
        mind = make_mind(config, setting, rules, seed=config.seed, run=None)
        world = Town(rules, setting, mind, recommender=live, seed=config.seed)
        tally, spread = ItemTally(setting, rules), Spread(setting.people)
        while not world.over:
            rows = world.play()
            world.apply(rows)
            tally.add(rows)
            spread.add(rows)
        return _figures(tally.measures(), spread.density, len(setting.people))

    def _kept(self, inputs: Inputs, recommender: str, config: TownConfig) -> Path | None:
        """File of a finished town: of the same configuration, inputs, model and version."""
        if self.settings.keep is None:
            return None
        about = [config.model_dump(mode="json"), inputs.fingerprint, recommender, self.settings.model, __version__]
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:_KEY]
        return Path(self.settings.keep) / f"{recommender}-{config.seed}-{key}.json"

    def about(self, inputs: Inputs) -> dict[str, Any]:
        """Description of catalogue and residents, for a result."""
        catalogue = inputs.setting.catalogue
        if catalogue is None or catalogue.known is None:
            raise ValueError("these inputs have no past")
        return {
            "dataset": catalogue.known.name,
            "items": len(catalogue),
            "residents": len(inputs.setting.people),
            "people": catalogue.population.made_from,
            "town": inputs.setting.map.name,
        }


def run(lab: TownLab, settings: TownSettings) -> Result:
    """See the module."""
    check_names([name for name in settings.recommenders if name != NONE])
    arms = [(name, talks) for name in settings.recommenders for talks in (True, False)]
    found: dict[tuple[str, bool], list[Figures]] = {arm: [] for arm in arms}
    about: dict[str, Any] = {}
    with Meter("towns", len(arms) * settings.towns) as meter:
        for seed in lab.seeds:
            inputs = load_inputs(lab.config(seed))
            about = about or lab.about(inputs)
            for name, talks in arms:
                found[name, talks].append(lab.figures(inputs, name, word_of_mouth=talks))
                meter.update()
    values = {arm: {figure: _column(towns, figure) for figure in FIGURES} for arm, towns in found.items()}
    rows = [_row(arm, values) for arm in arms]
    means = {_name(*arm): {figure: mean_of(each) for figure, each in values[arm].items()} for arm in arms}
    effects = [_effect(name, values) for name in settings.recommenders]
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        _design(settings),
        settings.model_dump(exclude={"keep"}),
        about,
        rows,
        _findings(rows, effects),
        LIMITS,
        lambda figure: _draw(figure, rows),
        {"means": means, "word_of_mouth": effects, "towns": {_name(*arm): towns for arm, towns in found.items()}},
        brackets=f"95 % bootstrap intervals over {settings.towns} towns, of differences in pairs of the same town",
    )


LIMITS = (
    "Residents are scripted: the figures follow from rules and are no figures of people.",
    "Differences are of towns with the same seed, but once one resident does another thing, the days of all part ways:"
    " pairs share map, residents, pasts and programme, not their luck.",
    "Tastes, pasts and stars follow the same fitted models, so that a recommender that reads the past has an easier"
    " time than among people.",
)


def _design(settings: TownSettings) -> str:
    words = "; ".join(f"{name}: {FIGURES[name]}" for name in MAIN)
    return (
        f"{settings.towns} towns of {settings.agents} residents and {settings.days} days an arm; the recommender"
        f" observes and ranks once a day. {words}. Against none: paired difference from the same towns without a"
        f" recommender and with the same word of mouth; {ANOTHER}."
    )


def _figures(measures: Mapping[str, Any], density: float, n_residents: int) -> Figures:
    """Figures of a town, see `FIGURES`."""
    kinds, cascades = measures["by_kind"], measures["cascades"]
    shares, wishes = measures["first_source"], measures["wishes"]
    return {
        "taken": (kinds["film"] + kinds["book"]) / n_residents,
        "dishes": kinds["dish"] / n_residents,
        "wished": sum(wishes.values()) / n_residents,
        "of friends": wishes["friend"] / n_residents,
        "page": shares["page"],
        "friend": shares["friend"],
        "search": shares["search"],
        "passing by": shares["passing_by"],
        "mentions": measures["mentions"] / n_residents,
        "cascades": cascades["trees"] / n_residents,
        "size": cascades["size"],
        "depth": cascades["depth"],
        "turned away": measures["turned_away"],
        "stars": measures["stars"],
        "drift": measures["drift"],
        "likeness": measures["likeness"]["friends"],
        "gini": measures["exposure"]["gini"],
        "coverage": measures["exposure"]["coverage"],
        "acquainted": density,
    }


def _column(towns: Sequence[Figures], figure: str) -> np.ndarray:
    """(W,) float64, NaN where a town has no value."""
    return np.array([np.nan if each[figure] is None else each[figure] for each in towns], dtype=np.float64)


Values = dict[tuple[str, bool], dict[str, np.ndarray]]


def _row(arm: tuple[str, bool], values: Values) -> Row:
    name, talks = arm
    base = values.get((NONE, talks))
    against: Row = {
        f"{figure} against none": None
        if base is None or name == NONE
        else difference(values[arm][figure], base[figure])
        for figure in _COMPARED
    }
    return {
        "recommender": name,
        "word of mouth": "on" if talks else "off",
        **{figure: mean_of(values[arm][figure]) for figure in MAIN},
        **against,
    }


def _effect(name: str, values: Values) -> dict[str, Any]:
    """Paired differences of word of mouth on and off."""
    on, off = values[name, True], values[name, False]
    return {"recommender": name, **{figure: difference(on[figure], off[figure]) for figure in FIGURES}}


def _findings(rows: Sequence[Row], effects: Sequence[Mapping[str, Any]]) -> list[str]:
    words = {1: "more", 0: "not surely more or fewer", -1: "fewer"}
    better = {1: "higher", 0: "not surely higher or lower", -1: "lower"}
    found = []
    for row in rows:
        taken, stars = row["taken against none"], row["stars against none"]
        name = f"{row['recommender']}, word of mouth {row['word of mouth']}"
        if isinstance(taken, Estimate):
            found.append(f"{name}: {words[taken.sign]} films and books than without a recommender ({taken}).")
        if isinstance(stars, Estimate):
            found.append(f"{name}: stars {better[stars.sign]} than without a recommender ({stars}).")
    for effect in effects:
        taken = effect["taken"]
        if isinstance(taken, Estimate):
            found.append(f"{effect['recommender']}: with word of mouth {words[taken.sign]} films and books ({taken}).")
    return found


def _name(recommender: str, talks: bool) -> str:
    return f"{recommender}, {'on' if talks else 'off'}"


def _draw(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(11, 6)
    names = [f"{row['recommender']}, {row['word of mouth']}" for row in rows]
    for axes, drawn in zip(figure.subplots(2, 3, sharey=True).flat, _DRAWN, strict=True):
        estimates = [each if isinstance(each := row[drawn], Estimate) else None for row in rows]
        draw_estimates(axes, names, estimates, label=FIGURES[drawn])


def town_lab(dataset: str, settings: TownSettings) -> TownLab:
    """Lab of towns with these settings."""
    return TownLab(dataset, settings)


EXPERIMENT = Experiment(
    "town",
    "What do a recommender and word of mouth do to a town?",
    TownSettings,
    run,
    town_lab,
    needs_dataset=False,
)
