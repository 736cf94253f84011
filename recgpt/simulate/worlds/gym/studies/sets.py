"""Sets of items for the studies: items with a tag and without it, all items of the sets, series.

    sets = study_sets(domain, items)                    # derived from the catalogue's tags and series
    sets = study_sets(domain, items, Path("emosim"))    # the published sets
    sets.groups["horror"].liked                         # 20 rows of items

The published sets are lists of outside ids in a folder of EmoSim-RL's data (`study_folder`); any other catalogue gets
sets of the same sizes, drawn with a fixed seed.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.bounds import parse_json
from recgpt.errors import SimulationError
from recgpt.files import storage_errors
from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items

N_GROUPS, N_ITEMS, N_SUBSET = 8, 20, 20
ENVIRONMENT = "RECGPT_EMOSIM"
"""Environment variable with the folder of EmoSim-RL's data."""
_SEED = 17  # of the sets of a catalogue, which are the same in all runs
_SUBSET = "all_subset_20"


@dataclass(frozen=True)
class PublishedFiles:
    """Names of the published files of one domain.

    Attributes
    ----------
    groups
        Lists of items by tag, and `no_<tag>` without it.
    series
        Lists of items in the order of the series.
    all_items
        File with all items in order; None where they are the groups one after the other.
    order
        Order of the groups.
    """

    groups: str
    series: str
    all_items: str | None
    order: tuple[str, ...]


PUBLISHED = {
    "movies": PublishedFiles(
        "film_genre_sets.json",
        "film_sagas.json",
        "film_all.json",
        ("action", "animation", "comedy", "documentary", "fantasy", "romance", "horror", "family"),
    ),
    "books": PublishedFiles(
        "book_category_sets.json",
        "book_collections.json",
        None,
        ("fiction", "biography", "economics", "health", "philosophy", "computer", "humor", "drama"),
    ),
}
MAX_SERIES = {"movies": 22, "books": 20}


@dataclass(frozen=True)
class Group:
    """Items of the preference study for one tag.

    Attributes
    ----------
    tags
        Tags that the lovers of the group like.
    liked, others
        Rows of items with the tag, and without it.
    """

    tags: tuple[str, ...]
    liked: tuple[int, ...]
    others: tuple[int, ...]


@dataclass(frozen=True)
class StudySets:
    """Items of all studies as rows of the catalogue.

    Attributes
    ----------
    groups
        By tag.
    all_items, subset
        The different items of the groups, and 20 of them for quick studies.
    series
        Parts of each series in order.
    made_from
        Source, for reports.
    """

    groups: dict[str, Group]
    all_items: tuple[int, ...]
    subset: tuple[int, ...]
    series: tuple[tuple[int, ...], ...]
    made_from: str


def study_folder(given: str | None, catalogue: str | None, domain: Domain) -> Path | None:
    """Folder with the published sets: the given one, else the catalogue's, else that of the environment variable.

    The environment variable counts only where no other catalogue is chosen.

    Raises
    ------
    SimulationError
        The given folder has no sets of the domain.
    """
    files = PUBLISHED.get(domain.name)
    if given is not None:
        if files is None or not (Path(given) / files.groups).is_file():
            wanted = "no published sets exist for it" if files is None else f"it has no {files.groups}"
            raise SimulationError(
                f"{given} holds no sets of {domain.name} for the studies: {wanted}; leave --study-data out to derive"
                " them from the catalogue"
            )
        return Path(given)
    folder = catalogue or os.environ.get(ENVIRONMENT)
    if files is None or folder is None or not (Path(folder) / files.groups).is_file():
        return None
    return Path(folder)


def study_sets(domain: Domain, items: Items, folder: Path | None = None) -> StudySets:
    """Sets of a catalogue, the published ones where a folder with them is given.

    Raises
    ------
    SimulationError
        An item of the published sets is not in the catalogue, or the catalogue has no tag with enough items.
    """
    return _derived(domain, items) if folder is None else _published(domain, items, folder)


# --- published ---


