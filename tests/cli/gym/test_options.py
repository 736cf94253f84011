"""Options of the gym: all settings are flags, in their order of precedence; language models, keys and addresses."""

import re
from typing import Annotated, Any

import pytest
import typer

from recgpt.cli.gym.options import PROVIDERS, RULES, gym_options
from recgpt.errors import RecGPTError
from recgpt.simulate.worlds.gym.config import GymConfig, GymRules, GymSettings
from recgpt.simulate.worlds.gym.domain import domain_of


@pytest.fixture(autouse=True)
def _without_keys(monkeypatch):
    for provider in PROVIDERS:
        for name in ("API_KEY", "BASE_URL"):
            monkeypatch.delenv(f"{provider}_{name}", raising=False)


def given(*arguments: object, options: Any = None) -> Any:
    """Settings that a command gets from these arguments."""
    found: list[Any] = []

    def command(settings: GymSettings, number: Annotated[int, typer.Option(help="a number")] = 1) -> None:
        found.append((settings, number))

    app = typer.Typer()
    app.command()((options or gym_options())(command))
    app(list(map(str, arguments)), standalone_mode=False)
    return found[0][0]


@pytest.mark.parametrize("name", GymRules.model_fields)
def test_every_setting_is_a_flag_with_its_default_and_description(name):
    field, (option,) = GymRules.model_fields[name], RULES[name].annotation.__metadata__
    assert RULES[name].default == field.default
    assert option.help == field.description


def test_defaults_are_those_of_the_rules():
    assert given() == GymSettings()


def test_flags_win_over_set_over_the_file_over_the_commands_own_defaults(tmp_path):
    (tmp_path / "gym.yaml").write_text("retrieval: last_1\nperturbator: gaussian\nchurn_min_steps: 7\n")
    own = gym_options(retrieval="simple_3", perturbator="greedy", churn_min_steps=2, emotion_bonus=0.5)
    found = given(
        *("--config", tmp_path / "gym.yaml", "--set", "perturbator=none", "--set", "retrieval=none"),
        *("--items-retrieval", "last_2"),
        options=own,
    )
    assert (found.retrieval, found.perturbator, found.churn_min_steps) == ("last_2", "none", 7)
    assert found.emotion_bonus == 0.5, "the command's own"


def test_settings_that_a_command_fixes_have_no_flag():
    fixed = gym_options(fixed={"domain": "books"})
    assert given(options=fixed).domain == "books"
    with pytest.raises(Exception, match="--domain"):
        given("--domain", "movies", options=fixed)


def test_own_parameters_that_are_settings_are_flags_of_them():
    def command(settings: Any, policy: Annotated[str, typer.Option(help="policy")] = "random") -> None:
        assert (settings.policy, settings.n_users) == ("linucb", 3)

    app = typer.Typer()
    app.command()(gym_options("recgpt.simulate.worlds.gym.config:GymConfig")(command))
    app(["--policy", "linucb", "--set", "n_users=3"], standalone_mode=False)
    assert GymConfig().policy == "random"


@pytest.mark.parametrize("domain", ["movies", "books"])
def test_every_published_rater_is_a_value(domain):
    for rater in domain_of(domain).raters:
        assert given("--domain", domain, "--llm-rater", rater).rater == rater


# --- language models ---


def test_without_a_model_users_are_scripted():
    assert given("--llm-model", "scripted").mind == given().mind == "scripted"
    assert given("--llm-model", "scripted", "--set", "mind=llm").mind == "scripted", "a flag wins"


def test_a_models_name_makes_users_of_it():
    found = given("--llm-model", "smollm2", "--base-url", "http://127.0.0.1:1/v1", "--key-env", "", "--max-calls", 5)
    assert (found.mind, found.llm.model, found.llm.base_urls) == ("llm", "smollm2", ("http://127.0.0.1:1/v1",))
    assert (found.llm.key_env, found.llm.max_calls) == (None, 5)


@pytest.mark.parametrize(
    ("environment", "key", "address"),
    [
        ({}, "OPENAI_API_KEY", PROVIDERS["OPENAI"]),
        ({"OPENAI_API_KEY": "a"}, "OPENAI_API_KEY", PROVIDERS["OPENAI"]),
        ({"OPENAI_API_KEY": "a", "DEEPSEEK_API_KEY": "b"}, "DEEPSEEK_API_KEY", PROVIDERS["DEEPSEEK"]),
        ({"DEEPSEEK_API_KEY": "b", "DEEPSEEK_BASE_URL": "http://x/v1"}, "DEEPSEEK_API_KEY", "http://x/v1"),
        ({"OPENAI_API_KEY": "a", "OPENAI_BASE_URL": "http://y/v1"}, "OPENAI_API_KEY", "http://y/v1"),
    ],
)
def test_key_and_address_are_those_of_the_first_provider_with_a_key(monkeypatch, environment, key, address):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = given("--llm-model", "deepseek-chat").llm
    assert (found.key_env, found.base_urls) == (key, (address,))


def test_a_mind_of_language_models_needs_the_name_of_one():
    with pytest.raises(RecGPTError, match="--llm-model NAME"):
        given("--mind", "llm")


def test_the_published_catalogues_stand_for_the_default_one(capsys):
    assert given("--film-dataset", "movielens_latest-small").items is None
    assert given("--book-dataset", "books_amazon/postprocessed_books", "--domain", "books").items is None
    assert capsys.readouterr().out.count("is not to be had") == 2


# --- wrong values ---

WRONG = {
    "--domain=games": "choose among movies, books, or name one as module:NAME",
    "--domain=nowhere:DOMAIN": "there is no module nowhere",
    "--user-dataset=detaild": "choose among detailed, basic, sampled_genres, dataset, or name a CSV file",
    "--llm-rater=0Shot": "choose among .*0Shot_cotlite_our",
    "--items-retrieval=last": "choose among none, last_K, most_similar_K, simple_K, decay_emotion_K",
    "--items-retrieval=last_0": "choose among none, last_K",
    "--perturbator=greed": "choose among none, gaussian, greedy",
    "--reward-shaping=churn": "choose among identity, exp_decay_time, random_watch, same_film_terminate, churn_sat",
    "--observation=dense": "'compact' or 'published'",
    "--mind=script": "choose among scripted, llm, replay, person",
    "--churn-ema-alpha=1.5": "less than or equal to 1 .weight of the newest rating",
    "--churn-low-streak-threshold=0": "greater than or equal to 1",
    "--decay-time-lambda=-1": "greater than or equal to 0",
    "--emotion-bonus=nan": "finite number",
    "--valence-positive-threshold=1": "threshold",
    "--max-episode-steps=0": "greater than or equal to 1",
    "--max-usd=-1": "greater than or equal to 0",
}


@pytest.mark.parametrize("flag", WRONG)
def test_a_wrong_value_is_answered_with_the_right_ones(flag):
    with pytest.raises(RecGPTError) as caught:
        given(flag)
    assert "\n" not in str(caught.value)
    assert re.search(WRONG[flag], str(caught.value)), caught.value
