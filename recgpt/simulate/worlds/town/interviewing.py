"""Interviews of residents of a stored run at any tick, without a trace in the run.

    with Run.open("town") as run:
        print(interview(run, tick=3600, agent=7, question="Who is running for the council?").text)

State and memory are rebuilt from the log as of that tick. With a language model the question is one call with retrieved
memories, logged and counted in `interviews.sqlite` beside the run, so that an equal question costs nothing a second
time; else the answer is by rule, see `answering`.
"""

from typing import cast

from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.llm.text import cleaned
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.interviewing import Interviewed
from recgpt.simulate.worlds.town.answering import answer
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.events import from_rows
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.sight import Sight
from recgpt.simulate.worlds.town.state import TownState

_CALLS = "interviews.sqlite"
_MAX_QUESTION_CHARS = 1000


def interview(run: Run, tick: int, agent: int, question: str, options: MindOptions | None = None) -> Interviewed:
    """Ask a resident a question as it was at the start of a tick; the run does not change.

    Parameters
    ----------
    options
        Mind that answers: `llm`, or by rule. By default that of the run.

    Raises
    ------
    SimulationError
        The run has no such tick or resident, or the question is empty.
    LLMError
        No server can be reached, or a cap is reached.
    """
    config = TownConfig(**run.manifest.config)
    options = options or config
    question = cleaned(question, _MAX_QUESTION_CHARS)
    if not question:
        raise SimulationError("the question of the interview is empty: ask something")
    state = state_at(run, tick)
    if not 0 <= agent < len(state.lives):
        raise SimulationError(f"run {run.run_id} has no resident {agent}: choose one from 0 to {len(state.lives) - 1}")
    scene = scene_of(state, agent, tick)
    if options.mind != "llm":
        return Interviewed(answer(scene, question), None, Spent())
    with CallFile(run.path.parent / _CALLS) as calls:
        return _by_model(scene, question, config, options, calls)


def _by_model(scene: Scene, question: str, config: TownConfig, options: MindOptions, calls: CallFile) -> Interviewed:
    from recgpt.simulate.worlds.town.minds.llm import LLMMind
    from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind

    before, rules = calls.spent, config.rules()
    config = config.model_copy(update={name: getattr(options, name) for name in MindOptions.model_fields})
    scripted = ScriptedMind(scene.setting, rules, seed=config.seed)
    mind = LLMMind.from_options(config, scene.setting, rules, scripted=scripted, seed=config.seed, run=calls)
    text, failure = mind.answer(scene, question)
    after = calls.spent
    spent = Spent(after.calls - before.calls, after.tokens - before.tokens, after.usd - before.usd)
    return Interviewed(text, failure, spent)


def state_at(run: Run, tick: int) -> TownState:
    """State at the start of a tick, with memories of all that happened before it.

    Raises
    ------
    SimulationError
        The run has no such tick.
    """
    rules = TownConfig(**run.manifest.config).rules()
    n_ticks = run.n_steps * rules.ticks_per_block
    if not 0 <= tick <= n_ticks:
        raise SimulationError(f"run {run.run_id} has no tick {tick}: choose one from 0 to {n_ticks}")
    block, ticks = divmod(tick, rules.ticks_per_block)
    state = cast("TownState", States(run).at(block))
    if not ticks:
        return state
    rows = run.events(block + 1)
    state = state.until(rows, tick)
    events = from_rows(rows, seconds_per_tick=rules.seconds_per_tick)
    state.memory.apply([event for event in events if event.tick < tick], seconds_per_tick=rules.seconds_per_tick)
    return state


def scene_of(state: TownState, agent: int, tick: int) -> Scene:
    """A resident of a state at a tick, as minds see it."""
    sight = Sight(state)
    sight.move(tick)
    return sight.scene(agent, tick)
