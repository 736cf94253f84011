"""Agents, made from the users of a data set, from published profiles, or from stated distributions.

    known = known_part(dataset)
    facts = ItemFacts.of(known, dataset.embeddings())
    population = from_dataset(dataset, facts, n_agents=1000, seed=0)

    dataset, tables = agent4rec("agent4rec_ml1m")
    population = from_agent4rec(dataset, tables, facts, n_agents=1000, seed=0)

Shapes: A agents, U users, R events, N items, C categories, E embedding width.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.data import schema
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError, SimulationError
from recgpt.simulate import rng
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.statements import stated, synthetic_tastes
from recgpt.simulate.agents.traits import traits_of
from recgpt.simulate.items import ItemFacts

KNOWN_SHARE = 0.8

_TRAIN = schema.SPLIT_NAMES.index("train")
_TRAITS = ("activity", "diversity", "conformity")
_FIGURES = ("n_ratings", "n_genres", "rating_deviation")
_AGENT4REC_TABLES = {
    "users": ("user_id", *_TRAITS, *_FIGURES, "tastes", "high_rating_tendency", "low_rating_tendency"),
    "gpt35_trace": ("user_id", "page", "slot", "item_id", "aligned", "watched", "rating", "feeling"),
    "gpt35_interviews": ("user_id", "satisfaction", "reason"),
}
_AGENTS = 4096


def known_part(dataset: Dataset) -> Dataset:
    """Part of a data set that agents and recommenders may use before a run; the rest is held out.

    The rows of the split `train` where the data set has any; else the first 80 % of each user's sequence, at least one
    event. The catalogue stays whole; a user without a known event is left out, so that dense user ids may change.
    """
    if dataset.split is not None and (dataset.split == _TRAIN).any():
        return dataset.select(dataset.split == _TRAIN)
    lengths_U = np.diff(dataset.offsets)
    place_R = np.arange(dataset.n_interactions) - np.repeat(dataset.offsets[:-1], lengths_U)
    n_known_U = np.maximum(1, np.floor(lengths_U * KNOWN_SHARE + 1e-9))
    return dataset.select(place_R < np.repeat(n_known_U, lengths_U))


def from_dataset(dataset: Dataset, facts: ItemFacts, *, n_agents: int, seed: int) -> Population:
    """Agents made from users, by their interactions in `known_part`.

    Distinct users, drawn with the seed, while there are users with a known history; then all are drawn again, so that
    several agents share a user. The first agents are the same whatever `n_agents` is.

    The taste vector is the sum of the texts of the history's items, each weighted by how far the user's rating of it is
    above the user's mean (below: subtracted). Without ratings, or where all are equal, it is the mean of the history.

    Parameters
    ----------
    facts
        Of `known_part(dataset)`.

    Raises
    ------
    SimulationError
        Fewer than one agent, or facts of another catalogue.
    """
    known = _known(dataset, facts)
    user_A = _drawn(known, n_agents, seed)
    traits = traits_of(known)
    histories, ratings = _histories(known, user_A)
    tastes, high, low = stated(known, facts, user_A)
    with_ratings = bool(np.isfinite(ratings).any())
    return Population(
        user_A=_users_of(dataset, known)[user_A],
        activity_A=traits.activity_U[user_A],
        diversity_A=traits.diversity_U[user_A],
        conformity_A=traits.conformity_U[user_A],
        n_ratings_A=traits.n_ratings_U[user_A],
        n_genres_A=traits.n_genres_U[user_A],
        rating_deviation_A=traits.rating_deviation_U[user_A],
        mean_rating_A=_mean_ratings(histories, ratings),
        histories=histories,
        ratings=ratings,
        taste_AE=_tastes(known, user_A, facts),
        tastes=tastes,
        high_rating_tendency=high,
        low_rating_tendency=low,
        made_from=f"users of {dataset.name}, {'with' if with_ratings else 'without'} ratings, from the known part of"
        " their histories",
    )


def agent4rec(folder: str | Path) -> tuple[Dataset, dict[str, pl.DataFrame]]:
    """Read a folder of published Agent4Rec profiles.

    Returns
    -------
    The data set, its events in the order of the file's rows, as it has no positions (the published split is random, so
    no order in it is one of time); and the tables `users`, `gpt35_trace` and `gpt35_interviews`, with outside ids.

    Raises
    ------
    DataError
        A file or a column of one is missing or damaged.
    """
    folder = Path(folder)
    path = folder / "interactions.parquet"
    events = schema.collect(schema.scan_table(path), str(path))
    if "position" not in events.columns:
        _require(events, ("user_id", "item_id"), path)
        events = events.with_columns(pl.int_range(pl.len()).over("user_id").alias("position"))
    catalogue = folder / "items.parquet"
    dataset = Dataset.from_frames(folder.resolve().name, events, schema.scan_table(catalogue))
    tables = {}
    for name, columns in _AGENT4REC_TABLES.items():
        path = folder / f"{name}.parquet"
        if not path.is_file():
            raise DataError(f"{path} does not exist: the folder of Agent4Rec profiles has to be whole, copy it again")
        tables[name] = schema.collect(schema.scan_table(path), str(path))
        _require(tables[name], columns, path)
    return dataset, tables


def from_agent4rec(
    dataset: Dataset, tables: dict[str, pl.DataFrame], facts: ItemFacts, *, n_agents: int, seed: int
) -> Population:
    """Agents with the published classes, figures, tastes and tendencies, drawn as in `from_dataset`.

    The published figures were computed over the held-out part as well. Histories are of the known part; ratings are not
    published, so that the taste vector is the mean of the history.

    Raises
    ------
    SimulationError
        Fewer than one agent, or facts of another catalogue.
    DataError
        A user of the data set has no profile.
    """
    known = _known(dataset, facts)
    user_A = _drawn(known, n_agents, seed)
    users = pl.DataFrame({"user_id": known.user_map.to_outside(user_A)}).join(
        tables["users"], on="user_id", how="left", maintain_order="left"
    )
    if users["activity"].null_count():
        missing = users.filter(pl.col("activity").is_null())["user_id"][0]
        raise DataError(f"{dataset.name}: users has no profile of the user {missing}: add it or leave the user out")
    histories, ratings = _histories(known, user_A)
    return Population(
        user_A=_users_of(dataset, known)[user_A],
        activity_A=users["activity"].cast(pl.Int8).to_numpy(),
        diversity_A=users["diversity"].cast(pl.Int8).to_numpy(),
        conformity_A=users["conformity"].cast(pl.Int8).to_numpy(),
        n_ratings_A=users["n_ratings"].cast(pl.Float32).to_numpy(),
        n_genres_A=users["n_genres"].cast(pl.Float32).to_numpy(),
        rating_deviation_A=users["rating_deviation"].cast(pl.Float32).to_numpy(),
        mean_rating_A=_mean_ratings(histories, ratings),
        histories=histories,
        ratings=ratings,
        taste_AE=_tastes(known, user_A, facts),
        tastes=[tuple(each or ()) for each in users["tastes"].to_list()],
        high_rating_tendency=users["high_rating_tendency"].fill_null("").to_list(),
        low_rating_tendency=users["low_rating_tendency"].fill_null("").to_list(),
        made_from=f"published Agent4Rec profiles of {dataset.name}, with the known part of their histories",
    )


@dataclass(frozen=True)
class Distributions:
    """What synthetic agents are drawn from.

    Parameters
    ----------
    activity, diversity, conformity
        Shares of the classes 1, 2 and 3. As they follow from the percentiles at which real users are cut.
    n_categories
        Categories in a taste, for each class of diversity. They are drawn without repeats, each in proportion to its
        share of the known interactions; their weights are uniform over all that sum to 1.
    n_history
        Items known of an agent before the run, for each class of activity; 0 for none. Drawn from the categories of the
        taste by their weights, within one in proportion to count + 1; repeats are left out.
    """

    activity: tuple[float, float, float] = (0.60, 0.30, 0.10)
    diversity: tuple[float, float, float] = (0.33, 0.33, 0.34)
    conformity: tuple[float, float, float] = (0.25, 0.55, 0.20)
    n_categories: tuple[int, int, int] = (1, 3, 6)
    n_history: tuple[int, int, int] = (0, 0, 0)


def synthetic(n_agents: int, facts: ItemFacts, *, seed: int, distributions: Distributions | None = None) -> Population:
    """Synthetic agents, drawn from distributions instead of users; `user_A` numbers them.

    A taste vector is the weighted sum of the mean texts of the taste's categories. In a catalogue without categories,
    each item counts as a category of its own. Ratings and the figures behind the classes are unknown (NaN).

    Raises
    ------
    SimulationError
        Fewer than one agent, shares that do not sum to 1, or numbers below their minimum.
    """
    chosen = distributions or Distributions()
    _check(n_agents, chosen)
    agents = np.arange(n_agents)
    activity_A, diversity_A, conformity_A = (
        _class(getattr(chosen, trait), rng.uniform(seed, agents, step=0, purpose=trait)[:, 0]) for trait in _TRAITS
    )
    categories_NC = facts.categories_NC
    if categories_NC is None:
        categories_NC = sparse.csr_array(sparse.eye_array(len(facts)))
    n_categories_A = np.array(chosen.n_categories)[diversity_A - 1]
    weights_AC = _mixtures(seed, n_categories_A, categories_NC.T @ (facts.count_N + 1))
    n_history_A = np.array(chosen.n_history)[activity_A - 1]
    histories = _drawn_histories(seed, weights_AC, n_history_A, categories_NC.tocsc(), facts.count_N + 1)
    mean_CE = sparse.diags_array(1 / np.maximum(categories_NC.sum(axis=0), 1)) @ (categories_NC.T @ facts.unit_NE)
    unknown_A = np.full(n_agents, np.nan, dtype=np.float32)
    return Population(
        user_A=agents,
        activity_A=activity_A,
        diversity_A=diversity_A,
        conformity_A=conformity_A,
        n_ratings_A=histories.lengths.astype(np.float32),
        n_genres_A=unknown_A,
        rating_deviation_A=unknown_A,
        mean_rating_A=unknown_A,
        histories=histories,
        ratings=np.full(len(histories.values), np.nan, dtype=np.float32),
        taste_AE=_unit(weights_AC @ mean_CE),
        tastes=synthetic_tastes(_heaviest_first(weights_AC), facts),
        high_rating_tendency=[""] * n_agents,
        low_rating_tendency=[""] * n_agents,
        made_from=f"synthetic, from {chosen}",
    )


def taste_vectors(histories: Ragged, ratings: np.ndarray, unit_NE: np.ndarray) -> np.ndarray:
    """(A, E) float32 unit rows; zeros for an empty history. See `from_dataset`."""
    weights = _deviations(histories, ratings)
    signed_AE = _weighted_sums(histories, weights, unit_NE)
    mean_AE = _weighted_sums(histories, np.ones(len(weights)), unit_NE)
    has_signed_A = np.bincount(_agent_of(histories), np.abs(weights), minlength=len(histories)) > 0
    return _unit(np.where(has_signed_A[:, None], signed_AE, mean_AE))


def _known(dataset: Dataset, facts: ItemFacts) -> Dataset:
    if len(facts) != dataset.n_items:
        raise SimulationError(
            f"facts of {len(facts)} items for {dataset.name} with {dataset.n_items}: make them of known_part(dataset)"
        )
    return known_part(dataset)


def _users_of(dataset: Dataset, known: Dataset) -> np.ndarray:
    """Dense users of the whole data set, in the order of the users of its known part."""
    return dataset.user_map.to_dense(known.user_map.ids).astype(np.int64)


def _drawn(known: Dataset, n_agents: int, seed: int) -> np.ndarray:
    """(A,) users, in rounds that have each user once."""
    if n_agents < 1:
        raise SimulationError(f"n_agents={n_agents}: at least one agent is needed")
    users = np.arange(known.n_users)
    n_rounds = -(-n_agents // known.n_users)
    rounds = [
        np.argsort(rng.bits(seed, users, step=number, purpose="population")[:, 0], kind="stable")
        for number in range(n_rounds)
    ]
    return np.concatenate(rounds)[:n_agents]


def _histories(known: Dataset, user_A: np.ndarray) -> tuple[Ragged, np.ndarray]:
    histories = known.sequences[user_A]
    rating = known.interactions.rating
    if rating is None:
        ratings = np.full(len(histories.values), np.nan, dtype=np.float32)
    else:
        ratings = Ragged(rating, known.offsets)[user_A].values.astype(np.float32)
    return Ragged(histories.values.astype(np.int64), histories.offsets), ratings


def _tastes(known: Dataset, user_A: np.ndarray, facts: ItemFacts) -> np.ndarray:
    users, user_of_agent = np.unique(user_A, return_inverse=True)
    return taste_vectors(*_histories(known, users), facts.unit_NE)[user_of_agent]


def _agent_of(histories: Ragged) -> np.ndarray:
    return np.repeat(np.arange(len(histories)), histories.lengths)


def _mean_ratings(histories: Ragged, ratings: np.ndarray) -> np.ndarray:
    """(A,) float32 mean of the known ratings; NaN where there is none."""
    rated = np.isfinite(ratings)
    agent = _agent_of(histories)[rated]
    count_A = np.bincount(agent, minlength=len(histories))
    total_A = np.bincount(agent, ratings[rated].astype(np.float64), minlength=len(histories))
    return np.where(count_A > 0, total_A / np.maximum(count_A, 1), np.nan).astype(np.float32)


def _deviations(histories: Ragged, ratings: np.ndarray) -> np.ndarray:
    """(R,) float64 rating less the agent's mean; 0 where it is unknown."""
    deviation = ratings - _mean_ratings(histories, ratings)[_agent_of(histories)]
    # What float32 leaves of equal ratings is no preference.
    return np.where(np.abs(deviation) > 1e-5, deviation, 0).astype(np.float64)


