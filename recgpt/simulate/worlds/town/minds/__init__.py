"""Minds of residents, which decide for them. A mind is one file, and one line here, or a plug-in.

- scripted: needs, habits, manners and templates of talks, no network; the default.
- llm: one structured question a decision to a language model, and the scripted mind where a call fails.
- replay: the decisions of a recorded run.
"""

from typing import TYPE_CHECKING

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import plugin_mind

if TYPE_CHECKING:
    from recgpt.simulate.store import Run
    from recgpt.simulate.store.calls import CallFile
    from recgpt.simulate.worlds.town.config import TownConfig, TownRules
    from recgpt.simulate.worlds.town.minds.base import Mind
    from recgpt.simulate.worlds.town.setting import Setting

MINDS_OF_A_TOWN = ("scripted", "llm", "replay")
"""Names of the minds that a town has."""
QUICK_MINDS = ("scripted", "replay")
"""Minds that decide faster than residents can be put in another order: blocks of theirs are played in lock-step."""
_METHODS = ("plan_day", "act", "importance", "react", "talk", "reflect", "browse", "choose", "rate", "estimate")
_OFFERED = ("setting", "rules", "seed")


def mind_class(name: str) -> type | None:
    """Class of a plug-in's mind of this world; see `plugin_mind`."""
    return plugin_mind(name, methods=_METHODS, offered=_OFFERED)


def make_mind(
    config: "TownConfig", setting: "Setting", rules: "TownRules", *, seed: int, run: "Run | CallFile | None"
) -> "Mind":
    """The mind that a configuration names, for the residents of a setting.

    Parameters
    ----------
    run
        Store of the calls of a language model; None: in memory.

    Raises
    ------
    SimulationError
        A town has no such mind, or the mind `replay` has no run to repeat.
    ConfigError
        The class of a plug-in cannot be imported, or is no mind.
    LLMError
        The language model's key is missing, or money is capped for a model without a price.
    """
    own = mind_class(config.mind)
    if own is not None:
        offered = {"setting": setting, "rules": rules, "seed": seed}
        mind: Mind = own(**plugins.taken_arguments(own, offered))
        return mind
    if config.mind not in MINDS_OF_A_TOWN:
        known = ", ".join([*MINDS_OF_A_TOWN, *plugins.installed(plugins.MINDS)])
        raise SimulationError(
            f"a town has no mind {config.mind!r}: choose among {known}, or name a class as module:Class"
        )
    if config.mind == "replay":
        from recgpt.simulate.worlds.town.minds.replay import ReplayMind

        return ReplayMind.from_options(config, rules)
    from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind

    scripted = ScriptedMind(setting, rules, seed=seed)
    if config.mind == "scripted":
        return scripted
    from recgpt.simulate.worlds.town.minds.llm import LLMMind

    return LLMMind.from_options(config, setting, rules, scripted=scripted, seed=seed, run=run)
