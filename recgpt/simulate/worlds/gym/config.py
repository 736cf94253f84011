"""Rules of an environment: every flag of the published systems, with its published default.

    rules = GymRules(domain="books", retrieval="decay_emotion_3", shaping="churn_satisfaction")

Names of retrievals, perturbators, shapings and raters are checked where an environment is made, against the tables in
`recgpt.simulate.worlds.gym.registry`.
"""

from typing import Literal

from pydantic import Field

from recgpt.config import Config
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig

NAME = "gym"
MOST_EPISODE_STEPS = 100_000


class GymRules(Config):
    """Rules of an episode, without minds and policy."""

    domain: str = Field(default="movies", description="domain: movies, books, or a domain as module:NAME")
    items: str | None = Field(
        default=None, description="catalogue: a data set folder; by default the made-up one of the domain"
    )
    users: str | None = Field(
        default=None,
        description="users: a user data set of the domain (detailed, basic, sampled_genres, sampled), dataset (those of"
        " the catalogue's folder), or a CSV file; by default the domain's",
    )
    rater: str | None = Field(default=None, description="prompt of a language-model user; by default the domain's")
    retrieval: str | None = Field(
        default=None,
        description="items that a user recalls: none, last_K, most_similar_K, simple_K, decay_emotion_K; by default the"
        " domain's",
    )
    perturbator: str = Field(default="none", description="noise on ratings: none, gaussian, greedy")
    shaping: str = Field(
        default="exp_decay_time",
        description="reward shaping: identity, exp_decay_time, random_watch, same_film_terminate, churn_satisfaction",
    )
    decay_time_lambda: float = Field(default=0.15, ge=0, description="how fast decay_emotion_K forgets")
    emotion_bonus: float = Field(default=0.2, ge=0, description="weight of equal emotions in decay_emotion_K")
    consider_arousal: bool = Field(default=False, description="compare arousal too in decay_emotion_K")
    valence_positive_threshold: float | None = Field(
        default=None, description="ratings from here on are pleasant; by default 7 of 10, in proportion"
    )
    valence_negative_threshold: float | None = Field(
        default=None, description="ratings up to here are unpleasant; by default 4 of 10, in proportion"
    )
    arousal_high_threshold: float | None = Field(
        default=None, description="ratings from here on excite; by default 8 of 10, in proportion"
    )
    arousal_low_threshold: float | None = Field(
        default=None, description="ratings up to here calm; by default 3 of 10, in proportion"
    )
    churn_ema_alpha: float = Field(default=0.2, gt=0, le=1, description="weight of the newest rating in satisfaction")
    churn_low_threshold: float | None = Field(
        default=None, description="ratings up to here are low; by default 4 of 10, in proportion"
    )
    churn_low_streak_threshold: int = Field(default=2, ge=1, description="low ratings in a row after which users leave")
    churn_min_steps: int = Field(default=5, ge=1, description="steps before which nobody leaves")
    churn_prob_scale: float = Field(default=0.3, ge=0, description="how fast dissatisfaction makes users leave")
    churn_ema_min_samples: int = Field(
        default=1, ge=1, description="ratings before satisfaction counts, not the rating"
    )
    churn_recovery_bonus: float = Field(default=0.0, ge=0, le=1, description="less probability after good ratings")
    max_episode_steps: int = Field(
        default=200, ge=1, le=MOST_EPISODE_STEPS, description="steps after which an episode is cut off"
    )
    history_length: int = Field(default=10, ge=1, le=100_000, description="latest interactions in an observation")
    across_episodes: bool = Field(default=False, description="users who come back remember earlier episodes")
    observation: Literal["compact", "published"] = Field(
        default="compact", description="arrays for learning, or the published dictionary with texts"
    )


class GymSettings(GymRules, MindOptions):
    """Rules and users' minds: settings of every command of the gym."""


class GymConfig(GymSettings, WorldConfig):
    """Rules, users' minds and the policy of a stored run: every user plays one episode."""

    policy: str = Field(
        default="random", description="what recommends: see `recgpt gym list`, or a trained policy's folder"
    )
    model: str | None = Field(default=None, description="model folder, for recommenders that use one")
    n_users: int | None = Field(default=None, ge=1, description="number of users, from the first; by default all")
    steps: int = Field(default=10, ge=1, description="items that each user is shown")
