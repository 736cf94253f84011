"""Rankings are exact, depend on nothing but the history, and stay so while a session appends."""

import zlib

import numpy as np
import polars as pl
import pytest
import torch

from recgpt import RecGPT
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.encode import TextEncoder
from recgpt.errors import CheckpointError, DataError
from recgpt.generative import catalogue as module
from recgpt.generative.beam import KEPT, LOST, CodeTrie, beam_scores
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig, start_from_principal_axes

N, WIDTH, MAX_ITEMS = 80, 32, 8
TWINS = (11, 3, 57)  # items with equal embeddings


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def make_model(width=WIDTH, n_codes=4, levels=(5, 4, 3), seed=0, **changes):
    """Random weights, so large that histories matter; a tokenizer whose codes follow the embeddings."""
    torch.manual_seed(seed)
    levels = list(levels)
    shape = {"codebook_size": int(np.prod(levels)), "n_codes": n_codes, "embedding_dim": width, "max_items": MAX_ITEMS}
    model = RecGPT(RecGPTConfig(**shape, d_model=32, n_layers=2, n_heads=4, **changes))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    config = FSQTokenizerConfig(width, n_codes, levels, n_layers=1, n_heads=2)
    tokenizer = FSQTokenizer(config).eval()
    sample = unit(np.random.default_rng(seed).standard_normal((500, width)))
    start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(sample)))
    model.set_tokenizer(tokenizer)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def embeddings():
    embeddings = unit(np.random.default_rng(5).standard_normal((N, WIDTH)))
    embeddings[list(TWINS)] = embeddings[TWINS[0]]
    return embeddings


@pytest.fixture(scope="module")
def catalogue(model, embeddings):
    return model.index(embeddings)


@pytest.fixture(scope="module")
def histories():
    """70 histories of 1 to 20 items, some longer than the model reads."""
    rng = np.random.default_rng(6)
    return [rng.integers(0, N, n).tolist() for n in [1, 2, MAX_ITEMS, MAX_ITEMS + 1, *rng.integers(1, 21, 66)]]


@torch.inference_mode()
def slot_logits(catalogue, history):
    """(K, V + 1) after one history, alone and without padding."""
    config = catalogue.model.config
    kept = history[-config.max_items :]
    slices = torch.from_numpy(np.asarray(catalogue.embeddings_NE[kept], np.float32))
    slices = slices.view(1, len(kept), config.n_codes, config.slice_dim)
    codes = torch.from_numpy(catalogue.tokenizer.encode(catalogue.embeddings_NE)[kept].astype(np.int64)).unsqueeze(0)
    return catalogue.model.slot_logits(catalogue.model(codes, slices).hidden_BSKD[:, -1])[0]


def brute_force(catalogue, history, k, left_out=()):
    """Every item's log-probability and dense score, one at a time, and a sort in Python."""
    log_probs_KV = slot_logits(catalogue, history).log_softmax(-1).numpy()
    likeliest = log_probs_KV[:, :-1].argmax(1)
    predicted = catalogue.tokenizer.decode(likeliest[None])[0].numpy()
    codes_NK = catalogue.tokenizer.encode(catalogue.embeddings_NE)
    scored = []
    for item, codes in enumerate(codes_NK.tolist()):
        if item in left_out:
            continue
        score = np.float32(0)
        for slot, code in enumerate(codes):
            score += log_probs_KV[slot, code]
        embedding = np.asarray(catalogue.embeddings_NE[item], np.float32)
        dense = embedding @ predicted / np.linalg.norm(embedding) / np.linalg.norm(predicted)
        scored.append((-score, -round(float(dense), 5), item))
    scored = sorted(scored)[:k]
    return [item for *_, item in scored], [-score for score, *_ in scored]


def same(ranking, other):
    np.testing.assert_array_equal(ranking.ids, other.ids)
    np.testing.assert_allclose(ranking.scores, other.scores, atol=1e-4)


# --- exact ---


