"""Minds of a society, which decide for its agents. A mind is one file, and one line here, or a plug-in.

- scripted: models of choice, talk and opinion, fitted where data exist, no network; the default.
- llm: one structured question a decision to a language model.
- replay: the decisions of a recorded run.
- person: the user in the terminal decides for the agents of the schedule, else for the first one; `scripted` for all
  others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MINDS, plugin_mind

if TYPE_CHECKING:
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.society.config import SocietyRules
    from recgpt.simulate.worlds.society.minds.base import Mind
    from recgpt.simulate.worlds.society.schedule import Intervention
    from recgpt.simulate.worlds.society.state import Setting

_METHODS = ("choose", "browse", "react", "socialise", "talk", "opine", "answer", "estimate")
_OFFERED = ("setting", "rules", "seed")


def mind_class(name: str) -> type | None:
    """Class of a plug-in's mind of this world; see `plugin_mind`."""
    return plugin_mind(name, methods=_METHODS, offered=_OFFERED)


def make_mind(
    options: "MindOptions",
    setting: "Setting",
    rules: "SocietyRules",
    *,
    seed: int,
    run: "Run",
    schedule: "Sequence[Intervention]" = (),
) -> "Mind":
    """The mind that `options` name, for the agents of a setting.

    Parameters
    ----------
    run
        Store of the calls of a language model.
    schedule
        Schedule of the run: where a person takes agents over, the person in the terminal decides for them.

    Raises
    ------
    SimulationError
        Options that the mind needs are missing.
    ConfigError
        The class of a plug-in cannot be imported, or is no mind.
    LLMError
        The language model's key is missing.
    """
    names_agents = any(entry.kind == "person" for entry in schedule)
    always = (0,) if options.mind == "person" and not names_agents else ()
    own = _own_mind(options, setting, rules, seed, run, schedule)
    if not always and not any(entry.kind == "person" for entry in schedule):
        return own
    from recgpt.simulate.worlds.society.minds.person import PersonMind
    from recgpt.simulate.worlds.society.minds.played import PlayedMind

    return PlayedMind(own, PersonMind(setting.facts), always=always)


def _own_mind(
    options: "MindOptions",
    setting: "Setting",
    rules: "SocietyRules",
    seed: int,
    run: "Run",
    schedule: "Sequence[Intervention]",
) -> "Mind":
    own = mind_class(options.mind)
    if own is not None:
        offered = {"setting": setting, "rules": rules, "seed": seed}
        mind: Mind = own(**plugins.taken_arguments(own, offered))
        return mind
    from recgpt.simulate.worlds.society.minds.scripted import ScriptedMind

    match options.mind:
        case "scripted" | "person":
            return ScriptedMind(setting, rules, seed=seed)
        case "llm":
            from recgpt.simulate.worlds.society.minds.llm import LLMMind

            ruled = ScriptedMind(setting, rules, seed=seed)
            remembers = options.uses_memory
            return LLMMind.from_options(
                options.llm, setting, rules, ruled=ruled, seed=seed, run=run, uses_memory=remembers, schedule=schedule
            )
        case "replay":
            from recgpt.simulate.worlds.society.minds.replay import ReplayMind

            return ReplayMind.from_options(options)
    raise SimulationError(f"unknown mind {options.mind!r}: choose among {', '.join(MINDS)}")
