"""Check of a pre-trained model's training past: whether it holds targets of the split that is evaluated.

    check_targets_unseen(split, model, allow=False)             # DataError if the model was trained on a target
    facts = model_facts(split, model)                           # for the report

A target that a model was trained on is no test of it. The check is exact where the model records its training past
(`recgpt.data.provenance`). Of the catalogues of a foundation model's pre-training, all interactions were trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.provenance import describe_past, targets_in
from recgpt.data.splits import Split
from recgpt.errors import DataError
from recgpt.models import Model, about_model

FLAG = "--allow-trained-on-targets"

Status = Literal["not trained on", "trained on", "unknown"]


@dataclass(frozen=True)
class TargetsSeen:
    """Whether a model was trained on targets of a split.

    Attributes
    ----------
    status
        "unknown" where the training past is not recorded well enough.
    n_targets
        Number of targets that were trained on.
    note
        A sentence for the report.
    """

    status: Status
    n_targets: int
    note: str


def targets_seen(split: Split, record: Mapping[str, Any]) -> TargetsSeen:
    """Decide from a model's training record whether it was trained on targets of a split."""
    pasts = [past for past in record.get("trained_on", ()) if isinstance(past, Mapping)]
    catalogues = list(record.get("catalogues", ()))
    of_split = {
        split.dataset.items_sha256,
        *(each["items_sha256"] for each in split.dataset.manifest.get("merged", ())),
    }
    seen_B = np.zeros(len(split), dtype=bool)
    undecided: list[str] = []
    for past in pasts:
        found = targets_in(past, split.dataset, split.target_rows)
        if found is not None:
            seen_B |= found
        elif past.get("items_sha256") in of_split:
            undecided.append(describe_past(past))
    if not pasts and not catalogues:
        return TargetsSeen("unknown", 0, "its training past is unknown: the model does not record it")
    recorded = {past.get("items_sha256") for past in pasts}
    domains = catalogues[: len(record.get("domains", ()))]  # a foundation model's pre-training, on all interactions
    if of_split & (set(domains) - recorded):
        seen_B[:] = True
    n_seen = int(seen_B.sum())
    if n_seen:
        return TargetsSeen("trained on", n_seen, f"{n_seen:,} of {len(split):,} targets were trained on")
    if undecided:
        return TargetsSeen(
            "unknown",
            0,
            f"it was trained on other interactions of this catalogue, {'; '.join(undecided)}: whether"
            " these targets were among them is unknown",
        )
    if of_split & (set(catalogues[len(domains) :]) - recorded) or not (pasts or domains):
        return TargetsSeen("unknown", 0, "its training past is unknown: an earlier version of recgpt did not record it")
    return TargetsSeen("not trained on", 0, "no target was trained on")


def interactions_seen(dataset: Dataset, record: Mapping[str, Any]) -> int:
    """Number of a data set's interactions that a model's training record says it was trained on."""
    rows = np.arange(dataset.n_interactions)
    seen = np.zeros(len(rows), dtype=bool)
    for past in record.get("trained_on", ()):
        found = targets_in(past, dataset, rows)
        if found is not None:
            seen |= found
    return int(seen.sum())


def check_targets_unseen(split: Split, model: Model | None, *, allow: bool = False) -> None:
    """Refuse a model that was trained on a target of the split, unless `allow`.

    Raises
    ------
    DataError
        Its training past holds a target; the message says of what and how many.
    """
    if model is None or allow:
        return
    found = targets_seen(split, model.training_record)
    if found.status == "trained on":
        raise DataError(
            f"{model.source or 'the model'} was trained on {found.n_targets:,} of the {len(split):,} targets of"
            f" {split.protocol} on {split.dataset.name} ({trained_on(model)}): its figures would be no test. Train it"
            " on the past alone (`recgpt finetune --past train+valid`), evaluate on other data or by another protocol,"
            f" or pass {FLAG}: the table is marked then"
        )


def trained_on(model: Model) -> str:
    """Training past of a model in words."""
    record = model.training_record
    pasts = [describe_past(past) for past in record.get("trained_on", ())]
    if not pasts and record.get("domains"):
        pasts = [f"pre-training on {', '.join(map(str, record['domains']))}"]
    if not pasts and record.get("fine-tuned on"):
        pasts = [f"{record['fine-tuned on']}, past not recorded"]
    return "; ".join(pasts) or "not recorded"


def model_facts(split: Split, model: Model) -> dict[str, Any]:
    """Facts about a model for the report of a split: path, hash, training past, and whether it holds targets."""
    found = targets_seen(split, model.training_record)
    return {
        **about_model(model),
        "trained_on": trained_on(model),
        "targets": found.status,
        "targets_trained_on": found.n_targets,
        "note": found.note,
    }
