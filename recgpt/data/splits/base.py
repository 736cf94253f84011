"""Split: the evaluation queries (history, target) of one protocol, and the training interactions.

Suffixes: R interactions of the data set, B queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.bounds import read_json
from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.fingerprint import json_text
from recgpt.data.identity import arrays_sha256, dataset_identity, different
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.files import new_files

QUERY_NEEDS = {
    **dict.fromkeys(
        ("leave_one_out", "second_last", "zero_shot", "published_steam_style", "published_99_negatives"),
        "three items or more",
    ),
    "global_time": "two interactions before the moment of the split and a new item after it",
    "held_out_users": "a withheld user with two items or more",
    "cold_user": "a withheld user with three items or more",
    "cold_item": "a withheld item that follows another item",
    "windows": "a published test window",
}
"""Protocol -> what a user's query needs."""


@dataclass(frozen=True, eq=False)
class Split:
    """Evaluation queries of one protocol on one data set.

    Parameters
    ----------
    dataset
        The whole data set, before the split.
    protocol, seed, params
        Name of the protocol, seed of its draws, and its options.
    in_past
        (R,) bool mask of the training interactions (the *past*).
    histories
        B sequences of dense item ids, oldest first: the input of `Recommender.rank`.
    target_rows
        (B,) int64 row of each target in `dataset.interactions`, sorted by user (non-decreasing).
    n_eligible
        Number of users who could have a query, before a sample of them; None for the number that have one.
    """

    dataset: Dataset
    protocol: str
    seed: int
    params: Mapping[str, Any]
    in_past: np.ndarray
    histories: Ragged
    target_rows: np.ndarray
    n_eligible: int | None = None

    def __len__(self) -> int:
        return len(self.target_rows)

    @cached_property
    def targets(self) -> np.ndarray:
        """(B,) int64, dense id of each target item."""
        return self.dataset.interactions.item[self.target_rows].astype(np.int64)

    @cached_property
    def users(self) -> np.ndarray:
        """(B,) int64, dense user ids."""
        return self.dataset.interactions.user[self.target_rows].astype(np.int64)

    @cached_property
    def times(self) -> np.ndarray | None:
        """(B,) int64, Unix seconds of the target (-1 = unknown); None where the data set has no times."""
        timestamp = self.dataset.interactions.timestamp
        return None if timestamp is None else timestamp[self.target_rows]

    @cached_property
    def past(self) -> Ragged:
        """Training sequences, one a user (empty for withheld users): the only data to count, index or train on."""
        return self.dataset.sequences.filter(self.in_past)

    @cached_property
    def known(self) -> Dataset:
        """The data set for `Recommender.fit`: the whole catalogue, and the training interactions only."""
        interactions: Interactions = self.dataset.interactions.select(self.in_past)
        return Dataset(
            name=self.dataset.name,
            path=self.dataset.path,
            manifest={**self.dataset.manifest, "interactions": len(interactions), "split": self.about},
            items=self.dataset.items.lazy(),
            item_map=self.dataset.item_map,
            user_map=self.dataset.user_map,
            interactions=interactions,
            split=None,
            sources=[source.select(self.in_past) for source in self.dataset.sources],
        )

    def user_counts(self) -> dict[str, Any]:
        """Numbers of users: `all`, `evaluated`, `without_query` with what a query needs, and `not_sampled`."""
        evaluated = len(np.unique(self.users))
        eligible = evaluated if self.n_eligible is None else self.n_eligible
        return {
            "all": self.dataset.n_users,
            "evaluated": evaluated,
            "without_query": self.dataset.n_users - eligible,
            "query_needs": QUERY_NEEDS.get(self.protocol, "what the protocol prescribes"),
            "not_sampled": eligible - evaluated,
        }

    @cached_property
    def targets_sha256(self) -> str:
        """Hash of the targets: the row, the user and the item of each."""
        return arrays_sha256(self.target_rows.astype(np.int64), self.users, self.targets)

    @cached_property
    def queries_sha256(self) -> str:
        """Hash of the queries and of the past: all that a recommender is given."""
        return arrays_sha256(self.target_rows, self.histories.offsets, self.histories.values, self.in_past)

    @property
    def about(self) -> dict[str, Any]:
        """The split in the manifest of its past, from which a training past is recorded."""
        return {
            "protocol": self.protocol,
            "past": self.params.get("past", "all but the targets and later"),
            "seed": self.seed,
            "params": dict(self.params),
            "targets_sha256": self.targets_sha256,
        }

    def check_no_leak(self) -> None:
        """Raise DataError where a target leaks into the training interactions or into its own history.

        Neither the target nor any later event of its user may be in the past, and a history may hold the target item
        only as often as the user took it before.
        """
        users = self.users
        ends = self.dataset.offsets[users + 1]
        n_past_before = np.concatenate([[0], np.cumsum(self.in_past)])
        in_past = n_past_before[ends] > n_past_before[self.target_rows]
        if in_past.any():
            raise DataError(
                self._leak(int(in_past.argmax()), "the past holds the target, or a later event of its user")
            )
        before = self.dataset.sequences.spans(self.dataset.offsets[users], self.target_rows)
        in_history = self.histories.occurrences(self.targets) > before.occurrences(self.targets)
        if in_history.any():
            raise DataError(self._leak(int(in_history.argmax()), "the history holds the target itself"))

    def _leak(self, case: int, problem: str) -> str:
        user = self.dataset.user_map.to_outside([self.users[case]])[0]
        item = self.dataset.item_map.to_outside([self.targets[case]])[0]
        return (
            f"{self.protocol} on {self.dataset.name} leaks: in case {case} (user {user!r}, target {item!r}) {problem}. "
            "No figure made with it can be trusted: correct the protocol"
        )

    def save(self, path: str | Path) -> None:
        """Write the split into the folder `path`: `cases.parquet`, `past.parquet` and `split.json`."""
        import pyarrow as pa  # only splits that are kept need it
        import pyarrow.parquet as pq

        path = Path(path)
        names = ("cases.parquet", "past.parquet", "split.json")
        about = {"protocol": self.protocol, "seed": self.seed, "params": dict(self.params)}
        about |= {"n_eligible": self.n_eligible}
        about |= {"dataset": self.dataset.name, **dataset_identity(self.dataset)}
        histories = pa.LargeListArray.from_arrays(self.histories.offsets, self.histories.values)
        with new_files(*(path / name for name in names)) as (cases, past, note):
            pq.write_table(pa.table({"target_row": self.target_rows, "history": histories}), cases)
            pq.write_table(pa.table({"in_past": self.in_past}), past)
            note.write_text(json_text(about), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path, dataset: Dataset) -> "Split":
        """Read a stored split of `dataset`.

        Raises
        ------
        DataError
            The split was made on another data set, or with another rule for repeats.
        """
        import pyarrow.parquet as pq

        path = Path(path)
        if not (path / "split.json").is_file():
            raise DataError(f"{path} holds no split.json: name a folder that `recgpt data split` wrote")
        about = read_json(path / "split.json")
        wanted = {**dataset_identity(dataset)}
        if "content_sha256" not in about:  # a split of an earlier version
            wanted.pop("content_sha256")
        if differences := different(about, wanted):
            raise DataError(
                f"{path} was made on {about.get('dataset')} (repeats: {about.get('repeats')}), which is not this"
                f" {dataset.name} (repeats: {dataset.manifest['repeats']}): {', '.join(differences)}. Make the split"
                " again"
            )
        cases = pq.read_table(path / "cases.parquet", partitioning=None)
        histories = cases["history"].combine_chunks()
        return cls(
            dataset=dataset,
            protocol=about["protocol"],
            seed=about["seed"],
            params=about["params"],
            in_past=pq.read_table(path / "past.parquet", partitioning=None)["in_past"].to_numpy(),
            histories=Ragged(histories.flatten().to_numpy(), histories.offsets.to_numpy()),
            target_rows=cases["target_row"].to_numpy(),
            n_eligible=about.get("n_eligible"),
        )


def sample(rows: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Random sample of at most `most` of `rows` (all of them if None), in ascending order."""
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def draw(n: int, fraction: float, seed: int) -> np.ndarray:
    """(n,) bool, a random share `fraction` of them true, at least one.

    Raises
    ------
    DataError
        `fraction` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise DataError(f"fraction={fraction} is not between 0 and 1")
    drawn = np.zeros(n, dtype=bool)
    drawn[np.random.default_rng(seed).choice(n, max(1, round(fraction * n)), replace=False)] = True
    return drawn
