"""Caps on the number, tokens and cost of calls, which hold at any concurrency; prices and cost estimates.

A call reserves its maximum before it is sent, and releases the unused part.
"""

import json
import threading
from dataclasses import dataclass
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from recgpt.errors import LLMError


class BudgetExceeded(LLMError):  # noqa: N818 (says what happened)
    """The next call might exceed a cap, so it was not sent."""


class Price(BaseModel):
    """USD per million tokens."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    input: NonNegativeFloat
    output: NonNegativeFloat

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """Cost of so many tokens."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


FREE = Price(input=0, output=0)


class _PriceTable(BaseModel):
    as_of: str
    models: dict[str, Price]


def listed_price(model: str) -> Price | None:
    """The price in `prices.json`, by the exact name of the model; None where it is not listed."""
    table = json.loads((files("recgpt.simulate.llm") / "prices.json").read_text(encoding="utf-8"))
    return _PriceTable.model_validate(table).models.get(model)


class Caps(BaseModel):
    """The most that may be used; None for no limit."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    calls: int | None = Field(default=None, ge=0, description="HTTP requests, failed ones too")
    tokens: int | None = Field(default=None, ge=0, description="in and out together")
    usd: float | None = Field(default=None, ge=0)


@dataclass(frozen=True)
class Spent:
    """Calls, tokens and money that were used, or are reserved."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __str__(self) -> str:
        return f"{self.calls:,} calls, {self.tokens:,} tokens, ${self.usd:.4f}"


@dataclass(frozen=True)
class CostEstimate:
    """Expected use of calls that were not made yet.

    Attributes
    ----------
    usd
        None where the price of the model is not known.
    """

    calls: int
    tokens_in: int
    tokens_out: int
    usd: float | None

    def __add__(self, other: "CostEstimate") -> "CostEstimate":
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return CostEstimate(
            self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out, usd
        )

    def __str__(self) -> str:
        cost = "cost unknown (no listed price for the model)" if self.usd is None else f"${self.usd:,.2f}"
        return f"{self.calls:,} calls, {self.tokens_in:,} tokens in, {self.tokens_out:,} tokens out, {cost}"


class Budget:
    """Keeps the sum of spent and reserved use below the caps.

    Parameters
    ----------
    spent
        Use that counts against the caps already, such as the calls of a run before it was resumed.
    price
        Of the model; None where it is not known.

    Raises
    ------
    LLMError
        There is a cap on money, but no price.
    """

    def __init__(self, caps: Caps, price: Price | None, model: str, *, spent: Spent | None = None) -> None:
        if caps.usd is not None and price is None:
            raise LLMError(
                f"there is a cap of ${caps.usd:g}, but the price of {model!r} is not known: "
                "give its price per million tokens, in and out, such as --set llm.usd_per_million=[0.15,0.6], or"
                " cap calls or tokens instead"
            )
        self.caps = caps
        self.spent = spent or Spent()
        self.price = price
        self._reserved: list[Spent] = []
        self._turn = threading.Lock()  # clients of several threads share a budget

    def cost_usd(self, tokens_in: int, tokens_out: int) -> float:
        """By the price of the model; 0 where it has none."""
        return (self.price or FREE).usd(tokens_in, tokens_out)

    def reserve(self, tokens_in: int, tokens_out: int) -> Spent | None:
        """Set aside a call of at most so many tokens; None where it does not fit below the caps."""
        wanted = Spent(1, tokens_in + tokens_out, self.cost_usd(tokens_in, tokens_out))
        with self._turn:
            if self._over(sum([*self._reserved, wanted], self.spent)):
                return None
            self._reserved.append(wanted)
        return wanted

    def settle(self, reserved: Spent, tokens_in: int, tokens_out: int) -> None:
        """Replace a reservation by the tokens that the call used."""
        used = Spent(1, tokens_in + tokens_out, self.cost_usd(tokens_in, tokens_out))
        with self._turn:
            self._reserved.remove(reserved)
            self.spent += used

    def exceeded(self, tokens_in: int, tokens_out: int) -> BudgetExceeded:
        """The error to raise where a call of at most so many tokens does not fit."""
        would_be = self.spent + Spent(1, tokens_in + tokens_out, self.cost_usd(tokens_in, tokens_out))
        return BudgetExceeded(
            f"the cap of {self._over(would_be)} does not allow another call, which may take {tokens_in + tokens_out:,} "
            f"tokens; spent so far: {self.spent}. Raise the cap"
        )

    def _over(self, used: Spent) -> str:
        """The caps that `used` exceeds, in words; empty where there is none."""
        caps = self.caps
        over = [
            f"{caps.calls:,} calls" if caps.calls is not None and used.calls > caps.calls else "",
            f"{caps.tokens:,} tokens" if caps.tokens is not None and used.tokens > caps.tokens else "",
            f"${caps.usd:g}" if caps.usd is not None and used.usd > caps.usd else "",
        ]
        return " and ".join(filter(None, over))
