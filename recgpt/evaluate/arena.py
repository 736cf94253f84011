"""Who meets in a table: the model, and always the baselines that a model has to beat.

report = evaluate(dataset, leave_one_out(dataset), recommenders_for(dataset, model=model))
"""

from collections.abc import Callable, Sequence

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.encode import DEFAULT, embeddings_for
from recgpt.evaluate.metrics import per_case, target_ranks
from recgpt.model import RecGPTDecoder
from recgpt.rank import Catalogue, RecGPT
from recgpt.recommenders import make
from recgpt.recommenders.base import Recommender
from recgpt.tokenizer import FSQTokenizer

BASELINES = ("copy_last", "popularity", "text_knn")


def embeddings_of(dataset: Dataset, model: RecGPT | None) -> np.ndarray:
    """(N, E) text embeddings by the encoder that `model` was trained on, or by the default one."""
    encoder = model.config.text_encoder if model is not None else {}
    return embeddings_for(dataset, encoder.get("encoder", DEFAULT), encoder.get("template", "fields"))


def recommenders_for(
    dataset: Dataset, names: Sequence[str] = BASELINES, *, model: RecGPT | None = None
) -> list[Recommender]:
    """The baselines, whatever else `names` asks for, and the model, if there is one; not yet fitted.

    Raises
    ------
    DataError
        A name is not registered, or `recgpt` is asked for without a model.
    """
    wanted = list(dict.fromkeys([*BASELINES, *names, *(["recgpt"] if model is not None else [])]))
    options: dict[str, dict[str, object]] = {}
    if {"text_knn", "recgpt"} & set(wanted):
        embeddings_NE = embeddings_of(dataset, model)
        options = {"text_knn": {"embeddings": embeddings_NE}, "recgpt": {"embeddings": embeddings_NE, "model": model}}
    return [make(name, **options.get(name, {})) for name in wanted]


def ranking_validation(
    split: Split, tokenizer: FSQTokenizer, codes_NK: np.ndarray, embeddings_NE: np.ndarray, *, k: int = 10
) -> Callable[[RecGPTDecoder], dict[str, float]]:
    """A function for `recgpt.train` that ranks a split's new items over the full catalogue: hit@k and ndcg@k."""
    new = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    histories, targets = split.histories[new], split.targets[new]

    def validate(model: RecGPTDecoder) -> dict[str, float]:
        catalogue = Catalogue(model, tokenizer, codes_NK, embeddings_NE)
        ids = catalogue.recommend(histories, k, exclude="history").ids
        return {name: float(values.mean()) for name, values in per_case(target_ranks(ids, targets), (k,)).items()}

    return validate
