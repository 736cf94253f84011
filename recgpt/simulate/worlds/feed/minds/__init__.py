"""Minds of the feed, which decide for its agents. A mind is one file, and one line here.

- scripted: fitted behavioural models, no network; the default.
- llm: one structured question a page to a language model.
- replay: the decisions of a recorded run.
- person: the user in the terminal decides for the first agent, `scripted` for the others.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recgpt.simulate.agents.population import Population
    from recgpt.simulate.items import ItemFacts
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.feed.minds.base import Mind

MINDS = ("scripted", "llm", "replay", "person")


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
    LLMError
        The language model's key is missing.
    """
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
