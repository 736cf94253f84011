"""All steps of the fit in their order, and the report of users held out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import write_json
from recgpt.errors import DataError
from recgpt.simulate.agents.sources import agent4rec
from recgpt.simulate.worlds.feed.minds.affinities import TEXT_DIMENSIONS
from recgpt.simulate.worlds.feed.minds.fitting.align import PUBLISHED_VIEWS, fit_align
from recgpt.simulate.worlds.feed.minds.fitting.memories import recalled_in
from recgpt.simulate.worlds.feed.minds.fitting.outcomes import outcomes
from recgpt.simulate.worlds.feed.minds.fitting.people import fit_people
from recgpt.simulate.worlds.feed.minds.fitting.scores import shares, total_variation
from recgpt.simulate.worlds.feed.minds.fitting.sessions import fit_exit, fit_interview, fit_watch
from recgpt.simulate.worlds.feed.minds.fitting.sources import HELD_OUT_USERS, Source, is_held_out
from recgpt.simulate.worlds.feed.minds.fitting.stars import follow_stars, stars_report
from recgpt.simulate.worlds.feed.minds.fitting.trace import read_trace
from recgpt.simulate.worlds.feed.minds.fitting.visits import fit_satisfaction, visit_correlation
from recgpt.simulate.worlds.feed.minds.parameters import Parameters


def fit(ratings_folder: str | Path, agent4rec_folder: str | Path, *, encoder: str, seed: int) -> dict[str, Any]:
    """Fit every model and judge it on held-out users.

    Parameters
    ----------
    ratings_folder
        A data set folder with ratings from .5 to 5, such as MovieLens.
    agent4rec_folder
        See `populate.agent4rec`.
    encoder
        Text encoder of the items, see `recgpt.encode.find_encoder`.
    seed
        Seed of all random numbers, including the choice of held-out users.

    Returns
    -------
    Content for `Parameters.load`.

    Raises
    ------
    DataError
        A folder is not whole, or has no ratings.
    """
    dataset = Dataset.load(ratings_folder)
    if dataset.interactions.rating is None or not np.isfinite(dataset.interactions.rating).all():
        raise DataError(f"{ratings_folder} has events without a rating: the fit needs one with every event")
    preference, rating, report = fit_people(Source.of(dataset, encoder, seed), seed)
    satisfaction, report["satisfaction"] = fit_satisfaction(dataset.interactions, seed)
    report["visits"] = halves = visit_correlation(dataset.interactions, seed)
    published, tables = agent4rec(agent4rec_folder)
    source = Source.of(published, encoder, seed, tables)
    trace = read_trace(tables, source)
    test_P = is_held_out(seed, source.population.user_A[trace.agent_P])
    memory_PS = recalled_in(trace, source, rating.mean_of_agents)
    align, report["align"] = fit_align(trace, source, preference, memory_PS, test_P, seed)
    watch, report["watch"] = fit_watch(trace, source.population, test_P)
    exit_, report["exit"] = fit_exit(trace, source.population, test_P)
    interview, report["interview"] = fit_interview(trace, source.population, seed)
    parameters = Parameters(
        preference=preference,
        align=align,
        watch=watch,
        rating=rating,
        exit=exit_,
        satisfaction=satisfaction,
        interview=interview,
        text_dimensions=TEXT_DIMENSIONS,
    )
    parameters = parameters.model_copy(
        update={"interview": follow_stars(parameters, source, trace, halves["fitted"], seed)}
    )
    report.update(outcomes(parameters, source, trace, seed))
    report["stars"] = stars_report(parameters, source, trace, report["satisfaction"], halves, seed)
    stars = trace.rating_PS[np.isfinite(trace.rating_PS)].astype(np.int64) - 1
    real = np.array(report["rating"]["real_distribution"])
    report["rating"]["total_variation_of_trace"] = round(total_variation(np.array(shares(stars, 5)), real), 4)
    report["rating"]["total_variation_of_simulated"] = round(
        total_variation(np.array(report["simulated_stars"]), real), 4
    )
    fitted_on = {
        "ratings": _fingerprint(dataset),
        "agent4rec": {
            **_fingerprint(published),
            "trace_sha256": _sha256(Path(agent4rec_folder) / "gpt35_trace.parquet"),
        },
        "encoder": encoder,
        "seed": seed,
        "drives": "ratings of people: preference, rating, satisfaction, and how closely interviews follow stars. "
        "Published GPT-3.5 agents: align, watch, exit, interview",
        "stars": "half stars are rounded up; those of the trace are not used",
        "published_views": PUBLISHED_VIEWS,
        "held_out": f"{HELD_OUT_USERS:.0%} of the users of each source, never fitted on; the report is of them",
    }
    return parameters.model_copy(update={"fitted_on": fitted_on, "report": report}).model_dump(mode="json")


def _fingerprint(dataset: Dataset) -> dict[str, str]:
    return {"items_sha256": dataset.items_sha256, "interactions_sha256": dataset.interactions_sha256}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write the result of `fit`, to be read by `Parameters.load`."""
    write_json(path, content)
