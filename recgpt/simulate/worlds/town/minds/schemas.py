"""Schemas of the replies of a language model in a town: offered numbers, switches and words, nothing else is valid.

    Next = act_schema(n_offers=30)                       # then a reply names an offer by 1 to 30

The docstrings of replies are in their schemas and so in the prompt: changing one changes replies and keys of calls.
See `recgpt.simulate.minds.schema`.
"""

from functools import cache
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, create_model, model_validator

from recgpt.simulate.minds.schema import InRole, has_words, numbers, require

N_BLOCKS = 12
"""Activities of a day's plan at most."""
N_LINES = 8
"""Lines of a talk at most."""
N_THOUGHTS = 3
"""Conclusions of a reflection at most."""
N_EVIDENCE = 3
"""Memories that a conclusion cites at most."""

Importance = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
Feeling = Literal[-2, -1, 0, 1, 2]
Minutes = Literal[10, 15, 20, 30, 45, 60, 90, 120]
BlockMinutes = Literal[15, 30, 45, 60, 90, 120, 180, 240]
_HALF_HOURS = tuple(range(0, 1441, 30))
_EARLIER, _LATER = 60, 90  # minutes from the usual time that a day may begin or end


# --- the own day ---


class _Day(InRole):
    """A person's day, from getting up to going to bed."""

    @model_validator(mode="after")
    def _is_a_day(self) -> Self:
        require(len(blocks_of(self)) >= 2, "a day of fewer than two activities")
        return self


def clocks_around(minute: int) -> tuple[str, ...]:
    """Half hours around a usual minute of the day, such as `06:30`; midnight is `24:00`."""
    near = [each for each in _HALF_HOURS if minute - _EARLIER <= each <= minute + _LATER]
    return tuple(f"{each // 60:02d}:{each % 60:02d}" for each in near)


@cache
def day_schema(n_offers: int, wakes: int, sleeps: int) -> type[BaseModel]:
    """Reply with a day's plan: times of getting up and going to bed, and `block_1` to `block_12` in between.

    Parameters
    ----------
    wakes, sleeps
        Usual minutes of the day; a plan stays near them. Bedtimes after midnight count as midnight.
    """
    block = create_model(
        "DayBlock",
        __base__=InRole,
        __doc__="An activity; 0: no more.",
        activity=(numbers(n_offers), ...),
        minutes=(BlockMinutes, ...),
    )
    fields: dict[str, Any] = {"wakes": (Literal[clocks_around(wakes)], ...)}
    fields |= {f"block_{number}": (block, ...) for number in range(1, N_BLOCKS + 1)}
    fields["sleeps"] = (Literal[clocks_around(sleeps if sleeps > wakes else 1440)], ...)
    return create_model("Day", __base__=_Day, __doc__=_Day.__doc__, **fields)


def blocks_of(day: BaseModel) -> list[Any]:
    """Activities of a day's plan that are some, in order."""
    blocks = [getattr(day, f"block_{number}") for number in range(1, N_BLOCKS + 1)]
    return [block for block in blocks if block.activity]


@cache
def act_schema(n_offers: int) -> type[BaseModel]:
    """Reply with the next activity."""
    fields: dict[str, Any] = {"choice": (numbers(n_offers, none=False), ...), "minutes": (Minutes, ...)}
    return create_model("Next", __base__=InRole, __doc__="What a person does next.", **fields, text=(str, ...))


# --- others ---


@cache
def importance_schema(n_seen: int) -> type[BaseModel]:
    """Reply with the importance of so many things in sight, `seen_1` and so on."""
    fields: dict[str, Any] = {f"seen_{number}": (Importance, ...) for number in range(1, n_seen + 1)}
    return create_model("Poignancy", __base__=InRole, __doc__="How important things are to a person.", **fields)


class Reacts(InRole):
    """What a person does on seeing another."""

    reaction: Literal["go on", "talk", "wait"]
    minutes: Literal[5, 10, 15, 30]


