"""How many floating-point operations the decoder's work needs; a multiplication and an addition are two.

For T tokens that see `keys` (query, key) pairs in all, of which P positions predict a code, one forward pass takes

    L * (24 D^2 T + 4 D keys)  +  2 W D T  +  2 D (V + 1) P

for L layers: 6 D^2 for queries, keys and values, 2 D^2 for what attention gives, 16 D^2 for the feed-forward part; the
slices' projection; the head. A backward pass takes twice that, but for the projection, whose input needs no gradient.
Norms, softmax and activations are not counted, as in PaLM's model FLOPs utilisation (arXiv 2204.02311, appendix B).

*Useful* FLOPs count real items only, each with the keys that it may see. What a padded or masked implementation
computes beyond that is work, but not useful: call `forward` with its positions and T^2 keys a row to count it.

Shapes: T tokens, K codes an item, D width, W slice width, V codes a slot, L layers.
"""

import numpy as np

from recgpt.generative.decoder import RecGPTConfig


def visible_keys(lengths: np.ndarray, n_codes: int) -> int:
    """(query, key) pairs of sequences of `lengths` items: item p has K queries, each sees K * (p + 1) keys."""
    lengths = np.asarray(lengths, dtype=np.int64)
    return int(n_codes**2 * (lengths * (lengths + 1) // 2).sum())


def forward(config: RecGPTConfig, tokens: int, keys: int, predicted: int) -> int:
    """FLOPs of one pass over `tokens` positions."""
    return _layers(config, tokens, keys) + _projection(config, tokens) + _head(config, predicted)


def training(config: RecGPTConfig, tokens: int, keys: int, predicted: int) -> int:
    """FLOPs of one pass and its gradients."""
    return 3 * (_layers(config, tokens, keys) + _head(config, predicted)) + 2 * _projection(config, tokens)


def useful_training(config: RecGPTConfig, lengths: np.ndarray) -> int:
    """FLOPs that sequences of `lengths` items need in training; all but the first item of each are predicted."""
    items = int(np.sum(lengths))
    k = config.n_codes
    return training(config, items * k, visible_keys(lengths, k), (items - len(lengths)) * k)


def ranking(config: RecGPTConfig, lengths: np.ndarray) -> int:
    """FLOPs that histories of `lengths` items need to be ranked after: the last layer is wanted for one item only.

    Of the last layer, every item needs its keys and values, the last one the rest.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    d, k = config.d_model, config.n_codes
    tokens, users = int(lengths.sum()) * k, len(lengths)
    before = (config.n_layers - 1) * (24 * d * d * tokens + 4 * d * visible_keys(lengths, k))
    last = 4 * d * d * tokens + 20 * d * d * k * users + 4 * d * k * tokens
    return before + last + _projection(config, tokens) + _head(config, k * users)


def appending(config: RecGPTConfig, length: int) -> int:
    """FLOPs of one more item after `length` cached ones; the head is not asked."""
    k = config.n_codes
    return _layers(config, k, k * k * (length + 1)) + _projection(config, k)


def encoding(width: int, inner: int, n_layers: int, lengths: np.ndarray) -> int:
    """FLOPs of a BERT-like encoder over texts of `lengths` tokens, `inner` wide between its feed-forward products."""
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
