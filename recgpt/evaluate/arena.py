"""Who meets in a table: the model, and always the baselines that a model has to beat.

report = evaluate(dataset, leave_one_out(dataset), recommenders_for(dataset, model=model))
"""

from collections.abc import Callable, Sequence

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.encode import DEFAULT, embeddings_for
from recgpt.errors import DataError
from recgpt.evaluate.metrics import per_case, target_ranks
from recgpt.model import RecGPTDecoder
from recgpt.rank import Catalogue, RecGPT
from recgpt.recommenders import check_names, make
from recgpt.recommenders.base import Recommender
from recgpt.tokenizer import FSQTokenizer

BASELINES = ("copy_last", "popularity", "text_knn")
_READS_TEXT = ("text_knn", "text_knn_white", "hybrid_knn", "recgpt")


def recommenders_for(
    dataset: Dataset, names: Sequence[str] = BASELINES, *, model: RecGPT | None = None
) -> list[Recommender]:
    """The baselines, whatever else `names` asks for, and the model, if there is one; not yet fitted.

    Text embeddings are by the encoder that `model` was trained on, or by the default one.

    Raises
    ------
    DataError
        A name is not registered, or `recgpt` is asked for without a model.
    """
    wanted = list(dict.fromkeys([*BASELINES, *names, *(["recgpt"] if model is not None else [])]))
    check_names(wanted)
    if "recgpt" in wanted and model is None:
        raise DataError("the recommender recgpt needs a model: name one with --model")
    encoder = model.config.text_encoder if model is not None else {}
    embeddings_NE = embeddings_for(dataset, encoder.get("encoder", DEFAULT), encoder.get("template", "fields"))
    options: dict[str, dict[str, object]] = {name: {"embeddings": embeddings_NE} for name in _READS_TEXT}
    options["recgpt"]["model"] = model
    return [make(name, **options.get(name, {})) for name in wanted]


def ranking_validation(
    split: Split,
    tokenizer: FSQTokenizer,
    codes_NK: np.ndarray,
    embeddings_NE: np.ndarray,
    *,
    k: int = 10,
    max_cases: int = 2_000,
) -> Callable[[RecGPTDecoder], dict[str, float]]:
    """A function for `recgpt.train` that ranks a split's new items over the full catalogue: hit@k and ndcg@k.

    At most `max_cases` of them, drawn with the split's seed: every evaluation of a run ranks them again.

    Raises
    ------
    DataError
        No held-out user takes a new item next.
    """
    new = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    if not len(new):
        raise DataError(f"{split.protocol}: no held-out user takes a new item next, so there is nothing to rank")
    if len(new) > max_cases:
        new = np.sort(np.random.default_rng(split.seed).choice(new, max_cases, replace=False))
    histories, targets = split.histories[new], split.targets[new]

    def validate(model: RecGPTDecoder) -> dict[str, float]:
        catalogue = Catalogue(model, tokenizer, codes_NK, embeddings_NE)
        ids = catalogue.recommend(histories, k, exclude="history").ids
        return {name: float(values.mean()) for name, values in per_case(target_ranks(ids, targets), (k,)).items()}

    return validate
