"""Selects the recommenders of a comparison: the model and, in every comparison, the standard baselines.

names = names_for(split, ["sasrec"], model=model)
embeddings_NE = model_embeddings(dataset, model)
recommenders = recommenders_for(names, embeddings_NE=embeddings_NE, model=model)
report = evaluate(split, recommenders, embeddings_NE=embeddings_NE)
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.data.splits.base import sample
from recgpt.encode import DEFAULT, embeddings_for
from recgpt.errors import DataError
from recgpt.evaluate.metrics import hit_at, ndcg_at, target_ranks
from recgpt.evaluate.training_past import targets_seen
from recgpt.models import Model, load_model
from recgpt.progress import note
from recgpt.recommenders import REGISTRY, make, registered_name
from recgpt.recommenders.base import Recommender
from recgpt.recommenders.generative import RecGPTGenerative
from recgpt.recommenders.popularity import PopularityRecent

if TYPE_CHECKING:
    from recgpt.generative.decoder import RecGPTDecoder
    from recgpt.generative.tokenizer import FSQTokenizer

BASELINES = ("copy_last", "popularity", "text_knn", "item_knn", "hybrid_knn")
"""Standard baselines, in every table."""

ON_REQUEST = "recgpt_now"
"""Recommender of the model that is compared only where it is named."""


def names_for(split: Split, names: Sequence[str] = (), *, model: Model | None = None) -> list[str]:
    """Names of a comparison: the baselines, the recommenders in `names`, and the recommenders that use the model.

    On a split without past interactions only zero-shot recommenders are compared.

    Raises
    ------
    DataError
        A name is unknown; a recommender needs past interactions and the split has none, or a model that is missing or
        of the other kind; or, without past interactions, the model was trained on this catalogue.
    """
    names = [registered_name(name) for name in names]
    has_past = bool(split.in_past.any())
    standard = [
        name
        for name in (*BASELINES, *model_recommenders(model))
        if has_past or REGISTRY[name].supervision == "zero-shot"
    ]
    baselines = [name for name in standard if name in BASELINES]
    wanted = list(dict.fromkeys([*baselines, *names, *standard]))
    if RecGPTGenerative.name in wanted and (model is None or model.kind != RecGPTGenerative.model_kind):
        raise DataError(f"the recommender {RecGPTGenerative.name} needs a generative model: name one with --model")
    if not has_past:
        lost = [name for name in wanted if REGISTRY[name].supervision != "zero-shot"]
        if lost:
            raise DataError(
                f"{split.protocol} has no past interactions, and {', '.join(lost)} needs them: leave it out"
            )
        if model is not None and split.dataset.items_sha256 in model.training_record.get("catalogues", ()):
            raise DataError(
                f"the model was trained on the catalogue of {split.dataset.name}, so this would not be zero-shot:"
                " evaluate another model or data set"
            )
    return wanted


def check_times(split: Split, names: Sequence[str]) -> None:
    """Raise DataError, before any ranking, if a recommender needs times and the data set has none."""
    timestamp = split.known.interactions.timestamp
    if PopularityRecent.name in names and (timestamp is None or not (timestamp >= 0).any()):
        raise DataError(f"{PopularityRecent.name} needs times, and {split.dataset.name} has none: use popularity")


def recommenders_for(
    names: Sequence[str], *, embeddings_NE: np.ndarray, model: Model | None = None, seed: int = 0
) -> list[Recommender]:
    """Make recommenders by name, not yet fitted, each with the arguments that its class declares.

    Parameters
    ----------
    embeddings_NE
        (N, E) text embeddings of the catalogue, see `model_embeddings`.
    model
        Model of the recommenders that use its kind; recommenders that use a foundation model default to the shipped
        one.
    seed
        Seed of the recommenders that use random numbers.
    """

    def options(name: str) -> dict[str, Any]:
        needs = REGISTRY[name]
        found: dict[str, Any] = {"embeddings": embeddings_NE} if needs.needs_embeddings else {}
        if model is not None and needs.model_kind == model.kind:
            found["model"] = model
        return {**found, "seed": seed} if needs.is_seeded else found

    return [make(name, **options(name)) for name in map(registered_name, names)]


def default_model(split: Split, names: Sequence[str] = (), *, allow_trained_on_targets: bool = False) -> Model | None:
    """The shipped foundation model, for comparisons without a named one.

    On a data set that it was pre-trained on it is left out (None, with a note), unless a recommender in `names` needs
    it or it is allowed.
    """
    model = load_model()
    is_needed = any(REGISTRY[registered_name(name)].model_kind == model.kind for name in names)
    if allow_trained_on_targets or is_needed or targets_seen(split, model.training_record).status != "trained on":
        return model
    note(f"recgpt is left out: the shipped model was pre-trained on {split.dataset.name}")
    return None


def model_embeddings(dataset: Dataset, model: Model | None = None) -> np.ndarray:
    """(N, E) text embeddings by the model's encoder, or by the default one; cached on disk."""
    encoder = {} if model is None else model.text_encoder
    return embeddings_for(dataset, encoder.get("encoder", DEFAULT), encoder.get("template", "fields"))


def model_recommenders(model: Model | None) -> tuple[str, ...]:
    """Names of the recommenders that use a model of this kind without training on the data set.

    `recgpt_now` is compared where it is named: it is a second index of the same model.
    """
    if model is None:
        return ()
    of_kind = {name: each for name, each in REGISTRY.items() if each.model_kind == model.kind and name != ON_REQUEST}
    return tuple(name for name, each in of_kind.items() if each.supervision != "trained")


def ranking_validation(
    split: Split,
    tokenizer: "FSQTokenizer",
    codes_NK: np.ndarray | None,
    embeddings_NE: np.ndarray,
    *,
    k: int = 10,
    max_cases: int = 2_000,
) -> Callable[["RecGPTDecoder"], dict[str, float]]:
    """Validation for `recgpt.generative.trainer`: hit@k and ndcg@k over the full catalogue.

    At most `max_cases` queries with a target new to its user, the same in every evaluation of a run. The catalogue is
    tokenized if `codes_NK` is None.

    Raises
    ------
    DataError
        No held-out user has a target new to them.
    """
    from recgpt.generative.catalogue import GenerativeCatalogue  # it loads transformers, for seconds

    new = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    if not len(new):
        raise DataError(f"{split.protocol}: no held-out user takes a new item next, so there is nothing to rank")
    new = sample(new, max_cases, split.seed)
    histories, targets = split.histories[new], split.targets[new]

    def validate(model: "RecGPTDecoder") -> dict[str, float]:
        catalogue = GenerativeCatalogue(model, tokenizer, codes_NK, embeddings_NE)
        ids = catalogue.recommend(histories, k, exclude="history").ids
        ranks_B = target_ranks(ids, targets)
        return {f"hit@{k}": float(hit_at(ranks_B, k).mean()), f"ndcg@{k}": float(ndcg_at(ranks_B, k).mean())}

    return validate
