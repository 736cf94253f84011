"""Studies by name, their parts, and which ratings pass.

    rules = pass_rules(domain)
    rules["preference+"].passes(ratings_Q)     # films: 8 and more

Published thresholds for films (1 to 10) and books (1 to 5); other domains have those of films in proportion.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.tables import figure

SCORED = ("preference", "high", "low", "collection", "distribution")
"""Studies that make up the aggregate score."""
STUDIES = (*SCORED, "human")
PARTS = {"preference": ("+", "-"), "high": ("",), "low": ("",), "collection": ("+", "-")}
"""Parts of the studies that are scored by a share: `+` should be rated high, `-` low."""
_FILMS = {"preference+": 8.0, "preference-": 5.0, "high": 9.0, "low": 2.0, "collection+": 7.0, "collection-": 5.0}
_BOOKS = {"preference+": 5.0, "preference-": 3.0, "high": 5.0, "low": 3.0, "collection+": 4.0, "collection-": 3.0}
_PUBLISHED = {"movies": _FILMS, "books": _BOOKS}
_FILM_SCALE = Scale(1, 10)
_UPWARDS = ("preference+", "high", "collection+")


@dataclass(frozen=True)
class PassRule:
    """Ratings from `threshold` on pass, or up to it.

    Attributes
    ----------
    upwards
        Whether ratings from the threshold on pass.
    lowest, highest
        Ratings outside are none, and pass nowhere.
    """

    threshold: float
    upwards: bool
    lowest: float
    highest: float

    def passes(self, ratings_Q: np.ndarray) -> np.ndarray:
        """(Q,) bool; False for NaN, a failed reply."""
        ratings_Q = np.asarray(ratings_Q, dtype=np.float64)
        is_rating_Q = (ratings_Q >= self.lowest) & (ratings_Q <= self.highest)
        return is_rating_Q & (ratings_Q >= self.threshold if self.upwards else ratings_Q <= self.threshold)

    @property
    def text(self) -> str:
        """The ratings that pass, such as `8-10`."""
        ends = (self.threshold, self.highest) if self.upwards else (self.lowest, self.threshold)
        return "-".join(dict.fromkeys(figure(end) if end else "0" for end in ends))


def pass_rules(domain: Domain) -> dict[str, PassRule]:
    """Rules by study and part: `preference+`, `preference-`, `high`, `low`, `collection+`, `collection-`."""
    scale = domain.scale
    thresholds = _PUBLISHED.get(domain.name) or {name: _in_proportion(name, scale) for name in _FILMS}
    return {
        name: PassRule(threshold, name in _UPWARDS, scale.lowest, scale.highest)
        for name, threshold in thresholds.items()
    }


def _in_proportion(name: str, scale: Scale) -> float:
    values = scale.values
    wanted = scale.lowest + float(_FILM_SCALE.unit(np.array(_FILMS[name]))) * (scale.highest - scale.lowest)
    if name in _UPWARDS:
        return float(values[values >= wanted - 1e-9].min())
    return float(values[values <= wanted + 1e-9].max())


def check_studies(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of studies in their order, each once; `all` stands for the scored ones.

    Raises
    ------
    SimulationError
        A study does not exist, or none is named.
    """
    for name in names:
        if name not in (*STUDIES, "all"):
            raise SimulationError(f"no study {name!r}: choose among {', '.join(STUDIES)}, or all for the first five")
    wanted = {*names, *(SCORED if "all" in names else ())}
    if not wanted:
        raise SimulationError(f"no study is named: choose among {', '.join(STUDIES)}, or all for the first five")
    return tuple(name for name in STUDIES if name in wanted)
