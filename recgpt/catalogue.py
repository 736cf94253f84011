"""Protocols of both kinds of model: `Model.index` makes a `Catalogue`, which ranks its items and explains scores.

    model = load_model("ckpt/recgpt-minilm")
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"])
    ranking = catalogue.recommend([[0, 2]], k=1)
    print(catalogue.explain([0, 2], item=1).to_dict())

`recgpt.foundation` and `recgpt.generative` implement these protocols; other code is independent of a model's kind.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from rich.console import RenderableType
from rich.text import Text
from torch import Tensor

from recgpt.data.catalogue_ids import CatalogueIds, IdKind, names_of_items
from recgpt.data.past import PastSource
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.ranking import Exclude, Ranking, Request
from recgpt.terminal import plain

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Kind = Literal["foundation", "generative"]

IN_HISTORY_NOTE = "It is in the history, so it is recommended only with --keep-history."


class Explanation(Protocol):
    """Explanation of an item's score after a history."""

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain types, for JSON; all numbers are finite."""
        ...

    def render(self) -> RenderableType:
        """Tables for the terminal; titles are printed literally, never as markup."""
        ...


@runtime_checkable
class Catalogue(Protocol):
    """The indexed items of one catalogue.

    Attributes
    ----------
    score_name
        Kind of score that `recommend` returns: "score" or "log_probability".
    """

    score_name: ClassVar[str]

    def __len__(self) -> int:
        """N, the number of items."""
        ...

    @property
    def item_ids(self) -> np.ndarray:
        """(N,) outside ids of the rows: the column `item_id` of the items table, or row numbers without it."""
        ...

    def recommend(
        self,
        histories: Sequence[Sequence[int | str]] | Ragged,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: Sequence[int | str] | np.ndarray | None = None,
        batch_size: int = 64,
        ids: IdKind | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history.

        Parameters
        ----------
        histories
            B sequences of items, oldest first, by row or by outside id (see `ids`).
        k
            Number of results, at least 1; more than N are cut at N.
        exclude
            "history" leaves out the items of the history, "nothing" ranks them too.
        candidates
            (C,) items that may be recommended; None for all.
        batch_size
            Histories scored at once.
        ids
            "rows" or "outside", what `histories` and `candidates` hold; None takes texts for outside ids, whole numbers
            for rows, and refuses numbers that could be both.

        Returns
        -------
        Ranking
            ids and scores (B, k), best first, padded with id -1 and score -inf where fewer items can be ranked.

        Raises
        ------
        DataError
            An id outside the catalogue, `k` smaller than 1, or an empty history where the model cannot rank after one.
        """
        ...

    def observe(self, events: PastSource) -> None:
        """Add new interactions to the index of a model that reads interactions; otherwise ignore them."""
        ...

    def explain(
        self,
        history: Sequence[int | str],
        item: int | str,
        titles: Sequence[str] | None = None,
        *,
        ids: IdKind | None = None,
    ) -> Explanation:
        """Explain the score of `item` after `history`.

        Parameters
        ----------
        history
            Items, oldest first.
        item
            The item to explain, which may be in the history.
        titles
            N names of the rows; an item without one is named by its id.
        ids
            What `history` and `item` hold, as in `recommend`.

        Raises
        ------
        DataError
            An id outside the catalogue, titles that are not one a row, or an empty history without a score.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the index, without model and embeddings, for `Model.open_index`; the folder may exist already."""
        ...


