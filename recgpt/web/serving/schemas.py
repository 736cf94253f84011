"""Bodies of requests and answers; the OpenAPI description is made of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, StringConstraints, model_validator

LONGEST_ID = 512
MOST_HISTORY = 10_000
MOST_EVENTS = 10_000
MOST_K = 1_000
_MOST_SECONDS = 253_402_300_799  # the year 9999

_Number = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
_Text = Annotated[StrictStr, StringConstraints(max_length=LONGEST_ID)]
OutsideId = _Number | _Text
History = Annotated[list[OutsideId], Field(max_length=MOST_HISTORY)]
_HISTORY = Field(None, description="ids of items, oldest first", examples=[[318, 858]])
_USER = Field(None, description="instead of `history`: a user of the interactions or of observed events")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _After(_Body):
    """Body with either a history or a user."""

    history: History | None = _HISTORY
    user: OutsideId | None = _USER

    @model_validator(mode="after")
    def _one_of_two(self) -> "_After":
        if (self.history is None) == (self.user is None):
            raise ValueError("give either history or user")
        return self


class RecommendBody(_After):
    """A request for recommendations."""

    k: Annotated[StrictInt, Field(ge=1, le=MOST_K, description="number of recommendations")] = 10
    exclude: Literal["history", "nothing"] = Field(
        "history", description="`history` leaves out the items of the history, `nothing` recommends them too"
    )


class ExplainBody(_After):
    """A request for the explanation of one item's score."""

    item: OutsideId = Field(description="id of the item", examples=[50])


class EventBody(_Body):
    """One new interaction."""

    user_id: OutsideId
    item_id: OutsideId
    timestamp: Annotated[StrictInt, Field(ge=0, le=_MOST_SECONDS)] | None = Field(
        None, description="Unix seconds; unknown if left out"
    )


class ObserveBody(_Body):
    """New interactions, in order; those of one user follow their earlier ones."""

    events: Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS)]


class Item(BaseModel):
    """Item of the catalogue."""

    item_id: int | str
    title: str


class ItemDetails(Item):
    """Item with the texts that the catalogue has."""

    categories: str | None = None
    brand: str | None = None
    description: str | None = None


class Items(BaseModel):
    """Items that a search has found."""

    items: list[Item]


class Recommendation(Item):
    """Item with its place and score."""

    rank: int
    score: float = Field(description="orders the items of one answer; see `score_name` of /health")


class Recommendations(BaseModel):
    """Recommendations, best first; fewer than k where fewer items can be ranked."""

    recommendations: list[Recommendation]


class Observed(BaseModel):
    """Number of interactions that were taken in."""

    observed: int


class Health(BaseModel):
    """State of the service."""

    status: Literal["ready"]
    items: int
    users: int
    interactions: int
    observed: int
    waiting: int = Field(description="requests that wait for a ranking")
    score_name: str
    model: str = Field(description="kind of the model and beginning of its hash")
    version: str


class Problem(BaseModel):
    """Reason of a refusal, in one line."""

    error: str


Explanation = dict[str, Any]
"""Fields of `recgpt explain --json`, and `kind`, the kind of model."""
