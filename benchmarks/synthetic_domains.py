"""Make domains with real texts and simulated interactions, to pre-train the foundation model on.

    python benchmarks/synthetic_domains.py ../shared/data/pretrain/* --out runs/synthetic --per-domain 1

Each domain takes a random part of a real catalogue, and its texts. What its users do is drawn anew: clusters of similar
texts at two levels, popularity by a power law, and for every event one of four causes: a successor of an earlier item,
the fine or the coarse cluster of an earlier item, or popularity alone. The shares of the causes, the number of
successors, how far back the earlier item lies, how closely clusters and successors follow the texts, the law's
exponent, lengths, and whether items appear over time are drawn for each domain. (Learning on simulated graphs alone:
SRPFN, arXiv 2606.15752.)

Shapes: N items, U users, L events of the longest sequence, W successors of an item.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.cluster import MiniBatchKMeans

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.data.schema import scan_table
from recgpt.encode import embeddings_for
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.program import run
from recgpt.progress import note

ENCODER, TEMPLATE = "all-MiniLM-L6-v2", "fields"
MOST_ITEMS, MOST_USERS, MOST_EVENTS = 12_000, 12_000, 60
YEARS = 3 * 365 * 86_400
FIRST_DAY = 1_500_000_000


@dataclass(frozen=True)
class World:
    """What is drawn for one domain.

    Attributes
    ----------
    causes
        Shares of the four causes of an event: successor, fine cluster, coarse cluster, popularity.
    clusters
        Numbers of coarse and fine clusters.
    smooth
        Share of the items that are in the cluster of their text; the others are in a random one.
    exponent
        Of the popularity's power law.
    successors
        W, successors of an item.
    recency
        Probability that the earlier item is the last one; further back geometrically.
    mean_length
        Mean number of events of a user.
    releases
        Whether items appear over time.
    """

    causes: np.ndarray
    clusters: tuple[int, int]
    smooth: float
    exponent: float
    successors: int
    recency: float
    mean_length: float
    releases: bool

    @classmethod
    def drawn(cls, n_items: int, rng: np.random.Generator) -> "World":
        """Draw one for a catalogue of `n_items`."""
        coarse = int(rng.integers(3, 3 + max(2, n_items // 200)).clip(3, 40))
        fine = int(np.clip(n_items / np.exp(rng.uniform(np.log(4), np.log(40))), coarse + 1, 1_500))
        return cls(
            rng.dirichlet([1.0, 1.0, 0.7, 0.5]),
            (coarse, fine),
            float(rng.beta(3, 1)),
            float(rng.uniform(0.3, 1.3)),
            int(rng.integers(2, 12)),
            float(rng.uniform(0.3, 1)),
            float(np.exp(rng.uniform(np.log(4), np.log(20)))),
            bool(rng.random() < 0.5),
        )


class Sampler:
    """Draws items of a group with probability proportional to their popularity."""

    def __init__(self, group_N: np.ndarray, popularity_N: np.ndarray) -> None:
        self.order_N = np.argsort(group_N, kind="stable")
        self.bounds = np.searchsorted(group_N[self.order_N], np.arange(group_N.max() + 2))
        self.sum_N = np.concatenate([[0.0], np.cumsum(popularity_N[self.order_N])])

    def draw(self, group_B: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B,) one item of each group."""
        low_B, high_B = self.sum_N[self.bounds[group_B]], self.sum_N[self.bounds[group_B + 1]]
        place_B = np.searchsorted(self.sum_N, rng.uniform(low_B, high_B), side="right") - 1
        return self.order_N[place_B.clip(self.bounds[group_B], self.bounds[group_B + 1] - 1)]


