"""Registries: names of retrievals, perturbators and shapings, and the rules that a domain's defaults complete.

rules = check_rules(GymRules(domain="books", retrieval="last_5"))
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym import perturbation, shaping
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.emotions import thresholds
from recgpt.simulate.worlds.gym.retrieval import KINDS
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.steps import Left

RETRIEVALS: Mapping[str, str] = {
    kind if kind == "none" else f"{kind}_K": f"{about}{'' if kind == 'none' else ', K of them'}"
    for kind, about in KINDS.items()
}
"""Descriptions of the retrievals; K is any number of items."""

_RETRIEVAL = re.compile(rf"({'|'.join(kind for kind in KINDS if kind != 'none')})_([1-9]\d{{0,3}})")


def retrieval_of(name: str) -> tuple[str, int]:
    """Kind and number of items of a retrieval.

    Raises
    ------
    SimulationError
        No retrieval has this name.
    """
    if name == "none":
        return "none", 0
    found = _RETRIEVAL.fullmatch(name)
    if found is None:
        known = ", ".join(RETRIEVALS)
        raise SimulationError(f"no retrieval {name!r}: choose among {known}, with a number in the place of K")
    return found[1], int(found[2])


@dataclass(frozen=True)
class Perturbator:
    """Noise on ratings.

    Attributes
    ----------
    about
        Description.
    shift
        Maps keys of episodes and steps to (E,) shifts; None for no noise.
    """

    about: str
    shift: Callable[[np.ndarray, np.ndarray], np.ndarray] | None


PERTURBATORS: Mapping[str, Perturbator] = {
    "none": Perturbator("no noise", None),
    "gaussian": Perturbator(
        "a normal shift with a standard deviation of .5, then the nearest rating", perturbation.gaussian
    ),
    "greedy": Perturbator("a point less or more, each with probability .1", perturbation.greedy),
}


@dataclass(frozen=True)
class Meeting:
    """What a shaping sees of E ratings.

    Attributes
    ----------
    rating_E
        (E,) perturbed ratings.
    times_met_E, gap_E
        (E,) meetings of user and item, this one included, and interactions since the last one.
    satisfaction
        Satisfaction after the ratings.
    uniform
        Maps a purpose to (E,) uniform random numbers.
    """

    rating_E: np.ndarray
    times_met_E: np.ndarray
    gap_E: np.ndarray
    satisfaction: shaping.Satisfaction
    uniform: Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """Result of a shaping: (E,) rewards, `Left` codes, and probabilities of leaving for dissatisfaction."""

    reward_E: np.ndarray
    left_E: np.ndarray
    p_leave_E: np.ndarray


@dataclass(frozen=True)
class Shaping:
    """Reward shaping: a description, and the function from meetings to outcomes."""

    about: str
    outcome: Callable[[Meeting, Scale, shaping.Churn], Outcome]


def _stays(reward_E: np.ndarray) -> Outcome:
    return Outcome(reward_E, np.zeros(len(reward_E), dtype=np.int8), np.zeros(len(reward_E)))


def _identity(meeting: Meeting, scale: Scale, churn: shaping.Churn) -> Outcome:
    return _stays(meeting.rating_E)


def _exp_decay_time(meeting: Meeting, scale: Scale, churn: shaping.Churn) -> Outcome:
    return _stays(shaping.exp_decay_time(meeting.rating_E, meeting.times_met_E, meeting.gap_E, scale))


def _random_watch(meeting: Meeting, scale: Scale, churn: shaping.Churn) -> Outcome:
    uniform_E = meeting.uniform("watch")
    return _stays(shaping.random_watch(meeting.rating_E, meeting.times_met_E, meeting.gap_E, uniform_E))


def _same_film_terminate(meeting: Meeting, scale: Scale, churn: shaping.Churn) -> Outcome:
    reward_E, leaves_E = shaping.same_film_terminate(meeting.rating_E, meeting.times_met_E)
    return Outcome(reward_E, np.where(leaves_E, Left.SAME_ITEM, Left.NOT).astype(np.int8), np.zeros(len(reward_E)))


def _churn_satisfaction(meeting: Meeting, scale: Scale, churn: shaping.Churn) -> Outcome:
    p_leave_E = churn.p_leave(meeting.rating_E, meeting.satisfaction)
    leaves_E = meeting.uniform("leave") < p_leave_E
    reason_E = np.where(churn.at_streak(meeting.satisfaction), Left.LOW_STREAK, Left.DISSATISFIED)
    return Outcome(meeting.rating_E, np.where(leaves_E, reason_E, Left.NOT).astype(np.int8), p_leave_E)


SHAPINGS: Mapping[str, Shaping] = {
    "identity": Shaping("the rating", _identity),
    "exp_decay_time": Shaping("less for an item met before, the less the longer ago and the rarer", _exp_decay_time),
    "random_watch": Shaping("0 for an item met before, less likely the longer ago and the rarer", _random_watch),
    "same_film_terminate": Shaping("0 for an item met before, and the user leaves", _same_film_terminate),
    "churn_satisfaction": Shaping("the rating; dissatisfied users leave", _churn_satisfaction),
}


def check_rules(rules: GymRules) -> GymRules:
    """Return the rules with the domain's defaults in the place of None.

    Raises
    ------
    SimulationError
        A name is unknown, or thresholds contradict each other; the message lists the right names.
    """
    domain = domain_of(rules.domain)
    retrieval = rules.retrieval or domain.default_retrieval
    users, rater = rules.users or domain.default_users, rules.rater or domain.default_rater
    retrieval_of(retrieval)
    _check_name("perturbator", rules.perturbator, PERTURBATORS)
    _check_name("shaping", rules.shaping, SHAPINGS)
    _check_name("rater", rater, domain.raters)
    _check_users(users, domain)
    names = {"retrieval": retrieval, "users": users, "rater": rater}
    found = rules.model_copy(update=names | thresholds(rules, domain.scale))
    _check_order(found)
    return found


def _check_name(what: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise SimulationError(f"no {what} {name!r}: choose among {', '.join(known)}")


def _check_users(name: str, domain: Domain) -> None:
    if name not in (*domain.user_datasets, "dataset") and not Path(name).is_file():
        known = ", ".join((*domain.user_datasets, "dataset"))
        raise SimulationError(
            f"no user data set {name!r} of {domain.name}, and no such file: choose among {known}, or name a CSV file"
        )


def _check_order(rules: GymRules) -> None:
    for low, high in (
        ("valence_negative_threshold", "valence_positive_threshold"),
        ("arousal_low_threshold", "arousal_high_threshold"),
    ):
        if getattr(rules, low) >= getattr(rules, high):
            raise SimulationError(
                f"{low}={getattr(rules, low):g} is not below {high}={getattr(rules, high):g}: give a lower {low}"
            )
