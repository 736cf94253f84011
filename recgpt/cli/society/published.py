"""The published configuration of RecAgent (YAML) as settings of a society.

    found = translated(read_yaml("config.yaml"), mind="scripted", plays_role=False, memory=None)
    found.settings["rounds"], found.warnings

Every key of the published file is used, or a warning says why it has no meaning here. A key of an API is never read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recgpt.errors import ConfigError

RECOMMENDERS = {"Random": "random", "MF": "mf"}
MEMORIES = {"recagent": "recagent", "other": "generative_agents"}
"""Values of the published option `--recagent_memory` -> preset."""

_RENAMED = {
    "round": "rounds",
    "epoch": "rounds",
    "agent_num": "agents",
    "num_agents": "agents",
    "user_path": "users",
    "relationship_path": "relationships",
}
_SAME = ("page_size", "interval", "seed", "active_agent_threshold", "active_method", "active_prob")
SETTINGS = {**_RENAMED, **{name: name for name in _SAME}}
"""Key whose value is that of one setting -> the setting."""

USED = (
    *("llm", "api_bases", "temperature", "max_token", "item_path", "interaction_path", "rec_model", "execution_mode"),
    *("rec_random_k", "social_random_k"),
)
"""Other keys that are used."""

WITHOUT_MEANING = {
    "api_keys": "keys in a file are not read: set the environment variable OPENAI_API_KEY, or name another one with"
    " --key_env, and delete them from the file",
    "max_retries": "failed calls are repeated a few times at most: on 429, 5xx and timeouts",
    "index_name": "the search index is made from the catalogue at the start",
    "ckpt_path": "the recommender is fitted at the start; its weights follow from data and seed",
    "simulator_dir": "every round is stored in the folder of the run",
    "simulator_restore_file_name": "a stored run goes on with `recgpt runs resume RUN`; published checkpoints are"
    " pickles, which can run code, and are not read",
    "embedding_size": "recommenders have settings of their own",
    "epoch_num": "published training is never called; recommenders are trained with settings of their own",
    "batch_size": "published training is never called; recommenders are trained with settings of their own",
    "lr": "published training is never called; recommenders are trained with settings of their own",
    "agent_memory": "the published program does not read it: choose with --recagent_memory",
    "verbose": "the published program does not read it: everything is in the log of the run",
}
"""Key -> why it has no meaning here."""

ROLE = {
    "name": "Tommy",
    "gender": "male",
    "age": 23,
    "traits": "happy, nice",
    "status": "student",
    "interest": "sci-fi",
    "feature": "Watcher",
}
"""Profile of the role that a person plays."""


@dataclass(frozen=True)
class Translated:
    """Settings of a society from a published configuration.

    Attributes
    ----------
    settings
        Values for `SocietyConfig.load`.
    interaction_path
        File for the interactions; None for none.
    warnings
        Keys without a meaning, a line each.
    """

    settings: dict[str, Any]
    interaction_path: Path | None
    warnings: list[str]


def translated(content: Mapping[str, Any], *, mind: str, plays_role: bool, memory: str | None) -> Translated:
    """Translate the content of a published configuration.

    Parameters
    ----------
    mind
        `scripted` or `llm`.
    plays_role
        Whether a person plays one more agent.
    memory
        Value of `--recagent_memory`; None for the default of the society.

    Raises
    ------
    ConfigError
        A key is unknown, two keys contradict each other, or a value has no translation.
    """
    known = [*SETTINGS, *USED, *WITHOUT_MEANING]
    if unknown := [key for key in content if key not in known]:
        raise ConfigError(
            f"there is no key {unknown[0]!r} in a configuration of RecAgent: choose among {', '.join(known)}"
        )
    given = {key: value for key, value in content.items() if value not in (None, "", [])}
    warnings = [f"{key}: {WITHOUT_MEANING[key]}" for key in given if key in WITHOUT_MEANING]
    settings: dict[str, Any] = {"mind": mind, **_settings(given)}
    if memory is not None:
        settings["memory"] = MEMORIES[memory]
    settings["llm"] = {"concurrency": _concurrency(given)}
    if mind == "llm":
        settings["llm"] |= _language_model(given)
    elif {"llm", "api_bases", "temperature", "max_token"} & set(given):
        warnings.append(
            "llm, api_bases, temperature, max_token: agents decide by fitted models unless --mind llm is given"
        )
    settings["schedule"] = _schedule(given)
    if plays_role:
        _add_role(settings)
    path = given.get("interaction_path")
    return Translated(settings, None if path is None else Path(str(path)), warnings)


def _concurrency(given: Mapping[str, Any]) -> int:
    """Calls at a time."""
    modes = {"parallel": 64, "serial": 1}
    mode = str(given.get("execution_mode", "parallel"))
    if mode not in modes:
        raise ConfigError(f"execution_mode={mode!r}: choose {' or '.join(modes)}")
    return modes[mode]


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with one key each."""
    settings: dict[str, Any] = {}
    for key, name in SETTINGS.items():
        if key not in given:
            continue
        if name in settings and settings[name] != given[key]:
            raise ConfigError(f"{key}={given[key]!r} contradicts another key, which sets {name}={settings[name]!r}")
        settings[name] = given[key]
    if "rec_model" in given:
        settings["recommender"] = RECOMMENDERS.get(str(given["rec_model"]), str(given["rec_model"]))
    if "item_path" in given:
        path = Path(str(given["item_path"]))
        if path.name != "item.csv":
            raise ConfigError(f"item_path={str(path)!r}: the file of the items must have the name item.csv")
        settings["dataset"] = str(path.parent)
    return settings


def _language_model(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the language model and its servers."""
    options: dict[str, Any] = {}
    names = {"llm": "model", "temperature": "temperature", "max_token": "max_tokens"}
    options |= {name: given[key] for key, name in names.items() if key in given}
    bases = given.get("api_bases")
    bases = [bases] if isinstance(bases, str) else bases
    if bases:
        if paths := [base for base in bases if not str(base).startswith("http")]:
            raise ConfigError(
                f"api_bases={paths[0]!r} is no address: serve the model, for example with `recgpt llm serve`, and give"
                " the address of the server"
            )
        options["base_urls"] = list(bases)
    return options


def _schedule(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Random items in pages, and friends of other interest."""
    entries: list[dict[str, Any]] = []
    n_items, n_friends = given.get("rec_random_k", 0), given.get("social_random_k", 0)
    for key, number in (("rec_random_k", n_items), ("social_random_k", n_friends)):
        if not isinstance(number, int) or isinstance(number, bool):
            raise ConfigError(f"{key}={number!r}: a whole number is needed, such as 0, 1, 3 or 5")
    if n_items > 0:
        entries.append({"kind": "random_items", "round": 1, "every": 1, "n": n_items})
    if n_friends:
        interest = "different" if n_friends > 0 else "same"
        entries.append({"kind": "rewire", "round": 1, "n": abs(n_friends), "interest": interest})
    return entries


def _add_role(settings: dict[str, Any]) -> None:
    """One more agent with the published profile and the friends 0 and 1, played by a person."""
    role = settings.get("agents", 100)
    settings["agents"] = role + 1
    settings["schedule"] += [
        {"kind": "profile", "round": 1, "agents": [role], "values": ROLE},
        *({"kind": "tie", "round": 1, "source": role, "target": friend} for friend in range(min(2, role))),
        *({"kind": "tie", "round": 1, "source": friend, "target": role} for friend in range(min(2, role))),
        {"kind": "person", "round": 1, "agent": role},
    ]
