"""Parameters of the scripted mind of a town, read from `scripted.json`, with the reason of each number.

No public data have the seconds of a day in a small town, so the numbers are chosen; the days that they give are held
to the ranges of the shipped day of Generative Agents by tests.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from recgpt.simulate.minds.parameters import Numbers, SourcedNumbers, load_numbers

_FILE = "scripted.json"
_REMEDY = "restore it from the package"

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Minutes = Annotated[int, Field(ge=0, le=240)]


class Needs(Numbers):
    """Falls of needs in an hour awake; gains are in the table of activities."""

    energy: NotNegative
    food: NotNegative
    hygiene: NotNegative
    company: NotNegative = Field(description="for a resident of middling extroversion")
    fun: NotNegative
    duty: NotNegative = Field(description="for a resident of middling conscientiousness")
    asleep: Share = Field(description="factor of all falls during sleep")
    ageing: int = Field(description="age from which energy falls faster")
    age: NotNegative = Field(description="factor of the fall of energy, added for each year above it")


class Day(Numbers):
    """Shape of a day, in minutes."""

    wake_noise: Minutes = Field(description="largest deviation from the usual wake time, for the least conscientious")
    sleep_noise: Minutes = Field(description="largest deviation from the usual bedtime")
    lie_in: Minutes = Field(description="later waking on a day off")
    early: Minutes = Field(description="arrival at work before the shift, at most")
    lunch: int = Field(ge=0, le=1440, description="usual minute of the day of lunch")
    lunch_spread: Minutes
    dinner: int = Field(ge=0, le=1440, description="usual minute of the day of a household's dinner")
    dinner_spread: Minutes
    snooze: Minutes = Field(description="longest shift of a household member's morning, so that showers do not collide")
    lunch_out: Share = Field(description="chance of lunch at a cafe or restaurant on a working day")
    errand: Share = Field(description="chance of an errand to a shop or the town hall in an afternoon at work")
    coffee_break: Share = Field(description="chance of coffee at a near cafe during a morning's work")
    dinner_out: Share = Field(description="chance of dinner there, a household's")
    breakfast_out: Share = Field(description="chance of breakfast at a cafe, for a resident that lives alone")
    no_show: Share = Field(description="chance to miss an accepted gathering, for the least conscientious")


class Leisure(Numbers):
    """Terms of the utility of a free activity."""

    need: NotNegative = Field(description="of a gain in an hour, times the square of how far the need is unmet")
    plan: float = Field(description="of the activity that the day's plan has")
    stay: float = Field(description="of the activity in progress, and half of it for others in the same sector")
    walk: NotNegative = Field(description="taken off for each minute of the walk")
    habit: NotNegative = Field(description="width of the resident's lasting likes and dislikes")
    noise: NotNegative = Field(description="width of the mood of the moment")
    interest: float = Field(description="of an activity that an interest names")
    trait: float = Field(
        description="of an activity in the company of others for an extrovert; taken off for an introvert"
    )
    again: float = Field(description="taken off for each time that the day's plan has the activity already")
    wish: float = Field(description="of a venue that has an item on the resident's list of wishes")


class Manners(Numbers):
    """Waiting and giving way."""

    wait: Minutes = Field(description="of waiting for a place that is taken")
    patience: Share = Field(description="chance to wait rather than to do something else, for the most agreeable")


class Parameters(SourcedNumbers):
    """Parameters of the days of `ScriptedMind`.

    Attributes
    ----------
    sources
        Reason of each number, by `section.name`.
    """

    needs: Needs
    day: Day
    leisure: Leisure
    manners: Manners

    @classmethod
    def load(cls, path: Path | None = None) -> "Parameters":
        """Read a file of parameters, by default the one of the package.

        Raises
        ------
        DataError
            The file is missing or damaged.
        """
        source = path or Path(str(resources.files("recgpt.simulate.worlds.town.minds") / _FILE))
        return load_numbers(cls, source, _REMEDY)

    def markdown(self) -> str:
        """Table of all numbers with their reasons, in the form of the docs."""
        return self.table("parameter", "reason")
