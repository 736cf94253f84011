"""Who is asked what: the histories and targets of an evaluation, and what recommenders may learn from.

    split = leave_one_out(dataset, past="train")
    split.past          # one sequence a user: all that a recommender may count, index or train on
    split.histories     # one sequence a case: what the recommender sees
    split.targets       # one item a case: what it should have ranked first

Every split is a function of the data set, its parameters and its seed; `save` and `load` keep it for later comparison.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import read_json, write_json
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError

COLD_HISTORY_ITEMS = (2, 4)


@dataclass(frozen=True, eq=False)
class Split:
    """Cases of one protocol.

    Parameters
    ----------
    protocol, seed, params
        How the split was made.
    past
        U sequences, what recommenders may learn from; empty for users withheld from it.
    histories
        Sequences of dense item ids, one a case.
    targets
        (cases,) int64, the item each history goes on with.
    users
        (cases,) int64, dense user ids, rising.
    times
        (cases,) int64, Unix seconds of the target (-1 = unknown); None where the data set has no times.
    """

    protocol: str
    seed: int
    params: Mapping[str, Any]
    past: Ragged
    histories: Ragged
    targets: np.ndarray
    users: np.ndarray
    times: np.ndarray | None

    def __len__(self) -> int:
        return len(self.targets)

    def save(self, path: str | Path, dataset: Dataset) -> None:
        """Write the split into the folder `path`: `cases.parquet`, `past.parquet` and `split.json`."""
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        cases = {"user": self.users, "target": self.targets, "history": _to_arrow(self.histories)}
        if self.times is not None:
            cases["time"] = self.times
        pq.write_table(pa.table(cases), path / "cases.parquet")
        pq.write_table(pa.table({"past": _to_arrow(self.past)}), path / "past.parquet")
        about = {"protocol": self.protocol, "seed": self.seed, "params": dict(self.params), **_identity(dataset)}
        write_json(path / "split.json", about)

    @classmethod
    def load(cls, path: str | Path, dataset: Dataset) -> "Split":
        """Read a split that was made on `dataset`.

        Raises
        ------
        DataError
            It was made on another data set, or with another rule for repeats.
        """
        path = Path(path)
        if not (path / "split.json").is_file():
            raise DataError(f"{path} holds no split.json: it is not a stored split")
        about = read_json(path / "split.json")
        for key, value in _identity(dataset).items():
            if about.get(key) != value:
                raise DataError(
                    f"{path} was made on {about.get('dataset')} (repeats: {about.get('repeats')}), which is not this"
                    f" {dataset.name} (repeats: {dataset.manifest['repeats']}): {key} differs. Make the split again"
                )
        cases = pq.read_table(path / "cases.parquet")
        past = pq.read_table(path / "past.parquet")["past"]
        return cls(
            protocol=about["protocol"],
            seed=about["seed"],
            params=about["params"],
            past=_from_arrow(past),
            histories=_from_arrow(cases["history"]),
            targets=cases["target"].to_numpy(),
            users=cases["user"].to_numpy(),
            times=cases["time"].to_numpy() if "time" in cases.column_names else None,
        )


def leave_one_out(
    dataset: Dataset,
    *,
    past: Literal["train", "train+valid"] = "train+valid",
    max_users: int | None = None,
    seed: int = 0,
) -> Split:
    """Ask for every user's last item, given all items before it.

    Users with fewer than three items are not asked; their whole sequence is in the past.

    Parameters
    ----------
    past
        `train`: sequences less their last two items, what published models are trained on.
        `train+valid`: less their last one, what a deployed system would know.
    max_users
        Ask only this many users, drawn with `seed`; the past is that of all users.
    """
    params = {"past": past, "max_users": max_users}
    held_back = {"train": 2, "train+valid": 1}[past]
    return _ask_near_the_end(dataset, "leave_one_out", 1, held_back, params, seed)


def second_last(dataset: Dataset, *, max_users: int | None = None, seed: int = 0) -> Split:
    """Ask for every user's second-last item: what models and weights are chosen on, so that the last stays unseen.

    Parameters as of `leave_one_out`, whose past with `past="train"` is the past here.
    """
    return _ask_near_the_end(dataset, "second_last", 2, 2, {"max_users": max_users}, seed)


def _ask_near_the_end(
    dataset: Dataset, protocol: str, from_end: int, held_back: int, params: dict[str, Any], seed: int
) -> Split:
    """Ask for the item `from_end` places from the end; the past of users so asked ends `held_back` places from it."""
    sequences = dataset.sequences
    asked = sequences.lengths >= 3
    users = _sample(np.flatnonzero(asked), params["max_users"], seed)
    starts, stops = sequences.offsets[:-1], sequences.offsets[1:]
    target_rows = stops[users] - from_end
    return Split(
        protocol=protocol,
        seed=seed,
        params=params,
        past=sequences.spans(starts, stops - np.where(asked, held_back, 0)),
        histories=sequences.spans(starts[users], target_rows),
        **_targets(dataset, target_rows),
    )


def global_time(dataset: Dataset, *, quantile: float = 0.9, max_users: int | None = None, seed: int = 0) -> Split:
    """Ask at one moment T: given what a user did before T, which new item comes first after it?

    Nothing that happened at or after T is in the past, so no recommender looks ahead. Asked are users with at least two
    events before T and, from T on, an item they had not met. An event without a time takes that of the one before it,
    else of the one after it; users without any known time are left out of the past as well.

    Parameters
    ----------
    quantile
        T is this quantile of the times so completed.
    max_users
        Ask only this many users, drawn with `seed`.

    Raises
    ------
    DataError
        The data set has no times.
    """
    if dataset.interactions.timestamp is None or not (dataset.interactions.timestamp >= 0).any():
        raise DataError(f"{dataset.name} has no times, so it has no global-time split: use leave_one_out")
    user, item = dataset.interactions.user, dataset.interactions.item
    time = _with_neighbours_times(user, dataset.interactions.timestamp)
    known = time >= 0
    moment = int(np.quantile(time[known], quantile))
    before, after = known & (time < moment), time >= moment
    past = dataset.sequences.filter(before)
    pair = pl.Series(user.astype(np.int64) * dataset.n_items + item)
    new_rows = np.flatnonzero(after)
    new_rows = new_rows[~pair.gather(new_rows).is_in(pair.filter(before).implode()).to_numpy()]
    users, first = np.unique(user[new_rows], return_index=True)
    asked = past.lengths[users] >= 2
    chosen = _sample(np.flatnonzero(asked), max_users, seed)
    return Split(
        protocol="global_time",
        seed=seed,
        params={"quantile": quantile, "moment": moment, "max_users": max_users},
        past=past,
        histories=past[users[chosen]],
        **_targets(dataset, new_rows[first[chosen]]),
    )


def held_out_users(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Withhold a share of the users from the past and ask for the last item of each (of those with two or more)."""
    sequences = dataset.sequences
    withheld = _draw(dataset.n_users, fraction, seed)
    users = np.flatnonzero(withheld & (sequences.lengths >= 2))
    target_rows = sequences.offsets[users + 1] - 1
    return Split(
        protocol="held_out_users",
        seed=seed,
        params={"fraction": fraction},
        past=sequences.filter(~withheld[dataset.interactions.user]),
        histories=sequences.spans(sequences.offsets[users], target_rows),
        **_targets(dataset, target_rows),
    )


