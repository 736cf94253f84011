"""The published configuration: every key is used, or a warning says why it has no meaning."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from recgpt.cli.society.published import SETTINGS, USED, WITHOUT_MEANING, translated
from recgpt.errors import ConfigError
from recgpt.simulate.worlds.society.config import SocietyConfig

PUBLISHED = """
llm: gpt-3.5-turbo
temperature: 0
max_token: 1500
max_retries: 100
item_path: data/item.csv
user_path: data/user_1000.csv
relationship_path: data/relationship_1000.csv
interaction_path: data/interaction.csv
index_name: data/faiss_index
ckpt_path: data/ckpt
simulator_dir: data/simulator
simulator_restore_file_name:
rec_model: MF
embedding_size: 64
seed: 2023
epoch_num: 10
batch_size: 64
lr: 0.001
round: 5
agent_num: 10
page_size: 5
execution_mode: parallel
interval: 5h
active_agent_threshold: 100
active_method: random
active_prob: 1
rec_random_k: 0
social_random_k: 0
agent_memory: recagent
verbose: True
api_keys: [sk-secret]
api_bases: [https://api.example.org/v1, https://other.example.org/v1]
"""
"""All keys, with the shipped defaults."""


def read(**changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(PUBLISHED), **changes}


def settings_of(content: dict[str, Any], *, mind: str = "scripted", **options: Any) -> SocietyConfig:
    found = translated(content, mind=mind, **{"plays_role": False, "memory": None, **options})
    return SocietyConfig(**found.settings)


def test_the_shipped_configuration_becomes_a_society() -> None:
    config = settings_of(read())
    assert (config.rounds, config.agents, config.page_size, config.interval, config.seed) == (5, 10, 5, "5h", 2023)
    assert (config.dataset, config.users) == ("data", "data/user_1000.csv")
    assert config.relationships == "data/relationship_1000.csv"
    assert (config.recommender, config.mind, config.schedule, config.llm.concurrency) == ("mf", "scripted", (), 64)
    assert (config.active_method, config.active_prob, config.active_agent_threshold) == ("random", 1, 100)


def test_every_key_is_used_or_has_a_warning() -> None:
    """Each key either changes the settings or the interactions' file, or is named in a warning."""
    content = read(simulator_restore_file_name="abc", num_agents=10, epoch=5)
    assert set(content) == {*SETTINGS, *USED, *WITHOUT_MEANING}
    found = translated(content, mind="llm", plays_role=False, memory=None)
    assert sorted(warning.partition(":")[0] for warning in found.warnings) == sorted(WITHOUT_MEANING)
    assert found.interaction_path == Path("data/interaction.csv")
    silent = [key for key in content if key not in WITHOUT_MEANING]
    changes = {
        **{"round": 7, "epoch": 7, "agent_num": 12, "num_agents": 12, "page_size": 4, "interval": "1d", "seed": 1},
        **{"active_agent_threshold": 3, "active_method": "sample", "active_prob": 0.5, "rec_model": "Random"},
        **{"user_path": "u.csv", "relationship_path": "r.csv", "item_path": "else/item.csv", "llm": "gpt-4o"},
        **{"temperature": 1, "max_token": 9, "api_bases": ["http://127.0.0.1:1/v1"], "execution_mode": "serial"},
        **{"rec_random_k": 3, "social_random_k": 1, "interaction_path": "i.csv"},
    }
    assert sorted(changes) == sorted(silent)
    alone = {key: value for key, value in content.items() if key not in ("epoch", "num_agents")}
    before = translated(alone, mind="llm", plays_role=False, memory=None)
    for key, value in changes.items():
        without = {name: each for name, each in alone.items() if SETTINGS.get(name) != SETTINGS.get(key, name)}
        after = translated({**without, key: value}, mind="llm", plays_role=False, memory=None)
        assert (after.settings, after.interaction_path) != (before.settings, before.interaction_path), key


def test_the_language_model_is_used_with_its_mind_only() -> None:
    llm = settings_of(read(), mind="llm").llm
    assert (llm.model, llm.temperature, llm.max_tokens) == ("gpt-3.5-turbo", 0, 1500)
    assert llm.base_urls == ("https://api.example.org/v1", "https://other.example.org/v1")
    warnings = translated(read(), mind="scripted", plays_role=False, memory=None).warnings
    assert any("unless --mind llm is given" in each for each in warnings)


def test_keys_of_an_api_are_neither_stored_nor_repeated() -> None:
    found = translated(read(), mind="llm", plays_role=False, memory=None)
    assert "sk-secret" not in f"{found}"
    assert any(each.startswith("api_keys:") and "OPENAI_API_KEY" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": 3}, r"there is no key 'rounds' in a configuration of RecAgent: choose among round, "),
        ({"num_agents": 20}, r"num_agents=20 contradicts another key, which sets agents=10"),
        ({"item_path": "data/films.csv"}, "must have the name item.csv"),
        ({"execution_mode": "fast"}, "choose parallel or serial"),
        ({"rec_random_k": "many"}, "rec_random_k='many': a whole number is needed"),
        ({"api_bases": ["/models/llama"]}, "is no address: serve the model, for example with `recgpt llm serve`"),
    ],
)
def test_what_cannot_be_translated_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translated(read(**changes), mind="llm", plays_role=False, memory=None)


def test_random_items_and_rewiring_are_entries_of_the_schedule() -> None:
    items, friends = settings_of(read(rec_random_k=3, social_random_k=-5)).schedule
    assert (items.kind, items.n, items.every) == ("random_items", 3, 1)
    assert (friends.kind, friends.n, friends.interest) == ("rewire", 5, "same")


def test_a_role_is_one_more_agent_played_by_a_person() -> None:
    config = settings_of(read(), plays_role=True)
    assert config.agents == 11
    profile, *ties, person = config.schedule
    assert (profile.agents, profile.values["name"], profile.values["age"]) == ((10,), "Tommy", 23)
    assert [(tie.source, tie.target) for tie in ties] == [(10, 0), (10, 1), (0, 10), (1, 10)]
    assert (person.kind, person.agent, person.round) == ("person", 10, 1)


def test_the_memory_is_that_of_the_option() -> None:
    assert settings_of(read(), memory="other").memory == "generative_agents"
    assert settings_of(read(), memory="recagent").memory == "recagent"
    assert settings_of(read()).memory == "auto"
