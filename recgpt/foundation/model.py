"""The foundation model as its users meet it: text and a past in, recommendations out, seconds later.

    model = FoundationModel.from_pretrained("ckpt/recgpt-minilm")
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"], interactions=past)
    ranking = catalogue.recommend([[0, 2]], k=1)                                 # .ids, .scores
    catalogue.observe(events)                                                    # known from the next ranking on

A history's candidates are the whole catalogue: all items are scored by the tuned blend of counts
(`recgpt.features.hybrid_score`), the best `shortlist` of them by the network, and they come first.

Shapes: B histories, N items, M shortlisted, E embedding width.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
import torch
from huggingface_hub import ModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recgpt.data.dataset import IdMap, Interactions
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.data.text import catalogue_texts
from recgpt.encode import TextEncoder
from recgpt.errors import CheckpointError, DataError
from recgpt.foundation.calibration import read_and_solve
from recgpt.foundation.catalogue_features import Reading, shortlisted
from recgpt.foundation.network import EvidenceDecoder, LocalWeights, NetworkConfig
from recgpt.hub import SHIPPED_MODEL, local_folder, shipped_folder
from recgpt.ranking import Exclude, Ranking, Request, first_unknown, top_k

if TYPE_CHECKING:
    import pandas as pd

MODEL_TYPE = "recgpt-foundation"
WEIGHTS_FILE = "model.safetensors"
SHIPPED = shipped_folder(SHIPPED_MODEL)
BATCH = 64  # histories read at a time
_BEYOND = -1_000.0  # where scores of items begin that the network was not asked about; its logits lie far above


@dataclass(frozen=True)
class FoundationConfig:
    """What a checkpoint folder says in `config.json`.

    Attributes
    ----------
    network
        Shape of the network.
    shortlist
        M, how many items the network scores after each history.
    text_encoder
        Encoder, template and width of the embeddings that it was trained with.
    training
        Catalogues (hashes of their items), seed, steps and what else made the weights.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    shortlist: int = 400
    text_encoder: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    model_type: str = MODEL_TYPE

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `config.json`.

        Raises
        ------
        CheckpointError
            It is missing, damaged, or of another kind of model.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.get("model_type") != MODEL_TYPE:
                raise CheckpointError(f"{path} is of a {found.get('model_type')!r}, not of a {MODEL_TYPE!r}")
            return cls(**{**found, "network": NetworkConfig(**found["network"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is missing or damaged ({error}): copy the model again") from error


class FoundationModel(
    nn.Module,
    ModelHubMixin,
    library_name="recgpt",
    tags=["recommendation", "zero-shot", "cold-start"],
    license="mit",
):
    """A trained network, the settings of its reading, and `index`."""

    def __init__(self, settings: FoundationConfig) -> None:
        super().__init__()
        self.settings = settings
        self.network = EvidenceDecoder(settings.network)
        self.eval()

    def index(
        self,
        items: "Sequence[str] | pl.DataFrame | pd.DataFrame | np.ndarray",
        *,
        interactions: "Interactions | pl.DataFrame | pd.DataFrame | None" = None,
        embeddings: np.ndarray | None = None,
    ) -> "FoundationCatalogue":
        """Read a catalogue and what is known of its past. No gradient step is made.

        Where no time is known and the past has a hundred users or more, one linear system is solved for what this
        catalogue adds to the network's logits, see `recgpt.foundation.calibration`.

        Parameters
        ----------
        items
            N texts; or a table with `title` and, if there are any, `categories, brand, description`; or text embeddings
            (N, E) from the encoder that the model was trained with, which tell less than texts.
        interactions
            Dense `Interactions` in the order they happened; or a table with `user_id`, `item_id` and, where known,
            `timestamp` (Unix seconds), in that order, its ids those of the items table's column `item_id` (row numbers
            where it has none). None knows the texts alone.
        embeddings
            (N, E) of these texts, where they are at hand; else the texts are embedded.

        Raises
        ------
        DataError
            An empty catalogue, an item without text, NaN, duplicate or unknown `item_id`.
        EncoderError
            The texts' encoder cannot be loaded or is not the model's.
        """
        if isinstance(items, str):
            raise DataError(f"a single text was given, {items[:40]!r}: index a list of texts, one an item")
        if len(items) == 0:
            raise DataError("the catalogue is empty: index at least one item")
        texts = None if isinstance(items, np.ndarray) else catalogue_texts(items, self.template)
        embeddings_NE = self._embeddings(items, texts, embeddings)
        width = self.settings.text_encoder.get("dim")
        if embeddings_NE.shape[:-1] != (len(items),) or width not in (None, embeddings_NE.shape[1]):
            raise DataError(
                f"embeddings have shape {embeddings_NE.shape}, the model reads ({len(items)}, {width}): "
                f"encode the items with the encoder that the model was trained with"
            )
        events = _dense(interactions, items, len(embeddings_NE))
        order = np.argsort(events.user, kind="stable")
        sequences = Ragged(events.item[order].astype(np.int64), offsets_of(np.bincount(events.user)))
        times = None if events.timestamp is None else events.timestamp[order]
        shortlist = self.settings.shortlist
        return FoundationCatalogue(
            self, *read_and_solve(self.network, embeddings_NE, sequences, times, texts, shortlist=shortlist)
        )

    @property
    def template(self) -> str:
        """How an item's fields become the text that is embedded."""
        return str(self.settings.text_encoder.get("template", "fields"))

    def _embeddings(self, items: Any, texts: Sequence[str] | None, given_NE: np.ndarray | None) -> np.ndarray:
        if texts is None:
            return np.asarray(items)
        if given_NE is not None:
            return given_NE
        return TextEncoder.of(self.settings.text_encoder).encode(texts, progress=len(texts) > 1000)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Weights, and the settings as `config.json`."""
        save_file(self.state_dict(), save_directory / WEIGHTS_FILE)
        text = json.dumps(asdict(self.settings), indent=2)
        (save_directory / "config.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None = None, **hub: Any) -> Self:
        """Load a folder, or a repository of the hub, that `save_pretrained` or `push_to_hub` wrote.

        Parameters
        ----------
        pretrained_model_name_or_path
            None for the weights shipped with the package.
        hub
            `revision`, `token`, `cache_dir` and the like, for a repository of the hub.

        Raises
        ------
        CheckpointError
            Nothing there, or a file of it is missing or damaged.
        """
        folder = local_folder(pretrained_model_name_or_path or SHIPPED, **hub)
        model = cls(FoundationConfig.read(folder / "config.json"))
        weights = folder / WEIGHTS_FILE
        try:
            model.load_state_dict(load_file(weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{weights} is missing or damaged ({error}): copy it again") from error
        return model


def is_foundation(path: str | Path) -> bool:
    """Whether a folder holds a foundation model."""
    config = Path(path) / "config.json"
    try:
        return json.loads(config.read_text(encoding="utf-8")).get("model_type") == MODEL_TYPE
    except (OSError, ValueError, AttributeError):
        return False


def shipped() -> FoundationModel:
    """Load the model shipped with the package.

    Raises
    ------
    CheckpointError
        Its folder is missing.
    """
    if not SHIPPED.is_dir():
        raise CheckpointError(f"{SHIPPED} is not there: name a model, such as one made by `recgpt pretrain`")
    return FoundationModel.from_pretrained(SHIPPED)


class FoundationCatalogue:
    """A catalogue that the model has read.

    Attributes
    ----------
    reading
        Its texts and its past, as evidence.
    local
        What this catalogue adds to the network's logits; None for nothing.
    """

    def __init__(self, model: FoundationModel, reading: Reading, local: LocalWeights | None = None) -> None:
        self.model = model
        self.reading = reading
        self.local = local

    def __len__(self) -> int:
        return self.reading.past.n_items

    def recommend(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history.

        Parameters
        ----------
        histories
            B sequences of catalogue rows, oldest first. After an empty one items come by their number of interactions;
            without any interaction nothing is ranked (ids -1).
        k
            Between 1 and N.
        exclude
            "history" leaves out what the user has had, "nothing" does not.
        candidates
            (C,) the only rows that may be recommended; None for all.

        Returns
        -------
        Ranking
            ids and scores (B, k). Scores are logits where the network was asked, and from -1,000 on the blend of
            counts where it was not; they order the items of one history. Where `exclude` is "nothing", items of the
            history together get the probability with which users took an item again in the known past.

        Raises
        ------
        DataError
            An id outside the catalogue, `k` out of range.
        """
        request = Request.checked(histories, k, exclude, candidates, n_items=len(self))
        ranking = request.unranked()
        told = request.histories.lengths > 0
        rows_told = np.flatnonzero(told)
        for start in range(0, len(rows_told), BATCH):
            rows = rows_told[start : start + BATCH]
            part = self._ranked(request, rows)
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        count_N = self.reading.past.count_N
        if count_N.any() and not told.all():
            rows = np.flatnonzero(~told)
            counts_BN = np.tile(count_N.astype(np.float32), (len(rows), 1))
            part = top_k(request.mask(torch.from_numpy(counts_BN), rows), k)
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        return ranking

    def session(self, histories: Sequence[Sequence[int]] | Ragged) -> "FoundationSession":
        """Follow users whose histories grow one item at a time."""
        return FoundationSession(self, histories)

    def observe(self, events: Interactions) -> None:
        """Count `events`, in their order, as the next of their users: tens of microseconds an event.

        The next ranking knows them, as if the catalogue had been indexed with them, but for the weights of the blend,
        the neighbourhoods and the local weights, which stay until it is indexed again.

        Raises
        ------
        DataError
            An item outside the catalogue.
        """
        unknown = first_unknown(events.item, len(self))
        if unknown is not None:
            raise DataError(
                f"event {unknown} is on the item id {events.item[unknown]}, but the catalogue has the ids 0 to "
                f"{len(self) - 1}: index the larger catalogue"
            )
        self.reading.append(events)

    @torch.inference_mode()
    def _ranked(self, request: Request, rows: np.ndarray) -> Ranking:
        """Rank for the histories `rows`, none of them empty."""
        histories = request.histories[rows]
        blended = self.reading.blended(histories)
        may_repeat = request.exclude == "nothing"
        candidates_BM, logits_BM, own_BM = self._weighed(histories, blended, request.allowed_N, with_own=may_repeat)
        if may_repeat:
            # Over all that could be recommended, so that to restrict the candidates reorders nothing.
            whole = (logits_BM, own_BM)
            if request.allowed_N is not None:
                whole = self._weighed(histories, blended, None, with_own=True)[1:]
            logits_BM = torch.where(own_BM, logits_BM + _repeat_shift(*whole, self.reading.repeat_share), logits_BM)
        if ((candidates_BM >= 0).sum(axis=1) >= request.k).all():
            part = top_k(logits_BM, request.k)
            return Ranking(np.take_along_axis(candidates_BM, part.ids, axis=1), part.scores)
        scores_BN = torch.from_numpy(blended[1] + np.float32(_BEYOND))
        case, place = np.nonzero(candidates_BM >= 0)
        scores_BN[case, candidates_BM[case, place]] = logits_BM[case, place]
        return top_k(request.mask(scores_BN, rows), request.k)

    def _weighed(
        self,
        histories: Ragged,
        blended: tuple[list[np.ndarray], np.ndarray],
        allowed_N: np.ndarray | None,
        with_own: bool,
    ) -> tuple[np.ndarray, Tensor, Tensor]:
        """(B, M) candidates by id, -1 for none; their logits, -inf for none; and whether they are in the history."""
        candidates_BM = shortlisted(
            histories, blended, self.model.settings.shortlist, self.reading.past.count_N, allowed_N
        )
        own_BH = np.empty((len(histories), 0), dtype=np.int64)
        if with_own:
            own_BH = _own_items(histories, len(self), allowed_N)
            candidates_BM = np.concatenate([candidates_BM, own_BH], axis=1)
        candidates_BM.sort(axis=1)  # ties then fall to the smaller id, and rows of tables are read in order
        n_positions = self.model.settings.network.history_items
        evidence = self.reading.evidence(histories, candidates_BM, blended, n_positions)
        logits_BM: Tensor = self.model.network(evidence, self.local)
        is_own_BM = (candidates_BM[:, :, None] == own_BH[:, None]).any(axis=2) & (candidates_BM >= 0)
        return candidates_BM, logits_BM.masked_fill_(~evidence.allowed_BM, -torch.inf), torch.from_numpy(is_own_BM)


class FoundationSession:
    """Users whose histories grow: each ranking is a fresh one of what they have grown to.

    There is nothing to keep between rankings: the network reads the latest items only.

    Attributes
    ----------
    histories
        The users' items so far.
    """

    def __init__(self, catalogue: FoundationCatalogue, histories: Sequence[Sequence[int]] | Ragged) -> None:
        checked = Request.checked(histories, 1, "nothing", None, n_items=len(catalogue)).histories
        self._catalogue = catalogue
        self.histories: list[list[int]] = [history.tolist() for history in checked]

    def append(self, items: Sequence[int]) -> None:
        """Append one item to each history.

        Raises
        ------
        DataError
            Not one item a user, or an item outside the catalogue.
        """
        if len(items) != len(self.histories):
            raise DataError(f"{len(items)} items for {len(self.histories)} sessions: append one item to each")
        new = Request.checked([[item] for item in items], 1, "nothing", None, n_items=len(self._catalogue)).histories
        for history, item in zip(self.histories, new.values.tolist(), strict=True):
            history.append(item)

    def recommend(self, k: int = 10, *, exclude: Exclude = "history", candidates: np.ndarray | None = None) -> Ranking:
        """Rank after what each history has grown to. See `FoundationCatalogue.recommend`."""
        return self._catalogue.recommend(self.histories, k, exclude=exclude, candidates=candidates)


def _repeat_shift(logits_BM: Tensor, own_BM: Tensor, repeat_share: float) -> Tensor:
    """(B, 1) what to add to the logits of items of the history, so that together they are as probable as a repeat is.

    The network has learned what users take that they never had; how often they take what they had, the past says.
    """
    of_own_B1 = logits_BM.masked_fill(~own_BM, -torch.inf).logsumexp(1, keepdim=True)
    of_others_B1 = logits_BM.masked_fill(own_BM, -torch.inf).logsumexp(1, keepdim=True)
    shift_B1 = of_others_B1 - of_own_B1 + math.log(repeat_share / (1 - repeat_share))
    return torch.where(shift_B1.isfinite(), shift_B1, 0.0)


def _own_items(histories: Ragged, n_items: int, allowed_N: np.ndarray | None) -> np.ndarray:
    """(B, H) the items of each history that are allowed, each once, -1 for none."""
    taken_BN = np.zeros((len(histories), n_items), dtype=bool)
    taken_BN[np.repeat(np.arange(len(histories)), histories.lengths), histories.values] = True
    if allowed_N is not None:
        taken_BN &= allowed_N
    case, item = np.nonzero(taken_BN)
    n_own_B = taken_BN.sum(axis=1)
    own_BH = np.full((len(histories), int(n_own_B.max())), -1, dtype=np.int64)
    own_BH[case, np.arange(len(case)) - np.repeat(offsets_of(n_own_B)[:-1], n_own_B)] = item
    return own_BH


def _dense(interactions: Any, items: Any, n_items: int) -> Interactions:
    """Interactions with dense ids, whatever they were given as."""
    if interactions is None:
        return Interactions(np.empty(0, np.int32), np.empty(0, np.int32))
    if not isinstance(interactions, Interactions):
        interactions = _from_table(interactions, items, n_items)
    for what, ids in (("item", interactions.item), ("user", interactions.user)):
        unknown = first_unknown(ids, n_items if what == "item" else np.iinfo(np.int32).max)
        if unknown is not None:
            raise DataError(f"interaction {unknown} is of the {what} {ids[unknown]}, of {n_items} items: check the ids")
    return interactions


def _from_table(table: Any, items: Any, n_items: int) -> Interactions:
    frame = table if isinstance(table, pl.DataFrame) else pl.from_pandas(table)
    for column in ("user_id", "item_id"):
        if column not in frame.columns:
            raise DataError(f"the interactions have no column {column!r}, only {frame.columns}: rename the one meant")
        if frame[column].null_count():
            row = frame[column].is_null().arg_max()
            raise DataError(f"interaction {row} has no {column}: leave it out or say whose it is")
    if hasattr(items, "columns") and "item_id" in items.columns:
        known = items if isinstance(items, pl.DataFrame) else pl.from_pandas(items)
        ids = IdMap(known["item_id"], "the items table")
    else:
        ids = IdMap(pl.Series("item_id", range(n_items)), "the catalogue's rows")
    item = ids.to_dense(frame["item_id"])
    user = frame["user_id"].rank("dense").cast(pl.Int32).to_numpy() - 1
    has_times = "timestamp" in frame.columns
    times = frame["timestamp"].cast(pl.Int64).fill_null(-1).to_numpy() if has_times else None
    return Interactions(user, item, times)
