"""A small world to train on: users who like tags, and a vector environment with compact observations."""

from typing import Any

import numpy as np
import polars as pl
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.training.run import TrainingWorld
from recgpt.simulate.worlds.gym.users import Users

TAGS = ("comedy", "drama", "horror")


class Tastes:
    """A mind that rates by given numbers."""

    name = "tastes"

    def __init__(self, rating_UN: np.ndarray) -> None:
        self.rating_UN = rating_UN

    def rate(self, questions: Questions) -> Ratings:
        return Ratings(self.rating_UN[questions.user_E, questions.item_E])

    def estimate(self, n_questions: int) -> CostEstimate | None:
        return None

    def expected(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        return self.rating_UN[user_R, item_R]

    def expected_all(self, user_R: np.ndarray) -> np.ndarray:
        return self.rating_UN[user_R].astype(np.float32)


def make_setting(n_users: int = 12, n_items: int = 30, *, shared: bool = False, seed: int = 0) -> Setting:
    """Users who like some tags; `shared` gives all of them the same taste."""
    draws = np.random.default_rng(seed)
    unit_NE = draws.standard_normal((n_items, 8)).astype(np.float32)
    unit_NE /= np.linalg.norm(unit_NE, axis=1, keepdims=True)
    tag_N = draws.integers(len(TAGS), size=n_items)
    average_N = draws.uniform(4, 8, n_items)
    item = draws.integers(n_items, size=120)
    events = pl.DataFrame({"user_id": np.arange(120) % 20, "item_id": item, "position": np.arange(120) // 20})
    table = pl.DataFrame({"item_id": range(n_items), "title": [f"film {n}" for n in range(n_items)]})
    dataset = Dataset.from_frames("toy", events, table)
    items = Items(
        ids=[str(n) for n in range(n_items)],
        titles=[f"film {n}" for n in range(n_items)],
        descriptions=[""] * n_items,
        years=[""] * n_items,
        tags=[(TAGS[tag],) for tag in tag_N],
        people=[()] * n_items,
        directors=[""] * n_items,
        average_N=average_N,
        count_N=draws.integers(1, 100, n_items),
        unit_NE=unit_NE,
        collection=[""] * n_items,
        part_N=np.zeros(n_items, dtype=np.int64),
        dataset=dataset,
    )
    liked_U = np.zeros(n_users, dtype=int) if shared else draws.integers(len(TAGS), size=n_users)
    level_U = np.full(n_users, 2, dtype=np.int8)
    users = Users(
        ids=[f"u{n}" for n in range(n_users)],
        names=["Ann"] * n_users,
        descriptions=[""] * n_users,
        jobs=[""] * n_users,
        hobbies=[""] * n_users,
        gender_U=np.ones(n_users, dtype=np.int8),
        age_U=np.full(n_users, 30, dtype=np.int16),
        liked=[(TAGS[tag],) for tag in liked_U],
        disliked=[(TAGS[(tag + 1) % 3],) for tag in liked_U],
        activity_U=level_U,
        conformity_U=level_U,
        diversity_U=level_U,
        persona=[""] * n_users,
        histories=Ragged(np.empty(0, dtype=np.int64), np.zeros(n_users + 1, dtype=np.int64)),
        ratings=np.empty(0),
    )
    agrees_UN = (liked_U[:, None] == tag_N).astype(float) - ((liked_U[:, None] + 1) % 3 == tag_N)
    rating_UN = np.clip(np.round(average_N - 1 + 2 * agrees_UN), 1, 10)
    domain = Domain(
        name="toy",
        item_word="film",
        item_words="films",
        scale=Scale(1, 10),
        liked_from=8,
        load_items=lambda folder: items,
        load_users=lambda name, of: users,
        user_datasets=(),
        default_users="",
        default_retrieval="none",
        default_rater="",
        likeness=(),
        raters={},
        package="",
    )
    return Setting(domain, items, users, Tastes(rating_UN), seed)


class StandIn:
    """State of episodes: the part of the gym's engine that training uses."""

    def __init__(self, setting: Setting, n_envs: int, n_steps: int) -> None:
        self.setting, self.n_envs, self.n_steps = setting, n_envs, n_steps
        self.seed_E, self.episode_E, self.user_E, self.count_E = np.zeros((4, n_envs), dtype=np.int64)
        self.items_EH = np.full((n_envs, n_steps), -1, dtype=np.int32)
        self.ratings_EH = np.zeros((n_envs, n_steps), dtype=np.float32)

    def begin(self, rows: np.ndarray) -> None:
        for row in rows:
            key = (int(self.seed_E[row]), int(self.episode_E[row]))
            self.user_E[row] = np.random.default_rng(key).integers(len(self.setting.users))
        self.episode_E[rows] += 1
        self.count_E[rows], self.items_EH[rows], self.ratings_EH[rows] = 0, -1, 0

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            getattr(self, name)[:] = array


class StandInVecEnv(VecEnv):
    """Same-step autoreset, terminal observations and time limits as Stable-Baselines3 has them."""

    def __init__(self, setting: Setting, n_envs: int, n_steps: int = 8) -> None:
        n_items, n_features = len(setting.items), 5 + len(setting.items.tag_names)
        observation = spaces.Dict(
            {
                "user": spaces.Box(-10, 10, (n_features,), np.float32),
                "user_id": spaces.Box(0, len(setting.users) - 1, (1,), np.int32),
                "history": spaces.Box(-1, n_items - 1, (n_steps,), np.int32),
                "ratings": spaces.Box(0, 10, (n_steps,), np.float32),
                "count": spaces.Box(0, n_steps, (1,), np.int32),
            }
        )
        self.render_mode = None
        super().__init__(n_envs, observation, spaces.Discrete(n_items))
        self.engine = StandIn(setting, n_envs, n_steps)
        self.features_UF = setting.users.features(setting.items.tag_names)
        self.shown_again = 0

    def reset(self) -> dict[str, np.ndarray]:
        engine = self.engine
        if self._seeds[0] is not None:
            engine.seed_E[:], engine.episode_E[:] = self._seeds, 0
        self._reset_seeds()
        engine.begin(np.arange(self.num_envs))
        return self.observe()

    def observe(self) -> dict[str, np.ndarray]:
        engine = self.engine
        return {
            "user": self.features_UF[engine.user_E],
            "user_id": engine.user_E[:, None].astype(np.int32),
            "history": engine.items_EH.copy(),
            "ratings": engine.ratings_EH.copy(),
            "count": engine.count_E[:, None].astype(np.int32),
        }

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = np.asarray(actions)

    def step_wait(self) -> Any:
        engine, items = self.engine, self.actions
        self.shown_again += int((engine.items_EH == items[:, None]).any(axis=1).sum())
        rating_E = engine.setting.mind.rating_UN[engine.user_E, items]
        engine.items_EH[:, 1:], engine.ratings_EH[:, 1:] = engine.items_EH[:, :-1], engine.ratings_EH[:, :-1]
        engine.items_EH[:, 0], engine.ratings_EH[:, 0] = items, rating_E
        engine.count_E += 1
        leaves_E = (rating_E <= 2) & (engine.count_E >= 3)
        done_E = leaves_E | (engine.count_E >= engine.n_steps)
        after, infos = self.observe(), [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(done_E):
            infos[row]["terminal_observation"] = {name: column[row] for name, column in after.items()}
            infos[row]["TimeLimit.truncated"] = not leaves_E[row]
        engine.begin(np.flatnonzero(done_E))
        return self.observe(), rating_E.astype(np.float32), done_E, infos

    def action_masks(self) -> np.ndarray:
        allowed = np.ones((self.num_envs, self.action_space.n), dtype=bool)
        row, place = np.nonzero(self.engine.items_EH >= 0)
        allowed[row, self.engine.items_EH[row, place]] = False
        return allowed

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **options: Any) -> list[Any]:
        return list(getattr(self, method_name)(*args, **options))

    def has_attr(self, attr_name: str) -> bool:
        return hasattr(self, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def close(self) -> None:
        pass


def make_world(setting: Setting, n_steps: int = 8) -> TrainingWorld:
    return TrainingWorld(setting, lambda n_envs: StandInVecEnv(setting, n_envs, n_steps), "toy")


def views_of(setting: Setting, user_E: np.ndarray, items_EH: np.ndarray) -> Views:
    """Views after the items were shown to the users, oldest first."""
    ratings_EH = np.where(items_EH >= 0, setting.mind.rating_UN[user_E[:, None], items_EH], np.nan)

    def allowed() -> np.ndarray:
        found = np.ones((len(user_E), len(setting.items)), dtype=bool)
        row, place = np.nonzero(items_EH >= 0)
        found[row, items_EH[row, place]] = False
        return found

    n_E = (items_EH >= 0).sum(axis=1)
    return Views(user_E, n_E + 1, user_E.astype(np.uint64), items_EH, ratings_EH, allowed)
