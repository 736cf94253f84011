"""Settings of training, evaluation, benchmarks and worlds: one base class, one file format, one order of precedence.

    class PretrainConfig(Config):
        steps: int = Field(default=12_000, ge=1, description="optimizer steps")

    PretrainConfig.load("pretrain.yaml", ["network.d_model=64"], flags={"steps": 100})

A flag of the command line wins over `--set KEY=VALUE`, which wins over the YAML file (`--config`), which wins over the
defaults. Keys of nested settings are dotted. `recgpt.generative.decoder.RecGPTConfig` is not a `Config`: it is the
published file format of a model, a `PretrainedConfig` of transformers.
"""

import math
import numbers
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from recgpt.bounds import MAX_DIGITS
from recgpt.errors import ConfigError

MAX_SEED = 2**32 - 1
"""Largest seed that all random number generators take."""

ConfigT = TypeVar("ConfigT", bound="Config")
Key = tuple[str | int, ...]
"""Path of a setting: `network.d_model` is ("network", "d_model")."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: true and false only, so that `mixed_precision: no` is a word."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


MAX_YAML_BYTES = 64 << 10
"""Size of a YAML file."""
MAX_YAML_VALUES = 10_000
"""Values in a YAML file, those that stand at several places by an alias counted at each."""


def _parsed_yaml(text: str) -> Any:
    """Parse YAML within the limits; YAMLError where it is none or exceeds them."""
    if len(text) > MAX_YAML_BYTES:
        raise yaml.YAMLError(f"{len(text):,} characters, at most {MAX_YAML_BYTES:,} are read")
    try:
        parsed = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        n_values = _count(parsed, {})
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply, or contains itself") from error
    except (ValueError, OverflowError) as error:  # an impossible date, a number of too many digits
        raise yaml.YAMLError(str(error)) from error
    if n_values > MAX_YAML_VALUES:
        raise yaml.YAMLError(f"its aliases make it {n_values:.3g} values, at most {MAX_YAML_VALUES:,} are read")
    return parsed


def _count(value: Any, counted: dict[int, int]) -> int:
    """Number of values in a parsed YAML value, an aliased one at each of its places."""
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    if not isinstance(value, dict | list | set | tuple):
        return 1
    if id(value) not in counted:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        counted[id(value)] = 1 + sum(_count(part, counted) for part in parts)
    return counted[id(value)]


def _scalar(written: str) -> Any:
    """Value of `--set`: YAML where it is some, else the text."""
    try:
        return _parsed_yaml(written)
    except yaml.YAMLError:
        return written


class Config(BaseModel):
    """Base of all settings: frozen, without unknown keys, numbers finite, each field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def load(
        cls, path: str | Path | None = None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
    ) -> Self:
        """Merge and validate settings.

        Parameters
        ----------
        path
            YAML file; None for the defaults.
        overrides
            Texts `a.b=value`, each value a YAML scalar or list; lists may also be written `x,y`.
        flags
            Values by dotted key, for example of the command line.

        Raises
        ------
        ConfigError
            The file cannot be read, a key is unknown, or a value is not allowed. The message names the key, its place
            (file, `--set` or flag) and the existing keys.
        """
        values = {} if path is None else read_yaml(path)
        return cls._merged(values, {} if path is None else {(): str(path)}, overrides, flags or {})

    def part(self, kind: type[ConfigT]) -> ConfigT:
        """The settings of another class whose fields this one has too."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})

    def changed(
        self,
        overrides: Sequence[str] = (),
        flags: Mapping[str, Any] | None = None,
        *,
        path: str | Path | None = None,
    ) -> Self:
        """The same settings with those of a file, overrides and flags, as of `load`."""
        values, places = self.model_dump(), {}
        for key, value in _settings_in({} if path is None else read_yaml(path)):
            _put(values, key, value)
            places[key] = str(path)
        return self._merged(values, places, overrides, flags or {})

    @classmethod
    def _merged(
        cls, values: dict[str, Any], places: dict[Key, str], overrides: Sequence[str], flags: Mapping[str, Any]
    ) -> Self:
        for text in overrides:
            key, value = cls._parsed(text)
            _put(values, key, value)
            places[key] = "--set"
        for name, value in flags.items():
            key = tuple(name.split("."))
            _put(values, key, value)
            places[key] = f"--{name.split('.')[-1].replace('_', '-')}"
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise config_error(cls, error, places) from error

    @classmethod
    def _parsed(cls, text: str) -> tuple[Key, Any]:
        name, equals, written = text.partition("=")
        key = tuple(name.strip().split("."))
        if not equals or not all(key):
            raise ConfigError(f"--set {text!r} is not KEY=VALUE, such as {next(iter(cls.model_fields))}=...")
        value = _scalar(written)
        annotation = _annotation_at(cls, key)
        if value is None and not written.strip() and set(_classes_in(annotation)) == {str}:
            value = ""  # `--set key_env=`: an empty text, as the setting cannot be null
        if set(_classes_in(annotation)) in ({str}, {str, types.NoneType}) and value is not None:
            value = value if isinstance(value, str) else written  # the film "1984" is no number
        if _holds_several(annotation) and value is not None and not isinstance(value, list):
            value = [_scalar(part) for part in value.split(",")] if isinstance(value, str) else [value]
        return key, value

    def to_yaml(self) -> str:
        """All settings as YAML text, readable by `load`."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def check_number(
    name: str,
    value: object,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> None:
    """Check a number that is given to a function, as a `Config` checks its fields.

    Raises
    ------
    ConfigError
        It is no number, not finite, not whole if `whole`, or out of bounds; the message names it and the bounds.
    """
    needed = ["a whole number" if whole else "a finite number"]
    needed += [f"at least {at_least:g}"] if at_least is not None else []
    needed += [f"above {above:g}"] if above is not None else []
    needed += [f"below {below:g}"] if below is not None else []
    right = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
    if right:
        number = float(value)  # type: ignore[arg-type]
        right = math.isfinite(number) and (at_least is None or number >= at_least)
        right = right and (above is None or number > above) and (below is None or number < below)
    if not right:
        raise ConfigError(f"{name}={value!r}: {', '.join(needed)} is needed")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read the mapping in a YAML file.

    Raises
    ------
    ConfigError
        There is no such file, or it holds no YAML mapping.
    """
    try:
        with Path(path).open("rb") as file:  # a device or a pipe has no size
            return parse_yaml(file.read(MAX_YAML_BYTES + 1).decode(), str(path))
    except OSError as error:
        raise ConfigError(f"--config {path} cannot be read ({error.strerror}): name a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from error


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse the mapping in a YAML text.

    Parameters
    ----------
    where
        Place of the text, for the message.

    Raises
    ------
    ConfigError
        It is no YAML mapping, or too large.
    """
    try:
        content = _parsed_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not readable YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{where} holds a {type(content).__name__}: lines such as `seed: 0` are needed")
    return content


