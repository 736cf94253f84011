"""Write what RecTools 0.19.0 makes of a few small cases: the figures that the tests hold recgpt's metrics against.

RecTools needs numpy below 2, so it cannot be installed beside recgpt. In an environment of its own:

    python -m venv rectools-venv
    rectools-venv/bin/pip install rectools==0.19.0
    rectools-venv/bin/python tests/evaluate/make_rectools_reference.py tests/evaluate/rectools_reference.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.metrics import (
    MAP,
    MRR,
    NDCG,
    AvgRecPopularity,
    CatalogCoverage,
    HitRate,
    IntraListDiversity,
    MeanInvUserFreq,
    Recall,
)
from rectools.metrics.distances import PairwiseDistanceCalculator

KS = (1, 3, 5, 20)


class CosineDistance(PairwiseDistanceCalculator):
    """1 - cosine of two items' embeddings; RecTools itself only has the Hamming distance."""

    def __init__(self, embeddings):
        self.embeddings = np.array(embeddings)

    def _get_distances_for_item_pairs(self, items_0, items_1):
        a, b = self.embeddings[np.asarray(items_0, dtype=int)], self.embeddings[np.asarray(items_1, dtype=int)]
        return 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def accuracy_metrics(k):
    return {
        "hit": HitRate(k),
        "recall": Recall(k),
        "ndcg": NDCG(k, divide_by_achievable=True),
        "ndcg_of_k_relevant": NDCG(k),
        "mrr": MRR(k),
        "map": MAP(k),
        "map_of_k_relevant": MAP(k, divide_by_k=True),
    }


def random_case(seed, n_items=12, n_users=14, n_places=6, repeated=False):
    """Lists with holes and empty lists, sets with and without items, a past with cold items."""
    rng = np.random.default_rng(seed)
    lists = [rng.choice(n_items, n_places, replace=repeated) for _ in range(n_users)]
    holes = rng.random((n_users, n_places)) < rng.choice([0, 0.3, 1], (n_users, 1), p=[0.6, 0.3, 0.1])
    return {
        "lists": np.where(holes, -1, lists).tolist(),
        "targets": [rng.choice(n_items, rng.integers(0, 6), replace=False).tolist() for _ in range(n_users)],
        "past": [np.minimum(rng.geometric(0.3, rng.integers(1, 7)) - 1, n_items - 1).tolist() for _ in range(n_users)],
        "embeddings": rng.standard_normal((n_items, 3)).round(2).tolist(),
    }


CASES = {
    "random": random_case(0),
    "random, large sets": {**random_case(1), "targets": [list(range(u % 12)) for u in range(14)]},
    "items twice in a list": random_case(2, repeated=True),
    "none relevant": {**random_case(3), "lists": [[0, 1, 2]] * 4, "targets": [[5], [6, 7], [], [11]]},
    "all relevant": {**random_case(4), "lists": [[4, 2, 0, 1]] * 3, "targets": [[4], [0, 1, 2, 4], [2, 0]]},
    "one cold item": {**random_case(5), "lists": [[11], [11], [-1]], "targets": [[11], [3], [3]], "past": [[0], [0]]},
}


def reference(case):
    places = [(u, i, place + 1) for u, ids in enumerate(case["lists"]) for place, i in enumerate(ids) if i >= 0]
    reco = pd.DataFrame(places, columns=[Columns.User, Columns.Item, Columns.Rank])
    targets = pairs(case["targets"])
    past = pairs(case["past"])
    found = {}
    # RecTools counts an item twice that is twice in a list, recgpt once: there is no accuracy to compare there.
    comparable = not reco.duplicated([Columns.User, Columns.Item]).any()
    for k in KS:
        for name, metric in accuracy_metrics(k).items() if comparable else ():
            values = metric.calc_per_user(reco, targets).reindex(range(len(case["lists"])))
            found[f"{name}@{k}"] = [None if np.isnan(v) else v for v in values.tolist()]
        diversity = IntraListDiversity(k, CosineDistance(case["embeddings"])).calc_per_user(reco)
        diversity = diversity.reindex(range(len(case["lists"])))
        found[f"intra_list_diversity@{k}"] = [None if np.isnan(v) else v for v in diversity.tolist()]
        found[f"novelty@{k}"] = MeanInvUserFreq(k).calc(reco, past)
        found[f"average_popularity@{k}"] = AvgRecPopularity(k).calc(reco, past)
        found[f"coverage@{k}"] = CatalogCoverage(k, normalize=True).calc(reco, range(len(case["embeddings"])))
    return {**case, "rectools": found}


def pairs(items_of_users):
    rows = [(u, i) for u, items in enumerate(items_of_users) for i in items]
    return pd.DataFrame(rows, columns=[Columns.User, Columns.Item])


if __name__ == "__main__":
    references = {name: reference(case) for name, case in CASES.items()}
    lines = [f"{json.dumps(name)}: {json.dumps(case, allow_nan=False)}" for name, case in references.items()]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n")