def simulated(unit_NE: np.ndarray, world: World, n_users: int, rng: np.random.Generator) -> pl.DataFrame:
    """Simulate the interactions: user, item, position, timestamp; a user takes an item once."""
    n_items = len(unit_NE)
    groups = []
    for n_clusters in world.clusters:
        group_N = MiniBatchKMeans(n_clusters, n_init=1, max_iter=20, random_state=0).fit_predict(unit_NE)
        moved_N = rng.random(n_items) > world.smooth
        group_N[moved_N] = rng.permutation(group_N)[moved_N]
        groups.append(np.unique(group_N, return_inverse=True)[1])
    coarse_N, fine_N = groups
    popularity_N = (1 + rng.permutation(n_items)) ** -world.exponent
    by_all, by_coarse, by_fine = (
        Sampler(group_N, popularity_N) for group_N in (np.zeros(n_items, dtype=np.int64), coarse_N, fine_N)
    )
    released_N = rng.uniform(0, YEARS, n_items) if world.releases else np.zeros(n_items)
    # Successors: half from the coarse cluster, the others from everywhere; their shares fall geometrically.
    inside_NW = by_coarse.draw(np.repeat(coarse_N, world.successors), rng).reshape(n_items, -1)
    anywhere_NW = by_all.draw(np.zeros(inside_NW.size, dtype=np.int64), rng).reshape(n_items, -1)
    successor_NW = np.where(rng.random(inside_NW.shape) < world.smooth, inside_NW, anywhere_NW)
    share_W = 0.7 ** np.arange(world.successors)
    length_U = np.minimum(3 + rng.geometric(1 / world.mean_length, n_users), MOST_EVENTS)
    most = int(length_U.max())
    item_UL = np.full((n_users, most), -1, dtype=np.int64)
    start_U = rng.uniform(0, 0.9 * YEARS, n_users)
    gap_U = np.exp(rng.uniform(np.log(3_600), np.log(40 * 86_400), n_users))
    time_UL = start_U[:, None] + np.cumsum(rng.exponential(1, (n_users, most)) * gap_U[:, None], axis=1)
    home_U = by_all.draw(np.zeros(n_users, dtype=np.int64), rng)
    for step in range(most):
        users = np.flatnonzero(length_U > step)
        back = np.minimum(rng.geometric(world.recency, len(users)), max(step, 1))
        earlier = item_UL[users, step - back] if step else home_U[users]
        earlier = np.where(earlier >= 0, earlier, home_U[users])
        cause = rng.choice(4, len(users), p=world.causes)
        ranks = rng.choice(world.successors, len(users), p=share_W / share_W.sum())
        drawn = np.stack(
            [
                successor_NW[earlier, ranks],
                by_fine.draw(fine_N[earlier], rng),
                by_coarse.draw(coarse_N[earlier], rng),
                by_all.draw(np.zeros(len(users), dtype=np.int64), rng),
            ]
        )[cause, np.arange(len(users))]
        usable = (item_UL[users, :step] != drawn[:, None]).all(axis=1) & (released_N[drawn] <= time_UL[users, step])
        item_UL[users[usable], step] = drawn[usable]
    user, place = np.nonzero(item_UL >= 0)
    return pl.DataFrame(
        {
            "user_id": user,
            "item_id": item_UL[user, place],
            "position": place,
            "timestamp": (FIRST_DAY + time_UL[user, place]).astype(np.int64),
        }
    ).filter(pl.len().over("user_id") >= 3)


def main() -> None:
    """Write the data set folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", help="data set folders whose catalogues are used")
    parser.add_argument("--out", type=Path, required=True, help="folder for the data sets")
    parser.add_argument("--per-domain", type=int, default=1, help="simulated domains of each catalogue")
    parser.add_argument("--least-items", type=int, default=500, help="smaller catalogues are left out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for number, path in enumerate(args.datasets):
        dataset = Dataset.load(path, repeats="drop")
        if dataset.n_items < args.least_items:
            continue
        embeddings_NE = np.asarray(embeddings_for(dataset, ENCODER, TEMPLATE))
        for copy in range(args.per_domain):
            name = f"simulated_{dataset.name}_{copy}"
            if (args.out / name / "manifest.json").is_file():
                continue
            rng = np.random.default_rng([args.seed, number, copy])
            n_items = min(int(dataset.n_items * rng.uniform(0.3, 0.9)), MOST_ITEMS)
            rows = np.sort(rng.choice(dataset.n_items, n_items, replace=False))
            world = World.drawn(n_items, rng)
            n_users = int(np.clip(n_items * np.exp(rng.uniform(np.log(0.3), np.log(5))), 400, MOST_USERS))
            events = simulated(whitened_unit_rows(embeddings_NE[rows]), world, n_users, rng)
            chosen = pl.DataFrame({"item_id": dataset.item_map.to_outside(rows)})
            items = chosen.join(scan_table(path / "items.parquet").collect(), on="item_id", how="left")
            events = events.with_columns(item_id=pl.Series(chosen["item_id"]).gather(events["item_id"].to_numpy()))
            if rng.random() < 0.5:
                events = events.drop("timestamp")
            made = Dataset.from_frames(name, events, items)
            made.save(args.out / name)
            fingerprint = {"items_sha256": made.items_sha256, "encoder": ENCODER, "template": TEMPLATE}
            save_array(args.out / name / "embeddings.npy", embeddings_NE[rows], fingerprint)
            note(f"{name}: {n_items:,} items, {events['user_id'].n_unique():,} users, {len(events):,} interactions")


if __name__ == "__main__":
    run(main, "synthetic_domains.py")
