"""Schemas of replies of a language model, as all worlds have them: only offered numbers and words are valid.

JSON schemas hold enumerations only, as strict modes of servers differ in all else. Rules that link fields are checked
after a reply was read (`require`): a reply that breaks one is malformed.

A reply in which the model apologises as an assistant, or says that it is a language model, is a failure of the kind
`out_of_role`, whatever the rest of it says. The check knows English wordings (`_OUT_OF_ROLE`) and no others.
"""

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

_MODEL = r"((ai |large )*language model|(ai |virtual )assistant|ai model|chatbot|ai|artificial intelligence)"
_UNABLE = r"(cannot|can't|can not|am not able to|'m not able to|am unable to|'m unable to|won't be able to)"
_SERVES = r"(assist|provide|respond|fulfill?|comply|generate|process|help (you )?with (that|this|your))"
_OUT_OF_ROLE = re.compile(
    rf"\b(as an? {_MODEL}(,| i\b)"
    rf"|i('m| am) (just |only )?an? ([\w-]+ ){{0,3}}{_MODEL}\b(?! (researcher|engineer|expert|fan))"
    rf"|(sorry|apologi[sz]e)\b[^.!?]{{0,40}}\bi ?{_UNABLE} {_SERVES}\b)",
    re.IGNORECASE,
)


class InRole(BaseModel):
    """Base of replies: none of their own texts may be an assistant's."""

    @model_validator(mode="after")
    def _is_in_role(self) -> Self:
        for _, value in self:
            if isinstance(value, str) and _OUT_OF_ROLE.search(value.replace("\u2019", "'")):
                raise PydanticCustomError("out_of_role", "words of an assistant")
        return self


def numbers(n: int, *, none: bool = True) -> Any:
    """Enumeration of the numbers 1 to n, and of 0 for none."""
    return Literal[tuple(range(0 if none else 1, n + 1))]


def has_words(text: str) -> bool:
    """Whether a text holds a letter or a digit."""
    return any(character.isalnum() for character in text)


def require(holds: bool, otherwise: str) -> None:
    """Refuse a reply that breaks a rule.

    Raises
    ------
    ValueError
        The rule does not hold.
    """
    if not holds:
        raise ValueError(otherwise)


class InWords(InRole):
    """A person's answer in an interview."""

    answer: str

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        require(has_words(self.answer), "an empty answer")
        return self
