"""A round of a small society without an engine, for minds of a language model and of a person; replies of a stub."""

import hashlib
import json
import random
from datetime import datetime

import numpy as np
from small_society import State, frame, nobody_chats, setting

from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.worlds.society import socialising
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds.base import Action, Choice, Moment, Pages
from recgpt.simulate.worlds.society.minds.llm import LLMMind
from recgpt.simulate.worlds.society.sources import Source

PAGE_SIZE = 3


class Society(State):
    """The small society with a clock, and without memory."""

    def __init__(self, n_agents=12, **options):
        super().__init__(SocietyRules(), setting(n_agents, **options))
        rng = np.random.default_rng(3)
        self.viewing.heard_from_AB = rng.integers(-1, n_agents, self.viewing.heard_AB.shape)
        self.viewing.heard_source_AB = np.full(self.viewing.heard_AB.shape, int(Source.FRIEND))
        self.memory, self.now = None, datetime(2024, 1, 1, 8)


def llm_mind(state, stub, log=None, **options):
    options = {"caps": Caps(), "backoff_s": 0.001, "timeout_s": 5.0, "max_tokens": 900, "log": log, **options}
    return LLMMind(LLMClient([Server(stub.base_url, None)], "stub", **options), state.setting, state.rules)


def pages_of(state, agents, step=1):
    """A page of items for each agent, the last slot empty."""
    n_items = len(state.setting.facts)
    items_RS = (agents[:, None] + np.arange(PAGE_SIZE + 1)) % n_items
    items_RS[:, -1] = -1
    source_RS = np.zeros(items_RS.shape, dtype=np.int8)
    ones = np.ones(len(agents), dtype=np.int64)
    return Pages(step, agents, state, items_RS, source_RS, ones, [None] * len(agents), 0 * ones)


def played(state, mind, step=1, agents=None):
    """Events of one round: first decision, one page, social phase."""
    moment = Moment(step, np.arange(len(state.people)) if agents is None else np.asarray(agents), state)
    chosen = mind.choose(moment)
    failed = np.flatnonzero(chosen.failed_R)
    pieces = [KINDS.piece("failed", moment.agent_R[failed], text=[chosen.reasons[row] for row in failed])]
    well = ~chosen.failed_R
    rested = np.flatnonzero(well & (chosen.choice_R == Choice.NOTHING))
    pieces.append(KINDS.piece("rested", moment.agent_R[rested], text=[chosen.reasons[row] for row in rested]))
    browsing = moment.agent_R[well & (chosen.choice_R == Choice.RECOMMENDER)]
    watching_A = np.zeros(len(state.people), dtype=bool)
    if len(browsing):
        pages = pages_of(state, browsing, step)
        did = mind.browse(pages)
        failed = np.flatnonzero(did.failed_R)
        pieces.append(KINDS.piece("failed", browsing[failed], text=[did.reasons[row] for row in failed]))
        watched = np.flatnonzero(did.action_R == Action.WATCH)
        items = pages.items_RS[watched, did.slot_R[watched]]
        watching_A[browsing[watched]] = True
        texts = [did.feeling_texts[row] for row in watched]
        pieces += [
            KINDS.piece("watched", browsing[watched], item=items, slot=did.slot_R[watched]),
            KINDS.piece("rated", browsing[watched], item=items, value=did.stars_R[watched]),
            KINDS.piece("felt", browsing[watched], item=items, value=did.feeling_R[watched], text=texts),
        ]
    social = moment.rows(well & (chosen.choice_R == Choice.SOCIAL))
    pieces += socialising.play(state.rules, social, watching_A, mind, are_chatting=nobody_chats)
    return frame(step, *pieces)


def valid_reply(body):
    """A valid reply to a request, always the same to the same request."""
    schema = body["response_format"]["json_schema"]["schema"]
    text = "".join(message["content"] for message in body["messages"])
    draws = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311

    def value(node):
        if "$ref" in node:
            return value(schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return draws.choice([each for each in node["enum"] if each != 0] or node["enum"])
        if node["type"] == "object":
            return {name: value(each) for name, each in sorted(node["properties"].items())}
        return draws.random() < 0.4 if node["type"] == "boolean" else f"Words {draws.randrange(1000)}."

    said = value(schema)
    if "line_1" in said:  # a speaker only names what both may
        for line in said.values():
            line["topic"] = 0
    return said


def stub_of(stub_module, answer=None):
    """Class of a stub server; `answer(body, reply)` changes replies."""

    class MindStub(stub_module.Stub):
        def body_of(self, fault, user, raw):
            if fault.text is None and fault.status == 200 and fault.body is None:
                body = json.loads(raw)
                said = valid_reply(body)
                said = said if answer is None else answer(body, said) or said
                fault = stub_module.Fault(text=json.dumps(said), finish=fault.finish)
            return super().body_of(fault, user, raw)

    return MindStub


def name_of(body):
    """Name of the schema of a request."""
    return body["response_format"]["json_schema"]["name"]