class _Talk(InRole):
    """A talk of two people; a line with an empty text: the talk is over before."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = cast("Any", self)
        require(bool(lines_of(self)), "a talk without words")
        require(has_words(said.summary), "a talk without a summary")
        return self


@cache
def talk_schema(n_first: int, n_second: int, n_items: tuple[int, int], n_gatherings: int) -> type[BaseModel]:
    """Reply with a whole talk: `line_1` to `line_8`.

    Parameters
    ----------
    n_first, n_second
        Facts that the first and the second speaker could tell, numbered in this order.
    n_items
        Items that the first and the second speaker could mention, numbered in this order.
    n_gatherings
        Gatherings to which one can invite the other.
    """
    of_facts = {1: range(1, n_first + 1), 2: range(n_first + 1, n_first + n_second + 1)}
    of_items = {1: range(1, n_items[0] + 1), 2: range(n_items[0] + 1, sum(n_items) + 1)}

    class Whole(_Talk):
        """A talk of two people; a line with an empty text: the talk is over before."""

        @model_validator(mode="after")
        def _tells_own(self) -> Self:
            for line in lines_of(self):
                require(not line.news or line.news in of_facts[line.speaker], "news that the speaker does not know")
                require(not line.title or line.title in of_items[line.speaker], "a title of the other speaker")
            return self

    line: dict[str, Any] = {
        "speaker": (Literal[1, 2], ...),
        "text": (str, ...),
        "news": (numbers(n_first + n_second), ...),
        "title": (numbers(sum(n_items)), ...),
    }
    lines = create_model("TalkLine", __base__=InRole, __doc__="A line of a talk.", **line)
    fields: dict[str, Any] = {f"line_{number}": (lines, ...) for number in range(1, N_LINES + 1)}
    if n_gatherings:
        fields |= {"invitation": (numbers(n_gatherings), ...), "accepted": (bool, ...), "why": (str, ...)}
    fields |= {"summary": (str, ...), "first_feels": (Feeling, ...), "second_feels": (Feeling, ...)}
    fields |= {"first_keeps_in_mind": (str, ...), "second_keeps_in_mind": (str, ...)}
    return create_model("WholeTalk", __base__=Whole, __doc__=Whole.__doc__, **fields)


def lines_of(talk: BaseModel) -> list[Any]:
    """Lines of a talk that have words, in order."""
    lines = [getattr(talk, f"line_{number}") for number in range(1, N_LINES + 1)]
    return [line for line in lines if has_words(line.text)]


# --- memory, items, interviews ---


class _Reflection(InRole):
    """What a person concludes; an empty text is no conclusion."""

    @model_validator(mode="after")
    def _concludes_something(self) -> Self:
        require(bool(thoughts_of(self)), "a reflection without a conclusion from a memory")
        return self


@cache
def reflection_schema(n_memories: int) -> type[BaseModel]:
    """Reply with conclusions from numbered memories: `thought_1` to `thought_3`."""
    fields: dict[str, Any] = {"text": (str, ...), "importance": (Importance, ...)}
    fields |= {f"because_{number}": (numbers(n_memories), ...) for number in range(1, N_EVIDENCE + 1)}
    thought = create_model("Conclusion", __base__=InRole, __doc__="A conclusion and its reasons, 0 for none.", **fields)
    thoughts: dict[str, Any] = {f"thought_{number}": (thought, ...) for number in range(1, N_THOUGHTS + 1)}
    return create_model("Reflection", __base__=_Reflection, __doc__=_Reflection.__doc__, **thoughts)


def thoughts_of(reflection: BaseModel) -> list[tuple[Any, list[int]]]:
    """Conclusions with words and evidence, and the numbers of the memories that they cite."""
    found = []
    for number in range(1, N_THOUGHTS + 1):
        thought = getattr(reflection, f"thought_{number}")
        cited = [getattr(thought, f"because_{place}") for place in range(1, N_EVIDENCE + 1)]
        cited = sorted({each for each in cited if each})
        if has_words(thought.text) and cited:
            found.append((thought, cited))
    return found


@cache
def page_schema(n_items: int) -> type[BaseModel]:
    """Reply to a page of so many items: `wants_1` and so on."""
    fields: dict[str, Any] = {f"wants_{number}": (bool, ...) for number in range(1, n_items + 1)}
    return create_model("Page", __base__=InRole, __doc__="What a person wants of a page.", **fields)


@cache
def choice_schema(n_items: int) -> type[BaseModel]:
    """Reply with an item on offer at a venue, 0 for none."""
    return create_model("Taken", __base__=InRole, __doc__="What a person takes.", item=(numbers(n_items), ...))


class Opinion(InRole):
    """A person's opinion."""

    stars: Literal[1, 2, 3, 4, 5]
    review: str
