"""Floating-point operations (FLOPs) of the decoder; a multiplication and an addition count as two.

For T tokens with `keys` visible (query, key) pairs in all and P predicting positions, one forward pass takes

    L * (24 D^2 T + 4 D keys)  +  2 W D T  +  2 D (V + 1) P

for L layers: 6 D^2 for queries, keys and values, 2 D^2 for the attention output, 16 D^2 for the feed-forward part; the
projection of slices; the head. A backward pass takes twice that, except for the projection, whose input needs no
gradient.
Norms, softmax and activations are not counted, as in PaLM's model FLOPs utilisation (arXiv 2204.02311, appendix B).

*Useful* FLOPs count real items only, each with its visible keys. A padded or masked implementation computes more:
call `forward` with all its positions and T^2 keys a row to count that.

Shapes: T tokens, K codes an item, D width, W slice width, V codes a slot, L layers.
"""

import numpy as np

from recgpt.generative.decoder_config import RecGPTConfig


def visible_keys(lengths: np.ndarray, n_codes: int) -> int:
    """(query, key) pairs of sequences of `lengths` items: item p has K queries with K * (p + 1) keys each."""
    lengths = np.asarray(lengths, dtype=np.int64)
    return int(n_codes**2 * (lengths * (lengths + 1) // 2).sum())


def forward(config: RecGPTConfig, tokens: int, keys: int, predicted: int) -> int:
    """FLOPs of one pass over `tokens` positions."""
    return _layers(config, tokens, keys) + _projection(config, tokens) + _head(config, predicted)


def training(config: RecGPTConfig, tokens: int, keys: int, predicted: int) -> int:
    """FLOPs of one pass and its gradients."""
    return 3 * (_layers(config, tokens, keys) + _head(config, predicted)) + 2 * _projection(config, tokens)


def useful_training(config: RecGPTConfig, lengths: np.ndarray) -> int:
    """Useful FLOPs of a training step on sequences of `lengths` items; all but the first item of each are predicted."""
    items = int(np.sum(lengths))
    k = config.n_codes
    return training(config, items * k, visible_keys(lengths, k), (items - len(lengths)) * k)


def ranking(config: RecGPTConfig, lengths: np.ndarray) -> int:
    """Useful FLOPs of one ranking after each history of `lengths` items.

    The last layer computes keys and values of all items, and the rest for the last item only.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    d, k = config.d_model, config.n_codes
    tokens, users = int(lengths.sum()) * k, len(lengths)
    before = (config.n_layers - 1) * (24 * d * d * tokens + 4 * d * visible_keys(lengths, k))
    last = 4 * d * d * tokens + 20 * d * d * k * users + 4 * d * k * tokens
    return before + last + _projection(config, tokens) + _head(config, k * users)


def appending(config: RecGPTConfig, length: int) -> int:
    """FLOPs of one more item after `length` cached ones, without the head."""
    k = config.n_codes
    return _layers(config, k, k * k * (length + 1)) + _projection(config, k)


def encoding(width: int, inner: int, n_layers: int, lengths: np.ndarray) -> int:
    """FLOPs of a BERT-like encoder of feed-forward width `inner` over texts of `lengths` tokens."""
    lengths = np.asarray(lengths, dtype=np.int64)
    tokens, keys = int(lengths.sum()), int((lengths**2).sum())
    return n_layers * ((8 * width * width + 4 * width * inner) * tokens + 4 * width * keys)


def _layers(config: RecGPTConfig, tokens: int, keys: int) -> int:
    d = config.d_model
    return config.n_layers * (24 * d * d * tokens + 4 * d * keys)


def _projection(config: RecGPTConfig, tokens: int) -> int:
    return 2 * config.slice_dim * config.d_model * tokens


def _head(config: RecGPTConfig, predicted: int) -> int:
    return 2 * config.d_model * config.vocab_size * predicted
