"""Settings of worlds for the form of a new run: schemas, YAML, and checks in one line."""

import json
from typing import Any

import yaml
from pydantic import ValidationError

from recgpt.config import config_error, parse_yaml
from recgpt.errors import SimulationError
from recgpt.recommenders import REGISTRY
from recgpt.simulate.store import Run
from recgpt.simulate.world import WORLDS, WorldConfig, WorldSpec, world_of
from recgpt.web.cleaning import cleaned_value
from recgpt.web.permits import PATHS, Permits

_DESCRIPTIONS = {
    "feed": "users who browse a recommender's pages",
    "society": "people with friends who browse, chat and post",
    "gym": "users who rate one item after the other",
    "gym_studies": "studies of simulated raters",
}


def schemas(permits: Permits) -> list[dict[str, Any]]:
    """Worlds with the JSON schema and the defaults of their settings."""
    return [_described(world_of(name), permits) for name in WORLDS]


def _described(spec: WorldSpec, permits: Permits) -> dict[str, Any]:
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in spec.config.model_fields.items()
        if not field.is_required()
    }
    known = spec.config.model_construct(**defaults).model_dump(mode="json", warnings=False)
    schema = spec.config.model_json_schema()
    for name in PATHS:
        if name in schema["properties"]:
            schema["properties"][name]["examples"] = sorted(permits.paths[name])
    for name, names in _names_of(spec.name).items():
        field = schema["properties"][name]
        field["examples"] = [*names, *field.get("examples", ())]
    return {
        "name": spec.name,
        "step_name": spec.step_name,
        "description": _DESCRIPTIONS.get(spec.name, ""),
        "schema": schema,
        "defaults": {name: known[name] for name in defaults},
    }


def _names_of(world: str) -> dict[str, list[str]]:
    """Registered names for the settings that are texts."""
    if world == "gym":
        from recgpt.simulate.worlds.gym.policies import policy_names

        return {"policy": policy_names()}
    return {"recommender": list(REGISTRY)} if world in ("feed", "society") else {}


def checked_config(world: str, settings: dict[str, Any], permits: Permits) -> WorldConfig:
    """Settings of a page, checked; labels of folders are replaced by their paths.

    Raises
    ------
    ConfigError
        A setting is unknown, missing or wrong, or names what is not offered.
    SimulationError
        There is no such world.
    """
    kind = _world(world).config
    try:
        return kind.model_validate(permits.resolved(settings))
    except ValidationError as error:
        raise config_error(kind, error, {(): "settings"}) from error


def shown_config(config: WorldConfig) -> dict[str, Any]:
    """Settings as a page may see them: labels of folders in place of paths, no secrets."""
    shown: dict[str, Any] = cleaned_value(config.model_dump(mode="json"))
    return shown


def settings_of_yaml(world: str, text: str, permits: Permits) -> dict[str, Any]:
    """Settings in a YAML text, all of them, checked."""
    return shown_config(checked_config(world, parse_yaml(text, "the text"), permits))


def yaml_of(world: str, settings: dict[str, Any], permits: Permits) -> str:
    """YAML text of settings, all of them, checked."""
    shown = shown_config(checked_config(world, settings, permits))
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def overrides_of(run: Run, settings: dict[str, Any], permits: Permits) -> list[str]:
    """Texts `name=value` for a fork with changed settings, checked.

    Raises
    ------
    ConfigError
        A setting is unknown or wrong, or names what is not offered.
    """
    config = world_of(run.manifest.world).config(**run.manifest.config)
    asked = {name: value for name, value in settings.items() if "." not in name}
    changed = permits.resolved(asked)
    after = config.changed(flags={**settings, **changed}).model_dump(mode="json")
    before = run.manifest.config
    if after.get("llm") != before.get("llm"):
        permits.resolved({"llm": after["llm"]})
    return [f"{name}={json.dumps({**settings, **changed}[name])}" for name in settings]


def _world(name: str) -> WorldSpec:
    if name not in WORLDS:
        raise SimulationError(f"no world {name!r}: choose among {', '.join(WORLDS)}")
    return world_of(name)
