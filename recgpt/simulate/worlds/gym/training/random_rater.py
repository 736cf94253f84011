"""Control mind: uniform random ratings, without a language model.

RandomRater(domain).rate(questions)      # keyed by episode, step and item
"""

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.draws import uniform
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings


class RandomRater:
    """Users whose ratings say nothing: no policy is better than another.

    Parameters
    ----------
    domain
        Its scale is rated on.
    """

    name = "random"

    def __init__(self, domain: Domain) -> None:
        self._values = domain.scale.values

    def rate(self, questions: Questions) -> Ratings:
        """Uniform ratings."""
        key_E = questions.key_E + questions.item_E.astype(np.uint64)
        place_E = (uniform(key_E, questions.step_E, "random rating") * len(self._values)).astype(np.int64)
        return Ratings(self._values[place_E])

    def estimate(self, n_questions: int) -> CostEstimate | None:
        """None: no calls."""
        return None
