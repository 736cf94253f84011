"""A language-model mind for Hazelbrook over a stub server, which replies as the schema of a question allows."""

import hashlib
import json
import random

from talking_town import RULES, SETTING

from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.worlds.town.minds.llm import LLMMind
from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind


def llm_mind(stub, *, scripted=None, think="all", **options):
    """Mind over a stub, without rests between tries."""
    options = {"caps": Caps(), "backoff_s": 0.001, "timeout_s": 5.0, "max_tokens": 900, **options}
    client = LLMClient([Server(stub.base_url, None)], "stub", **options)
    return LLMMind(client, SETTING, RULES, scripted=scripted or ScriptedMind(SETTING, RULES, seed=0), think=think)


def valid_reply(body):
    """A valid reply to a question, always the same to the same question."""
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
            return {name: value(each) for name, each in node["properties"].items()}
        return draws.random() < 0.4 if node["type"] == "boolean" else f"Words {draws.randrange(1000)}."

    said = value(schema)
    for number in range(1, 9):  # a speaker tells only what it knows
        said.get(f"line_{number}", {}).update({"news": 0, "title": 0} if "line_1" in said else {})
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


def prompt_of(stub):
    """System and user text of the last question."""
    return "\n".join(message["content"] for message in stub.bodies[-1]["messages"])
