"""Published and new experiments with simulated users. An experiment is one file, and one line here.

recgpt experiment filter-bubble --dataset data/demo --set rounds=8

result = run_experiment("filter-bubble", "data/demo", "runs/experiments", {"rounds": 8})
result.rows                    # figures with 95 % intervals; beside them a report and a picture in the folder
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recgpt.errors import LLMError, SimulationError
from recgpt.files import require_writable
from recgpt.simulate.experiments import (
    ab,
    ablate,
    adverts,
    causal,
    filter_bubble,
    injection,
    page_enhancement,
    taste_alignment,
    town,
)
from recgpt.simulate.experiments.base import Experiment, Lab
from recgpt.simulate.experiments.result import Estimate, Result
from recgpt.simulate.experiments.society import believability, cocoon, conformity, intervention, word_of_mouth

EXPERIMENTS: dict[str, Experiment[Any]] = {
    each.name: each
    for each in (
        taste_alignment.EXPERIMENT,
        page_enhancement.EXPERIMENT,
        filter_bubble.EXPERIMENT,
        adverts.EXPERIMENT,
        causal.EXPERIMENT,
        ab.EXPERIMENT,
        ablate.EXPERIMENT,
        injection.EXPERIMENT,
        believability.EXPERIMENT,
        cocoon.EXPERIMENT,
        conformity.EXPERIMENT,
        intervention.EXPERIMENT,
        word_of_mouth.EXPERIMENT,
        town.EXPERIMENT,
    )
}


def experiment_of(name: str) -> Experiment[Any]:
    """The experiment of that name.

    Raises
    ------
    SimulationError
        Unknown name; the message lists the known ones.
    """
    if name not in EXPERIMENTS:
        raise SimulationError(f"unknown experiment {name!r}: choose among {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def run_experiment(
    name: str, dataset: str | Path | None, out: str | Path | None, options: Mapping[str, Any] | None = None
) -> Result:
    """Run an experiment on a data set, and write its JSON, report and picture into the folder `out`, if there is one.

    Parameters
    ----------
    dataset
        Data set folder; None for an experiment with a made-up catalogue.

    Raises
    ------
    SimulationError
        Unknown experiment, one that needs a data set, or a data set without the needed columns.
    ConfigError
        Unknown setting, or a value out of its range.
    DataError
        The data set cannot be read, or no recommender has such a name.
    LLMError
        No language model can be reached, a cap is reached, or too many questions failed for reasons that may pass.
    """
    experiment = experiment_of(name)
    if dataset is None and experiment.needs_dataset:
        raise SimulationError(f"the experiment {name} needs a data set: name its folder with --dataset")
    settings = experiment.settings_of(options or {})
    if out is not None:
        require_writable(Path(out))
    try:
        result = experiment.run(experiment.lab("" if dataset is None else str(dataset), settings), settings)
    except LLMError as error:
        again = "An experiment keeps no replies: to repeat it from its start, run the same command again"
        raise type(error)(f"{error}. {again}") from error
    if out is not None:
        result.save(out)
    return result


__all__ = [
    "EXPERIMENTS",
    "Estimate",
    "Experiment",
    "Lab",
    "Result",
    "experiment_of",
    "run_experiment",
]
