"""Errors of a schedule, found before a run starts.

check_schedule(config.schedule, setting, config)
"""

from recgpt.errors import DataError, SimulationError
from recgpt.recommenders import check_names
from recgpt.simulate.worlds.society import schedule as kinds
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.interventions import Schedule
from recgpt.simulate.worlds.society.profiles import checked_values
from recgpt.simulate.worlds.society.state import Setting


def check_schedule(schedule: Schedule, setting: Setting, rules: SocietyRules) -> None:
    """Check every entry against the people, the catalogue and the rules.

    Raises
    ------
    SimulationError
        A round after the end, an unknown agent, item, recommender or field of a profile, or an entry without effect.
    """
    n_agents, n_items = len(setting.people), len(setting.facts)
    for number, entry in enumerate(schedule):
        where = f"schedule entry {number} ({entry.kind})"
        _check_rounds(entry, rules.rounds, where)
        for agent in _agents_of(entry):
            if agent >= n_agents:
                raise SimulationError(f"{where}: no agent {agent}, use 0 to {n_agents - 1}")
        item = getattr(entry, "item", None)
        if item is not None and item >= n_items:
            raise SimulationError(f"{where}: no item {item}, use 0 to {n_items - 1}")
        if isinstance(entry, kinds.Targeted):
            _check_targets(entry, n_agents, where)
        _check_kind(entry, rules, where)


def _agents_of(entry: kinds.Intervention) -> tuple[int, ...]:
    named = [getattr(entry, name, None) for name in ("agent", "author", "source", "target")]
    return (*getattr(entry, "agents", ()), *(agent for agent in named if agent is not None))


def _check_rounds(entry: kinds.Scheduled, n_rounds: int, where: str) -> None:
    if entry.round > n_rounds:
        raise SimulationError(f"{where}: round {entry.round} is after the last, {n_rounds}: set more rounds")
    if entry.until is not None and entry.until < entry.round:
        raise SimulationError(f"{where}: until {entry.until} is before round {entry.round}: give a later one")


def _check_targets(entry: kinds.Targeted, n_agents: int, where: str) -> None:
    if any(agent < 0 for agent in entry.agents):
        raise SimulationError(f"{where}: no agent {min(entry.agents)}, use 0 to {n_agents - 1}")
    n_left = len(set(entry.agents)) or n_agents
    for name in ("n_best_connected", "n_random"):
        n_wanted = getattr(entry, name)
        if n_wanted is not None:
            if n_wanted > n_left:
                raise SimulationError(f"{where}: {name} {n_wanted} of {n_left} agents, give at most {n_left}")
            n_left = n_wanted


def _check_kind(entry: kinds.Intervention, rules: SocietyRules, where: str) -> None:
    if isinstance(entry, kinds.ProfileEdit):
        if not entry.values:
            raise SimulationError(f"{where}: no values, give fields such as {{interest: drama}}")
        checked_values(entry.values, where)
    elif isinstance(entry, kinds.Tie) and entry.source == entry.target:
        raise SimulationError(f"{where}: source and target are both {entry.source}, give two agents")
    elif isinstance(entry, kinds.RandomItems) and entry.n > rules.page_size:
        raise SimulationError(f"{where}: n {entry.n} is more than a page holds, {rules.page_size}")
    elif isinstance(entry, kinds.SwapRecommender):
        try:
            check_names([entry.name])
        except DataError as error:
            raise SimulationError(f"{where}: {error}") from error
    elif isinstance(entry, kinds.Survey) and len(entry.options) == 1:
        raise SimulationError(f"{where}: one option, {entry.options[0]!r}: give two or more, or none for 1 to 10")
    elif isinstance(entry, kinds.Moderation) and entry.author is entry.item is entry.below is None:
        raise SimulationError(f"{where}: no condition, give author, item or below")
    elif isinstance(entry, kinds.TakeOver) and entry.every is not None:
        raise SimulationError(f"{where}: every {entry.every} has no meaning, a person plays from round to until")