@pytest.mark.parametrize("exclude", ["history", "nothing"])
@pytest.mark.parametrize("k", [1, 10, N])
def test_equals_brute_force_over_the_whole_catalogue(catalogue, histories, exclude, k):
    ranking = catalogue.recommend(histories[:12], k, exclude=exclude)
    for row, history in enumerate(histories[:12]):
        left_out = set(history) if exclude == "history" else ()
        ids, scores = brute_force(catalogue, history, k, left_out)
        blank = k - len(ids)
        assert ranking.ids[row].tolist() == ids + [-1] * blank
        np.testing.assert_allclose(ranking.scores[row], scores + [-np.inf] * blank, atol=1e-4)


def test_candidates_are_all_that_is_ranked(catalogue, histories):
    candidates = np.array([4, 9, 17, 30, 57, 3])
    ranking = catalogue.recommend(histories[:5], 10, exclude="nothing", candidates=candidates)
    for row, history in enumerate(histories[:5]):
        ids, _ = brute_force(catalogue, history, 6, set(range(N)) - set(candidates.tolist()))
        assert ranking.ids[row].tolist() == ids + [-1] * 4
    seen = catalogue.recommend([[4, 9]], 6, candidates=candidates)
    assert sorted(seen.ids[0].tolist()) == [-1, -1, 3, 17, 30, 57]


def test_defect_1_a_ranking_does_not_depend_on_the_company(catalogue, histories):
    """The published system pads on the left and counts positions from the padding."""
    alone = catalogue.recommend(histories, 20, batch_size=1)
    same(alone, catalogue.recommend(histories, 20, batch_size=64))
    same(alone, catalogue.recommend(histories, 20, batch_size=7))
    order = np.random.default_rng(1).permutation(len(histories))
    shuffled = catalogue.recommend([histories[i] for i in order], 20, batch_size=64)
    np.testing.assert_array_equal(shuffled.ids, alone.ids[order])
    for row in (0, 3, 40):
        other = catalogue.recommend([histories[row], list(range(20)), [1]], 20)
        np.testing.assert_array_equal(other.ids[0], alone.ids[row])


def test_a_long_history_does_not_make_a_batch_of_padding(catalogue, monkeypatch):
    histories = [[1]] * 20 + [[1, 2]] * 20 + [list(range(MAX_ITEMS))] * 2
    read = []
    forward = catalogue.model.forward
    monkeypatch.setattr(
        catalogue.model, "forward", lambda codes, *args, **kw: read.append(codes.shape) or forward(codes, *args, **kw)
    )
    catalogue.recommend(histories, 3, batch_size=64)
    assert sum(rows * items for rows, items, _ in read) == 20 + 40 + 2 * MAX_ITEMS
    assert len(read) == 3
    read.clear()
    catalogue.recommend(histories, 3, batch_size=16)
    assert max(rows for rows, *_ in read) == 16


def test_lists_and_ragged_histories_are_the_same(catalogue, histories):
    same(catalogue.recommend(histories, 5), catalogue.recommend(Ragged.from_lists(histories), 5))
    same(catalogue.recommend(histories, 5), catalogue.recommend([np.array(h, np.int32) for h in histories], 5))
    assert catalogue.recommend([], 5).ids.shape == (0, 5)


def test_of_a_long_history_the_last_items_count(catalogue):
    long = [*range(40), 70, 71]
    everything = catalogue.recommend([long], N, exclude="nothing")
    same(everything, catalogue.recommend([long[-MAX_ITEMS:]], N, exclude="nothing"))
    assert (everything.ids != catalogue.recommend([long[-MAX_ITEMS + 1 :]], N, exclude="nothing").ids).any()
    left = catalogue.recommend([long], N)  # but all of it is excluded
    assert sorted(left.ids[0].tolist()) == [-1] * 42 + [i for i in range(N) if i not in long]


def test_histories_matter(catalogue):
    """Every other test here would pass on a model that ignores its input."""
    ranking = catalogue.recommend([[i] for i in range(20)], 5, exclude="nothing")
    assert len(set(map(tuple, ranking.ids.tolist()))) > 10
    forth, back = catalogue.recommend([[1, 2, 3], [3, 2, 1]], 5, exclude="nothing").ids
    assert forth.tolist() != back.tolist()


# --- items that share all codes ---


