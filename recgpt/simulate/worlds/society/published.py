"""Published CSV files of films, people and ties.

    rows = read_people("user_1000.csv")
    ties = read_ties("relationship_1000.csv", n_people=len(rows))
    chosen = connected_sample(ties, 10, seed=0)

Lists in a field are separated by commas, features by `;`; blanks around entries and a last `;` are dropped. The number
of a person is the row, from 0. The label of a tie is the role of user_1 towards user_2.

Shapes: A people.
"""

import heapq
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.errors import DataError
from recgpt.simulate import rng
from recgpt.simulate.worlds.society.people import Feature
from recgpt.simulate.worlds.society.ties import Ties

ITEM_COLUMNS = ("id", "title", "genre", "description")
USER_COLUMNS = ("id", "name", "gender", "age", "traits", "status", "interest", "feature")
TIE_COLUMNS = ("user_1", "user_2", "relationship", "closeness")
LINK_COLUMNS = ("id", "movielens_1m_item")
MAX_BYTES = 1 << 30
MAX_AGE = 150

_TEXTS = ("name", "gender", "traits", "status", "interest")


@dataclass(frozen=True)
class Rows:
    """People of a file.

    Attributes
    ----------
    name, gender, traits, status, interest
        A texts each; traits and interest are lists of words, separated by commas.
    age_A
        (A,) int64 years; -1 for unknown.
    feature_A
        (A,) uint8 sets of `Feature`.
    """

    name: list[str]
    gender: list[str]
    traits: list[str]
    status: list[str]
    interest: list[str]
    age_A: np.ndarray
    feature_A: np.ndarray

    def __len__(self) -> int:
        return len(self.name)

    def rows(self, chosen: np.ndarray) -> "Rows":
        """People at these places."""
        texts = {name: [getattr(self, name)[a] for a in chosen.tolist()] for name in _TEXTS}
        return replace(self, **texts, age_A=self.age_A[chosen], feature_A=self.feature_A[chosen])


