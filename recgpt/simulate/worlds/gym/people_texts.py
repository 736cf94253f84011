"""People described by a language model: name, gender and description of each, in one call with a strict schema.

    for written in write_people(people, tastes, asker):
        print(len(written.people), written.failures)

Age, job, hobby, tastes and traits were drawn before; the model writes the texts. A person whose reply
failed is left out and counted, never described by something else.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, create_model

from recgpt.progress import Meter
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.text import cleaned, quoted
from recgpt.simulate.minds.ask import Asker
from recgpt.simulate.worlds.gym.people import Person, Tastes

PACKAGE = "recgpt.simulate.worlds.gym"
"""Package with the prompt, `prompts/person.j2`."""
BLOCK = 64  # people in one batch of calls
MAX_DESCRIPTION = 1500  # characters, about 300 tokens
_OPENINGS = ("she is ", "he is ", "they are ", "is ")


@dataclass(frozen=True)
class Written:
    """A block of people with texts by a language model, and its numbers of failures by kind."""

    people: list[Person]
    failures: dict[str, int]


def requests_for(people: Sequence[Person], tastes: Tastes, asker: Asker) -> list[Request]:
    """One request for each person."""
    schema = _portrait(tastes)
    system = asker.render("person_system")
    return [
        asker.request(
            "person",
            schema,
            system=system,
            age=person.age,
            job=quoted(person.job),
            hobby=quoted(person.hobby),
            items=tastes.items,
            liked=() if tastes.chosen_by_model else person.liked,
            disliked=() if tastes.chosen_by_model else person.disliked,
            options=tuple(tastes.likes) if tastes.chosen_by_model else (),
            most=tastes.most,
            favourites=bool(person.favourites),
        )
        for person in people
    ]


def write_people(people: Sequence[Person], tastes: Tastes, asker: Asker) -> Iterator[Written]:
    """Give drawn people texts by a language model, block by block, with a progress bar.

    Raises
    ------
    LLMError
        The server cannot be used, or a cap is reached; the blocks before it are complete.
    """
    with Meter("people", len(people)) as meter:
        for start in range(0, len(people), BLOCK):
            block = people[start : start + BLOCK]
            replies = asker.client.complete(requests_for(block, tastes, asker))
            failures = Counter(str(reply.failure) for reply in replies if reply.value is None)
            found = zip(block, replies, strict=True)
            written = [_with_texts(person, reply.value, tastes) for person, reply in found if reply.value is not None]
            meter.update(len(block))
            yield Written(written, dict(failures))


def _portrait(tastes: Tastes) -> type[BaseModel]:
    """Schema of a reply; tags are chosen from those of `tastes` alone."""
    fields: dict[str, Any] = {
        "name": (Annotated[str, Field(min_length=3, max_length=60), AfterValidator(_full_name)], ...),
        "gender": (Literal["M", "F"], ...),
        "description": (
            Annotated[str, Field(min_length=20, max_length=MAX_DESCRIPTION), AfterValidator(_prose)],
            ...,
        ),
    }
    if tastes.chosen_by_model:
        tag: Any = Literal.__getitem__(tuple(tastes.likes))
        fields["liked"] = (list[tag], Field(max_length=tastes.most))
        fields["disliked"] = (list[tag], Field(max_length=tastes.most))
    return create_model("Portrait", **fields)


def _full_name(name: str) -> str:
    """A first and a last name; small models write a label here."""
    if len(name.split()) < 2 or not all(word[0].isalpha() for word in name.split()):
        raise ValueError("no first and last name")
    return name


def _prose(text: str) -> str:
    """Different sentences; small models repeat one until the reply is full."""
    sentences = [each.strip().lower() for each in text.split(".") if each.strip()]
    if len(set(sentences)) < len(sentences):
        raise ValueError("a sentence is repeated")
    return text


def _with_texts(person: Person, portrait: Any, tastes: Tastes) -> Person:
    texts: dict[str, Any] = {
        "name": cleaned(portrait.name, 60),
        "gender": portrait.gender,
        "description": _predicate(cleaned(portrait.description, MAX_DESCRIPTION)),
    }
    if tastes.chosen_by_model:
        liked = tuple(dict.fromkeys(portrait.liked))
        texts |= {
            "liked": liked,
            "disliked": tuple(tag for tag in dict.fromkeys(portrait.disliked) if tag not in liked),
        }
    return replace(person, favourites=(), **texts)


def _predicate(text: str) -> str:
    """A description that goes on after "she is": an opening that repeats this is taken off, the first word is lower."""
    for opening in _OPENINGS:
        if text.lower().startswith(opening):
            text = text[len(opening) :]
            break
    is_word = len(text) < 2 or not text[1].isupper()
    return text[:1].lower() + text[1:] if is_word else text