def test_defect_2_items_with_equal_codes_can_all_be_recommended(catalogue, embeddings, histories):
    """In the published system they overwrite each other, and one can never be recommended."""
    codes_NK = catalogue.codes_NK.numpy()
    assert (codes_NK[list(TWINS)] == codes_NK[TWINS[0]]).all()
    for mode in ("exact", "beam"):
        ranking = catalogue.recommend(histories[:5], N, exclude="nothing", mode=mode)
        assert (np.sort(ranking.ids, 1) == np.arange(N)).all()
        for ids, scores in zip(ranking.ids.tolist(), ranking.scores, strict=True):
            places = [ids.index(twin) for twin in sorted(TWINS)]
            assert places == list(range(places[0], places[0] + 3))  # equal in every score: by id
            assert len(set(scores[places].tolist())) == 1


def test_equal_codes_are_ordered_by_the_dense_score_then_the_id():
    model = make_model(width=16, n_codes=2, levels=(3, 3), seed=2)
    rng = np.random.default_rng(3)
    embeddings = unit(rng.standard_normal((60, 16)))
    embeddings[40] = embeddings[10]
    catalogue = model.index(embeddings)
    assert catalogue.collision_rate > 0.5
    moved = 0
    for history in ([5], [7, 8], [1, 2, 3]):
        ranking = catalogue.recommend([history], 60, exclude="nothing", batch_size=1)
        ids = ranking.ids[0].tolist()
        assert ids == brute_force(catalogue, history, 60)[0]
        moved += ids != np.lexsort((np.arange(60), -ranking.scores[0][np.argsort(ids)])).tolist()
        assert ids.index(10) + 1 == ids.index(40)
    assert moved == 3  # by id alone the order would be another
    few = catalogue.recommend([[5], [7, 8]], 7, exclude="nothing")  # a tie across the last place
    np.testing.assert_array_equal(few.ids, catalogue.recommend([[5], [7, 8]], 60, exclude="nothing").ids[:, :7])


def test_collision_rate_by_hand(model, embeddings):
    codes = np.arange(16).reshape(4, 4)[[0, 1, 1, 2, 3]]
    assert model.index(embeddings[:5], codes=codes).collision_rate == 0.4
    assert model.index(embeddings[:5], codes=np.arange(20).reshape(5, 4)).collision_rate == 0.0


