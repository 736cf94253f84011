"""Generative model, the published architecture: a decoder over item tokens with its tokenizer.

    model = GenerativeModel.from_pretrained("ckpt/recgpt")
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"])   # texts, a table, or embeddings
    ranking = catalogue.recommend([[0, 2]], k=1)                                     # .ids, .scores

Its inputs are the texts of the catalogue, which may be new, and the user's own history; it reads no past interactions.
The decoder is in `recgpt.generative.decoder`, the ranking in `recgpt.generative.catalogue`.

Shapes: N items, K codes an item, E embedding width.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from recgpt.bounds import load_npy
from recgpt.catalogue import Kind, rankings_sha256
from recgpt.data.catalogue_ids import CatalogueIds
from recgpt.data.past import PastSource, given_ids
from recgpt.data.text import catalogue_texts
from recgpt.encode import TextEncoder
from recgpt.errors import DataError
from recgpt.generative.catalogue import CODES_FILE, GenerativeCatalogue
from recgpt.generative.decoder import RecGPTDecoder
from recgpt.generative.tokenizer import FSQTokenizer

if TYPE_CHECKING:
    import pandas as pd


class GenerativeModel(RecGPTDecoder):
    """The decoder, its tokenizer, and `index`. Keeps `recgpt.catalogue.Model`."""

    kind: ClassVar[Kind] = "generative"
    reads_interactions: ClassVar[bool] = False

    @property
    def source(self) -> str | None:
        """Folder, repository or published file that it was read from; None for a model made in memory."""
        return str(self.name_or_path) or None

    @property
    def text_encoder(self) -> Mapping[str, Any]:
        """Encoder, template and width of the embeddings that it was trained with; empty where it is not recorded."""
        return self.config.text_encoder

    @property
    def training_record(self) -> Mapping[str, Any]:
        """Training record: `trained_on`, the training past of each data set; `catalogues`, their hashes."""
        return self.config.training

    @property
    def sha256(self) -> str:
        """Hash of the weights, of the settings that their shapes do not contain, and of the tokenizer."""
        settings: tuple[object, ...] = (self.config.max_items, self.config.n_heads)
        tensors = self.state_dict()
        if self.tokenizer is not None:
            settings = (*settings, self.tokenizer.sha256)
            tensors |= {f"tokenizer.{name}": tensor for name, tensor in self.tokenizer.state_dict().items()}
        return rankings_sha256(settings, tensors)

    def index(
        self,
        items: "Sequence[str] | pl.DataFrame | pd.DataFrame | np.ndarray",
        *,
        interactions: PastSource | None = None,
        embeddings: np.ndarray | None = None,
        tokenizer: FSQTokenizer | None = None,
        codes: np.ndarray | None = None,
    ) -> GenerativeCatalogue:
        """Index a catalogue, which may be new to the model, without a gradient step.

        Parameters
        ----------
        items
            N texts; or a table with `title` and, if there are any, `categories, brand, description`; or text embeddings
            (N, E) from the encoder that the model was trained on, which may be a memory map.
        interactions
            Must be None: this model reads no past interactions.
        embeddings
            (N, E) embeddings of these texts, if they were computed before; otherwise the texts are encoded.
        tokenizer
            Tokenizer; None takes the one saved with the model.
        codes
            (N, K) codes of these items from this tokenizer, if they were computed before.

        Raises
        ------
        DataError
            Interactions were passed, an empty catalogue, an item without text, embeddings of another width, NaN,
            duplicate `item_id`.
        CheckpointError
            The shape of `tokenizer` is not the model's.
        EncoderError
            The texts' encoder cannot be loaded or is not the model's.
        """
        if interactions is not None:
            raise DataError(
                "this is a generative model, which reads histories and texts but no past of the catalogue: leave out "
                "interactions (--interactions), or choose a foundation model"
            )
        tokenizer = tokenizer or self.tokenizer
        if tokenizer is None:
            raise DataError("this model was saved without its tokenizer: pass index(..., tokenizer=...)")
        self.check_fits(tokenizer)
        if isinstance(items, str):
            raise DataError(f"a single text was given, {items[:40]!r}: index a list of texts, one an item")
        if len(items) == 0:
            raise DataError("the catalogue is empty: index at least one item")
        ids = given_ids(items)
        embeddings_NE = self._embeddings(items) if embeddings is None else embeddings
        if embeddings_NE.shape != (len(items), self.config.embedding_dim):
            raise DataError(
                f"embeddings have shape {embeddings_NE.shape}, the model reads (items, {self.config.embedding_dim}): "
                f"encode the items with the encoder that the model was trained on"
            )
        return GenerativeCatalogue(self, tokenizer, codes, embeddings_NE, ids)

    def open_index(self, folder: Path, embeddings: np.ndarray) -> GenerativeCatalogue:
        """Read the index that `GenerativeCatalogue.save` wrote, of items with these embeddings (N, E)."""
        opened = self.index(embeddings, codes=load_npy(folder / CODES_FILE, mmap=False))
        opened.ids = CatalogueIds.open(folder, len(opened))
        return opened

    def _embeddings(self, items: "Sequence[str] | pl.DataFrame | pd.DataFrame | np.ndarray") -> np.ndarray:
        if isinstance(items, np.ndarray):
            return items
        texts = catalogue_texts(items, self.text_encoder.get("template", "fields"))
        return TextEncoder.from_fingerprint(self.text_encoder).encode(texts, progress=len(texts) > 1000)


RecGPT = GenerativeModel
"""Published name of the model."""