def _weighted_sums(histories: Ragged, weights: np.ndarray, unit_NE: np.ndarray) -> np.ndarray:
    shape = (len(histories), len(unit_NE))
    return sparse.csr_array((weights, histories.values, histories.offsets), shape=shape) @ unit_NE


def _unit(rows_AE: np.ndarray) -> np.ndarray:
    lengths_A1 = np.linalg.norm(rows_AE, axis=1, keepdims=True)
    return (rows_AE / np.where(lengths_A1 > 0, lengths_A1, 1)).astype(np.float32)


def _check(n_agents: int, distributions: Distributions) -> None:
    if n_agents < 1:
        raise SimulationError(f"n_agents={n_agents}: at least one agent is needed")
    for trait in _TRAITS:
        shares = getattr(distributions, trait)
        if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise SimulationError(f"{trait}={shares}: three shares that sum to 1 are needed")
    for name, least in (("n_categories", 1), ("n_history", 0)):
        numbers = getattr(distributions, name)
        if len(numbers) != 3 or min(numbers) < least:
            raise SimulationError(f"{name}={numbers}: three numbers of at least {least} are needed")


def _class(shares: tuple[float, float, float], drawn_A: np.ndarray) -> np.ndarray:
    return (1 + (drawn_A >= shares[0]) + (drawn_A >= shares[0] + shares[1])).astype(np.int8)


