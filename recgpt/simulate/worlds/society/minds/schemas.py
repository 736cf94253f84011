"""Schemas of the replies of a language model in a society: only offered numbers and words, nothing else is valid.

    Page = page_schema(n_items=5, n_heard=3)                # then a reply names an item by 1 to 5, or 0 for none

JSON schemas hold enumerations only, as strict modes of servers differ in all else. Rules that link fields
(a watch names an item and gives stars) are checked after a reply was read: a reply that breaks one is malformed.
The docstrings of replies are in their schemas and so in the prompt: changing one changes replies and keys of calls.
"""

from functools import cache
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, create_model, model_validator

from recgpt.simulate.minds.schema import InRole, has_words, numbers, require

N_LINES = 6
"""Lines of a dialogue at most."""
MOST_OPINION = 2
"""Opinions are asked for as -2 to 2, which stands for -1 to 1."""

Opinion = Literal[-2, -1, 0, 1, 2]
Minutes = Literal[30, 60, 120]
Stars = Literal[0, 1, 2, 3, 4, 5]


class Reflection(InRole):
    """What a person concludes."""

    conclusion: str

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        require(has_words(self.conclusion), "an empty conclusion")
        return self


class _Page(InRole):
    """What a person does on a page."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        said = cast("Any", self)
        if said.action == "watch":
            require(said.item > 0, "watches no item of the page")
            require(said.stars > 0, "watches without stars")
            require(has_words(said.feeling), "watches without a feeling")
        if said.action == "search":
            require(said.heard > 0 or has_words(said.query), "searches for nothing")
        return self


class _Social(InRole):
    """What a person does among others."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        said = cast("Any", self)
        require(said.action != "chat" or said.friend > 0, "a chat with nobody")
        require(said.action != "post" or has_words(said.text), "an empty post")
        return self


class OnPost(InRole):
    """What a person does with a post; an empty comment is none."""

    like: bool
    repost: bool
    author: Literal["nothing", "follow", "mute"]
    comment: str
    opinion: Opinion


@cache
def choice_schema(offered: tuple[str, ...]) -> type[BaseModel]:
    """Reply to the first decision: a reason, and one of the offered words."""
    fields: dict[str, Any] = {"reason": (str, ...), "choice": (Literal[offered], ...)}
    return create_model("Choice", __base__=InRole, __doc__="What a person does next.", **fields)


@cache
def page_schema(n_items: int, n_heard: int) -> type[BaseModel]:
    """Reply to a page of so many items, by a person that heard of so many."""
    fields: dict[str, Any] = {
        "reason": (str, ...),
        "action": (Literal["watch", "next", "search", "leave"] if n_items else Literal["search", "leave"], ...),
        "item": (numbers(n_items), ...),
        "stars": (Stars, ...),
        "feeling": (str, ...),
        "heard": (numbers(n_heard), ...),
        "query": (str, ...),
    }
    return create_model("Page", __base__=_Page, __doc__=_Page.__doc__, **fields)


@cache
def feed_schema(n_posts: int) -> type[BaseModel]:
    """Reply to a feed: one `OnPost` for each number (`post_1`, ...)."""
    fields: dict[str, Any] = {f"post_{number}": (OnPost, ...) for number in range(1, n_posts + 1)}
    return create_model("Feed", __base__=InRole, __doc__="What a person does with the posts.", **fields)


@cache
def social_schema(n_friends: int, n_topics: int) -> type[BaseModel]:
    """Reply to the social decision, with so many friends and topics."""
    actions = ("chat", "post", "nothing") if n_friends else ("post", "nothing")
    fields: dict[str, Any] = {
        "reason": (str, ...),
        "action": (Literal[actions], ...),
        "friend": (numbers(n_friends), ...),
        "minutes": (Minutes, ...),
        "topic": (numbers(n_topics), ...),
        "opinion": (Opinion, ...),
        "text": (str, ...),
    }
    return create_model("Social", __base__=_Social, __doc__=_Social.__doc__, **fields)


@cache
def line_schema(n_topics: int) -> type[BaseModel]:
    """One line of a chat; `topic` is the number of the title that it is about."""
    fields: dict[str, Any] = {"text": (str, ...), "topic": (numbers(n_topics), ...), "opinion": (Opinion, ...)}
    return create_model("Line", __base__=InRole, __doc__="A line of a chat; an empty text ends the chat.", **fields)


@cache
def dialogue_schema(n_first: int, n_both: int, n_second: int) -> type[BaseModel]:
    """Reply with a whole dialogue: `line_1` to `line_6`, each with its speaker; lines with an empty text are none.

    Parameters
    ----------
    n_first, n_both, n_second
        Topics that only the first speaker, both, and only the second know, numbered in this order. A speaker names
        only known ones, and those that a line before named.
    """
    n_topics = n_first + n_both + n_second
    known = {1: range(1, n_first + n_both + 1), 2: range(n_first + 1, n_topics + 1)}

    class Lines(InRole):
        """The lines of a chat; an empty text: the chat is over before."""

        @model_validator(mode="after")
        def _is_whole(self) -> Self:
            lines = lines_of(self)
            require(bool(lines), "a dialogue without words")
            named: set[int] = set()
            for line in lines:
                if line.topic:
                    require(line.topic in known[line.speaker] or line.topic in named, "a title the speaker cannot know")
                    named.add(line.topic)
            return self

    spoken: dict[str, Any] = {"speaker": (Literal[1, 2], ...)}
    line = create_model("SpokenLine", __base__=line_schema(n_topics), __doc__="A line of a chat.", **spoken)
    fields: dict[str, Any] = {f"line_{number}": (line, ...) for number in range(1, N_LINES + 1)}
    return create_model("Dialogue", __base__=Lines, __doc__=Lines.__doc__, **fields)


def lines_of(dialogue: BaseModel) -> list[Any]:
    """Lines of a dialogue that have words, in order."""
    lines = [getattr(dialogue, f"line_{number}") for number in range(1, N_LINES + 1)]
    return [line for line in lines if has_words(line.text)]


@cache
def answer_schema(n_options: int) -> type[BaseModel]:
    """Reply to a survey (n_options 10) or a poll: the reason in words, and a number."""
    fields: dict[str, Any] = {"reason": (str, ...), "answer": (numbers(n_options, none=False), ...)}
    return create_model("Answer", __base__=InRole, __doc__="A person's answer.", **fields)


def opinion_of(number: int) -> float:
    """An opinion from -1 to 1 for a number of the scale."""
    return number / MOST_OPINION
