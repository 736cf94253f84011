"""Episodes hold what was asked of the past alone; and their files, samples and corrections."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits import make_split
from recgpt.errors import CheckpointError
from recgpt.foundation.catalogue_features import COLD_CANDIDATES, CatalogueFeatures, shortlist_candidates
from recgpt.foundation.episodes import (
    OTHER_CANDIDATES,
    SHARES,
    TOP_CANDIDATES,
    Episode,
    EpisodeSpec,
    arrivals,
    blend_logits,
    collected,
    make_episode,
    ndcg_at_10,
    specs_for,
    thinned,
)
from recgpt.foundation.network import CANDIDATE_FEATURES, RELATIONS, CandidateFeature, Evidence

N_SHARED, N_USERS, S = 20, 30, 4
YEAR = 365 * 86_400
COUNTED = [RELATIONS.index(name) for name in RELATIONS if name not in ("text", "neighbourhood")]


def dataset_of(sequences: list[list[int]], n_items: int, times: list[list[int]] | None = None) -> Dataset:
    events = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    if times is not None:
        events = events.with_columns(pl.Series("timestamp", times))
    events = events.explode(events.columns[1:]).with_row_index("position")
    items = pl.DataFrame({"item_id": range(n_items), "title": [f"item {i}" for i in range(n_items)]})
    return Dataset.from_frames("toy", events, items)


def embeddings(n_items: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n_items, 6)).astype(np.float32)


def planted() -> Dataset:
    """Everybody's last item is theirs alone: what is known of it can only be the very event that is asked for."""
    rng = np.random.default_rng(0)
    sequences = [[*rng.permutation(N_SHARED)[:6].tolist(), N_SHARED + user] for user in range(N_USERS)]
    times = [[*sorted(rng.integers(0, YEAR, 6).tolist()), 2 * YEAR + user] for user in range(N_USERS)]
    return dataset_of(sequences, N_SHARED + N_USERS, times)


def spec(**options: object) -> EpisodeSpec:
    return EpisodeSpec(**{"name": "toy", "protocol": "leave_one_out", "share": 1.0, "cases": 100, **options})


def episode_of(dataset: Dataset, asked: EpisodeSpec, shortlist: int = 400, **options: bool) -> Episode:
    texts = [f"item {i}" for i in range(dataset.n_items)]
    vectors_NE = embeddings(dataset.n_items)
    return make_episode(dataset, vectors_NE, texts, asked, n_positions=S, shortlist=shortlist, **options)


def assert_same(first: Episode, second: Episode) -> None:
    pairs = [*zip(first.evidence, second.evidence, strict=True)]
    pairs += [(first.target_C, second.target_C), (first.correction_CM, second.correction_CM)]
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


# --- nothing of the future ---


@pytest.mark.parametrize("for_training", [True, False])
@pytest.mark.parametrize(
    ("protocol", "share"),
    [("leave_one_out", 1.0), ("leave_one_out", 0.3), ("leave_one_out", 0.0), ("global_time", 1.0)],
)
def test_the_past_does_not_hold_what_is_asked(protocol, share, for_training):
    episode = episode_of(planted(), spec(protocol=protocol, share=share), for_training=for_training)
    case, place = torch.arange(len(episode)), episode.target_C
    assert len(episode) >= 5
    assert (place >= 0).all()
    assert not episode.evidence.relations_BSMR[case, :, place][..., COUNTED].any()
    figures_CF = episode.evidence.items_BMF[case, place]
    for name in ("co_visitation", "cosine_co_visitation", "co_occurrence", "log_count", "log_recent_count", "is_known"):
        assert not figures_CF[:, CANDIDATE_FEATURES.index(name)].any(), name


def test_a_pair_met_only_in_what_is_asked_is_not_related():
    # Users 1 to 9 keep both items known, but apart.
    sequences = [[5, 6, 0, 1], *([0, 7, 8] for _ in range(5)), *([1, 9, 8] for _ in range(4))]
    episode = episode_of(dataset_of(sequences, 10), spec())
    target = int(episode.target_C[0])
    assert episode.evidence.items_BMF[0, target, CANDIDATE_FEATURES.index("log_count")] > 0
    assert not episode.evidence.relations_BSMR[0, :, target, :][:, COUNTED].any()


def test_the_past_is_that_of_a_share_of_the_users():
    split = make_split(planted(), "leave_one_out", seed=0)
    assert thinned(split, 1.0, 0) is split
    assert not thinned(split, 0.0, 0).in_past.any()
    some = thinned(split, 0.3, 0)
    lengths_U, full_U = some.past.lengths, split.past.lengths
    assert ((lengths_U == 0) | (lengths_U == full_U)).all(), "users are known wholly or not at all"
    assert 0 < (lengths_U > 0).sum() < N_USERS
    np.testing.assert_array_equal(some.target_rows, split.target_rows)
    np.testing.assert_array_equal(thinned(split, 0.3, 0).in_past, some.in_past)
    assert not np.array_equal(thinned(split, 0.3, 1).in_past, some.in_past)
    assert dict(some.params)["share"] == 0.3


