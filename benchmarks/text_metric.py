"""Text alone in several metrics: whitened, learned from the catalogue's own past, learned from other catalogues.

    python benchmarks/text_metric.py ../shared/data/valid/* --pool ../shared/data/pretrain/*

NDCG@10 of items new to their user by the cosine to the history, pooled with weights .5^age; history items left out.
Columns:

- raw: the embeddings, unit rows. whitened: the text feature of the foundation model.
- own 1/4, own 1/2: embeddings times S^-1/4 and S^-1/2. S is the covariance of the differences between successive items
  of a user (relevant component analysis, Bar-Hillel et al. 2005, "Learning a Mahalanobis metric from equivalence
  constraints"), from the past of the split.
- joint: directions by their canonical correlation between successive items of a user.
- pool, pool whitened: times S^-1/2 with the mean S of the folders of `--pool` of another kind, alone and then whitened.
- age .7, age .3: whitened, with histories pooled by these in place of .5.

`--protocol cold_item` withholds a tenth of the items from the past and asks for them. Writes JSON with `--json`.

Shapes: N items, E embedding width, B queries.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits import make_split
from recgpt.device import hardware
from recgpt.encode import embeddings_for
from recgpt.features.co_visitation import decayed
from recgpt.features.text_similarity import unit_rows, whitened_unit_rows
from recgpt.program import run

ENCODER, TEMPLATE = "all-MiniLM-L6-v2", "fields"
FLOOR = 0.001  # of the mean eigenvalue, as in whitening
CORRELATION_FLOOR = 0.01
AGAIN = 0.2  # exponent of whitening after the metric of the pool
DECAY, MOST_POOLED = 0.5, 32
ROWS = 64
KINDS = (
    ("amazon_books", "amazon_books_2", "goodreads"),
    ("amazon_movies", "amazon_movies_2", "movielens_1m"),
    ("grocery", "grocery_full"),
    ("phish_setlists", "goose_setlists", "wsp_setlists", "um_setlists"),
    ("tennis_tournaments", "tennis_women"),
    ("ocaml_packages", "spack_packages", "cpp_libraries", "gentoo_guru", "command_pages"),
)
"""Data sets of one kind or with items in common: none of them is in the pool of another of its row."""


def pair_counts(sequences: Ragged, n_items: int) -> sparse.csr_array:
    """(N, N) float32 symmetric counts of successive different items."""
    later = np.ones(len(sequences.values), dtype=bool)
    later[sequences.offsets[:-1][sequences.lengths > 0]] = False
    place = np.flatnonzero(later)
    before, after = sequences.values[place - 1], sequences.values[place]
    differs = before != after
    ones = np.ones(int(differs.sum()), dtype=np.float32)
    counts_NN = sparse.csr_array((ones, (before[differs], after[differs])), shape=(n_items, n_items))
    return sparse.csr_array(counts_NN + counts_NN.T)


def difference_covariance(unit_NE: np.ndarray, counts_NN: sparse.csr_array) -> np.ndarray:
    """(E, E) mean of d d^T over the counted pairs, d the difference of their rows: X^T (D - A) X over the pairs."""
    laplacian_NN = sparse.diags_array(counts_NN.sum(axis=1)) - counts_NN
    return np.asarray(unit_NE.T @ (laplacian_NN.tocsr() @ unit_NE), dtype=np.float64) / max(counts_NN.sum() / 2, 1)


def power(matrix_EE: np.ndarray, exponent: float, floor: float = FLOOR) -> np.ndarray:
    """(E, E) power of a symmetric positive matrix; the floor, times the mean eigenvalue, is added to all."""
    value_E, axes_EE = np.linalg.eigh(matrix_EE)
    value_E = np.maximum(value_E, 0)
    return (axes_EE * (value_E + floor * value_E.mean()) ** exponent) @ axes_EE.T


def joint_rows(unit_NE: np.ndarray, counts_NN: sparse.csr_array) -> np.ndarray:
    """(N, E) unit rows in the canonical directions of successive items, each times the root of its correlation."""
    degree_N, total = counts_NN.sum(axis=1), counts_NN.sum()
    centred_NE = unit_NE - degree_N @ unit_NE / total
    white_EE = power((centred_NE * degree_N[:, None]).T @ centred_NE / total, -0.5, CORRELATION_FLOOR)
    correlation_EE = white_EE @ (centred_NE.T @ (counts_NN @ centred_NE) / total) @ white_EE
    value_E, axes_EE = np.linalg.eigh((correlation_EE + correlation_EE.T) / 2)
    weight_E = np.sqrt(np.maximum(value_E, 0))
    return unit_rows((unit_NE - unit_NE.mean(axis=0)) @ white_EE @ axes_EE * weight_E)


def text_ndcg(unit_NE: np.ndarray, histories: Ragged, targets: np.ndarray, decay: float = DECAY) -> np.ndarray:
    """(B,) NDCG@10 of the targets by the cosine to the pooled history; items of the history are left out."""
    rows_EN = torch.from_numpy(unit_NE).T
    ndcg_B = np.zeros(len(targets))
    for start in range(0, len(targets), ROWS):
        own = targets[start : start + ROWS]
        part = histories[np.arange(start, start + len(own))]
        pooled_BE = decayed(part, decay, MOST_POOLED, len(unit_NE)).astype(np.float32) @ unit_NE
        score_BN = (torch.from_numpy(pooled_BE) @ rows_EN).numpy()
        score_BN[np.repeat(np.arange(len(part)), part.lengths), part.values] = -np.inf
        n_ahead_B = (score_BN > score_BN[np.arange(len(own)), own][:, None]).sum(axis=1)
        ndcg_B[start : start + ROWS] = np.where(n_ahead_B < 10, 1 / np.log2(2.0 + n_ahead_B), 0.0)
    return ndcg_B


def is_alike(one: str, other: str) -> bool:
    """Whether two data sets are the same or in one row of `KINDS`."""
    return one == other or any(one in kind and other in kind for kind in KINDS)


def spread_of(path: Path) -> np.ndarray:
    """(E, E) S of a data set's past, over the variance of the texts that its users took."""
    dataset = Dataset.load(path, repeats="drop")
    unit_NE = unit_rows(embeddings_for(dataset, ENCODER, TEMPLATE))
    counts_NN = pair_counts(make_split(dataset, "leave_one_out").past, dataset.n_items)
    mean_E = counts_NN.sum(axis=1) @ unit_NE / counts_NN.sum()
    return difference_covariance(unit_NE, counts_NN) / float(1 - mean_E @ mean_E)


