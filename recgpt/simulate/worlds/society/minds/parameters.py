"""Parameters of the scripted mind of a society, read from `scripted.json`, with the source of each number.

`sources` has the source of each number: fitted and the data, or chosen and the reason. Stars follow the
feed's fitted model, see `recgpt.simulate.worlds.feed.minds.parameters.Rating`.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from recgpt.simulate.minds.parameters import Numbers, SourcedNumbers, load_numbers
from recgpt.simulate.worlds.feed.minds.parameters import Rating

_FILE = "scripted.json"
_REMEDY = "restore it from the package"

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Choose(Numbers):
    """Log weights of the first decision."""

    nothing: float
    recommender: float
    social: float
    watcher: float = Field(description="of the recommender, for a Watcher")
    explorer: float = Field(description="of the recommender, for an Explorer that heard of an item it has not watched")
    chatter: float = Field(description="of others, for a Chatter")
    poster: float = Field(description="of others, for a Poster")
    activity: float = Field(description="taken off nothing for each class of activity above the middle one")


class Watch(Numbers):
    """Log weight of an item of a page, above that of a typical interaction."""

    interest: float = Field(description="cosine of the mean text of the agent's history and the item's text")
    recent: float = Field(description="cosine of the mean text of the last ten items watched and the item's text")
    category: float = Field(description="log of how much more the agent takes of the item's categories than others do")
    quality: float = Field(description="stars that the item's mean lies above that of a typical interaction")
    popularity: float = Field(description="log count, above that of a typical interaction")
    again: float = Field(description="of an item watched before")
    opinion: float = Field(description="of the agent's own opinion, -1 to 1")


class Word(Numbers):
    """Log weight of an item heard of, for each time that it is among the last ten heard of."""

    mention: float = Field(description="of being named")
    opinion: float = Field(description="of the teller's opinion, -1 to 1, times closeness, 0 to 1")
    trust: Positive = Field(description="factor of closeness for a Chatter, who trusts friends")


class Page(Numbers):
    """Log weights of actions on a page other than watching."""

    next: float
    leave: float
    leave_by_action: float = Field(description="of leaving, for each action before")
    search: float = Field(description="of a search for an item heard of; the item's own log weight is added")
    explorer: float = Field(description="of a search, for an Explorer")
    found: float = Field(description="of the first item of the results of the agent's own search")


class Stars(Numbers):
    """Additions of the society to the model of stars."""

    critic: float = Field(description="log odds of more stars, for a Critic")


class Socialise(Numbers):
    """Log weights of social actions and of their friends and topics."""

    nothing: float
    chat: float
    post: float
    chatter: float = Field(description="of a chat, for a Chatter")
    poster: float = Field(description="of a post, for a Poster")
    closeness: float = Field(description="log weight of a friend, times closeness")
    newness: float = Field(description="log weight of a topic, taken off for each newer one")
    strength: float = Field(description="log weight of a topic, times how strong the opinion of it is, 0 to 1")
    half_hour: Share = Field(description="share of chats of half an hour")
    two_hours: Share = Field(description="share of chats of two hours")
    more: Share = Field(description="share of chats with a second topic")
    more_chatter: Share = Field(description="the same, if a Chatter began it")


class React(Numbers):
    """Log odds of reactions to a post; agreement is the product of the two opinions, -1 to 1."""

    like: float
    like_agreement: float
    like_closeness: float
    repost: float
    repost_agreement: float
    repost_poster: float
    comment: float
    comment_strength: float = Field(description="of how far the two opinions lie apart or agree, 0 to 1")
    follow: float
    follow_agreement: float
    mute: float
    mute_disagreement: float
    mute_closeness: float


class Opine(Numbers):
    """Social influence on opinions.

    With bounded confidence (Deffuant et al. 2000; Hegselmann and Krause 2002) and averaging (DeGroot 1974): an opinion
    moves by `conformity` times W / (W + tellers) of the way to the weighted mean of the opinions heard; W is the sum of
    the weights of the tellers.
    """

    conformity: Share = Field(description="0: opinions do not follow others, a control")
    follower: Positive = Field(description="factor for an agent that rates as others do")
    maverick: Positive = Field(description="factor for an agent that rates against them")
    tellers: Positive = Field(description="sum of weights at which an opinion goes half of its way")
    confidence: Positive = Field(description="farthest opinion, from -1 to 1, that is listened to")
    stranger: NotNegative = Field(description="weight of a teller that is no friend; a friend's is its closeness")
    schedule: NotNegative = Field(description="weight of a broadcast")
    experience: Share = Field(description="factor for an item that the agent watched itself")


class Answer(Numbers):
    """Answers to surveys."""

    noise: NotNegative = Field(description="standard deviation of an answer, in points from 1 to 10")


class Parameters(SourcedNumbers):
    """Parameters of `ScriptedMind`.

    Attributes
    ----------
    sources
        Source of each number, by `section.name`: starts with "fitted" or "chosen".
    """

    choose: Choose
    watch: Watch
    word: Word
    page: Page
    rating: Rating
    stars: Stars
    socialise: Socialise
    react: React
    opine: Opine
    answer: Answer

    @classmethod
    def load(cls, path: Path | None = None) -> "Parameters":
        """Read a file of parameters, by default the one of the package.

        Raises
        ------
        DataError
            The file is missing or damaged.
        """
        source = path or Path(str(resources.files("recgpt.simulate.worlds.society.minds") / _FILE))
        return load_numbers(cls, source, _REMEDY)

    def markdown(self) -> str:
        """Table of all numbers with their sources, in the form of the docs."""
        return self.table("coefficient", "source")
