"""Who meets in a table: the model, and always the baselines that a model has to beat.

names = names_for(split, ["sasrec"], model=model)
embeddings_NE = embeddings_of(dataset, model)
recommenders = recommenders_for(names, embeddings_NE=embeddings_NE, model=model)
report = evaluate(split, recommenders, embeddings_NE=embeddings_NE)
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.data.splits.base import sample
from recgpt.encode import DEFAULT, embeddings_for
from recgpt.errors import DataError
from recgpt.evaluate.metrics import hit_at, ndcg_at, target_ranks
from recgpt.foundation.model import shipped
from recgpt.generative.catalogue import Catalogue, RecGPT
from recgpt.generative.decoder import RecGPTDecoder
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.models import Model, text_encoder_of, training_of
from recgpt.recommenders import REGISTRY, check_names, make
from recgpt.recommenders.base import Recommender
from recgpt.recommenders.foundation import RecGPTContext, RecGPTFineTuned, RecGPTText
from recgpt.recommenders.generative import RecGPTTokens
from recgpt.recommenders.popularity import PopularityRecent

BASELINES = ("copy_last", "popularity", "text_knn", "item_knn", "hybrid_knn")
"""In every table: nothing counts that does not beat them."""


def names_for(split: Split, names: Sequence[str] = (), *, model: Model | None = None) -> list[str]:
    """Names of the baselines, of whatever else `names` asks for, and of what is made from the model, if there is one.

    Where a split has no past, only those join that know the text alone.

    Raises
    ------
    DataError
        A name is not registered, needs a past where there is none, or a model that is not given or is of the other
        kind; or, with no past, the model was trained on this catalogue.
    """
    check_names(names)
    has_past = bool(split.in_past.any())
    baselines = [name for name in BASELINES if has_past or REGISTRY[name].knows == "text"]
    of_model = [name for name in rows_of(model) if has_past or REGISTRY[name].knows == "text"]
    wanted = list(dict.fromkeys([*baselines, *names, *of_model]))
    if RecGPTTokens.name in wanted and not isinstance(model, RecGPT):
        raise DataError(f"the recommender {RecGPTTokens.name} needs a generative model: name one with --model")
    if not has_past:
        lost = [name for name in wanted if REGISTRY[name].knows != "text"]
        if lost:
            raise DataError(f"{split.protocol} has no past to read, and {', '.join(lost)} needs one: leave it out")
        if model is not None and split.dataset.items_sha256 in training_of(model).get("catalogues", ()):
            raise DataError(f"the model was trained on the catalogue of {split.dataset.name}: this is not zero-shot")
    return wanted


def check_times(split: Split, names: Sequence[str]) -> None:
    """Raise DataError, before anything is ranked, if a recommender that reads times would find none."""
    timestamp = split.known.interactions.timestamp
    if PopularityRecent.name in names and (timestamp is None or not (timestamp >= 0).any()):
        raise DataError(f"{PopularityRecent.name} needs times, and {split.dataset.name} has none: use popularity")


def recommenders_for(
    names: Sequence[str], *, embeddings_NE: np.ndarray, model: Model | None = None, seed: int = 0
) -> list[Recommender]:
    """Make recommenders by name, not yet fitted, each with what it can use of the following.

    Parameters
    ----------
    embeddings_NE
        (N, E) text embeddings of the catalogue, see `embeddings_of`.
    model
        Of the recommenders that are made from one; the foundation model that comes with the project stands in.
    seed
        For those that draw random numbers.
    """
    kind = "model" if isinstance(model, RecGPT) else "foundation"
    offered = {"embeddings": embeddings_NE, kind: model, "seed": seed}
    return [make(name, **{key: offered[key] for key in _options(name) if key in offered}) for name in names]


def stand_in(names: Sequence[str]) -> Model | None:
    """The model that comes with the project, where rows of the foundation model are asked for; else None."""
    of_foundation = {RecGPTText.name, RecGPTContext.name, RecGPTFineTuned.name}
    return shipped() if of_foundation & set(names) else None


def embeddings_of(dataset: Dataset, model: Model | None = None) -> np.ndarray:
    """(N, E) text embeddings by the encoder that `model` was trained on, or by the default one; cached on disk."""
    encoder: Mapping[str, Any] = {} if model is None else text_encoder_of(model)
    return embeddings_for(dataset, encoder.get("encoder", DEFAULT), encoder.get("template", "fields"))


def rows_of(model: Model | None) -> tuple[str, ...]:
    """The recommenders that stand for a model in every table."""
    if model is None:
        return ()
    return (RecGPTTokens.name,) if isinstance(model, RecGPT) else (RecGPTText.name, RecGPTContext.name)


def is_seeded(name: str) -> bool:
    """Whether a recommender draws random numbers, so that another seed gives other figures."""
    return "seed" in _options(name)


def _options(name: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(REGISTRY[name]).parameters


def ranking_validation(
    split: Split,
    tokenizer: FSQTokenizer,
    codes_NK: np.ndarray,
    embeddings_NE: np.ndarray,
    *,
    k: int = 10,
    max_cases: int = 2_000,
) -> Callable[[RecGPTDecoder], dict[str, float]]:
    """Validation for `recgpt.generative.trainer`: hit@k and ndcg@k of a split's new items over the full catalogue.

    At most `max_cases` of them, drawn with the split's seed: every evaluation of a run ranks them again.

    Raises
    ------
    DataError
        No held-out user takes a new item next.
    """
    new = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    if not len(new):
        raise DataError(f"{split.protocol}: no held-out user takes a new item next, so there is nothing to rank")
    new = sample(new, max_cases, split.seed)
    histories, targets = split.histories[new], split.targets[new]

    def validate(model: RecGPTDecoder) -> dict[str, float]:
        catalogue = Catalogue(model, tokenizer, codes_NK, embeddings_NE)
        ids = catalogue.recommend(histories, k, exclude="history").ids
        ranks_B = target_ranks(ids, targets)
        return {f"hit@{k}": float(hit_at(ranks_B, k).mean()), f"ndcg@{k}": float(ndcg_at(ranks_B, k).mean())}

    return validate
