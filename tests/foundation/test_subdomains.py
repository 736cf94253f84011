"""Parts of a domain are catalogues of their own: alike texts, the same events in the same order, nothing twice."""

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.foundation import subdomains as module
from recgpt.foundation.subdomains import MIN_USER_EVENTS, cluster_items, n_subdomains, split_by_cluster

N, USERS = 60, 80


@pytest.fixture
def shop(monkeypatch) -> tuple[Dataset, np.ndarray]:
    """Two kinds of items, well apart; users take both."""
    monkeypatch.setattr(module, "SUBDOMAIN_ITEMS", 30)
    rng = np.random.default_rng(0)
    sequences = [rng.permutation(N)[: rng.integers(2, 12)].tolist() for _ in range(USERS)]
    events = pl.DataFrame({"user_id": range(USERS), "item_id": sequences})
    events = events.explode("item_id").with_row_index("position")
    events = events.with_columns(timestamp=pl.col("position").cast(pl.Int64) + 1_500_000_000)
    items = pl.DataFrame({"item_id": range(N), "title": [f"item {i}" for i in range(N)]})
    kind_NE = np.eye(2, 8)[np.arange(N) % 2]
    return Dataset.from_frames("shop", events, items), kind_NE + 0.01 * rng.standard_normal((N, 8))


def test_a_part_holds_one_kind_and_its_events_in_order(shop):
    dataset, embeddings_NE = shop
    parts = list(split_by_cluster(dataset, cluster_items(embeddings_NE)))
    assert len(parts) == 2
    assert len({part.name for part, _ in parts} | {dataset.name}) == 3
    seen: list[int] = []
    for part, rows in parts:
        assert len(set(rows % 2)) == 1
        assert part.texts() == [dataset.texts()[row] for row in rows]
        assert (part.sequences.lengths >= MIN_USER_EVENTS).all()
        outside = part.user_map.to_outside(range(part.n_users)).to_list()
        for user, sequence in zip(dataset.user_map.to_dense(outside), part.sequences, strict=True):
            whole = dataset.sequences[user]
            assert rows[sequence].tolist() == whole[np.isin(whole, rows)].tolist()
        seen += rows.tolist()
    assert len(seen) == len(set(seen))


def test_parts_are_the_same_again_and_small_domains_stay_whole(shop):
    _, embeddings_NE = shop
    np.testing.assert_array_equal(cluster_items(embeddings_NE), cluster_items(embeddings_NE))
    assert [n_subdomains(n) for n in (10, 59, 60, 90, 100_000)] == [1, 1, 2, 3, module.MAX_SUBDOMAINS]
