"""Contribution of each history item to the score of one item under the generative model, with codes and similar texts.

    explanation = catalogue.explain([0, 2], 5, titles)      # catalogue rows, oldest first; the row to explain
    explanation.history[-1].contribution                    # nats that the last item adds to the score of row 5
    Console().print(explanation.render())

    recgpt explain --model M --items items.csv --history "Toy Story (1995); Heat (1995)" --item "Casino (1995)"

Contributions are leave-one-out differences of exact scores (erasure: Li, Monroe & Jurafsky, arXiv 1612.08220). They
need not add up to the score: of two redundant items, leaving out either changes little, and leaving out an item moves
the later ones one position forward.

Shapes: as `recgpt.generative` defines them; besides, C items with tied scores.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text
from torch.nn import functional as F

from recgpt.catalogue import IN_HISTORY_NOTE, checked_titles, title_cell, unread_note
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.generative.tokenizer import finite_rows
from recgpt.progress import Meter
from recgpt.ranking import SCORES_IN_MEMORY, Request, top_k
from recgpt.terminal import plain

if TYPE_CHECKING:
    from recgpt.generative.catalogue import GenerativeCatalogue

NEAREST = 5
BATCH = 16  # histories read at once: with 255 items each they need 0.7 GB in the published model
COSINE_ROWS = 16_384
BAR = 6  # cells on each side of the bar's axis
SHOWN_SAME = 5
ONLY_ITEM = "without its only item the history is empty, and the model reads at least one"
_PLAIN: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": None}


@dataclass(frozen=True)
class HistoryItem:
    """Contribution of one history item, and its similarity to the explained item.

    Attributes
    ----------
    position
        0-based place in the history as it was given.
    row, title
        The history item.
    contribution
        Score minus `log_probability_without`, nats. None, like the next two, for the only item of a history (see
        `GenerativeExplanation.no_contribution`).
    log_probability_without, rank_without
        Score and rank of the explained item after the history without this item.
    cosine
        Cosine of the two text embeddings.
    shared_slots
        0-based slots in which both items have the same code.
    """

    position: int
    row: int
    title: str
    contribution: float | None
    log_probability_without: float | None
    rank_without: int | None
    cosine: float
    shared_slots: tuple[int, ...]


@dataclass(frozen=True)
class Neighbour:
    """A catalogue item and the cosine of its text embedding with that of the explained item."""

    row: int
    title: str
    cosine: float


@dataclass(frozen=True)
class GenerativeExplanation:
    """Contributions of history items to the score of one item, with its codes and nearest texts.

    Attributes
    ----------
    row, title
        The explained item.
    log_probability
        Its exact score, nats.
    rank
        1-based place in the full ranking, history left out; the explained item itself is always ranked.
    items_ranked
        Number of items in that ranking.
    in_history
        Whether the history holds the item, so that `recommend` would leave it out.
    codes, code_log_probabilities
        Its K codes; the K log-probabilities in nats, which sum to the score of a model without a dense head.
    unread
        Number of oldest history items beyond `max_items`, which the model does not read.
    history
        The history items that the model reads, oldest first.
    no_contribution
        Reason for missing contributions; None if there are contributions.
    nearest
        The items with the most similar texts, nearest first.
    same_codes
        The other items with the same K codes, which have the same score.
    """

    row: int
    title: str
    log_probability: float
    rank: int
    items_ranked: int
    in_history: bool
    codes: tuple[int, ...]
    code_log_probabilities: tuple[float, ...]
    unread: int
    history: tuple[HistoryItem, ...]
    no_contribution: str | None
    nearest: tuple[Neighbour, ...]
    same_codes: tuple[Neighbour, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON; all numbers are finite."""
        return asdict(self)

    def render(self) -> Group:
        """Tables for the terminal; titles are printed literally, never as markup."""
        return Group(*self._head(), Text(), self._history_table(), *self._history_notes(), Text(), *self._neighbours())

    def _head(self) -> list[Text]:
        slots = "  ".join(
            f"{code}: {log_probability:.2f}"
            for code, log_probability in zip(self.codes, self.code_log_probabilities, strict=True)
        )
        lines = [
            Text(plain(self.title), style="bold"),
            Text(f"log-probability {self.log_probability:.2f} nats, rank {self.rank:,} of {self.items_ranked:,}"),
            Text(f"by code  {slots}"),
        ]
        if self.in_history:
            lines.append(Text(IN_HISTORY_NOTE, "yellow"))
        return lines

    def _history_table(self) -> Table:
        table = Table(title="After this history, oldest first", **_PLAIN)
        table.add_column("")
        table.add_column("title")
        table.add_column("adds", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, min_width=2 * BAR + 1)
        table.add_column("rank without", justify="right", no_wrap=True)
        table.add_column("text", justify="right", no_wrap=True)
        table.add_column("codes", no_wrap=True)
        added = [each.contribution or 0.0 for each in self.history]
        longest = max(map(abs, added)) or 1.0
        for each, adds in zip(self.history, added, strict=True):
            table.add_row(
                str(each.position + 1),
                title_cell(each.title),
                _or_dash(each.contribution, "+z.2f"),
                _bar(adds / longest),
                _or_dash(each.rank_without, ","),
                f"{each.cosine:.2f}",
                "".join("●" if slot in each.shared_slots else "○" for slot in range(len(self.codes))),
            )
        return table

    def _history_notes(self) -> list[Text]:
        notes = ["adds: nats lost when it alone is left out; text: cosine; codes: ● shared"]
        if self.no_contribution:
            notes.append(f"No contribution: {self.no_contribution}.")
        if self.unread:
            notes.append(unread_note("the model", self.unread, len(self.history)))
        return [Text(note, style="dim") for note in notes]

    def _neighbours(self) -> list[Table | Text]:
        history_rows = {each.row for each in self.history}
        table = Table(title="Nearest texts of the catalogue", show_header=False, **_PLAIN)
        for each in self.nearest:
            table.add_row(
                f"{each.cosine:.2f}", title_cell(each.title), "in the history" if each.row in history_rows else ""
            )
        shown = "; ".join(plain(each.title) for each in self.same_codes[:SHOWN_SAME])
        more = len(self.same_codes) - SHOWN_SAME
        same = f"{shown}{f' and {more:,} more' if more > 0 else ''}" if shown else "none"
        return [table, Text(), Text.assemble(("Items with the same codes  ", "bold"), same)]


