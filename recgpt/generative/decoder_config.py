"""Configuration of the decoder, as `config.json` of a model folder holds it."""

from typing import Any

from transformers import PretrainedConfig

from recgpt.errors import DataError

PUBLISHED_NAME = "RecGPT"


class RecGPTConfig(PretrainedConfig):
    """Configuration of the decoder; the defaults are the published ones.

    Parameters
    ----------
    codebook_size
        V, codes a slot; id V is padding.
    n_codes
        K, codes an item.
    embedding_dim
        E, width of the text embedding; each token sees its slice of width E / K.
    max_items
        Longest history; older items are cut off. Positions = max_items * n_codes.
    d_model, n_layers, n_heads, dropout
        Sizes and dropout of the transformer.
    dense_head
        Whether items are also scored by their text: see `recgpt.generative.dense`.
    code_weight
        Weight of the code logits in the score, beside the dense head.
    query_weight
        Weight of the hidden states in the dense head's query.
    text_encoder
        Fingerprint of the encoder that made the embeddings; `index(texts)` loads this encoder.
    training
        Training record for the model card; its `catalogues` are the hashes of the catalogues.
    """

    model_type = "recgpt"

    def __init__(
        self,
        *,
        codebook_size: int = 15_360,
        n_codes: int = 4,
        embedding_dim: int = 768,
        max_items: int = 256,
        d_model: int = 768,
        n_layers: int = 3,
        n_heads: int = 12,
        dropout: float = 0.1,
        dense_head: bool = False,
        code_weight: float = 1.0,
        query_weight: float = 1.0,
        text_encoder: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if d_model % n_heads:
            raise DataError(f"d_model={d_model} is not divisible by n_heads={n_heads}: choose one that divides it")
        if embedding_dim % n_codes:
            raise DataError(
                f"embedding width {embedding_dim} cannot be cut into {n_codes} equal slices: choose a number of"
                " codes that divides it"
            )
        self.codebook_size = codebook_size
        self.n_codes = n_codes
        self.embedding_dim = embedding_dim
        self.max_items = max_items
        self.d_model = d_model
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.dropout = dropout
        self.dense_head = dense_head
        self.code_weight = code_weight
        self.query_weight = query_weight
        self.text_encoder = text_encoder or {}
        self.training = training or {}
        super().__init__(**kwargs)

    def to_dict(self) -> dict[str, Any]:
        """Configuration as JSON values; the architecture keeps its published name."""
        found: dict[str, Any] = super().to_dict()
        return {**found, "architectures": [PUBLISHED_NAME]} if found.get("architectures") else found

    @property
    def vocab_size(self) -> int:
        """V + 1: every code and the padding id."""
        return self.codebook_size + 1

    @property
    def least_parameters(self) -> int:
        """Lower bound of the number of parameters: layers, embeddings and head, without norms and biases."""
        tables = 2 * self.vocab_size + self.max_items * self.n_codes
        return (12 * self.n_layers * self.d_model + tables) * self.d_model

    @property
    def slice_dim(self) -> int:
        """W, the width of one slice of the text embedding."""
        return self.embedding_dim // self.n_codes
