"""Minds of the gym, which rate for its users. A mind is one file, and one line here, or a plug-in.

- scripted: a fitted model of ratings, no network; the default.
- llm: one structured question an item to a language model.
- replay: ratings of a stored run, a study's dump, or a published file.
- person: the user at the terminal rates.
"""

from typing import TYPE_CHECKING

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MINDS, plugin_mind

if TYPE_CHECKING:
    from recgpt.simulate.minds.options import MindOptions
    from recgpt.simulate.store import Run
    from recgpt.simulate.store.calls import CallFile
    from recgpt.simulate.worlds.gym.inputs import Inputs
    from recgpt.simulate.worlds.gym.minds.base import Mind

_METHODS = ("rate", "estimate")
_OFFERED = ("domain", "items", "users", "seed")


def mind_class(name: str) -> type | None:
    """Class of a plug-in's mind of this world; see `plugin_mind`."""
    return plugin_mind(name, methods=_METHODS, offered=_OFFERED)


def make_mind(
    options: "MindOptions", inputs: "Inputs", *, seed: int = 0, run: "Run | CallFile | None" = None
) -> "Mind":
    """The mind that `options` name, for these users and items.

    Parameters
    ----------
    run
        Store of the calls of a language model; None to keep them in memory.

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
        offered = {"domain": inputs.domain, "items": inputs.items, "users": inputs.users, "seed": seed}
        mind: Mind = own(**plugins.taken_arguments(own, offered))
        return mind
    match options.mind:
        case "scripted":
            from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind

            domain, items, users = inputs.domain, inputs.items, inputs.users
            return ScriptedMind(domain, items, users, seed=seed, uses_memory=options.uses_memory)
        case "llm":
            from recgpt.simulate.worlds.gym.minds.llm import LLMMind

            return LLMMind.from_options(options, inputs, seed=seed, run=run)
        case "replay":
            from recgpt.simulate.worlds.gym.minds.replay import ReplayMind

            return ReplayMind.from_source(options.replayed, inputs.items, inputs.users, inputs.domain.scale)
        case "person":
            from recgpt.simulate.worlds.gym.minds.person import PersonMind

            return PersonMind(inputs.domain, inputs.items)
    raise SimulationError(f"unknown mind {options.mind!r}: choose among {', '.join(MINDS)}")