@runtime_checkable
class Model(Protocol):
    """A trained model of either kind, on the processor or a GPU.

    Attributes
    ----------
    kind
        "foundation" or "generative".
    reads_interactions
        Whether `index` reads past interactions besides the items' texts.
    config
        Configuration, stored as `config.json`.
    """

    kind: ClassVar[Kind]
    reads_interactions: ClassVar[bool]
    config: Any

    @property
    def source(self) -> str | None:
        """Folder or repository that it was read from; None for a model made in memory."""
        ...

    @property
    def text_encoder(self) -> Mapping[str, Any]:
        """Encoder, template and width of the embeddings that it was trained with; empty where it is not recorded."""
        ...

    @property
    def training_record(self) -> Mapping[str, Any]:
        """Training record: `trained_on`, the training past of each data set; `catalogues`, their hashes."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of all inputs of a ranking: weights, configuration and, in a generative model, the tokenizer."""
        ...

    def index(
        self,
        items: "Sequence[str] | pl.DataFrame | pd.DataFrame | np.ndarray",
        *,
        interactions: PastSource | None = None,
        embeddings: np.ndarray | None = None,
    ) -> Catalogue:
        """Index a catalogue, which may be new to the model. No gradient step is made.

        Parameters
        ----------
        items
            N texts; or a table with `title` and, if there are any, `categories, brand, description`; or text embeddings
            (N, E) from the encoder that the model was trained with.
        interactions
            Past interactions, or a table or file of them (see `recgpt.data.past`); an error if the model does not read
            them (`reads_interactions`).
        embeddings
            (N, E) embeddings of these texts, if they were computed before; otherwise the texts are encoded.

        Raises
        ------
        DataError
            An empty catalogue, an item without text, embeddings of another width, interactions that are not read.
        EncoderError
            The texts' encoder cannot be loaded or is not the model's.
        """
        ...

    def open_index(self, folder: Path, embeddings: np.ndarray) -> Catalogue:
        """Read the index that `Catalogue.save` wrote, of items with these embeddings (N, E), maybe a memory map."""
        ...

    def save_pretrained(self, save_directory: str | Path) -> Any:
        """Write weights (safetensors), `config.json` and model card into a folder."""
        ...

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path) -> Self:
        """Read a folder, or a repository of the hub, that `save_pretrained` or `push_to_hub` wrote."""
        ...

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | bool | None = None) -> str:
        """Upload the folder of `save_pretrained` to a repository of the hub; returns the address of the commit."""
        ...


def rankings_sha256(settings: object, tensors: Mapping[str, Tensor]) -> str:
    """Hash of the weights and of the settings that their names and shapes do not contain, for `Model.sha256`."""
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()


def checked_titles(titles: Sequence[str] | None, ids: CatalogueIds) -> Sequence[str]:
    """Names of a catalogue's rows: their titles; the ids of items without one.

    Raises
    ------
    DataError
        They are not one a row.
    """
    if titles is not None and len(titles) != ids.n_items:
        raise DataError(f"{len(titles)} titles for a catalogue of {ids.n_items} items: pass one title a row")
    return names_of_items(titles, ids.id_map)


def append_items(histories: list[list[int]], items: Sequence[int], *, n_items: int) -> np.ndarray:
    """Append one item to each history of a session, in place.

    Returns
    -------
    np.ndarray
        (B,) the items.

    Raises
    ------
    DataError
        Not one item a history, or an item outside the catalogue; no history is changed then.
    """
    if len(items) != len(histories):
        raise DataError(f"{len(items)} items for {len(histories)} sessions: append one item to each")
    items_B = Request.checked([[item] for item in items], 1, "nothing", None, n_items=n_items).histories.values
    for history, item in zip(histories, items_B.tolist(), strict=True):
        history.append(item)
    return items_B


def title_cell(title: str) -> Text:
    """Table cell of a title, printed literally and cut with an ellipsis on a narrow terminal."""
    return Text(plain(title), no_wrap=True, overflow="ellipsis")


def with_item_ids(value: Any, ids: Sequence[Any]) -> Any:
    """JSON value of an explanation with an `item_id` beside every `row`.

    Parameters
    ----------
    ids
        (N,) outside ids of the rows.
    """
    if isinstance(value, dict):
        more = {"item_id": ids[value["row"]]} if "row" in value else {}
        return {**{name: with_item_ids(each, ids) for name, each in value.items()}, **more}
    return [with_item_ids(each, ids) for each in value] if isinstance(value, list | tuple) else value


def unread_note(reader: str, n_unread: int, n_read: int) -> str:
    """Sentence on the oldest history items, which an explanation leaves out."""
    return f"The oldest {n_unread} of {n_unread + n_read} items are not read: {reader} reads the last {n_read}."
