"""Options of all commands of the gym: a flag for each setting of `GymRules`, and flags of the users' minds.

    @gym_options(retrieval="decay_emotion_3")     # this command's defaults, above those of GymRules
    def play(settings: "GymSettings", max_steps: Annotated[int, typer.Option(help="...")] = 5) -> None:

The command gets all flags, --config FILE and --set KEY=VALUE as one `settings`, beside its own parameters. A
parameter with the name of a field of the settings class (`config="module:Class"`) is a flag of that field. Texts repeat
the descriptions of `GymRules`, so that `recgpt --help` does not import pydantic; a test compares them.
"""

import functools
import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgpt.cli.options import ConfigFile, Overrides, Plugins, allow_plugins, typed
from recgpt.cli.simulation_options import LLM_FLAGS
from recgpt.errors import ConfigError
from recgpt.terminal import say

if TYPE_CHECKING:
    from recgpt.simulate.minds.options import MindOptions

PUBLISHED_ITEMS = ("movielens_latest-small", "books_amazon/postprocessed_books")
"""Names of the published catalogues, which cannot be obtained: they stand for the default one."""


RULES_PANEL, EMOTION, CHURN, MIND = "Environment", "Memory and emotion", "Leaving", "Users' minds"


def _flag(kind: Any, default: Any, *declared: str, text: str, panel: str) -> inspect.Parameter:
    option = typer.Option(*declared, help=text, rich_help_panel=panel)
    return inspect.Parameter("_", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


_rule, _emotion, _churn, _mind = (
    functools.partial(_flag, panel=panel) for panel in (RULES_PANEL, EMOTION, CHURN, MIND)
)

RULES: dict[str, inspect.Parameter] = {
    "domain": _rule(str, "movies", text="domain: movies, books, or a domain as module:NAME"),
    "items": _rule(
        str | None,
        None,
        *("--items", "--film-dataset", "--book-dataset"),
        text="catalogue: a data set folder; by default the made-up one of the domain",
    ),
    "users": _rule(
        str | None,
        None,
        *("--users", "--user-dataset"),
        text="users: a user data set of the domain (detailed, basic, sampled_genres, sampled), dataset (those of the"
        " catalogue's folder), or a CSV file; by default the domain's",
    ),
    "rater": _rule(
        str | None,
        None,
        *("--llm-rater", "--rater"),
        text="prompt of a language-model user; by default the domain's",
    ),
    "retrieval": _emotion(
        str | None,
        None,
        *("--items-retrieval", "--retrieval"),
        text="items that a user recalls: none, last_K, most_similar_K, simple_K, decay_emotion_K; by default the"
        " domain's",
    ),
    "perturbator": _rule(str, "none", text="noise on ratings: none, gaussian, greedy"),
    "shaping": _rule(
        str,
        "exp_decay_time",
        *("--reward-shaping", "--shaping"),
        text="reward shaping: identity, exp_decay_time, random_watch, same_film_terminate, churn_satisfaction",
    ),
    "decay_time_lambda": _emotion(float, 0.15, text="how fast decay_emotion_K forgets"),
    "emotion_bonus": _emotion(float, 0.2, text="weight of equal emotions in decay_emotion_K"),
    "consider_arousal": _emotion(bool, False, "--consider-arousal", text="compare arousal too in decay_emotion_K"),
    "valence_positive_threshold": _emotion(
        float | None, None, text="ratings from here on are pleasant; by default 7 of 10, in proportion"
    ),
    "valence_negative_threshold": _emotion(
        float | None, None, text="ratings up to here are unpleasant; by default 4 of 10, in proportion"
    ),
    "arousal_high_threshold": _emotion(
        float | None, None, text="ratings from here on excite; by default 8 of 10, in proportion"
    ),
    "arousal_low_threshold": _emotion(
        float | None, None, text="ratings up to here calm; by default 3 of 10, in proportion"
    ),
    "churn_ema_alpha": _churn(float, 0.2, text="weight of the newest rating in satisfaction"),
    "churn_low_threshold": _churn(
        float | None, None, text="ratings up to here are low; by default 4 of 10, in proportion"
    ),
    "churn_low_streak_threshold": _churn(int, 2, text="low ratings in a row after which users leave"),
    "churn_min_steps": _churn(int, 5, text="steps before which nobody leaves"),
    "churn_prob_scale": _churn(float, 0.3, text="how fast dissatisfaction makes users leave"),
    "churn_ema_min_samples": _churn(int, 1, text="ratings before satisfaction counts, not the rating"),
    "churn_recovery_bonus": _churn(float, 0.0, text="less probability after good ratings"),
    "max_episode_steps": _rule(int, 200, text="steps after which an episode is cut off"),
    "history_length": _rule(int, 10, text="latest interactions in an observation"),
    "across_episodes": _emotion(bool, False, "--across-episodes", text="users who come back remember earlier episodes"),
    "observation": _rule(str, "compact", text="arrays for learning, or the published dictionary with texts"),
}
"""Flag of each setting of `GymRules`, by its name; the published flags are the first ones."""

MINDS: dict[str, inspect.Parameter] = {
    "llm_model": _mind(
        str,
        "scripted",
        text="name of the language model that plays the users, as its server calls it; scripted: fitted models, no"
        " network",
    ),
    "mind": _mind(
        str | None,
        None,
        text="who plays the users: scripted, llm (--llm-model), replay (stored ratings), or a class as module:Class; by"
        " default as --llm-model says",
    ),
    "replayed": _mind(str | None, None, text="run or file whose ratings --mind replay repeats"),
    "base_url": _mind(
        list[str] | None, None, text="address of an OpenAI-compatible server; repeat the flag for several"
    ),
    "key_env": _mind(
        str | None,
        None,
        text="environment variable that holds the API key; empty: no key; by default DEEPSEEK_API_KEY if it is set,"
        " else OPENAI_API_KEY, with the address in ..._BASE_URL",
    ),
    "max_calls": _mind(int | None, None, text="upper limit of calls to the language model"),
    "max_usd": _mind(float | None, None, text="upper limit of cost in USD"),
    "max_failed": _mind(
        float | None,
        None,
        text="stop where more questions fail for reasons that may pass (429, 5xx, timeout): below 1 a share of the"
        " questions, else a number; by default .05",
    ),
    "concurrency": _mind(int, 64, text="calls in flight at each server"),
}
"""Flags of the users' minds."""

FILES: dict[str, inspect.Parameter] = {
    name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    for name, annotation in (("config", ConfigFile), ("overrides", Overrides), ("plugin", Plugins))
}

_SETTINGS = {
    **{name: name for name in (*RULES, "mind", "replayed")},
    **LLM_FLAGS,
}
"""Flag -> setting."""

PROVIDERS = {"DEEPSEEK": "https://api.deepseek.com/v1", "OPENAI": "https://api.openai.com/v1"}
"""Prefix of the environment variables ..._API_KEY and ..._BASE_URL -> address; the first with a key is used."""


def gym_options(
    config: str = "recgpt.simulate.worlds.gym.config:GymSettings",
    *,
    fixed: Mapping[str, Any] | None = None,
    **defaults: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of the gym.

    Parameters
    ----------
    config
        Import path of the class of `settings`, a subclass of `GymRules` and `MindOptions`.
    fixed
        Settings without a flag, such as the domain of a published module.
    defaults
        Defaults of this command, below --config and --set.
    """
    fixed = fixed or {}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        added = {
            name: parameter.replace(name=name, default=defaults.get(name, parameter.default))
            for name, parameter in {**RULES, **MINDS, **FILES}.items()
            if name not in own and name not in fixed
        }

        @functools.wraps(command)
        def with_settings(ctx: typer.Context, **values: Any) -> None:
            settings = _settings(ctx, config, {**defaults, **fixed}, {name for name in own if name != "settings"})
            passed = {name: value for name, value in values.items() if name in own}
            command(settings=settings, **passed)

        shown = [*(each for name, each in own.items() if name != "settings"), *added.values()]
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters = [context, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in shown)]
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_settings

    return decorate


def _settings(ctx: typer.Context, config: str, defaults: Mapping[str, Any], own: set[str]) -> Any:
    """The settings that flags, --set, file and defaults give, in this order of precedence."""
    given = {name: value for name, value in ctx.params.items() if isinstance(value, str)}
    overrides = ctx.params.get("overrides") or ()
    allow_plugins(
        *(given[name] for name in ("domain", "mind", "policy") if name in given),
        *(ctx.params.get("plugin") or ()),
        overrides=overrides,
    )
    from recgpt.simulate.worlds.gym.registry import check_rules

    module, _, attribute = config.partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    names = {**_SETTINGS, **{name: name for name in own if name in kind.model_fields}}
    flags = typed(ctx, {name: setting for name, setting in names.items() if name in ctx.params})
    _translate(flags)
    settings = kind.load(ctx.params.get("config"), overrides, flags)
    missing = {name: value for name, value in defaults.items() if name not in settings.model_fields_set}
    settings = settings.changed(flags={**missing, **_server(settings)})
    check_rules(settings)
    return settings


def _translate(flags: dict[str, Any]) -> None:
    """Put the published names and the words of the command line into the settings' terms."""
    model = flags.get("llm.model")
    if model == "scripted":
        del flags["llm.model"]
    if model is not None:
        flags.setdefault("mind", "scripted" if model == "scripted" else "llm")
    if flags.get("llm.key_env") == "":
        flags["llm.key_env"] = None
    if flags.get("items") in PUBLISHED_ITEMS:
        say(f"{flags['items']}, the published catalogue, is not to be had: the domain's made-up one takes its place")
        del flags["items"]


def _server(settings: "MindOptions") -> dict[str, Any]:
    """Key and address of the language model's server, where none are given: of the first provider with a key.

    Raises
    ------
    ConfigError
        No model is named.
    """
    if settings.mind != "llm":
        return {}
    given = settings.llm.model_fields_set
    if "model" not in given:
        raise ConfigError("--mind llm: which language model? name it as its server does, with --llm-model NAME")
    provider = next((name for name in PROVIDERS if os.environ.get(f"{name}_API_KEY")), "OPENAI")
    found: dict[str, Any] = {}
    if "key_env" not in given:
        found["llm.key_env"] = f"{provider}_API_KEY"
    if "base_urls" not in given:
        found["llm.base_urls"] = [os.environ.get(f"{provider}_BASE_URL") or PROVIDERS[provider]]
    return found