def explain(
    catalogue: "GenerativeCatalogue", history: Sequence[int], item: int, titles: Sequence[str] | None = None
) -> GenerativeExplanation:
    """Explain the score of `item` after `history`.

    Parameters
    ----------
    history
        Catalogue rows, oldest first; the last `max_items` are read, and leaving one out adds no older item.
    item
        The catalogue row to explain, which may be in the history.
    titles
        N names of the rows; None numbers them.

    Returns
    -------
    GenerativeExplanation
        Its score and rank equal those of `catalogue.recommend`.

    Raises
    ------
    DataError
        An empty history, an id outside the catalogue, titles that are not one a row, NaN in the score.
    """
    titles = checked_titles(titles, catalogue.ids)
    request = Request.checked([history], 1, "nothing", np.array([item]), n_items=len(catalogue))
    history_S = request.histories[0]
    if len(history_S) == 0:
        raise DataError(
            "the history is empty: the generative model scores an item after at least one other, so name one"
        )
    read_S = history_S[-catalogue.model.config.max_items :]
    unread = len(history_S) - len(read_S)
    ranked_N = np.ones(len(catalogue), dtype=bool)
    ranked_N[history_S] = False
    ranked_N[item] = True

    whole = _standings(catalogue, Ragged.from_lists([read_S]), item, ranked_N)
    without = None
    if len(read_S) > 1:
        left = Ragged.from_lists(np.delete(read_S, place) for place in range(len(read_S)))
        without = _standings(catalogue, left, item, ranked_N)
    score = float(whole.scores_B[0])
    cosines_N = _cosines(catalogue.embeddings_NE, item)
    codes_NK = catalogue.codes_NK.cpu().numpy()

    def position(place: int, row: int) -> HistoryItem:
        score_without = None if without is None else float(without.scores_B[place])
        return HistoryItem(
            position=unread + place,
            row=row,
            title=titles[row],
            contribution=None if score_without is None else score - score_without,
            log_probability_without=score_without,
            rank_without=None if without is None else int(without.ranks_B[place]),
            cosine=float(cosines_N[row]),
            shared_slots=tuple(np.flatnonzero(codes_NK[row] == codes_NK[item]).tolist()),
        )

    def neighbour(row: int) -> Neighbour:
        return Neighbour(row, titles[row], float(cosines_N[row]))

    others_N = np.arange(len(catalogue)) != item
    nearest = top_k(np.where(others_N, cosines_N, -np.inf)[None], min(NEAREST, len(catalogue))).ids[0]
    same_codes = np.flatnonzero((codes_NK == codes_NK[item]).all(1) & others_N)
    return GenerativeExplanation(
        row=int(item),
        title=titles[item],
        log_probability=score,
        rank=int(whole.ranks_B[0]),
        items_ranked=int(ranked_N.sum()),
        in_history=bool((history_S == item).any()),
        codes=tuple(codes_NK[item].tolist()),
        code_log_probabilities=tuple(whole.code_log_probs_BK[0].tolist()),
        unread=unread,
        history=tuple(position(place, row) for place, row in enumerate(read_S.tolist())),
        no_contribution=ONLY_ITEM if without is None else None,
        nearest=tuple(neighbour(row) for row in nearest.tolist() if row >= 0),
        same_codes=tuple(neighbour(row) for row in same_codes.tolist()),
    )