class Counted(np.ndarray):
    """Remembers the largest number of rows read at once."""

    largest = 0

    def __getitem__(self, rows):
        read = super().__getitem__(rows)
        Counted.largest = max(Counted.largest, read.size // self.shape[-1])
        return np.asarray(read)


def test_many_ties_do_not_bring_all_embeddings_into_memory(model, embeddings, monkeypatch):
    codes = np.repeat([[1, 2, 3, 4]], N, 0)  # a collapsed tokenizer: everything ties
    expected = model.index(embeddings, codes=codes).recommend([[1], [2, 3], [4]], N, exclude="nothing", batch_size=1)
    assert (np.sort(expected.ids, 1) == np.arange(N)).all()
    monkeypatch.setattr(module, "SCORES_IN_MEMORY", 3 * N)  # the scores of a batch of 3; 7 embeddings
    Counted.largest = 0
    counted = model.index(embeddings.view(Counted), codes=codes)
    same(expected, counted.recommend([[1], [2, 3], [4]], N, exclude="nothing"))
    assert 0 < Counted.largest <= 7


def test_a_model_loaded_in_bfloat16_ranks_much_the_same(model, embeddings, catalogue, histories, tmp_path):
    model.save_pretrained(tmp_path)
    halved = RecGPT.from_pretrained(tmp_path, dtype=torch.bfloat16)
    rough = halved.index(embeddings)
    np.testing.assert_array_equal(rough.codes_NK, catalogue.codes_NK)
    ranking = rough.recommend(histories, N, exclude="nothing")
    assert ranking.scores.dtype == np.float32
    np.testing.assert_allclose(ranking.scores, catalogue.recommend(histories, N, exclude="nothing").scores, atol=0.5)
    session = rough.session(histories)
    session.append([1] * len(histories))
    session.recommend(3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_ranks_the_same(embeddings, catalogue, histories):
    on_gpu = make_model().cuda().index(embeddings)  # the tokenizer stays where it was
    for mode in ("exact", "beam"):
        ours, theirs = (c.recommend(histories, 10, mode=mode) for c in (on_gpu, catalogue))
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=0.05)
        assert (ours.ids == theirs.ids).mean() > 0.95
    session = on_gpu.session(histories)
    session.append([1] * len(histories))
    session.recommend(10)


# --- the published beam ---


def slow_beam(log_probs_KV, codes_NK):
    """The description of the published decoding, over sets of tuples."""
    beams = {(): 0.0}
    for slot in range(codes_NK.shape[1]):
        grown = {}
        for prefix, score in beams.items():
            nexts = {row[slot] for row in map(tuple, codes_NK.tolist()) if row[:slot] == prefix}
            best = sorted(nexts, key=lambda code: -log_probs_KV[slot, code])[: 5 if slot else 10]
            grown |= {(*prefix, code): score + float(log_probs_KV[slot, code]) for code in best}
        beams = dict(sorted(grown.items(), key=lambda kv: -kv[1])[:20])
    return np.array([beams.get(tuple(codes), -1e8) for codes in codes_NK.tolist()])


def test_beam_follows_the_description(catalogue, histories):
    codes_NK = catalogue.codes_NK
    trie = CodeTrie(codes_NK)
    lost = 0
    for history in histories[:20]:
        logits_KV = slot_logits(catalogue, history)
        scores = beam_scores(logits_KV, trie).numpy()
        expected = slow_beam((logits_KV / 0.1).log_softmax(-1).numpy(), codes_NK.numpy())
        np.testing.assert_allclose(scores, expected, atol=1e-3)
        assert len(np.unique(codes_NK[scores > LOST].numpy(), axis=0)) <= KEPT
        lost += (scores == LOST).sum()
    assert lost > 0


def test_beam_mode_ranks_by_the_beam(catalogue, histories):
    ranking = catalogue.recommend(histories[:8], N, exclude="nothing", mode="beam")
    trie = CodeTrie(catalogue.codes_NK)
    for row, history in enumerate(histories[:8]):
        scores = beam_scores(slot_logits(catalogue, history), trie).numpy()
        np.testing.assert_allclose(ranking.scores[row], np.sort(scores)[::-1], rtol=1e-4)
        np.testing.assert_allclose(scores[ranking.ids[row]], ranking.scores[row], rtol=1e-4)


def test_exact_top_5_is_never_worse_than_the_beams(catalogue, histories):
    exact = catalogue.recommend(histories, N, exclude="nothing")
    score = np.empty((len(histories), N), np.float32)
    np.put_along_axis(score, exact.ids, exact.scores, 1)
    beam = catalogue.recommend(histories, 5, exclude="nothing", mode="beam")
    by_beam = np.sort(np.take_along_axis(score, beam.ids, 1), axis=1)[:, ::-1]
    assert (exact.scores[:, :5] >= by_beam).all()
    assert (exact.scores[:, :5] > by_beam + 1e-3).any(), "the beam loses nothing here: a larger catalogue is needed"


def test_a_beam_that_holds_everything_is_exact(model, embeddings):
    catalogue = model.index(embeddings[20:28])
    histories = [[0], [1, 2], [5, 3, 4]]
    exact, beam = (catalogue.recommend(histories, 8, exclude="nothing", mode=mode) for mode in ("exact", "beam"))
    assert (beam.scores > LOST).all()
    np.testing.assert_array_equal(beam.ids, exact.ids)


# --- sessions ---


@pytest.mark.parametrize("starts", [[[3, 4]], [[1, 2, 3], [4, 5, 6]], [[1], [2, 3, 4, 5], list(range(13)), [7] * 8]])
def test_a_session_equals_fresh_rankings(catalogue, starts):
    rng = np.random.default_rng(8)
    histories = [list(start) for start in starts]
    session = catalogue.session(histories)
    for _ in range(MAX_ITEMS + 6):
        same(session.recommend(10), catalogue.recommend(histories, 10))
        items = rng.integers(0, N, len(histories))
        session.append(items.tolist())
        for history, item in zip(histories, items.tolist(), strict=True):
            history.append(item)
        assert session.histories == histories
    candidates = np.arange(0, N, 3)
    args = {"exclude": "nothing", "candidates": candidates}
    same(session.recommend(4, **args), catalogue.recommend(histories, 4, **args))


def test_an_append_costs_one_item(catalogue, monkeypatch):
    session = catalogue.session([[1, 2, 3], [4, 5]])
    read = []
    forward = catalogue.model.forward
    monkeypatch.setattr(
        catalogue.model, "forward", lambda codes, *a, **kw: read.append(codes.shape) or forward(codes, *a, **kw)
    )
    session.append([6, 7])
    session.recommend(3)
    assert read == [(2, 1, 4)]


def test_a_session_without_users_is_refused(catalogue):
    with pytest.raises(DataError, match="at least one history"):
        catalogue.session([])


def test_a_session_leaves_the_callers_lists_alone(catalogue):
    mine = [[1, 2]]
    catalogue.session(mine).append([3])
    assert mine == [[1, 2]]


def test_appends_are_checked(catalogue):
    session = catalogue.session([[1, 2], [3]])
    with pytest.raises(DataError, match="3 items for 2 sessions: append one item to each"):
        session.append([1, 2, 3])
    with pytest.raises(DataError, match=f"history 1 holds the item id {N}, but the catalogue has the ids 0 to {N - 1}"):
        session.append([1, N])
    assert session.histories == [[1, 2], [3]]  # nothing of it was kept
    same(session.recommend(5), catalogue.recommend([[1, 2], [3]], 5))


# --- what a catalogue is made of ---


class FakeEncoder:
    """Texts to reproducible vectors; keeps what it was given."""

    def __init__(self):
        self.texts = []

    def encode(self, texts, *, progress):
        self.texts += texts
        rng = (np.random.default_rng(zlib.crc32(text.encode())) for text in texts)
        return unit(np.stack([each.standard_normal(WIDTH) for each in rng])).astype(np.float16)


@pytest.fixture
def encoder(monkeypatch):
    fake = FakeEncoder()
    monkeypatch.setattr(TextEncoder, "from_fingerprint", classmethod(lambda cls, fingerprint: fake))
    return fake


TITLES = ["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)", "Casino (1995)"]


def test_texts_tables_and_embeddings_give_the_same_catalogue(model, encoder):
    pd = pytest.importorskip("pandas")
    by_array = model.index(encoder.encode(TITLES, progress=False))
    columns = {"item_id": [7, 8, 9, 10], "title": TITLES}
    for items in (TITLES, tuple(TITLES), pl.DataFrame(columns), pd.DataFrame(columns)):
        catalogue = model.index(items)
        assert len(catalogue) == 4
        np.testing.assert_array_equal(catalogue.codes_NK, by_array.codes_NK)
        same(catalogue.recommend([[0, 2]], 4), by_array.recommend([[0, 2]], 4))


def test_a_tables_text_follows_the_models_template(encoder):
    table = pl.DataFrame({"title": ["Heat"], "categories": ["Crime"], "description": ["Two men."]})
    make_model().index(table)
    make_model(text_encoder={"template": "published"}).index(table)
    assert encoder.texts == [
        "Heat. Crime. Two men.",
        "'title': 'Heat', 'description': 'Two men.', 'categories': 'Crime'",
    ]


def test_a_memory_map_and_codes_made_before_give_the_same(model, embeddings, tmp_path):
    np.save(tmp_path / "x.npy", embeddings.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    loaded = model.index(embeddings.astype(np.float16))
    same(loaded.recommend([[1, 2]], 9), model.index(mapped).recommend([[1, 2]], 9))
    codes = model.tokenizer.encode(mapped)
    same(loaded.recommend([[1, 2]], 9), model.index(mapped, codes=codes).recommend([[1, 2]], 9))


def test_another_tokenizer_of_the_same_shape_may_be_given(embeddings):
    other = make_model(seed=9).tokenizer
    model = make_model()
    np.testing.assert_array_equal(model.index(embeddings, tokenizer=other).codes_NK, other.encode(embeddings))
    assert (other.encode(embeddings) != model.tokenizer.encode(embeddings)).any()


def test_texts_to_recommendations_with_the_packaged_encoder(tiny_minilm):
    model, dataset = RecGPT.from_pretrained(tiny_minilm.model), Dataset.load(tiny_minilm.data)
    titles = dataset.items["title"].to_list()
    same(model.index(titles).recommend([[0, 2]], 5), model.index(dataset.embeddings()).recommend([[0, 2]], 5))
    same(model.index(dataset.items).recommend([[0, 2]], 5), model.index(titles).recommend([[0, 2]], 5))
    with pytest.raises(DataError, match="text 1 is empty: give that item a title, or leave it out"):
        model.index(["Heat (1995)", "  ", "Casino (1995)"])
    with pytest.raises(DataError, match="text 1 is empty"):
        model.index(pl.DataFrame({"title": ["Heat (1995)", None]}))


# --- what is refused ---


@pytest.mark.parametrize(
    ("histories", "options", "message"),
    [
        (
            [[1], []],
            {},
            "history 1 is empty: the generative model ranks after at least one item; use popularity for new users",
        ),
        ([[1], [2, N]], {}, f"history 1 holds the item id {N}, but the catalogue has the ids 0 to {N - 1}"),
        ([[-1]], {}, "history 0 holds the item id -1"),
        ([[1]], {"k": 0}, f"k=0 does not fit a catalogue of {N} items"),
        ([[1]], {"exclude": "seen"}, "exclude='seen' is unknown"),
        ([[1]], {"candidates": np.array([N])}, rf"candidates\[0\] is the item id {N}"),
        ([[1]], {"mode": "greedy"}, 'mode=\'greedy\' is unknown: use "exact" or "beam"'),
    ],
)
def test_requests_that_cannot_be_served(catalogue, histories, options, message):
    with pytest.raises(DataError, match=message):
        catalogue.recommend(histories, **{"k": 3, **options})


def test_a_larger_k_is_cut_at_the_catalogue(catalogue):
    same(catalogue.recommend([[1, 2]], 10 * N, exclude="nothing"), catalogue.recommend([[1, 2]], N, exclude="nothing"))
    left = catalogue.recommend([[1, 2]], 10 * N)
    assert left.ids.shape == (1, N)
    assert left.ids[0, N - 2 :].tolist() == [-1, -1], "items of the history are left out: padding"


def test_a_session_starts_from_an_item(catalogue):
    with pytest.raises(DataError, match="history 0 is empty"):
        catalogue.session([[], [1]])


@pytest.mark.parametrize("items", [[], np.zeros((0, WIDTH)), pl.DataFrame({"title": []})], ids=type)
def test_an_empty_catalogue(model, items):
    with pytest.raises(DataError, match="the catalogue is empty: index at least one item"):
        model.index(items)


def test_tables_that_cannot_be_read(model, encoder):
    with pytest.raises(DataError, match=r"the items table has no column 'title', only \['name'\]: rename the column"):
        model.index(pl.DataFrame({"name": TITLES}))
    with pytest.raises(DataError, match="'item_id' must be unique, but 'a' occurs more than once"):
        model.index(pl.DataFrame({"item_id": ["a", "b", "a"], "title": TITLES[:3]}))
    with pytest.raises(DataError, match=r"a single text was given, 'Heat .1995.': index a list of texts, one an item"):
        model.index("Heat (1995)")


def test_embeddings_that_cannot_be_read(model, embeddings):
    codes = model.tokenizer.encode(embeddings)
    for given in (None, codes):
        with pytest.raises(
            DataError, match=r"embeddings have shape \(80, 16\), the model reads \(items, 32\): encode the items with"
        ):
            model.index(embeddings[:, :16], codes=given)
        with pytest.raises(DataError, match=r"embeddings have shape \(80,\)"):
            model.index(embeddings[:, 0], codes=given)
    bad = embeddings.copy()
    bad[9, 3] = np.nan
    with pytest.raises(DataError, match="the embedding of item 9 holds NaN or infinity"):
        model.index(bad)
    with pytest.raises(DataError, match="a score is NaN: check the embeddings and the model weights"):
        model.index(bad, codes=codes).recommend([[9]], 3)
    with pytest.raises(
        DataError, match=r"codes have shape \(79, 4\), the catalogue needs \(80, 4\): tokenize the same"
    ):
        model.index(embeddings, codes=codes[1:])


def test_tokenizers_that_do_not_fit(embeddings):
    bare = RecGPT(make_model().config)
    with pytest.raises(DataError, match=r"saved without its tokenizer: pass index\(\.\.\., tokenizer=\.\.\.\)"):
        bare.index(embeddings)
    with pytest.raises(CheckpointError, match=r"the tokenizer has .*use the tokenizer that the model was trained with"):
        bare.index(embeddings, tokenizer=make_model(levels=(5, 5, 5)).tokenizer)
