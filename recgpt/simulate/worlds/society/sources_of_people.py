"""People and ties of a society: of CSV files, from real users of the data set, or made up.

    people, friends, files = load_people(config, source, known, facts)

Shapes: A agents, N items, E embedding width, G tags.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.identity import file_sha256
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, SimulationError
from recgpt.progress import note
from recgpt.simulate import rng
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import from_dataset
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.gym.domains.texts import tag_of
from recgpt.simulate.worlds.society.catalogue import Source, demographics
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.drawn import drawn_features, drawn_people, drawn_ties
from recgpt.simulate.worlds.society.people import Feature, People
from recgpt.simulate.worlds.society.published import (
    TIE_COLUMNS,
    USER_COLUMNS,
    Rows,
    connected_sample,
    find_table,
    read_people,
    read_ties,
    ties_among,
)
from recgpt.simulate.worlds.society.ties import Ties

GENRES_OF = {
    "action": ("action", "adventure"),
    "classic": ("film-noir", "western", "musical", "war"),
    "documentaries": ("documentary",),
    "family-friendly": ("family", "animation"),
    "romantic": ("romance",),
    "thriller": ("thriller", "mystery", "crime"),
}
"""Genres behind words of published interests that are no genre, or mean several."""

_TRAIT_SHARES = (1 / 3, 2 / 3)
_TOP_TAGS = 3  # interests of people made from users


def load_people(
    config: SocietyConfig, source: Source, known: Dataset, facts: ItemFacts
) -> tuple[People, Ties, dict[str, str]]:
    """People, ties, and hashes of the files that they come from.

    Raises
    ------
    DataError
        A file is missing or damaged.
    SimulationError
        The data do not have the people that the configuration wants.
    """
    users, relationships = _files(config, source)
    kind = _kind(config, source, users)
    if kind == "given":
        assert users is not None  # noqa: S101  # by _kind
        rows, friends = _given(config, users, relationships)
        people = _with_tastes(rows, source, known, facts, f"people of {users.name}", config.seed)
        return people, friends, {path.name: file_sha256(path) for path in (users, relationships) if path is not None}
    if config.relationships is not None:
        raise SimulationError(
            f"relationships={config.relationships!r} are ties of the people in a CSV file: name it by users, or leave"
            " the ties out"
        )
    if kind == "users":
        table = demographics(source)
        people = _of_users(config, source, known, facts, table)
        files = {} if table is None else {table[0].name: file_sha256(table[0])}
        return people, drawn_ties(_rows_of(people), config.mean_friends, config.seed), files
    rows = drawn_people(config.agents, source.tags, config.seed)
    people = _with_tastes(rows, source, known, facts, "made-up people", config.seed)
    return people, drawn_ties(rows, config.mean_friends, config.seed), {}


def _files(config: SocietyConfig, source: Source) -> tuple[Path | None, Path | None]:
    """Files of people and ties: the named ones, or those in the folder of published files."""
    users = None if config.users is None else Path(config.users)
    ties = None if config.relationships is None else Path(config.relationships)
    if source.is_published and source.folder is not None and config.people in ("auto", "given") and users is None:
        users = find_table(source.folder, USER_COLUMNS, "users")
        ties = ties or find_table(source.folder, TIE_COLUMNS, "relationships")
    return users, ties


def _kind(config: SocietyConfig, source: Source, users: Path | None) -> str:
    if config.people == "auto":
        return "given" if users is not None else "users" if source.has_real_past else "drawn"
    if config.people == "given" and users is None:
        raise SimulationError(
            f"people=given needs a CSV file with the columns {','.join(USER_COLUMNS)}: name it by users"
        )
    if config.people != "given" and config.users is not None:
        raise SimulationError(f"users={config.users!r} is not used with people={config.people}: choose people=given")
    if config.people == "users" and not source.has_real_past:
        raise SimulationError(
            "people=users needs a data set with interactions of users: name one by dataset, or with item.csv by past"
        )
    return config.people


def _given(config: SocietyConfig, users: Path, relationships: Path | None) -> tuple[Rows, Ties]:
    rows = read_people(users)
    if config.agents > len(rows):
        raise SimulationError(
            f"agents={config.agents}, and {users} has {len(rows)} people: ask for fewer, or choose people=drawn"
        )
    if relationships is None:
        chosen = np.sort(
            np.argsort(rng.uniform(config.seed, np.arange(len(rows)), step=0, purpose="people")[:, 0], kind="stable")[
                : config.agents
            ]
        )
        rows = rows.rows(chosen)
        return rows, drawn_ties(rows, config.mean_friends, config.seed)
    ties = read_ties(relationships, len(rows))
    if config.agents == len(rows):
        return rows, ties
    chosen = connected_sample(ties, config.agents, config.seed)
    return rows.rows(chosen), ties_among(ties, chosen)


def _with_tastes(rows: Rows, source: Source, known: Dataset, facts: ItemFacts, made_from: str, seed: int) -> People:
    """People without a past whose tastes follow from their interests."""
    n_agents = len(rows)
    agents = np.arange(n_agents)
    unknown_A = np.full(n_agents, np.nan, dtype=np.float32)
    number_A = np.array([text.count(",") + bool(text) for text in rows.interest])
    population = Population(
        user_A=known.n_users + agents,
        activity_A=_trait(seed, agents, "activity"),
        diversity_A=np.clip((number_A + 1) // 2, 1, 3).astype(np.int8),
        conformity_A=_trait(seed, agents, "conformity"),
        n_ratings_A=np.zeros(n_agents, dtype=np.float32),
        n_genres_A=number_A.astype(np.float32),
        rating_deviation_A=unknown_A,
        mean_rating_A=unknown_A,
        histories=Ragged(np.empty(0, dtype=np.int64), np.zeros(n_agents + 1, dtype=np.int64)),
        ratings=np.empty(0, dtype=np.float32),
        taste_AE=tastes_of_interests(rows.interest, source.tags, facts, seed),
        tastes=[(f"I like {text}.",) if text else () for text in rows.interest],
        high_rating_tendency=[""] * n_agents,
        low_rating_tendency=[""] * n_agents,
        made_from=made_from,
    )
    return _people(rows, population, made_from)


def without_past(people: People, source: Source, known: Dataset, facts: ItemFacts, seed: int) -> People:
    """The same people without their past, whose tastes follow from their interests."""
    return _with_tastes(_rows_of(people), source, known, facts, f"{people.made_from}, without their past", seed)


def tastes_of_interests(interests: list[str], tags: list[tuple[str, ...]], facts: ItemFacts, seed: int) -> np.ndarray:
    """(A, E) float32 unit rows: the sum of the mean vectors of the genres that the interests name.

    Without a genre of the catalogue, the vector of one item, drawn with the seed by popularity.
    """
    names = sorted({tag for each in tags for tag in each})
    number_of = {name: number for number, name in enumerate(names)}
    mean_GE = _means(tags, number_of, facts)
    of_text = {text: _genres(text, number_of) for text in set(interests)}
    vector_of = {text: mean_GE[found].sum(axis=0) for text, found in of_text.items() if found}
    taste_AE = np.zeros((len(interests), facts.unit_NE.shape[1]), dtype=np.float32)
    ends_N = np.cumsum(facts.count_N + 1, dtype=np.float64)
    u_A = rng.uniform(seed, np.arange(len(interests)), step=0, purpose="taste: item")[:, 0]
    item_A = np.minimum(np.searchsorted(ends_N, u_A * ends_N[-1], side="right"), len(ends_N) - 1)
    for agent, text in enumerate(interests):
        taste_AE[agent] = vector_of[text] if text in vector_of else facts.unit_NE[item_A[agent]]
    lengths = np.linalg.norm(taste_AE, axis=1, keepdims=True)
    return taste_AE / np.where(lengths > 0, lengths, 1)


def _means(tags: list[tuple[str, ...]], number_of: dict[str, int], facts: ItemFacts) -> np.ndarray:
    """(G, E) mean vectors of the items of each tag."""
    sum_GE = np.zeros((len(number_of), facts.unit_NE.shape[1]), dtype=np.float32)
    count_G = np.zeros(len(number_of))
    for item, each in enumerate(tags):
        for tag in each:
            sum_GE[number_of[tag]] += facts.unit_NE[item]
            count_G[number_of[tag]] += 1
    means: np.ndarray = sum_GE / np.maximum(count_G, 1)[:, None]
    return means


def _genres(text: str, number_of: dict[str, int]) -> list[int]:
    """Numbers of the tags that a list of interests names."""
    found: dict[int, None] = {}
    for part in text.split(","):
        word = part.strip().lower()
        word = word.removesuffix(" movies").removesuffix(" films")
        for name in GENRES_OF.get(word, (tag_of(word),)):
            if name in number_of:
                found[number_of[name]] = None
    return list(found)


def _of_users(
    config: SocietyConfig,
    source: Source,
    known: Dataset,
    facts: ItemFacts,
    table: tuple[Path, pl.DataFrame] | None,
) -> People:
    """People made from users: their past and tastes, age, gender and job where known; the rest is drawn."""
    population = from_dataset(source.dataset, facts, n_agents=config.agents, seed=config.seed)
    outside = source.dataset.user_map.to_outside(population.user_A)
    population = _of_known(population, outside, known)
    drawn = drawn_people(config.agents, source.tags, config.seed)
    interest = interests_of(population.histories, source.tags)
    gender, status, age_A = list(drawn.gender), list(drawn.status), drawn.age_A
    made_from = f"{population.made_from}; names and traits are drawn, and age, gender and job"
    if table is not None:
        path, users = table
        on_file = _joined(outside, users, path)
        gender = _texts(on_file, "gender", gender)
        status = _texts(on_file, "occupation", status)
        age_A = _ages(on_file, age_A, config.seed)
        made_from += f" where {path.name} does not have them"
    feature_A = drawn_features(np.arange(config.agents), config.seed) | int(Feature.WATCHER)
    rows = Rows(drawn.name, gender, drawn.traits, status, interest, age_A, feature_A.astype(np.uint8))
    return _people(rows, population, made_from)


def _of_known(population: Population, outside: pl.Series, known: Dataset) -> Population:
    return replace(population, user_A=known.user_map.to_dense(outside).astype(np.int64))


def interests_of(histories: Ragged, tags: list[tuple[str, ...]]) -> list[str]:
    """The three most frequent tags of each history."""
    texts = []
    for items in histories:
        count: dict[str, int] = {}
        for item in items.tolist():
            for tag in tags[item]:
                count[tag] = count.get(tag, 0) + 1
        texts.append(", ".join(sorted(count, key=lambda tag: (-count[tag], tag))[:_TOP_TAGS]))
    return texts


def _joined(outside: pl.Series, users: pl.DataFrame, path: Path) -> pl.DataFrame:
    if "user_id" not in users.columns:
        raise DataError(f"{path} has no column 'user_id' (it has {', '.join(users.columns)}): add it")
    wanted = pl.DataFrame({"user_id": outside.cast(pl.String)})
    table = users.with_columns(pl.col("user_id").cast(pl.String)).unique("user_id", keep="first", maintain_order=True)
    found = wanted.join(table, on="user_id", how="left", maintain_order="left")
    if len(table.join(wanted, on="user_id", how="semi")) == 0:
        note(f"{path}: no agent's user is in it")
    return found


def _texts(table: pl.DataFrame, column: str, otherwise: list[str]) -> list[str]:
    if column not in table.columns:
        return otherwise
    found = table[column].cast(pl.String).to_list()
    return [text or drawn for text, drawn in zip(found, otherwise, strict=True)]


def _ages(table: pl.DataFrame, drawn_A: np.ndarray, seed: int) -> np.ndarray:
    """(A,) ages; of a class such as `18-24`, `under 18` or `56 and over`, an age in it is drawn."""
    if "age" not in table.columns:
        return drawn_A
    u_A = rng.uniform(seed, np.arange(len(table)), step=0, purpose="age in its class")[:, 0]
    ages = drawn_A.copy()
    for agent, text in enumerate(table["age"].cast(pl.String).to_list()):
        numbers = [int(part) for part in (text or "").replace("-", " ").split() if part.isdigit()]
        if not numbers:
            continue
        low, high = numbers[0], numbers[-1]
        if "under" in text:
            low, high = max(0, high - 5), high - 1
        elif "over" in text:
            high = low + 14
        ages[agent] = low + int(u_A[agent] * (high - low + 1))
    return ages


def _trait(seed: int, agents: np.ndarray, name: str) -> np.ndarray:
    """(A,) int8 classes from 1 to 3, a third of the people each."""
    u_A = rng.uniform(seed, agents, step=0, purpose=f"person: {name}")[:, 0]
    return (1 + np.searchsorted(_TRAIT_SHARES, u_A, side="right")).astype(np.int8)


def _people(rows: Rows, population: Population, made_from: str) -> People:
    return People(
        population,
        name=rows.name,
        gender=rows.gender,
        traits=rows.traits,
        status=rows.status,
        interest=rows.interest,
        age_A=rows.age_A,
        feature_A=rows.feature_A,
        made_from=made_from,
    )


def _rows_of(people: People) -> Rows:
    return Rows(
        people.name,
        people.gender,
        people.traits,
        people.status,
        people.interest,
        people.age_A,
        people.feature_A,
    )
