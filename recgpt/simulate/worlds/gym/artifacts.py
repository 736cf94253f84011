"""Artifacts of a run: the files from which it is read without its data set and domain.

facts = stored_facts(run)
facts.titles[3], facts.highest
"""

import io
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.errors import StoreError
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

ITEMS, USERS, FACTS = "items.parquet", "users.parquet", "facts.json"
_TEXTS, _TRAITS = (
    ("ids", "names", "descriptions", "jobs", "hobbies", "persona"),
    ("activity", "conformity", "diversity"),
)


@dataclass(frozen=True)
class Facts:
    """What measures and reports need of a domain.

    Attributes
    ----------
    domain, item_word, item_words
        Names.
    lowest, highest, step
        Scale of ratings.
    liked_from
        Lowest rating of a relevant item.
    reference
        Shares of the scale's values in real ratings, lowest first; None if unknown.
    items_from, users_from
        Sources.
    """

    domain: str
    item_word: str
    item_words: str
    lowest: float
    highest: float
    step: float
    liked_from: float
    reference: list[float] | None
    items_from: str
    users_from: str

    @property
    def scale(self) -> Scale:
        """Scale of ratings."""
        return Scale(self.lowest, self.highest, self.step)


def artifacts_of(domain: Domain, items: Items, users: Users) -> dict[str, bytes]:
    """Content of each artifact by its name."""
    facts = Facts(
        domain.name,
        domain.item_word,
        domain.item_words,
        domain.scale.lowest,
        domain.scale.highest,
        domain.scale.step,
        domain.liked_from,
        None if domain.reference is None else list(domain.reference),
        items.made_from,
        users.made_from,
    )
    table = {
        "id": items.ids,
        "title": items.titles,
        "year": items.years,
        "tags": [list(tags) for tags in items.tags],
        "average": items.average_N,
        "count": items.count_N,
        "collection": items.collection,
    }
    people = {
        **{name: getattr(users, name) for name in _TEXTS},
        "gender": users.gender_U,
        "age": users.age_U,
        "liked": [list(tags) for tags in users.liked],
        "disliked": [list(tags) for tags in users.disliked],
        **{name: getattr(users, f"{name}_U") for name in _TRAITS},
        "n_known": users.histories.lengths,
    }
    lists = {"tags": pl.List(pl.String), "liked": pl.List(pl.String), "disliked": pl.List(pl.String)}
    return {
        ITEMS: _parquet(pl.DataFrame(table, schema_overrides={"tags": lists["tags"]})),
        USERS: _parquet(pl.DataFrame(people, schema_overrides={name: lists[name] for name in ("liked", "disliked")})),
        FACTS: json.dumps(asdict(facts)).encode(),
    }


def stored_items(run: Run) -> pl.DataFrame:
    """Items of a run: id, title, year, tags, average, count, collection."""
    return pl.read_parquet(io.BytesIO(run.artifact(ITEMS)))


def stored_users(run: Run) -> pl.DataFrame:
    """Users of a run: texts, gender, age, tags, traits, and `n_known`, ratings before the first episode."""
    return pl.read_parquet(io.BytesIO(run.artifact(USERS)))


def stored_facts(run: Run) -> Facts:
    """Facts of a run's domain."""
    content: dict[str, Any] = parse_json(run.artifact(FACTS), f"{run.path}: {FACTS}", StoreError)
    return Facts(**content)


def shares_of(ratings: np.ndarray, scale: Scale) -> np.ndarray:
    """Shares of the scale's values in ratings, lowest first; zeros without ratings."""
    places = np.round((scale.project(ratings) - scale.lowest) / scale.step).astype(np.int64)
    counts = np.bincount(places, minlength=len(scale.values))
    return counts / max(1, counts.sum())


def _parquet(table: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()
