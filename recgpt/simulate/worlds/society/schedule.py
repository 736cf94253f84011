"""The schedule of a society: interventions, surveys and polls by round.

    schedule:
      - {kind: broadcast, round: 3, item: 12, text: "Everybody talks about it."}
      - {kind: random_items, round: 20, until: 50, every: 5, n: 1}
      - {kind: survey, round: 1, every: 1, item: 12, question: "How much do you like it, from 1 to 10?"}

Each takes effect at the start of its round, before anybody acts; surveys, polls and interviews at its end.
"""

from typing import Annotated, Literal

from pydantic import Field

from recgpt.config import Config


class Scheduled(Config):
    """When an intervention takes place: in `round`, and every `every` rounds after it up to `until`."""

    round: int = Field(ge=1, description="round, from 1")
    until: int | None = Field(
        default=None, ge=1, description="last round, for repeated ones; None: the last of the run"
    )
    every: int | None = Field(default=None, ge=1, description="rounds between repetitions; None: once")

    def is_due(self, step: int) -> bool:
        """Whether it takes place in round `step`."""
        if self.every is None:
            return step == self.round if self.until is None else self.round <= step <= self.until
        return (
            step >= self.round and (self.until is None or step <= self.until) and (step - self.round) % self.every == 0
        )


class Targeted(Scheduled):
    """An intervention on some agents: who fulfil all given conditions; by default everybody."""

    agents: tuple[int, ...] = Field(default=(), description="numbers of the agents; empty: all")
    n_random: int | None = Field(default=None, ge=1, description="so many of them, drawn")
    n_best_connected: int | None = Field(default=None, ge=1, description="so many of them, with the most friends")


class Broadcast(Targeted):
    """A message that enters the memory of agents, and the list of items that they heard of if it is about an item."""

    kind: Literal["broadcast"] = "broadcast"
    text: str
    item: int | None = Field(default=None, ge=0)
    opinion: float = Field(default=0.0, ge=-1, le=1)


class SeededPost(Targeted):
    """A post in the name of an agent; it reaches friends in this round, and feeds from the next one on."""

    kind: Literal["post"] = "post"
    text: str = ""
    item: int = Field(ge=0)
    opinion: float = Field(default=1.0, ge=-1, le=1)


class ProfileEdit(Targeted):
    """Other values of fields of profiles: name, gender, age, traits, status, interest, feature."""

    kind: Literal["profile"] = "profile"
    values: dict[str, str | int]


class Tie(Scheduled):
    """A tie between two agents is added, or removed: follows one way, friendship both ways."""

    kind: Literal["tie"] = "tie"
    graph: Literal["friends", "follows"] = "friends"
    source: int = Field(ge=0)
    target: int = Field(ge=0)
    label: str = "friend"
    closeness: float = Field(default=0.5, ge=0, le=1)
    remove: bool = False


class Rewire(Targeted):
    """Friends are added to each agent, of different or the same main interest (the paper's rewiring)."""

    kind: Literal["rewire"] = "rewire"
    n: int = Field(ge=1, description="friends added to each agent")
    interest: Literal["different", "same", "any"] = "different"


class RandomItems(Targeted):
    """`n` places of every page are filled with random items that the agent has not seen."""

    kind: Literal["random_items"] = "random_items"
    n: int = Field(ge=1)


class Advert(Targeted):
    """An item is put into the first slot of every first page."""

    kind: Literal["advert"] = "advert"
    item: int = Field(ge=0)
    text: str = ""


class SwapRecommender(Scheduled):
    """Another recommender, fitted on everything watched so far, serves from this round on."""

    kind: Literal["recommender"] = "recommender"
    name: str


class Survey(Targeted):
    """A question answered from 1 to 10 and in words, or with one of `options` (a poll); without a trace by default."""

    kind: Literal["survey"] = "survey"
    question: str
    item: int | None = Field(default=None, ge=0, description="item that the question is about")
    options: tuple[str, ...] = Field(default=(), description="answers of a poll; empty: from 1 to 10")
    is_remembered: bool = False


class Interview(Targeted):
    """A question answered in words; it leaves no trace by default."""

    kind: Literal["interview"] = "interview"
    question: str
    is_remembered: bool = False


class Moderation(Scheduled):
    """Posts are removed: of an agent, about an item, or with opinions below a limit."""

    kind: Literal["moderation"] = "moderation"
    author: int | None = Field(default=None, ge=0)
    item: int | None = Field(default=None, ge=0)
    below: float | None = Field(default=None, ge=-1, le=1)


class TakeOver(Scheduled):
    """A person plays an agent from `round` on, up to `until`; then its own mind does again."""

    kind: Literal["person"] = "person"
    agent: int = Field(ge=0)


Intervention = Annotated[
    Broadcast
    | SeededPost
    | ProfileEdit
    | Tie
    | Rewire
    | RandomItems
    | Advert
    | SwapRecommender
    | Survey
    | Interview
    | Moderation
    | TakeOver,
    Field(discriminator="kind"),
]
"""Any entry of a schedule, told apart by `kind`."""
