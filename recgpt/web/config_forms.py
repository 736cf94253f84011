"""Settings of worlds for the form of a new run: schemas, YAML, and checks in one line."""

from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from recgpt.config import config_error
from recgpt.errors import ConfigError
from recgpt.simulate.world import WORLDS, WorldConfig, WorldSpec, world_of

_DESCRIPTIONS = {
    "feed": "users who browse a recommender's pages",
    "society": "people with friends who browse, chat and post",
    "gym": "users who rate one item after the other",
    "gym_studies": "studies of simulated raters",
}


def schemas() -> list[dict[str, Any]]:
    """Worlds with the JSON schema and the defaults of their settings."""
    return [_described(world_of(name)) for name in WORLDS]


def _described(spec: WorldSpec) -> dict[str, Any]:
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in spec.config.model_fields.items()
        if field.get_default(call_default_factory=True) is not PydanticUndefined
    }
    known = spec.config.model_construct(**defaults).model_dump(mode="json", warnings=False)
    return {
        "name": spec.name,
        "step_name": spec.step_name,
        "description": _DESCRIPTIONS.get(spec.name, ""),
        "schema": spec.config.model_json_schema(),
        "defaults": {name: known[name] for name in defaults},
    }


def checked_config(world: str, settings: dict[str, Any]) -> dict[str, Any]:
    """All settings as JSON.

    Raises
    ------
    ConfigError
        A setting is unknown, missing or wrong.
    """
    return _config(world, settings).model_dump(mode="json")


def yaml_settings(world: str, text: str) -> dict[str, Any]:
    """Settings of a YAML text, all of them as JSON."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the text is not readable YAML: {error}") from error
    if not isinstance(found or {}, dict):
        raise ConfigError(f"the text holds a {type(found).__name__}: lines such as `seed: 0` are needed")
    return checked_config(world, found or {})


def yaml_of(world: str, settings: dict[str, Any]) -> str:
    """YAML text of the settings."""
    return _config(world, settings).to_yaml()


def _config(world: str, settings: dict[str, Any]) -> WorldConfig:
    kind = world_of(world).config
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise config_error(kind, error) from error
