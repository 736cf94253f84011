"""Generative model of the RecGPT paper: item text -> FSQ codes -> a decoder that ranks the whole catalogue exactly.

Shapes, beside B histories (rows of a batch), N items, K codes an item, E text width and D model width: S items a
history, T = S K tokens, V codes a slot, W = E / K slice width, H attention heads, R rows of a loss or table, C
candidates (in the tokenizer: FSQ dimensions), M blocks of items.
"""
