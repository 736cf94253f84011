"""Checks of a mind's options before anything is read or created: a missing key or option fails in a second."""

from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.minds.options import LLMOptions, MindOptions
from recgpt.simulate.minds.replay import replayed_run
from recgpt.simulate.store import Run


def check_mind(options: MindOptions) -> None:
    """Raise what would stop the mind before its first decision.

    Raises
    ------
    LLMError
        A key is missing, an address is none, or money is capped for a model without a price.
    SimulationError
        The mind `replay` has no run to repeat.
    StoreError
        The run to repeat cannot be read.
    """
    if options.mind == "llm":
        _check_llm(options.llm)
    if options.mind == "replay":
        name = replayed_run(options)
        if ".parquet" not in name:  # a file of ratings, which the gym's mind reads
            Run.open(name).close()


def _check_llm(options: LLMOptions) -> None:
    servers = [Server(url, options.key_env) for url in options.base_urls]
    LLMClient(servers, options.model, caps=Caps(usd=options.max_usd), price=options.price)