def measured(path: Path, protocol: str, users: int, spreads: dict[str, np.ndarray]) -> dict[str, Any]:
    """The figures of one data set."""
    dataset = Dataset.load(path, repeats="drop")
    unit_NE = unit_rows(embeddings_for(dataset, ENCODER, TEMPLATE))
    split = make_split(dataset, protocol, max_users=users, seed=0)
    asked = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    histories, targets = split.histories[asked], split.targets[asked]
    counts_NN = pair_counts(split.past, dataset.n_items)
    own_EE, centred_NE = difference_covariance(unit_NE, counts_NN), unit_NE - unit_NE.mean(axis=0)
    whitened_NE = whitened_unit_rows(unit_NE)
    rows = {
        "raw": unit_NE,
        "whitened": whitened_NE,
        "own 1/4": unit_rows(centred_NE @ power(own_EE, -0.25)),
        "own 1/2": unit_rows(centred_NE @ power(own_EE, -0.5)),
        "joint": joint_rows(unit_NE, counts_NN),
    }
    others = [spread_EE for name, spread_EE in spreads.items() if not is_alike(name, dataset.name)]
    if others:
        pooled_NE = centred_NE @ power(np.mean(others, axis=0), -0.5)
        again_NE = pooled_NE @ power(pooled_NE.T @ pooled_NE / len(pooled_NE), -AGAIN)
        rows |= {"pool": unit_rows(pooled_NE), "pool whitened": unit_rows(again_NE)}
    ndcg = {name: text_ndcg(each_NE, histories, targets) for name, each_NE in rows.items()}
    ndcg |= {f"age {decay}": text_ndcg(whitened_NE, histories, targets, decay) for decay in (0.7, 0.3)}
    errors = {name: (each_B - ndcg["whitened"]).std() / len(asked) ** 0.5 for name, each_B in ndcg.items()}
    return {
        "name": dataset.name,
        "cases": len(asked),
        "ndcg@10": {name: float(each_B.mean()) for name, each_B in ndcg.items()},
        "standard_error_of_difference": {name: float(error) for name, error in errors.items()},
    }


def main() -> None:
    """Measure every folder named; print a line each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--pool", type=Path, nargs="*", default=[], help="data sets of the metric of the pool")
    parser.add_argument("--protocol", choices=("leave_one_out", "cold_item"), default="leave_one_out")
    parser.add_argument("--users", type=int, default=800, help="largest number of queries of a data set")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    spreads = {path.name: spread_of(path) for path in args.pool}
    found = []
    for path in args.datasets:
        found.append(measured(path, args.protocol, args.users, spreads))
        figures = ", ".join(f"{name} {value:.4f}" for name, value in found[-1]["ndcg@10"].items())
        print(f"{found[-1]['name']}, {found[-1]['cases']} queries: {figures}", flush=True)
    if args.json:
        about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "protocol": args.protocol}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**about, "sets": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "text_metric.py")
