"""Words that texts share: rare ones count, common ones do not, and hashing keeps what they have in common."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from recgpt.features.tfidf import WIDTH, word_rows

BRANDS = ("acme", "zenith", "orion", "vela", "lyra", "cygnus")
TEXTS = [f"{BRANDS[i % 6]} toy of wood, part {i // 6}" for i in range(60)]


def test_a_shared_rare_word_relates_and_a_common_one_does_not():
    rows_NW = word_rows(TEXTS)
    cosines_NN = rows_NW @ rows_NW.T
    same_brand = np.arange(60)[:, None] % 6 == np.arange(60) % 6
    same_part = np.arange(60)[:, None] // 6 == np.arange(60) // 6
    assert cosines_NN[same_brand].min() > 0.3
    assert abs(cosines_NN[~same_brand & ~same_part]).max() < 0.3, "`toy`, `of` and `wood` are everywhere"


def test_hashing_keeps_the_cosines_of_tf_idf():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{w}" for w in rng.zipf(1.5, 12) if w < 4000) + " end" for _ in range(400)]
    words = r"(?u)\w+"
    plain_NV = TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.2, token_pattern=words).fit_transform(texts)
    exact_NN, ours_NN = (plain_NV @ plain_NV.T).toarray(), word_rows(texts) @ word_rows(texts).T
    off = ~np.eye(400, dtype=bool)
    assert np.abs(exact_NN - ours_NN)[off].mean() < 1.5 / np.sqrt(WIDTH)
    assert np.corrcoef(exact_NN[off], ours_NN[off])[0, 1] > 0.7


@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
def test_rows_are_of_length_one_or_nothing(texts):
    rows_NW = word_rows(texts)
    assert rows_NW.shape == (len(texts), WIDTH)
    assert rows_NW.dtype == np.float32
    lengths_N = np.linalg.norm(rows_NW, axis=1)
    assert all(length == 0 or length == pytest.approx(1, abs=5e-3) for length in lengths_N)
    np.testing.assert_array_equal(rows_NW * 2**11, np.round(rows_NW * 2**11))
