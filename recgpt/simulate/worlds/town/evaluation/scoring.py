"""Scores of answers: the claims that a text makes, and how many are true.

score(answer, Question("memory", "Who is running for office?", names, frozenset({"Sam Moore"})))
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Category = Literal["self-knowledge", "memory", "plans", "reactions", "reflections"]
YES_NO = ("yes", "no")
_WORD = re.compile(r"[^\W_]+(?:[:.][0-9]+)?")
_FIRST_ANSWER = re.compile(r"\b(yes|heard of|no|never|not)\b")


@dataclass(frozen=True)
class Question:
    """A question of the battery for one resident, and the truth about it.

    Attributes
    ----------
    domain
        Phrases that count as claims of an answer; `YES_NO` for a question of yes or no.
    true
        True ones among them.
    one_is_enough
        Whether one of the true phrases is a whole answer.
    """

    category: Category
    text: str
    domain: tuple[str, ...]
    true: frozenset[str]
    one_is_enough: bool = False


@dataclass(frozen=True)
class Scored:
    """Claims of an answer: true ones, false ones, and true phrases that it lacks."""

    right: frozenset[str] = field(default_factory=frozenset)
    wrong: frozenset[str] = field(default_factory=frozenset)
    lacking: frozenset[str] = field(default_factory=frozenset)

    @property
    def score(self) -> float:
        """Harmonic mean of precision and recall of the claims; 1 if nothing is true and nothing is claimed."""
        of_all = 2 * len(self.right) + len(self.wrong) + len(self.lacking)
        return 2 * len(self.right) / of_all if of_all else 1.0


def claims(answer: str, question: Question) -> frozenset[str]:
    """Phrases of the domain in an answer, as whole words in any case; the longest ones where they overlap.

    Phrases that the question itself has are no claims, unless they are true.
    """
    if question.domain == YES_NO:
        return _yes_or_no(answer)
    left, found = _words(answer), set()
    for phrase in sorted(set(question.domain), key=lambda each: (-len(each), each)):
        words = _words(phrase)
        if words and words in left:
            found.add(phrase)
            left = left.replace(words, " | ")
    repeated = {phrase for phrase in found if _words(phrase) in _words(question.text)}
    return frozenset(found - (repeated - question.true))


def score(answer: str, question: Question) -> Scored:
    """Claims of an answer, held to the truth; no answer at all lacks everything."""
    made = claims(answer, question)
    right, lacking = made & question.true, question.true - made
    if question.one_is_enough:
        lacking = frozenset() if right else frozenset(sorted(lacking)[:1])
    return Scored(right, made - question.true, lacking)


def _words(text: str) -> str:
    """Words in lower case between single blanks, with one at both ends."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def says_yes(answer: str) -> bool:
    """Whether an answer is yes, by the first such word in it."""
    return _yes_or_no(answer) == {"yes"}


def _yes_or_no(answer: str) -> frozenset[str]:
    found = _FIRST_ANSWER.search(answer.lower())
    if not found:
        return frozenset()
    return frozenset({"yes" if found[1] in ("yes", "heard of") else "no"})
