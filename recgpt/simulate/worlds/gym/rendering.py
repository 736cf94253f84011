"""Rendering of episodes: text for people, and a CSV file with a line for each step.

print(step_text(inputs, steps))
"""

import csv
from pathlib import Path

import numpy as np

from recgpt.errors import StorageError
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.observations import person
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Steps
from recgpt.terminal import plain

_MOODS = {-1: "sad", 0: "neutral", 1: "glad"}
_AROUSALS = {0.0: "calm", 0.5: "awake", 1.0: "excited"}


def user_text(inputs: Inputs, user: int) -> str:
    """A user in a line or two."""
    facts = person(inputs.users, user)
    tastes = [f"{word}: {', '.join(facts[key])}" for word, key in (("likes", "liked"), ("dislikes", "disliked"))]
    lines = [f"User {user}: {facts['name']}, {facts['age']}", *(line for line in tastes if not line.endswith(": "))]
    return plain("; ".join(lines))


def step_text(inputs: Inputs, steps: Steps) -> str:
    """The step of the first episode in a few lines."""
    items, item = inputs.items, int(steps.item_E[0])
    shown = "takes nothing" if item < 0 else f"{items.titles[item]} ({', '.join(items.tags[item])})"
    first = f"Step {int(steps.step_E[0])} of {inputs.users.names[int(steps.user_E[0])]}: {shown}"
    lines = [] if item < 0 else _answer(inputs, steps)
    if steps.left_E[0]:
        lines += [f"the episode ends: {LEFT_TEXTS[int(steps.left_E[0])]}"]
    return "\n".join([plain(first), *(f"  {plain(line)}" for line in lines)])


def _answer(inputs: Inputs, steps: Steps) -> list[str]:
    """What the user recalled and gave."""
    recalled = [inputs.items.titles[place] for place in steps.recalled_items_Ek[0].tolist() if place >= 0]
    lines = [f"recalls {', '.join(recalled)}"] if recalled else []
    if steps.failed_E[0]:
        failure = steps.failures[0] if steps.failures else None
        return [*lines, f"no rating: {failure or 'the mind gave none'}"]
    mood = f"{_MOODS[int(steps.valence_E[0])]}, {_AROUSALS[float(steps.arousal_E[0])]}"
    rating, reward, ema = steps.rating_E[0], steps.reward_E[0], steps.ema_E[0]
    highest = inputs.domain.scale.highest
    lines += [f"rating {rating:g} of {highest:g} ({mood}), reward {reward:g}, satisfaction {ema:.2f}"]
    explanation = steps.explanations[0] if steps.explanations else None
    return [*lines, f"“{explanation}”"] if explanation else lines


class StepsFile:
    """CSV file to which the steps of an environment are appended as they happen.

    Columns: user_id, user_name, time (number of the step), the item's outside id (`movie_id`, `book_id`, or `item_id`),
    and rating. The published environment writes at `render`, which Stable-Baselines3 calls after the next reset: there,
    the last step of each episode is lost.
    """

    def __init__(self, path: str | Path, inputs: Inputs) -> None:
        self._path, self._inputs = Path(path), inputs
        item_id = {"movies": "movie_id", "books": "book_id"}.get(inputs.domain.name, "item_id")
        self._header = ("user_id", "user_name", "time", item_id, "rating")

    def append(self, steps: Steps) -> None:
        """Write the step of the first episode.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        user, item = int(steps.user_E[0]), int(steps.item_E[0])
        taken = self._inputs.items.ids[item] if item >= 0 else ""
        rating = "" if np.isnan(steps.rating_E[0]) else f"{steps.rating_E[0]:g}"
        line = (user, self._inputs.users.names[user], int(steps.step_E[0]), taken, rating)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([line] if file.tell() else [self._header, line])
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written ({error.strerror}): name another file") from error