def test_of_arrivals_a_quarter_of_the_cases_take_a_new_item():
    dataset = dataset_of([np.random.default_rng(u).permutation(60)[:8].tolist() for u in range(200)], 60)
    split = arrivals(dataset, 40, seed=0)
    is_new_N = np.ones(60, dtype=bool)
    is_new_N[split.past.values] = False
    assert is_new_N.sum() == 6
    assert is_new_N[split.targets].sum() * 4 == len(split) >= 40
    assert not is_new_N[split.histories.values].any()
    assert not split.in_past[split.target_rows].any()
    assert (split.histories.lengths > 0).all()
    split.check_no_leak()
    assert len(arrivals(dataset, 12, seed=0)) == 12
    assert len(episode_of(dataset, spec(protocol="arrivals"), for_training=False)) == len(arrivals(dataset, 100, 0))


def test_without_any_past_the_texts_are_left():
    evidence = episode_of(planted(), spec(share=0.0)).evidence
    assert not evidence.relations_BSMR[..., COUNTED].any()
    assert not evidence.relations_BSMR[..., RELATIONS.index("neighbourhood")].any()
    assert evidence.relations_BSMR[..., RELATIONS.index("text")].any()
    assert not evidence.case_BX[:, 0].any(), "no time is known"


# --- which cases, which candidates ---


def wide() -> Dataset:
    """More items than candidates are kept."""
    rng = np.random.default_rng(2)
    return dataset_of([rng.permutation(300)[: rng.integers(4, 9)].tolist() for _ in range(150)], 300)


@pytest.fixture
def read(monkeypatch) -> list[tuple[Ragged, np.ndarray]]:
    """The histories and candidates that evidence was read of."""
    found = []
    evidence = CatalogueFeatures.evidence

    def spy(self: CatalogueFeatures, histories: Ragged, candidates_BM: np.ndarray, *others: object) -> Evidence:
        found.append((histories, candidates_BM))
        return evidence(self, histories, candidates_BM, *others)

    monkeypatch.setattr(CatalogueFeatures, "evidence", spy)
    return found


def test_candidates_are_the_best_and_a_sample_of_the_others_with_the_target(read):
    dataset, shortlist = wide(), 200
    split = make_split(dataset, "leave_one_out", seed=0)
    features = CatalogueFeatures.from_sequences(embeddings(300), split.past)
    episode = collected(
        features, split.histories, split.targets, n_positions=S, shortlist=shortlist, rng=np.random.default_rng(0)
    )
    full_BM = shortlist_candidates(
        split.histories, features.hybrid_scores(split.histories), shortlist, features.past.count_N
    )
    on_list = np.flatnonzero((full_BM == split.targets[:, None]).any(axis=1))
    assert 0 < len(on_list) < len(split.targets), "both kinds of cases are among these"
    candidates_CM = np.concatenate([candidates_BM for _, candidates_BM in read])
    assert len(episode) == len(candidates_CM) == len(on_list)
    assert full_BM.shape[1] > shortlist, "some items nobody has taken"
    beyond_the_best = 0
    for case, row in enumerate(on_list):
        kept, full = candidates_CM[case].tolist(), full_BM[row].tolist()
        target = int(split.targets[row])
        assert len(kept) == len(set(kept)) == TOP_CANDIDATES + OTHER_CANDIDATES
        assert kept == [item for item in full if item in set(kept)], "in the order of the shortlist"
        assert kept[:TOP_CANDIDATES] == full[:TOP_CANDIDATES]
        assert kept.count(target) == 1
        assert kept[episode.target_C[case]] == target
        log_weight = math.log((sum(item >= 0 for item in full) - TOP_CANDIDATES) / OTHER_CANDIDATES)
        expected = [0.0] * TOP_CANDIDATES + [log_weight] * OTHER_CANDIDATES
        np.testing.assert_allclose(episode.correction_CM[case].float(), expected, atol=1e-3)
        beyond_the_best += int(episode.target_C[case]) >= TOP_CANDIDATES
    assert 0 < beyond_the_best < len(on_list)


def test_the_corrections_make_up_for_the_sample():
    # Summed with what each stands for, a sample counts on average what the whole shortlist counts: here its length.
    episode = episode_of(wide(), spec(), shortlist=200)
    whole = episode_of(wide(), spec(), shortlist=200, for_training=False)
    weights_CM = episode.correction_CM.double().exp() * episode.evidence.allowed_BM
    n_there_C = whole.evidence.allowed_BM.sum(1)[whole.target_C >= 0].double()
    torch.testing.assert_close(weights_CM.sum(1), n_there_C, rtol=2e-3, atol=0)
    assert n_there_C.min() >= 200