@dataclass(frozen=True)
class _Standings:
    """Score, log-probabilities of the K codes, and 1-based rank of one item after each of B histories."""

    scores_B: np.ndarray
    code_log_probs_BK: np.ndarray
    ranks_B: np.ndarray


@torch.inference_mode()
def _standings(catalogue: "GenerativeCatalogue", histories: Ragged, item: int, ranked_N: np.ndarray) -> _Standings:
    """Score and rank `item` without sorting: rank = 1 + number of higher scores + number of ties ordered before it."""
    codes_NK = catalogue.codes_NK
    slots_K = torch.arange(codes_NK.shape[1], device=codes_NK.device)
    rankable_N = torch.from_numpy(ranked_N).to(codes_NK.device)
    n_histories = len(histories)
    scores_B = np.empty(n_histories, dtype=np.float32)
    code_log_probs_BK = np.empty((n_histories, codes_NK.shape[1]), dtype=np.float32)
    ranks_B = np.empty(n_histories, dtype=np.int64)
    batch_size = max(1, min(BATCH, SCORES_IN_MEMORY // len(catalogue)))
    with Meter("leave one out", n_histories, disable=n_histories <= BATCH) as meter:
        for rows, hidden_BKD in catalogue.next_item_states(histories, batch_size):
            logits_VKB = catalogue.model.code_logits(hidden_BKD)
            normaliser_KB = logits_VKB.logsumexp(0)
            by_text = catalogue.model.dense is not None
            if by_text:
                scores_BN = catalogue.item_log_probabilities(logits_VKB, hidden_BKD, histories[rows])
            else:
                scores_BN = catalogue.code_index.scores(logits_VKB).T
            own_B1 = scores_BN[:, item, None]
            above_B = ((scores_BN > own_B1) & rankable_N).sum(1)
            tied_BN = (scores_BN == own_B1) & rankable_N
            tied_C = tied_BN.any(0).nonzero()[:, 0]
            if len(tied_C) > 1:
                tied_BC = tied_C.expand(len(rows), -1)
                second_BC = -tied_BC if by_text else catalogue.dense_scores(logits_VKB, tied_BC)
                second_B1 = second_BC[:, tied_C == item]
                before_BC = (second_BC > second_B1) | ((second_BC == second_B1) & (tied_C < item))
                above_B += (before_BC & tied_BN[:, tied_C]).sum(1)
            own_B = own_B1[:, 0] if by_text else own_B1[:, 0] - normaliser_KB.sum(0)
            scores_B[rows] = own_B.cpu().numpy()
            code_log_probs_BK[rows] = (logits_VKB[codes_NK[item].long(), slots_K] - normaliser_KB).T.cpu().numpy()
            ranks_B[rows] = 1 + above_B.cpu().numpy()
            meter.update(len(rows))
    if not np.isfinite(scores_B).all():
        raise DataError("the score is NaN: check the model weights for NaN")
    return _Standings(scores_B, code_log_probs_BK, ranks_B)


def _cosines(embeddings_NE: np.ndarray, item: int) -> np.ndarray:
    """(N,) float32 cosines of the embedding of `item` with all embeddings; 0 with a zero embedding."""
    own_1E = finite_rows(embeddings_NE, slice(item, item + 1))
    blocks = (slice(start, start + COSINE_ROWS) for start in range(0, len(embeddings_NE), COSINE_ROWS))
    parts = [F.cosine_similarity(finite_rows(embeddings_NE, block), own_1E, dim=1) for block in blocks]
    return torch.cat(parts).numpy()


def _or_dash(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)


def _bar(share: float) -> Text:
    """A bar of `share` in [-1, 1], to half a cell: right of the axis, green, above 0; left of it, red, below."""
    full, half = divmod(round(2 * BAR * abs(share)), 2)
    if share < 0:
        return Text.assemble((("▐" * half + "█" * full).rjust(BAR), "red"), "│")
    return Text.assemble(" " * BAR, "│", ("█" * full + "▌" * half, "green"))