def config_error(cls: type[BaseModel], error: ValidationError, places: Mapping[Key, str] | None = None) -> ConfigError:
    """First validation error of pydantic in one line: place, key, value, problem and allowed values.

    Parameters
    ----------
    places
        Source (file, `--set` or flag) of a key, or of all keys below it.
    """
    first = error.errors(include_url=False)[0]
    key: Key = first["loc"]
    name = ".".join(map(str, key)) or "the settings"
    place = next((where for n in range(len(key), -1, -1) if (where := (places or {}).get(key[:n]))), cls.__name__)
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        allowed = ", ".join(_keys_of(_annotation_at(cls, key[:-1])))
        return ConfigError(f"{place}: there is no setting {name!r}: choose among {allowed}")
    if first["type"] == "missing":
        return ConfigError(
            f"{place}: {name} is needed: set it in a file (--config), by --set {name}=VALUE or by its flag"
        )
    problem = first["msg"].removeprefix("Value error, ")
    about = _description_at(cls, key)
    return ConfigError(f"{place}: {name}={first['input']!r}: {problem}{f' ({about})' if about else ''}")


def _put(values: dict[str, Any], key: Key, value: Any) -> None:
    """Set `values[a][b] = value` for the key (a, b)."""
    for step in key[:-1]:
        below = values.get(str(step))
        values[str(step)] = below = dict(below) if isinstance(below, Mapping) else {}
        values = below
    values[str(key[-1])] = value


def _settings_in(values: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Keys and values of nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _settings_in(value, (*above, str(name)))
        else:
            yield (*above, str(name)), value


def _keys_of(annotation: Any) -> list[str]:
    """Names of the settings of the first settings class in an annotation."""
    for each in _classes_in(annotation):
        fields = getattr(each, "model_fields", None) or getattr(each, "__dataclass_fields__", None)
        if fields:
            return list(fields)
    return []


def _annotation_at(cls: type[BaseModel], key: Key) -> Any:
    """Type of the setting at `key`; None if it does not exist."""
    found: Any = cls
    for step in key:
        if isinstance(step, int):
            continue
        for each in _classes_in(found):
            if step in (fields := getattr(each, "model_fields", {})):
                found = fields[step].annotation
                break
        else:
            return None
    return found


def _description_at(cls: type[BaseModel], key: Key) -> str | None:
    names = [step for step in key if isinstance(step, str)]
    for n in range(len(names), 0, -1):
        for each in _classes_in(_annotation_at(cls, tuple(names[: n - 1]))):
            if names[n - 1] in (fields := getattr(each, "model_fields", {})):
                return fields[names[n - 1]].description
    return None


def _classes_in(annotation: Any) -> Iterator[type]:
    """All classes that a type annotation names, outer before inner."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _classes_in(inner)


def _holds_several(annotation: Any) -> bool:
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    return any(typing.get_origin(each) in (tuple, list) for each in (annotation, *parts))
