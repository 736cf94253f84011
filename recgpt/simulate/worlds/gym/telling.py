r"""Episodes as text: user, items shown and recalled, rating, emotion, satisfaction and reason of the end.

    teller = Teller(domain, items, users)
    print(*teller.user(3), sep="\n")
    print(*teller.step(steps), sep="\n")

Texts of catalogues and users are neutral (`recgpt.terminal.plain`), so that they act on no terminal.
"""

import math
from collections.abc import Iterator

import numpy as np

from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Left, Steps
from recgpt.simulate.worlds.gym.users import TRAITS, Users
from recgpt.tables import decimal
from recgpt.terminal import plain

LEVELS = {
    "activity": ("soon gives up", "has some patience", "patient"),
    "conformity": ("follows the average rating", "listens to it a little", "own opinion"),
    "diversity": ("one kind only", "few kinds", "seeks the unusual"),
}
"""Traits in words, levels 1 to 3."""
VALENCE = {1: "pleasant", 0: "neutral", -1: "unpleasant"}
AROUSAL = {1.0: "excited", 0.5: "", 0.0: "calm"}

CSV_COLUMNS = (
    *("user_id", "user_name", "user_session", "step", "movie_id", "action"),
    *("rating", "ema", "low_streak", "terminated"),
)
"""Columns of the published demos; `movie_id` is the catalogue's id of an item of any domain, `action` its row."""


class Teller:
    """Lines of text about episodes.

    Parameters
    ----------
    domain, items, users
        As of the environment.
    """

    def __init__(self, domain: Domain, items: Items, users: Users) -> None:
        self._domain, self._items, self._users = domain, items, users

    def user(self, user: int) -> list[str]:
        """Name, age, description, tastes and traits of a user."""
        users = self._users
        name, age = plain(users.names[user]), int(users.age_U[user])
        pronoun = "she" if users.gender_U[user] else "he"
        about = plain(users.descriptions[user], longest=600)
        lines = [f"{name} is {age} years old, {pronoun} is {about}" if about else f"{name} is {age} years old."]
        tastes = [
            f"{verb} {', '.join(map(plain, tags))}"
            for verb, tags in (("likes", users.liked[user]), ("dislikes", users.disliked[user]))
            if tags
        ]
        traits = [f"{name}: {LEVELS[name][int(getattr(users, f'{name}_U')[user]) - 1]}" for name in TRAITS]
        return [*lines, *(["; ".join(tastes)] if tastes else []), ", ".join(traits)]

    def item(self, item: int) -> str:
        """Title, tags and average rating of an item."""
        average = self._items.average_N[item]
        facts = [", ".join(map(plain, self._items.tags[item]))]
        facts += [] if math.isnan(average) else [f"average {average:.1f}"]
        return f"{self.title(item)}  [{'; '.join(filter(None, facts))}]"

    def title(self, item: int) -> str:
        """Title of an item."""
        return plain(self._items.titles[item])

    def step(self, steps: Steps, row: int = 0, rating_of: dict[int, float] | None = None) -> list[str]:
        """Item, recalled items, rating and end of one step of an episode.

        Parameters
        ----------
        row
            Row of the episode in `steps`.
        rating_of
            Ratings that the user remembers, by item, for the line of recalled items.
        """
        shown = f"{int(steps.step_E[row])}. {self.item(int(steps.item_E[row]))}"
        recalled = list(self._recalled(steps, row, rating_of or {}))
        return [
            shown,
            *([f"   recalls {'; '.join(recalled)}"] if recalled else []),
            f"   {self._answer(steps, row)}",
            *self._explanation(steps, row),
            *self._left(steps, row),
        ]

    def _recalled(self, steps: Steps, row: int, rating_of: dict[int, float]) -> Iterator[str]:
        pairs = zip(steps.recalled_items_Ek[row], steps.recalled_scores_Ek[row], strict=True)
        for item, score in pairs:
            if item >= 0:
                known = rating_of.get(int(item))
                facts = [] if known is None else [f"rated {known:g}"]
                facts += [] if np.isnan(score) else [f"score {decimal(float(score), 2)}"]
                yield self.title(int(item)) + (f" ({', '.join(facts)})" if facts else "")

    def _answer(self, steps: Steps, row: int) -> str:
        if steps.failed_E[row]:
            reason = steps.failures[row] if steps.failures is not None else None
            return f"no rating: {plain(reason or 'the mind failed')}"
        rating, said, reward = (float(column[row]) for column in (steps.rating_E, steps.llm_rating_E, steps.reward_E))
        facts = [f"rates {rating:g} of {self._domain.scale.highest:g}"]
        facts += [] if said == rating else [f"before the noise {said:g}"]
        facts += [] if reward == rating else [f"reward {reward:g}"]
        feeling = (VALENCE.get(int(steps.valence_E[row])), AROUSAL.get(float(steps.arousal_E[row])))
        facts += [text for text in feeling if text]
        if not np.isnan(steps.ema_E[row]):
            facts.append(f"satisfaction {decimal(float(steps.ema_E[row]), 2)}")
        if steps.p_leave_E[row] > 0:
            facts.append(f"leaves with probability {decimal(float(steps.p_leave_E[row]), 2)}")
        return ", ".join(facts)

    def _explanation(self, steps: Steps, row: int) -> list[str]:
        text = steps.explanations[row] if steps.explanations is not None else None
        return [f"   “{plain(text, longest=600)}”"] if text else []

    def _left(self, steps: Steps, row: int) -> list[str]:
        left = Left(int(steps.left_E[row]))
        if left == Left.NOT:
            return []
        leaves = "leaves" if steps.terminated_E[row] else "the episode ends"
        return [f"   {leaves}: {LEFT_TEXTS[left]}"]

    def csv_row(self, steps: Steps, row: int, session: int) -> dict[str, str]:
        """One line of the published demos' CSV file, by `CSV_COLUMNS`; the rating is empty where none came.

        Parameters
        ----------
        session
            Number of the user's episode, from 0.
        """
        user, item = int(steps.user_E[row]), int(steps.item_E[row])
        failed = bool(steps.failed_E[row])
        ema = float(steps.ema_E[row])
        values = (
            self._users.ids[user],
            self._users.names[user],
            session,
            int(steps.step_E[row]),
            self._items.ids[item],
            item,
            "" if failed else f"{steps.rating_E[row]:g}",
            "" if np.isnan(ema) else f"{ema:.6g}",
            int(steps.low_streak_E[row]),
            int(steps.terminated_E[row]),
        )
        return dict(zip(CSV_COLUMNS, map(str, values), strict=True))
