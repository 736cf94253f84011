"""Sequential environment in the way of SUBER and EmoSim-RL, with a rater that takes no time, to measure against.

    env = DummyVecEnv([lambda: Dense(Sequential(inputs), inputs)])

One user at a time: memory in dictionaries, retrieval and texts of the question by loops, the published dictionary as
the observation, then the dense int64 ratings of all items that Stable-Baselines3 gets. It follows the description of
the published environment (order of a step, observation, wrapper), not its code, and has none of its slow defects.
"""

import html
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.observations import PublishedObserver
from recgpt.simulate.worlds.gym.users import TRAITS

RATING = 6


class Sequential(gymnasium.Env[dict[str, Any], int]):
    """Environment of one user, with the retrieval last_3 and the shaping exp_decay_time."""

    def __init__(self, inputs: Inputs, seed: int = 0, max_steps: int = 200) -> None:
        self.inputs, self.max_steps = inputs, max_steps
        self.action_space: spaces.Space[Any] = spaces.Discrete(len(inputs.items))
        self.observation_space = PublishedObserver(inputs).space
        self.generator = np.random.default_rng(seed)
        self.user = 0
        self.log: list[tuple[int, int]] = []
        self.times_of: dict[int, list[int]] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Forget everything and draw a user."""
        super().reset(seed=seed)
        self.user = int(self.np_random.integers(0, len(self.inputs.users)))
        self.log, self.times_of = [], {}
        return self.observation(), {}

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Retrieve, ask, remember, observe, shape."""
        item = int(action)
        latest: dict[int, tuple[int, int]] = {}
        for time, (other, rating) in enumerate(self.log, 1):
            latest[other] = (time, rating)
        recalled = sorted(latest, key=lambda other: -latest[other][0])[:3]
        question = self.question(item, [(other, latest[other][1]) for other in recalled])
        rating = RATING
        self.log.append((item, rating))
        self.times_of.setdefault(item, []).append(len(self.log))
        reward = self.shaped(item, rating)
        info = {"LLM_explanation": "", "LLM_rating": rating, "LLM_interaction_HTML": f"<p>{html.escape(question)}</p>"}
        return self.observation(), reward, False, len(self.log) >= self.max_steps, info

    def question(self, item: int, recalled: list[tuple[int, int]]) -> str:
        """Text of the question to a language model."""
        users, items, user = self.inputs.users, self.inputs.items, self.user
        name = users.names[user].split()[0] if users.names[user] else "The user"
        lines = [
            f"{name} is {users.age_U[user]} years old and {users.descriptions[user]}.",
            f"{name} likes {', '.join(users.liked[user])} and dislikes {', '.join(users.disliked[user])}.",
            f"Title: {items.titles[item]}. Overview: {items.descriptions[item]}",
            f"Genres: {', '.join(items.tags[item])}. Actors: {', '.join(items.people[item])}.",
            f"Average vote: {items.average_N[item]:.1f} of 10.",
            *(f"{name} has seen {items.titles[other]} and gave it {rating}." for other, rating in recalled),
            f"How does {name} rate {items.titles[item]} from 1 to 10?",
        ]
        return "\n".join(lines)

    def shaped(self, item: int, rating: int) -> float:
        """exp_decay_time."""
        times = self.times_of[item]
        if len(times) == 1:
            return float(rating)
        kept = 0.1 ** (len(times) / (times[-1] - times[-2]))
        return float(min(max(np.floor(rating * kept), 1), 10))

    def observation(self) -> dict[str, Any]:
        """The published dictionary."""
        users, user = self.inputs.users, self.user
        return {
            "user_id": user,
            "user_name": users.names[user],
            "user_gender": int(users.gender_U[user]),
            "user_age": np.array([users.age_U[user]], dtype=np.int32),
            "user_description": users.descriptions[user],
            **{f"user_{name}_level": int(getattr(users, f"{name}_U")[user]) for name in TRAITS},
            "items_interact": tuple(np.array(pair, dtype=np.float32) for pair in self.log),
        }


class Dense(gymnasium.ObservationWrapper[dict[str, Any], int, dict[str, Any]]):
    """Wrapper for Stable-Baselines3: the latest rating of each item, 0 for unseen ones, in int64."""

    def __init__(self, env: gymnasium.Env[dict[str, Any], int], inputs: Inputs) -> None:
        super().__init__(env)
        self.n_items = len(inputs.items)
        self.observation_space = spaces.Dict(
            {
                "user_id": spaces.Box(0, len(inputs.users), (1,), np.int64),
                "items_interact": spaces.Box(0, 10, (self.n_items,), np.int64),
            }
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The dense observation."""
        ratings_N = np.zeros(self.n_items, dtype=np.int64)
        for item, rating in observation["items_interact"]:
            ratings_N[int(item)] = int(rating)
        return {"user_id": np.array([observation["user_id"]]), "items_interact": ratings_N}
