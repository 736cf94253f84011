"""Minds of the feed, which decide for its agents. A mind is one file, and one line here, or a plug-in.

- scripted: fitted behavioural models, no network; the default.
- llm: one structured question a page to a language model.
- replay: the decisions of a recorded run.
- person: the user in the terminal decides for the first agent, `scripted` for the others.
"""

from typing import TYPE_CHECKING

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MINDS, plugin_mind

if TYPE_CHECKING:
    from recgpt.simulate.agents.population import Population
    from recgpt.simulate.items import ItemFacts
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.feed.minds.base import Mind

_METHODS = ("decide", "interview", "estimate")
_OFFERED = ("population", "facts", "seed")


def mind_class(name: str) -> type | None:
    """Class of a plug-in's mind of this world; see `plugin_mind`."""
    return plugin_mind(name, methods=_METHODS, offered=_OFFERED)


def make_mind(options: "MindOptions", population: "Population", facts: "ItemFacts", *, seed: int, run: "Run") -> "Mind":
    """The mind that `options` name, for these agents.

    Parameters
    ----------
    run
        Store of the calls of a language model.

    Raises
    ------
    SimulationError
        Options that the mind needs are missing.
    ConfigError
        The class of a plug-in cannot be imported, or is no mind.
    LLMError
        The language model's key is missing.
    """
    own = mind_class(options.mind)
    if own is not None:
        offered = {"population": population, "facts": facts, "seed": seed}
        mind: Mind = own(**plugins.taken_arguments(own, offered))
        return mind
    match options.mind:
        case "scripted":
            from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind

            return ScriptedMind(population, facts, seed=seed, uses_memory=options.uses_memory)
        case "llm":
            from recgpt.simulate.worlds.feed.minds.llm import LLMMind

            return LLMMind.from_options(options, population, facts, seed=seed, run=run)
        case "replay":
            from recgpt.simulate.worlds.feed.minds.replay import ReplayMind

            return ReplayMind.from_options(options)
        case "person":
            from recgpt.simulate.worlds.feed.minds.person import PersonMind
            from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind

            others = ScriptedMind(population, facts, seed=seed, uses_memory=options.uses_memory)
            return PersonMind(others, facts)
    raise SimulationError(f"unknown mind {options.mind!r}: choose among {', '.join(MINDS)}")
