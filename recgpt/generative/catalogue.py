"""The catalogue of the generative model: exact ranking by the log-probabilities of item codes.

    model = GenerativeModel.from_pretrained("ckpt/recgpt")
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"])   # texts, a table, or embeddings
    ranking = catalogue.recommend([[0, 2]], k=1)                                     # .ids, .scores

The K codes of the next item are independent given the history: log p(item) = sum over k of log p_k(code_k), a sum of K
table entries, so the whole catalogue is ranked exactly, for any k (`recgpt.generative.code_index`). Items with the same
K codes have equal scores: they are ordered by the cosine of their embedding with the predicted one (the tokenizer's
reconstruction of the most likely codes), then by id. `GenerativeCatalogue.collision_rate` is the share of such items.
A model with a dense head adds the similarity of texts to this sum, and normalises over the items of the catalogue.

Shapes: as `recgpt.generative` defines them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.catalogue import append_items
from recgpt.data.catalogue_ids import CatalogueIds, IdKind
from recgpt.data.past import PastSource
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.files import new_file
from recgpt.generative.beam import CodeTrie, beam_scores
from recgpt.generative.code_index import CodeIndex, log_normalisers
from recgpt.generative.decoder import MIN_LENGTH_RATIO, KeyValues, RecGPTDecoder
from recgpt.generative.dense import DenseIndex
from recgpt.generative.tokenizer import FSQTokenizer, check_codes, collision_rate
from recgpt.ranking import SCORES_IN_MEMORY, Exclude, Ranking, Request, top_k

if TYPE_CHECKING:
    from recgpt.generative.explain import GenerativeExplanation

Mode = Literal["exact", "beam"]

CODES_FILE = "codes.npy"
CPU_ITEMS = 512  # items of a forward pass; activations of more do not fit into a CPU's cache


class GenerativeCatalogue:
    """Indexed catalogue: codes and text embeddings of the items. Keeps `recgpt.catalogue.Catalogue`.

    Attributes
    ----------
    embeddings_NE
        (N, E) text embeddings, possibly a memory map.
    ids
        Outside ids of the rows.
    """

    score_name: ClassVar[str] = "log_probability"

    def __init__(
        self,
        model: RecGPTDecoder,
        tokenizer: FSQTokenizer,
        codes: np.ndarray | None,
        embeddings: np.ndarray,
        ids: CatalogueIds | None = None,
    ) -> None:
        self._rows_NE = tokenizer.catalogue_rows(embeddings)
        if codes is None:
            codes = tokenizer.encode(self._rows_NE, progress=len(embeddings) > 1_000_000)
        if codes.shape != (len(embeddings), model.config.n_codes):
            raise DataError(
                f"codes have shape {codes.shape}, the catalogue needs {(len(embeddings), model.config.n_codes)}: "
                f"tokenize the same items again"
            )
        check_codes(codes, model.config.codebook_size, "the catalogue")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.code_index = CodeIndex(torch.from_numpy(codes.astype(np.int32)).to(model.device))
        self.embeddings_NE = embeddings
        self.ids = ids or CatalogueIds(len(self))
        self._dense = None
        if model.dense is not None:
            self._dense = DenseIndex(model.dense, self._rows_NE, model.config.query_weight)

    @property
    def item_ids(self) -> np.ndarray:
        """(N,) outside ids of the rows: the column `item_id` of the items table, or row numbers without it."""
        return self.ids.array

    def __len__(self) -> int:
        return len(self.code_index)

    @property
    def codes_NK(self) -> Tensor:  # noqa: N802
        """(N, K) int32 codes of the items."""
        return self.code_index.codes_NK

    @cached_property
    def collision_rate(self) -> float:
        """Share of items with the same K codes as another item."""
        return collision_rate(self.codes_NK.cpu().numpy())

    def recommend(
        self,
        histories: Sequence[Sequence[int | str]] | Ragged,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: Sequence[int | str] | np.ndarray | None = None,
        batch_size: int = 64,
        mode: Mode = "exact",
        ids: IdKind | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history.

        Parameters
        ----------
        histories
            B non-empty sequences of items, oldest first, by row or by outside id (see `ids`); the last `max_items` of
            each are read.
        k
            Number of results, at least 1; more than N are cut at N.
        exclude
            "history" leaves out the items of the history, "nothing" ranks them too.
        candidates
            (C,) items that may be recommended; None for all.
        batch_size
            Histories scored at once; the ranking does not depend on it.
        mode
            "exact", or "beam" for the published decoding (scores at temperature 0.1, -1e8 for items outside the beam).
        ids
            "rows" or "outside", what `histories` and `candidates` hold; None takes texts for outside ids, whole numbers
            for rows, and refuses numbers that could be both.

        Returns
        -------
        Ranking
            ids and scores (B, k), padded with id -1 where fewer items can be ranked; scores are log-probabilities in
            nats.

        Raises
        ------
        DataError
            An empty history, an id outside the catalogue, `k` smaller than 1, an unknown `mode`.
        """
        if mode not in ("exact", "beam"):
            raise DataError(f'mode={mode!r} is unknown: use "exact" or "beam"')
        request = self._request(histories, k, exclude, candidates, ids)
        ranking = replace(request.unranked(), catalogue_ids=self.ids)
        kept = self.code_index.scores_kept(request.k) if self._dense is None else len(self)
        batch_size = max(1, min(batch_size, SCORES_IN_MEMORY // kept))
        for rows, hidden_BKD in self.next_item_states(request.histories, batch_size):
            part = self._rank(hidden_BKD, request, rows, mode)
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        return ranking

    def observe(self, events: PastSource) -> None:
        """Ignore `events`: the model reads interactions from histories only."""

    def explain(
        self,
        history: Sequence[int | str],
        item: int | str,
        titles: Sequence[str] | None = None,
        *,
        ids: IdKind | None = None,
    ) -> "GenerativeExplanation":
        """Explain the score of `item` after `history`, by `ids` as in `recommend`. See `recgpt.generative.explain`."""
        from recgpt.generative.explain import explain

        rows = self.ids.items(history, ids, "history 0")
        return explain(self, rows.tolist(), int(self.ids.items([item], ids, "item")[0]), titles)

    def save(self, folder: Path) -> None:
        """Write the codes as `codes.npy`, for `GenerativeModel.open_index`."""
        with new_file(folder / CODES_FILE) as draft, draft.open("wb") as file:
            np.save(file, self.codes_NK.cpu().numpy().astype(np.uint16), allow_pickle=False)
        self.ids.save(folder)

    def session(
        self, histories: Sequence[Sequence[int | str]] | Ragged, *, ids: IdKind | None = None
    ) -> "GenerativeSession":
        """Start a session: rankings of histories that grow one item at a time, with cached keys and values.

        `ids` as in `recommend`.
        """
        return GenerativeSession(self, histories, ids=ids)

    def _request(
        self,
        histories: Sequence[Sequence[int | str]] | Ragged,
        k: int,
        exclude: Exclude,
        candidates: Sequence[int | str] | np.ndarray | None,
        ids: IdKind | None,
    ) -> Request:
        if candidates is not None:
            candidates = self.ids.items(candidates, ids)
        request = Request.checked(self.ids.histories(histories, ids), k, exclude, candidates, n_items=len(self))
        empty = np.flatnonzero(request.histories.lengths == 0)
        if len(empty):
            raise DataError(
                f"history {empty[0]} is empty: the generative model ranks after at least one item; use popularity for "
                "new users"
            )
        return request

    def _inputs(self, items_BS: np.ndarray) -> tuple[Tensor, Tensor]:
        """Codes (B, S, K) and slices (B, S, K, W) of catalogue rows; row -1 is padding."""
        config = self.model.config
        real_BS = items_BS >= 0
        rows_BS = np.where(real_BS, items_BS, 0)
        codes_BSK = self.codes_NK[torch.from_numpy(rows_BS).to(self.codes_NK.device)].long()
        codes_BSK[torch.from_numpy(~real_BS)] = config.codebook_size
        embeddings_BSE = torch.from_numpy(np.asarray(self._rows_NE[rows_BS], dtype=np.float32))
        slices_BSKW = embeddings_BSE.view(*items_BS.shape, config.n_codes, config.slice_dim)
        return codes_BSK, slices_BSKW.to(self.model.device)

    @torch.inference_mode()
    def next_item_states(self, histories: Ragged, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Batches of similar length: row numbers, and hidden states (B, K, D) of the last item of each history.

        Rows are padded on the right; as the mask is causal across items, no item attends to padding.
        """
        lengths = np.minimum(histories.lengths, self.model.config.max_items)
        for rows in similar_lengths(lengths, batch_size):
            items_BS = padded(histories[rows].tail(self.model.config.max_items))
            last_B = torch.from_numpy(lengths[rows] - 1).to(self.model.device)
            on_cpu = self.model.device.type == "cpu"
            n = max(1, CPU_ITEMS // items_BS.shape[1]) if on_cpu else len(rows)
            parts = [
                self.model(*self._inputs(items_BS[i : i + n]), last_B=last_B[i : i + n]).hidden_BSKD[:, 0]
                for i in range(0, len(rows), n)
            ]
            yield rows, torch.cat(parts)

    @torch.inference_mode()
    def _rank(self, hidden_BKD: Tensor, request: Request, rows: np.ndarray, mode: Mode = "exact") -> Ranking:
        logits_VKB = self.model.code_logits(hidden_BKD)
        if self._dense is not None and mode == "exact":
            scores_BN = self.item_log_probabilities(logits_VKB, hidden_BKD, request.histories[rows])
            return top_k(request.mask(scores_BN, rows), request.k)
        if mode == "beam":
            scores_BN = torch.stack([beam_scores(logits_KV, self._trie) for logits_KV in logits_VKB.permute(2, 1, 0)])
            seconds = partial(self.dense_scores, logits_VKB)
            return top_k(request.mask(scores_BN, rows), request.k, tie_break=seconds)
        ranking = self.code_index.top_k(logits_VKB, request, rows, self.dense_scores)
        return Ranking(ranking.ids, ranking.scores - log_normalisers(logits_VKB).unsqueeze(1).cpu().numpy())

    def item_log_probabilities(self, logits_VKB: Tensor, hidden_BKD: Tensor, histories: Ragged) -> Tensor:
        """(B, N) log-probabilities over the items of the catalogue, of a model with a dense head."""
        scores_BN = self.code_index.scores(logits_VKB).T.contiguous()
        if self._dense is not None:
            scores_BN *= self.model.config.code_weight
            scores_BN += self._dense.scores(hidden_BKD, histories.tail(self.model.config.max_items))
        return scores_BN.log_softmax(1)

    @cached_property
    def _trie(self) -> CodeTrie:
        return CodeTrie(self.codes_NK.cpu())

    def dense_scores(self, logits_VKB: Tensor, ids_BC: Tensor) -> Tensor:
        """(B, C) cosines of the predicted embedding with the candidates' embeddings, to order items of equal codes."""
        likeliest_BK = logits_VKB[: self.model.config.codebook_size].argmax(0).T
        predicted_BE = self.tokenizer.decode(likeliest_BK.cpu())
        parts = []
        for ids_Bc in ids_BC.cpu().split(max(1, SCORES_IN_MEMORY // predicted_BE.numel()), dim=1):
            candidates_BcE = torch.from_numpy(np.asarray(self._rows_NE[ids_Bc.numpy()], dtype=np.float32))
            parts.append(F.cosine_similarity(predicted_BE.unsqueeze(1), candidates_BcE.to(predicted_BE.device), dim=-1))
        return torch.cat(parts, 1).to(ids_BC.device)


def similar_lengths(lengths: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Batches of at most `batch_size` rows, longest first, of at least `MIN_LENGTH_RATIO` x the batch's longest."""
    order = np.argsort(-lengths, kind="stable")
    descending = lengths[order]
    start = 0
    while start < len(order):
        similar = np.searchsorted(-descending, -MIN_LENGTH_RATIO * descending[start], side="right")
        stop = min(start + batch_size, int(similar))
        yield order[start:stop]
        start = stop


def padded(histories: Ragged) -> np.ndarray:
    """(B, S) int64 histories, padded with -1 on the right."""
    lengths = histories.lengths
    items_BS = np.full((len(histories), int(lengths.max())), -1, dtype=np.int64)
    items_BS[np.arange(items_BS.shape[1]) < lengths[:, None]] = histories.values
    return items_BS


class GenerativeSession:
    """Rankings of B histories that grow one item at a time; an append computes K positions with cached keys and values.

    Equal to ranking the grown histories anew. Beyond `max_items` the oldest item is dropped and all positions shift, so
    that each append recomputes the whole window.

    Attributes
    ----------
    histories
        All items of the users so far, oldest first.
    """

    def __init__(
        self,
        catalogue: GenerativeCatalogue,
        histories: Sequence[Sequence[int | str]] | Ragged,
        *,
        ids: IdKind | None = None,
    ) -> None:
        self.catalogue = catalogue
        checked = catalogue._request(histories, 1, "nothing", None, ids).histories
        if len(checked) == 0:
            raise DataError("a session needs at least one history: pass one sequence of catalogue rows for each user")
        self.histories: list[list[int]] = [history.tolist() for history in checked]
        self._read()

    @torch.inference_mode()
    def _read(self) -> None:
        """Compute keys and values of the last `max_items` items of each history."""
        model = self.catalogue.model
        kept = Ragged.from_lists(self.histories).tail(model.config.max_items)
        self._lengths_B = torch.from_numpy(kept.lengths).to(model.device)
        items_BS = padded(kept)
        out = model(*self.catalogue._inputs(items_BS), last_B=self._lengths_B - 1, use_cache=True)
        self._past: list[KeyValues] = out.past
        self._seen_BT = torch.from_numpy(items_BS >= 0).repeat_interleave(model.config.n_codes, 1).to(model.device)
        self._state_BKD = out.hidden_BSKD[:, 0]

    @torch.inference_mode()
    def append(self, items: Sequence[int | str], *, ids: IdKind | None = None) -> None:
        """Append one item to each history; `ids` as in `GenerativeCatalogue.recommend`.

        Raises
        ------
        DataError
            Not one item a user, or an item outside the catalogue.
        """
        model = self.catalogue.model
        rows = self.catalogue.ids.items(items, ids, "items")
        new_B = append_items(self.histories, rows.tolist(), n_items=len(self.catalogue))
        if int(self._lengths_B.max()) >= model.config.max_items:
            self._read()
            return
        out = model(
            *self.catalogue._inputs(new_B[:, None]),
            positions_BS=self._lengths_B.unsqueeze(1),
            past=self._past,
            past_mask_BT=None if bool(self._seen_BT.all()) else self._seen_BT,
        )
        self._seen_BT = F.pad(self._seen_BT, (0, model.config.n_codes), value=True)
        self._lengths_B = self._lengths_B + 1
        self._state_BKD = out.hidden_BSKD[:, 0]

    def recommend(
        self,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: Sequence[int | str] | np.ndarray | None = None,
        ids: IdKind | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history as it is now. See `GenerativeCatalogue.recommend`."""
        if candidates is not None:
            candidates = self.catalogue.ids.items(candidates, ids)
        request = self.catalogue._request(self.histories, k, exclude, candidates, "rows")
        ranking = self.catalogue._rank(self._state_BKD, request, np.arange(len(self.histories)))
        return replace(ranking, catalogue_ids=self.catalogue.ids)
