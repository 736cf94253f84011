"""The studies as the runner, the store and the command line use them."""

from collections.abc import Callable
from typing import Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.studies.config import NAME, StudyConfig
from recgpt.simulate.worlds.gym.studies.dump import config_of, dump_of, stored_questions
from recgpt.simulate.worlds.gym.studies.inputs import StudyInputs, load_inputs
from recgpt.simulate.worlds.gym.studies.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.gym.studies.recall import make_perturb, make_recall
from recgpt.simulate.worlds.gym.studies.scoring import score
from recgpt.simulate.worlds.gym.studies.world import Studies, StudyState


def make_world(config: StudyConfig, inputs: StudyInputs, run: Run, concurrency: int) -> Studies:
    """The studies before their first question. A language model gives reasons for the human study, if it is alone."""
    if config.study == ("human",):
        config = config.changed(flags={"llm.explains": True})
    mind = make_mind(config, inputs.gym, seed=config.seed, run=run)
    return Studies(inputs.table, mind, make_recall(inputs.gym), make_perturb(inputs.gym), config.seed)


def load_state(run: Run) -> Callable[[], StudyState]:
    """Makes states before the first step."""
    n_questions = len(stored_questions(run))
    return lambda: StudyState(n_questions)


def measures(run: Run) -> dict[str, Any]:
    """Scores, see `scoring.score`."""
    return score(dump_of(run), domain_of(run.manifest.config["domain"]))


def _summary(run: Run) -> Table:
    from recgpt.simulate.worlds.gym.studies.tables import summary_table

    return summary_table(run.metrics or measures(run), config_of(run).label)


WORLD = WorldSpec(
    name=NAME,
    step_name="step",
    config=StudyConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=load_inputs,
    make_world=make_world,
    load_state=load_state,
    measures=measures,
    view=deferred("recgpt.simulate.worlds.gym.studies.report:view"),
    report=deferred("recgpt.simulate.worlds.gym.studies.report:write_reports"),
    summary=_summary,
)
