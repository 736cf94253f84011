"""Shared by the language-model minds of all worlds: client, prompts, quoted memories, reasons of failures.

    asker = Asker(client_from_options(options.llm, seed=seed, run=run), "recgpt.simulate.worlds.feed.minds")
    request = asker.request("page", Page, system=asker.render("profile", tastes=tastes), items=items)
    replies = asker.client.complete([request])
    print(asker.client.estimate([request], n_calls=500))  # about 500 calls, 180,000 tokens in, 40,000 out, $0.05

Prompts are Jinja templates, `prompts/<name>.j2` in the package of a world's minds, which may include and extend others
of that folder. Titles, descriptions, memories and other text that they did not write themselves enters them as quoted
data (`llm.text.quoted`). The client repeats, counts and logs calls; see `llm.client`.

Shapes: A agents, k entries retrieved.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from pydantic import BaseModel

from recgpt.simulate.agents.memory import Memory, Retrieved
from recgpt.simulate.llm.budget import Caps, Spent
from recgpt.simulate.llm.calls import FAILURES
from recgpt.simulate.llm.client import ATTEMPTS, LLMClient
from recgpt.simulate.llm.requests import Message, Reply, Request
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.llm.text import cleaned, quoted
from recgpt.simulate.minds.options import LLMOptions
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile

MAX_SENTENCE_CHARS = 300  # of a sentence from a reply, or of a memory in a prompt; the rest is cut off


def client_from_options(options: LLMOptions, *, seed: int, run: Run | CallFile | None) -> LLMClient:
    """Client with these options, which logs its calls in the run or file; earlier calls there count against the caps.

    Without either, calls are kept in memory as long as the client lives.

    Raises
    ------
    LLMError
        A key is missing, or money is capped for a model without a price.
    """
    return LLMClient(
        [Server(url, options.key_env) for url in options.base_urls],
        options.model,
        caps=Caps(calls=options.max_calls, tokens=options.max_total_tokens, usd=options.max_usd),
        log=run,
        price=options.price,
        spent=None if run is None else _spent(run),
        concurrency=options.concurrency,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        seed=seed,
        timeout_s=options.timeout_s,
        max_failed=options.max_failed,
        attempts=ATTEMPTS * (1 + (run.manifest.retries if isinstance(run, Run) else 0)),
    )


def _spent(run: Run | CallFile) -> Spent:
    if isinstance(run, CallFile):
        return run.spent
    so_far = run.calls_summary()
    return Spent(so_far["n"], so_far["tokens_in"] + so_far["tokens_out"], so_far["cost_usd"])


class Asker:
    """Makes requests from the prompts of one world, and sends them.

    Parameters
    ----------
    client
        Sends requests; repeats, counts and logs calls.
    package
        Package with the folder `prompts`.
    """

    def __init__(self, client: LLMClient, package: str) -> None:
        self.client = client
        self._package = package

    def render(self, prompt: str, **values: Any) -> str:
        """Text of a prompt.

        Raises
        ------
        jinja2.UndefinedError
            A value that the prompt names is missing.
        jinja2.TemplateNotFound
            There is no such prompt.
        """
        return _template(self._package, prompt).render(**values)

    def request(self, prompt: str, schema: type[BaseModel], *, system: str, **values: Any) -> Request:
        """Request with the rendered prompt as the user's message; the name of the prompt is its purpose."""
        messages: list[Message] = [
            {"role": "system", "content": system},
            {"role": "user", "content": self.render(prompt, **values)},
        ]
        return Request(messages, schema, purpose=prompt)


@cache
def _template(package: str, prompt: str) -> jinja2.Template:
    return _environment(package).get_template(f"{prompt}.j2")


@cache
def _environment(package: str) -> jinja2.Environment:
    folder = files(package) / "prompts"

    def text_of(name: str) -> str | None:
        found = folder.joinpath(*name.split("/"))
        return found.read_text(encoding="utf-8") if found.is_file() else None

    # no HTML is made of it
    return jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, loader=jinja2.FunctionLoader(text_of))  # noqa: S701


def sentence(text: str) -> str | None:
    """Text from a reply as logs and later prompts may hold it: one line, at most 300 characters; None for none."""
    return cleaned(text, MAX_SENTENCE_CHARS) or None


def failure_reason(reply: Reply) -> str | None:
    """Kind and meaning of a reply's failure, for the log of a run; None for a valid reply."""
    return reply.failure and f"{reply.failure}: {FAILURES[reply.failure]}"


def quoted_memories(memory: Memory, agents_A: np.ndarray, found: Retrieved) -> tuple[list[list[str]], list[str | None]]:
    """Retrieved entries for prompts and for the log.

    Returns
    -------
    For each agent the quoted texts of its entries, best first; and for each agent JSON `{"ids": [...]}` of them, the
    text of its `retrieved` event, None without entries.
    """
    texts, notes = [], []
    for agent, slots_k, ids_k in zip(agents_A.tolist(), found.slots_Ak, found.ids_Ak, strict=True):
        ids = [int(each) for each in ids_k if each >= 0]
        entries = [memory.entry(agent, int(slot)) for slot in slots_k if slot >= 0]
        texts.append([quoted(entry.text, MAX_SENTENCE_CHARS) for entry in entries])
        notes.append(json.dumps({"ids": ids}) if ids else None)
    return texts, notes


def recent_memories(memory: Memory, agent: int, n: int) -> list[str]:
    """Quoted texts of the agent's last `n` entries, oldest first, for a reflection."""
    return [quoted(entry.text, MAX_SENTENCE_CHARS) for entry in memory.describe(agent)[-n:]]
