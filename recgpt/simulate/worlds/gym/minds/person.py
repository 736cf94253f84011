"""Mind of a person at the terminal, who rates whatever is shown to any user."""

import numpy as np
from rich.prompt import FloatPrompt
from rich.text import Text

from recgpt.console import SafeConsole
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.terminal import plain


class PersonMind:
    """Asks the person at the terminal for every rating.

    Parameters
    ----------
    domain
        Gives the scale.
    items
        Catalogue, for titles.
    console
        By default the terminal's.
    """

    name = "person"

    def __init__(self, domain: Domain, items: Items, console: SafeConsole | None = None) -> None:
        self._domain, self._items = domain, items
        self._console = console or SafeConsole()

    def rate(self, questions: Questions) -> Ratings:
        """Ratings of the person. See `Mind`.

        Raises
        ------
        SimulationError
            The input has ended.
        """
        return Ratings(np.array([self._rating(int(item)) for item in questions.item_E], dtype=np.float64))

    def estimate(self, n_questions: int) -> None:
        """No calls. See `Mind`."""

    def _rating(self, item: int) -> float:
        scale = self._domain.scale
        tags = ", ".join(self._items.tags[item])
        title = plain(" ".join(filter(None, (self._items.titles[item], f"({tags})" if tags else ""))))
        question = Text(f"{title}: your rating, {scale.lowest:g} to {scale.highest:g}")
        while True:
            try:
                rating = FloatPrompt.ask(question, console=self._console)
            except EOFError as error:
                raise SimulationError("the input ended before all ratings: the mind person needs a terminal") from error
            if rating in scale.values:
                return rating
            self._console.print(f"one of {', '.join(f'{value:g}' for value in scale.values)}, please")
