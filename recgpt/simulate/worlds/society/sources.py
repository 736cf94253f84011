"""Sources of exposures: where an agent met an item."""

from enum import IntEnum


class Source(IntEnum):
    """Where an agent met an item; the column `place` of events, and the source of hearings and adoptions."""

    RECOMMENDER = 0  # a page of the recommender
    SEARCH = 1  # a page of search results
    FRIEND = 2  # a chat
    POST = 3  # a post of a friend, which reached all friends at once
    FEED = 4  # a post in the feed, of whomever its ranker chose
    INTERVENTION = 5  # a broadcast, an advert or a random item of the schedule