def test_to_evaluate_all_cases_and_the_whole_shortlist_stay():
    asked, dataset = spec(cases=90), wide()
    episode = episode_of(dataset, asked, shortlist=150, for_training=False)
    assert len(episode) == 90
    met = make_split(dataset, "leave_one_out", max_users=90, seed=0).past.values
    n_new = dataset.n_items - len(np.unique(met))
    assert episode.evidence.allowed_BM.shape == (90, 150 + min(COLD_CANDIDATES, n_new))
    assert not episode.correction_CM.any()
    missed = episode.target_C < 0
    assert missed.any()
    for_training = episode_of(dataset, asked, shortlist=150)
    assert len(for_training) == int((~missed).sum())
    assert (for_training.target_C >= 0).all()


def test_a_small_catalogue_is_not_sampled():
    episode = episode_of(planted(), spec())
    assert episode.evidence.allowed_BM.shape == (N_USERS, N_SHARED + N_USERS)
    assert (~episode.evidence.allowed_BM).sum(1).eq(6).all(), "the history is no candidate"
    assert not episode.correction_CM.any()


def test_items_that_users_had_are_not_asked():
    episode = episode_of(dataset_of([[0, 1, 0], [2, 3, 4], [1, 2, 3, 2]], 6), spec())
    assert len(episode) == 1


def test_nothing_to_learn_is_no_episode():
    assert episode_of(dataset_of([[0, 1, 0], [1, 2, 1]], 6), spec()) is None
    features = CatalogueFeatures.from_sequences(embeddings(6), Ragged.from_lists([[0, 1]]))
    nothing, nobody = np.empty(0, dtype=np.int64), Ragged.from_lists([])
    assert collected(features, nobody, nothing, n_positions=S, shortlist=5, rng=None) is None


def test_the_same_seed_makes_the_same_episode():
    dataset, asked = wide(), spec(cases=70, share=0.3)
    first = episode_of(dataset, asked, shortlist=200)
    assert_same(first, episode_of(dataset, asked, shortlist=200))
    other = episode_of(dataset, spec(cases=70, share=0.3, seed=1), shortlist=200)
    assert len(other) != len(first) or not torch.equal(other.target_C, first.target_C)


def test_specs_are_five_densities_new_items_and_one_moment():
    timed, timeless = specs_for(planted(), 400, seed=3), specs_for(wide(), 400)
    assert [s.share for s in timeless] == [*SHARES, 1.0]
    assert [s.protocol for s in timed] == ["leave_one_out"] * 5 + ["arrivals", "global_time"]
    assert timed[:6] == [EpisodeSpec(**{**vars(s), "seed": 3}) for s in timeless]
    assert [s.cases for s in timed] == [400, 100, 100, 200, 800, 400, 200]
    assert len({s.label for s in timed}) == len(timed)


def test_all_parts_of_a_domain_count_as_much_as_it_does():
    whole, part = specs_for(planted(), 400), specs_for(planted(), 400, parts=4)
    for of_whole, of_part in zip(whole, part, strict=True):
        assert of_part.weight == pytest.approx(of_whole.weight / 4)
        assert of_part.cases == of_whole.cases / 4


# --- files ---


def test_a_file_gives_the_episode_back(tmp_path):
    episode = episode_of(planted(), spec())
    path = tmp_path / "episodes" / "toy-0.1.safetensors"
    episode.save(path)
    assert_same(Episode.load(path), episode)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no draft is left"
    assert all(v.dtype in (torch.float16, torch.bool) for v in episode.evidence)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "episode.safetensors"
    episode = episode_of(planted(), spec())
    episode.save(path)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"not an episode"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"episode\.safetensors is damaged"):
            Episode.load(path)


# --- figures ---


def test_ndcg_is_that_of_the_target_among_the_first_ten():
    logits_CM = torch.arange(20.0).flip(0).repeat(4, 1)
    expected = [1.0, 1 / math.log2(11), 0.0, 0.0]
    torch.testing.assert_close(ndcg_at_10(logits_CM, torch.tensor([0, 9, 10, -1])), torch.tensor(expected))


def test_hybrid_score_alone_ranks_candidates():
    evidence = episode_of(planted(), spec()).evidence
    logits_CM = blend_logits(evidence)
    assert logits_CM.dtype == torch.float32
    assert (logits_CM[~evidence.allowed_BM] == -1e9).all()
    allowed_CM = evidence.allowed_BM
    assert torch.equal(
        logits_CM[allowed_CM], evidence.items_BMF[..., CandidateFeature.HYBRID_SCORE].float()[allowed_CM]
    )
