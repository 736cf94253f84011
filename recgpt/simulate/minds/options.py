"""Options of minds and of the language model; keys by the name of their environment variable, never in clear."""

from collections.abc import Iterable

from pydantic import Field, NonNegativeFloat, field_validator

from recgpt import plugins
from recgpt.config import Config
from recgpt.simulate.llm.budget import Price
from recgpt.simulate.llm.failures import MAX_FAILED, MaxFailed

MINDS = ("scripted", "llm", "replay", "person")
"""Names of the minds that every world of this package has."""


def plugin_mind(name: str, *, methods: Iterable[str], offered: Iterable[str]) -> type | None:
    """Class of a plug-in's mind, checked; None for one of `MINDS`.

    Parameters
    ----------
    methods, offered
        Methods that a mind of this world needs, and arguments that its constructor may have.

    Raises
    ------
    ConfigError
        The class cannot be imported, or is no mind.
    """
    if name in MINDS:
        return None
    found = plugins.find(name, plugins.MINDS)
    plugins.check_class(found, name, methods=methods, offered=offered)
    mind: type = found
    return mind


class LLMOptions(Config):
    """One language model on one or more servers, with caps."""

    base_urls: tuple[str, ...] = Field(default=("https://api.openai.com/v1",), min_length=1)
    key_env: str | None = Field(default="OPENAI_API_KEY", description="environment variable that holds the key")
    model: str = "gpt-4o-mini"
    temperature: float | None = Field(default=0.2, ge=0)
    max_tokens: int = Field(default=1024, ge=1, description="of one reply")
    timeout_s: float = Field(default=120, gt=0, le=86_400)
    max_calls: int | None = Field(default=None, ge=0)
    max_total_tokens: int | None = Field(default=None, ge=0)
    max_usd: float | None = Field(default=None, ge=0)
    usd_per_million: tuple[NonNegativeFloat, NonNegativeFloat] | None = Field(
        default=None, description="price of tokens in, and out"
    )
    max_failed: MaxFailed = MAX_FAILED
    concurrency: int = Field(default=64, ge=1, description="maximum number of calls in flight at each server")
    explains: bool = Field(default=False, description="one more call for the reason of a rating that came without one")
    reflects: bool = Field(default=False, description="one more call where a reflection is due")

    @property
    def price(self) -> Price | None:
        """The price as given; None for the listed one."""
        given = self.usd_per_million
        return None if given is None else Price(input=given[0], output=given[1])


class MindOptions(Config):
    """How agents decide."""

    mind: str = "scripted"
    uses_memory: bool = Field(default=True, description="whether decisions read the memories of the run so far")
    replayed: str | None = Field(default=None, description="run whose decisions the mind `replay` repeats")
    llm: LLMOptions = LLMOptions()

    @field_validator("mind")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name in MINDS or plugins.is_path(name) or name in plugins.installed(plugins.MINDS):
            return name
        known = ", ".join([*MINDS, *plugins.installed(plugins.MINDS)])
        raise ValueError(f"unknown mind {name!r}: choose among {known}, or name a class as module:Class")