def read_table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Texts of a CSV file; empty fields are "".

    Raises
    ------
    DataError
        The file is missing, larger than 1 GiB, no CSV file, empty, or lacks a column.
    """
    wanted = ",".join(columns)
    if not path.is_file():
        raise DataError(f"{path} does not exist: name a CSV file with the columns {wanted}")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has {path.stat().st_size} bytes, and {MAX_BYTES} are the limit: name a smaller file")
    try:
        table = pl.read_csv(path.read_bytes().rstrip() + b"\n", infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path} is no CSV file ({first}): make one with the columns {wanted}") from error
    for column in columns:
        if column not in table.columns:
            raise DataError(f"{path} has no column {column!r} (it has {','.join(table.columns)}): it needs {wanted}")
    if table.is_empty():
        raise DataError(f"{path} has no rows: one below the header is needed")
    return table.with_columns(pl.all().fill_null(""))


def find_table(folder: Path, columns: tuple[str, ...], setting: str) -> Path | None:
    """The CSV file of a folder with these columns, if there is one.

    Raises
    ------
    DataError
        Several files have them.
    """
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open("rb") as file:
            header = file.readline(1 << 16).decode(errors="replace")
        names = {name.strip().strip('"') for name in header.lstrip("\ufeff").split(",")}
        if set(columns) <= names:
            found.append(path)
    if len(found) > 1:
        names_found = ", ".join(path.name for path in found)
        raise DataError(f"{folder} holds {names_found} with the columns {','.join(columns)}: name one by {setting}")
    return found[0] if found else None


def read_items(path: Path) -> pl.DataFrame:
    """Catalogue of an `item.csv`: item_id, title, categories, description.

    Raises
    ------
    DataError
        The file is damaged, or an id is no whole number or repeated.
    """
    table = read_table(path, ITEM_COLUMNS)
    ids = _numbers(table["id"], path, "id", 0, 2**31 - 1).astype(np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        raise DataError(f"{path}: the id {values[counts > 1][0]} occurs twice: give each item an id of its own")
    return pl.DataFrame(
        {
            "item_id": ids,
            "title": table["title"].str.strip_chars(),
            "categories": table["genre"].str.replace_all("|", ", ", literal=True),
            "description": table["description"].str.strip_chars(),
        }
    )


def read_people(path: str | Path) -> Rows:
    """People of a CSV file with the published columns.

    Raises
    ------
    DataError
        The file is damaged, a name is empty, an age is no whole number, or a feature is unknown.
    """
    path = Path(path)
    table = read_table(path, USER_COLUMNS)
    names = table["name"].str.strip_chars().to_list()
    if "" in names:
        raise DataError(f"{path}, line {names.index('') + 2}: name is empty: write one")
    return Rows(
        name=names,
        gender=table["gender"].str.strip_chars().to_list(),
        traits=[_listed(text) for text in table["traits"]],
        status=table["status"].str.strip_chars().to_list(),
        interest=[_listed(text) for text in table["interest"]],
        age_A=_numbers(table["age"], path, "age", 0, MAX_AGE).astype(np.int64),
        feature_A=np.array([_features(text, path, row) for row, text in enumerate(table["feature"])], np.uint8),
    )


def read_ties(path: str | Path, n_people: int) -> Ties:
    """Ties of a CSV file with the published columns.

    Raises
    ------
    DataError
        The file is damaged, a user is no row of the people, or a closeness is not from 0 to 1.
    """
    path = Path(path)
    table = read_table(path, TIE_COLUMNS)
    source_R, target_R = (
        _numbers(table[name], path, name, 0, n_people - 1).astype(np.int64) for name in TIE_COLUMNS[:2]
    )
    closeness_R = _numbers(table["closeness"], path, "closeness", 0, 1, whole=False)
    labels = table["relationship"].str.strip_chars().to_list()
    return Ties.from_edges(n_people, source_R, target_R, closeness_R, labels)


def connected_sample(ties: Ties, n: int, seed: int) -> np.ndarray:
    """(n,) people in ascending order that form one group of friends, drawn with the seed.

    Starts with one person and adds, again and again, the friend of anyone in the group with the lowest random number;
    another person without friends in the group only once the group has no other friends left.
    """
    key_A = rng.uniform(seed, np.arange(ties.n_agents), step=0, purpose="connected sample")[:, 0]
    taken = np.zeros(ties.n_agents, dtype=bool)
    waiting: list[tuple[float, int]] = []
    chosen: list[int] = []
    starts = iter(np.argsort(key_A, kind="stable").tolist())
    while len(chosen) < n:
        agent = heapq.heappop(waiting)[1] if waiting else next(starts)
        if taken[agent]:
            continue
        taken[agent] = True
        chosen.append(agent)
        friends = ties.target_R[ties.offsets[agent] : ties.offsets[agent + 1]]
        for friend in friends[~taken[friends]].tolist():
            heapq.heappush(waiting, (float(key_A[friend]), friend))
    return np.sort(np.array(chosen, dtype=np.int64))


def ties_among(ties: Ties, agents: np.ndarray) -> Ties:
    """Ties between these agents only, numbered anew in their order."""
    place_A = np.full(ties.n_agents, -1, dtype=np.int64)
    place_A[agents] = np.arange(len(agents))
    source_R, target_R = place_A[ties.source_R], place_A[ties.target_R]
    kept = (source_R >= 0) & (target_R >= 0)
    labels = [ties.labels[label] for label in ties.label_R[kept].tolist()]
    return Ties.from_edges(len(agents), source_R[kept], target_R[kept], ties.closeness_R[kept], labels)


def _numbers(
    texts: pl.Series, path: Path, column: str, lowest: float, highest: float, *, whole: bool = True
) -> np.ndarray:
    """(R,) float64 numbers within bounds; the first wrong one is an error that names its line."""
    values = texts.str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    with np.errstate(invalid="ignore"):
        fine = (values >= lowest) & (values <= highest)
        fine &= (np.floor(values) == values) if whole else True
    if not fine.all():
        row = int(np.argmin(fine))
        what = "a whole number" if whole else "a number"
        raise DataError(
            f"{path}, line {row + 2}: {column}={texts[row]!r} is not valid: write {what} from {lowest} to {highest}"
        )
    return values


def _listed(text: str) -> str:
    return ", ".join(word for part in text.split(",") if (word := part.strip()))


def _features(text: str, path: Path, row: int) -> int:
    found = 0
    for part in text.split(";"):
        if name := part.strip():
            if name.upper() not in Feature.__members__:
                known = ", ".join(str(each.name).title() for each in Feature)
                raise DataError(f"{path}, line {row + 2}: there is no feature {name!r}: choose among {known}")
            found |= Feature[name.upper()]
    if not found:
        raise DataError(f"{path}, line {row + 2}: feature is empty: name one, such as Watcher")
    return int(found)