def _mixtures(seed: int, n_categories_A: np.ndarray, mass_C: np.ndarray) -> sparse.csr_array:
    """(A, C) weights that sum to 1, of as many categories as each agent has.

    Draws without replacement by exponential races (Efraimidis and Spirakis 2006).
    """
    n_agents, n_columns = len(n_categories_A), len(mass_C)
    n_kept_A = np.minimum(n_categories_A, n_columns)
    most = int(n_kept_A.max())
    column_Ak = np.empty((n_agents, most), dtype=np.int64)
    for start in range(0, n_agents, _AGENTS):
        block = np.arange(start, min(start + _AGENTS, n_agents))
        drawn_AC = rng.uniform(seed, block, step=0, purpose="categories", n=n_columns)
        column_Ak[block] = np.argsort(-np.log1p(-drawn_AC) / mass_C, axis=1, kind="stable")[:, :most]
    kept_Ak = np.arange(most) < n_kept_A[:, None]
    drawn_Ak = -np.log1p(-rng.uniform(seed, np.arange(n_agents), step=0, purpose="weights", n=most))
    weight_Ak = np.where(kept_Ak, np.maximum(drawn_Ak, np.finfo(float).tiny), 0)
    weight_Ak /= weight_Ak.sum(axis=1, keepdims=True)
    return sparse.csr_array(
        (weight_Ak[kept_Ak], column_Ak[kept_Ak], offsets_from_lengths(n_kept_A)), shape=(n_agents, n_columns)
    )