def cold_user(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Withhold a share of the users and ask what each did after their first two, three or four items.

    The number is drawn for each user; users with fewer than three items are not asked.
    """
    sequences = dataset.sequences
    fewest, most = COLD_HISTORY_ITEMS
    withheld = _draw(dataset.n_users, fraction, seed)
    users = np.flatnonzero(withheld & (sequences.lengths > fewest))
    longest = np.minimum(most, sequences.lengths[users] - 1)
    history_items = np.random.default_rng([seed, 1]).integers(fewest, longest, endpoint=True)
    starts = sequences.offsets[users]
    return Split(
        protocol="cold_user",
        seed=seed,
        params={"fraction": fraction},
        past=sequences.filter(~withheld[dataset.interactions.user]),
        histories=sequences.spans(starts, starts + history_items),
        **_targets(dataset, starts + history_items),
    )


def cold_item(dataset: Dataset, *, fraction: float = 0.1, max_users: int | None = None, seed: int = 0) -> Split:
    """Take a share of the items out of the past, and ask for the last of them that each user met.

    Histories hold the other items the user met before it, so that any recommender can read them; what a user did after
    the target is in no past.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    met = np.unique(item)
    cold = np.zeros(dataset.n_items, dtype=bool)
    cold[met[_draw(len(met), fraction, seed)]] = True
    is_cold = cold[item]
    warm_before = np.cumsum(~is_cold) - ~is_cold
    warm_before -= warm_before[dataset.offsets[:-1]][user]
    askable = np.flatnonzero(is_cold & (warm_before >= 1))
    last_first = askable[::-1]
    users, last = np.unique(user[last_first], return_index=True)
    chosen = _sample(np.arange(len(users)), max_users, seed)
    users, target_rows = users[chosen], last_first[last[chosen]]
    cut = dataset.offsets[1:].copy()
    cut[users] = target_rows
    past = dataset.sequences.filter(~is_cold & (np.arange(len(item)) < cut[user]))
    return Split(
        protocol="cold_item",
        seed=seed,
        params={"fraction": fraction, "max_users": max_users},
        past=past,
        histories=past[users],
        **_targets(dataset, target_rows),
    )


def _targets(dataset: Dataset, rows: np.ndarray) -> dict[str, Any]:
    """What `Split` says of the events at `rows`, one a case."""
    flat = dataset.interactions
    return {
        "targets": flat.item[rows].astype(np.int64),
        "users": flat.user[rows].astype(np.int64),
        "times": None if flat.timestamp is None else flat.timestamp[rows],
    }


def _sample(rows: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _draw(n: int, fraction: float, seed: int) -> np.ndarray:
    """(n,) bool, a share `fraction` of them true, at least one."""
    if not 0 < fraction < 1:
        raise DataError(f"fraction={fraction} is not between 0 and 1")
    drawn = np.zeros(n, dtype=bool)
    drawn[np.random.default_rng(seed).choice(n, max(1, round(fraction * n)), replace=False)] = True
    return drawn


def _with_neighbours_times(user: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    frame = pl.DataFrame({"user": user, "time": timestamp})
    known = pl.when(pl.col("time") >= 0).then(pl.col("time"))
    filled = frame.select(known.forward_fill().backward_fill().over("user").fill_null(-1))
    return filled.to_series().to_numpy()


def _identity(dataset: Dataset) -> dict[str, str]:
    return {
        "dataset": dataset.name,
        "repeats": dataset.manifest["repeats"],
        "items_sha256": dataset.items_sha256,
        "interactions_sha256": dataset.interactions_sha256,
    }


def _to_arrow(sequences: Ragged) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(sequences.offsets, sequences.values)


def _from_arrow(column: pa.ChunkedArray) -> Ragged:
    lists = column.combine_chunks()
    return Ragged(lists.flatten().to_numpy(), lists.offsets.to_numpy())


PROTOCOLS: dict[str, Callable[..., Split]] = {
    make.__name__: make for make in (leave_one_out, global_time, held_out_users, cold_user, cold_item)
}
