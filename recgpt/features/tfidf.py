"""TF-IDF rows of texts: shared rare words (brands, series, sizes, authors) that an embedding blurs.

    words_NW = word_rows(texts)
    words_NW @ words_NW[7]       # overlap of rare words of each text with the eighth

TF-IDF with logarithmic counts (Salton and Buckley 1988), hashed with random signs into few dimensions, which keeps
inner products on average (Weinberger et al. 2009, "Feature hashing for large scale multitask learning").

Shapes: N texts, V hashed words, W dimensions.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from recgpt.features.text_similarity import quantize_rows

WIDTH = 128
_WORDS = 1 << 18
_MAX_SHARE = 0.2  # of the texts: more frequent words are left out
_MIN_TEXTS = 2  # rarer words cannot relate two texts


def word_rows(texts: Sequence[str]) -> np.ndarray:
    """(N, W) float32 unit rows, after `quantize_rows`; zero for texts without a counted word."""
    from sklearn.feature_extraction.text import HashingVectorizer  # its import takes seconds

    counted = HashingVectorizer(
        n_features=_WORDS,
        alternate_sign=False,
        norm=None,
        token_pattern=r"(?u)\w+",  # noqa: S106  # words, not a secret
        dtype=np.float32,
    ).transform(texts)
    in_texts_V = np.bincount(counted.indices, minlength=_WORDS)
    is_counted_V = (in_texts_V >= _MIN_TEXTS) & (in_texts_V <= _MAX_SHARE * len(texts))
    # idf = log((1 + n) / (1 + n_v)) + 1, tf = 1 + log(count)
    weight_V = np.where(is_counted_V, np.log((1 + len(texts)) / (1 + in_texts_V)) + 1, 0)
    rng = np.random.default_rng(0)
    place_V, sign_V = rng.integers(0, WIDTH, _WORDS), rng.choice([-1.0, 1.0], _WORDS)
    hashed_VW = sparse.csr_array((weight_V * sign_V, (np.arange(_WORDS), place_V)), shape=(_WORDS, WIDTH))
    counted.data = 1 + np.log(counted.data)
    rows_NW = (sparse.csr_array(counted) @ hashed_VW).toarray()
    length_N1 = np.linalg.norm(rows_NW, axis=1, keepdims=True)
    return quantize_rows(rows_NW / np.where(length_N1 > 0, length_N1, 1)).astype(np.float32)