def _heaviest_first(weights_AC: sparse.csr_array) -> Ragged:
    owner = np.repeat(np.arange(weights_AC.shape[0]), np.diff(weights_AC.indptr))
    order = np.lexsort((-weights_AC.data, owner))
    return Ragged(weights_AC.indices[order], weights_AC.indptr)


def _drawn_histories(
    seed: int,
    weights_AC: sparse.csr_array,
    n_history_A: np.ndarray,
    categories_NC: sparse.csc_array,
    mass_N: np.ndarray,
) -> Ragged:
    agents, most = np.arange(len(n_history_A)), int(n_history_A.max())
    if most == 0:
        return Ragged(np.empty(0, dtype=np.int64), np.zeros(len(agents) + 1, dtype=np.int64))
    which_AH = rng.uniform(seed, agents, step=0, purpose="history: category", n=most)
    where_AH = rng.uniform(seed, agents, step=0, purpose="history: item", n=most)
    wanted_AH = np.arange(most) < n_history_A[:, None]
    agent, draw = np.nonzero(wanted_AH)
    # Categories of all agents on one line, agent a's from a to a + 1.
    lengths_A = np.diff(weights_AC.indptr)
    owner = np.repeat(agents, lengths_A)
    ends = np.cumsum(weights_AC.data)
    ends = owner + (ends - np.concatenate([[0], ends])[weights_AC.indptr[:-1]][owner])
    place = np.searchsorted(ends, agent + which_AH[agent, draw], side="right")
    category = weights_AC.indices[np.clip(place, weights_AC.indptr[agent], weights_AC.indptr[agent + 1] - 1)]
    item = np.empty(len(agent), dtype=np.int64)
    for one in np.unique(category):
        rows = np.flatnonzero(category == one)
        members = categories_NC.indices[categories_NC.indptr[one] : categories_NC.indptr[one + 1]]
        ends = np.cumsum(mass_N[members], dtype=np.float64)
        found = np.searchsorted(ends, where_AH[agent[rows], draw[rows]] * ends[-1], side="right")
        item[rows] = members[np.minimum(found, len(members) - 1)]
    is_first = (pl.Series(agent) * len(mass_N) + pl.Series(item)).is_first_distinct().to_numpy()
    return Ragged(item[is_first], offsets_from_lengths(np.bincount(agent[is_first], minlength=len(agents))))


def _require(table: pl.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(map(repr, missing))} (it has {', '.join(table.columns)}): add it, or"
            " rename the right one"
        )
