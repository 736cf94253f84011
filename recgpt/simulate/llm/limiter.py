"""Limit of concurrent calls to a server, adapted by additive increase and multiplicative decrease.

Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks"
(Computer Networks and ISDN Systems, 1989).
"""


class Limiter:
    """Between 1 and `maximum` calls at a time: half as many after an overload, one more after each success.

    Calls in flight together fail together: calls that were sent before the last cut are no evidence about the new
    limit, so they neither cut nor raise it. `round` marks them.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.limit = maximum
        self.round = 0

    def succeeded(self, sent_in: int) -> None:
        """A call that was sent in this round got its reply."""
        if sent_in == self.round:
            self.limit = min(self.limit + 1, self.maximum)

    def overloaded(self, sent_in: int) -> None:
        """A call that was sent in this round ended in a rate limit or a timeout."""
        if sent_in == self.round:
            self.limit = max(self.limit // 2, 1)
            self.round += 1