def _published(domain: Domain, items: Items, folder: Path) -> StudySets:
    files, rows = PUBLISHED[domain.name], {outside: row for row, outside in enumerate(items.ids)}

    def found(ids: list[Any], name: str) -> tuple[int, ...]:
        missing = [str(each) for each in ids if str(each) not in rows]
        if missing:
            raise SimulationError(
                f"{folder / name}: {len(missing)} items of the studies are not in the catalogue {items.made_from!r}"
                f" ({', '.join(missing[:3])} ...): take --items {folder}, or leave --study-data out"
            )
        return tuple(rows[str(each)] for each in ids)

    by_name = {name: found(ids, files.groups) for name, ids in _json(folder / files.groups).items()}
    groups = {
        name: Group(cover([items.tags[row] for row in by_name[name]], _tags(items, by_name[f"no_{name}"])), *pair)
        for name in files.order
        for pair in [(by_name[name], by_name[f"no_{name}"])]
    }
    in_order = tuple(dict.fromkeys(row for name in files.order for row in by_name[name]))
    all_items = in_order if files.all_items is None else found(_json(folder / files.all_items), files.all_items)
    series = tuple(found(parts, files.series) for parts in _json(folder / files.series))
    return StudySets(groups, all_items, by_name[_SUBSET], series, f"published sets of {folder.name}")


def _json(path: Path) -> Any:
    with storage_errors(path):
        return parse_json(path.read_text(encoding="utf-8"), str(path), SimulationError)


def _tags(items: Items, rows: tuple[int, ...]) -> set[str]:
    return {tag for row in rows for tag in items.tags[row]}


def cover(liked: list[tuple[str, ...]], others: set[str]) -> tuple[str, ...]:
    """Tags that two or more of the liked items have and none of the others, until none adds two more items."""
    left = [set(tags) - others for tags in liked]
    chosen: list[str] = []
    while True:
        counts: dict[str, int] = {}
        for tags in left:
            for tag in tags:
                counts[tag] = counts.get(tag, 0) + 1
        best = min(counts, key=lambda tag: (-counts[tag], tag), default="")
        if counts.get(best, 0) < 2:
            return tuple(chosen)
        chosen.append(best)
        left = [tags for tags in left if best not in tags]


# --- derived from a catalogue ---


def _derived(domain: Domain, items: Items) -> StudySets:
    with_tag = {tag: [row for row, tags in enumerate(items.tags) if tag in tags] for tag in items.tag_names}
    usable = [tag for tag, rows in with_tag.items() if N_ITEMS <= len(rows) <= len(items) - N_ITEMS][:N_GROUPS]
    if not usable:
        raise SimulationError(
            f"catalogue {items.made_from!r}: the studies need a tag ({domain.tag_word}) that {N_ITEMS} items have and"
            f" {N_ITEMS} have not; take another catalogue, or none for the made-up one"
        )
    groups = {}
    for tag in usable:
        rows = np.array(with_tag[tag])
        others = np.setdiff1d(np.arange(len(items)), rows)
        groups[tag] = Group((tag,), _drawn(rows, N_ITEMS, f"liked {tag}"), _drawn(others, N_ITEMS, f"others {tag}"))
    all_items = tuple(dict.fromkeys(row for group in groups.values() for row in group.liked))
    subset = _drawn(np.array(all_items), N_SUBSET, "subset")
    series = _series(items)[: MAX_SERIES.get(domain.name, 20)]
    return StudySets(groups, all_items, subset, series, f"drawn from {items.made_from}")


def _drawn(rows: np.ndarray, n: int, purpose: str) -> tuple[int, ...]:
    """`n` of the rows in a random order that depends on the rows alone."""
    order = np.argsort(rng.uniform(_SEED, rows, step=0, purpose=purpose)[:, 0], kind="stable")
    return tuple(rows[order[:n]].tolist())


def _series(items: Items) -> tuple[tuple[int, ...], ...]:
    """Series of three parts or more, in the order of the catalogue."""
    parts: dict[str, list[int]] = {}
    for row, name in enumerate(items.collection):
        if name:
            parts.setdefault(name, []).append(row)
    ordered = (sorted(rows, key=lambda row: (int(items.part_N[row]), row)) for rows in parts.values())
    return tuple(tuple(rows) for rows in ordered if len(rows) >= 3)
